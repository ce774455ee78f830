//! How many attacks are still noticed while the same principal's job floods its window.

use serde::Serialize;

use crate::attack::{Attack, strike};
use crate::chance::Chance;
use crate::life::benign::Kind;
use crate::life::{Call, DAY, EPOCH, HOUR};
use crate::principal::{Caller, recorded};
use crate::watch::Rattle;

/// Denied calls of the job in 5 minutes.
pub const RATES: [u32; 4] = [100, 300, 1000, 3000];
/// Number of attacks tried.
pub const ATTACKS: [Attack; 3] = [Attack::Fast, Attack::Medium, Attack::Small];

/// How often an attack is noticed behind a job of that rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Masked {
    /// Denied calls of the job in 5 minutes.
    pub rate: u32,
    pub attack: Attack,
    /// How many attacks were made.
    pub made: u32,
    /// How many raised an alert.
    pub noticed: u32,
}

/// Makes that attack this many times, each behind a job that has asked for one secret at that rate
/// for half a day.
pub fn masked(seed: u64, rate: u32, attack: Attack, made: u32) -> anyhow::Result<Masked> {
    let mut chance = Chance::of(seed, "flood", u64::from(rate));
    let caller = Caller::of(Kind::Noise, u64::from(rate), "flood")?;
    let begin = EPOCH + DAY;
    let start = begin + 12 * HOUR;
    let job = |chance: &mut Chance, from: i64, to: i64| {
        let mut calls = Vec::new();
        for window in (from..to).step_by(300) {
            for _ in 0..rate {
                calls.push(Call::harmless(chance.within(window..window + 300), 0));
            }
        }
        calls
    };
    let rattle = Rattle::new()?;
    let calls = job(&mut chance, begin, start);
    for event in recorded(&calls, &mut chance) {
        rattle.see(&caller.denial(&event), event.call.time)?;
    }
    let mut masked = Masked { rate, attack, made, noticed: 0 };
    for _ in 0..made {
        let begin = start + chance.within(0..300);
        let strike = strike(attack, &mut chance, begin, &[0]);
        let mut calls = job(&mut chance, start, start + 1200);
        calls.extend(&strike.calls);
        let rattle = rattle.fork(caller.key());
        let mut noticed = false;
        for event in recorded(&calls, &mut chance) {
            noticed |= rattle.see(&caller.denial(&event), event.call.time)?.is_some();
        }
        masked.noticed += u32::from(noticed);
    }
    Ok(masked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_fills_its_windows_hides_an_attack_and_a_smaller_one_does_not() {
        assert_eq!(masked(1, 100, Attack::Medium, 5).unwrap().noticed, 5);
        assert_eq!(masked(1, 3000, Attack::Small, 5).unwrap().noticed, 0);
    }
}
