//! Whether a state is worth a report, and which.

use super::assessment::{Assessment, Row};
use super::policy::{ESCALATION, Policy};
use super::repeat::{LastSent, repeats};
use super::state::{Episode, PrincipalState, Reported};
use super::tally::EpisodeTotals;
use super::window::{Axis, Scale, Signal, Window};
use crate::cloudtrail::call::Denial;

/// The row that is reported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// The count and its baseline.
    pub row: Row,
    /// Its score.
    pub sigma: f64,
    /// Whether it continues an episode that was open before.
    pub continues: bool,
    /// Whether it says what was told: it is recorded and not sent.
    pub repeats: bool,
}

/// What follows from one assessment. Complete before anything acts on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// What is to be reported, if anything.
    pub report: Option<Report>,
    /// Episodes as they are after this decision.
    pub episodes: [Episode; 2],
    /// What will have been reported after this decision.
    pub told: Reported,
    /// Number of the alert that opened the principal's episode, after this decision.
    pub episode: u64,
    /// What that episode came to, after this decision.
    pub tally: Option<EpisodeTotals>,
    /// The broken workload that will have been told of last, after this decision.
    pub last_sent: Option<LastSent>,
}

impl Decision {
    /// Nothing is reported, and no episode begins or goes on.
    pub const fn nothing(state: &PrincipalState) -> Self {
        Self {
            report: None,
            episodes: state.episodes,
            told: state.told,
            episode: state.episode,
            tally: state.tally,
            last_sent: state.last_sent,
        }
    }
}

/// Decides about one delivery from the state after it.
///
/// Secrets are decided first and completely, then denials, since a secrets episode
/// also covers the denials that come with it. There is at most one report.
pub fn decide(
    state: &PrincipalState,
    assessment: &Assessment,
    denial: &Denial,
    policy: &Policy,
) -> Decision {
    decide_on(state, assessment, state.names_a_new_secret(denial), policy)
}

/// Decides about a state whose open window is about to close, as the deliveries of its
/// denials did or should have done: one of them may have ended before it decided.
pub fn decide_at_close(state: &PrincipalState, policy: &Policy) -> Decision {
    let names_a_new_secret = state.new_secrets()[Scale::FiveMinutes] > 0;
    decide_on(state, &Assessment::of(state, policy), names_a_new_secret, policy)
}

fn decide_on(
    state: &PrincipalState,
    assessment: &Assessment,
    names_a_new_secret: bool,
    policy: &Policy,
) -> Decision {
    if policy.only_above.is_some_and(|most| state.new_secrets()[Scale::Day] <= most) {
        return Decision::nothing(state);
    }
    let [mut denials, mut secrets] = state.episodes;
    let was_open = state.has_open_episode(policy);
    let mut report = None;

    if names_a_new_secret {
        let hits = Hits::of(assessment.of_signal(Signal::Secrets), policy);
        let open = secrets.is_open(state.window, policy);
        report = hits.report(&secrets, open, state.window, policy);
        secrets.note(&hits, state.window);
        if let Some(Report { row, .. }) = &report {
            secrets.told(row.unreported(), state.window);
            denials.told(state.denials[row.axis.scale].max(1), state.window);
        }
    }

    let hits = Hits::of(assessment.of_signal(Signal::Denials), policy);
    if report.is_none() {
        let open = denials.is_open(state.window, policy) || secrets.is_open(state.window, policy);
        report = hits.report(&denials, open, state.window, policy);
        if let Some(Report { row, .. }) = &report {
            denials.told(row.unreported(), state.window);
        }
    }
    denials.note(&hits, state.window);

    let nothing = Decision { episodes: [denials, secrets], ..Decision::nothing(state) };
    let Some(report) = report else { return nothing };
    let report = Report { repeats: repeats(state, &report), ..report };
    Decision {
        report: Some(report),
        told: everything_reported(assessment),
        episode: if was_open { state.episode } else { state.alert_seq + 1 },
        tally: Some(EpisodeTotals::after(state, &report, !was_open)),
        last_sent: LastSent::after(state, &report),
        ..nothing
    }
}

impl PrincipalState {
    /// Whether an episode of either signal goes on in the open window.
    pub fn has_open_episode(&self, policy: &Policy) -> bool {
        self.episodes.iter().any(|episode| episode.is_open(self.window, policy))
    }

    /// When the episode of either signal is over unless a further hit comes, in epoch seconds;
    /// nothing if there was none.
    pub fn episode_ends_at(&self, policy: &Policy) -> Option<i64> {
        let last_hit = self.episodes.iter().filter_map(|episode| episode.hit_window).max()?;
        let first_quiet = Window::from_index(last_hit.index() + policy.quiet_windows + 1);
        Some(first_quiet.start_on(Scale::FiveMinutes))
    }

    /// Takes over what a decision changes.
    pub fn settle(&mut self, decision: &Decision) {
        self.episodes = decision.episodes;
        self.told = decision.told;
        self.episode = decision.episode;
        self.tally = decision.tally;
        self.last_sent = decision.last_sent;
        if decision.report.is_some() {
            self.alert_seq += 1;
        }
    }
}

impl Episode {
    /// Whether it is open in that window.
    pub fn is_open(&self, window: Window, policy: &Policy) -> bool {
        self.hit_window.is_some_and(|hit| window.since(hit) <= policy.quiet_windows)
    }

    fn is_due_again(&self, window: Window, policy: &Policy) -> bool {
        self.alert_window.is_none_or(|alert| window.since(alert) >= policy.remind_windows)
    }

    fn told(&mut self, count: u32, window: Window) {
        self.alert_window = Some(window);
        self.alert_count = count;
    }

    fn note(&mut self, hits: &Hits, window: Window) {
        if hits.any {
            self.hit_window = Some(window);
        }
    }
}

/// The hits among the rows of one signal.
struct Hits {
    any: bool,
    /// The fresh hit with the highest score, and that score.
    strongest_fresh: Option<(Row, f64)>,
}

impl Hits {
    fn of(rows: &[Row], policy: &Policy) -> Self {
        let mut hits = Self { any: false, strongest_fresh: None };
        for row in rows {
            let Some(sigma) = row.hit(policy) else { continue };
            hits.any = true;
            let stronger = hits.strongest_fresh.is_none_or(|(_, best)| sigma > best);
            if stronger && row.is_fresh(policy) {
                hits.strongest_fresh = Some((*row, sigma));
            }
        }
        hits
    }

    fn report(
        &self,
        episode: &Episode,
        open: bool,
        window: Window,
        policy: &Policy,
    ) -> Option<Report> {
        let (row, sigma) = self.strongest_fresh?;
        let escalated = row.unreported() >= episode.alert_count.saturating_mul(ESCALATION);
        (!open || episode.is_due_again(window, policy) || escalated).then_some(Report {
            row,
            sigma,
            continues: open,
            repeats: false,
        })
    }
}

fn everything_reported(assessment: &Assessment) -> Reported {
    let mut told = Reported::default();
    for row in assessment.rows() {
        let Axis { signal, scale } = row.axis;
        match scale {
            Scale::FiveMinutes => {}
            Scale::Hour => told.hour[signal] = row.observed,
            Scale::Day => told.day[signal] = row.observed,
        }
    }
    told
}
