//! What a principal's alerts have said so far, so that nothing is said twice.

use serde::{Deserialize, Serialize};

use super::policy::{Policy, Severity};
use super::window::{Axis, Scale, Window};
use crate::cloudtrail::secret_set::SecretSet;

/// The part of a principal's state that a decision replaces as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertState {
    pub reported: Reported,
    /// By signal.
    pub episodes: [Episode; 2],
    /// Number of alerts claimed so far.
    pub alert_seq: u64,
    /// Number of the alert that opened the episode reported last, of either signal; 0 if none.
    pub episode: u64,
    /// Running sums of that episode.
    pub totals: Option<EpisodeTotals>,
    pub last_sent: Option<LastSent>,
}

impl AlertState {
    /// Whether an episode of either signal is open in that window.
    pub fn has_open_episode(&self, window: Window, policy: &Policy) -> bool {
        self.episodes.iter().any(|episode| episode.is_open(window, policy))
    }

    /// Epoch seconds at which the episode of either signal is over unless another hit comes;
    /// `None` if there was no hit yet.
    pub fn episode_ends_at(&self, policy: &Policy) -> Option<i64> {
        let last_hit = self.episodes.iter().filter_map(|episode| episode.hit_window).max()?;
        let first_quiet = Window::from_index(last_hit.index() + policy.quiet_windows + 1);
        Some(first_quiet.start_on(Scale::FiveMinutes))
    }
}

/// Counts already reported, by signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reported {
    /// In the open hour.
    pub hour: [u32; 2],
    /// In the open UTC day.
    pub day: [u32; 2],
}

impl Reported {
    /// Already reported of that signal on that scale. Each window of 5 minutes is reported
    /// anew, so of those it is 0.
    pub fn on(&self, axis: Axis) -> u32 {
        match axis.scale {
            Scale::FiveMinutes => 0,
            Scale::Hour => self.hour[axis.signal],
            Scale::Day => self.day[axis.signal],
        }
    }
}

/// Reports and hits of one signal. An episode lasts from the first hit until an hour passes
/// without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Episode {
    /// Open window at the last report.
    pub alert_window: Option<Window>,
    /// Open window at the last hit.
    pub hit_window: Option<Window>,
    /// Count at the last report, less what had been reported before.
    pub alert_count: u32,
}

impl Episode {
    pub fn is_open(&self, window: Window, policy: &Policy) -> bool {
        self.hit_window.is_some_and(|hit| window.since(hit) <= policy.quiet_windows)
    }

    /// Whether an episode that goes on is to be reported again for its age alone.
    pub(super) fn is_reminder_due(&self, window: Window, policy: &Policy) -> bool {
        self.alert_window.is_none_or(|alert| window.since(alert) >= policy.remind_windows)
    }

    pub(super) fn record_report(&mut self, count: u32, window: Window) {
        self.alert_window = Some(window);
        self.alert_count = count;
    }
}

/// Running sums of the episode reported last, over its closed windows alone: a denial in the
/// open window changes nothing here, so that it need not write them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpisodeTotals {
    /// Severest of its findings.
    pub severity: Severity,
    /// Epoch seconds.
    pub first_denial: i64,
    /// Epoch seconds.
    pub last_denial: i64,
    pub denials: u32,
    pub secrets: SecretSet,
}

impl EpisodeTotals {
    /// With one more window, whose newest denial was at `newest`.
    #[must_use]
    pub(super) fn with_window(
        self,
        denials: u32,
        secrets: &SecretSet,
        newest: Option<i64>,
    ) -> Self {
        Self {
            last_denial: newest.map_or(self.last_denial, |time| self.last_denial.max(time)),
            denials: self.denials.saturating_add(denials),
            secrets: self.secrets.union(secrets),
            ..self
        }
    }

    pub(super) fn summary(&self) -> EpisodeSummary {
        EpisodeSummary {
            severity: self.severity,
            denials: self.denials,
            secrets: self.secrets.len(),
            first_denial: self.first_denial,
            last_denial: self.last_denial,
        }
    }
}

/// What a whole episode came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpisodeSummary {
    /// Severest of its findings, so that whoever got that one also gets its end.
    pub severity: Severity,
    pub denials: u32,
    /// Different secrets refused.
    pub secrets: u32,
    /// Epoch seconds.
    pub first_denial: i64,
    /// Epoch seconds.
    pub last_denial: i64,
}

impl EpisodeSummary {
    /// From the first denial to the last, in seconds.
    pub fn seconds(&self) -> i64 {
        self.last_denial.saturating_sub(self.first_denial).max(0)
    }
}

/// The low report sent last, the reference for what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSent {
    /// Open window then.
    pub window: Window,
    /// Count reported then, less what had been reported before.
    pub count: u32,
}
