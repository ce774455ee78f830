//! The schema `rattle.finding/1`, which `docs/finding.md` describes.

use serde::{Serialize, Serializer};

use crate::alert::title;
use crate::detection::cadence::Cadence;
use crate::detection::finding::{Counts, EpisodeSummary, Finding, Reads, Severity, Status, Usual};
use crate::detection::{Scale, Signal};
use crate::text::Text;
use crate::wording::utc;

pub const SCHEMA: &str = "rattle.finding/1";

const ATTACK: Attack = Attack { tactic: "TA0006", technique: "T1555.006" };

/// A finding as one JSON object.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "finding")]
pub struct FindingLine<'a> {
    schema: &'static str,
    id: &'a str,
    episode: &'a str,
    status: Status,
    severity: Severity,
    title: String,
    account: &'a Text,
    region: Option<&'a Text>,
    principal: PrincipalFields<'a>,
    signal: Signal,
    scale: Scale,
    observed: u32,
    baseline: Usual,
    deviation: f64,
    threshold: f64,
    denials: Counts,
    secrets: Counts,
    first_denial: Time,
    last_denial: Time,
    evidence: Vec<EvidenceFields<'a>>,
    attack: Attack,
    explanation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_arn: Option<&'a Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cadence: Option<Cadence>,
    #[serde(skip_serializing_if = "Option::is_none")]
    totals: Option<TotalsFields>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reads: Option<ReadsFields<'a>>,
}

#[derive(Debug, Serialize)]
struct ReadsFields<'a> {
    denied: u32,
    read: u32,
    secrets: &'a [Text],
    first: Time,
    last: Time,
}

impl<'a> From<&'a Reads> for ReadsFields<'a> {
    fn from(reads: &'a Reads) -> Self {
        Self {
            denied: reads.denied,
            read: reads.read,
            secrets: &reads.secrets,
            first: Time(reads.first),
            last: Time(reads.last),
        }
    }
}

#[derive(Debug, Serialize)]
struct PrincipalFields<'a> {
    key: &'a Text,
    r#type: &'a Text,
    arn: Option<&'a Text>,
    name: &'a Text,
    session: Option<&'a Text>,
}

#[derive(Debug, Serialize)]
struct EvidenceFields<'a> {
    time: Time,
    secret: Option<String>,
    source_ip: Option<&'a Text>,
    session: Option<&'a Text>,
    cause: String,
}

#[derive(Debug, Serialize)]
struct TotalsFields {
    denials: u32,
    secrets: u32,
    first_denial: Time,
    last_denial: Time,
    seconds: i64,
}

impl From<&EpisodeSummary> for TotalsFields {
    fn from(totals: &EpisodeSummary) -> Self {
        Self {
            denials: totals.denials,
            secrets: totals.secrets,
            first_denial: Time(totals.first_denial),
            last_denial: Time(totals.last_denial),
            seconds: totals.seconds(),
        }
    }
}

/// MITRE ATT&CK: Credential Access; Cloud Secrets Management Stores.
#[derive(Debug, Serialize)]
struct Attack {
    tactic: &'static str,
    technique: &'static str,
}

/// Epoch seconds, written as `2026-01-31T23:59:59Z`.
#[derive(Debug)]
struct Time(i64);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&utc(self.0))
    }
}

impl<'a> FindingLine<'a> {
    pub fn of(finding: &'a Finding) -> Self {
        let principal = &finding.principal.principal;
        Self {
            schema: SCHEMA,
            id: &finding.id,
            episode: &finding.episode,
            status: finding.status,
            severity: finding.severity,
            title: title::title(finding),
            account: &finding.account,
            region: finding.region.as_ref(),
            principal: PrincipalFields {
                key: principal.key(),
                r#type: principal.type_name(),
                arn: principal.arn(),
                name: principal.name(),
                session: finding.principal.session.as_ref(),
            },
            signal: finding.signal,
            scale: finding.scale,
            observed: finding.observed,
            baseline: finding.baseline,
            deviation: finding.deviation,
            threshold: finding.threshold,
            denials: finding.denials,
            secrets: finding.secrets,
            first_denial: Time(finding.first_denial),
            last_denial: Time(finding.last_denial),
            evidence: finding
                .evidence
                .iter()
                .map(|one| EvidenceFields {
                    time: Time(one.time),
                    secret: one.secret_label(),
                    source_ip: one.source_ip.as_ref(),
                    session: one.session.as_ref(),
                    cause: one.cause.to_string(),
                })
                .collect(),
            attack: ATTACK,
            explanation: title::explanation(finding),
            policy_arn: finding.policy_arn.as_ref(),
            cadence: finding.cadence,
            totals: finding.totals.as_ref().map(TotalsFields::from),
            reads: finding.reads.as_ref().map(ReadsFields::from),
        }
    }
}
