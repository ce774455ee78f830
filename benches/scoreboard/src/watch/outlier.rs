//! One standard deviation above the mean of 15 days, for each principal.
//!
//! Sumo Logic's rule "Spike in AWS `AccessDenied` Events by assumedrole" (`OUTLIER-S00011`):
//! baseline of 15 days, threshold 1 standard deviation, floor 1. Two choices are ours, since the
//! rule's are not published. Windows are hours, as in the related rule `OUTLIER-S00025`. Only hours
//! with an event enter the mean, and the floor is the lowest count that raises an alert. This is
//! the more favourable of two readings: over all hours, nearly any event of a seldom denied
//! principal lies above one deviation.

use std::collections::VecDeque;

use super::{Episode, Seen};

const WINDOW: i64 = 3600;
const DAYS: i64 = 15;
const HOURS: i64 = DAYS * 24;
const DEVIATIONS: f64 = 1.0;
const FLOOR: u32 = 1;

#[derive(Clone, Debug, Default)]
pub(super) struct Outlier {
    first: Option<i64>,
    open: i64,
    count: u32,
    /// Hour and count of the hours that had any.
    closed: VecDeque<(i64, u32)>,
    bound: f64,
    episode: Episode,
}

impl Outlier {
    pub(super) fn see(&mut self, seen: Seen) -> Option<i64> {
        let hour = seen.time.div_euclid(WINDOW);
        let first = *self.first.get_or_insert(hour);
        if self.count == 0 {
            self.open = hour;
        }
        if hour > self.open {
            self.close(hour);
        }
        self.count += 1;
        let is_learnt = hour - first >= HOURS && !self.closed.is_empty();
        let hit = is_learnt && self.count > FLOOR && f64::from(self.count) > self.bound;
        (hit && self.episode.reports(seen.time)).then_some(seen.time)
    }

    fn close(&mut self, next: i64) {
        self.closed.push_back((self.open, self.count));
        while self.closed.front().is_some_and(|(hour, _)| *hour < next - HOURS) {
            self.closed.pop_front();
        }
        let counts = || self.closed.iter().map(|(_, count)| f64::from(*count));
        let n = counts().len().max(1) as f64;
        let mean = counts().sum::<f64>() / n;
        let variance = counts().map(|count| (count - mean) * (count - mean)).sum::<f64>() / n;
        self.bound = mean + DEVIATIONS * variance.sqrt();
        (self.open, self.count) = (next, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_silent_for_fifteen_days_and_then_tells_one_deviation() {
        let mut rule = Outlier::default();
        let mut alerts = Vec::new();
        for hour in 0..500 {
            let calls = if hour == 300 || hour == 400 { 20 } else { 4 + hour % 2 };
            for i in 0..calls {
                let seen = Seen { time: hour * WINDOW + i * 60, secret: 1, session: 0 };
                alerts.extend(rule.see(seen));
            }
        }
        assert_eq!(alerts.first(), Some(&(400 * WINDOW + 5 * 60)), "{alerts:?}");
    }
}
