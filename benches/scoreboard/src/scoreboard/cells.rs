//! The shares of attacks noticed.

use rattle::detection::finding::Severity;
use serde::Serialize;

use super::{rounded, share};
use crate::attack::Attack;
use crate::delivery::Delivery;
use crate::measure::attacked::{Noticed, Outcome};
use crate::statistics::{quantile, share_interval};

/// The results of one attack on some carriers.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    pub attack: Attack,
    /// What the attack hides in: a kind, "quiet" or "noisy".
    pub carrier: &'static str,
    /// Number of attacks made.
    pub made: u32,
    /// Number that Rattle noticed, by delivery.
    pub caught: [u32; 4],
    /// The share noticed with events delivered in order.
    pub recall: f64,
    /// The 95 % interval of that share.
    pub interval: (f64, f64),
    /// Number that each rival noticed.
    pub rivals: [u32; 6],
    /// Denials until the alert: median and 90th percentile.
    pub denials: Option<[u32; 2]>,
    /// Minutes until the alert: median and 90th percentile.
    pub minutes: Option<[f64; 2]>,
    /// Alerts per noticed attack.
    pub alerts: f64,
    /// Severities of first alerts: low, medium, high.
    pub first: [u32; 3],
    /// Highest severities: low, medium, high.
    pub severest: [u32; 3],
    /// Each rival's median of denials until the alert.
    pub rivals_denials: [Option<u32>; 6],
    /// Each rival's median of minutes until the alert.
    pub rivals_minutes: [Option<f64>; 6],
    /// Each rival's alerts per noticed attack.
    pub rivals_alerts: [f64; 6],
}

impl Cell {
    pub(super) fn of(attack: Attack, carrier: &'static str, outcomes: &[&Outcome]) -> Self {
        let made = u32::try_from(outcomes.len()).unwrap_or(u32::MAX);
        let noticed = |delivery: Delivery| -> Vec<Noticed> {
            outcomes.iter().filter_map(|outcome| outcome.rattle[delivery as usize]).collect()
        };
        let count = |noticed: &[Noticed]| u32::try_from(noticed.len()).unwrap_or(u32::MAX);
        let by_rival: [Vec<Noticed>; 6] = std::array::from_fn(|rival| {
            outcomes.iter().filter_map(|outcome| outcome.rivals[rival]).collect()
        });
        let in_order = noticed(Delivery::InOrder);
        let caught = Delivery::ALL.map(|delivery| count(&noticed(delivery)));
        let severities = |of: fn(&Noticed) -> Option<Severity>| {
            let mut counts = [0; 3];
            for severity in in_order.iter().filter_map(of) {
                counts[severity as usize] += 1;
            }
            counts
        };
        Self {
            attack,
            carrier,
            made,
            caught,
            recall: share(caught[0], made),
            interval: {
                let (lower, upper) = share_interval(caught[0], made);
                (rounded(lower), rounded(upper))
            },
            rivals: std::array::from_fn(|rival| count(&by_rival[rival])),
            denials: two(|at| denials(&in_order, at)),
            minutes: two(|at| minutes(&in_order, at)),
            alerts: alerts(&in_order),
            first: severities(|noticed| noticed.first),
            severest: severities(|noticed| noticed.severest),
            rivals_denials: std::array::from_fn(|rival| denials(&by_rival[rival], 0.5)),
            rivals_minutes: std::array::from_fn(|rival| minutes(&by_rival[rival], 0.5)),
            rivals_alerts: std::array::from_fn(|rival| alerts(&by_rival[rival])),
        }
    }

    /// By how much each disturbed delivery changes the recall.
    pub fn moved(&self) -> [f64; 3] {
        let [in_order, disturbed @ ..] = self.caught;
        disturbed.map(|caught| share(caught, self.made) - share(in_order, self.made))
    }
}

fn two<T>(of: impl Fn(f64) -> Option<T>) -> Option<[T; 2]> {
    Some([of(0.5)?, of(0.9)?])
}

fn denials(noticed: &[Noticed], at: f64) -> Option<u32> {
    quantile(&noticed.iter().map(|noticed| noticed.denials).collect::<Vec<_>>(), at)
}

fn minutes(noticed: &[Noticed], at: f64) -> Option<f64> {
    let seconds = quantile(&noticed.iter().map(|noticed| noticed.seconds).collect::<Vec<_>>(), at);
    seconds.map(|seconds| rounded(seconds as f64 / 60.0))
}

fn alerts(noticed: &[Noticed]) -> f64 {
    let alerts: u32 = noticed.iter().map(|noticed| noticed.alerts).sum();
    rounded(f64::from(alerts) / (noticed.len().max(1) as f64))
}
