//! A caller's text, followed from its event to each subscriber and to the log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::dynamodb::run;
use crate::hostile_input::{HOSTILE, assert_body, assert_json, assert_subject};
use crate::local_aws::table;
use crate::support::{MONDAY, envelope, record};
use crate::topic::{Topic, at, function, raw};

/// The most that SNS accepts for a message, attributes included.
const MAX_MESSAGE_BYTES: usize = 256 << 10;
const MAX_ITEM_BYTES: usize = 16 << 10;

/// Stands for half of a surrogate pair, an escape that a string cannot hold.
const HALF_A_PAIR: &str = "HALF-A-PAIR";

/// Five denials of one principal, with `text` in every field that a caller can choose.
fn enumeration(number: usize, text: &str, is_federated: bool) -> Vec<String> {
    let event = |i: i64| {
        let mut record = record((MONDAY + i) as f64, &format!("e{number}-{i}"), &[]);
        let arn = format!("arn:aws:sts::111122223333:assumed-role/ci-deploy/{text}");
        record["errorMessage"] = json!(format!(
            "User: {arn} is not authorized to perform: secretsmanager:GetSecretValue on resource: \
             {i}{text} because no identity-based policy allows the secretsmanager:GetSecretValue action"
        ));
        let id = format!("AROAEXAMPLE{number}:{text}");
        record["userIdentity"]["principalId"] = json!(id);
        record["userIdentity"]["arn"] = json!(arn);
        record["userIdentity"]["sessionContext"]["sessionIssuer"]["principalId"] =
            json!(format!("AROAEXAMPLE{number}"));
        record["userAgent"] = json!(text);
        record["sourceIPAddress"] = json!(text);
        record["vpcEndpointId"] = json!(text);
        if is_federated {
            record["userIdentity"]["type"] = json!("FederatedUser");
            record["userIdentity"]["arn"] =
                json!(format!("arn:aws:sts::111122223333:federated-user/{text}"));
        }
        envelope(&record).to_string().replace(HALF_A_PAIR, r"\ud83d")
    };
    (0..5).map(event).collect()
}

#[test]
fn no_text_of_a_caller_breaks_what_any_subscriber_gets() {
    run(async {
        let client = table("hostile").await;
        let topic = Topic::default();
        let function = function(&client, "hostile", topic.sink());
        let mut texts: Vec<String> = HOSTILE.map(str::to_owned).into();
        texts.extend([
            format!("{HALF_A_PAIR}x{HALF_A_PAIR}"),
            "x".repeat(4 << 10),
            "\n".repeat(4 << 10) + ".",
            "\u{202e}\u{1b}]8;;https://evil.example\u{7}".repeat(100),
        ]);
        for (i, text) in texts.iter().enumerate() {
            for is_federated in [false, true] {
                let number = 2 * i + usize::from(is_federated);
                for event in enumeration(number, text, is_federated) {
                    function.handle(&raw(&event), at(MONDAY + 10)).await.unwrap();
                }
                let [message] = &topic.take()[..] else { panic!("{text:?} was not reported once") };
                assert_message(message);
            }
        }
        let items = client.scan().table_name("hostile").send().await.unwrap().items.unwrap();
        let principals: Vec<_> = items.iter().filter(|item| item.contains_key("n_1d")).collect();
        assert_eq!(principals.len(), 2 * texts.len());
        for item in principals {
            assert!(crate::dynamodb::size(item) < MAX_ITEM_BYTES, "{item:?}");
            assert_eq!(item["n_1d"].as_n().unwrap(), "5", "{item:?}");
        }
    });
}

/// The form that SNS and each subscriber require.
fn assert_message(message: &BTreeMap<String, String>) {
    let bytes: usize = message.values().map(String::len).sum();
    assert!(bytes < MAX_MESSAGE_BYTES, "{bytes} bytes");
    assert_subject(&message["Subject"]);
    assert!(message["Subject"].contains("5 denied reads of 5 secrets"), "{message:?}");

    let bodies: BTreeMap<String, String> = serde_json::from_str(&message["Message"]).unwrap();
    let protocols: BTreeSet<&str> = bodies.keys().map(String::as_str).collect();
    assert!(protocols.is_superset(&["default", "email", "sms", "https"].into()), "{protocols:?}");
    assert_body(&bodies["email"]);
    assert_body(&bodies["default"]);
    assert!(bodies["sms"].len() <= 140 && bodies["sms"].is_ascii(), "{}", bodies["sms"]);
    assert_subject(&bodies["sms"][..bodies["sms"].len().min(99)]);
    for protocol in ["https", "http", "sqs", "lambda"] {
        assert_json(&bodies[protocol]);
    }

    let attributes = message.iter().filter_map(|(name, value)| {
        let entry = name.strip_prefix("MessageAttributes.entry.")?;
        entry.ends_with(".Value.StringValue").then_some(value)
    });
    let mut count = 0;
    for value in attributes {
        count += 1;
        assert!((1..=256).contains(&value.len()), "{value:?}");
        assert!(value.bytes().all(|b| (b' '..=b'~').contains(&b)), "{value:?}");
    }
    assert!(count >= 6, "{message:?}");
}

/// Collects everything that this crate logs, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("rattle")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        attributes.record(&mut Line(&mut self.0.lock().unwrap()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Line(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Line(&mut self.0.lock().unwrap()));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = writeln!(self.0, "{field}: {value:?}");
    }
}

#[test]
fn the_library_logs_no_event_no_key_and_no_message_at_any_level() {
    const MARK: &str = "xMARKx";
    let log = Log::default();
    // Installed for all threads: with a logger for one thread, a message that another thread logs
    // first would be missed.
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    run(async {
        let client = table("logged").await;
        let topic = Topic::default();
        let function = function(&client, "logged", topic.sink());
        let now: Timestamp = at(MONDAY + 10);
        let marked = |i: i64| -> Value {
            let mut record =
                record((MONDAY + i) as f64, &format!("e{i}"), &[format!("{MARK}-{i}")]);
            for field in ["userAgent", "sourceIPAddress", "requestID", "vpcEndpointId"] {
                record[field] = json!(MARK);
            }
            record["userIdentity"]["accessKeyId"] = json!(format!("ASIA{MARK}"));
            envelope(&record)
        };
        for i in 0..8 {
            function.handle(&raw(&marked(i).to_string()), now).await.unwrap();
        }
        let mut nameless = marked(8);
        nameless["detail"]["eventID"] = json!(null);
        for rejected in [nameless, json!(MARK), json!({"source": "x", "detail": MARK})] {
            function.handle(&raw(&rejected.to_string()), now).await.unwrap_err();
        }
        assert_eq!(topic.take().len(), 1);
    });
    let written = log.0.lock().unwrap();
    assert!(written.contains("denied reads of") && written.contains("RejectedEvent"), "{written}");
    for text in [MARK, "unused", "WHAT TO DO", "not authorized"] {
        assert!(!written.contains(text), "{text}: {written}");
    }
}
