//! The attacker who knows everything: the state, the equations, the clock and the hash.
//!
//! The attacker tries each call on a copy of the engine first, and does not make it if it would
//! raise a finding. The result is the best strategy that was found, and so a lower bound of what is
//! possible.

use serde::Serialize;

use crate::chance::Chance;
use crate::life::benign::{Kind, live_for};
use crate::life::{ACCOUNT_SECRETS, Call, DAY, HOUR, session_of_day};
use crate::principal::{Caller, Event, recorded, secret_name};
use crate::watch::Rattle;

use rattle::cloudtrail::secret::Secret;
use rattle::cloudtrail::secret_set::{BUCKETS, Bucket};
use rattle::detection::policy::MAX_IDS;
use rattle::detection::{Axis, Scale, Signal};

/// Days after which the number of secrets is reported.
pub const MILESTONES: [usize; 3] = [7, 30, LAST_DAY];
/// Days that the attack lasts.
pub const LAST_DAY: usize = 60;
/// Days of a victim's habit, the days of the attack included.
const HABIT: i64 = HABIT_DAYS + 60;
/// Number of secrets whose names the attacker knows.
pub const ACCOUNTS: [u32; 2] = [ACCOUNT_SECRETS, 1000];
/// Days of a carrier's habit before the attack.
const HABIT_DAYS: i64 = 30;
const WINDOW: i64 = 300;

/// Whose credentials the attacker has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Victim {
    /// A principal that was never denied before.
    Fresh,
    /// A principal that was denied once, 30 days before.
    Slipped,
    /// A principal with this habit, which continues.
    Of(Kind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plan {
    /// As many secrets as go unnoticed, one every so many seconds.
    Each(i64),
    /// The same, with secrets chosen by their buckets: those that count as known come first.
    ByBucket(i64),
    /// Four secrets a day.
    FourADay,
    /// As many denials of one secret as go unnoticed until the windows are full, then everything.
    Flood,
}

/// One combination of credentials, plan and account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strategy {
    /// Seed for the order of the secrets and for the victim's habit.
    pub seed: u64,
    pub victim: Victim,
    pub plan: Plan,
    /// Number of secrets in the account whose names the attacker knows.
    pub account: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Haul {
    /// Different secrets tried without an alert by the end of each day.
    pub by_day: Vec<u32>,
    /// How many of them counted as new on each day.
    pub counted: Vec<u32>,
    /// Day on which one of the victim's own calls raised an alert.
    pub noticed_on_day: Option<usize>,
    /// Day on which a window was full for the first time.
    pub full_on_day: Option<usize>,
}

impl Haul {
    /// Secrets after this many days.
    pub fn after(&self, days: usize) -> u32 {
        self.by_day.get(days - 1).or(self.by_day.last()).copied().unwrap_or(0)
    }
}

impl Strategy {
    pub fn all(seed: u64) -> Vec<Self> {
        let victims = [
            Victim::Fresh,
            Victim::Slipped,
            Victim::Of(Kind::Person),
            Victim::Of(Kind::Hourly),
            Victim::Of(Kind::Noise),
            Victim::Of(Kind::WeeklyScan),
        ];
        let periods = [WINDOW, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, DAY];
        let mut strategies = Vec::new();
        for account in ACCOUNTS {
            let of = |victim, plan| Self { seed, victim, plan, account };
            for victim in victims {
                strategies.push(of(victim, Plan::FourADay));
                for period in periods {
                    strategies.push(of(victim, Plan::Each(period)));
                    strategies.push(of(victim, Plan::ByBucket(period)));
                }
            }
            for victim in [Victim::Fresh, Victim::Slipped] {
                strategies.push(of(victim, Plan::Flood));
            }
        }
        strategies
    }

    /// A few strategies that run quickly.
    pub fn some(seed: u64) -> Vec<Self> {
        let plans = [Plan::FourADay, Plan::Each(HOUR), Plan::ByBucket(4 * HOUR)];
        plans.map(|plan| Self { seed, victim: Victim::Fresh, plan, account: 1000 }).into()
    }

    /// Runs for 60 days, or until the attack is noticed or nothing is left to try.
    pub fn pursue(&self) -> anyhow::Result<Haul> {
        let mut thief = Thief::of(self)?;
        let period = match self.plan {
            Plan::Each(period) | Plan::ByBucket(period) => period,
            Plan::FourADay => DAY,
            Plan::Flood => WINDOW,
        };
        let mut haul = Haul {
            by_day: Vec::with_capacity(LAST_DAY),
            counted: Vec::with_capacity(LAST_DAY),
            noticed_on_day: None,
            full_on_day: None,
        };
        let mut time = thief.start;
        for day in 1..=LAST_DAY {
            let midnight = time + DAY;
            while time < midnight && haul.noticed_on_day.is_none() && thief.has_more_to_try() {
                if thief.lets_victim_call_until(time)? {
                    haul.noticed_on_day = Some(day);
                    break;
                }
                match self.plan {
                    Plan::Each(_) => thief.takes(time, u32::MAX)?,
                    Plan::FourADay => thief.takes(time, 4)?,
                    Plan::ByBucket(_) => thief.takes_by_bucket(time)?,
                    Plan::Flood => {
                        if thief.floods(time)? && haul.full_on_day.is_none() {
                            haul.full_on_day = Some(day);
                        }
                    }
                }
                time += period;
            }
            haul.by_day.push(thief.taken);
            haul.counted.push(std::mem::take(&mut thief.counted));
            time = midnight;
        }
        Ok(haul)
    }
}

struct Thief {
    caller: Caller,
    rattle: Rattle,
    /// The engine as it would be without the attack.
    undisturbed: Rattle,
    habit: std::iter::Peekable<std::vec::IntoIter<Event>>,
    start: i64,
    /// Names not yet tried, by bucket; the last of each list is tried next.
    left: Vec<Vec<u32>>,
    /// The same in the order of an attacker who does not know the hash.
    order: Vec<u32>,
    taken: u32,
    counted: u32,
    calls: u128,
}

impl Thief {
    fn of(strategy: &Strategy) -> anyhow::Result<Self> {
        let mut chance = Chance::of(strategy.seed, "attacker", 0);
        let life = match strategy.victim {
            Victim::Of(kind) => Some(live_for(HABIT, kind, &mut chance)),
            Victim::Fresh | Victim::Slipped => None,
        };
        let begin = life.as_ref().map_or(crate::life::EPOCH, |life| life.start);
        let pool = life.as_ref().map_or(&[][..], |life| &life.pool);
        let calls = match strategy.victim {
            Victim::Slipped => vec![Call::harmless(begin, ACCOUNT_SECRETS)],
            _ => life.as_ref().map(|life| life.calls.clone()).unwrap_or_default(),
        };
        let habit = recorded(&calls, &mut chance).into_iter().peekable();
        let mut order = chance.choose(strategy.account, strategy.account);
        order.retain(|secret| !pool.contains(secret));
        let mut left = vec![Vec::new(); usize::from(BUCKETS)];
        for secret in &order {
            if let Some(bucket) = bucket_of(*secret) {
                left[bucket].push(*secret);
            }
        }
        Ok(Self {
            caller: Caller::of(Kind::Noise, 0, "victim")?,
            rattle: Rattle::new()?,
            undisturbed: Rattle::new()?,
            habit,
            start: begin + HABIT_DAYS * DAY,
            left,
            order,
            taken: 0,
            counted: 0,
            calls: 0,
        })
    }

    /// Whether the victim's own calls until then raise an alert that they would not have raised
    /// without the attack.
    fn lets_victim_call_until(&mut self, time: i64) -> anyhow::Result<bool> {
        let mut noticed = false;
        while let Some(event) = self.habit.next_if(|event| event.call.time <= time) {
            let denial = self.caller.denial(&event);
            let here = self.rattle.see(&denial, event.call.time)?;
            let there = self.undisturbed.see(&denial, event.call.time)?;
            noticed |= here.is_some() && there.is_none();
        }
        Ok(noticed)
    }

    /// Asks for one secret, unless that would be noticed.
    fn asks(&mut self, time: i64, secret: u32) -> anyhow::Result<bool> {
        self.calls += 1;
        let call = Call { time, secret, session: session_of_day(time), attack: true, region: 0 };
        let denial = self.caller.denial(&Event { call, id: self.calls << 80, by_arn: false });
        let after = self.rattle.fork(self.caller.key());
        let before = self.new_today(time);
        let unnoticed = after.see(&denial, time)?.is_none();
        if unnoticed {
            self.rattle = after;
            self.counted += self.new_today(time).saturating_sub(before);
        }
        Ok(unnoticed)
    }

    /// New secrets counted on the day of that time.
    fn new_today(&self, time: i64) -> u32 {
        let stored = self.rattle.stored(self.caller.key());
        let state = stored.map(|stored| stored.state);
        let state = state.filter(|state| state.window.start_on(Scale::Day) + DAY > time);
        state.map_or(0, |state| state.observed(Axis { signal: Signal::Secrets, scale: Scale::Day }))
    }

    fn has_more_to_try(&self) -> bool {
        !self.order.is_empty() && self.left.iter().any(|names| !names.is_empty())
    }

    /// Tries as many of the next secrets as go unnoticed.
    fn takes(&mut self, time: i64, most: u32) -> anyhow::Result<()> {
        for _ in 0..most {
            let Some(secret) = self.order.last().copied() else { return Ok(()) };
            if !self.asks(time, secret)? {
                return Ok(());
            }
            self.order.pop();
            self.taken += 1;
        }
        Ok(())
    }

    /// Secrets that count as known come first, then those whose bucket holds the most others.
    fn takes_by_bucket(&mut self, time: i64) -> anyhow::Result<()> {
        loop {
            let stored = self.rattle.stored(self.caller.key());
            let known =
                stored.map(|stored| stored.state.known_secrets().union(&stored.state.secrets));
            let is_free = |place: usize| {
                let bucket = u16::try_from(place).ok().and_then(Bucket::from_number);
                known.zip(bucket).is_some_and(|(known, bucket)| known.contains(bucket))
            };
            let best = (0..self.left.len())
                .filter(|place| !self.left[*place].is_empty())
                .max_by_key(|place| (is_free(*place), self.left[*place].len(), *place));
            let Some(place) = best else { return Ok(()) };
            let Some(secret) = self.left[place].last().copied() else { return Ok(()) };
            if !self.asks(time, secret)? {
                return Ok(());
            }
            self.left[place].pop();
            self.taken += 1;
        }
    }

    /// Fills the window with one secret. Once it is full, other requests are not seen.
    fn floods(&mut self, time: i64) -> anyhow::Result<bool> {
        for _ in 0..MAX_IDS {
            if !self.asks(time, ACCOUNT_SECRETS)? {
                return Ok(false);
            }
        }
        self.takes(time, u32::MAX)?;
        Ok(true)
    }
}

fn bucket_of(secret: u32) -> Option<usize> {
    Secret::from_id(&secret_name(secret)).map(|secret| usize::from(secret.bucket().number()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn haul(victim: Victim, plan: Plan) -> Haul {
        Strategy { seed: 1, victim, plan, account: 1000 }.pursue().unwrap()
    }

    #[test]
    fn four_new_secrets_a_day_are_never_noticed() {
        let haul = haul(Victim::Slipped, Plan::FourADay);
        assert_eq!(haul.after(LAST_DAY), 240);
        assert_eq!(haul.noticed_on_day, None);
    }

    #[test]
    fn whoever_looks_ahead_is_stopped_by_the_thresholds_on_the_first_day() {
        // docs/detection.md: the 17th new secret of a day is reported, the 6th after a month.
        assert_eq!(haul(Victim::Fresh, Plan::Each(WINDOW)).counted[0], 16);
        assert_eq!(haul(Victim::Slipped, Plan::Each(WINDOW)).counted[0], 5);
    }

    #[test]
    fn no_day_has_more_new_secrets_than_the_ceiling_lets_pass() {
        let haul = haul(Victim::Fresh, Plan::Each(HOUR));
        assert!(haul.counted.iter().all(|counted| *counted <= 29), "{haul:?}");
    }
}
