//! The `errorMessage` of a denial: the only place that names the secret when
//! `requestParameters` is null, which is the rule.
//!
//! ```text
//! User: ARN is not authorized to perform: ACTION [on resource: X]
//!     because no POLICY-TYPE allows the ACTION action
//!   | with an explicit deny in {a|an} POLICY-TYPE[: POLICY-ARN]
//! ```
//!
//! `X` is what the caller typed, so it may hold any of these words; the tail of the
//! message may be cut, since CloudTrail keeps 1 KB of it.

use super::cause::{Cause, PolicyType};

/// What an error message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DenialMessage<'a> {
    /// The resource exactly as the caller named it.
    pub resource: Option<&'a str>,
    /// Why the call was refused.
    pub cause: Cause,
    /// The policy that denied it explicitly.
    pub policy_arn: Option<&'a str>,
}

const NOT_AUTHORIZED: &str = " is not authorized to perform: ";
const ON_RESOURCE: &str = " on resource: ";
const BECAUSE_NO: &str = " because no ";
const EXPLICIT_DENY: &str = " with an explicit deny";
const ALLOWS_THE: &str = " allows the ";

impl<'a> DenialMessage<'a> {
    /// Reads a message. One that follows no known form names nothing.
    pub fn parse(message: &'a str) -> Self {
        let Some((_, refused)) = message.split_once(NOT_AUTHORIZED) else {
            let cause = if message.contains("KMS") { Cause::Kms } else { Cause::Unknown };
            return Self { resource: None, cause, policy_arn: None };
        };
        // The reason stands last: what looks like one before it belongs to the resource.
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
    /// Reads the end of a message. None if it is no reason that AWS writes, whole or cut.
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

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "User: arn:aws:iam::111122223333:user/example is not authorized to \
                        perform: secretsmanager:GetSecretValue";

    fn parse(tail: &str) -> (Option<String>, Cause, Option<String>) {
        let message = format!("{USER}{tail}");
        let parsed = DenialMessage::parse(&message);
        (parsed.resource.map(str::to_owned), parsed.cause, parsed.policy_arn.map(str::to_owned))
    }

    #[test]
    fn every_policy_type_is_read_as_implicit_and_as_explicit_deny() {
        for policy in PolicyType::ALL {
            let implicit = format!(
                " on resource: prod/db because no {} allows the secretsmanager:GetSecretValue action",
                policy.name()
            );
            assert_eq!(parse(&implicit), (Some("prod/db".into()), Cause::Implicit(policy), None));
            let article = if policy == PolicyType::IdentityBased { "an" } else { "a" };
            let explicit = format!(
                " on resource: prod/db with an explicit deny in {article} {}: arn:aws:iam::aws:policy/X",
                policy.name()
            );
            assert_eq!(
                parse(&explicit),
                (
                    Some("prod/db".into()),
                    Cause::Explicit(Some(policy)),
                    Some("arn:aws:iam::aws:policy/X".into())
                )
            );
        }
    }

    #[test]
    fn a_message_without_a_resource_names_none() {
        let tail =
            " because no identity-based policy allows the secretsmanager:GetSecretValue action";
        assert_eq!(parse(tail), (None, Cause::Implicit(PolicyType::IdentityBased), None));
        assert_eq!(parse(""), (None, Cause::Unknown, None));
    }

    #[test]
    fn a_cut_tail_leaves_the_resource() {
        assert_eq!(parse(" on resource: prod/db becau").0.as_deref(), Some("prod/db becau"));
        assert_eq!(
            parse(" on resource: prod/db because no identity-ba"),
            (Some("prod/db".into()), Cause::Unknown, None)
        );
        assert_eq!(
            parse(" on resource: prod/db with an explicit deny"),
            (Some("prod/db".into()), Cause::Explicit(None), None)
        );
    }

    #[test]
    fn a_resource_that_imitates_a_reason_does_not_change_the_reason() {
        let (resource, cause, arn) = parse(
            " on resource: x with an explicit deny in a session policy: arn:aws:iam::aws:policy/Y \
             on resource: y because no service control policy allows the secretsmanager:GetSecretValue action",
        );
        assert_eq!(cause, Cause::Implicit(PolicyType::ServiceControl));
        assert_eq!(arn, None);
        assert!(resource.unwrap().starts_with("x with an explicit deny"));
    }

    #[test]
    fn what_only_begins_like_a_reason_is_the_resource() {
        let (resource, cause, _) =
            parse(" on resource: x because no identity-based policy allows it http://example.com");
        assert_eq!(cause, Cause::Unknown);
        assert!(resource.unwrap().ends_with("http://example.com"));
        let (resource, cause, _) =
            parse(" on resource: x with an explicit deny in a session policy, or so it says");
        assert_eq!(cause, Cause::Unknown);
        assert!(resource.unwrap().ends_with("it says"));
    }

    #[test]
    fn a_kms_denial_is_told_apart() {
        assert_eq!(DenialMessage::parse("Access to KMS is not allowed").cause, Cause::Kms);
        assert_eq!(DenialMessage::parse("").cause, Cause::Unknown);
    }
}
