//! The grammar of a denial's error message, whose middle a caller writes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rattle::cloudtrail::message::DenialMessage;
use rattle::cloudtrail::{Cause, PolicyType};

/// The length at which AWS truncates a message.
const MAX_BYTES: usize = 1024;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    check_message(text.trim());
    check_resource(text);
});

/// Whatever a message says, its parts are pieces of it.
fn check_message(message: &str) {
    let parsed = DenialMessage::parse(message);
    assert_eq!(parsed, DenialMessage::parse(message), "two readings differ");
    for part in [parsed.resource, parsed.policy_arn].into_iter().flatten() {
        assert!(message.contains(part), "{part:?} is not in the message");
        assert!(!part.is_empty() && part.trim() == part, "{part:?} is not trimmed");
    }
    if let Some(arn) = parsed.policy_arn {
        assert!(arn.starts_with("arn:"), "{arn:?} is not an ARN");
        assert!(matches!(parsed.cause, Cause::Explicit(Some(_))), "an ARN without its policy");
    }
}

/// Whatever a caller types as the secret, the message gives exactly that, and the reason that
/// follows it. A message truncated where AWS truncates it can still be read.
fn check_resource(typed: &str) {
    let policy_arn = "arn:aws:organizations::111122223333:policy/o-1/service_control_policy/p-1";
    for (reason, cause, arn) in [
        (
            "because no identity-based policy allows the secretsmanager:GetSecretValue action",
            Cause::Implicit(PolicyType::IdentityBased),
            None,
        ),
        (
            &format!("with an explicit deny in a service control policy: {policy_arn}"),
            Cause::Explicit(Some(PolicyType::ServiceControl)),
            Some(policy_arn),
        ),
    ] {
        let message = format!(
            "User: arn:aws:iam::111122223333:user/x is not authorized to perform: \
             secretsmanager:GetSecretValue on resource: {typed} {reason}"
        );
        let parsed = DenialMessage::parse(&message);
        let resource = Some(typed.trim()).filter(|resource| !resource.is_empty());
        assert_eq!(parsed, DenialMessage { resource, cause, policy_arn: arn }, "{message:?}");

        let cut = &message[..message.floor_char_boundary(MAX_BYTES)];
        check_message(cut.trim());
    }
}
