//! One call for a secret: refused, or let through.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::cause::Cause;
use super::principal::Principal;
use super::secret::{Secret, Secrets};
use crate::sha256::sha256_start;
use crate::text::Text;

/// First 8 bytes of the SHA-256 of an event id, big-endian: what a state keeps of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventDigest(u64);

impl EventDigest {
    pub fn of(event_id: &str) -> Self {
        Self(u64::from_be_bytes(sha256_start(event_id)))
    }

    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

/// CloudTrail's `eventID`, which makes two deliveries one event, with its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventId {
    text: Text,
    digest: EventDigest,
}

impl From<Text> for EventId {
    fn from(text: Text) -> Self {
        Self { digest: EventDigest::of(text.as_str()), text }
    }
}

/// What every call has, refused or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub id: EventId,
    /// CloudTrail's `eventTime`.
    pub time: Timestamp,
    pub principal: Arc<Principal>,
    /// Session name, where the principal has sessions.
    pub session: Option<Text>,
    /// AWS Region of the call.
    pub region: Option<Text>,
    /// IP address, or the name of the service that called.
    pub source_ip: Option<Text>,
}

/// A denied `GetSecretValue` or `BatchGetSecretValue`: the only kind of event that is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    call: Call,
    secrets: Secrets,
    cause: Cause,
    policy_arn: Option<Text>,
}

impl Denial {
    /// `policy_arn` is the policy that denied the call, where the error message names it.
    pub const fn new(call: Call, secrets: Secrets, cause: Cause, policy_arn: Option<Text>) -> Self {
        Self { call, secrets, cause, policy_arn }
    }

    pub const fn event_id(&self) -> &Text {
        &self.call.id.text
    }

    pub const fn digest(&self) -> EventDigest {
        self.call.id.digest
    }

    /// Event time, never the time of arrival.
    pub const fn time(&self) -> Timestamp {
        self.call.time
    }

    pub const fn principal(&self) -> &Arc<Principal> {
        &self.call.principal
    }

    pub const fn region(&self) -> Option<&Text> {
        self.call.region.as_ref()
    }

    /// The secrets that the call named: none, one, or several in a batch call.
    pub const fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    pub const fn source_ip(&self) -> Option<&Text> {
        self.call.source_ip.as_ref()
    }

    pub const fn session(&self) -> Option<&Text> {
        self.call.session.as_ref()
    }

    pub const fn cause(&self) -> Cause {
        self.cause
    }

    pub const fn policy_arn(&self) -> Option<&Text> {
        self.policy_arn.as_ref()
    }
}

/// A `GetSecretValue` that succeeded: it matters once its principal was refused other secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretRead {
    pub call: Call,
    pub secret: Secret,
}

impl SecretRead {
    pub const fn digest(&self) -> EventDigest {
        self.call.id.digest
    }
}

/// A denial as it arrives: perhaps late, perhaps again.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    pub denial: &'a Denial,
    pub arrived: Timestamp,
}

impl<'a> Delivery<'a> {
    /// A delivery without delay, as all are in a history sorted by event time.
    pub const fn on_time(denial: &'a Denial) -> Self {
        Self { denial, arrived: denial.time() }
    }

    /// Time from the event to its arrival. A clock that is behind makes it zero.
    pub fn age(&self) -> SignedDuration {
        self.arrived.duration_since(self.denial.time()).max(SignedDuration::ZERO)
    }
}
