//! Whether a state is worth a report, and which.

use super::assessment::{Assessment, Row};
use super::baseline::Axis;
use super::finding::Severity;
use super::policy::{ESCALATION, Policy};
use super::state::{Episode, PrincipalState, Told};
use super::window::{Scale, Signal, WINDOWS_PER_DAY, Window};
use crate::cloudtrail::denial::Denial;

/// A broken workload is not reported again for so many windows: a generation of known
/// secrets, as long as what was refused is remembered at least.
const REPEAT_WINDOWS: i64 = 14 * WINDOWS_PER_DAY;

/// The row that is reported.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// The count and its baseline.
    pub row: Row,
    /// Its score.
    pub sigma: f64,
    /// Whether it continues an episode that was open before.
    pub continues: bool,
}

/// What follows from one assessment. Complete before anything acts on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// What is to be reported, if anything.
    pub report: Option<Report>,
    /// Episodes as they are after this decision.
    pub episodes: [Episode; 2],
    /// What will have been reported after this decision.
    pub told: Told,
    /// Number of the alert that opened the principal's episode, after this decision.
    pub episode: u64,
}

impl Decision {
    /// Nothing is reported, and no episode begins or goes on.
    pub const fn nothing(state: &PrincipalState) -> Self {
        Self { report: None, episodes: state.episodes, told: state.told, episode: state.episode }
    }

    /// Without its report if that would tell of a broken workload what was told before: low,
    /// the principal was reported in the last two weeks, and these are doors that it was
    /// refused earlier. Whoever repairs the workload needs to hear of it once; if it grows
    /// ten times worse, once more.
    #[must_use]
    pub fn unless_repeated(mut self, state: &PrincipalState) -> Self {
        let denials = &state.episodes[Signal::Denials as usize];
        let is_repeated = self.report.as_ref().is_some_and(|report| {
            report.severity(state) == Severity::Low
                && report.row.untold() < denials.alert_count.saturating_mul(ESCALATION)
                && denials.alert_window.is_some_and(|alert| state.repeats(alert, report.row.axis))
        });
        if is_repeated {
            let secrets_hit = self.episodes[Signal::Secrets as usize].hit_window;
            self = Self::nothing(state);
            self.episodes[Signal::Secrets as usize].hit_window = secrets_hit;
        }
        self
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
    let known = state.known_secrets();
    let names_a_new_secret = !denial.secrets().buckets().difference(&known).is_empty();
    let [mut denials, mut secrets] = state.episodes;
    let was_open = state.has_open_episode(policy);
    let mut report = None;

    if names_a_new_secret {
        let hits = Hits::of(assessment.of_signal(Signal::Secrets), policy);
        let open = secrets.is_open(state.window, policy);
        report = hits.report(&secrets, open, state.window, policy);
        secrets.note(&hits, state.window);
        if let Some(Report { row, .. }) = &report {
            secrets.told(row.untold(), state.window);
            denials.told(state.denials[row.axis.scale as usize].max(1), state.window);
        }
    }

    let hits = Hits::of(assessment.of_signal(Signal::Denials), policy);
    if report.is_none() {
        let open = denials.is_open(state.window, policy) || secrets.is_open(state.window, policy);
        report = hits.report(&denials, open, state.window, policy);
        if let Some(Report { row, .. }) = &report {
            denials.told(row.untold(), state.window);
        }
    }
    denials.note(&hits, state.window);

    Decision {
        report,
        episode: if report.is_some() && !was_open { state.alert_seq + 1 } else { state.episode },
        episodes: [denials, secrets],
        told: if report.is_some() { everything_told(assessment) } else { state.told },
    }
}

impl PrincipalState {
    /// Whether an episode of either signal goes on in the open window.
    pub fn has_open_episode(&self, policy: &Policy) -> bool {
        self.episodes.iter().any(|episode| episode.is_open(self.window, policy))
    }

    /// Whether the secrets refused in the open window of that scale are those that an alert of
    /// that time can have been about: known from earlier days, or the only one of this day.
    fn repeats(&self, alert: Window, axis: Axis) -> bool {
        let doors = match axis.scale {
            Scale::FiveMinutes => self.secrets,
            Scale::Hour | Scale::Day => self.today.union(&self.secrets),
        };
        let earlier = self.once.union(&self.known).union(&self.known_before);
        let today = self.today.union(&self.secrets);
        let is_today = alert.on(Scale::Day) == self.window.on(Scale::Day);
        self.window.since(alert) < REPEAT_WINDOWS
            && (doors.difference(&earlier).is_empty() || (is_today && today.len() == 1))
    }

    /// Takes over what a decision changes.
    pub fn settle(&mut self, decision: &Decision) {
        self.episodes = decision.episodes;
        self.told = decision.told;
        self.episode = decision.episode;
        if decision.report.is_some() {
            self.alert_seq += 1;
        }
    }
}

impl Episode {
    fn is_open(&self, window: Window, policy: &Policy) -> bool {
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
            let Some(sigma) = hit(row, row.observed, policy) else {
                continue;
            };
            hits.any = true;
            let stronger = hits.strongest_fresh.is_none_or(|(_, best)| sigma > best);
            if stronger && is_fresh(row, policy) {
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
        let escalated = row.untold() >= episode.alert_count.saturating_mul(ESCALATION);
        (!open || episode.is_due_again(window, policy) || escalated).then_some(Report {
            row,
            sigma,
            continues: open,
        })
    }
}

/// The score of `count` if it would be a hit in that row.
fn hit(row: &Row, count: u32, policy: &Policy) -> Option<f64> {
    let signal = policy.of(row.axis.signal);
    let scale = row.axis.scale as usize;
    if count < signal.floor[scale] {
        return None;
    }
    let sigma = row.prediction.sigma(count);
    let over_ceiling = signal.ceiling[scale].is_some_and(|ceiling| count >= ceiling);
    (sigma >= signal.threshold || over_ceiling).then_some(sigma)
}

/// Whether what was not yet reported of a hit is a hit by itself, or took the
/// count over the ceiling.
fn is_fresh(row: &Row, policy: &Policy) -> bool {
    let ceiling = policy.of(row.axis.signal).ceiling[row.axis.scale as usize];
    row.told == 0
        || ceiling.is_some_and(|ceiling| row.told < ceiling && ceiling <= row.observed)
        || hit(row, row.untold(), policy).is_some()
}

fn everything_told(assessment: &Assessment) -> Told {
    let mut told = Told::default();
    for row in assessment.rows() {
        let Axis { signal, scale } = row.axis;
        match scale {
            Scale::FiveMinutes => {}
            Scale::Hour => told.hour[signal as usize] = row.observed,
            Scale::Day => told.day[signal as usize] = row.observed,
        }
    }
    told
}
