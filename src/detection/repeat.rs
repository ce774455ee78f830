//! Which finding of a broken workload says nothing new.

use super::decision::Report;
use super::policy::{ESCALATION, REPEAT_WINDOWS, Severity};
use super::severity::severity;
use super::state::PrincipalState;
use super::window::Window;

/// The low finding of a principal that was told last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSent {
    /// Open window then.
    pub window: Window,
    /// Count reported then, less what had been reported before.
    pub count: u32,
}

impl LastSent {
    /// As it is after a report.
    pub(super) fn after(state: &PrincipalState, report: &Report) -> Option<Self> {
        if report.continues
            || report.repeats
            || severity(&report.row, report.sigma, state) != Severity::Low
        {
            return state.last_sent;
        }
        Some(Self { window: state.window, count: report.row.unreported() })
    }
}

/// Whether a report begins one more episode of a workload that was told of: the same few
/// secrets, not many times as often, within two weeks.
pub(super) fn repeats(state: &PrincipalState, report: &Report) -> bool {
    let Some(told) = state.last_sent else { return false };
    let seen = state.known_secrets().union(&state.once);
    !report.continues
        && severity(&report.row, report.sigma, state) == Severity::Low
        && state.window.since(told.window) < REPEAT_WINDOWS
        && report.row.unreported() < told.count.saturating_mul(ESCALATION)
        && state.secrets.difference(&seen).is_empty()
}
