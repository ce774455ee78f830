//! A finding: the facts about a principal at the moment of a report.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

pub use super::alerting::EpisodeSummary;
use super::cadence::Cadence;
use super::decision::Report;
use super::evidence::Evidence;
use super::policy::Policy;
pub use super::policy::Severity;
use super::severity::severity;
use super::state::PrincipalState;
use super::window::{Scale, Signal, WINDOW_SECONDS};
use crate::cloudtrail::call::Denial;
use crate::cloudtrail::principal::Principal;
use crate::cloudtrail::secret::Secret;
use crate::sha256::sha256_start;
use crate::text::Text;

/// Whether the finding begins an episode, continues it or ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Open,
    /// The episode grew, goes on, or was followed by an access.
    Update,
    Resolved,
}

impl Status {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Update => "update",
            Self::Resolved => "resolved",
        }
    }
}

/// What is usual for the principal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usual {
    /// Expected count.
    pub mean: f64,
    /// Standard deviation.
    pub sd: f64,
    /// Days since the principal was first seen.
    pub history_days: f64,
}

/// One count in the open window of each scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    #[serde(rename = "5m")]
    pub five_minutes: u32,
    #[serde(rename = "1h")]
    pub hour: u32,
    #[serde(rename = "1d")]
    pub day: u32,
}

impl From<[u32; 3]> for Counts {
    fn from([five_minutes, hour, day]: [u32; 3]) -> Self {
        Self { five_minutes, hour, day }
    }
}

impl Counts {
    pub fn on(&self, scale: Scale) -> u32 {
        match scale {
            Scale::FiveMinutes => self.five_minutes,
            Scale::Hour => self.hour,
            Scale::Day => self.day,
        }
    }
}

/// What a report says, with all that an alert needs. Its serialised form is that of a store;
/// what a reader gets is [`crate::alert::machine::rattle::FindingLine`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// A function of principal, window, signal and alert number: the same in every
    /// retry and every replay.
    #[serde(deserialize_with = "shown_id")]
    pub id: String,
    /// The same for all findings of one episode of the principal.
    #[serde(default)]
    pub episode: String,
    /// Whether it begins an episode.
    pub status: Status,
    /// How urgent it is.
    pub severity: Severity,
    /// Account whose secrets were asked for.
    pub account: Text,
    /// AWS Region of the denial that raised it.
    pub region: Option<Text>,
    /// Who was refused.
    pub principal: PrincipalSeen,
    pub signal: Signal,
    pub scale: Scale,
    /// Count of that signal in the open window of that scale.
    pub observed: u32,
    /// What is usual for that count.
    pub baseline: Usual,
    /// Score of the count, in sigma-equivalents, 0 to 37.
    pub deviation: f64,
    /// Deviation from which a count is reported.
    pub threshold: f64,
    pub denials: Counts,
    /// Secrets that were new to the principal.
    pub secrets: Counts,
    /// First denial of the scale's open window, in epoch seconds.
    pub first_denial: i64,
    /// Newest denial seen, in epoch seconds.
    pub last_denial: i64,
    /// Denials of that window to look at, newest first.
    pub evidence: Vec<Evidence>,
    /// Policy that denied the call which raised it.
    pub policy_arn: Option<Text>,
    /// Different secrets refused in the window, if that was counted.
    pub distinct_secrets: Option<u32>,
    /// The ceiling, if the count is reported for that alone.
    pub over_ceiling: Option<u32>,
    /// Random suffix of the ARN of the secret, if the call that raised it named one by ARN.
    #[serde(default)]
    pub secret_suffix: Option<Text>,
    /// The pace of a low finding, which is most likely a broken workload's.
    #[serde(default)]
    pub cadence: Option<Cadence>,
    /// Only in the resolution of an episode.
    #[serde(default)]
    pub totals: Option<EpisodeSummary>,
    /// Whether it repeats the last low finding: it is recorded and not sent. An older function
    /// reads it by its older name.
    #[serde(default, rename = "repeats")]
    pub held: bool,
    /// Severest finding of its episode so far, this one included.
    #[serde(default)]
    pub worst: Option<Severity>,
    /// What the principal read while the episode was open, if that is known.
    #[serde(default)]
    pub reads: Option<Reads>,
}

/// Secrets that a principal read after it was refused others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reads {
    /// Different secrets it was refused in the episode until then.
    pub denied: u32,
    /// Different secrets it read.
    pub read: u32,
    /// Their names in order, [`MAX_NAMED`] of them at most.
    pub secrets: Vec<Text>,
    /// When it read the first, in epoch seconds.
    pub first: i64,
    /// When it read the last, in epoch seconds.
    pub last: i64,
}

/// Secrets that were read and are named.
pub const MAX_NAMED: usize = 64;

/// The principal, and the session it was last seen in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrincipalSeen {
    pub principal: Principal,
    pub session: Option<Text>,
}

impl Finding {
    /// `state` is the one that was decided on, with the decision's own `alerting`; `denial` is the
    /// delivery that raised the report.
    pub fn new(state: &PrincipalState, report: &Report, denial: &Denial, policy: &Policy) -> Self {
        let row = &report.row;
        let (signal, scale) = (row.axis.signal, row.axis.scale);
        let principal = denial.principal();
        let denials = Counts::from(state.denials);
        let secrets = Counts::from(state.new_secrets());
        let distinct_secrets = state.distinct_secrets(scale);
        let baseline = Usual {
            mean: row.prediction.mean,
            sd: row.prediction.sd(),
            history_days: state.history_days(),
        };
        let signal_policy = policy.of(signal);
        let over_ceiling = signal_policy.ceiling[scale]
            .filter(|ceiling| report.sigma < signal_policy.threshold && row.observed >= *ceiling);
        let time = denial.time().as_second();
        let evidence = evidence(state, scale, time);
        let severity = severity(row, report.sigma, state);
        Self {
            id: finding_id(state, principal.key(), signal),
            episode: episode_id(state, principal.key()),
            status: if report.continues { Status::Update } else { Status::Open },
            severity,
            account: principal.account().clone(),
            region: denial.region().cloned(),
            principal: PrincipalSeen {
                principal: Principal::clone(principal),
                session: denial.session().cloned(),
            },
            signal,
            scale,
            observed: row.observed,
            deviation: report.sigma,
            threshold: signal_policy.threshold,
            denials,
            secrets,
            first_denial: state.opened[scale].min(time),
            last_denial: evidence.iter().map(|e| e.time).fold(time, i64::max),
            evidence,
            policy_arn: denial.policy_arn().cloned(),
            secret_suffix: denial
                .secrets()
                .first()
                .and_then(Secret::suffix)
                .map(|suffix| Text::new(suffix, usize::MAX)),
            distinct_secrets,
            over_ceiling,
            baseline,
            cadence: (severity == Severity::Low).then(|| Cadence::of(state, scale, time)).flatten(),
            totals: None,
            held: report.held,
            worst: state.alerting.totals.map(|totals| totals.severity),
            reads: None,
        }
    }
}

/// Reads an id that this program wrote. A store may have been changed by hand: an id that
/// cannot be shown is refused.
fn shown_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    const MAX_ID_BYTES: usize = 512;
    let id = String::deserialize(deserializer)?;
    if id.len() <= MAX_ID_BYTES && id.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        Ok(id)
    } else {
        Err(D::Error::custom("an id of a finding cannot be shown"))
    }
}

fn finding_id(state: &PrincipalState, key: &Text, signal: Signal) -> String {
    let name = format!("{key}\n{}\n{signal}\n{}", state.window.index(), state.alerting.alert_seq);
    digest_of(&name)
}

/// A principal whose state expired counts its alerts from 1 again, so the first window is part
/// of the name.
pub(super) fn episode_id(state: &PrincipalState, key: &Text) -> String {
    digest_of(&format!(
        "{key}\nepisode\n{}\n{}",
        state.first_window.index(),
        state.alerting.episode
    ))
}

pub(super) fn digest_of(name: &str) -> String {
    format!("{:032x}", u128::from_be_bytes(sha256_start(name)))
}

/// The evidence from the open window of that scale, newest first. If a late denial raised the
/// finding, it is from as long a time before that denial instead.
fn evidence(state: &PrincipalState, scale: Scale, raised_at: i64) -> Vec<Evidence> {
    let start = match state.window.start_on(scale) {
        start if start <= raised_at => start,
        _ => raised_at - scale.windows() * WINDOW_SECONDS,
    };
    let mut evidence: Vec<Evidence> =
        state.evidence.iter().flatten().filter(|e| e.time >= start).cloned().collect();
    evidence.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.secret.cmp(&b.secret)));
    evidence
}
