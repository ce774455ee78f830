//! Counts beside what is usual for them: six rows, one for each signal and scale.

use super::baseline::Prediction;
use super::policy::Policy;
use super::state::PrincipalState;
use super::window::{Axis, Scale, Signal};

/// One count beside what is usual for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    pub axis: Axis,
    /// Whole count in the open window of the scale.
    pub observed: u32,
    /// The part of it that was already reported.
    pub reported: u32,
    pub prediction: Prediction,
}

impl Row {
    /// Score of the whole count, in sigma-equivalents.
    pub fn sigma(&self) -> f64 {
        self.prediction.sigma(self.observed)
    }

    pub fn unreported(&self) -> u32 {
        self.observed.saturating_sub(self.reported)
    }

    /// The score of the whole count if it is a hit: unusual enough, or over the ceiling.
    pub fn hit(&self, policy: &Policy) -> Option<f64> {
        self.hit_of(self.observed, policy)
    }

    /// Whether a hit is worth another report: its unreported part is a hit by itself, or
    /// took the count to the ceiling.
    pub fn is_fresh(&self, policy: &Policy) -> bool {
        let ceiling = policy.of(self.axis.signal).ceiling[self.axis.scale];
        self.reported == 0
            || ceiling.is_some_and(|ceiling| self.reported < ceiling && ceiling <= self.observed)
            || self.hit_of(self.unreported(), policy).is_some()
    }

    fn hit_of(&self, count: u32, policy: &Policy) -> Option<f64> {
        let signal = policy.of(self.axis.signal);
        let scale = self.axis.scale;
        if count < signal.floor[scale] {
            return None;
        }
        let sigma = self.prediction.sigma(count);
        let over_ceiling = signal.ceiling[scale].is_some_and(|ceiling| count >= ceiling);
        (sigma >= signal.threshold || over_ceiling).then_some(sigma)
    }
}

/// By signal, then by scale. Scores are computed where they are asked for, because most counts
/// are below their floor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assessment([[Row; 3]; 2]);

impl Assessment {
    pub fn of(state: &PrincipalState, policy: &Policy) -> Self {
        let row = |signal, scale| {
            let axis = Axis { signal, scale };
            let baseline = &state.baselines[signal][scale];
            Row {
                axis,
                observed: state.observed(axis),
                reported: state.alerting.reported.on(axis),
                prediction: baseline.predict(axis, state.completed(scale), policy),
            }
        };
        Self(Signal::ALL.map(|signal| Scale::ALL.map(|scale| row(signal, scale))))
    }

    /// All six rows: denials first, the shortest scale first.
    pub fn rows(&self) -> &[Row] {
        self.0.as_flattened()
    }

    /// The same with so many events of one signal added to each open window, or taken away.
    #[must_use]
    pub fn with_events(&self, signal: Signal, more: i64) -> Self {
        let mut changed = *self;
        for row in &mut changed.0[signal] {
            let observed = i64::from(row.observed).saturating_add(more).max(0);
            row.observed = u32::try_from(observed).unwrap_or(u32::MAX);
        }
        changed
    }

    pub fn of_signal(&self, signal: Signal) -> &[Row; 3] {
        &self.0[signal]
    }
}
