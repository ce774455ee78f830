//! Records as CloudTrail really writes them.

use std::fmt::Write as _;

use rattle::cloudtrail::{Denial, Malformed};
use rattle::replay::scanner::{Scanned, Scanner};
use serde_json::{Value, json};

use crate::support::{MONDAY, parse, project_file, record};

fn sample() -> Value {
    record(MONDAY as f64, "7a4f2b9e-0000-4000-8000-000000000001", &["prod/db".to_owned()])
}

fn with(pointer: &str, value: Value) -> Value {
    let mut record = sample();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = if parent.is_empty() { &mut record } else { record.pointer_mut(parent).unwrap() };
    parent[key] = value;
    record
}

fn with_identity(identity: Value) -> Denial {
    parse(&with("/userIdentity", identity)).unwrap().unwrap()
}

fn key_of(denial: &Denial) -> &str {
    denial.principal().key().as_str()
}

fn error_of(record: &Value) -> String {
    parse(record).unwrap_err().to_string()
}

/// Every envelope in `events/`, as the parser understands it.
#[test]
fn the_sample_envelopes() {
    let mut text = String::new();
    let mut files: Vec<_> = std::fs::read_dir(project_file("events"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    assert!(files.len() >= 14);
    for file in files {
        let content = std::fs::File::open(&file).unwrap();
        let items: Vec<Scanned> = Scanner::new(content).map(Result::unwrap).collect();
        let [item] = &items[..] else { panic!("{} holds one envelope", file.display()) };
        let _ = writeln!(text, "{}", file.file_stem().unwrap().to_str().unwrap());
        let Scanned::Denial(denial) = item else {
            let _ = writeln!(text, "  {item:?}");
            continue;
        };
        let principal = denial.principal();
        let _ = writeln!(text, "  {}: {}", principal.key(), principal.label());
        let arn = principal.arn().map_or("no ARN", |arn| arn.as_str());
        let _ = writeln!(text, "  {} {arn}", principal.type_name());
        let session = denial.session().map_or("no session", |session| session.as_str());
        let source = denial.source_ip().map_or("no address", |source| source.as_str());
        let _ = writeln!(text, "  session: {session}; from: {source}");
        let secret = denial.secrets().first().map_or("none", |secret| secret.name().as_str());
        let _ = writeln!(text, "  secrets: {} ({})", denial.secrets().len(), secret);
        let policy = denial.policy_arn().map_or("no policy named", |arn| arn.as_str());
        let _ = writeln!(text, "  cause: {}; {policy}", denial.cause());
    }
    insta::assert_snapshot!("sample envelopes", text);
}

#[test]
fn other_events_are_ignored() {
    for (pointer, value) in [
        ("/eventSource", json!("kms.amazonaws.com")),
        ("/eventName", json!("DescribeSecret")),
        ("/errorCode", json!("ResourceNotFoundException")),
        ("/errorCode", json!("VpceAccessDenied")),
        ("/errorCode", Value::Null),
        ("/errorCode", json!("")),
    ] {
        assert_eq!(parse(&with(pointer, value.clone())), Ok(None), "{pointer} {value}");
    }
    assert!(parse(&with("/errorCode", json!("AccessDeniedException"))).unwrap().is_some());
    assert!(parse(&with("/eventName", json!("BatchGetSecretValue"))).unwrap().is_some());
    let digest = json!({"awsAccountId": "111122223333", "digestStartTime": "2026-01-01T00:00:00Z"});
    assert_eq!(parse(&digest), Ok(None), "a digest file beside the logs");
    let other = json!({"detail-type": "GuardDuty Finding", "detail": {"severity": 8}});
    assert_eq!(parse(&other), Ok(None), "another event of the bus");
}

#[test]
fn a_record_that_should_be_a_denial_and_cannot_be_used_says_why() {
    for (pointer, value, error) in [
        ("/eventID", Value::Null, "eventID is missing or empty"),
        ("/eventID", json!(12), "eventID is a number, not text"),
        ("/eventTime", json!(""), "eventTime is missing or empty"),
        ("/eventTime", json!(1_767_571_200), "eventTime is a number, not text"),
        ("/errorCode", json!({}), "errorCode is an object, not text"),
        ("/errorMessage", json!([]), "errorMessage is an array, not text"),
        ("/eventSource", json!(true), "eventSource is a boolean, not text"),
        ("/eventName", Value::Null, "eventName is missing or empty"),
        ("/eventVersion", json!("2.0"), "eventVersion is \"2.0\", not 1.x"),
        (
            "/recipientAccountId",
            json!("#storm#2026"),
            "recipientAccountId is \"#storm#2026\", not an account id of 12 digits",
        ),
        (
            "/requestParameters",
            json!({"secretId": {"a": 1}}),
            "requestParameters.secretId is an object, not text",
        ),
        (
            "/userIdentity/principalId",
            json!(["AROA"]),
            "userIdentity.principalId is an array, not text",
        ),
    ] {
        assert_eq!(error_of(&with(pointer, value.clone())), error, "{pointer} {value}");
    }
    for time in [
        "yesterday",
        "1970-01-01T00:00:00Z",
        "2013-11-12T23:59:59Z",
        "2100-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ] {
        assert_eq!(
            error_of(&with("/eventTime", json!(format!("{time}\n")))),
            format!(
                "eventTime is \"{time}\", not a time such as 2026-01-31T23:59:59Z, \
                 from 2013-11-13 (when CloudTrail began) to 2099"
            )
        );
    }
    assert_eq!(parse(&json!({"hello": 1})), Err(Malformed::NotARecord));
    let fields = json!([
        "1.11",
        "e1",
        "2026-01-01T00:00:00Z",
        "secretsmanager.amazonaws.com",
        "GetSecretValue",
        "AccessDenied"
    ]);
    assert_eq!(parse(&fields), Err(Malformed::NotARecord), "a list of fields is no record");
    let looked_up = json!({"CloudTrailEvent": fields.to_string()});
    assert_eq!(parse(&looked_up), Err(Malformed::NotARecord));
}

#[test]
fn what_exporters_change_is_still_understood() {
    for (pointer, value) in [
        ("/recipientAccountId", json!(111_122_223_333_i64)),
        ("/recipientAccountId", Value::Null),
        ("/eventVersion", json!(1.08)),
        ("/eventVersion", Value::Null),
        ("/requestParameters", json!("HIDDEN_DUE_TO_SECURITY_REASONS")),
        ("/userIdentity/sessionContext/attributes", json!({"mfaAuthenticated": "false"})),
        ("/readOnly", json!("true")),
        ("/unknownField", json!({"deep": [[[{}]]]})),
        ("/sourceIPAddress", json!("AWS Internal")),
        ("/awsRegion", Value::Null),
        ("/eventTime", json!("2026-01-05T00:00:00.250Z")),
        ("/eventTime", json!("2026-01-05T01:00:00+01:00")),
    ] {
        let record = with(pointer, value.clone());
        let denial = parse(&record).unwrap().unwrap();
        assert_eq!(key_of(&denial), "111122223333#AROAEXAMPLECIDEPLOY01", "{pointer} {value}");
    }
    let leading_zeros = with("/recipientAccountId", json!(11_122_223_333_i64));
    let denial = parse(&leading_zeros).unwrap().unwrap();
    assert_eq!(denial.principal().account().as_str(), "011122223333");
    let number = with("/requestParameters/secretId", json!(12_345));
    let denial = parse(&number).unwrap().unwrap();
    assert_eq!(denial.secrets().first().unwrap().name().as_str(), "12345");
}

#[test]
fn a_role_is_one_principal_whatever_its_sessions_are_called() {
    let denial = |session: &str| {
        with_identity(json!({
            "type": "AssumedRole",
            "principalId": format!("AROAEXAMPLECIDEPLOY01:{session}"),
            "arn": format!("arn:aws:sts::111122223333:assumed-role/ci-deploy/{session}"),
            "sessionContext": {"sessionIssuer": {
                "principalId": "AROAEXAMPLECIDEPLOY01",
                "arn": "arn:aws:iam::111122223333:role/ci-deploy",
                "userName": "ci-deploy",
            }},
        }))
    };
    let first = denial("one");
    for i in 0..10_000 {
        let other = denial(&format!("aws-go-sdk-{i}"));
        assert_eq!(other.principal(), first.principal());
        assert_ne!(other.session(), first.session());
    }
}

#[test]
fn each_person_behind_a_permission_set_is_one_principal() {
    let denial = |session: &str| {
        with_identity(json!({
            "type": "AssumedRole",
            "principalId": format!("AROAEXAMPLESSODEVS001:{session}"),
            "arn": format!("arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Dev_0/{session}"),
            "sessionContext": {"sessionIssuer": {
                "principalId": "AROAEXAMPLESSODEVS001",
                "userName": "AWSReservedSSO_Dev_0",
            }},
        }))
    };
    let (alice, bob) = (denial("alice@example.com"), denial("bob@example.com"));
    assert_eq!(key_of(&alice), "111122223333#AROAEXAMPLESSODEVS001:alice@example.com");
    assert_eq!(alice.principal().label(), "person alice@example.com");
    assert_ne!(key_of(&alice), key_of(&bob));
}

#[test]
fn an_identity_with_holes_still_has_a_key() {
    let role = "arn:aws:sts::111122223333:assumed-role/ci-deploy/i-0abc";
    for (identity, key) in [
        // AssumedRole: the issuer's id, else its ARN, else the id before the colon
        (
            json!({"type": "AssumedRole", "principalId": "AROAX:s",
                   "sessionContext": {"sessionIssuer": {"arn": "arn:aws:iam::111122223333:role/r"}}}),
            "arn:aws:iam::111122223333:role/r",
        ),
        (
            json!({"type": "AssumedRole", "principalId": "AROAX:s",
                   "sessionContext": {"sessionIssuer": {}}}),
            "AROAX",
        ),
        (json!({"type": "AssumedRole", "principalId": "AROAX:s", "sessionContext": ""}), "AROAX"),
        (json!({"type": "AssumedRole", "arn": role}), role),
        (
            json!({"type": "IAMUser", "principalId": "", "arn": "arn:aws:iam::1:user/u"}),
            "arn:aws:iam::1:user/u",
        ),
        (json!({"type": "Root", "accountId": "444455556666"}), "444455556666:root"),
        (json!({"type": "Root"}), "111122223333:root"),
        (
            json!({"type": "FederatedUser", "principalId": "111122223333:carol",
                   "sessionContext": {"sessionIssuer": {"principalId": "AIDAX"}}}),
            "AIDAX:carol",
        ),
        (
            json!({"type": "AWSAccount", "accountId": "444455556666", "principalId": "AROAX:s"}),
            "444455556666:AROAX",
        ),
        (
            json!({"type": "AWSService", "invokedBy": "ecs.amazonaws.com"}),
            "service:ecs.amazonaws.com",
        ),
        (
            json!({"type": "IdentityCenterUser",
                   "onBehalfOf": {"userId": "u-1", "identityStoreArn": "arn:aws:identitystore::1:identitystore/d-1"}}),
            "u-1:arn:aws:identitystore::1:identitystore/d-1",
        ),
        // anything else: principalId, else ARN, else account, else unknown
        (json!({"type": "WebIdentityUser", "principalId": "p"}), "p"),
        (json!({"principalId": "AIDAX", "arn": "arn:aws:iam::1:user/u"}), "AIDAX"),
        (json!({"arn": "arn:aws:iam::1:user/u"}), "arn:aws:iam::1:user/u"),
        (json!({"accountId": "444455556666"}), "444455556666"),
        (json!({}), "unknown"),
        (Value::Null, "unknown"),
        (json!("anonymous"), "unknown"),
    ] {
        let denial = with_identity(identity.clone());
        assert_eq!(key_of(&denial), format!("111122223333#{key}"), "{identity}");
    }
}

#[test]
fn long_keys_stay_apart_and_bounded() {
    let denial = |end: &str| {
        with_identity(
            json!({"type": "Other", "principalId": format!("{}{end}", "x".repeat(5_000))}),
        )
    };
    let (a, b) = (denial("a"), denial("b"));
    assert_ne!(key_of(&a), key_of(&b));
    assert!(key_of(&a).len() <= 256);
}

#[test]
fn the_secrets_come_from_the_parameters_or_from_the_message() {
    let names = |record: &Value| {
        let denial = parse(record).unwrap().unwrap();
        (denial.secrets().len(), denial.secrets().first().map(|secret| secret.name().to_string()))
    };
    let mut record = with("/requestParameters", Value::Null);
    assert_eq!(names(&record), (0, None));
    let message = |resource: &str| {
        json!(format!(
            "User: arn:aws:iam::111122223333:user/example is not authorized to perform: \
             secretsmanager:GetSecretValue on resource: {resource} because no identity-based policy \
             allows the secretsmanager:GetSecretValue action"
        ))
    };
    record["errorMessage"] =
        message("arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/api-AbCd12");
    assert_eq!(names(&record), (1, Some("prod/api".to_owned())));
    record["errorMessage"] = message("*");
    assert_eq!(names(&record), (0, None), "a batch call is denied on *");
    record["requestParameters"] = json!({"secretIdList": ["a", "b", "a", ""]});
    assert_eq!(names(&record), (2, Some("a".to_owned())));
}
