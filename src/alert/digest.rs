//! The weekly digest: findings that were not sent, low findings, and ignored denials.

use std::fmt::Write;

use serde_json::{Value, json};

use super::deployment::Deployment;
use super::email::Email;
use super::layout::{heading, paragraph, wrap};
use super::sms::MAX_SMS_BYTES;
use super::title::MAX_SUBJECT_BYTES;
use crate::disposition::Disposition;
use crate::text::Text;
use crate::weekly_digest::{LISTED, WeeklyDigest};
use crate::wording::{plural, utc};

const SCHEMA: &str = "rattle.digest/1";
/// Principals, and entries of `RATTLE_IGNORE`, that are listed.
const MOST_LISTED: usize = 20;
const MAX_LABEL_BYTES: usize = 58;
/// As wide as the numbers in front of a list.
const INDENT: &str = "           ";

pub fn email(digest: &WeeklyDigest, deployment: &Deployment) -> Email {
    let mut body = String::new();
    let _ = writeln!(body, "WEEKLY DIGEST: {}", days(digest));
    let _ = writeln!(body, "{}", deployment.place());
    let _ = writeln!(body, "{}", sentence(digest));
    heading(&mut body, "Findings");
    for (disposition, _) in LISTED {
        let findings = digest.findings(disposition);
        let _ = writeln!(body, "  {findings:>7}  {}", in_words(disposition));
    }
    heading(&mut body, "Whose");
    let principals = digest.principals();
    for (principal, listing) in principals.iter().take(MOST_LISTED) {
        let label = Text::new(&principal.without_links(), MAX_LABEL_BYTES);
        let words = format!("{label}; last: {}", listing.last);
        wrap(&mut body, &words, &format!("  {:>7}  ", listing.findings), INDENT);
    }
    rest(&mut body, principals.len());
    heading(&mut body, "Denials that RATTLE_IGNORE left alone, at the least");
    let ignored = digest.ignored();
    for (entry, denials) in ignored.iter().take(MOST_LISTED) {
        let entry = Text::new(&entry.without_links(), MAX_LABEL_BYTES);
        wrap(&mut body, entry.as_str(), &format!("  {denials:>7}  "), INDENT);
    }
    rest(&mut body, ignored.len());
    heading(&mut body, "What to do");
    paragraph(
        &mut body,
        "  ",
        "Repair what is low or repeated: its first alert drafted the missing statement. Of what is \
         muted or ignored, see whether it still should be. Each finding is a line in the \
         function's log.",
    );
    let subject = format!("[Rattle digest] {}: {}", days(digest), sentence(digest));
    Email { subject: Text::new(&subject, MAX_SUBJECT_BYTES).to_string(), body }
}

pub fn sms(digest: &WeeklyDigest) -> String {
    let text = format!("Rattle digest {}: {}", days(digest), sentence(digest));
    Text::new(&text, MAX_SMS_BYTES).to_string()
}

pub fn json(digest: &WeeklyDigest) -> Value {
    let findings: Value =
        LISTED.into_iter().map(|(listed, name)| (name, digest.findings(listed))).collect();
    let (principals, ignored) = (digest.principals(), digest.ignored());
    let listings: Vec<_> = principals
        .iter()
        .take(MOST_LISTED)
        .map(|(label, listing)| {
            json!({
                "principal": label,
                "findings": listing.findings,
                "last_at": utc(listing.last_at),
                "last": listing.last,
            })
        })
        .collect();
    let entries: Vec<_> = ignored
        .iter()
        .take(MOST_LISTED)
        .map(|(entry, denials)| json!({"entry": entry, "denials_at_least": denials}))
        .collect();
    json!({
        "type": "digest",
        "schema": SCHEMA,
        "from": utc(digest.week().begin()),
        "to": utc(digest.week().end()),
        "findings": findings,
        "principals": listings,
        "principals_in_all": principals.len(),
        "ignored": entries,
        "ignored_in_all": ignored.len(),
    })
}

const fn in_words(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Muted => "not sent: muted",
        Disposition::RateLimited => "not sent: more in an hour than are sent",
        Disposition::Held => "not sent: broken workloads that were told of before",
        Disposition::Shadowed => "not sent: shadow mode",
        Disposition::Published => "sent, of severity low",
    }
}

fn days(digest: &WeeklyDigest) -> String {
    let day = |second| utc(second).chars().take(10).collect::<String>();
    format!("{} to {}", day(digest.week().begin()), day(digest.week().end()))
}

fn sentence(digest: &WeeklyDigest) -> String {
    let low = digest.findings(Disposition::Published);
    let all: u64 = LISTED.into_iter().map(|(listed, _)| digest.findings(listed)).sum();
    let ignored: u64 = digest.ignored().iter().map(|(_, denials)| denials).sum();
    // So many stand for any number more.
    let ignored = ignored.min(u64::from(u32::MAX));
    format!(
        "{} not sent, {} low, {} ignored",
        plural(all - low, "finding"),
        low,
        plural(ignored, "denial")
    )
}

/// Says that a list is empty, or how many entries it leaves out.
fn rest(body: &mut String, count: usize) {
    match count.checked_sub(MOST_LISTED) {
        _ if count == 0 => body.push_str("  none\n"),
        None | Some(0) => {}
        Some(more) => {
            let _ = writeln!(body, "  and {more} more");
        }
    }
}
