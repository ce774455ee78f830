//! The e-mail: plain text in 72 columns, whose first three lines say who, what and how unusual.

use std::fmt::Write;

use super::cause::clause;
use super::command::command;
use super::deployment::Deployment;
use super::layout::{WIDTH, field, heading, paragraph, wrap};
use super::mute::{mute, muted_until};
use super::title::{fit, how_unusual, place, rank, subject, thing, what};
use super::{rotation, triage, workload};
use crate::cloudtrail::Cause;
use crate::cloudtrail::principal::Kind;
use crate::detection::evidence::Evidence;
use crate::detection::finding::{EpisodeSummary, Finding, Severity};
use crate::detection::window::{Scale, Signal};
use crate::text::Text;
use crate::wording::{history, plural, rounded, span, utc};

/// Expected count below which most windows have no event.
const ALMOST_NONE: f64 = 0.1;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    /// One line of printable ASCII, fewer than 100 characters.
    pub subject: String,
    /// Plain text; every line ends with a line feed.
    pub body: String,
}

impl Email {
    pub fn about(finding: &Finding, deployment: &Deployment) -> Self {
        Self { subject: subject(finding), body: body(finding, deployment) }
    }
}

fn body(finding: &Finding, deployment: &Deployment) -> String {
    let mut text = String::with_capacity(4096);
    first_lines(&mut text, finding);
    heading(&mut text, "What next");
    what_next(&mut text, finding);
    if let Some(reads) = &finding.reads {
        heading(&mut text, "What it read, and how to rotate it");
        rotation::steps(&mut text, finding, reads);
    }
    if let Some(totals) = &finding.totals {
        heading(&mut text, "The whole episode");
        episode(&mut text, finding, totals);
    } else {
        // An access after denial follows an alert that listed the evidence.
        if finding.reads.is_none() {
            heading(&mut text, "Which secrets, from where, why refused");
            evidence(&mut text, finding);
        }
        heading(&mut text, "What was seen");
        seen(&mut text, finding);
        heading(&mut text, "How unusual it is");
        unusual(&mut text, finding);
        heading(&mut text, "What to do");
        triage::steps(&mut text, finding);
    }
    heading(&mut text, "To hear no more of it");
    silence(&mut text, finding, deployment);
    heading(&mut text, "About this alert");
    about(&mut text, finding);
    text
}

/// Who, what and how unusual, a line each. Long names are shortened, so that each stays one line.
fn first_lines(text: &mut String, finding: &Finding) {
    let principal = &finding.principal.principal;
    let who = format!("{}: ", rank(finding));
    let end = format!(", account {}", place(finding));
    let _ = writeln!(text, "{}", fit(&who, &principal.label(), &end, WIDTH));
    let when = format!(", last at {}", utc(finding.last_event()));
    let what = what(finding);
    let what = if what.len() + when.len() <= WIDTH { what + &when } else { what };
    let _ = writeln!(text, "{what}");
    let _ = writeln!(text, "{}", how_unusual(finding));
}

fn what_next(text: &mut String, finding: &Finding) {
    if let Some(sentence) = workload::sentence(finding).filter(|_| finding.totals.is_none()) {
        paragraph(text, "  ", &sentence);
        paragraph(text, "  ", &workload::remedy(finding));
        if let Some(statement) = workload::statement(finding) {
            for line in statement.lines() {
                let _ = writeln!(text, "  {line}");
            }
        }
        paragraph(text, "  ", "If you cannot tell whose it is: step 1 below.");
        return;
    }
    if finding.totals.is_some() {
        let what = match finding.severity {
            Severity::Low => {
                "Nothing, if the workload was repaired. If nobody did, it stopped trying, or its \
                 refusals are usual by now."
            }
            Severity::Medium | Severity::High => {
                "Nothing, if its alerts were dealt with. If they were not: that it stopped does \
                 not make it harmless. What the principal could read in that time is to be \
                 rotated; the alerts of this episode have the commands."
            }
        };
        paragraph(text, "  ", what);
        return;
    }
    if finding.reads.is_some() {
        paragraph(
            text,
            "  ",
            "It was let in after all. If nobody just granted it that: rotate what it read, listed \
             below, stop the principal (step 3), and find out how it came by the permission.",
        );
        return;
    }
    let lines = [
        "Not expected, or you cannot tell: stop the principal (step 3), then find and rotate what \
         it did read. Refused calls took nothing; others may have.",
        "Expected: repair it (step 4), or mute it.",
    ];
    for line in lines {
        wrap(text, line, "  - ", "    ");
    }
}

fn episode(text: &mut String, finding: &Finding, totals: &EpisodeSummary) {
    let principal = &finding.principal.principal;
    field(text, "Principal", &format!("{} ({})", principal.label(), principal.type_name()));
    if let Some(arn) = principal.arn() {
        field(text, "ARN", &shown_to_a_reader(arn, principal.kind()));
    }
    field(text, "Denials", &totals.denials.to_string());
    field(text, "Secrets", &format!("{} different", totals.secrets));
    field(text, "First", &utc(totals.first_denial));
    field(text, "Last", &utc(totals.last_denial));
    field(text, "Duration", &span(totals.seconds()));
}

fn silence(text: &mut String, finding: &Finding, deployment: &Deployment) {
    let until = utc(muted_until(finding));
    paragraph(text, "  ", &format!("Until {until}; it is still counted, and logged:"));
    text.push_str(&command("  ", &mute(finding, deployment)));
    let ignored = finding.principal.principal.glob();
    paragraph(
        text,
        "  ",
        "Until a day, and unless it is refused more than so many new secrets in one, by an entry \
         in RATTLE_IGNORE (the stack's parameter Ignore):",
    );
    let last = utc(muted_until(finding));
    let day = last.split('T').next().unwrap_or_default();
    let _ = writeln!(text, "  {ignored};until={day};above=50");
    if finding.totals.is_some() {
        return;
    }
    let (threshold, floor) = match finding.signal {
        Signal::Denials => ("DenialsThreshold", "MinDenials"),
        Signal::Secrets => ("SecretsThreshold", "MinSecrets"),
    };
    paragraph(text, "  ", &format!("Less of all principals: raise {threshold} or {floor}."));
}

fn about(text: &mut String, finding: &Finding) {
    field(text, "ATT&CK", "TA0006 Credential Access, T1555.006 Cloud Secrets Management Stores");
    field(text, "Finding", &finding.id);
    field(text, "Episode", &finding.episode);
    field(text, "Key", &finding.principal.principal.shown_key());
}

fn seen(text: &mut String, finding: &Finding) {
    field(text, "When", &period(finding.first_denial, finding.last_denial));
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
    let thing = thing(finding.signal);
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
        known => format!("refused because {}", clause(known)),
    });
    parts.join(", ")
}

/// A caller chooses the name of a session, except behind IAM Identity Center: only there may it
/// look like a link, because it is an e-mail address.
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
