//! The short sentences about a finding that all renderings share.

use crate::detection::Signal;
use crate::detection::finding::{Finding, Status};
use crate::text::Text;
use crate::wording::{history, plural, rounded, span, utc};

/// SNS accepts subjects of fewer than 100 characters.
pub(super) const MAX_SUBJECT_BYTES: usize = 99;
/// No account id and no Region of AWS is longer.
const MAX_PLACE_BYTES: usize = 20;
/// A shorter rest of a name would say nothing.
const LEAST_NAME_BYTES: usize = 8;

/// The subject of the SNS message: one line of printable ASCII. It begins with `ALARM` or `OK`,
/// which pagers read.
pub fn subject(finding: &Finding) -> String {
    let severity = finding.severity.name();
    let start = match finding.status {
        Status::Open => format!("ALARM: [Rattle {severity}]"),
        Status::Update => format!("ALARM: [Rattle {severity}, again]"),
        Status::Resolved => format!("OK: [Rattle {severity}, over]"),
    };
    let start = format!("{start} {} by ", what(finding));
    fit(&start, &finding.principal.principal.label(), "", MAX_SUBJECT_BYTES)
}

/// One line that names the principal and states only what was counted.
pub fn title(finding: &Finding) -> String {
    let over = if finding.totals.is_some() { "Over: " } else { "" };
    format!("{over}{} by {}", what(finding), finding.principal.principal.label())
}

/// What was counted in which time: in a window, or for a resolution in the whole episode.
pub fn what(finding: &Finding) -> String {
    if let Some(totals) = &finding.totals {
        // A subject has no room for both the reads and the duration.
        let rest = match &finding.reads {
            Some(reads) => format!(", then read {}", reads.read),
            None => format!(" in {}", span(totals.seconds().max(1))),
        };
        let (denials, secrets) =
            (plural(totals.denials, "denied read"), plural(totals.secrets, "secret"));
        return format!("{denials} of {secrets}{rest}");
    }
    if let Some(reads) = &finding.reads {
        return format!("Denied on {}, then read {}", plural(reads.denied, "secret"), reads.read);
    }
    seen(finding)
}

/// One sentence on the count, what is usual and the deviation, with all figures.
pub fn explanation(finding: &Finding) -> String {
    if let Some(totals) = &finding.totals {
        return format!(
            "{} of {} from {} to {}; no longer unusual",
            plural(totals.denials, "denial"),
            plural(totals.secrets, "secret"),
            utc(totals.first_denial),
            utc(totals.last_denial),
        );
    }
    if let Some(reads) = &finding.reads {
        return format!(
            "{} read from {} to {}, after {} of {} since {}",
            plural(reads.read, "secret"),
            utc(reads.first),
            utc(reads.last),
            plural(finding.denials.on(finding.scale), "denial"),
            plural(reads.denied, "secret"),
            utc(finding.first_denial),
        );
    }
    let usual = &finding.baseline;
    let limit = match finding.over_ceiling {
        Some(ceiling) => format!("the ceiling of {ceiling} was reached"),
        None => format!("threshold {}", rounded(finding.threshold)),
    };
    format!(
        "{} in {}; usual for this principal: {} ± {} ({}); {:.1} sigma ({limit})",
        plural(finding.observed, thing(finding.signal)),
        finding.scale.in_words(),
        rounded(usual.mean),
        rounded(usual.sd),
        history(usual.history_days),
        finding.deviation,
    )
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

/// Account and Region, shortened and with links broken.
pub(super) fn place(finding: &Finding) -> String {
    let short = |text: &Text| Text::new(&text.without_links(), MAX_PLACE_BYTES).to_string();
    let region = finding.region.as_ref().map_or_else(|| "unknown Region".to_owned(), short);
    format!("{}, {region}", short(&finding.account))
}

/// One line on how far the count is from usual, or for a resolution, since when nothing was
/// unusual.
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

/// Denials in the window, with its secrets where those were counted.
fn seen(finding: &Finding) -> String {
    let denials = finding.denials.on(finding.scale);
    let new = finding.secrets.on(finding.scale);
    let distinct = finding.distinct_secrets;
    let what = match distinct {
        Some(distinct) if distinct > 0 => format!(" of {}", plural(distinct, "secret")),
        None if new > 0 => format!(", {},", plural(new, "new secret")),
        _ => String::new(),
    };
    // Late denials add to the secrets but not to the denials of the 5 minutes.
    let reads = if denials < distinct.unwrap_or(new) {
        "Denied reads".to_owned()
    } else {
        plural(denials, "denied read")
    };
    format!("{reads}{what} in {}", finding.scale.in_words())
}

/// The AWS partition, from the principal's ARN.
pub(super) fn partition(finding: &Finding) -> &'static str {
    let arn = finding.principal.principal.arn().map_or("", Text::as_str);
    match arn.split(':').nth(1) {
        Some("aws-cn") => "aws-cn",
        Some("aws-us-gov") => "aws-us-gov",
        _ => "aws",
    }
}

/// What a signal counts.
pub const fn thing(signal: Signal) -> &'static str {
    match signal {
        Signal::Denials => "denial",
        Signal::Secrets => "new secret",
    }
}

/// Joins three texts and shortens the middle one, so that all fit into `max_bytes`.
pub(super) fn fit(start: &str, middle: &str, end: &str, max_bytes: usize) -> String {
    let room = max_bytes.saturating_sub(start.len() + end.len()).max(LEAST_NAME_BYTES);
    let line = format!("{start}{}{end}", Text::new(middle, room));
    Text::new(&line, max_bytes).to_string()
}
