//! The AWS Security Finding Format: one element of the list that Security Hub's
//! `BatchImportFindings` takes.

use serde_json::{Value, json};

use crate::alert::deployment::Deployment;
use crate::alert::title::{how_unusual, partition, title};
use crate::alert::workload;
use crate::cloudtrail::principal::Kind;
use crate::detection::finding::{Finding, Severity, Status};
use crate::text::Text;
use crate::wording::utc;

const MAX_TITLE: usize = 256;
const MAX_DESCRIPTION: usize = 1024;
const MAX_RECOMMENDATION: usize = 512;
const MAX_RESOURCE_ID: usize = 512;

/// All findings of an episode have one `Id`, so that each replaces the one before, and the
/// resolution archives it.
pub fn finding(finding: &Finding, deployment: &Deployment) -> Value {
    let account = &finding.account;
    let region = deployment.region(finding).map_or("unknown", Text::as_str);
    let principal = &finding.principal.principal;
    let partition = partition(finding);
    let (first, last) = (finding.first_denial, finding.last_event());
    // A resolution may have the same last denial as the alert before it. One second more makes it
    // the newer of the two.
    let updated = last.saturating_add(i64::from(finding.status == Status::Resolved));
    let label = match finding.severity {
        Severity::Low => "LOW",
        Severity::Medium => "MEDIUM",
        Severity::High => "HIGH",
    };
    let recommendation = match workload::sentence(finding) {
        _ if finding.reads.is_some() => {
            "Rotate the secrets that the principal read, stop it, and find out how it came by the \
             permission."
                .to_owned()
        }
        Some(sentence) => format!("{sentence} {}", workload::remedy(finding)),
        None => "Look at what the principal did in CloudTrail. If it is not expected, stop the \
                 principal and rotate the secrets that it read."
            .to_owned(),
    };
    let title = title(finding);
    let description = format!("{title}. {}.", how_unusual(finding));
    let id = principal.arn().unwrap_or_else(|| principal.key());
    json!({
        "SchemaVersion": "2018-10-08",
        "Id": format!("rattle/{region}/{account}/{}", finding.episode),
        "ProductArn":
            format!("arn:{partition}:securityhub:{region}:{account}:product/{account}/default"),
        "ProductName": "Rattle",
        "CompanyName": "Rattle",
        "GeneratorId": format!("rattle/{}/{}", finding.signal, finding.scale),
        "AwsAccountId": account,
        "Region": region,
        "Types": ["TTPs/Credential Access"],
        "FirstObservedAt": utc(first),
        "LastObservedAt": utc(last),
        "CreatedAt": utc(first),
        "UpdatedAt": utc(updated),
        "Severity": {"Label": label, "Original": finding.severity.name()},
        "Title": Text::new(&title, MAX_TITLE),
        "Description": Text::new(&description.replace('±', "+/-"), MAX_DESCRIPTION),
        "Remediation": {
            "Recommendation": {"Text": Text::new(&recommendation, MAX_RECOMMENDATION)},
        },
        "ProductFields": {
            "rattle/finding": finding.id,
            "rattle/status": finding.status.name(),
            "rattle/attack": "TA0006/T1555.006",
        },
        "Resources": [{
            "Type": match principal.kind() {
                Kind::Role => "AwsIamRole",
                Kind::User => "AwsIamUser",
                _ => "Other",
            },
            "Id": Text::new(id.as_str(), MAX_RESOURCE_ID),
            "Partition": partition,
            "Region": finding.region.as_ref().map_or(region, Text::as_str),
        }],
        "RecordState": if finding.status == Status::Resolved { "ARCHIVED" } else { "ACTIVE" },
    })
}
