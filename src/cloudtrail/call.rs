//! One refused read of a secret: the only kind of event that is counted.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cause::Cause;
use super::principal::Principal;
use super::secret::Secrets;
use crate::sha256::sha256_start;
use crate::text::Text;

/// First 8 bytes of the SHA-256 of an event id, big-endian: what a state keeps of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventDigest(u64);

impl EventDigest {
    /// The digest of an event id.
    pub fn of(event_id: &str) -> Self {
        Self(u64::from_be_bytes(sha256_start(event_id)))
    }

    /// Reads the stored form.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// The stored form.
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

/// A denied `GetSecretValue` or `BatchGetSecretValue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    event_id: Text,
    digest: EventDigest,
    time: Timestamp,
    principal: Arc<Principal>,
    region: Option<Text>,
    secrets: Secrets,
    source_ip: Option<Text>,
    session: Option<Text>,
    cause: Cause,
    policy_arn: Option<Text>,
}

/// The parts that a [`Denial`] is made of.
#[derive(Clone, Debug)]
pub struct DenialParts {
    /// CloudTrail's `eventID`.
    pub event_id: Text,
    /// CloudTrail's `eventTime`.
    pub time: Timestamp,
    /// Who was refused.
    pub principal: Arc<Principal>,
    /// AWS Region of the call.
    pub region: Option<Text>,
    /// What the call named.
    pub secrets: Secrets,
    /// Where it came from.
    pub source_ip: Option<Text>,
    /// Session name, where the principal has sessions.
    pub session: Option<Text>,
    /// Why it was refused.
    pub cause: Cause,
    /// ARN of the policy that denied it, where the message names it.
    pub policy_arn: Option<Text>,
}

impl Denial {
    /// A denial made of its parts.
    pub fn new(parts: DenialParts) -> Self {
        let DenialParts {
            event_id,
            time,
            principal,
            region,
            secrets,
            source_ip,
            session,
            cause,
            policy_arn,
        } = parts;
        Self {
            digest: EventDigest::of(event_id.as_str()),
            event_id,
            time,
            principal,
            region,
            secrets,
            source_ip,
            session,
            cause,
            policy_arn,
        }
    }

    /// The event id: what makes two deliveries one event.
    pub fn event_id(&self) -> &Text {
        &self.event_id
    }

    /// Digest of the event id.
    pub fn digest(&self) -> EventDigest {
        self.digest
    }

    /// Event time.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Who was refused.
    pub fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// AWS Region of the call.
    pub fn region(&self) -> Option<&Text> {
        self.region.as_ref()
    }

    /// The secrets it named.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Source IP address, or the service that called.
    pub fn source_ip(&self) -> Option<&Text> {
        self.source_ip.as_ref()
    }

    /// Session name.
    pub fn session(&self) -> Option<&Text> {
        self.session.as_ref()
    }

    /// Why it was refused.
    pub fn cause(&self) -> Cause {
        self.cause
    }

    /// ARN of the policy that denied it.
    pub fn policy_arn(&self) -> Option<&Text> {
        self.policy_arn.as_ref()
    }
}
