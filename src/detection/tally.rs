//! What an episode comes to: kept while it goes on, and told when it is over.

use super::decision::Report;
use super::finding::EpisodeSummary;
use super::policy::{Policy, Severity};
use super::severity::severity;
use super::state::PrincipalState;
use super::window::Scale;
use crate::cloudtrail::secret_set::SecretSet;

/// The episode reported last, up to the last window that was closed in it. The open window
/// is in the state itself, so that a denial in it changes nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpisodeTotals {
    /// Severest of its findings.
    pub severity: Severity,
    /// Its first denial, in epoch seconds.
    pub first_denial: i64,
    /// Its last denial in a closed window, in epoch seconds.
    pub last_denial: i64,
    /// Denials of its closed windows.
    pub denials: u32,
    /// Secrets refused in its closed windows.
    pub secrets: SecretSet,
}

impl EpisodeTotals {
    /// Of the episode that a report continues, or else of the one that it opens.
    pub(super) fn after(state: &PrincipalState, report: &Report, opens: bool) -> Self {
        let severity = severity(&report.row, report.sigma, state);
        match state.tally {
            Some(tally) if !opens => Self { severity: tally.severity.max(severity), ..tally },
            _ => Self::opened(state, report.row.axis.scale, severity),
        }
    }

    /// An episode begins with the open window of the scale that was reported. The secrets of
    /// an hour are not counted by themselves; where the day has others, it begins with the day.
    fn opened(state: &PrincipalState, scale: Scale, severity: Severity) -> Self {
        let scale = match state.distinct_secrets(scale) {
            Some(_) => scale,
            None => Scale::Day,
        };
        let first_denial = state.opened[scale];
        let (denials, secrets) = match scale {
            Scale::FiveMinutes => (0, SecretSet::EMPTY),
            Scale::Hour | Scale::Day => {
                (state.denials[scale].saturating_sub(in_open_window(state)), state.today)
            }
        };
        Self { severity, first_denial, last_denial: first_denial, denials, secrets }
    }

    /// With the open window of this state.
    fn with_open_window(self, state: &PrincipalState) -> Self {
        let newest = state.evidence.iter().flatten().map(|evidence| evidence.time).max();
        Self {
            last_denial: newest.map_or(self.last_denial, |time| self.last_denial.max(time)),
            denials: self.denials.saturating_add(in_open_window(state)),
            secrets: self.secrets.union(&state.secrets),
            ..self
        }
    }
}

/// Denials counted in the open window, late ones included.
fn in_open_window(state: &PrincipalState) -> u32 {
    u32::try_from(state.ids.len()).unwrap_or(u32::MAX)
}

impl PrincipalState {
    /// What the episode reported last came to so far. Windows after its end are not in it.
    pub fn totals(&self, policy: &Policy) -> Option<EpisodeSummary> {
        let EpisodeTotals { severity, first_denial, last_denial, denials, secrets } =
            self.tally_with_open_window(policy)?;
        Some(EpisodeSummary {
            severity,
            denials,
            secrets: secrets.len(),
            first_denial,
            last_denial,
        })
    }

    /// The tally as it is when the open window closes.
    pub(super) fn tally_with_open_window(&self, policy: &Policy) -> Option<EpisodeTotals> {
        let tally = self.tally?;
        Some(if self.has_open_episode(policy) { tally.with_open_window(self) } else { tally })
    }
}
