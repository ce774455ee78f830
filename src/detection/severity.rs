//! How severe a report is.

use super::assessment::Row;
use super::policy::Severity;
use super::state::PrincipalState;
use super::window::{Scale, Signal};

/// New secrets from which a report is high whatever its score.
const HIGH_SECRETS: u32 = 10;
/// Score from which [`HIGH_SIGMA_SECRETS`] are enough.
const HIGH_SIGMA: f64 = 8.0;
const HIGH_SIGMA_SECRETS: u32 = 5;
/// Denials over at most this many secrets are most likely a broken workload.
const LOW_SECRETS: u32 = 2;

/// The severity of a report of this row with this score.
pub fn severity(row: &Row, sigma: f64, state: &PrincipalState) -> Severity {
    match row.axis.signal {
        Signal::Secrets
            if row.observed >= HIGH_SECRETS
                || (sigma >= HIGH_SIGMA && row.observed >= HIGH_SIGMA_SECRETS) =>
        {
            Severity::High
        }
        Signal::Secrets => Severity::Medium,
        Signal::Denials => {
            let secrets = match row.axis.scale {
                Scale::FiveMinutes => state.secrets.len(),
                // The hour's secrets are not counted; the day's are at least as many.
                Scale::Hour | Scale::Day => state.secrets_of_day().len(),
            };
            // A message that names no secret cannot show that it was only one.
            if (1..=LOW_SECRETS).contains(&secrets) { Severity::Low } else { Severity::Medium }
        }
    }
}
