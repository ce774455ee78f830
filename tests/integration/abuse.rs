//! What an attacker may try who writes part of each event and has unlimited calls, sessions and
//! principals.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use rattle::alert::email::Email;
use rattle::alert::{Deployment, storm};
use rattle::cloudtrail::Delivery;
use rattle::cloudtrail::envelope::{Event, Rejection, Task};
use rattle::detection::Outcome;
use rattle::detection::finding::Finding;
use rattle::disposition::Disposition;
use rattle::engine::Engine;
use rattle::lambda::Failure;
use rattle::settings::Settings;
use rattle::sink::{LeftToCaller, Receipt, Sink};
use rattle::store::dynamodb::DynamoDbStore;
use rattle::store::dynamodb::{decode, encode, expression, item};
use rattle::store::memory::MemoryStore;
use rattle::store::{Outbox, Store as _, storm_key};
use rattle::text::Text;
use rattle::weekly_digest::WeeklyDigest;
use serde_json::{Value, json};

use crate::dynamodb::{run, settings};
use crate::hostile_input::{assert_body, assert_subject};
use crate::local_aws::table;
use crate::loopback::serve;
use crate::stored_finding::waiting_finding;
use crate::support::{MONDAY, envelope, parse, record, waiting};
use crate::topic::{Topic, at, environment, function, raw};

const MAX_ITEM_BYTES: usize = 16 << 10;
const RETENTION_SECONDS: i64 = 90 * 86_400;

async fn scan(client: &Client, table: &str) -> Vec<item::Item> {
    client.scan().table_name(table).send().await.unwrap().items.unwrap()
}

async fn get(client: &Client, table: &str, key: &str) -> Option<item::Item> {
    let key = AttributeValue::S(key.to_owned());
    client.get_item().table_name(table).key("principal", key).send().await.unwrap().item
}

fn number(item: &item::Item, name: &str) -> i64 {
    item[name].as_n().unwrap().parse().unwrap()
}

// ---- sessions and principals ---------------------------------------------------------

#[test]
fn ten_thousand_fresh_session_names_of_a_role_are_one_baseline() {
    run(async {
        let engine = Engine::new(MemoryStore::default(), LeftToCaller, settings());
        let mut keys = BTreeSet::new();
        for i in 0..10_000_i64 {
            let session = match i % 3 {
                0 => format!("botocore-session-{}", 1_767_571_200 + i),
                1 => format!("i-{:017x}", i * 7_919),
                _ => format!("\u{202e}{i}\n{}", "x".repeat(60)),
            };
            let mut record = record((MONDAY + i) as f64, &format!("e{i}"), &["prod/db".to_owned()]);
            record["userIdentity"]["principalId"] =
                json!(format!("AROAEXAMPLECIDEPLOY01:{session}"));
            record["userIdentity"]["arn"] =
                json!(format!("arn:aws:sts::111122223333:assumed-role/ci-deploy/{session}"));
            let denial = parse(&record).unwrap().unwrap();
            let handled = engine.handle(&Delivery::on_time(&denial)).await.unwrap();
            let finding = handled.finding.iter();
            keys.extend(finding.map(|finding| finding.principal.principal.key().to_string()));
        }
        assert_eq!(engine.store().len(), 1);
        let key = Text::new("111122223333#AROAEXAMPLECIDEPLOY01", 256);
        assert_eq!(keys, BTreeSet::from([key.to_string()]), "all findings name the role");
        let stored = engine.store().stored(&key).unwrap();
        // 33 full windows of 300 seconds with 256 denials each, and the window that is open.
        assert_eq!(stored.state.denials[2], 33 * 256 + 100);
        assert!(crate::dynamodb::size(&encode::encode(&stored)) <= MAX_ITEM_BYTES);
    });
}

/// A table that knows no principal and records only what was wrong with an item.
fn forgetful_table(faults: &Arc<Mutex<Vec<String>>>, puts: &Arc<Mutex<u32>>) -> Client {
    let (faults, puts) = (Arc::clone(faults), Arc::clone(puts));
    let endpoint = serve(move |body| {
        let request: Value = serde_json::from_str(body).unwrap();
        let Some(item) = request.get("Item") else {
            let refused = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
            return (400, json!({"__type": refused}).to_string());
        };
        *puts.lock().unwrap() += 1;
        let expires_at = item["expires_at"]["N"].as_str().and_then(|n| n.parse::<i64>().ok());
        if !expires_at.is_some_and(|at| (MONDAY..=MONDAY + RETENTION_SECONDS).contains(&at)) {
            faults.lock().unwrap().push(item.to_string());
        }
        (200, "{}".to_owned())
    });
    environment(&endpoint).dynamodb()
}

#[test]
fn any_number_of_principals_leave_items_that_expire_and_a_small_process() {
    // Many times the number of states that a process holds.
    const PRINCIPALS: u32 = 20_000;
    let (faults, puts) = (Arc::default(), Arc::default());
    run(async {
        let store = DynamoDbStore::new(forgetful_table(&faults, &puts), "forgetful");
        let engine = Engine::new(store, LeftToCaller, settings());
        let mut most = 0;
        for i in 0..PRINCIPALS {
            let denial = denial_by(&format!("AIDAEXAMPLE{i}"), i64::from(i % 300), "prod/db");
            let handled = engine.handle(&Delivery::on_time(&denial)).await;
            assert_eq!(handled.unwrap().outcome, Outcome::Counted);
            if i % 1_000 == 499 {
                most = most.max(held_states(engine.store()));
            }
        }
        assert!((1..=512).contains(&most), "{most} states are held");
    });
    assert_eq!(*puts.lock().unwrap(), PRINCIPALS, "one item for each principal");
    assert!(faults.lock().unwrap().is_empty(), "without expiry: {:?}", faults.lock().unwrap());
}

/// The number of states that a store holds, taken from its debug form, which shows all of them.
fn held_states(store: &DynamoDbStore) -> usize {
    format!("{store:?}").matches("PrincipalState {").count()
}

/// A denial of an IAM user.
fn denial_by(id: &str, second: i64, secret: &str) -> rattle::cloudtrail::Denial {
    let event_id = format!("{id}-{second}-{secret}");
    let mut record = record((MONDAY + second) as f64, &event_id, &[secret.to_owned()]);
    record["userIdentity"] = json!({
        "type": "IAMUser",
        "principalId": id,
        "arn": format!("arn:aws:iam::111122223333:user/{id}"),
        "userName": id,
    });
    parse(&record).unwrap().unwrap()
}

/// Counts the messages that are sent.
#[derive(Clone, Default)]
struct Counting {
    alerts: Rc<Cell<u32>>,
    storms: Rc<Cell<u32>>,
}

impl Sink for Counting {
    type Error = Infallible;

    async fn publish(&self, _: &Finding) -> Result<Receipt, Infallible> {
        self.alerts.set(self.alerts.get() + 1);
        Ok(Receipt::default())
    }

    async fn publish_weekly_digest(&self, _: &WeeklyDigest) -> Result<(), Infallible> {
        unreachable!("no weekly digest is sent")
    }

    async fn publish_storm(&self, finding: &Finding, limit: u32) -> Result<(), Infallible> {
        assert_subject(&storm::email(finding, limit, &Deployment::default()).subject);
        self.storms.set(self.storms.get() + 1);
        Ok(())
    }
}

#[test]
fn a_hundred_thousand_enumerations_send_the_hours_limit_and_one_word_about_the_rest() {
    const PRINCIPALS: u32 = 100_000;
    run(async {
        let sent = Counting::default();
        let engine = Engine::new(MemoryStore::default(), sent.clone(), settings());
        let secrets: Vec<String> = (0..5).map(|i| format!("s{i}")).collect();
        let (mut findings, mut held_back) = (0, 0);
        for i in 0..PRINCIPALS {
            // One batch call is enough for a finding.
            let mut record =
                record((MONDAY + i64::from(i % 300)) as f64, &format!("e{i}"), &secrets);
            record["userIdentity"] = json!({"type": "IAMUser", "principalId": format!("AIDA{i}")});
            let denial = parse(&record).unwrap().unwrap();
            let handled = engine.handle(&Delivery::on_time(&denial)).await.unwrap();
            findings += u32::from(handled.finding.is_some());
            held_back += handled.sent.dispositions.count(Disposition::RateLimited);
        }
        let limit = settings().max_alerts_per_hour;
        assert_eq!((findings, engine.store().len()), (PRINCIPALS, PRINCIPALS as usize));
        assert_eq!((sent.alerts.get(), sent.storms.get()), (limit, 1));
        assert_eq!(held_back, PRINCIPALS - limit, "each finding is recorded");
    });
}

#[test]
fn every_item_of_the_table_expires() {
    run(async {
        let client = table("expires").await;
        let settings = Settings { max_alerts_per_hour: 1, weekly_digest: true, ..settings() };
        let store = DynamoDbStore::new(client.clone(), "expires").with_weekly_digest(true);
        let engine = Engine::new(store, LeftToCaller, settings);
        // Every kind of write: an item is created, counted in and rolled; a finding is claimed,
        // confirmed and held back; a hit is recorded; the hour's alerts are counted and a storm is
        // announced; an episode is recorded; and the weekly digest lists what was held back and
        // ignored.
        for principal in ["AIDAEXAMPLE1", "AIDAEXAMPLE2", "AIDAEXAMPLE3"] {
            for i in 0..12 {
                let denial = denial_by(principal, i * 60, &format!("s{i}"));
                engine.handle(&Delivery::on_time(&denial)).await.unwrap();
            }
        }
        engine.store().add_ignored("*", 1, MONDAY).await.unwrap();
        let items = scan(&client, "expires").await;
        assert_eq!(items.len(), 3 + 1 + 1 + 2 + 1);
        assert!(items.iter().any(|item| item.contains_key("storm")));
        for item in items {
            let expires_at = number(&item, "expires_at");
            assert!((MONDAY..=MONDAY + 3600 + RETENTION_SECONDS).contains(&expires_at), "{item:?}");
        }
    });
}

#[test]
fn no_update_makes_an_item_that_never_expires() {
    for (update, condition) in [
        (expression::COUNT, expression::COUNTS),
        (expression::COUNT_SECRETS, expression::COUNTS),
        (expression::CLAIM, expression::IS_CLAIMABLE),
        (expression::RECORD_HIT[0], expression::IS_ASSESSED),
        (expression::RECORD_HIT[1], expression::IS_ASSESSED),
        (expression::RECORD_HITS, expression::IS_ASSESSED),
        (expression::CONFIRM, expression::IS_UNCONFIRMED),
        (expression::SUPPRESS, expression::IS_UNCONFIRMED),
        (expression::ADMIT, expression::IS_ADMITTED),
        (expression::ANNOUNCE, expression::IS_ANNOUNCER),
        (expression::RECORD_NEW_EPISODE, expression::IS_NEW_EPISODE),
        (expression::RECORD_EPISODE, expression::IS_SAME_EPISODE),
        (expression::RECORD_READ, expression::IS_READABLE),
        (expression::LEASE_ACCESS, expression::IS_ACCESS_LEASABLE),
        (expression::CONFIRM_ACCESS, expression::IS_ACCESS_LEASED),
        (expression::CHECK_AGAIN, expression::IS_SAME_FINDING),
        (expression::LEASE_RESOLUTION, expression::IS_RESOLVABLE),
        (expression::CONFIRM_RESOLUTION, expression::IS_RESOLUTION_LEASED),
        (expression::ADD_IGNORED, "attribute_not_exists, or not"),
    ] {
        // Any other condition names a value that an attribute must have, which requires an item.
        let holds_without_item = condition.starts_with("attribute_not_exists");
        assert!(!holds_without_item || update.contains("expires_at = :expires_at"), "{update}");
    }
}

#[test]
fn an_item_changed_by_hand_is_named_as_damaged_or_can_be_shown() {
    run(async {
        let engine = Engine::new(MemoryStore::default(), LeftToCaller, settings());
        let secrets: Vec<String> = (0..5).map(|i| format!("s{i}")).collect();
        let denial = parse(&record(MONDAY as f64, "e", &secrets)).unwrap().unwrap();
        let handled = engine.handle(&Delivery::on_time(&denial)).await.unwrap();
        let finding = handled.finding.unwrap();
        let mut original = engine.store().stored(denial.principal().key()).unwrap();
        original.outbox = Some(Outbox {
            finding: finding.clone(),
            owner: Some(denial.digest()),
            leased_at: MONDAY,
        });
        let good = encode::encode(&original);
        assert_eq!(decode::decode(&good).unwrap(), original);

        // A window outside the times of events would overflow in every calculation.
        for (attribute, index) in [
            ("window", i64::MAX),
            ("window", -1),
            ("first_window", i64::MIN),
            ("window", 13_674_817),
        ] {
            let mut damaged = good.clone();
            damaged.insert(attribute.to_owned(), encode::number(index));
            let corrupt = decode::decode(&damaged).unwrap_err();
            assert_eq!((corrupt.attribute, corrupt.what), (attribute, "is out of range"));
        }
        // The waiting finding is sent as it was stored.
        let stored: Value = serde_json::from_str(waiting_finding(&good)).unwrap();
        let waiting = |pointer: &str, value: &str| {
            let mut changed = stored.clone();
            *changed.pointer_mut(pointer).unwrap() = json!(value);
            let mut item = good.clone();
            let AttributeValue::M(pending) = item.get_mut("pending").unwrap() else { panic!() };
            pending.insert("finding".to_owned(), AttributeValue::S(changed.to_string()));
            decode::decode(&item)
        };
        for value in ["all clear\r\nBcc: victim@example.com", "\u{1b}[2J", &"x".repeat(513)] {
            let corrupt = waiting("/id", value).unwrap_err();
            assert_eq!(corrupt.what, "holds a finding that cannot be read");
            for line in ["/title", "/explanation"] {
                assert_eq!(waiting(line, value).unwrap(), original, "{line} is not read");
            }
        }
        for text in ["/principal/principal/name", "/principal/session", "/evidence/0/secret"] {
            let read = waiting(text, &"x\n".repeat(4 << 10)).unwrap();
            assert_body(&Email::about(&read.outbox.unwrap().finding, &Deployment::default()).body);
        }
    });
}

// ---- times ---------------------------------------------------------------------------

#[test]
fn an_event_of_tomorrow_or_of_years_ago_moves_no_window() {
    run(async {
        let client = table("times").await;
        let topic = Topic::default();
        let function = function(&client, "times", topic.sink());
        let now = MONDAY + 1_000;
        let event = |second: i64, id: &str| {
            raw(&envelope(&record(second as f64, id, &[format!("s-{id}")])).to_string())
        };
        function.handle(&event(now, "now"), at(now)).await.unwrap();
        let key = "111122223333#AROAEXAMPLECIDEPLOY01";
        let before = get(&client, "times", key).await.unwrap();

        for ahead in [901, 86_400, 50 * 365 * 86_400] {
            let rejected = function.handle(&event(now + ahead, "ahead"), at(now)).await;
            let Err(Failure::Rejected(Rejection::Future(_))) = rejected else {
                panic!("{ahead} s ahead: {rejected:?}");
            };
            assert_eq!(get(&client, "times", key).await.unwrap(), before, "{ahead} s ahead");
        }
        for (i, behind) in [86_400, 400 * 86_400, 12 * 365 * 86_400].into_iter().enumerate() {
            function.handle(&event(now - behind, &format!("old{i}")), at(now)).await.unwrap();
            let after = get(&client, "times", key).await.unwrap();
            for name in ["window", "first_window", "n_5m", "base", "expires_at"] {
                assert_eq!(after[name], before[name], "{name}, {behind} s behind");
            }
            assert_eq!(
                number(&after, "n_1d"),
                2 + i64::try_from(i).unwrap(),
                "the denial counts as late"
            );
        }
        assert!(topic.take().is_empty());
    });
}

#[test]
fn a_principal_first_seen_in_an_event_of_years_ago_gets_no_history_from_it() {
    run(async {
        let client = table("ancient").await;
        let engine =
            Engine::new(DynamoDbStore::new(client.clone(), "ancient"), LeftToCaller, settings());
        let now = at(MONDAY);
        for (i, years) in [12, 5, 1, 0].into_iter().enumerate() {
            let denial = denial_by("AIDAEXAMPLE", -years * 365 * 86_400, &format!("s{i}"));
            let handled = engine.handle(&Delivery { denial: &denial, arrived: now }).await.unwrap();
            assert_eq!((handled.outcome, handled.finding), (Outcome::Counted, None));
        }
        let item = get(&client, "ancient", "111122223333#AIDAEXAMPLE").await.unwrap();
        assert_eq!(number(&item, "first_window"), MONDAY / 300);
        assert_eq!(number(&item, "n_1d"), 1);
    });
}

// ---- floods --------------------------------------------------------------------------

#[test]
fn a_flood_of_one_principal_stops_writing_at_the_cap() {
    run(async {
        let client = table("one-flood").await;
        let engine =
            Engine::new(DynamoDbStore::new(client.clone(), "one-flood"), LeftToCaller, settings());
        let key = "111122223333#AIDAFLOOD";
        let mut writes = 0;
        for i in 0..2_000 {
            let denial = denial_by("AIDAFLOOD", i / 20, &format!("s{i}"));
            engine.handle(&Delivery::on_time(&denial)).await.unwrap();
            if i == 400 {
                writes = number(&get(&client, "one-flood", key).await.unwrap(), "version");
            }
        }
        let item = get(&client, "one-flood", key).await.unwrap();
        assert_eq!(number(&item, "n_1d"), 256);
        assert_eq!(number(&item, "version"), writes, "nothing is written beyond the cap");
        // Each denial up to the cap, and claim and confirmation of the few findings.
        assert!((256..=256 + 10).contains(&writes), "{writes} writes");
    });
}

// ---- names ---------------------------------------------------------------------------

/// Identities of every kind, whose every field is this text.
fn named(text: &str) -> Vec<Value> {
    let types = [
        "AssumedRole",
        "IAMUser",
        "Root",
        "FederatedUser",
        "AWSAccount",
        "AWSService",
        "IdentityCenterUser",
        "Unknown",
        text,
    ];
    let identity = |kind: &str| {
        json!({
            "type": kind,
            "principalId": text,
            "arn": text,
            "userName": text,
            "invokedBy": text,
            "sessionContext": {"sessionIssuer": {"principalId": text, "arn": text, "userName": text}},
            "onBehalfOf": {"userId": text, "identityStoreArn": text},
        })
    };
    types.into_iter().map(identity).collect()
}

#[test]
fn a_principal_named_like_an_internal_key_cannot_touch_it() {
    run(async {
        let client = table("internal").await;
        let store = DynamoDbStore::new(client.clone(), "internal");
        let engine = Engine::new(store, LeftToCaller, settings());
        let now = at(MONDAY);
        let internal = storm_key(MONDAY);
        let outbox = waiting("a finding", MONDAY);
        engine.store().admit(&outbox, 60, now).await.unwrap();
        let before = get(&client, "internal", internal.as_str()).await.unwrap();
        let mut delivered = 0;
        for text in [internal.as_str(), "#storm#", &format!("\u{0}{internal}"), "unknown#storm#1"] {
            for (i, identity) in named(text).into_iter().enumerate() {
                for account in [json!("111122223333"), json!(null), json!("")] {
                    let mut record = record(MONDAY as f64, &format!("{text}{i}"), &[]);
                    record["eventID"] = json!(format!("e{delivered}"));
                    record["userIdentity"] = identity.clone();
                    record["recipientAccountId"] = account;
                    let denial = parse(&record).unwrap().unwrap();
                    let key = denial.principal().key().as_str();
                    assert!(
                        key.starts_with("111122223333#") || key.starts_with("unknown#"),
                        "{key} does not begin with its account"
                    );
                    engine.handle(&Delivery { denial: &denial, arrived: now }).await.unwrap();
                    delivered += 1;
                }
            }
            // Text that is no account id is not used as one.
            let mut record = record(MONDAY as f64, "e", &[]);
            record["recipientAccountId"] = json!(text);
            assert!(parse(&record).is_err());
        }
        assert_eq!(get(&client, "internal", internal.as_str()).await.unwrap(), before);
    });
}

// ---- source addresses ----------------------------------------------------------------

#[test]
fn an_event_of_another_account_counts_for_that_account_alone_and_says_so() {
    run(async {
        let client = table("accounts").await;
        let topic = Topic::default();
        let function = function(&client, "accounts", topic.sink());
        let now = MONDAY + 10;
        let event = |account: &str, i: i64| {
            let mut record =
                record((MONDAY + i) as f64, &format!("{account}-{i}"), &[format!("s{i}")]);
            record["recipientAccountId"] = json!(account);
            raw(&envelope(&record).to_string())
        };
        function.handle(&event("111122223333", 0), at(now)).await.unwrap();
        for i in 0..5 {
            function.handle(&event("444455556666", i), at(now)).await.unwrap();
        }
        let own = get(&client, "accounts", "111122223333#AROAEXAMPLECIDEPLOY01").await.unwrap();
        let other = get(&client, "accounts", "444455556666#AROAEXAMPLECIDEPLOY01").await.unwrap();
        assert_eq!((number(&own, "n_1d"), number(&other, "n_1d")), (1, 5));
        let [message] = &topic.take()[..] else { panic!("expected one alert") };
        let bodies: BTreeMap<String, String> = serde_json::from_str(&message["Message"]).unwrap();
        let finding: Value = serde_json::from_str(&bodies["sqs"]).unwrap();
        assert_eq!(finding["account"], "444455556666");
        assert!(bodies["email"].contains("account 444455556666"), "{}", bodies["email"]);
    });
}

#[test]
fn an_event_from_elsewhere_is_rejected_and_one_about_something_else_is_ignored() {
    run(async {
        let client = table("elsewhere").await;
        let topic = Topic::default();
        let function = function(&client, "elsewhere", topic.sink());
        let now = at(MONDAY);
        let denial = envelope(&record(MONDAY as f64, "e", &["prod/db".to_owned()]));
        for (field, value) in [("source", "custom.app"), ("source", "aws.s3"), ("source", "")] {
            let mut event = denial.clone();
            event[field] = json!(value);
            let rejected = function.handle(&raw(&event.to_string()), now).await;
            let Err(Failure::Rejected(_)) = rejected else { panic!("{value}: {rejected:?}") };
        }
        for (pointer, value) in [
            ("/detail-type", "Scheduled Event"),
            ("/detail/eventSource", "ssm.amazonaws.com"),
            ("/detail/eventName", "ListSecrets"),
            ("/detail/errorCode", "ResourceNotFoundException"),
        ] {
            let mut event = denial.clone();
            *event.pointer_mut(pointer).unwrap() = json!(value);
            function.handle(&raw(&event.to_string()), now).await.unwrap();
        }
        assert_eq!(scan(&client, "elsewhere").await, []);
        function.handle(&raw(&denial.to_string()), now).await.unwrap();
        assert_eq!(
            scan(&client, "elsewhere").await.len(),
            1,
            "without the change the same event is counted"
        );
    });
}

#[test]
fn a_task_is_known_by_its_name_and_a_mistyped_one_is_told_so() {
    let read = |event: &str| rattle::lambda::read_event(&raw(event), false);
    let known = [
        (r#"{"task":"close-episodes"}"#, Task::ResolveEpisodes {}),
        (r#" {"task": "send-digest"}"#, Task::SendWeeklyDigest {}),
    ];
    for (event, task) in known {
        assert_eq!(read(event), Ok(Event::Task(task)), "{event}");
    }
    for (event, said) in [
        (
            r#"{"task":"close-episode"}"#,
            "its task cannot be read: unknown variant `close-episode`, expected `close-episodes` or \
             `send-digest`",
        ),
        (
            r#"{"task":"send-digest","week":1}"#,
            "its task cannot be read: unknown field `week`, there are no fields",
        ),
        (r#"["close-episodes"]"#, "it is no EventBridge event"),
        ("{}", "it is no EventBridge event"),
        (r#"{"task":"send-digest","source":"aws.events"}"#, "it is no EventBridge event"),
    ] {
        assert_eq!(read(event).unwrap_err().to_string(), said, "{event}");
    }
}

#[test]
fn a_record_that_says_a_field_twice_is_rejected_for_its_record_and_not_for_its_envelope() {
    let event = envelope(&record(MONDAY as f64, "e", &["prod/db".to_owned()])).to_string();
    let twice = event.replacen("\"detail\":{", "\"detail\":{\"eventID\":\"other\",", 1);
    let rejected = rattle::lambda::read_event(&raw(&twice), false).unwrap_err();
    assert!(rejected.to_string().starts_with("not valid JSON: duplicate field"), "{rejected}");
    let elsewhere = twice.replace("aws.secretsmanager", "custom.app");
    let rejected = rattle::lambda::read_event(&raw(&elsewhere), false).unwrap_err();
    assert!(rejected.to_string().starts_with("its source is"), "{rejected}");
}
