//! The DynamoDB store against a real DynamoDB API: the states and findings are those of the memory
//! store, and each denial is counted once, in one request.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::future::Future;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rattle::cloudtrail::{Delivery, Denial};
use rattle::detection::finding::Finding;
use rattle::detection::{Outcome, Policy};
use rattle::disposition::Disposition;
use rattle::engine::{Engine, EngineError};
use rattle::replay::scanner::{Scanned, Scanner};
use rattle::settings::Settings;
use rattle::sink::{LeftToCaller, Receipt, Sink};
use rattle::store::dynamodb::{DynamoDbError, DynamoDbStore, Usage, expression};
use rattle::store::dynamodb::{decode, encode, item};
use rattle::store::memory::MemoryStore;
use rattle::store::transition::Transition;
use rattle::store::{Admission, Store, StoredState};
use rattle::text::Text;
use rattle::weekly_digest::{Week, WeeklyDigest};

use crate::local_aws::{strict_table, table};
use crate::properties::history;
use crate::support::{MONDAY, aged, denial_of, project_file, waiting};

pub fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

pub fn settings() -> Settings {
    Settings::read([]).unwrap()
}

fn in_dynamodb(client: &Client, table: &str) -> Engine<DynamoDbStore, LeftToCaller> {
    Engine::new(DynamoDbStore::new(client.clone(), table), LeftToCaller, settings())
}

/// Delivers to both stores and compares the result of each delivery, then the states.
async fn assert_parity(
    client: &Client,
    table: &str,
    deliveries: impl IntoIterator<Item = (Denial, SignedDuration)>,
) -> (u32, Usage) {
    let memory = Engine::new(MemoryStore::default(), LeftToCaller, settings());
    let dynamodb = in_dynamodb(client, table);
    let mut keys = BTreeSet::new();
    let mut count = 0;
    for (denial, age) in deliveries {
        let now = denial.time() + age;
        let expected = memory.handle(&Delivery { denial: &denial, arrived: now }).await.unwrap();
        let actual = dynamodb.handle(&Delivery { denial: &denial, arrived: now }).await.unwrap();
        assert_eq!(actual.outcome, expected.outcome, "{denial:?}");
        assert_eq!(actual.finding, expected.finding, "{denial:?}");
        assert_eq!(actual.assessment, expected.assessment, "{denial:?}");
        keys.insert(denial.principal().key().clone());
        count += 1;
    }
    let usage = dynamodb.store().take_usage();
    for key in keys {
        let expected = memory.store().stored(&key).unwrap();
        let actual = dynamodb.store().read(&key).await.unwrap().unwrap();
        assert_eq!(actual.state, expected.state, "{key}");
        assert_eq!(actual.outbox, None);
    }
    (count, usage)
}

fn trace(path: &std::path::Path) -> Vec<(Denial, SignedDuration)> {
    let five_minutes = SignedDuration::from_secs(300);
    Scanner::new(std::fs::File::open(path).unwrap())
        .map(|item| match item.unwrap() {
            Scanned::Denial(denial) => (*denial, five_minutes),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn every_trace_ends_in_the_same_state_with_the_same_findings() {
    run(async {
        let client = table("traces").await;
        let mut all = Vec::new();
        for entry in std::fs::read_dir(project_file("events/traces")).unwrap() {
            all.extend(trace(&entry.unwrap().path()));
        }
        all.sort_by_key(|(denial, _)| denial.time());
        let (denials, usage) = assert_parity(&client, "traces", all).await;
        let per_denial = f64::from(usage.requests) / f64::from(denials);
        println!("{denials} denials of all traces: {per_denial:.3} requests each");
        assert!(per_denial <= 1.10, "{per_denial}");
    });
}

#[test]
fn random_histories_end_in_the_same_state_with_the_same_findings() {
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    let cases = Cell::new(0);
    runner
        .run(&history(120), |deliveries| {
            cases.set(cases.get() + 1);
            let name = format!("history-{}", cases.get());
            run(async { assert_parity(&table(&name).await, &name, deliveries).await });
            Ok(())
        })
        .unwrap();
}

/// The model is the pure transition. No decision is made between deliveries, so that reports are
/// due when windows close, and findings that wait to be sent keep windows open.
#[test]
fn whatever_is_delivered_the_table_holds_what_the_transition_gives() {
    let mut runner = TestRunner::new(Config { cases: 12, ..Config::default() });
    let policy = Policy::default();
    let cases = Cell::new(0);
    let changes = RefCell::new(BTreeSet::new());
    runner
        .run(&history(120), |deliveries| {
            cases.set(cases.get() + 1);
            let name = format!("model-{}", cases.get());
            run(async {
                let store = DynamoDbStore::new(table(&name).await, name.as_str());
                let mut model: HashMap<Text, StoredState> = HashMap::new();
                // Every fifth denial is delivered twice.
                let again = |i: usize| if i.is_multiple_of(5) { 2 } else { 1 };
                let deliveries = deliveries.iter().enumerate();
                for (denial, age) in deliveries.flat_map(|(i, one)| vec![one; again(i)]) {
                    let (key, delivery) = (denial.principal().key(), aged(denial, *age));
                    let Transition { stored, outcome, change } =
                        Transition::new(model.remove(key), &delivery, &policy);
                    let received = store.receive(&delivery, &policy).await.unwrap();
                    assert_eq!((received.outcome, &received.stored), (outcome, &stored));
                    assert_eq!(store.read(key).await.unwrap().as_ref(), Some(&stored));
                    changes.borrow_mut().insert(format!("{:?}", std::mem::discriminant(&change)));
                    model.insert(key.clone(), stored);
                }
            });
            Ok(())
        })
        .unwrap();
    assert_eq!(changes.borrow().len(), 3, "each kind of change was seen");
}

#[test]
fn a_flood_saturates_both_stores_alike() {
    run(async {
        let client = table("flood").await;
        let at = |i: i64| {
            let denial = denial_of(MONDAY + i / 2, &format!("e{i}"), &format!("s{i}"));
            (denial, SignedDuration::ZERO)
        };
        // 300 in the first window, then the next window, then late ones and duplicates.
        let flood = (0..300).map(at).chain((600..610).map(at)).chain((295..305).map(at));
        assert_parity(&client, "flood", flood).await;
    });
}

#[test]
fn a_state_that_expired_is_none() {
    run(async {
        let client = table("expiry").await;
        let day = 86_400;
        let denials = [0, 1, 89 * day, (89 + 90) * day]
            .map(|t| (denial_of(MONDAY + t, &format!("e{t}"), "s"), SignedDuration::ZERO));
        assert_parity(&client, "expiry", denials).await;
        let store = DynamoDbStore::new(client, "expiry");
        let key = denial_of(MONDAY, "any", "s").principal().key().clone();
        let stored = store.read(&key).await.unwrap().unwrap();
        assert_eq!(stored.state.denials[2], 1, "the last denial began a new state");
        assert_eq!(stored.state.first_window, stored.state.window);
    });
}

#[test]
fn inside_a_window_a_denial_is_one_request() {
    run(async {
        let client = table("window").await;
        let engine = in_dynamodb(&client, "window");
        let handle = async |i: i64| {
            let denial = denial_of(MONDAY + i, &format!("e{i}"), "prod/db");
            engine.handle(&Delivery::on_time(&denial)).await.unwrap();
            engine.store().take_usage()
        };
        assert_eq!(handle(0).await.requests, 2, "the first denial finds no item and puts one");
        for i in 1..20 {
            assert_eq!(handle(i).await.requests, 1, "denial {i}");
        }
    });
}

/// Publishes into a list that all invocations share.
#[derive(Clone, Default)]
pub struct Mailbox(pub std::rc::Rc<RefCell<Vec<Finding>>>);

impl Sink for Mailbox {
    type Error = Infallible;

    async fn publish(&self, finding: &Finding) -> Result<Receipt, Infallible> {
        self.0.borrow_mut().push(finding.clone());
        Ok(Receipt::default())
    }

    async fn publish_weekly_digest(&self, _: &WeeklyDigest) -> Result<(), Infallible> {
        unreachable!("no weekly digest is sent")
    }

    async fn publish_storm(&self, _: &Finding, _: u32) -> Result<(), Infallible> {
        panic!("there is no storm")
    }
}

/// The result of many concurrent invocations.
struct Burst {
    outcomes: HashMap<&'static str, u32>,
    requests: u32,
    findings: Vec<Finding>,
    stored: StoredState,
}

/// Delivers the denials through this many concurrent invocations, each with its own store.
fn burst(name: &str, denials: Vec<Denial>, invocations: usize) -> Burst {
    let key = denials[0].principal().key().clone();
    // All arrive at the same time, so that no lease expires.
    let now = denials.iter().map(Denial::time).max().unwrap();
    run(async {
        let client = table(name).await;
        let mailbox = Mailbox::default();
        let queue = std::rc::Rc::new(RefCell::new(denials.into_iter()));
        let local = tokio::task::LocalSet::new();
        let invocation = |_| {
            let store = DynamoDbStore::new(client.clone(), name);
            let engine = Engine::new(store, mailbox.clone(), settings());
            let queue = queue.clone();
            local.spawn_local(async move {
                let mut outcomes: HashMap<&'static str, u32> = HashMap::new();
                loop {
                    let Some(denial) = queue.borrow_mut().next() else { break };
                    let handled =
                        engine.handle(&Delivery { denial: &denial, arrived: now }).await.unwrap();
                    *outcomes.entry(handled.outcome.name()).or_default() += 1;
                }
                (outcomes, engine.store().take_usage().requests)
            })
        };
        let tasks: Vec<_> = (0..invocations).map(invocation).collect();
        let mut burst = Burst {
            outcomes: HashMap::new(),
            requests: 0,
            findings: Vec::new(),
            stored: StoredState::opened_by(&denial_of(MONDAY, "none", "none")),
        };
        local
            .run_until(async {
                for task in tasks {
                    let (outcomes, requests) = task.await.unwrap();
                    burst.requests += requests;
                    for (outcome, count) in outcomes {
                        *burst.outcomes.entry(outcome).or_default() += count;
                    }
                }
            })
            .await;
        burst.findings.clone_from(&mailbox.0.borrow());
        burst.stored = DynamoDbStore::new(client, name).read(&key).await.unwrap().unwrap();
        burst
    })
}

fn over_a_boundary(count: i64) -> Vec<Denial> {
    let at = |i| denial_of(MONDAY + 300 * i64::from(i >= count / 2), &format!("e{i}"), "prod/db");
    (0..count).map(at).collect()
}

#[test]
fn concurrent_denials_over_a_boundary_are_each_counted_once_with_one_alert() {
    let burst = burst("concurrent", over_a_boundary(120), 24);
    assert_eq!(burst.outcomes, HashMap::from([("counted", 120)]));
    let state = &burst.stored.state;
    assert_eq!(state.denials[2], 120);
    assert_eq!(state.ids.len() + state.ids_before.len(), 120);
    assert_eq!(burst.findings.len(), 1, "{:?}", burst.findings);
    assert_eq!(state.alerting.alert_seq, 1);
    assert_eq!(burst.stored.outbox, None);
}

#[test]
fn a_thousand_concurrent_denials_are_each_counted_once_or_saturated() {
    let burst = burst("thousand", over_a_boundary(1_000), 16);
    let state = &burst.stored.state;
    let counted = burst.outcomes["counted"];
    let full = burst.outcomes.get("saturated").copied().unwrap_or(0);
    assert_eq!(counted + full, 1_000);
    assert_eq!(state.denials[2], counted, "each denial is counted once");
    assert_eq!(state.ids.len() + state.ids_before.len(), counted as usize);
    assert!(state.ids.len() <= 256 && state.ids_before.len() <= 256);
    assert_eq!(state.ids.len(), 256, "the second window is full");
    // An alert and its escalation, each sent once.
    let ids: BTreeSet<&str> = burst.findings.iter().map(|finding| finding.id.as_str()).collect();
    assert_eq!(ids.len(), burst.findings.len(), "no finding is sent twice");
    assert_eq!(state.alerting.alert_seq, burst.findings.len() as u64);
    println!("1,000 at once: {counted} counted in {} requests", burst.requests);
}

#[test]
fn every_state_reads_back_bit_for_bit() {
    let mut runner = TestRunner::new(Config { cases: 200, ..Config::default() });
    let policy = Policy::default();
    runner
        .run(&history(300), |deliveries| {
            let first = &deliveries[0].0;
            let mut stored = StoredState::opened_by(first);
            for (denial, age) in &deliveries {
                stored.state.receive(&aged(denial, *age), &policy);
                let assessment = rattle::detection::Assessment::of(&stored.state, &policy);
                let decision =
                    rattle::detection::decide(&stored.state, &assessment, denial, &policy);
                stored.state.alerting = decision.alerting;
                stored.version += 1;
                let item = encode::encode(&stored);
                prop_assert!(size(&item) <= 16 << 10, "{} bytes", size(&item));
                prop_assert_eq!(&decode::decode(&item).unwrap(), &stored);
            }
            Ok(())
        })
        .unwrap();
}

/// The size as DynamoDB counts it: UTF-8 bytes for names and text, about a byte for two digits of a
/// number, 3 bytes for a list or map and one for each of its members.
pub fn size(item: &item::Item) -> usize {
    fn of(value: &AttributeValue) -> usize {
        match value {
            AttributeValue::S(text) => text.len(),
            AttributeValue::N(number) => number.len() / 2 + 2,
            AttributeValue::B(bytes) => bytes.as_ref().len(),
            AttributeValue::Bool(_) => 1,
            AttributeValue::Bs(all) => all.iter().map(|bytes| bytes.as_ref().len()).sum(),
            AttributeValue::Ss(all) => all.iter().map(String::len).sum(),
            AttributeValue::Ns(all) => all.iter().map(|number| number.len() / 2 + 2).sum(),
            AttributeValue::L(all) => 3 + all.iter().map(|value| 1 + of(value)).sum::<usize>(),
            AttributeValue::M(map) => {
                3 + map.iter().map(|(name, value)| 1 + name.len() + of(value)).sum::<usize>()
            }
            other => panic!("{other:?} is not used"),
        }
    }
    item.iter().map(|(name, value)| name.len() + of(value)).sum()
}

#[test]
fn an_item_of_another_format_or_written_by_hand_is_named_and_left_alone() {
    run(async {
        let client = table("corrupt").await;
        let denial = denial_of(MONDAY, "e0", "prod/db");
        let engine = in_dynamodb(&client, "corrupt");
        engine.handle(&Delivery::on_time(&denial)).await.unwrap();
        let key = denial.principal().key();
        let policy = Policy::default();
        let good = encode::encode(&engine.store().read(key).await.unwrap().unwrap());
        for (attribute, value, what) in [
            ("format", AttributeValue::N("2".into()), "is of another version of Rattle"),
            ("base", AttributeValue::S("x".into()), "is no list"),
            ("known", AttributeValue::B(Blob::new([0; 63])), "has not 64 bytes"),
            ("e3", AttributeValue::N("1".into()), "is no map"),
            ("window", AttributeValue::S("x".into()), "is no number"),
            ("n_1d", AttributeValue::S("x".into()), "is no number"),
            ("expires_at", AttributeValue::S("x".into()), "is no number"),
            ("ids", AttributeValue::S("x".into()), "is no set of binaries"),
        ] {
            let mut broken = good.clone();
            broken.insert("version".to_owned(), encode::number(7));
            broken.insert(attribute.to_owned(), value);
            let put = client.put_item().table_name("corrupt").set_item(Some(broken.clone()));
            put.send().await.unwrap();
            let later = denial_of(MONDAY + 900, "e1", "prod/db");
            let now = later.time();
            let store = DynamoDbStore::new(client.clone(), "corrupt");
            let error = store.receive(&Delivery { denial: &later, arrived: now }, &policy).await;
            let Err(DynamoDbError::Corrupt(corrupt)) = error else { panic!("{error:?}") };
            assert_eq!(
                corrupt.to_string(),
                format!("the item of {key} cannot be read: its attribute {attribute} {what}")
            );
            let get = client.get_item().table_name("corrupt");
            let now = get
                .key("principal", AttributeValue::S(key.to_string()))
                .send()
                .await
                .unwrap()
                .item
                .unwrap();
            assert_eq!(
                now.get("version"),
                broken.get("version"),
                "{attribute}: the item is unchanged"
            );
        }
    });
}

#[test]
fn a_mute_set_by_hand_is_kept_and_holds_findings_back() {
    run(async {
        let client = table("mute").await;
        let mailbox = Mailbox::default();
        let store = DynamoDbStore::new(client.clone(), "mute");
        let engine = Engine::new(store, mailbox.clone(), settings());
        let at = |t: i64| denial_of(MONDAY + t, &format!("e{t}"), &format!("s{t}"));
        let handle = async |t: i64| engine.handle(&Delivery::on_time(&at(t))).await.unwrap();
        handle(0).await;
        let key = at(0).principal().key().clone();
        // Leaves `version` as it is, as someone in a hurry would.
        client
            .update_item()
            .table_name("mute")
            .key("principal", AttributeValue::S(key.to_string()))
            .update_expression("SET muted_until = :until")
            .expression_attribute_values(":until", encode::number(MONDAY + 1_000))
            .send()
            .await
            .unwrap();
        for t in 600..605 {
            let handled = handle(t).await;
            assert_eq!(handled.sent.dispositions.count(Disposition::Published), 0);
        }
        let stored = engine.store().read(&key).await.unwrap().unwrap();
        assert_eq!(
            (stored.muted_until, stored.suppressed),
            (MONDAY + 1_000, 0),
            "no storm held it back"
        );
        assert_eq!(
            (stored.state.alerting.alert_seq, stored.outbox),
            (1, None),
            "recorded, not sent"
        );
        assert!(mailbox.0.borrow().is_empty());
        // Lifted by hand, again without a new version.
        client
            .update_item()
            .table_name("mute")
            .key("principal", AttributeValue::S(key.to_string()))
            .update_expression("SET muted_until = :none")
            .expression_attribute_values(":none", encode::number(0))
            .send()
            .await
            .unwrap();
        for t in 8_000..8_005 {
            handle(t).await;
        }
        assert_eq!(mailbox.0.borrow().len(), 1);
        let stored = engine.store().read(&key).await.unwrap().unwrap();
        assert_eq!((stored.muted_until, stored.suppressed), (0, 0));
    });
}

#[test]
fn every_expression_passes_a_strict_parser() {
    run(async {
        let client = strict_table("expressions").await;
        for (update, condition) in [
            (expression::COUNT, Some(expression::COUNTS)),
            (expression::COUNT_SECRETS, Some(expression::COUNTS)),
            (expression::COUNT, Some(expression::COUNTS_HELD)),
            (expression::CLAIM, Some(expression::IS_CLAIMABLE)),
            (expression::RECORD_HIT[0], Some(expression::IS_ASSESSED)),
            (expression::RECORD_HIT[1], Some(expression::IS_ASSESSED)),
            (expression::RECORD_HITS, Some(expression::IS_ASSESSED)),
            (expression::CONFIRM, Some(expression::IS_UNCONFIRMED)),
            (expression::SUPPRESS, Some(expression::IS_UNCONFIRMED)),
            (expression::ADMIT, Some(expression::IS_ADMITTED)),
            (expression::ANNOUNCE, Some(expression::IS_ANNOUNCER)),
            (expression::CLAIM_WORKLOAD, Some(expression::IS_CLAIMABLE)),
            (expression::CHECK_AGAIN, Some(expression::IS_SAME_FINDING)),
            (expression::LEASE_RESOLUTION, Some(expression::IS_RESOLVABLE)),
            (expression::CONFIRM_RESOLUTION, Some(expression::IS_RESOLUTION_LEASED)),
            (expression::RECORD_NEW_EPISODE, Some(expression::IS_NEW_EPISODE)),
            (expression::RECORD_EPISODE, Some(expression::IS_SAME_EPISODE)),
            (expression::RECORD_READ, Some(expression::IS_READABLE)),
            (expression::LEASE_ACCESS, Some(expression::IS_ACCESS_LEASABLE)),
            (expression::CONFIRM_ACCESS, Some(expression::IS_ACCESS_LEASED)),
            (expression::ADD_IGNORED, None),
        ] {
            assert_eq!(refusal(&client, update, condition).await, None, "{update} / {condition:?}");
        }
        for condition in
            [expression::IS_NEW, expression::IS_UNCHANGED, expression::IS_UNCHANGED_MUTED]
        {
            let update = expression::ANNOUNCE;
            assert_eq!(refusal(&client, update, Some(condition)).await, None, "{condition}");
        }
        let store = DynamoDbStore::new(client.clone(), "expressions");
        let now = denial_of(MONDAY, "any", "any").time();
        assert_eq!(store.due_episodes(now, 1).await.unwrap(), []);
        let week = Week::holding(MONDAY);
        assert_eq!(store.weekly_digest(week).await.unwrap(), WeeklyDigest::of(week));
        // Confirms that the emulator is strict.
        for wrong in ["ADD #version", "SET #version = :one ADD #version :one", "SET a = = :one"] {
            let code = refusal(&client, wrong, None).await;
            assert_eq!(code.as_deref(), Some("ValidationException"), "{wrong}");
        }
    });
}

/// Why the expressions are refused. A condition that does not hold is not a refusal.
async fn refusal(client: &Client, update: &str, condition: Option<&str>) -> Option<String> {
    let mut request = client
        .update_item()
        .table_name("expressions")
        .key("principal", AttributeValue::S("x".into()))
        .update_expression(update)
        .set_condition_expression(condition.map(str::to_owned));
    let text = format!("{update} {}", condition.unwrap_or_default());
    let words: BTreeSet<&str> =
        text.split(|c: char| !c.is_ascii_alphanumeric() && !"#:_".contains(c)).collect();
    for word in words {
        if let Some(name) = word.strip_prefix('#') {
            request = request.expression_attribute_names(word, name);
        } else if word.starts_with(':') {
            request = request.expression_attribute_values(word, value(word));
        }
    }
    let error = request.send().await.err()?;
    let code = error.code().unwrap_or("no answer").to_owned();
    (code != "ConditionalCheckFailedException").then_some(code)
}

/// A value of the type that an expression's placeholder has.
fn value(placeholder: &str) -> AttributeValue {
    let list = || AttributeValue::L(vec![encode::number(0)]);
    match placeholder {
        ":id" => AttributeValue::Bs(vec![Blob::new([0; 8])]),
        ":digest" => AttributeValue::B(Blob::new([0; 8])),
        ":secrets" => AttributeValue::Ns(vec!["1".into()]),
        ":done" => AttributeValue::Bool(true),
        ":evidence" | ":pending" | ":ending" | ":let_in" => AttributeValue::M(HashMap::new()),
        ":agenda" => AttributeValue::S("any".into()),
        ":noted" | ":alert_window" | ":hit_window" | ":alert_count" | ":told" => list(),
        _ => encode::number(1),
    }
}

#[test]
fn a_finding_left_behind_is_sent_by_the_next_delivery_and_once() {
    run(async {
        let client = table("pending").await;
        let mailbox = Mailbox::default();
        let refusing =
            Engine::new(DynamoDbStore::new(client.clone(), "pending"), Refusing, settings());
        let working =
            Engine::new(DynamoDbStore::new(client.clone(), "pending"), mailbox.clone(), settings());
        let at = |i: i64| denial_of(MONDAY + i, &format!("e{i}"), &format!("s{i}"));
        for i in 0..4 {
            refusing.handle(&Delivery::on_time(&at(i))).await.unwrap();
        }
        let fifth = at(4);
        refusing.handle(&Delivery::on_time(&fifth)).await.unwrap_err();
        let key = fifth.principal().key();
        let waiting = working.store().read(key).await.unwrap().unwrap().outbox.unwrap();

        // Within a minute another delivery leaves the finding to the one that claimed it.
        let soon = at(5);
        working.handle(&Delivery::on_time(&soon)).await.unwrap();
        assert!(mailbox.0.borrow().is_empty());
        // A repeated delivery of the same event sends it.
        working.handle(&Delivery { denial: &fifth, arrived: soon.time() }).await.unwrap();
        assert_eq!(mailbox.0.borrow()[..], [waiting.finding]);
        // Nothing is left to send.
        let later = at(70);
        working.handle(&Delivery::on_time(&later)).await.unwrap();
        assert_eq!(mailbox.0.borrow().len(), 1);
        assert_eq!(working.store().read(key).await.unwrap().unwrap().outbox, None);
    });
}

#[test]
fn a_second_finding_waits_until_the_first_is_sent_and_neither_is_lost() {
    run(async {
        let client = table("second").await;
        let mailbox = Mailbox::default();
        let store = || DynamoDbStore::new(client.clone(), "second");
        let refusing = Engine::new(store(), Refusing, settings());
        let working = Engine::new(store(), mailbox.clone(), settings());
        let at = |i: i64| denial_of(MONDAY + i / 10, &format!("e{i}"), &format!("s{i}"));
        let handle = async |i: i64| working.handle(&Delivery::on_time(&at(i))).await;
        for i in 0..5 {
            let _ = refusing.handle(&Delivery::on_time(&at(i))).await;
        }
        // The fifth delivery claimed a finding and is still sending it.
        let mut waiting = Vec::new();
        for i in 5..60 {
            if let Err(failed) = handle(i).await {
                assert!(matches!(failed.error, EngineError::Contended), "{failed:?}");
                waiting.push(i);
                break;
            }
        }
        assert!(mailbox.0.borrow().is_empty(), "no finding is sent while another process sends it");
        assert_eq!(waiting.len(), 1);
        handle(4).await.unwrap();
        handle(waiting[0]).await.unwrap();
        let sent = mailbox.0.borrow();
        let observed: Vec<u32> = sent.iter().map(|finding| finding.observed).collect();
        assert_eq!(observed, [5, 50]);
    });
}

#[test]
fn a_finding_that_nobody_sent_for_a_minute_is_taken_over() {
    run(async {
        let client = table("taken-over").await;
        let mailbox = Mailbox::default();
        let store = || DynamoDbStore::new(client.clone(), "taken-over");
        let refusing = Engine::new(store(), Refusing, settings());
        let working = Engine::new(store(), mailbox.clone(), settings());
        let at = |i: i64| denial_of(MONDAY + i, &format!("e{i}"), &format!("s{i}"));
        for i in 0..5 {
            let _ = refusing.handle(&Delivery::on_time(&at(i))).await;
        }
        let later = at(64);
        working.handle(&Delivery::on_time(&later)).await.unwrap();
        assert_eq!(mailbox.0.borrow().len(), 1);
    });
}

#[test]
fn the_storm_guard_counts_each_finding_once_however_often_it_is_tried() {
    run(async {
        let client = table("storm").await;
        let dynamodb = DynamoDbStore::new(client, "storm");
        let memory = MemoryStore::default();
        let now = denial_of(MONDAY, "any", "x").time();
        for (id, at, expected) in [
            ("a", MONDAY, Admission::Send),
            ("a", MONDAY, Admission::Send),
            ("b", MONDAY, Admission::Send),
            ("a", MONDAY, Admission::Send),
            ("c", MONDAY, Admission::AnnounceStorm),
            ("d", MONDAY, Admission::HoldBack),
            // The announcement failed and is retried.
            ("c", MONDAY, Admission::AnnounceStorm),
            ("b", MONDAY, Admission::Send),
            ("d", MONDAY + 3600, Admission::Send),
        ] {
            let outbox = waiting(id, at);
            assert_eq!(dynamodb.admit(&outbox, 2, now).await.unwrap(), expected, "{id}");
            assert_eq!(memory.admit(&outbox, 2, now).await.unwrap(), expected, "{id}");
        }
    });
}

#[test]
fn a_finding_that_waits_for_a_delivery_is_sent_even_in_a_saturated_window() {
    run(async {
        let client = table("saturated").await;
        let mailbox = Mailbox::default();
        let store = || DynamoDbStore::new(client.clone(), "saturated");
        let refusing = Engine::new(store(), Refusing, settings());
        let working = Engine::new(store(), mailbox.clone(), settings());
        let at = |i: i64| denial_of(MONDAY + i / 10, &format!("e{i}"), &format!("s{i}"));
        let sent = || mailbox.0.borrow().len();
        // An enumeration is reported at 5 secrets, at 50 denials and at 50 secrets. The last of
        // these stays unsent, and no further report is due below 500.
        let mut claimer = None;
        for i in 0..260 {
            let detector_refuses = sent() == 2 && claimer.is_none();
            let now = at(i).time();
            if detector_refuses {
                if refusing.handle(&Delivery { denial: &at(i), arrived: now }).await.is_err() {
                    claimer = Some(at(i));
                }
            } else {
                working.handle(&Delivery { denial: &at(i), arrived: now }).await.unwrap();
            }
        }
        assert_eq!(sent(), 2);
        let claimer = claimer.unwrap();
        let again =
            working.handle(&Delivery { denial: &claimer, arrived: at(260).time() }).await.unwrap();
        assert_eq!(
            (again.outcome, again.sent.dispositions.count(Disposition::Published)),
            (Outcome::Duplicate, 1)
        );
        assert_eq!(sent(), 3);
        // Further denials of the window cost no request.
        working.store().take_usage();
        let flood = working.handle(&Delivery::on_time(&at(261))).await.unwrap();
        assert_eq!(flood.outcome, Outcome::WindowFull);
        assert_eq!(working.store().take_usage().requests, 0);
    });
}

#[test]
fn a_flood_asks_once_in_five_seconds_whether_its_window_is_still_the_open_one() {
    run(async {
        let client = table("full").await;
        let store = || DynamoDbStore::new(client.clone(), "full");
        let flooded = Engine::new(store(), LeftToCaller, settings());
        let other = Engine::new(store(), LeftToCaller, settings());
        let start = denial_of(MONDAY, "any", "x").time();
        let second = SignedDuration::from_secs(1);
        let flood = async |from: i32, count: i32, arrival| {
            let mut outcome = None;
            for i in from..from + count {
                let denial = denial_of(MONDAY + 299, &format!("e{i}"), "prod/db");
                let handled = flooded.handle(&Delivery { denial: &denial, arrived: arrival }).await;
                outcome = Some(handled.unwrap().outcome);
            }
            (outcome.unwrap(), flooded.store().take_usage().requests)
        };
        flood(0, 256, start).await;
        assert_eq!(flood(300, 500, start + 4 * second).await, (Outcome::WindowFull, 0));
        assert_eq!(flood(900, 100, start + 5 * second).await, (Outcome::WindowFull, 1));
        // Another process opens the next window, and a late denial is counted in it.
        let next = denial_of(MONDAY + 300, "next", "prod/db");
        other.handle(&Delivery { denial: &next, arrived: start }).await.unwrap();
        assert_eq!(flood(1_100, 1, start + 9 * second).await, (Outcome::WindowFull, 0));
        assert_eq!(flood(1_200, 3, start + 10 * second).await, (Outcome::Counted, 4));
    });
}

/// A topic that refuses every message.
pub struct Refusing;

impl Sink for Refusing {
    type Error = &'static str;

    async fn publish(&self, _: &Finding) -> Result<Receipt, &'static str> {
        Err("refused")
    }

    async fn publish_weekly_digest(&self, _: &WeeklyDigest) -> Result<(), &'static str> {
        unreachable!("no weekly digest is sent")
    }

    async fn publish_storm(&self, _: &Finding, _: u32) -> Result<(), &'static str> {
        Err("refused")
    }
}
