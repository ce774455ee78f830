//! The text message: one part of 140 bytes.

use super::title::{fit, place, rank, what};
use crate::detection::finding::{Finding, Status};

/// Longest body, in bytes: one part.
pub const MAX_SMS_BYTES: usize = 140;

/// The text message about a finding: printable ASCII.
pub fn sms(finding: &Finding) -> String {
    let unusual = match (finding.status, finding.over_ceiling) {
        (Status::Resolved, _) => "Quiet now".to_owned(),
        _ if finding.reads.is_some() => "Rotate what it read".to_owned(),
        (_, Some(_)) => "Always reported".to_owned(),
        (_, None) => format!("{:.1} sigma", finding.deviation),
    };
    let start = format!("{}: {} by ", rank(finding), what(finding));
    let end = format!(", {}. {unusual}", place(finding));
    fit(&start, &finding.principal.principal.label(), &end, MAX_SMS_BYTES)
}
