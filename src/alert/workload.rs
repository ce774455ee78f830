//! A low finding, which is most likely a broken workload: what it does and which permission it
//! lacks.

use super::cause::clause;
use super::command::word;
use super::title::partition;
use crate::cloudtrail::{Cause, PolicyType};
use crate::detection::cadence::Cadence;
use crate::detection::finding::{Finding, Severity};
use crate::text::Text;
use crate::wording::{rounded, span};

/// Wildcards for the six random characters that Secrets Manager appends to a name in an ARN.
const ANY_SUFFIX: &str = "??????";
/// Secrets of a low finding.
const MAX_SECRETS: usize = 2;

/// One sentence on what the workload does.
pub(super) fn sentence(finding: &Finding) -> Option<String> {
    if finding.severity != Severity::Low {
        return None;
    }
    let secrets = match names(finding).len() {
        0 | 1 => "the same secret",
        _ => "the same two secrets",
    };
    let pace = match finding.cadence {
        None => "again and again".to_owned(),
        Some(Cadence { seconds, steady: true }) => {
            format!("about every {}, as before", interval(seconds))
        }
        Some(Cadence { seconds, steady: false }) => format!("about every {}", interval(seconds)),
    };
    Some(format!("Most likely a broken workload that tries again and again: {secrets}, {pace}."))
}

fn interval(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("{} s", rounded(seconds))
    } else {
        #[expect(clippy::cast_possible_truncation, reason = "at most the seconds of a day")]
        let whole = seconds.round() as i64;
        span(whole)
    }
}

/// Why the last call was refused, and what to do about it.
pub(super) fn remedy(finding: &Finding) -> String {
    let cause = finding.evidence.first().map_or(Cause::Unknown, |newest| newest.cause);
    let why = match cause {
        Cause::Unknown => {
            return "The message of the last call does not say why it was refused; its event in \
                    CloudTrail may."
                .to_owned();
        }
        known => format!("The last call was refused because {}.", clause(known)),
    };
    let what = match cause {
        Cause::Implicit(PolicyType::IdentityBased) => "Give it the missing statement",
        Cause::Implicit(PolicyType::ResourceBased) => {
            "Add the principal to the secret's resource policy"
        }
        Cause::Kms => "Allow kms:Decrypt on the secret's key",
        Cause::Implicit(_) | Cause::Explicit(_) | Cause::Unknown => "Change that policy",
    };
    let policy = finding
        .policy_arn
        .as_ref()
        .map_or_else(String::new, |arn| format!(" The denying policy: {}.", arn.without_links()));
    format!("{why}{policy} {what}, or stop the job that asks.")
}

/// The missing IAM statement as lines of JSON, if the cause is that no identity-based policy allows
/// the call.
pub(super) fn statement(finding: &Finding) -> Option<String> {
    let newest = finding.evidence.first()?;
    if finding.severity != Severity::Low
        || newest.cause != Cause::Implicit(PolicyType::IdentityBased)
    {
        return None;
    }
    let arns: Vec<String> = names(finding)
        .into_iter()
        .map(|name| {
            let is_newest = newest.secret.as_ref() == Some(name);
            let suffix = finding.secret_suffix.as_ref().filter(|_| is_newest);
            arn(finding, name, suffix.map_or(ANY_SUFFIX, Text::as_str))
        })
        .collect();
    let resource = match &arns[..] {
        [] => return None,
        [one] => one.clone(),
        several => format!("[{}]", several.join(",\n  ")),
    };
    Some(format!(
        "{{\"Effect\":\"Allow\",\"Action\":\"secretsmanager:GetSecretValue\",\n \"Resource\":{resource}}}"
    ))
}

/// At most [`MAX_SECRETS`] secrets, the one refused last first.
fn names(finding: &Finding) -> Vec<&Text> {
    let mut names: Vec<&Text> = Vec::new();
    for name in finding.evidence.iter().filter_map(|one| one.secret.as_ref()) {
        if !names.contains(&name) && names.len() < MAX_SECRETS {
            names.push(name);
        }
    }
    names
}

fn arn(finding: &Finding, name: &Text, suffix: &str) -> String {
    let partition = partition(finding);
    let region = word(finding.region.as_ref(), "REGION");
    let account = word(Some(&finding.account), "ACCOUNT");
    let name = word(Some(name), "SECRET");
    format!("\"arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-{suffix}\"")
}
