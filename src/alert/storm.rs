//! The one message that announces a storm: more findings in an hour than alerts are sent.

use std::fmt::Write;

use serde_json::{Value, json};

use super::command::command;
use super::deployment::Deployment;
use super::email::Email;
use super::layout::{heading, paragraph};
use super::pager;
use super::sms::MAX_SMS_BYTES;
use super::title::place;
use crate::detection::finding::Finding;
use crate::text::Text;

const SCHEMA: &str = "rattle.storm/1";

/// `finding` is the first over the limit of the hour.
pub fn email(finding: &Finding, limit: u32, deployment: &Deployment) -> Email {
    let mut body = String::new();
    let place = place(finding);
    let _ = writeln!(body, "STORM: more than {limit} alerts in one hour, account {place}");
    paragraph(
        &mut body,
        "",
        "Further findings of this hour are recorded and not sent: too many messages would \
         suspend the subscriptions. Each is one line in the function's log, and its principal's \
         item counts it in the attribute \"suppressed\".",
    );
    heading(&mut body, "What to do");
    paragraph(
        &mut body,
        "  ",
        "Many principals at once are an attack with many credentials, or a change that broke \
         many jobs. List those whose findings were held back:",
    );
    body.push_str(&command(
        "  ",
        &[
            "aws dynamodb scan",
            &format!("--region {}", deployment.region_word(finding)),
            &format!("--table-name {}", deployment.table()),
            "--filter-expression 'attribute_exists(suppressed)'",
            "--projection-expression 'principal, suppressed, n_1d'",
        ],
    ));
    paragraph(
        &mut body,
        "  ",
        "If they are expected, raise RATTLE_MAX_ALERTS_PER_HOUR, or leave them out by \
         RATTLE_IGNORE.",
    );
    Email { subject: format!("ALARM: [Rattle storm] {}", sentence(limit)), body }
}

pub fn sms(finding: &Finding, limit: u32) -> String {
    Text::new(
        &format!("Rattle storm: {}, account {}", sentence(limit), place(finding)),
        MAX_SMS_BYTES,
    )
    .to_string()
}

/// Nothing resolves this incident, so a person has to close it.
pub fn pager(finding: &Finding, limit: u32, deployment: &Deployment) -> Value {
    let region = deployment.region(finding).map_or("unknown", Text::as_str);
    let reason = format!(
        "{}, account {}. Further findings of this hour are recorded and not sent.",
        sentence(limit),
        place(finding)
    );
    let name = format!("Rattle {region} storm");
    let mut body = pager::alarm(&name, "ALARM", "OK", &reason, finding, region);
    body["AlarmDescription"] = json!("More alerts were due in one hour than are sent.");
    let mut trigger = pager::over_a_threshold("alerts in one hour", 3600);
    trigger["Statistic"] = json!("SUM");
    trigger["ComparisonOperator"] = json!("GreaterThanThreshold");
    trigger["Threshold"] = json!(limit);
    body["Trigger"] = trigger;
    body
}

/// The same in every machine format.
pub fn json(finding: &Finding, limit: u32) -> Value {
    json!({
        "type": "storm",
        "schema": SCHEMA,
        "account": finding.account,
        "region": finding.region,
        "limit": limit,
        "explanation": sentence(limit),
    })
}

fn sentence(limit: u32) -> String {
    format!("More than {limit} alerts in one hour")
}
