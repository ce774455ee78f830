//! The state read against its baselines: six rows, one for each signal and scale.

use super::baseline::{Axis, Prediction};
use super::policy::Policy;
use super::state::PrincipalState;
use super::window::{Scale, Signal};

/// One count beside what is usual for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Which signal on which scale.
    pub axis: Axis,
    /// The whole count in the open window of that scale.
    pub observed: u32,
    /// The part of it that was already reported.
    pub told: u32,
    /// What the baseline expects.
    pub prediction: Prediction,
}

impl Row {
    /// How unusual the whole count is, in sigma-equivalents.
    pub fn sigma(&self) -> f64 {
        self.prediction.sigma(self.observed)
    }

    /// The count that was not yet reported.
    pub fn unreported(&self) -> u32 {
        self.observed.saturating_sub(self.told)
    }
}

/// All six rows, denials first, the shortest scale first. Scores are computed
/// where they are asked for: most denials are below every floor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assessment([Row; 6]);

impl Assessment {
    /// Reads the state.
    pub fn of(state: &PrincipalState, policy: &Policy) -> Self {
        Self(std::array::from_fn(|i| {
            let axis = Axis { signal: Signal::ALL[i / 3], scale: Scale::ALL[i % 3] };
            let baseline = &state.baselines[axis.signal as usize][axis.scale as usize];
            Row {
                axis,
                observed: state.observed(axis),
                told: state.told.on(axis),
                prediction: baseline.predict(axis, state.completed(axis.scale), policy),
            }
        }))
    }

    /// All rows in order.
    pub fn rows(&self) -> &[Row; 6] {
        &self.0
    }

    /// As it would be with more or fewer events of one signal in each open window.
    #[must_use]
    pub fn with_events(&self, signal: Signal, more: i64) -> Self {
        Self(self.0.map(|row| {
            if row.axis.signal != signal {
                return row;
            }
            let observed = i64::from(row.observed).saturating_add(more).max(0);
            Row { observed: u32::try_from(observed).unwrap_or(u32::MAX), ..row }
        }))
    }

    /// The rows of one signal, the shortest scale first.
    pub fn of_signal(&self, signal: Signal) -> &[Row] {
        &self.0[signal as usize * 3..][..3]
    }
}
