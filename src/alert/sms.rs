//! The text message, which fits into one part.

use super::title::{fit, place, rank, what};
use crate::detection::finding::{Finding, Status};

/// Bytes of one part, the unit that is charged.
pub const MAX_SMS_BYTES: usize = 140;

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
