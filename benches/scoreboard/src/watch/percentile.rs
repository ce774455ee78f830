//! Above the 99.5th percentile of the last 14 days, over 30 minutes, for each principal.
//!
//! Datadog's anomaly method: the upper bound is the 99.5th percentile of up to two weeks, and a
//! value seen for the first time gets a learning period. The rest is not published, and our choices
//! are: buckets of 30 minutes, empty ones included; two weeks to learn; an alert as soon as a
//! bucket exceeds the bound by at least one. Its seasonal models are not imitated.

use std::collections::VecDeque;

use super::{Episode, Seen};

const BUCKET: i64 = 1800;
const BUCKETS: usize = 14 * 48;
/// The number of buckets above the percentile, out of 672.
const ABOVE: usize = 3;

#[derive(Clone, Debug, Default)]
pub(super) struct Percentile {
    first: Option<i64>,
    open: i64,
    count: u32,
    bound: u32,
    closed: VecDeque<u32>,
    episode: Episode,
}

impl Percentile {
    pub(super) fn see(&mut self, seen: Seen) -> Option<i64> {
        let bucket = seen.time.div_euclid(BUCKET);
        if self.first.is_none() {
            (self.first, self.open) = (Some(bucket), bucket);
        }
        if bucket > self.open {
            self.close(bucket);
        }
        self.count += 1;
        let hit = self.closed.len() >= BUCKETS && self.count > self.bound;
        (hit && self.episode.reports(seen.time)).then_some(seen.time)
    }

    fn close(&mut self, next: i64) {
        self.closed.push_back(self.count);
        let silent = usize::try_from(next - self.open - 1).unwrap_or(0).min(BUCKETS);
        self.closed.extend(std::iter::repeat_n(0, silent));
        let surplus = self.closed.len().saturating_sub(BUCKETS);
        self.closed.drain(..surplus);
        let mut sorted: Vec<u32> = self.closed.iter().copied().collect();
        let place = sorted.len().saturating_sub(1 + ABOVE);
        self.bound = *sorted.select_nth_unstable(place).1;
        (self.open, self.count) = (next, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_silent_for_two_weeks_and_then_tells_more_than_ever() {
        let mut rule = Percentile::default();
        let mut alerts = Vec::new();
        for bucket in 0..800 {
            let calls = if bucket == 100 || bucket == 750 { 9 } else { 2 };
            for i in 0..calls {
                let seen = Seen { time: bucket * BUCKET + i, secret: 1, session: 0 };
                alerts.extend(rule.see(seen));
            }
        }
        assert_eq!(alerts, [750 * BUCKET + 2]);
    }
}
