//! The detectors that are compared: Rattle, and rules with published settings.

mod denied;
mod distinct;
mod ears;
mod episode;
mod ewma;
mod outlier;
mod percentile;
mod rattle;

use ::rattle::detection::finding::Severity;
use serde::Serialize;

use self::episode::Episode;
pub use self::rattle::Rattle;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// When it is sent, in epoch seconds.
    pub at: i64,
    /// The severity, if the detector gives one.
    pub severity: Option<Severity>,
}

/// The facts of a call that a rule sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    pub time: i64,
    /// Number of the secret.
    pub secret: u32,
    /// Number of the session; 0 where callers do not name one.
    pub session: u32,
}

/// A rule with published settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rival {
    /// 20 different secrets in 5 minutes.
    Distinct,
    /// 20 denied calls in 24 hours.
    Denied,
    /// The 99.5th percentile of 14 days.
    Percentile,
    /// One standard deviation over 15 days.
    Outlier,
    /// A moving average and three deviations.
    Ewma,
    /// EARS C2.
    Ears,
}

impl Rival {
    pub const ALL: [Self; 6] =
        [Self::Distinct, Self::Denied, Self::Percentile, Self::Outlier, Self::Ewma, Self::Ears];

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Distinct => "20 secrets / 5 min",
            Self::Denied => "20 denials / 24 h",
            Self::Percentile => "99.5th percentile",
            Self::Outlier => "1 sigma / 15 days",
            Self::Ewma => "EWMA z-score",
            Self::Ears => "EARS C2",
        }
    }
}

/// All rivals, watching one principal.
#[derive(Clone, Debug, Default)]
pub struct Rivals {
    distinct: distinct::Distinct,
    denied: denied::Denied,
    percentile: percentile::Percentile,
    outlier: outlier::Outlier,
    ewma: ewma::Ewma,
    ears: ears::Ears,
}

impl Rivals {
    /// The times of the alerts that this call raises, in the order of [`Rival::ALL`].
    pub fn see(&mut self, seen: Seen) -> [Option<i64>; 6] {
        [
            self.distinct.see(seen),
            self.denied.see(seen),
            self.percentile.see(seen),
            self.outlier.see(seen),
            self.ewma.see(seen),
            self.ears.see(seen),
        ]
    }

    /// The alerts of rivals that judge a window once it is over, if it is over by then.
    pub fn end(&mut self, time: i64) -> [Option<i64>; 6] {
        [None, None, None, None, None, self.ears.advance(time)]
    }
}
