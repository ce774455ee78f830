//! The body for chat: the schema that Amazon Q Developer in chat applications takes.

use std::fmt::Write;

use serde_json::{Value, json};

use super::deployment::Deployment;
use super::mute::{mute, muted_until};
use super::title::{how_unusual, rank, what};
use super::{rotation, workload};
use crate::detection::finding::{Finding, Severity, Status};
use crate::text::Text;
use crate::wording::{span, utc};

/// In characters.
pub const MAX_TITLE: usize = 250;
/// In characters.
pub const MAX_DESCRIPTION: usize = 8000;

/// Bytes of a name in a title: short enough that the rest of the title is never cut.
const MAX_NAME_IN_TITLE: usize = 100;
const MAX_QUOTED_BYTES: usize = 256;
/// Secrets listed by name.
const MOST_LISTED: usize = 20;

pub fn body(finding: &Finding, deployment: &Deployment) -> Value {
    let principal = &finding.principal.principal;
    let name =
        format!("{} {}", principal.kind().noun(), quoted(principal.name(), MAX_NAME_IN_TITLE));
    let rank = rank(finding);
    let what = what(finding);
    json!({
        "version": "1.0",
        "source": "custom",
        "id": finding.id,
        "content": {
            "textType": "client-markdown",
            "title": format!("{} {rank}: {what} by {name}", mark(finding)),
            "description": description(finding),
            "nextSteps": next_steps(finding, deployment),
            "keywords": [
                "Rattle",
                finding.severity.name(),
                finding.status.name(),
                keyword(Some(&finding.account)),
                keyword(finding.region.as_ref()),
            ],
        },
        "metadata": {
            // Chat shows all messages of an episode in one thread.
            "threadId": finding.episode,
            "summary": format!("{rank}: {what}. {}", how_unusual(finding)),
            "eventType": "rattle.finding",
            "additionalContext": {
                "finding": finding.id,
                "severity": finding.severity.name(),
                "status": finding.status.name(),
            },
        },
    })
}

/// A keyword. Chat does not quote it as code, so anything but a plain word is `unknown`.
fn keyword(text: Option<&Text>) -> &str {
    let is_word =
        |text: &&Text| text.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    text.filter(is_word).map_or("unknown", Text::as_str)
}

/// An emoji shortcode that both Slack and Teams know.
const fn mark(finding: &Finding) -> &'static str {
    match (finding.status, finding.severity) {
        (Status::Resolved, _) => ":white_check_mark:",
        (_, Severity::High) => ":rotating_light:",
        (_, Severity::Medium) => ":warning:",
        (_, Severity::Low) => ":wrench:",
    }
}

fn description(finding: &Finding) -> String {
    let principal = &finding.principal.principal;
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "*{name}:* {value}");
    };
    let region = finding.region.as_ref().map_or("unknown".to_owned(), quoted_whole);
    line("Where", &format!("account {}, {region}", quoted_whole(&finding.account)));
    if let Some(arn) = principal.arn() {
        line("Principal", &quoted_whole(arn));
    }
    if let Some(reads) = &finding.reads {
        let shown: Vec<_> = reads.secrets.iter().take(MOST_LISTED).map(quoted_whole).collect();
        let more = reads.read.saturating_sub(u32::try_from(shown.len()).unwrap_or(u32::MAX));
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        line("Read", &(shown.join(", ") + &more));
    }
    if let Some(totals) = &finding.totals {
        line("First denial", &utc(totals.first_denial));
        line("Last denial", &utc(totals.last_denial));
        line("Duration", &span(totals.seconds()));
        return text.trim_end().to_owned();
    }
    if let Some(session) = &finding.principal.session {
        line("Session", &quoted_whole(session));
    }
    line("How unusual", &how_unusual(finding));
    line("Last denial", &utc(finding.last_denial));
    if let Some(sentence) = workload::sentence(finding) {
        line("Reading", &sentence);
        if let Some(statement) = workload::statement(finding) {
            let _ = writeln!(text, "*Missing statement:*\n```\n{statement}\n```");
        }
    }
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "*{name}:* {value}");
    };
    if let Some(arn) = &finding.policy_arn {
        line("Denying policy", &quoted_whole(arn));
    }
    let secrets: Vec<String> =
        finding.evidence.iter().filter_map(|one| one.secret.as_ref()).map(quoted_whole).collect();
    if !secrets.is_empty() {
        line("Secrets, newest first", &secrets.join(", "));
    }
    text.trim_end().to_owned()
}

fn next_steps(finding: &Finding, deployment: &Deployment) -> Vec<String> {
    if finding.status == Status::Resolved {
        return vec![match finding.severity {
            Severity::Low => "Check that the workload was repaired.".to_owned(),
            Severity::Medium | Severity::High => {
                "Check that the alerts of this thread were dealt with. What the principal could \
                 read in that time is to be rotated."
                    .to_owned()
            }
        }];
    }
    if let Some(reads) = &finding.reads {
        let stop =
            "If nobody just granted it that: stop the principal; the e-mail of this alert has \
                    the commands."
                .to_owned();
        let rotate = |secret| {
            let command = rotation::rotate(finding, Some(secret)).join(" ");
            format!("Rotate each secret that it read, this one with `{command}`")
        };
        return std::iter::once(stop).chain(reads.secrets.first().map(rotate)).collect();
    }
    let mute = mute(finding, deployment).join(" ");
    let until = utc(muted_until(finding));
    let mut steps = match finding.severity {
        Severity::Low => vec!["Add what is missing, or stop the job that asks.".to_owned()],
        Severity::Medium | Severity::High => vec![
            "Look at what the principal did around the last denial; the e-mail of this alert has \
             the commands."
                .to_owned(),
            "Not expected, or you cannot tell: stop the principal, then rotate what it did read."
                .to_owned(),
        ],
    };
    steps.push(format!("Expected: mute it until {until} with `{mute}`"));
    steps
}

fn quoted_whole(text: &Text) -> String {
    quoted(text, MAX_QUOTED_BYTES)
}

/// A name as inline code, in which no chat looks for markup, links or mentions.
fn quoted(text: &Text, max_bytes: usize) -> String {
    format!("`{}`", plain(text.as_str(), max_bytes))
}

/// Replaces every character that could end the code, begin a tag or mention somebody, and breaks
/// links.
fn plain(text: &str, max_bytes: usize) -> String {
    let harmless: String = text
        .chars()
        .map(|c| match c {
            '@' => '\u{2}',
            c if c.is_ascii_alphanumeric() || " /_+=.,:;#-()".contains(c) => c,
            _ => '?',
        })
        .collect();
    let harmless = harmless.replace('\u{2}', "(at)");
    Text::new(&Text::new(&harmless, max_bytes).without_links(), max_bytes).to_string()
}
