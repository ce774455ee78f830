//! Access after denial: one alert that lists what was read, at no cost for other principals.

use rattle::alert::title::title;
use rattle::cloudtrail::{Delivery, Event, SecretRead};
use rattle::detection::finding::{Finding, Severity, Status};
use rattle::disposition::Disposition;
use rattle::engine::Engine;
use rattle::engine::reads::HandledRead;
use rattle::settings::{Mode, Settings};
use rattle::store::Outbox;
use rattle::store::dynamodb::DynamoDbStore;
use rattle::text::Text;
use rattle::weekly_digest::Week;
use serde_json::{Value, json};

use crate::dynamodb::{Mailbox, Refusing, run, settings};
use crate::episodes::{Function, at};
use crate::support::{MONDAY, denial_of, envelope, record};

/// A read by the role that the denials are about.
fn read(time: i64, id: &str, secret: &str) -> SecretRead {
    match Event::read(&event(time, id, secret).to_string(), true) {
        Ok(Event::Read(read)) => read,
        other => panic!("{other:?}"),
    }
}

fn event(time: i64, id: &str, secret: &str) -> Value {
    let mut record = record((MONDAY + time) as f64, id, &[secret.to_owned()]);
    let fields = record.as_object_mut().unwrap();
    fields.remove("errorCode");
    fields.remove("errorMessage");
    envelope(&record)
}

fn raised(handled: HandledRead) -> Option<Finding> {
    match handled {
        HandledRead::Raised(finding, _) => Some(*finding),
        HandledRead::Recorded | HandledRead::Unwatched => None,
    }
}

impl Function {
    async fn read(&self, time: i64, id: &str, secret: &str) -> HandledRead {
        self.engine.handle_read(&read(time, id, secret), at(time)).await.unwrap()
    }
}

#[test]
fn a_read_in_an_open_episode_is_told_once_and_its_end_lists_every_read() {
    run(async {
        let function = Function::new("let-in").await;
        function.enumerate(12).await;
        let before = function.published().len();
        let first = function.read(100, "r1", "prod/payments").await;
        let finding = raised(first).unwrap();
        assert_eq!(function.published()[before..], *std::slice::from_ref(&finding));
        assert_eq!((finding.status, finding.severity), (Status::Update, Severity::High));
        assert_eq!(title(&finding), "Denied on 12 secrets, then read 1 by role ci-deploy");
        let reads = finding.reads.as_ref().unwrap();
        assert_eq!((reads.denied, reads.first, reads.last), (12, MONDAY + 100, MONDAY + 100));
        assert_eq!(reads.secrets.iter().map(Text::as_str).collect::<Vec<_>>(), ["prod/payments"]);

        // The same event, another read and a finding of further denials do not change this alert.
        let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db-AbCdEf";
        for (id, secret) in [("r1", "prod/payments"), ("r2", arn), ("r3", "prod/payments")] {
            let again = function.read(110, id, secret).await;
            assert!(matches!(again, HandledRead::Recorded), "{id}: {again:?}");
        }
        for secret in 100..190 {
            function.deny(120, secret).await;
        }
        assert_eq!(raised(function.read(130, "r4", "prod/payments").await), None);
        let published = function.published();
        assert_eq!(published.iter().filter(|finding| finding.reads.is_some()).count(), 1);

        // An invocation that saw the episode before all of this reports nothing either.
        let store = function.engine.store();
        let episode = store.episode(finding.principal.principal.key()).await.unwrap();
        let stale = Outbox {
            finding: finding.clone(),
            owner: Some(read(100, "r1", "x").digest()),
            leased_at: MONDAY + 9_999,
        };
        assert!(!store.lease_access(&episode.unwrap(), &stale).await.unwrap());

        let resolved = function.close(3 * 3_600).await;
        let end = &resolved.resolutions[0];
        let reads = end.reads.as_ref().unwrap();
        let names: Vec<_> = reads.secrets.iter().map(Text::as_str).collect();
        assert_eq!((names, reads.last), (vec!["prod/db", "prod/payments"], MONDAY + 130));
        assert!(title(end).ends_with(", then read 2 by role ci-deploy"), "{}", title(end));
        assert_eq!(end.severity, Severity::High);

        // The episode is over, so later reads are not watched.
        assert!(matches!(
            function.read(3 * 3_600, "r5", "prod/payments").await,
            HandledRead::Unwatched
        ));
    });
}

#[test]
fn a_read_without_an_open_episode_costs_one_read_and_no_write() {
    run(async {
        let function = Function::new("no-episode").await;
        function.deny(0, 0).await;
        function.engine.store().take_usage();
        let handled = function.read(1, "r1", "prod/payments").await;
        assert!(matches!(handled, HandledRead::Unwatched));
        assert_eq!(function.engine.store().take_usage().requests, 1);
        let items = function.client.scan().table_name("no-episode").send().await.unwrap();
        assert_eq!(items.count(), 1, "only the item of the denial exists");
    });
}

#[test]
fn a_broken_workload_that_works_again_and_a_read_before_the_denials_are_no_news() {
    run(async {
        let function = Function::new("repaired").await;
        for i in 0..60 {
            let denial = denial_of(MONDAY + i, &format!("k{i}"), "prod/db");
            function.engine.handle(&Delivery::on_time(&denial)).await.unwrap();
        }
        assert_eq!(function.published()[0].severity, Severity::Low);
        assert!(matches!(function.read(100, "r1", "prod/db").await, HandledRead::Unwatched));

        let function = Function::new("read-before").await;
        function.deny(0, 0).await;
        for secret in 1..12 {
            function.deny(600, secret).await;
        }
        assert!(matches!(function.read(300, "r1", "secret-0").await, HandledRead::Unwatched));
        assert!(raised(function.read(700, "r2", "secret-0").await).is_some());
    });
}

#[test]
fn what_was_claimed_and_not_sent_is_sent_by_the_same_event_or_a_minute_later() {
    run(async {
        let function = Function::new("let-in-unsent").await;
        function.enumerate(12).await;
        let refusing = function.with_sink(Refusing);
        let first = read(100, "r1", "prod/payments");
        refusing.handle_read(&first, at(100)).await.unwrap_err();
        assert_eq!(
            raised(function.read(101, "r2", "prod/db").await),
            None,
            "another delivery has claimed it"
        );
        let sent = function.engine.handle_read(&first, at(102)).await.unwrap();
        let finding = raised(sent).unwrap();
        assert_eq!(
            finding.reads.unwrap().secrets.len(),
            1,
            "the alert has the content that was claimed"
        );
        assert_eq!(raised(function.read(300, "r3", "prod/db").await), None);

        let function = Function::new("let-in-left").await;
        function.enumerate(12).await;
        let refusing = function.with_sink(Refusing);
        refusing.handle_read(&first, at(100)).await.unwrap_err();
        assert!(raised(function.read(160, "r2", "prod/db").await).is_some());
    });
}

#[test]
fn many_reads_neither_grow_the_item_without_bound_nor_send_more_than_one_alert() {
    run(async {
        let function = Function::new("many-reads").await;
        function.enumerate(12).await;
        let before = function.published().len();
        for i in 0..300 {
            function.read(100, &format!("r{i}"), &format!("prod/{}/{i}", "x".repeat(400))).await;
        }
        assert_eq!(function.published().len(), before + 1);
        let reader = read(0, "x", "x").call.principal;
        let episode = function.engine.store().episode(reader.key()).await.unwrap().unwrap();
        assert_eq!(episode.reads.secrets.len(), 256);
        let item = function.client.scan().table_name("many-reads").send().await.unwrap();
        let largest = item.items().iter().map(crate::dynamodb::size).max().unwrap();
        assert!(largest < 32 << 10, "{largest}");
    });
}

#[test]
fn in_shadow_mode_it_is_recorded_only() {
    run(async {
        let function = Function::new("let-in-shadow").await;
        function.enumerate(12).await;
        let before = function.published().len();
        let shadow = Settings { mode: Mode::Shadow, weekly_digest: true, ..settings() };
        let store =
            DynamoDbStore::new(function.client.clone(), "let-in-shadow").with_weekly_digest(true);
        let shadow = Engine::new(store, Mailbox::default(), shadow);
        let handled = shadow.handle_read(&read(100, "r1", "prod/db"), at(100)).await.unwrap();
        let HandledRead::Raised(_, sent) = handled else { panic!("{handled:?}") };
        assert_eq!(sent.disposition, Disposition::Shadowed);
        assert_eq!(function.published().len(), before);
        let digest = shadow.store().weekly_digest(Week::holding(MONDAY)).await.unwrap();
        assert_eq!(digest.findings(Disposition::Shadowed), 1);
    });
}

#[test]
fn only_a_call_that_was_let_in_and_names_a_secret_is_a_read() {
    let good = event(0, "r1", "prod/db");
    let is_read =
        |event: &Value| matches!(Event::read(&event.to_string(), true), Ok(Event::Read(_)));
    assert!(is_read(&good));
    for (field, value) in [
        ("errorCode", json!("ThrottlingException")),
        ("errorMessage", json!("no")),
        ("eventName", json!("DescribeSecret")),
        ("eventSource", json!("kms.amazonaws.com")),
        ("requestParameters", json!(null)),
        ("requestParameters", json!({"secretId": " "})),
    ] {
        let mut other = good.clone();
        other["detail"][field] = value.clone();
        assert!(!is_read(&other), "{field} {value}");
    }
    for (field, value) in [("eventID", json!(null)), ("eventTime", json!("yesterday"))] {
        let mut broken = good.clone();
        broken["detail"][field] = value;
        assert!(Event::read(&broken.to_string(), true).is_err(), "{field}");
    }
}
