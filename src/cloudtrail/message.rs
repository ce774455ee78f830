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

impl<'a> DenialMessage<'a> {
    /// Reads a message. One that follows no known form names nothing.
    pub fn parse(message: &'a str) -> Self {
        let Some((_, refused)) = message.split_once(NOT_AUTHORIZED) else {
            let cause = if message.contains("KMS") { Cause::Kms } else { Cause::Unknown };
            return Self { resource: None, cause, policy_arn: None };
        };
        // The reason stands last: what looks like one before it belongs to the resource.
        let reason =
            [BECAUSE_NO, EXPLICIT_DENY].iter().filter_map(|start| refused.rfind(start)).max();
        let (what, (cause, policy_arn)) = match reason {
            Some(at) => (&refused[..at], parse_reason(&refused[at..])),
            None => (refused, (Cause::Unknown, None)),
        };
        let resource = what
            .split_once(ON_RESOURCE)
            .map(|(_action, resource)| resource.trim())
            .filter(|resource| !resource.is_empty());
        Self { resource, cause, policy_arn }
    }
}

fn parse_reason(reason: &str) -> (Cause, Option<&str>) {
    if let Some(missing) = reason.strip_prefix(BECAUSE_NO) {
        let cause =
            policy_type(missing).map_or(Cause::Unknown, |(policy, _)| Cause::Implicit(policy));
        return (cause, None);
    }
    let place = reason
        .strip_prefix(EXPLICIT_DENY)
        .and_then(|rest| rest.strip_prefix(" in a"))
        .map(|rest| rest.strip_prefix('n').unwrap_or(rest).trim_start());
    let Some((policy, rest)) = place.and_then(policy_type) else {
        return (Cause::Explicit(None), None);
    };
    let policy_arn = rest.strip_prefix(": ").map(str::trim).filter(|arn| arn.starts_with("arn:"));
    (Cause::Explicit(Some(policy)), policy_arn)
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
    fn a_kms_denial_is_told_apart() {
        assert_eq!(DenialMessage::parse("Access to KMS is not allowed").cause, Cause::Kms);
        assert_eq!(DenialMessage::parse("").cause, Cause::Unknown);
    }
}
