//! A secret that was read: what matters once its principal has been refused others.

use std::sync::Arc;

use jiff::Timestamp;

use super::call::EventDigest;
use super::principal::Principal;
use super::secret::Secret;
use crate::text::Text;

/// One call of `GetSecretValue` that was let in.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretRead {
    /// Digest of its event id.
    pub digest: EventDigest,
    /// When.
    pub time: Timestamp,
    /// Whose call it was.
    pub principal: Arc<Principal>,
    /// What was read.
    pub secret: Secret,
    /// AWS Region.
    pub region: Option<Text>,
}
