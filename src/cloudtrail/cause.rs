//! Why a call was refused.

use std::fmt;

/// The kind of policy that refused a call, as the error message names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyType {
    /// A policy attached to the principal.
    IdentityBased,
    /// The secret's own policy.
    ResourceBased,
    /// An AWS Organizations service control policy.
    ServiceControl,
    /// An AWS Organizations resource control policy.
    ResourceControl,
    /// The principal's permissions boundary.
    PermissionsBoundary,
    /// The policy of the session.
    Session,
    /// The policy of the VPC endpoint that the call came through.
    VpcEndpoint,
}

impl PolicyType {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::IdentityBased,
        Self::ResourceBased,
        Self::ServiceControl,
        Self::ResourceControl,
        Self::PermissionsBoundary,
        Self::Session,
        Self::VpcEndpoint,
    ];

    /// The words of the error message.
    pub const fn name(self) -> &'static str {
        match self {
            Self::IdentityBased => "identity-based policy",
            Self::ResourceBased => "resource-based policy",
            Self::ServiceControl => "service control policy",
            Self::ResourceControl => "resource control policy",
            Self::PermissionsBoundary => "permissions boundary",
            Self::Session => "session policy",
            Self::VpcEndpoint => "VPC endpoint policy",
        }
    }
}

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// No policy of that type allows the call.
    Implicit(PolicyType),
    /// A policy denies it, of that type if the message says so.
    Explicit(Option<PolicyType>),
    /// The secret may be read, its KMS key may not be used.
    Kms,
    /// The message does not say, or was cut before it did.
    Unknown,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Implicit(policy) => f.write_str(policy.name()),
            Self::Explicit(Some(policy)) => write!(f, "explicit deny, {}", policy.name()),
            Self::Explicit(None) => f.write_str("explicit deny"),
            Self::Kms => f.write_str("KMS"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}
