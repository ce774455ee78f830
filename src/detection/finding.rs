//! A finding: what is true about a principal at the moment it was reported.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::cadence::Cadence;
use super::decision::Report;
use super::policy::Policy;
pub use super::resolution::{EpisodeSummary, MAX_NAMED, Reads};
use super::state::PrincipalState;
use super::window::{Scale, Signal, WINDOW_SECONDS};
use crate::cloudtrail::call::Denial;
use crate::cloudtrail::principal::Principal;
use crate::cloudtrail::secret::Secret;
use crate::detection::evidence::Evidence;
use crate::sha256::sha256_start;
use crate::text::Text;

/// Secrets from which a finding of new secrets is severe whatever its score.
const HIGH_SECRETS: u32 = 10;
/// Score from which it is severe with fewer secrets.
const HIGH_SIGMA: f64 = 8.0;
const HIGH_SIGMA_SECRETS: u32 = 5;
/// One or two doors and many knocks are most likely a broken workload.
const LOW_SECRETS: u32 = 2;

/// Whether the finding begins an episode, continues it or ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The first of its episode.
    Open,
    /// The episode grew, or goes on.
    Update,
    /// The episode is over.
    Resolved,
}

impl Status {
    /// Name in findings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Update => "update",
            Self::Resolved => "resolved",
        }
    }
}

/// How urgent it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Most likely a broken workload.
    Low,
    /// Look at it today.
    Medium,
    /// Look at it now.
    High,
}

impl Severity {
    /// All of them, mildest first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Medium, Self::High];

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.name() == name)
    }

    /// Name in findings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What is usual for the principal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usual {
    /// Expected count.
    pub mean: f64,
    /// Its standard deviation.
    pub sd: f64,
    /// Days since the principal was first seen.
    pub history_days: f64,
}

/// One count on each scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// In the open 5 minutes.
    #[serde(rename = "5m")]
    pub five_minutes: u32,
    /// In the open hour.
    #[serde(rename = "1h")]
    pub hour: u32,
    /// In the open UTC day.
    #[serde(rename = "1d")]
    pub day: u32,
}

impl Counts {
    /// The count on one scale.
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
    /// What was counted.
    pub signal: Signal,
    /// Over how long.
    pub scale: Scale,
    /// The count.
    pub observed: u32,
    /// What is usual.
    pub baseline: Usual,
    /// How far apart they are, in sigma-equivalents, 0 to 37.
    pub deviation: f64,
    /// Deviation from which it is reported.
    pub threshold: f64,
    /// Denials on each scale.
    pub denials: Counts,
    /// New secrets on each scale.
    pub secrets: Counts,
    /// First denial of the scale's open window.
    pub first_denial: i64,
    /// Newest denial seen.
    pub last_denial: i64,
    /// Denials of that window to look at, newest first.
    pub evidence: Vec<Evidence>,
    /// Policy that denied the call which raised it.
    pub policy_arn: Option<Text>,
    /// Different secrets refused in the window, if that was counted.
    pub distinct_secrets: Option<u32>,
    /// Count from which it is reported whatever its deviation, if that is why.
    pub over_ceiling: Option<u32>,
    /// What the ARN of the secret ends in that the call named which raised it.
    #[serde(default)]
    pub secret_suffix: Option<Text>,
    /// The pace of a workload that is most likely broken.
    #[serde(default)]
    pub cadence: Option<Cadence>,
    /// What the episode came to, if this is its end.
    #[serde(default)]
    pub totals: Option<EpisodeSummary>,
    /// Whether it says what was told of a broken workload: it is recorded and not sent.
    #[serde(default)]
    pub repeats: bool,
    /// Severest finding of its episode so far, this one included.
    #[serde(default)]
    pub worst: Option<Severity>,
    /// What the principal read while the episode was open, if that is known.
    #[serde(default)]
    pub reads: Option<Reads>,
}

/// The principal, and the session it was last seen in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrincipalSeen {
    /// Who it is.
    pub principal: Principal,
    /// Its session.
    pub session: Option<Text>,
}

impl Finding {
    /// The finding that a report stands for. `state` is the state it was decided on,
    /// after it took over the decision; `denial` is the delivery that raised it.
    pub fn new(state: &PrincipalState, report: &Report, denial: &Denial, policy: &Policy) -> Self {
        let row = &report.row;
        let (signal, scale) = (row.axis.signal, row.axis.scale);
        let principal = denial.principal();
        let denials = Counts {
            five_minutes: state.denials[0],
            hour: state.denials[1],
            day: state.denials[2],
        };
        let secrets = new_secrets(state);
        let distinct_secrets = distinct_secrets(state, scale);
        let baseline = Usual {
            mean: row.prediction.mean,
            sd: row.prediction.sd(),
            history_days: state.history_days(),
        };
        let signal_policy = policy.of(signal);
        let over_ceiling = signal_policy.ceiling[scale as usize]
            .filter(|ceiling| report.sigma < signal_policy.threshold && row.observed >= *ceiling);
        let time = denial.time().as_second();
        let evidence = evidence(state, scale, time);
        let severity = severity(report, state);
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
            first_denial: state.opened[scale as usize].min(time),
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
            repeats: report.repeats,
            worst: state.tally.map(|tally| tally.severity),
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
    let name = format!("{key}\n{}\n{signal}\n{}", state.window.index(), state.alert_seq);
    digest_of(&name)
}

/// A state that expired begins to count its alerts anew; its first window tells the two apart.
pub(super) fn episode_id(state: &PrincipalState, key: &Text) -> String {
    digest_of(&format!("{key}\nepisode\n{}\n{}", state.first_window.index(), state.episode))
}

pub(super) fn digest_of(name: &str) -> String {
    format!("{:032x}", u128::from_be_bytes(sha256_start(name)))
}

fn new_secrets(state: &PrincipalState) -> Counts {
    let on = |scale| state.observed(super::baseline::Axis { signal: Signal::Secrets, scale });
    Counts { five_minutes: on(Scale::FiveMinutes), hour: on(Scale::Hour), day: on(Scale::Day) }
}

/// Different secrets refused in the open window of that scale. Of an hour only the new
/// ones are counted; they are all of them if the whole day has no other.
pub(super) fn distinct_secrets(state: &PrincipalState, scale: Scale) -> Option<u32> {
    let today = state.today.union(&state.secrets).len();
    match scale {
        Scale::FiveMinutes => Some(state.secrets.len()),
        Scale::Hour => (today == new_secrets(state).hour).then_some(today),
        Scale::Day => Some(today),
    }
}

pub(super) fn severity(report: &Report, state: &PrincipalState) -> Severity {
    let row = &report.row;
    match row.axis.signal {
        Signal::Secrets
            if row.observed >= HIGH_SECRETS
                || (report.sigma >= HIGH_SIGMA && row.observed >= HIGH_SIGMA_SECRETS) =>
        {
            Severity::High
        }
        Signal::Secrets => Severity::Medium,
        Signal::Denials => {
            // Of an hour the day's secrets stand in: they are at least those of the hour.
            let doors = match row.axis.scale {
                Scale::FiveMinutes => state.secrets.len(),
                Scale::Hour | Scale::Day => state.today.union(&state.secrets).len(),
            };
            // A message that names no secret cannot show that it was only one.
            if (1..=LOW_SECRETS).contains(&doors) { Severity::Low } else { Severity::Medium }
        }
    }
}

/// The slots whose denial belongs to the open window of that scale, newest first; when a
/// backlog raised the finding, those of as long a time before the denial that did.
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
