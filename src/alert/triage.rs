//! The four steps after an alert, with commands ready to paste.

use super::command::{command, word};
use super::layout::wrap;
use super::{rotation, workload};
use crate::cloudtrail::principal::Kind;
use crate::detection::finding::Finding;
use crate::text::Text;
use crate::wording::utc;

/// Seconds before the first and after the last denial for which the commands show events.
const AROUND: i64 = 3600;
const INDENT: &str = "     ";
const COMMAND_INDENT: &str = "       ";

pub(super) fn steps(text: &mut String, finding: &Finding) {
    step(text, 1, "Look at what this principal did.");
    look(text, finding);
    step(text, 2, "Check for other findings about it.");
    other_findings(text, finding);
    step(text, 3, "If it is malicious, or you cannot tell:");
    if_malicious(text, finding);
    step(text, 4, "If it is benign:");
    if_benign(text, finding);
}

fn step(text: &mut String, number: u32, what: &str) {
    wrap(text, what, &format!("  {number}. "), INDENT);
}

fn say(text: &mut String, what: &str) {
    wrap(text, what, "     - ", "       ");
}

fn run(text: &mut String, words: &[&str]) {
    text.push_str(&command(COMMAND_INDENT, words));
}

fn look(text: &mut String, finding: &Finding) {
    say(
        text,
        "What it asked for in this Region, refused or not (then the same for BatchGetSecretValue):",
    );
    lookup(
        text,
        finding,
        "AttributeKey=EventName,AttributeValue=GetSecretValue",
        &by_principal(finding, ""),
    );
    if let Some(user) = cloudtrail_user_name(finding) {
        say(text, "Everything else it did then:");
        let attribute = format!("AttributeKey=Username,AttributeValue={user}");
        lookup(text, finding, &attribute, "'Events[].[EventTime,EventSource,EventName]'");
    }
}

fn lookup(text: &mut String, finding: &Finding, attribute: &str, query: &str) {
    let region = region(finding);
    let start = utc(finding.first_denial.saturating_sub(AROUND));
    let end = utc(finding.last_denial.saturating_add(AROUND));
    run(
        text,
        &[
            "aws cloudtrail lookup-events",
            &format!("--region {region}"),
            &format!("--start-time {start}"),
            &format!("--end-time {end}"),
            "--lookup-attributes",
            attribute,
            "--query",
            query,
            "--output text",
        ],
    );
}

/// Selects the events of this principal in any session. The quotes are single ones, because an
/// interactive shell expands `!` in double quotes.
fn by_principal(finding: &Finding, and: &str) -> String {
    let principal = &finding.principal.principal;
    let mark = [principal.id(), principal.arn()].into_iter().flatten().find(|name| name.is_plain());
    match mark {
        Some(mark) => {
            format!("'Events[?contains(CloudTrailEvent,`\"{mark}\"`){and}].CloudTrailEvent'")
        }
        None => "'Events[].CloudTrailEvent'".to_owned(),
    }
}

/// What `lookup-events` calls `Username`. For a session, that is the name of the session.
fn cloudtrail_user_name(finding: &Finding) -> Option<&Text> {
    let principal = &finding.principal.principal;
    let name = match principal.kind() {
        Kind::User => Some(principal.name()),
        _ => finding.principal.session.as_ref(),
    };
    name.filter(|name| name.is_plain())
}

fn other_findings(text: &mut String, finding: &Finding) {
    let region = format!("--region {}", region(finding));
    let (field, name) = guardduty_name(finding);
    say(text, "GuardDuty, if it is on:");
    run(
        text,
        &[
            "detector=$(aws guardduty list-detectors",
            &region,
            "--query 'DetectorIds[0]'",
            "--output text)",
        ],
    );
    run(
        text,
        &[
            "aws guardduty list-findings",
            &region,
            "--detector-id \"$detector\"",
            "--finding-criteria",
            &format!(
                "'{{\"Criterion\":\n{{\"resource.accessKeyDetails.{field}\":\n\
                 {{\"Equals\":[\"{name}\"]}}}}}}'"
            ),
        ],
    );
    say(text, "Then IAM Access Analyzer, and the teams that own the principal and the secrets.");
}

/// The field and the value by which GuardDuty knows the principal.
fn guardduty_name(finding: &Finding) -> (&'static str, String) {
    let principal = &finding.principal.principal;
    if principal.kind() == Kind::Person {
        let role = word(principal.id(), "ROLE-ID");
        let person = word(finding.principal.session.as_ref(), "PERSON");
        return ("principalId", format!("{role}:{person}"));
    }
    ("userName", word(Some(principal.name()), "NAME"))
}

fn if_malicious(text: &mut String, finding: &Finding) {
    stop_the_principal(text, finding);
    say(text, "Find out what else it did: step 1, over a longer time.");
    say(text, "Find the secrets that it did read:");
    lookup(
        text,
        finding,
        "AttributeKey=EventName,AttributeValue=GetSecretValue",
        &by_principal(finding, "\n&& !contains(CloudTrailEvent,`\"errorCode\"`)"),
    );
    say(text, "Rotate each of them, by its rotation function or by a new value:");
    rotation::commands(text, COMMAND_INDENT, finding, None);
    say(text, "Start your incident response; keep this message as evidence.");
}

fn stop_the_principal(text: &mut String, finding: &Finding) {
    let principal = &finding.principal.principal;
    match principal.kind() {
        Kind::User => {
            let user = format!("--user-name {}", word(Some(principal.name()), "USER"));
            say(text, "Disable the user's access keys, then issue new ones to its owner:");
            run(text, &["aws iam list-access-keys", &user]);
            run(
                text,
                &[
                    "aws iam update-access-key",
                    &user,
                    "--access-key-id KEY-ID",
                    "--status Inactive",
                ],
            );
        }
        Kind::Role => {
            let role = word(Some(principal.name()), "ROLE");
            say(
                text,
                "End the role's sessions; whoever may assume it can start new ones, so look at its trust policy too:",
            );
            run(
                text,
                &[
                    "aws iam put-role-policy",
                    &format!("--role-name {role}"),
                    "--policy-name RevokeOlderSessions",
                    "--policy-document",
                    "'{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\",\n\
                     \"Action\":\"*\",\"Resource\":\"*\",\"Condition\":{\"DateLessThan\":\n\
                     {\"aws:TokenIssueTime\":\"'$(date -u +%FT%TZ)'\"}}}]}'",
                ],
            );
            run(text, &["aws iam get-role", &format!("--role-name {role}")]);
        }
        Kind::Person => say(
            text,
            "Disable the person's access in IAM Identity Center and delete their active sessions there.",
        ),
        Kind::Root => {
            say(text, "Change the root password, check its MFA, and delete its access keys:");
            run(
                text,
                &["aws iam get-account-summary", "--query SummaryMap.AccountAccessKeysPresent"],
            );
        }
        Kind::Federated => say(
            text,
            "Disable the credentials that issued the federated session, and the person at the identity provider.",
        ),
        Kind::Account => say(
            text,
            "Remove the other account from resource policies and role trust policies, and tell its owner.",
        ),
        Kind::Service | Kind::Other => {
            say(text, "Disable the credentials that were used; the events of step 1 say which.");
        }
    }
}

fn if_benign(text: &mut String, finding: &Finding) {
    say(text, &workload::remedy(finding));
    if workload::statement(finding).is_some() {
        say(text, "The statement stands at the beginning of this message.");
    }
    say(text, "Until that is done, mute it, as shown below.");
}

fn region(finding: &Finding) -> String {
    word(finding.region.as_ref(), "REGION")
}
