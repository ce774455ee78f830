//! What an explanation says about one row.

use crate::detection::{Policy, Row};

/// What one row by itself would lead to, whether or not its signal is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    BelowFloor,
    BelowThreshold,
    /// A hit whose unreported part is none.
    Reported,
    Unusual,
    /// A hit by its ceiling alone.
    OverCeiling,
}

impl Verdict {
    pub(super) fn of(row: &Row, policy: &Policy) -> Self {
        let signal = policy.of(row.axis.signal);
        match row.hit(policy) {
            None if row.observed < signal.floor[row.axis.scale] => Self::BelowFloor,
            None => Self::BelowThreshold,
            Some(_) if !row.is_fresh(policy) => Self::Reported,
            Some(sigma) if sigma >= signal.threshold => Self::Unusual,
            Some(_) => Self::OverCeiling,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::BelowFloor => "below the floor",
            Self::BelowThreshold => "below the threshold",
            Self::Reported => "reported already",
            Self::Unusual => "unusual",
            Self::OverCeiling => "over the ceiling",
        }
    }
}
