//! Causes of a refusal, as the error message states them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The kind of policy that refused a call, as the error message names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PolicyType {
    IdentityBased,
    ResourceBased,
    /// Of AWS Organizations.
    ServiceControl,
    /// Of AWS Organizations.
    ResourceControl,
    PermissionsBoundary,
    Session,
    VpcEndpoint,
}

impl PolicyType {
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
        self.name_and_code().0
    }

    /// One letter for the stored form.
    const fn code(self) -> &'static str {
        self.name_and_code().1
    }

    const fn name_and_code(self) -> (&'static str, &'static str) {
        match self {
            Self::IdentityBased => ("identity-based policy", "i"),
            Self::ResourceBased => ("resource-based policy", "r"),
            Self::ServiceControl => ("service control policy", "s"),
            Self::ResourceControl => ("resource control policy", "o"),
            Self::PermissionsBoundary => ("permissions boundary", "b"),
            Self::Session => ("session policy", "e"),
            Self::VpcEndpoint => ("VPC endpoint policy", "v"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cause {
    /// No policy of that type allows the call.
    Implicit(PolicyType),
    /// A policy denies the call, of this type if the message names one.
    Explicit(Option<PolicyType>),
    /// The secret may be read, but its KMS key may not be used.
    Kms,
    /// The message does not say, or was cut before it did.
    Unknown,
}

impl Cause {
    /// The stored form: a letter for the policy type, `!` for an explicit deny.
    pub fn to_code(self) -> String {
        match self {
            Self::Implicit(policy) => policy.code().to_owned(),
            Self::Explicit(policy) => format!("{}!", policy.map_or("", PolicyType::code)),
            Self::Kms => "k".to_owned(),
            Self::Unknown => "?".to_owned(),
        }
    }

    pub fn from_code(code: &str) -> Option<Self> {
        let policy = |code: &str| PolicyType::ALL.into_iter().find(|policy| policy.code() == code);
        match code {
            "k" => Some(Self::Kms),
            "?" => Some(Self::Unknown),
            "!" => Some(Self::Explicit(None)),
            code => match code.strip_suffix('!') {
                Some(code) => policy(code).map(|policy| Self::Explicit(Some(policy))),
                None => policy(code).map(Self::Implicit),
            },
        }
    }
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
