//! The pace at which a workload is refused the same few secrets again and again.

use serde::{Deserialize, Serialize};

use super::state::PrincipalState;
use super::window::Scale;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cadence {
    /// Mean time between two calls, in seconds.
    pub seconds: f64,
    /// Whether it had that pace before the open 5 minutes, too.
    pub steady: bool,
}

impl Cadence {
    /// The pace in the open window of that scale up to `last`, in epoch seconds; `None` if there
    /// were too few calls.
    pub(super) fn of(state: &PrincipalState, scale: Scale, last: i64) -> Option<Self> {
        const LEAST_INTERVALS: u32 = 2;
        const SAME_PACE: f64 = 1.5;
        let pace = |seconds: i64, intervals: u32| {
            (intervals >= LEAST_INTERVALS && seconds > 0)
                .then(|| seconds as f64 / f64::from(intervals))
        };
        let (now, longer) = (Scale::FiveMinutes, scale.max(Scale::Hour));
        let (denials, opened) = (&state.denials, &state.opened);
        let seconds = pace(last - opened[scale], denials[scale].saturating_sub(1))?;
        let recent = pace(last - opened[now], denials[now].saturating_sub(1));
        let earlier =
            pace(opened[now] - opened[longer], denials[longer].saturating_sub(denials[now]));
        let steady = recent.zip(earlier).is_some_and(|(recent, earlier)| {
            recent.max(earlier) <= recent.min(earlier) * SAME_PACE
        });
        Some(Self { seconds, steady })
    }
}
