//! The e-mail: plain text, 72 columns, the first three lines say it all.

use std::fmt::Write;

use super::command::WIDTH;
use super::triage;
use crate::cloudtrail::evidence::Evidence;
use crate::cloudtrail::principal::Kind;
use crate::cloudtrail::{Cause, PolicyType};
use crate::detection::finding::{Finding, Status, history, plural, rounded, utc};
use crate::detection::window::{Scale, Signal};
use crate::text::Text;

/// SNS wants a subject of fewer than 100 characters.
const MAX_SUBJECT_BYTES: usize = 99;
/// Expected count below which most windows have none.
const ALMOST_NONE: f64 = 0.1;

/// An e-mail's subject and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// One line of printable ASCII, fewer than 100 characters.
    pub subject: String,
    /// Plain text; every line ends with a line feed.
    pub body: String,
}

impl Email {
    /// The e-mail about a finding.
    pub fn about(finding: &Finding) -> Self {
        let severity = finding.severity.name();
        let again = match finding.status {
            Status::Open => "",
            Status::Update => ", again",
        };
        let subject = format!("[Rattle {severity}{again}] {}", finding.title);
        let headline = format!("{}{again}: {}", severity.to_uppercase(), finding.title);
        Self {
            subject: Text::new(&subject, MAX_SUBJECT_BYTES).to_string(),
            body: body(finding, &headline),
        }
    }
}

impl Email {
    /// The last e-mail of an hour with more than `limit` alerts. `finding` is the first that
    /// is held back.
    pub fn storm(finding: &Finding, limit: u32) -> Self {
        let account = &finding.account;
        let region = finding.region.as_ref().map_or("unknown Region", Text::as_str);
        let subject = format!("[Rattle storm] More than {limit} alerts in one hour");
        let mut body = String::new();
        paragraph(
            &mut body,
            "",
            &format!("STORM: more than {limit} alerts in one hour, account {account}, {region}."),
        );
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
        body.push_str(&super::command::command(
            "  ",
            &[
                "aws dynamodb scan",
                "--table-name TABLE",
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
        Self { subject: Text::new(&subject, MAX_SUBJECT_BYTES).to_string(), body }
    }
}

fn body(finding: &Finding, headline: &str) -> String {
    let mut text = String::with_capacity(4096);
    paragraph(&mut text, "", headline);
    paragraph(&mut text, "", &format!("{}.", finding.explanation));
    let place = format!(
        "Account {}, {}, {}.",
        finding.account,
        finding.region.as_ref().map_or("unknown Region".into(), Text::without_links),
        period(finding.first_denial, finding.last_denial),
    );
    paragraph(&mut text, "", &place);

    heading(&mut text, "What was seen");
    seen(&mut text, finding);
    heading(&mut text, "How unusual it is");
    unusual(&mut text, finding);
    heading(&mut text, "Which secrets, from where, why refused");
    evidence(&mut text, finding);
    heading(&mut text, "What to do");
    triage::steps(&mut text, finding);

    heading(&mut text, "About this alert");
    field(
        &mut text,
        "ATT&CK",
        "TA0006 Credential Access, T1555.006 Cloud Secrets Management Stores",
    );
    field(&mut text, "Finding", &finding.id);
    field(&mut text, "Key", &finding.principal.principal.shown_key());
    text
}

fn seen(text: &mut String, finding: &Finding) {
    let principal = &finding.principal.principal;
    let name = format!("{} ({})", principal.label(), principal.type_name());
    field(text, "Principal", &name);
    if let Some(arn) = principal.arn() {
        field(text, "ARN", &shown_to_a_reader(arn, principal.kind()));
    }
    if let Some(session) = &finding.principal.session {
        field(text, "Session", &shown_to_a_reader(session, principal.kind()));
    }
    let counts = |counts: &crate::detection::finding::Counts| {
        format!(
            "{} in 5 minutes, {} in the hour, {} in the UTC day",
            counts.five_minutes, counts.hour, counts.day
        )
    };
    field(text, "Denials", &counts(&finding.denials));
    field(text, "New secrets", &counts(&finding.secrets));
    if let (Scale::FiveMinutes | Scale::Day, Some(distinct)) =
        (finding.scale, finding.distinct_secrets)
    {
        let all = format!("{distinct} different in {}", finding.scale.in_words());
        field(text, "Secrets", &all);
    }
}

fn unusual(text: &mut String, finding: &Finding) {
    let thing = match finding.signal {
        Signal::Denials => "denial",
        Signal::Secrets => "new secret",
    };
    let window = finding.scale.in_words();
    let usual = &finding.baseline;
    field(text, "Seen", &format!("{} in {window}", plural(finding.observed, thing)));
    let usual_count = format!("{} ± {} in {window}", rounded(usual.mean), rounded(usual.sd));
    let almost_none = if usual.mean < ALMOST_NONE { "almost none: " } else { "" };
    field(text, "Usual", &format!("{almost_none}{usual_count}, {}", history(usual.history_days)));
    let limit = match finding.over_ceiling {
        Some(ceiling) => format!(
            "below the threshold of {}, but {ceiling} are reported always",
            rounded(finding.threshold)
        ),
        None => format!("reported from {}", rounded(finding.threshold)),
    };
    field(text, "Deviation", &format!("{:.1} sigma, {limit}", finding.deviation));
    if finding.signal == Signal::Secrets {
        let what = "A secret is new to a principal that was not refused it earlier today, nor on \
                    two days of the last two to four weeks.";
        paragraph(text, "  ", what);
    }
}

fn evidence(text: &mut String, finding: &Finding) {
    if finding.evidence.is_empty() {
        paragraph(text, "  ", "No denial of this window is kept.");
        return;
    }
    let kind = finding.principal.principal.kind();
    let origins: Vec<String> = finding.evidence.iter().map(|one| origin(one, kind)).collect();
    let same = origins.len() > 1 && origins.iter().all(|origin| *origin == origins[0]);
    for (one, origin) in finding.evidence.iter().zip(&origins) {
        let _ = writeln!(text, "  {}  {}", utc(one.time), secret(one));
        if !same {
            paragraph(text, "    ", origin);
        }
    }
    if same {
        paragraph(text, "  ", &format!("All of these {}.", origins[0]));
    }
    if let Some(distinct) = finding.distinct_secrets {
        let shown = finding.evidence.iter().filter(|e| e.secret.is_some()).count();
        let hidden = distinct.saturating_sub(u32::try_from(shown).unwrap_or(u32::MAX));
        if hidden > 0 {
            let more = format!(
                "The latest denial of each of 8 groups of secrets is kept: {} more {} not shown here. \
                 Step 1 lists them all.",
                hidden,
                if hidden == 1 { "is" } else { "are" },
            );
            paragraph(text, "  ", &more);
        }
    }
}

fn secret(one: &Evidence) -> String {
    match &one.secret {
        Some(name) if one.more_secrets > 0 => {
            format!("{} (+{} more)", name.without_links(), one.more_secrets)
        }
        Some(name) => name.without_links().into_owned(),
        None => "(the message names no secret)".to_owned(),
    }
}

fn origin(one: &Evidence, kind: Kind) -> String {
    let mut parts = Vec::new();
    if let Some(source) = &one.source_ip {
        parts.push(format!("from {}", source.without_links()));
    }
    if let Some(session) = &one.session {
        parts.push(format!("in session {}", shown_to_a_reader(session, kind)));
    }
    parts.push(match one.cause {
        Cause::Unknown => "refused for a reason the message does not give".to_owned(),
        known => format!("refused because {}", reason(known)),
    });
    parts.join(", ")
}

/// The cause as a clause.
pub(super) fn reason(cause: Cause) -> String {
    match cause {
        Cause::Implicit(policy) => format!("no {} allows it", policy.name()),
        Cause::Explicit(Some(policy)) => {
            let article = if policy == PolicyType::IdentityBased { "an" } else { "a" };
            format!("{article} {} denies it", policy.name())
        }
        Cause::Explicit(None) => "a policy denies it".to_owned(),
        Cause::Kms => "its KMS key may not be used".to_owned(),
        Cause::Unknown => "of something unknown".to_owned(),
    }
}

/// Session names are the caller's choice, save behind IAM Identity Center.
fn shown_to_a_reader(text: &Text, kind: Kind) -> String {
    match kind {
        Kind::Person => text.to_string(),
        _ => text.without_links().into_owned(),
    }
}

fn period(first: i64, last: i64) -> String {
    if first == last {
        format!("at {}", utc(first))
    } else {
        format!("from {} to {}", utc(first), utc(last))
    }
}

fn heading(text: &mut String, heading: &str) {
    let _ = writeln!(text, "\n{}", heading.to_uppercase());
}

fn field(text: &mut String, name: &str, value: &str) {
    const VALUE_COLUMN: &str = "               ";
    let first = format!("  {name:<13}");
    wrap(text, value, &first, VALUE_COLUMN);
}

/// Text at an indent, wrapped.
pub(super) fn paragraph(text: &mut String, indent: &str, words: &str) {
    wrap(text, words, indent, indent);
}

/// Text whose first line starts otherwise than the others. A long word, such as an ARN,
/// is never broken.
pub(super) fn wrap(text: &mut String, words: &str, first: &str, further: &str) {
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(further)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    for line in textwrap::wrap(words, options) {
        let _ = writeln!(text, "{line}");
    }
}
