//! A moving average of counts, and three standard deviations.
//!
//! The usual first attempt: an exponentially weighted mean and variance of the denials in each 5
//! minutes (alpha 0.1), empty windows included, and an alert at three deviations. The first window
//! gives the first mean. With a variance of zero any rise counts as infinite, as it does in naive
//! code.

use super::{Episode, Seen};

const WINDOW: i64 = 300;
const ALPHA: f64 = 0.1;
const DEVIATIONS: f64 = 3.0;

#[derive(Clone, Debug, Default)]
pub(super) struct Ewma {
    open: Option<i64>,
    count: u32,
    mean: Option<f64>,
    variance: f64,
    episode: Episode,
}

impl Ewma {
    pub(super) fn see(&mut self, seen: Seen) -> Option<i64> {
        let window = seen.time.div_euclid(WINDOW);
        let open = *self.open.get_or_insert(window);
        if window > open {
            self.close(window - open);
            (self.open, self.count) = (Some(window), 0);
        }
        self.count += 1;
        let count = f64::from(self.count);
        let hit = self.mean.is_some_and(|mean| count > mean + DEVIATIONS * self.variance.sqrt());
        (hit && self.episode.reports(seen.time)).then_some(seen.time)
    }

    fn close(&mut self, windows: i64) {
        self.learn(f64::from(self.count));
        // After this many silent windows nothing is left to forget.
        for _ in 1..windows.min(10_000) {
            self.learn(0.0);
        }
    }

    fn learn(&mut self, count: f64) {
        let Some(mean) = self.mean else {
            self.mean = Some(count);
            return;
        };
        let difference = count - mean;
        self.mean = Some(mean + ALPHA * difference);
        self.variance = (1.0 - ALPHA) * (self.variance + ALPHA * difference * difference);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_each_single_denial_after_a_silence() {
        let mut rule = Ewma::default();
        let days = (0..5).map(|day| Seen { time: day * 86_400, secret: 1, session: 0 });
        assert_eq!(days.filter_map(|seen| rule.see(seen)).count(), 4);
    }

    #[test]
    fn it_leaves_a_steady_count_alone() {
        let mut rule = Ewma::default();
        let calls = (0..5000).map(|i| Seen { time: i * 30, secret: 1, session: 0 });
        assert_eq!(calls.filter_map(|seen| rule.see(seen)).count(), 0);
    }
}
