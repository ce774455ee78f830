//! The Open Cybersecurity Schema Framework: Detection Finding, class 2004.

use serde_json::{Value, json};

use crate::alert::title::{explanation, how_unusual, title};
use crate::detection::finding::{Finding, Severity, Status};
use crate::text::Text;
use crate::wording::utc;

pub const VERSION: &str = "1.5.0";

const CATEGORY: u32 = 2;
const CLASS: u32 = 2004;
/// Analytic type "Statistical".
const STATISTICAL: u32 = 3;
/// Account type "AWS Account".
const AWS_ACCOUNT: u32 = 10;

/// All findings of an episode have one `finding_info.uid`.
pub fn finding(finding: &Finding) -> Value {
    let (activity, activity_name, status, status_name) = match finding.status {
        Status::Open => (1, "Create", 1, "New"),
        Status::Update => (2, "Update", 2, "In Progress"),
        Status::Resolved => (3, "Close", 4, "Resolved"),
    };
    let (severity, severity_name) = match finding.severity {
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
    };
    let (first, last) = (finding.first_denial, finding.last_event());
    let principal = &finding.principal.principal;
    let title = title(finding);
    let product = json!({"name": "Rattle", "vendor_name": "Rattle"});
    let mut body = json!({
        "activity_id": activity,
        "activity_name": activity_name,
        "category_uid": CATEGORY,
        "category_name": "Findings",
        "class_uid": CLASS,
        "class_name": "Detection Finding",
        "type_uid": CLASS * 100 + activity,
        "type_name": format!("Detection Finding: {activity_name}"),
        "time": milliseconds(last),
        "start_time": milliseconds(first),
        "end_time": milliseconds(last),
        "severity_id": severity,
        "severity": severity_name,
        "status_id": status,
        "status": status_name,
        "is_alert": finding.status != Status::Resolved,
        "message": format!("{title}. {}", how_unusual(finding)),
        "metadata": {
            "version": VERSION,
            "uid": finding.id,
            "profiles": ["cloud"],
            "product": product,
        },
        "finding_info": {
            "uid": finding.episode,
            "title": title,
            "desc": explanation(finding),
            "created_time": milliseconds(first),
            "modified_time": milliseconds(last),
            "first_seen_time": milliseconds(first),
            "last_seen_time": milliseconds(last),
            "analytic": {
                "uid": format!("{}/{}", finding.signal, finding.scale),
                "name": format!("{} in {}", finding.signal, finding.scale.in_words()),
                "type": "Statistical",
                "type_id": STATISTICAL,
            },
            "attacks": [{
                "tactic": {"uid": "TA0006", "name": "Credential Access"},
                "technique": {"uid": "T1555.006", "name": "Cloud Secrets Management Stores"},
            }],
        },
        "cloud": {
            "provider": "AWS",
            "account": {
                "uid": finding.account,
                "name": finding.account,
                "type": "AWS Account",
                "type_id": AWS_ACCOUNT,
            },
        },
        "resources": [{
            "type": "AWS principal",
            "name": principal.name(),
            "uid": principal.arn().unwrap_or_else(|| principal.key()),
        }],
        "evidences": finding.evidence.iter().map(evidence).collect::<Vec<_>>(),
    });
    if let Some(region) = &finding.region {
        body["cloud"]["region"] = json!(region);
    }
    body
}

fn evidence(one: &crate::detection::evidence::Evidence) -> Value {
    json!({
        "data": {
            "time": utc(one.time),
            "secret": one.secret_label(),
            "source_ip": one.source_ip,
            "session": one.session.as_ref().map(Text::as_str),
            "cause": one.cause.to_string(),
        },
    })
}

const fn milliseconds(seconds: i64) -> i64 {
    seconds.saturating_mul(1000)
}
