//! The table's items: any item is either a usable state or named as damaged, and a state that was
//! read is the one that would be written.

#![no_main]

use std::sync::LazyLock;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::SignedDuration;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use rattle::cloudtrail::{Delivery, Denial, Record};
use rattle::detection::finding::Finding;
use rattle::detection::{Assessment, Policy, decide};
use rattle::store::dynamodb::decode::decode;
use rattle::store::dynamodb::encode::encode;
use rattle::store::dynamodb::item::{CorruptItem, Item, name};
use rattle::store::{Outbox, StoredState};
use rattle_fuzz::{InMemory, check_rendering};

const MAX_CHANGES: usize = 8;
const MAX_DEPTH: usize = 3;
/// The numbers that DynamoDB accepts: magnitudes from 1e-130 to almost 1e126.
const MAGNITUDES: std::ops::Range<f64> = 1e-130..9.9e125;

/// Names of attributes, and of members of maps.
const NAMES: [&str; 45] = [
    name::PRINCIPAL,
    name::FORMAT,
    name::VERSION,
    name::EXPIRES_AT,
    name::MUTED_UNTIL,
    name::ALERT_SEQ,
    name::PENDING,
    name::SUPPRESSED,
    name::WINDOW,
    name::FIRST_WINDOW,
    name::DENIALS[0],
    name::DENIALS[1],
    name::DENIALS[2],
    name::SECRETS,
    name::NEW_IN_HOUR,
    name::NEW_IN_DAY,
    name::TODAY,
    name::ONCE,
    name::KNOWN,
    name::KNOWN_BEFORE,
    name::BASELINES,
    name::TOLD,
    name::ALERT_WINDOW,
    name::HIT_WINDOW,
    name::ALERT_COUNT,
    name::OPENED,
    name::IDS,
    name::IDS_BEFORE,
    name::EVIDENCE[0],
    name::EVIDENCE[1],
    name::EVIDENCE[2],
    name::EVIDENCE[3],
    name::EVIDENCE[4],
    name::EVIDENCE[5],
    name::EVIDENCE[6],
    name::EVIDENCE[7],
    name::ALERTS,
    name::STORM,
    "t",
    "c",
    "s",
    "m",
    "finding",
    "by",
    "at",
];

static POLICY: LazyLock<Policy> = LazyLock::new(Policy::default);

/// An enumeration from its first denial on, and denials in the next window and on the next day.
static DENIALS: LazyLock<Vec<Denial>> =
    LazyLock::new(|| (0..8).chain([600, 90_000]).map(denial).collect());

fn denial(second: i64) -> Denial {
    let Ok(time) = jiff::Timestamp::from_second(1_767_571_200 + second) else {
        panic!("{second} is no time");
    };
    let record = format!(
        r#"{{"eventID":"{second}","eventTime":"{time}","eventSource":"secretsmanager.amazonaws.com","eventName":"GetSecretValue","errorCode":"AccessDenied","awsRegion":"eu-west-1","recipientAccountId":"111122223333","sourceIPAddress":"203.0.113.9","requestParameters":{{"secretId":"s{second}"}},"userIdentity":{{"type":"AssumedRole","principalId":"AROAEXAMPLE:x","sessionContext":{{"sessionIssuer":{{"principalId":"AROAEXAMPLE","userName":"b","arn":"arn:aws:iam::111122223333:role/b"}}}}}}}}"#
    );
    match Record::denial_in(record.as_bytes()) {
        Ok(Some(denial)) => denial,
        other => panic!("{other:?}"),
    }
}

/// Items as they are written: after the first denial, with a finding, and after a day.
static ITEMS: LazyLock<Vec<Item>> = LazyLock::new(|| {
    let store = InMemory::new(&POLICY);
    DENIALS
        .iter()
        .map(|denial| {
            let finding = store.deliver(denial, SignedDuration::ZERO).finding;
            let Some(mut stored) = store.stored(denial.principal().key()) else {
                panic!("{denial:?} has no state");
            };
            stored.outbox = finding.map(|finding| Outbox {
                finding,
                owner: Some(denial.digest()),
                leased_at: denial.time().as_second(),
            });
            encode(&stored)
        })
        .collect()
});

fuzz_target!(|bytes: &[u8]| {
    let mut input = Unstructured::new(bytes);
    let Ok(item) = item(&mut input) else {
        return;
    };
    match decode(&item) {
        Ok(stored) => check_stored(&stored),
        Err(corrupt) => check_corrupt(&corrupt),
    }
});

fn item(input: &mut Unstructured<'_>) -> Result<Item> {
    let mut item = if input.ratio(1, 16)? { Item::new() } else { input.choose(&ITEMS)?.clone() };
    for _ in 0..input.int_in_range(1..=MAX_CHANGES)? {
        let name = *input.choose(&NAMES)?;
        if input.ratio(1, 8)? {
            item.remove(name);
        } else if input.ratio(1, 4)? {
            if let Some(value) = item.get_mut(name) {
                change(value, input)?;
            }
        } else {
            item.insert(name.to_owned(), value(input, 0)?);
        }
    }
    Ok(item)
}

/// Changes one part of a value and leaves its type.
fn change(held: &mut AttributeValue, input: &mut Unstructured<'_>) -> Result<()> {
    match held {
        AttributeValue::N(held) => *held = number(input)?,
        AttributeValue::S(held) => *held = input.arbitrary::<&str>()?.to_owned(),
        AttributeValue::L(values) if !values.is_empty() => {
            let at = input.choose_index(values.len())?;
            values[at] = value(input, 1)?;
        }
        AttributeValue::M(members) => {
            members.insert((*input.choose(&NAMES)?).to_owned(), value(input, 1)?);
        }
        AttributeValue::Ns(numbers) => numbers.push(number(input)?),
        AttributeValue::Bs(blobs) => blobs.push(Blob::new(input.arbitrary::<[u8; 8]>()?)),
        _ => {}
    }
    Ok(())
}

fn value(input: &mut Unstructured<'_>, depth: usize) -> Result<AttributeValue> {
    let kinds = if depth < MAX_DEPTH { 9 } else { 7 };
    Ok(match input.int_in_range(0..=kinds)? {
        0 | 1 => AttributeValue::N(number(input)?),
        2 => AttributeValue::S(input.arbitrary::<&str>()?.to_owned()),
        3 => AttributeValue::B(Blob::new(input.bytes(64).unwrap_or_default())),
        4 => AttributeValue::Bs(
            (0..input.int_in_range(0..=300)?)
                .map(|i: u16| Blob::new(u64::from(i).to_be_bytes()))
                .collect(),
        ),
        5 => {
            let count = input.int_in_range(0..=4)?;
            AttributeValue::Ns((0..count).map(|_| number(input)).collect::<Result<_>>()?)
        }
        6 => AttributeValue::Bool(input.arbitrary()?),
        7 => AttributeValue::Null(true),
        8 => {
            let count = *input.choose(&[2, 3, 4, 12, 0])?;
            AttributeValue::L((0..count).map(|_| value(input, depth + 1)).collect::<Result<_>>()?)
        }
        _ => {
            let count = input.int_in_range(0..=4)?;
            let member = |input: &mut Unstructured<'_>| {
                Ok(((*input.choose(&NAMES)?).to_owned(), value(input, depth + 1)?))
            };
            AttributeValue::M((0..count).map(|_| member(input)).collect::<Result<_>>()?)
        }
    })
}

/// A number in DynamoDB's text form.
fn number(input: &mut Unstructured<'_>) -> Result<String> {
    Ok(match input.int_in_range(0..=4)? {
        0 => input.arbitrary::<i8>()?.to_string(),
        1 => input.arbitrary::<i64>()?.to_string(),
        2 => input.arbitrary::<u64>()?.to_string(),
        3 => {
            let number: f64 = input.arbitrary()?;
            let held = if MAGNITUDES.contains(&number.abs()) { number } else { 0.0 };
            held.to_string()
        }
        // Near the windows of the denials above.
        _ => (5_891_904 + i64::from(input.arbitrary::<i16>()?)).to_string(),
    })
}

fn check_corrupt(corrupt: &CorruptItem) {
    let text = corrupt.to_string();
    assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)), "not printable: {text:?}");
    assert!(corrupt.key.as_str().len() <= 256, "a long key: {text}");
}

fn check_stored(stored: &StoredState) {
    match decode(&encode(stored)) {
        Ok(again) => assert_eq!(&again, stored, "it is not read as it was written"),
        Err(corrupt) => panic!("a state that was read cannot be read again: {corrupt}: {stored:?}"),
    }
    if let Some(outbox) = &stored.outbox {
        check_rendering(&outbox.finding);
    }
    // Uses the state as a delivery does.
    for denial in DENIALS.iter() {
        let mut state = stored.state.clone();
        state.receive(&Delivery::on_time(denial), &POLICY);
        let assessment = Assessment::of(&state, &POLICY);
        for row in assessment.rows() {
            assert!((0.0..=37.0).contains(&row.sigma()), "{row:?}");
        }
        let decision = decide(&state, &assessment, denial, &POLICY);
        if let Some(report) = &decision.report {
            state.alerting = decision.alerting;
            check_rendering(&Finding::new(&state, report, denial, &POLICY));
        }
        StoredState { state, ..stored.clone() }.renew();
    }
}
