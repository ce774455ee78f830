//! The few denials that a state keeps to show: who knocked where, from where, and why
//! it stayed shut.

use serde::{Deserialize, Serialize};

use crate::cloudtrail::call::Denial;
use crate::cloudtrail::cause::Cause;
use crate::cloudtrail::secret::slot;
use crate::text::Text;

/// Slots of one state.
pub const EVIDENCE_SLOTS: usize = 8;

/// Longest session name kept, in bytes.
pub const MAX_SESSION_BYTES: usize = 32;

/// One denial, reduced to what an alert shows. With the names of its attributes it
/// takes at most 160 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Event time in epoch seconds.
    pub time: i64,
    /// The first secret it named.
    pub secret: Option<Text>,
    /// Further secrets of a batch call.
    pub more_secrets: u16,
    /// Source IP address, or the service that called.
    pub source_ip: Option<Text>,
    /// Session name.
    pub session: Option<Text>,
    /// Why it was refused.
    pub cause: Cause,
}

impl Evidence {
    /// What an alert shows of a denial.
    pub fn of(denial: &Denial) -> Self {
        let secrets = denial.secrets();
        Self {
            time: denial.time().as_second(),
            secret: secrets.first().map(|secret| secret.name().clone()),
            more_secrets: u16::try_from(secrets.len().saturating_sub(1)).unwrap_or(u16::MAX),
            source_ip: denial.source_ip().cloned(),
            session: denial.session().map(|session| Text::new(session.as_str(), MAX_SESSION_BYTES)),
            cause: denial.cause(),
        }
    }

    /// The secret's name; of a batch call, with the number of further ones.
    pub fn secret_label(&self) -> Option<String> {
        let secret = self.secret.as_ref()?;
        Some(match self.more_secrets {
            0 => secret.to_string(),
            more => format!("{secret} (+{more} more)"),
        })
    }

    /// The slot of a denial's evidence: denials of the same secret replace each other.
    pub fn slot(denial: &Denial) -> usize {
        slot(denial.secrets(), EVIDENCE_SLOTS)
    }
}
