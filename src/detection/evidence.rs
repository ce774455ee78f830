//! The denials that a state keeps to show: the latest of each slot, with time, secret, source
//! and cause.

use serde::{Deserialize, Serialize};

use crate::cloudtrail::call::Denial;
use crate::cloudtrail::cause::Cause;
use crate::cloudtrail::secret::slot;
use crate::text::Text;

pub const EVIDENCE_SLOTS: usize = 8;

pub const MAX_SESSION_BYTES: usize = 32;

/// One denial, reduced to what an alert shows. With the names of its attributes it
/// takes at most 160 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Epoch seconds.
    pub time: i64,
    /// The first secret it named.
    pub secret: Option<Text>,
    /// Further secrets of a batch call.
    pub more_secrets: u16,
    /// Source IP address, or the service that called.
    pub source_ip: Option<Text>,
    pub session: Option<Text>,
    pub cause: Cause,
}

impl Evidence {
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

    /// The secret's name, with the number of further ones of a batch call.
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
