//! Alerts about arbitrary findings. Their content may be wrong, but subject, bodies and JSON are
//! well-formed and bounded.

#![no_main]

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use rattle::detection::finding::{Finding, MAX_NAMED};
use rattle::detection::{Scale, Signal};
use rattle_fuzz::check_rendering;
use serde_json::{Value, json};

const KINDS: [&str; 8] =
    ["Role", "Person", "User", "Root", "Federated", "Account", "Service", "Other"];
const POLICIES: [&str; 3] = ["IdentityBased", "ResourceBased", "ServiceControl"];
const MAX_EVIDENCE: usize = 8;

fuzz_target!(|bytes: &[u8]| {
    let mut input = Unstructured::new(bytes);
    let Ok(stored) = stored(&mut input) else {
        return;
    };
    // An item in the table may be damaged by hand: its finding is either refused or can be shown.
    let Ok(mut finding) = serde_json::from_value::<Finding>(stored) else {
        return;
    };
    check_rendering(&finding);
    if exaggerate(&mut finding, &mut input).is_ok() {
        check_rendering(&finding);
    }
});

/// A finding in its stored form.
fn stored(input: &mut Unstructured<'_>) -> Result<Value> {
    let count = input.int_in_range(0..=MAX_EVIDENCE)?;
    let evidence = (0..count).map(|_| evidence(input)).collect::<Result<Vec<_>>>()?;
    let counts = json!({"5m": input.arbitrary::<u32>()?, "1h": 7, "1d": input.arbitrary::<u32>()?});
    Ok(json!({
        "id": line(input, "0123456789abcdef0123456789abcdef")?,
        "status": *input.choose(&["open", "update"])?,
        "severity": *input.choose(&["low", "medium", "high"])?,
        "account": text(input)?,
        "region": text(input)?,
        "principal": {
            "principal": {
                "key": text(input)?,
                "account": text(input)?,
                "kind": *input.choose(&KINDS)?,
                "type_name": text(input)?,
                "id": text(input)?,
                "arn": text(input)?,
                "name": text(input)?,
            },
            "session": text(input)?,
        },
        "signal": *input.choose(&["denials", "secrets"])?,
        "scale": *input.choose(&["5m", "1h", "1d"])?,
        "observed": input.arbitrary::<u32>()?,
        "baseline": {"mean": 0.4, "sd": 0.9, "history_days": 12.5},
        "deviation": 12.1,
        "threshold": 4.0,
        "denials": counts,
        "secrets": counts,
        "first_denial": input.arbitrary::<i64>()?,
        "last_denial": input.arbitrary::<i64>()?,
        "evidence": evidence,
        "policy_arn": text(input)?,
        "distinct_secrets": input.arbitrary::<Option<u32>>()?,
        "over_ceiling": input.arbitrary::<Option<u32>>()?,
        "reads": reads(input)?,
    }))
}

/// What was read, if anything.
fn reads(input: &mut Unstructured<'_>) -> Result<Value> {
    let count = input.int_in_range(0..=MAX_NAMED)?;
    let secrets = (0..count)
        .map(|_| Ok(input.arbitrary::<&str>()?.into()))
        .collect::<Result<Vec<Value>>>()?;
    Ok(if input.ratio(1, 4)? {
        let (denied, read) = (input.arbitrary::<u32>()?, input.arbitrary::<u32>()?);
        let (first, last) = (input.arbitrary::<i64>()?, input.arbitrary::<i64>()?);
        json!({"denied": denied, "read": read, "secrets": secrets, "first": first, "last": last})
    } else {
        Value::Null
    })
}

fn evidence(input: &mut Unstructured<'_>) -> Result<Value> {
    let policy = *input.choose(&POLICIES)?;
    let cause = match input.int_in_range(0..=4)? {
        0 => json!({"Implicit": policy}),
        1 => json!({"Explicit": policy}),
        2 => json!({"Explicit": null}),
        3 => json!("Kms"),
        _ => json!("Unknown"),
    };
    Ok(json!({
        "time": input.arbitrary::<i64>()?,
        "secret": text(input)?,
        "more_secrets": input.arbitrary::<u16>()?,
        "source_ip": text(input)?,
        "session": text(input)?,
        "cause": cause,
    }))
}

/// Text that a caller may have chosen, sometimes far longer than the input.
fn text(input: &mut Unstructured<'_>) -> Result<Value> {
    let text: &str = input.arbitrary()?;
    Ok(match input.int_in_range(0..=7)? {
        0 => Value::Null,
        1 => text.repeat(200).into(),
        2 => format!("arn:aws:iam::111122223333:role/{text}").into(),
        3 => format!("https://{text}.example.com/").into(),
        _ => text.into(),
    })
}

/// A line that only this program writes, mostly in its real form.
fn line(input: &mut Unstructured<'_>, written: &str) -> Result<Value> {
    Ok(if input.ratio(7, 8)? { written.into() } else { text(input)? })
}

/// Numbers that JSON cannot hold, and kinds that no decision combines.
fn exaggerate(finding: &mut Finding, input: &mut Unstructured<'_>) -> Result<()> {
    finding.signal = *input.choose(&Signal::ALL)?;
    finding.scale = *input.choose(&Scale::ALL)?;
    finding.baseline.mean = input.arbitrary()?;
    finding.baseline.sd = input.arbitrary()?;
    finding.baseline.history_days = input.arbitrary()?;
    finding.deviation = input.arbitrary()?;
    finding.threshold = input.arbitrary()?;
    Ok(())
}
