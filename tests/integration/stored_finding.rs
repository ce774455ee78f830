//! A finding that waits to be sent, written by this version or the one before and read by the
//! other.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::SignedDuration;
use rattle::alert::email::Email;
use rattle::alert::machine::rattle::FindingLine;
use rattle::alert::title::{explanation, title};
use rattle::detection::evidence::Evidence;
use rattle::detection::finding::{Counts, Finding, PrincipalSeen, Reads, Severity, Status, Usual};
use rattle::detection::{Policy, Scale, Signal};
use rattle::store::dynamodb::item::Item;
use rattle::store::dynamodb::{decode, encode};
use rattle::store::{Outbox, StoredState};
use rattle::text::Text;
use serde::Deserialize;

use crate::alerts::deployment;
use crate::support::{InMemory, MONDAY, denial_of};

/// A report, an access after denial and a resolution, as the version before wrote them.
const BEFORE: &str = include_str!("data/waiting_findings.jsonl");

/// Members that the version before required, with their types.
#[derive(Deserialize)]
#[expect(dead_code, reason = "these members need only be readable")]
struct FindingBefore {
    id: String,
    status: Status,
    severity: Severity,
    title: String,
    account: Text,
    region: Option<Text>,
    principal: PrincipalSeen,
    signal: Signal,
    scale: Scale,
    observed: u32,
    baseline: Usual,
    deviation: f64,
    threshold: f64,
    denials: Counts,
    secrets: Counts,
    first_denial: i64,
    last_denial: i64,
    evidence: Vec<Evidence>,
    explanation: String,
    policy_arn: Option<Text>,
    distinct_secrets: Option<u32>,
    over_ceiling: Option<u32>,
}

/// The same three, written by this version.
fn fresh() -> [Finding; 3] {
    let store = InMemory::new();
    let denial = |i: i64| denial_of(MONDAY + i, &format!("e{i}"), &format!("prod/s{i}"));
    let report = (0..5).find_map(|i| store.deliver(&denial(i), SignedDuration::ZERO).finding);
    let report = report.unwrap();
    let secrets = vec![Text::new("prod/db", 64)];
    let reads = Reads { denied: 5, read: 1, secrets, first: MONDAY + 90, last: MONDAY + 95 };
    let access = Finding::access_after_denial(&report, reads.clone(), report.region.clone());
    let end = Finding::resolution(&report, None, Some(reads), &Policy::default());
    [report, access, end]
}

fn item(finding: Finding) -> Item {
    let denial = denial_of(MONDAY, "first", "prod/db");
    let mut stored = StoredState::opened_by(&denial);
    stored.state.ids.push(denial.digest());
    stored.outbox = Some(Outbox { finding, owner: Some(denial.digest()), leased_at: MONDAY });
    encode::encode(&stored)
}

/// The JSON of the finding that waits in this item.
pub fn waiting_finding(item: &Item) -> &str {
    item["pending"].as_m().unwrap()["finding"].as_s().unwrap()
}

#[test]
fn a_finding_of_the_version_before_gives_the_same_alert() {
    assert_eq!(BEFORE.lines().count(), 3);
    for (json, fresh) in BEFORE.lines().zip(fresh()) {
        let mut item = item(fresh.clone());
        let AttributeValue::M(pending) = item.get_mut("pending").unwrap() else { panic!() };
        pending.insert("finding".to_owned(), AttributeValue::S(json.to_owned()));
        let read = decode::decode(&item).unwrap().outbox.unwrap().finding;
        assert_eq!(Email::about(&read, &deployment()), Email::about(&fresh, &deployment()));
        let line = |finding| serde_json::to_string(&FindingLine::of(finding)).unwrap();
        assert_eq!(line(&read), line(&fresh));

        let before: FindingBefore = serde_json::from_str(json).unwrap();
        assert_eq!((title(&read), explanation(&read)), (before.title, before.explanation));
    }
}

#[test]
fn the_version_before_can_read_a_finding() {
    for finding in fresh() {
        let item = item(finding.clone());
        let read: FindingBefore = serde_json::from_str(waiting_finding(&item)).unwrap();
        assert_eq!((read.title, read.explanation), (String::new(), String::new()));
        assert_eq!(read.id, finding.id);
        assert_eq!(decode::decode(&item).unwrap().outbox.unwrap().finding, finding);
    }
}
