//! The state read against its baselines: six rows, one for each signal and scale.

use super::baseline::Prediction;
use super::policy::Policy;
use super::state::PrincipalState;
use super::window::{Axis, Scale, Signal};

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
pub struct Assessment([[Row; 3]; 2]);

impl Assessment {
    /// Reads the state.
    pub fn of(state: &PrincipalState, policy: &Policy) -> Self {
        let row = |signal, scale| {
            let axis = Axis { signal, scale };
            let baseline = &state.baselines[signal][scale];
            Row {
                axis,
                observed: state.observed(axis),
                told: state.told.on(axis),
                prediction: baseline.predict(axis, state.completed(scale), policy),
            }
        };
        Self(Signal::ALL.map(|signal| Scale::ALL.map(|scale| row(signal, scale))))
    }

    /// All rows in order.
    pub fn rows(&self) -> &[Row] {
        self.0.as_flattened()
    }

    /// As it would be with more or fewer events of one signal in each open window.
    #[must_use]
    pub fn with_events(&self, signal: Signal, more: i64) -> Self {
        let mut changed = *self;
        for row in &mut changed.0[signal] {
            let observed = i64::from(row.observed).saturating_add(more).max(0);
            row.observed = u32::try_from(observed).unwrap_or(u32::MAX);
        }
        changed
    }

    /// The rows of one signal, the shortest scale first.
    pub fn of_signal(&self, signal: Signal) -> &[Row; 3] {
        &self.0[signal]
    }
}
