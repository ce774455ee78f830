//! Patterns of harmless calls.

use super::{Call, DAY, HOUR};
use crate::chance::Chance;

/// Length of the shortest window in seconds.
pub(super) const FIVE_MINUTES: i64 = 300;

/// Calls at random moments, with this many a day on average.
pub(super) fn scattered(
    chance: &mut Chance,
    (from, to): (i64, i64),
    per_day: f64,
    pool: &[u32],
) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut time = from;
    loop {
        time += chance.wait(DAY as f64 / per_day);
        if time >= to {
            return calls;
        }
        calls.push(Call::harmless(time, any_of(chance, pool)));
    }
}

/// This many calls within the period, each at a random moment.
pub(super) fn sprinkled(
    chance: &mut Chance,
    (from, to): (i64, i64),
    how_many: u32,
    pool: &[u32],
    calls: &mut Vec<Call>,
) {
    for _ in 0..how_many {
        let time = chance.within(from..to);
        calls.push(Call::harmless(time, any_of(chance, pool)));
    }
}

/// A job's attempts in succession, for each of its secrets in turn.
pub(super) fn burst(
    chance: &mut Chance,
    start: i64,
    attempts: u32,
    gap: (i64, i64),
    pool: &[u32],
    calls: &mut Vec<Call>,
) {
    let mut time = start;
    for secret in pool.iter().cycle().take(attempts as usize) {
        calls.push(Call::harmless(time, *secret));
        time += chance.within(gap.0..=gap.1);
    }
}

pub(super) fn any_of(chance: &mut Chance, pool: &[u32]) -> u32 {
    pool[chance.within(0..pool.len())]
}

/// When a job runs, and how often it tries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// Seconds between two runs.
    pub(super) period: i64,
    /// Attempts of one run.
    pub(super) attempts: u32,
}

impl Schedule {
    /// A job that runs every hour or every day and tries 3 to 100 times.
    pub(super) fn every(period: i64, chance: &mut Chance) -> Self {
        Self { period, attempts: chance.whole_magnitude(3, 100) }
    }

    /// Its calls: runs start with jitter, vary a little in the number of attempts, and are
    /// sometimes skipped.
    pub(super) fn calls(
        &self,
        chance: &mut Chance,
        (from, to): (i64, i64),
        pool: &[u32],
    ) -> Vec<Call> {
        let mut calls = Vec::new();
        let mut run = from + chance.within(0..self.period);
        while run < to {
            if !chance.happens(0.03) {
                let fewer = self.attempts - self.attempts / 5;
                let attempts = chance.within(fewer..=self.attempts + self.attempts / 5);
                let start = run + chance.within(0..=self.period.min(HOUR) / 30);
                burst(chance, start, attempts, (1, 5), pool, &mut calls);
            }
            run += self.period;
        }
        calls
    }
}

pub(super) fn is_weekday(day_start: i64) -> bool {
    (day_start - super::EPOCH).div_euclid(DAY).rem_euclid(7) < 5
}

/// The starts of the days in that period.
pub(super) fn days((from, to): (i64, i64)) -> impl Iterator<Item = i64> {
    let first = from - (from - super::EPOCH).rem_euclid(DAY);
    (0..).map(move |day| first + day * DAY).take_while(move |day| *day < to)
}
