//! The error message of a denial: every form of the reason, truncated messages, and messages in
//! which a caller imitates a reason.

use rattle::cloudtrail::message::DenialMessage;
use rattle::cloudtrail::{Cause, PolicyType};

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
    let tail = " because no identity-based policy allows the secretsmanager:GetSecretValue action";
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
