//! The body for a pager: the JSON that a CloudWatch alarm sends through SNS, which PagerDuty's
//! Amazon CloudWatch integration accepts.

use serde_json::{Value, json};

use super::deployment::Deployment;
use super::title::{how_unusual, place, rank, what};
use crate::detection::finding::{Finding, Status};
use crate::detection::window::WINDOW_SECONDS;
use crate::sha256::sha256_start;
use crate::text::Text;
use crate::wording::utc;

/// CloudWatch's own limit.
const MAX_REASON_BYTES: usize = 1023;
/// A stored finding changed by hand may hold any text as its Region.
const MAX_REGION_BYTES: usize = 32;
/// CloudWatch's limit of 255 bytes, less the Region, a hash and the words between them.
const MAX_NAME_BYTES: usize = 196;

pub fn body(finding: &Finding, deployment: &Deployment) -> Value {
    let (new, old) = match finding.status {
        Status::Open => ("ALARM", "OK"),
        Status::Update => ("ALARM", "ALARM"),
        Status::Resolved => ("OK", "ALARM"),
    };
    let region = deployment.region(finding).map_or("unknown", Text::as_str);
    let reason = format!(
        "{}: {} by {}, account {}. {}.",
        rank(finding),
        what(finding),
        finding.principal.principal.label(),
        place(finding),
        how_unusual(finding),
    );
    let mut body = alarm(&alarm_name(finding, region), new, old, &reason, finding, region);
    body["AlarmDescription"] = json!(
        "A principal is refused far more Secrets Manager secrets than it usually is. The e-mail of \
         this alert has the commands to look at it, to stop it and to mute it."
    );
    body["Trigger"] = trigger(finding);
    body["FindingId"] = json!(finding.id);
    body["Severity"] = json!(finding.severity);
    body
}

/// The members of every alarm. A pager merges alarms of the same name into one incident.
pub(super) fn alarm(
    name: &str,
    new: &str,
    old: &str,
    reason: &str,
    finding: &Finding,
    region: &str,
) -> Value {
    json!({
        "AlarmName": name,
        "AWSAccountId": finding.account,
        "NewStateValue": new,
        "OldStateValue": old,
        "NewStateReason": Text::new(&reason.replace('±', "+/-"), MAX_REASON_BYTES),
        // CloudWatch's form of a time.
        "StateChangeTime": utc(finding.last_event()).replace('Z', ".000+0000"),
        "Region": region,
    })
}

/// The same for all findings of a principal, and different for every other principal. It holds the
/// key, because the label may differ between two records of one principal.
fn alarm_name(finding: &Finding, region: &str) -> String {
    let key = finding.principal.principal.key();
    let region = Text::new(region, MAX_REGION_BYTES);
    let shown = key.without_links();
    if shown == key.as_str() && shown.len() <= MAX_NAME_BYTES && !shown.contains(' ') {
        return format!("Rattle {region} {shown}");
    }
    // Shown keys of two principals may look the same, so a hash of the key follows. Names without a
    // hash have two spaces, so that the two kinds never collide.
    let digest = sha256_start::<8>(key.as_str());
    let shown = Text::new(&shown.replace(' ', "_"), MAX_NAME_BYTES);
    format!("Rattle {region} {shown} {:016x}", u64::from_be_bytes(digest))
}

/// The count or its deviation, as a metric with a threshold.
fn trigger(finding: &Finding) -> Value {
    let period = finding.scale.windows() * WINDOW_SECONDS;
    let (metric, threshold) = match finding.over_ceiling {
        Some(ceiling) => ("count", f64::from(ceiling)),
        None => ("deviation", finding.threshold),
    };
    let mut trigger = over_a_threshold(&format!("{} {metric}", finding.signal), period);
    trigger["Statistic"] = json!("MAXIMUM");
    trigger["Dimensions"] =
        json!([{"name": "Principal", "value": finding.principal.principal.key()}]);
    trigger["ComparisonOperator"] = json!("GreaterThanOrEqualToThreshold");
    trigger["Threshold"] = json!(threshold);
    trigger
}

/// The members of every trigger.
pub(super) fn over_a_threshold(metric: &str, seconds: i64) -> Value {
    json!({
        "MetricName": metric,
        "Namespace": "Rattle",
        "StatisticType": "Statistic",
        "Unit": null,
        "Dimensions": [],
        "Period": seconds,
        "EvaluationPeriods": 1,
        "TreatMissingData": "missing",
        "EvaluateLowSampleCountPercentile": "",
    })
}
