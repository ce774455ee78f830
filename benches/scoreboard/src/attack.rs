//! Enumerations: each asks for secrets that its principal does not use.

use serde::Serialize;

use crate::chance::Chance;
use crate::life::{Call, DAY, HOUR, foreign_secrets, session_of_day};

const MINUTE: i64 = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// 50 to 1,000 secrets in 1 to 10 minutes.
    Fast,
    /// 20 secrets in 10 minutes.
    Medium,
    /// 10 secrets in half a minute to 4 minutes.
    Small,
    /// One secret every 5 to 15 minutes for 2 days.
    Slow,
    /// One secret every 30 to 60 minutes for 4 days.
    VerySlow,
    /// One secret in 12 hours, then twice as fast every 18 hours, for 5 days.
    Ramp,
    /// A medium attack, and another one a day later.
    NextDay,
    /// A medium attack, and another one a week later.
    NextWeek,
    /// One Region after another: all secrets tried before, and some more.
    Regions,
    /// 30 secrets in 20 minutes, each call in a session with a new name.
    FreshSessions,
}

impl Attack {
    pub const ALL: [Self; 10] = [
        Self::Fast,
        Self::Medium,
        Self::Small,
        Self::Slow,
        Self::VerySlow,
        Self::Ramp,
        Self::NextDay,
        Self::NextWeek,
        Self::Regions,
        Self::FreshSessions,
    ];

    /// The name in tables and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Medium => "medium",
            Self::Small => "small",
            Self::Slow => "slow",
            Self::VerySlow => "very-slow",
            Self::Ramp => "ramp",
            Self::NextDay => "next-day",
            Self::NextWeek => "next-week",
            Self::Regions => "regions",
            Self::FreshSessions => "fresh-sessions",
        }
    }

    /// A short description.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Fast => "50 to 1,000 secrets in 1 to 10 minutes",
            Self::Medium => "20 secrets in 10 minutes",
            Self::Small => "10 secrets in half a minute to 4 minutes",
            Self::Slow => "one secret each 5 to 15 minutes for 2 days",
            Self::VerySlow => "one secret each 30 to 60 minutes for 4 days",
            Self::Ramp => "one secret in 12 hours, twice as fast every 18 hours, for 5 days",
            Self::NextDay => "a medium attack a day after another; the second one counts",
            Self::NextWeek => "a medium attack a week after another; the second one counts",
            Self::Regions => {
                "4 to 8 Regions, 5 to 20 minutes each: all secrets so far, and 3 to 6 more"
            }
            Self::FreshSessions => "30 secrets in 20 minutes, each in a session of its own",
        }
    }

    /// Whether the goal for its recall is 0.99 instead of 0.90.
    pub const fn must_be_caught(self) -> bool {
        matches!(self, Self::Fast | Self::Medium | Self::Small | Self::Slow | Self::Ramp)
    }
}

#[derive(Clone, Debug)]
pub struct Strike {
    /// Sorted by time.
    pub calls: Vec<Call>,
    /// Start of the part that is to be noticed.
    pub judged_from: i64,
}

impl Strike {
    /// Time of the last call.
    pub fn end(&self) -> i64 {
        self.calls.last().map_or(self.judged_from, |call| call.time)
    }
}

/// An attack that begins at `start`, by someone who knows nothing of the secrets in `pool`.
pub fn strike(attack: Attack, chance: &mut Chance, start: i64, pool: &[u32]) -> Strike {
    let mut hand =
        Hand { secrets: foreign_secrets(chance, pool, 1000).into_iter(), calls: Vec::new() };
    let mut judged_from = start;
    match attack {
        Attack::Fast => {
            let secrets = chance.whole_magnitude(50, 1000);
            let end = start + chance.within(MINUTE..=10 * MINUTE);
            hand.spread(chance, (start, end), secrets);
        }
        Attack::Medium => hand.spread(chance, (start, start + 10 * MINUTE), 20),
        Attack::Small => {
            let end = start + chance.within(MINUTE / 2..=4 * MINUTE);
            hand.spread(chance, (start, end), 10);
        }
        Attack::Slow => {
            hand.pace(start, 2 * DAY, || chance.within(5 * MINUTE..=15 * MINUTE));
        }
        Attack::VerySlow => {
            hand.pace(start, 4 * DAY, || chance.within(30 * MINUTE..=60 * MINUTE));
        }
        Attack::Ramp => hand.ramp(chance, start),
        Attack::NextDay | Attack::NextWeek => {
            judged_from += if attack == Attack::NextDay { DAY } else { 7 * DAY };
            for start in [start, judged_from] {
                hand.spread(chance, (start, start + 10 * MINUTE), 20);
            }
        }
        Attack::Regions => hand.region_after_region(chance, start),
        Attack::FreshSessions => {
            hand.spread(chance, (start, start + 20 * MINUTE), 30);
            for (session, call) in (1_000_000..).zip(&mut hand.calls) {
                call.session = session;
            }
        }
    }
    hand.calls.sort_by_key(|call| call.time);
    judged_from = judged_from.max(hand.calls.first().map_or(start, |first| first.time));
    Strike { calls: hand.calls, judged_from }
}

/// The secrets that an attacker has tried and those still to try.
struct Hand {
    secrets: std::vec::IntoIter<u32>,
    calls: Vec<Call>,
}

impl Hand {
    fn call(&mut self, time: i64, secret: u32, region: u8) {
        let session = session_of_day(time);
        self.calls.push(Call { time, secret, session, attack: true, region });
    }

    fn new_call(&mut self, time: i64) {
        if let Some(secret) = self.secrets.next() {
            self.call(time, secret, 0);
        }
    }

    /// Tries this many new secrets at random moments of the period.
    fn spread(&mut self, chance: &mut Chance, (from, to): (i64, i64), secrets: u32) {
        for _ in 0..secrets {
            let time = chance.within(from..to);
            self.new_call(time);
        }
    }

    /// Tries one new secret after each gap.
    fn pace(&mut self, start: i64, length: i64, mut gap: impl FnMut() -> i64) {
        let mut time = start;
        while time < start + length {
            self.new_call(time);
            time += gap();
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "seconds of hours")]
    fn ramp(&mut self, chance: &mut Chance, start: i64) {
        let mut time = start;
        while time < start + 5 * DAY {
            self.new_call(time);
            let doublings = (time - start) as f64 / (18 * HOUR) as f64;
            let gap = (12 * HOUR) as f64 / libm::exp2(doublings);
            time += (gap * chance.within(0.8..1.2)) as i64;
        }
    }

    fn region_after_region(&mut self, chance: &mut Chance, start: i64) {
        let regions = chance.within(4..=8);
        let mut tried: Vec<u32> = Vec::new();
        let mut time = start;
        for region in 0..regions {
            let more = chance.within(3..=6);
            tried.extend(self.secrets.by_ref().take(more));
            let mut moment = time;
            for secret in &tried {
                self.call(moment, *secret, region);
                moment += chance.within(1..=3);
            }
            time = moment + chance.within(5 * MINUTE..=20 * MINUTE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn secrets(strike: &Strike) -> BTreeSet<u32> {
        strike.calls.iter().map(|call| call.secret).collect()
    }

    #[test]
    fn attacks_have_the_size_and_the_pace_that_their_names_promise() {
        for number in 0..50 {
            let chance = &mut Chance::of(1, "attacks", number);
            let mut made = |attack| strike(attack, chance, 1_000_000_000, &[1, 2, 3]);
            let fast = made(Attack::Fast);
            assert!((50..=1000).contains(&fast.calls.len()));
            assert!(fast.end() - fast.judged_from <= 600);
            let small = made(Attack::Small);
            assert_eq!(secrets(&small).len(), 10);
            assert!(small.end() - small.judged_from <= 240);
            assert!((192..=576).contains(&made(Attack::Slow).calls.len()));
            assert!((96..=192).contains(&made(Attack::VerySlow).calls.len()));
            let ramp = made(Attack::Ramp);
            let gaps: Vec<i64> =
                ramp.calls.windows(2).map(|pair| pair[1].time - pair[0].time).collect();
            assert!(gaps[0] > 9 * HOUR && gaps[gaps.len() - 1] < HOUR, "{gaps:?}");
            let week = made(Attack::NextWeek);
            assert_eq!(secrets(&week).len(), 40);
            assert_eq!(week.calls.iter().filter(|call| call.time >= week.judged_from).count(), 20);
        }
    }

    #[test]
    fn the_prober_tries_in_each_region_all_that_it_tried_before() {
        let strike = strike(Attack::Regions, &mut Chance::of(1, "regions", 0), 0, &[]);
        let in_region = |region| -> BTreeSet<u32> {
            let calls = strike.calls.iter().filter(|call| call.region == region);
            calls.map(|call| call.secret).collect()
        };
        for region in 1..4 {
            assert!(in_region(region).is_superset(&in_region(region - 1)));
            assert!(in_region(region).len() > in_region(region - 1).len());
        }
    }

    #[test]
    fn an_attacker_asks_for_nothing_that_its_principal_is_used_to() {
        let pool: Vec<u32> = (0..2000).collect();
        for attack in Attack::ALL {
            let strike = strike(attack, &mut Chance::of(3, attack.name(), 0), 0, &pool);
            assert!(secrets(&strike).iter().all(|secret| !pool.contains(secret)), "{attack:?}");
        }
    }
}
