//! False alerts, as rates.

use serde::Serialize;

use super::{per_1000, rounded};
use crate::life::benign::Kind;
use crate::measure::harmless::{Harmless, Watched};
use crate::statistics::poisson_interval;

/// False alerts of some harmless principals.
#[derive(Clone, Debug, Serialize)]
pub struct HarmlessRow {
    /// The kind of the principals, or "all".
    pub kind: &'static str,
    /// Number of principals.
    pub principals: u64,
    /// Number of their denials.
    pub denials: u64,
    /// Rattle's rates, while it learned and from day 15 on.
    pub learning: Rate,
    /// Rattle's rate from day 15 on.
    pub learnt: Rate,
    /// Rattle's rates from day 15 on by delivery, for some of the principals.
    pub deliveries: Vec<Rate>,
    /// Each rival's rates, while it learned and from day 15 on.
    pub rivals: Vec<[RivalRate; 2]>,
}

/// Whether the detector has had two weeks to learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Learning,
    /// From day 15 on.
    Learnt,
}

impl Phase {
    /// Both phases, the longer one first.
    pub const ALL: [Self; 2] = [Self::Learnt, Self::Learning];

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Learning => "day 1 to 14",
            Self::Learnt => "from day 15 on",
        }
    }
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rate {
    /// Days that the principals existed.
    pub principal_days: f64,
    /// Alerts: low, medium, high.
    pub alerts: [u32; 3],
    /// Alerts per 1,000 principal-days.
    pub per_1000: f64,
    /// The 95 % interval of that rate.
    pub interval: (f64, f64),
    /// The rate of alerts of severity medium and high.
    pub medium_or_high_per_1000: f64,
    /// The 95 % interval of that rate.
    pub medium_or_high_interval: (f64, f64),
}

/// Alerts of a rival.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RivalRate {
    pub alerts: u32,
    /// Alerts per 1,000 principal-days.
    pub per_1000: f64,
}

impl HarmlessRow {
    pub(super) fn of(kind: &'static str, principals: u64, harmless: &Harmless) -> Self {
        let [learning, learnt] = [0, 1].map(|phase| Rate::of(&harmless.rattle, phase));
        let rival = |counts: [u32; 2]| {
            let days = [learning.principal_days, learnt.principal_days];
            [0, 1].map(|phase| RivalRate {
                alerts: counts[phase],
                per_1000: per_1000(f64::from(counts[phase]), days[phase]),
            })
        };
        Self {
            kind,
            principals,
            denials: harmless.denials,
            learning,
            learnt,
            deliveries: harmless.deliveries.iter().map(|watched| Rate::of(watched, 1)).collect(),
            rivals: harmless.rivals.iter().map(|counts| rival(*counts)).collect(),
        }
    }

    pub fn rate(&self, phase: Phase) -> &Rate {
        match phase {
            Phase::Learning => &self.learning,
            Phase::Learnt => &self.learnt,
        }
    }

    /// Rattle's false alerts without those of some kinds, from day 15 on.
    pub(super) fn learnt_without(rows: &[Self], kinds: &[Kind]) -> Rate {
        let rows = rows.iter().filter(|row| !kinds.iter().any(|kind| kind.name() == row.kind));
        let (mut days, mut alerts) = (0.0, [0; 3]);
        for row in rows {
            days += row.learnt.principal_days;
            for (sum, more) in alerts.iter_mut().zip(row.learnt.alerts) {
                *sum += more;
            }
        }
        Rate::new(days, alerts)
    }
}

impl Rate {
    fn of(watched: &Watched, phase: usize) -> Self {
        Self::new(watched.seconds[phase] as f64 / 86_400.0, watched.alerts[phase])
    }

    fn new(days: f64, alerts: [u32; 3]) -> Self {
        let [low, medium, high] = alerts;
        let rate = |count: u32| per_1000(f64::from(count), days);
        let interval = |count| {
            let (lower, upper) = poisson_interval(count);
            (per_1000(lower, days), per_1000(upper, days))
        };
        Self {
            principal_days: rounded(days),
            alerts,
            per_1000: rate(low + medium + high),
            interval: interval(low + medium + high),
            medium_or_high_per_1000: rate(medium + high),
            medium_or_high_interval: interval(medium + high),
        }
    }
}
