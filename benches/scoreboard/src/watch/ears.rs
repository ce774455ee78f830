//! EARS C2 on the denials of each day.
//!
//! The Early Aberration Reporting System of the CDC: the mean and the standard deviation of 7 days
//! that end 2 days before the judged day, and an alert above three deviations. A deviation below
//! 0.5 counts as 0.5, which is the advice for sparse counts. A day is judged when it is over.

use std::collections::VecDeque;

use super::Seen;
use crate::life::DAY;

const BASELINE: usize = 7;
const GUARD: usize = 2;
const DEVIATIONS: f64 = 3.0;
const LEAST_DEVIATION: f64 = 0.5;

#[derive(Clone, Debug, Default)]
pub(super) struct Ears {
    open: Option<i64>,
    count: u32,
    closed: VecDeque<u32>,
}

impl Ears {
    pub(super) fn see(&mut self, seen: Seen) -> Option<i64> {
        let alert = self.advance(seen.time);
        self.open.get_or_insert(seen.time.div_euclid(DAY));
        self.count += 1;
        alert
    }

    /// Judges the open day if it is over by then. A day without denials never raises an alert.
    pub(super) fn advance(&mut self, time: i64) -> Option<i64> {
        let open = self.open?;
        let day = time.div_euclid(DAY);
        if day <= open {
            return None;
        }
        let alert = self.is_unusual().then_some((open + 1) * DAY);
        let silent = usize::try_from(day - open - 1).unwrap_or(0).min(BASELINE + GUARD);
        self.closed.push_back(self.count);
        self.closed.extend(std::iter::repeat_n(0, silent));
        let surplus = self.closed.len().saturating_sub(BASELINE + GUARD);
        self.closed.drain(..surplus);
        (self.open, self.count) = (Some(day), 0);
        alert
    }

    fn is_unusual(&self) -> bool {
        if self.closed.len() < BASELINE + GUARD {
            return false;
        }
        let days = || self.closed.iter().take(BASELINE).map(|count| f64::from(*count));
        let mean = days().sum::<f64>() / BASELINE as f64;
        let squares = days().map(|count| (count - mean) * (count - mean)).sum::<f64>();
        let deviation = (squares / (BASELINE - 1) as f64).sqrt().max(LEAST_DEVIATION);
        f64::from(self.count) > mean + DEVIATIONS * deviation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_far_above_the_week_before_is_told_when_it_is_over() {
        let mut rule = Ears::default();
        let mut alerts = Vec::new();
        for day in 0..20 {
            for i in 0..if day == 15 { 8 } else { 2 } {
                alerts.extend(rule.see(Seen { time: day * DAY + i, secret: 1, session: 0 }));
            }
        }
        assert_eq!(alerts, [16 * DAY]);
    }
}
