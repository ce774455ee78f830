//! The `errorMessage` of a denial. Usually `requestParameters` is null, and this message alone
//! names the secret.
//!
//! ```text
//! User: ARN is not authorized to perform: ACTION [on resource: X]
//!     because no POLICY-TYPE allows the ACTION action
//!   | with an explicit deny in {a|an} POLICY-TYPE[: POLICY-ARN]
//! ```
//!
//! `X` is what the caller typed, so it may hold any of these words. The end of the message may
//! be missing, since CloudTrail keeps 1 KB of it.

use super::cause::{Cause, PolicyType};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenialMessage<'a> {
    /// The resource exactly as the caller named it.
    pub resource: Option<&'a str>,
    pub cause: Cause,
    /// The policy that denied the call explicitly.
    pub policy_arn: Option<&'a str>,
}

const NOT_AUTHORIZED: &str = " is not authorized to perform: ";
const ON_RESOURCE: &str = " on resource: ";
const BECAUSE_NO: &str = " because no ";
const EXPLICIT_DENY: &str = " with an explicit deny";
const ALLOWS_THE: &str = " allows the ";

impl<'a> DenialMessage<'a> {
    /// A message of no known form names nothing.
    pub fn parse(message: &'a str) -> Self {
        let Some((_, refused)) = message.split_once(NOT_AUTHORIZED) else {
            let cause = if message.contains("KMS") { Cause::Kms } else { Cause::Unknown };
            return Self { resource: None, cause, policy_arn: None };
        };
        // The reason comes last. What looks like one before it belongs to the resource.
        let (what, reason) = [BECAUSE_NO, EXPLICIT_DENY]
            .iter()
            .filter_map(|start| refused.rfind(start))
            .max()
            .and_then(|at| Some((&refused[..at], Reason::parse(&refused[at..])?)))
            .unwrap_or((refused, Reason { cause: Cause::Unknown, policy_arn: None }));
        let resource = what
            .split_once(ON_RESOURCE)
            .map(|(_action, resource)| resource.trim())
            .filter(|resource| !resource.is_empty());
        Self { resource, cause: reason.cause, policy_arn: reason.policy_arn }
    }
}

struct Reason<'a> {
    cause: Cause,
    policy_arn: Option<&'a str>,
}

impl<'a> Reason<'a> {
    /// `None` if the end of a message is no reason that AWS writes, whole or cut.
    fn parse(text: &'a str) -> Option<Self> {
        match text.strip_prefix(BECAUSE_NO) {
            Some(missing) => Self::implicit(missing),
            None => Self::explicit(text.strip_prefix(EXPLICIT_DENY)?),
        }
    }

    fn implicit(missing: &'a str) -> Option<Self> {
        let Some((policy, rest)) = policy_type(missing) else {
            let is_cut = PolicyType::ALL.iter().any(|policy| policy.name().starts_with(missing));
            return is_cut.then_some(Self { cause: Cause::Unknown, policy_arn: None });
        };
        let is_whole = rest
            .strip_prefix(ALLOWS_THE)
            .is_some_and(|action| action.trim_end_matches(" action").split(' ').count() == 1);
        (is_whole || ALLOWS_THE.starts_with(rest))
            .then_some(Self { cause: Cause::Implicit(policy), policy_arn: None })
    }

    fn explicit(place: &'a str) -> Option<Self> {
        let unnamed = Self { cause: Cause::Explicit(None), policy_arn: None };
        let Some(named) = [" in an ", " in a "].iter().find_map(|a| place.strip_prefix(a)) else {
            return " in an ".starts_with(place).then_some(unnamed);
        };
        let Some((policy, rest)) = policy_type(named) else {
            let is_cut = PolicyType::ALL.iter().any(|policy| policy.name().starts_with(named));
            return is_cut.then_some(unnamed);
        };
        let policy_arn = rest.strip_prefix(": ").filter(|arn| !arn.contains(' '));
        (rest.is_empty() || policy_arn.is_some() || ": ".starts_with(rest)).then_some(Self {
            cause: Cause::Explicit(Some(policy)),
            policy_arn: policy_arn.filter(|arn| arn.starts_with("arn:")),
        })
    }
}

/// The policy type that `text` starts with, and what follows it.
fn policy_type(text: &str) -> Option<(PolicyType, &str)> {
    PolicyType::ALL.into_iter().find_map(|policy| {
        let name = policy.name();
        let start = text.get(..name.len())?;
        start.eq_ignore_ascii_case(name).then(|| (policy, &text[name.len()..]))
    })
}
