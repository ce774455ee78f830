//! The classification of an event by its envelope: a record means the same in each wrapping, and
//! the function agrees with a replay.

#![no_main]

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use rattle::cloudtrail::Event;
use rattle::cloudtrail::envelope::Rejection;
use rattle::cloudtrail::{Denial, Malformed, Record};
use rattle::lambda::read_event;
use rattle_fuzz::{check_denial, check_malformed};
use serde_json::json;
use serde_json::value::RawValue;

/// Later than every event time.
const LATER: Timestamp = Timestamp::constant(4_102_444_800, 0);
const CLOUDTRAIL: &str = "AWS API Call via CloudTrail";
const SECRETS_MANAGER: &str = "aws.secretsmanager";
/// Far below the depth at which the parser gives up.
const MAX_NESTING: usize = 100;

type Reading = Result<Option<Denial>, Malformed>;

fuzz_target!(|bytes: &[u8]| {
    let Ok(json) = std::str::from_utf8(bytes) else {
        return;
    };
    let Ok(event) = serde_json::from_str::<Box<RawValue>>(json) else {
        return;
    };
    check_function(&event);
    check_read(&event);
    let record = event.get();
    if record.starts_with('{') && !may_be_wrapped(record) {
        check_wrappings(record);
    }
});

/// The function classifies an envelope as a replay does, or says what it lacks.
fn check_function(event: &RawValue) {
    let replayed = Record::denial_in(event.get().as_bytes());
    match denial(event) {
        Ok(read) => {
            read.iter().for_each(check_denial);
            // Besides the envelope's fields, the event has a record's field, and has it twice. A
            // replay looks for both forms and refuses the line. AWS writes no such envelope.
            if !matches!(replayed, Err(Malformed::Syntax(_))) {
                assert_eq!(Ok(read), replayed, "the function differs from replay");
            }
        }
        Err(Rejection::Malformed(malformed)) => {
            check_malformed(&malformed);
            assert_eq!(Err(malformed), replayed, "the function differs from replay");
        }
        Err(Rejection::Source(text)) => assert!(text.as_str().len() <= 60, "{text}"),
        Err(Rejection::Task(text)) => assert!(text.as_str().len() <= 120, "{text}"),
        Err(Rejection::NoEnvelope) => {}
        Err(Rejection::Future(time)) => panic!("{time} is later than everything"),
    }
}

/// The function's classification of an event that arrives later than every event time.
fn denial(event: &RawValue) -> Result<Option<Denial>, Rejection> {
    match read_event(event, false)?.arriving(LATER)? {
        Event::Denial(denial) => Ok(Some(denial)),
        Event::Task(_) | Event::Other => Ok(None),
        Event::Read(read) => panic!("a read although reads are not watched: {read:?}"),
    }
}

/// A successful call is not a denial, and the secret that it read can be shown.
fn check_read(event: &RawValue) {
    match Event::read(event.get(), true) {
        Ok(Event::Read(read)) => {
            let name = read.secret.name().as_str();
            assert!(!name.is_empty() && name.len() <= 64, "{name:?}");
            assert!(name.bytes().all(|b| (b' '..=b'~').contains(&b)), "{name:?}");
            assert_eq!(
                Record::denial_in(event.get().as_bytes()),
                Ok(None),
                "the read is a denial as well"
            );
        }
        Ok(_) => {}
        Err(rejection) => {
            if let Rejection::Malformed(malformed) = &rejection {
                check_malformed(malformed);
            }
        }
    }
}

fn check_wrappings(record: &str) {
    let bare = Record::denial_in(record.as_bytes());
    let account = match &bare {
        Ok(Some(denial)) => denial.principal().account().to_string(),
        _ => "unknown".to_owned(),
    };
    let account = if account == "unknown" { json!(null) } else { json!(account) };
    let envelope = |source: &str, kind: &str| {
        format!(
            r#"{{"version":"0","id":"1","detail-type":"{kind}","source":"{source}","account":{account},"time":"2026-01-01T00:00:00Z","region":"eu-west-1","resources":[],"detail":{record}}}"#
        )
    };
    let delivered = envelope(SECRETS_MANAGER, CLOUDTRAIL);
    check_same("an envelope", &bare, &Record::denial_in(delivered.as_bytes()));
    check_same("the function", &bare, &read(&delivered));
    let looked_up = json!({"EventId": "1", "CloudTrailEvent": record}).to_string();
    check_same("lookup-events", &bare, &Record::denial_in(looked_up.as_bytes()));

    let other = envelope(SECRETS_MANAGER, "Scheduled Event");
    if !matches!(bare, Err(Malformed::Syntax(_))) {
        assert_eq!(Record::denial_in(other.as_bytes()), Ok(None), "{other}");
    }
    let elsewhere = envelope("example.elsewhere", CLOUDTRAIL);
    let Ok(elsewhere) = RawValue::from_string(elsewhere) else {
        panic!("a record is no JSON in an envelope: {record}");
    };
    assert!(matches!(denial(&elsewhere), Err(Rejection::Source(_))), "{elsewhere}");
}

fn read(envelope: &str) -> Reading {
    let Ok(event) = RawValue::from_string(envelope.to_owned()) else {
        panic!("a record is no JSON in an envelope: {envelope}");
    };
    match denial(&event) {
        Ok(read) => Ok(read),
        Err(Rejection::Malformed(malformed)) => Err(malformed),
        Err(other) => panic!("{other} of {envelope}"),
    }
}

fn check_same(wrapping: &str, bare: &Reading, wrapped: &Reading) {
    match (bare, wrapped) {
        // The parser's description of a fault contains its position.
        (Err(Malformed::Syntax(_)), Err(Malformed::Syntax(_))) => {}
        _ => assert_eq!(bare, wrapped, "in {wrapping} the record means something else"),
    }
}

/// Whether the record might be a wrapping itself, or be nested as deeply as the parser allows.
fn may_be_wrapped(record: &str) -> bool {
    ["detail", "CloudTrailEvent", "digestStartTime", "account\"", "\\u00"]
        .iter()
        .any(|name| record.contains(name))
        || record.matches(['{', '[']).count() > MAX_NESTING
}
