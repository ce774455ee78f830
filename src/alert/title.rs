//! Who, what and how unusual: the lines that every rendering begins with.

use crate::detection::Signal;
use crate::detection::finding::{Finding, Status};
use crate::text::Text;
use crate::wording::{plural, rounded, utc};

/// SNS wants a subject of fewer than 100 characters.
pub(super) const MAX_SUBJECT_BYTES: usize = 99;
/// No account or Region of AWS has a longer name.
const MAX_PLACE_BYTES: usize = 20;
/// A name shorter than this tells nothing.
const LEAST_NAME_BYTES: usize = 8;

/// The subject of the message that all subscribers share: one line of printable ASCII, fewer
/// than 100 characters. A pager goes by its first word, a reader by the rest.
pub fn subject(finding: &Finding) -> String {
    let severity = finding.severity.name();
    let start = match finding.status {
        Status::Open => format!("ALARM: [Rattle {severity}]"),
        Status::Update => format!("ALARM: [Rattle {severity}, again]"),
        Status::Resolved => format!("OK: [Rattle {severity}, over]"),
    };
    let start = format!("{start} {} by ", finding.what());
    fit(&start, &finding.principal.principal.label(), "", MAX_SUBJECT_BYTES)
}

/// `HIGH`, `HIGH, again` or `OVER, was HIGH`.
pub(super) fn rank(finding: &Finding) -> String {
    let severity = finding.severity.name().to_uppercase();
    match finding.status {
        Status::Open => severity,
        Status::Update => format!("{severity}, again"),
        Status::Resolved => format!("OVER, was {severity}"),
    }
}

/// Account and Region, neither of them a link.
pub(super) fn place(finding: &Finding) -> String {
    let short = |text: &Text| Text::new(&text.without_links(), MAX_PLACE_BYTES).to_string();
    let region = finding.region.as_ref().map_or_else(|| "unknown Region".to_owned(), short);
    format!("{}, {region}", short(&finding.account))
}

/// How far from usual; of an episode that is over, since when it is quiet.
pub(super) fn how_unusual(finding: &Finding) -> String {
    if let Some(totals) = &finding.totals {
        return format!("Nothing unusual since {}", utc(totals.last_denial));
    }
    if let Some(reads) = &finding.reads {
        return format!("Let in at {}, while its denials are unusual", utc(reads.first));
    }
    let usual = &finding.baseline;
    let count = format!(
        "{}, usually {} ± {} in {}",
        plural(finding.observed, thing(finding.signal)),
        rounded(usual.mean),
        rounded(usual.sd),
        finding.scale.in_words(),
    );
    match finding.over_ceiling {
        Some(ceiling) => format!("At least {ceiling}, always reported: {count}"),
        None => format!("{:.1} sigma: {count}", finding.deviation),
    }
}

/// The AWS partition of the principal.
pub(super) fn partition(finding: &Finding) -> &'static str {
    let arn = finding.principal.principal.arn().map_or("", Text::as_str);
    match arn.split(':').nth(1) {
        Some("aws-cn") => "aws-cn",
        Some("aws-us-gov") => "aws-us-gov",
        _ => "aws",
    }
}

/// What a signal counts.
pub(super) const fn thing(signal: Signal) -> &'static str {
    match signal {
        Signal::Denials => "denial",
        Signal::Secrets => "new secret",
    }
}

/// Three texts in a row of at most `max_bytes`: the middle one gives way.
pub(super) fn fit(start: &str, middle: &str, end: &str, max_bytes: usize) -> String {
    let room = max_bytes.saturating_sub(start.len() + end.len()).max(LEAST_NAME_BYTES);
    let line = format!("{start}{}{end}", Text::new(middle, room));
    Text::new(&line, max_bytes).to_string()
}
