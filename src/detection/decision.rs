//! Whether a state is reported, and what its alerts have said after that.

use super::alerting::{AlertState, Episode, EpisodeTotals, LastSent, Reported};
use super::assessment::{Assessment, Row};
use super::policy::{ESCALATION, HELD_WINDOWS, PerScale, Policy, Severity};
use super::severity::severity;
use super::state::PrincipalState;
use super::window::{Scale, Signal, Window};
use crate::cloudtrail::call::Denial;
use crate::cloudtrail::secret_set::SecretSet;

/// The row that is reported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    pub row: Row,
    /// Score of the whole count.
    pub sigma: f64,
    /// Whether it continues an episode that was open before.
    pub continues: bool,
    /// Whether it repeats the last low report: it is recorded and not sent.
    pub held: bool,
}

/// What follows from one assessment. Complete before anything acts on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    pub report: Option<Report>,
    /// Replaces the state's own once the decision is acted on.
    pub alerting: AlertState,
}

impl Decision {
    /// Nothing is reported, and no episode begins or goes on.
    pub const fn nothing(state: &PrincipalState) -> Self {
        Self { report: None, alerting: state.alerting }
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

/// Decides about a state whose open window is about to close. The delivery that should have
/// reported it may have crashed before it did.
pub fn decide_at_close(state: &PrincipalState, policy: &Policy) -> Decision {
    // Most windows close below every floor, and need no assessment.
    let new_secrets = state.new_secrets();
    let reaches = |floor: &PerScale<u32>, counts: &[u32; 3]| {
        floor.iter().zip(counts).any(|(floor, count)| count >= floor)
    };
    if !reaches(&policy.denials.floor, &state.denials)
        && !reaches(&policy.secrets.floor, &new_secrets)
    {
        return Decision::nothing(state);
    }
    let names_a_new_secret = new_secrets[Scale::FiveMinutes] > 0;
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
    let mut alerting = state.alerting;
    let [denials, secrets] = &mut alerting.episodes;
    let mut report = None;

    if names_a_new_secret {
        let hits = Hits::of(assessment.of_signal(Signal::Secrets), policy);
        let open = secrets.is_open(state.window, policy);
        report = hits.report(secrets, open, state.window, policy);
        hits.record(secrets, state.window);
        if let Some(Report { row, .. }) = &report {
            secrets.record_report(row.unreported(), state.window);
            denials.record_report(state.denials[row.axis.scale].max(1), state.window);
        }
    }

    let hits = Hits::of(assessment.of_signal(Signal::Denials), policy);
    if report.is_none() {
        let open = denials.is_open(state.window, policy) || secrets.is_open(state.window, policy);
        report = hits.report(denials, open, state.window, policy);
        if let Some(Report { row, .. }) = &report {
            denials.record_report(row.unreported(), state.window);
        }
    }
    hits.record(denials, state.window);

    let Some(mut report) = report else { return Decision { report: None, alerting } };
    let was_open = state.alerting.has_open_episode(state.window, policy);
    let severity = severity(&report.row, report.sigma, state);
    report.held = is_held(state, &report, severity);
    alerting.reported = everything_reported(assessment);
    alerting.alert_seq += 1;
    if !was_open {
        alerting.episode = alerting.alert_seq;
    }
    alerting.totals = Some(match alerting.totals {
        Some(totals) if was_open => {
            EpisodeTotals { severity: totals.severity.max(severity), ..totals }
        }
        _ => opening_totals(state, report.row.axis.scale, severity),
    });
    if severity == Severity::Low && !report.continues && !report.held {
        alerting.last_sent =
            Some(LastSent { window: state.window, count: report.row.unreported() });
    }
    Decision { report: Some(report), alerting }
}

/// Whether a report says nothing that the last low one did not: one more episode over the
/// same few secrets, not many times as often, within [`HELD_WINDOWS`].
fn is_held(state: &PrincipalState, report: &Report, severity: Severity) -> bool {
    let Some(last) = state.alerting.last_sent else { return false };
    let seen = state.known_secrets().union(&state.once);
    !report.continues
        && severity == Severity::Low
        && state.window.since(last.window) < HELD_WINDOWS
        && report.row.unreported() < last.count.saturating_mul(ESCALATION)
        && state.secrets.difference(&seen).is_empty()
}

/// The running sums, without the open 5 minutes, of an episode that begins with this report. It
/// begins with the open window of the reported scale; but secrets are not counted by hour, so
/// where the day has others than the hour, it begins with the day.
fn opening_totals(state: &PrincipalState, scale: Scale, severity: Severity) -> EpisodeTotals {
    let scale = if state.distinct_secrets(scale).is_some() { scale } else { Scale::Day };
    let first_denial = state.opened[scale];
    let (denials, secrets) = match scale {
        Scale::FiveMinutes => (0, SecretSet::EMPTY),
        Scale::Hour | Scale::Day => {
            (state.denials[scale].saturating_sub(state.denials_in_window()), state.today)
        }
    };
    EpisodeTotals { severity, first_denial, last_denial: first_denial, denials, secrets }
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

    fn record(&self, episode: &mut Episode, window: Window) {
        if self.any {
            episode.hit_window = Some(window);
        }
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
        (!open || episode.is_reminder_due(window, policy) || escalated).then_some(Report {
            row,
            sigma,
            continues: open,
            held: false,
        })
    }
}

fn everything_reported(assessment: &Assessment) -> Reported {
    let on = |scale: Scale| Signal::ALL.map(|signal| assessment.of_signal(signal)[scale].observed);
    Reported { hour: on(Scale::Hour), day: on(Scale::Day) }
}
