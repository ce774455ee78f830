//! The tuning: thresholds, floors, ceilings, half-lives and priors, and the severities.

use serde::{Deserialize, Serialize};

use super::window::{Scale, Signal, WINDOWS_PER_DAY};

/// A value for each scale, shortest first.
pub type PerScale<T> = [T; 3];

/// Event ids kept of one window. Denials past it are not counted: the window is full.
pub const MAX_IDS: usize = 256;

/// Age in seconds up to which a denial counts in the open 5-minute window: an
/// outage's backlog must not look like a burst.
pub const MAX_AGE_SECONDS: i64 = 1200;

/// Variance over mean is never taken to be less than this.
pub const MIN_DISPERSION: f64 = 1.1;

/// An open episode is reported again once its unreported count is this many times the count of
/// its last report.
pub const ESCALATION: u32 = 10;

/// Windows during which a low report holds those that repeat it: 14 days.
pub const HELD_WINDOWS: i64 = 14 * WINDOWS_PER_DAY;

/// Least and greatest threshold, in sigma-equivalents: a score is never above 37.
pub const THRESHOLD_BOUNDS: (f64, f64) = (1.0, 37.0);
/// Shortest and longest half-life, in days.
pub const HALF_LIFE_BOUNDS: (f64, f64) = (0.25, 365.0);

/// The part of a policy that differs between the two signals.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignalPolicy {
    /// Sigma-equivalents at which a count is a hit.
    pub threshold: f64,
    /// Counts below this are never a hit.
    pub floor: PerScale<u32>,
    /// Counts from this on are a hit whatever their score.
    pub ceiling: PerScale<Option<u32>>,
    /// Events of the prior's one imagined day.
    pub prior_events: f64,
    /// Variance over mean of the prior.
    pub prior_dispersion: PerScale<f64>,
    /// Score from which a count is clipped before the baseline learns it, so that an attack
    /// teaches it little.
    pub clip_sigma: f64,
    /// Share of the smallest clipped count that the baseline learns.
    pub clip_share: f64,
}

/// How urgent a report is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Most likely a broken workload.
    Low,
    /// Look at it today.
    Medium,
    /// Look at it now.
    High,
}

impl Severity {
    /// Mildest first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.name() == name)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Everything the detector is tuned with. [`Policy::default`] is documented, with
/// a reason for each value, in `docs/detection.md`.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    pub denials: SignalPolicy,
    pub secrets: SignalPolicy,
    /// An episode is over when more windows than this pass without a hit.
    pub quiet_windows: i64,
    /// An episode that goes on is reported again this many windows after its last report.
    pub remind_windows: i64,
    /// Half-life of the baselines.
    pub half_life_days: PerScale<f64>,
    /// Nothing is reported up to this many new secrets in the open day.
    pub only_above: Option<u32>,
}

impl Policy {
    /// Natural logarithm of the decay `δ` over one window of that scale: negative.
    pub fn ln_decay(&self, scale: Scale) -> f64 {
        let half_life_windows = WINDOWS_PER_DAY as f64 * self.half_life_days[scale];
        -std::f64::consts::LN_2 * scale.windows() as f64 / half_life_windows
    }

    pub fn of(&self, signal: Signal) -> &SignalPolicy {
        match signal {
            Signal::Denials => &self.denials,
            Signal::Secrets => &self.secrets,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            denials: SignalPolicy {
                threshold: 5.0,
                floor: [5, 5, 10],
                ceiling: [None; 3],
                prior_events: 0.5,
                prior_dispersion: [4.0, 6.0, 10.0],
                clip_sigma: 4.0,
                clip_share: 0.75,
            },
            secrets: SignalPolicy {
                threshold: 4.0,
                floor: [5, 5, 5],
                ceiling: [Some(20), Some(25), Some(30)],
                prior_events: 0.25,
                prior_dispersion: [2.0, 2.0, 1.5],
                clip_sigma: 2.0,
                clip_share: 1.0,
            },
            quiet_windows: 12,
            remind_windows: 288,
            half_life_days: [7.0, 7.0, 14.0],
            only_above: None,
        }
    }
}
