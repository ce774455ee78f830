//! Resolutions: an episode is resolved once, after it was quiet for long enough.

use std::convert::Infallible;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use rattle::alert::title::title;
use rattle::cloudtrail::Delivery;
use rattle::detection::Policy;
use rattle::detection::finding::{EpisodeSummary, Finding, Severity, Status};
use rattle::disposition::Disposition;
use rattle::engine::Engine;
use rattle::engine::resolve::Resolved;
use rattle::sink::Sink;
use rattle::store::Outbox;
use rattle::store::dynamodb::DynamoDbStore;
use rattle::store::dynamodb::episodes::OpenEpisode;

use crate::dynamodb::{Mailbox, Refusing, run, settings};
use crate::local_aws::table;
use crate::support::{MONDAY, denial_of};

const MINUTE: i64 = 60;
const LONG: Duration = Duration::from_secs(20);
/// When an enumeration in the first window is over for certain: 60 quiet minutes after that window,
/// and 20 more for late events.
const OVER: i64 = (5 + 60 + 20) * MINUTE;

/// The function as several processes that share one table and one mailbox.
pub struct Function {
    pub client: Client,
    table: &'static str,
    mailbox: Mailbox,
    pub engine: Engine<DynamoDbStore, Mailbox>,
}

impl Function {
    pub async fn new(table_name: &'static str) -> Self {
        let client = table(table_name).await;
        let mailbox = Mailbox::default();
        let store = DynamoDbStore::new(client.clone(), table_name);
        let engine = Engine::new(store, mailbox.clone(), settings());
        Self { client, table: table_name, mailbox, engine }
    }

    pub fn with_sink<P: Sink>(&self, sink: P) -> Engine<DynamoDbStore, P> {
        Engine::new(DynamoDbStore::new(self.client.clone(), self.table), sink, settings())
    }

    /// A denial `time` seconds after the start, for the secret with this number.
    pub async fn deny(&self, time: i64, secret: u32) {
        let denial =
            denial_of(MONDAY + time, &format!("e{time}-{secret}"), &format!("secret-{secret}"));
        self.engine.handle(&Delivery::on_time(&denial)).await.unwrap();
    }

    pub async fn enumerate(&self, secrets: u32) {
        for secret in 0..secrets {
            self.deny(i64::from(secret), secret).await;
        }
    }

    pub async fn close(&self, time: i64) -> Resolved<Infallible> {
        let resolved = self.engine.resolve_episodes(at(time), LONG).await;
        assert!(resolved.error.is_none(), "{resolved:?}");
        resolved
    }

    async fn due(&self, time: i64) -> Vec<OpenEpisode> {
        let due = self.engine.store().due_episodes(at(time), 100).await.unwrap();
        due.into_iter().map(Result::unwrap).collect()
    }

    pub fn published(&self) -> Vec<Finding> {
        self.mailbox.0.borrow().clone()
    }

    async fn remove(&self, key: &str) {
        let key = AttributeValue::S(key.to_owned());
        let delete = self.client.delete_item().table_name(self.table).key("principal", key);
        delete.send().await.unwrap();
    }
}

pub fn at(time: i64) -> Timestamp {
    Timestamp::from_second(MONDAY + time).unwrap()
}

#[test]
fn the_end_of_an_episode_is_told_once_when_it_was_quiet_for_long_enough() {
    run(async {
        let function = Function::new("quiet").await;
        function.enumerate(12).await;
        let before = function.published().len();
        assert!(before > 0);
        // No episode is due in the first quarter of an hour.
        assert_eq!(function.due(14 * MINUTE).await, []);
        for time in [15 * MINUTE, 60 * MINUTE, OVER - 1] {
            assert_eq!(function.close(time).await.resolutions, []);
        }
        // The episode was postponed once, to the earliest time at which it can be over.
        assert_eq!(function.due(OVER - 1).await, []);
        let closed = function.close(OVER).await;
        let [end] = &closed.resolutions[..] else { panic!("{closed:?}") };
        assert_eq!(closed.sent.dispositions.count(Disposition::Published), 1);
        assert_eq!(function.published().last(), Some(end));
        let last = &function.published()[before - 1];
        assert_eq!((end.status, &end.episode), (Status::Resolved, &last.episode));
        assert_ne!(end.id, last.id);
        assert_eq!(
            end.totals,
            Some(EpisodeSummary {
                severity: Severity::Medium,
                denials: 12,
                secrets: 12,
                first_denial: MONDAY,
                last_denial: MONDAY + 11,
            })
        );
        assert_eq!(title(end), "Over: 12 denied reads of 12 secrets in 11 s by role ci-deploy");
        assert_eq!(function.close(OVER + 900).await.resolutions, []);
        assert_eq!(function.due(i64::from(i32::MAX)).await, []);
    });
}

#[test]
fn what_comes_while_an_episode_is_open_is_part_of_its_totals_and_nothing_else_is() {
    run(async {
        let function = Function::new("totals").await;
        // Before the episode: on the same day, but the episode's first report covers five minutes.
        function.deny(-3_000, 900).await;
        function.deny(-3_000, 901).await;
        function.enumerate(6).await;
        // During the episode: the same secrets and new ones in later windows, unusual over the
        // hour.
        function.deny(10 * MINUTE, 0).await;
        for secret in 100..110 {
            function.deny(3_590 + i64::from(secret), secret).await;
        }
        let hits =
            function.engine.store().read(&key()).await.unwrap().unwrap().state.alerting.episodes;
        assert!(hits[1].hit_window > hits[0].hit_window.min(hits[1].alert_window));
        // After the episode: late enough to begin another one.
        function.deny(240 * MINUTE, 0).await;
        let closed = function.close(240 * MINUTE + 1).await;
        let totals = closed.resolutions[0].totals.unwrap();
        assert_eq!((totals.denials, totals.secrets), (6 + 1 + 10, 16));
        assert_eq!(totals.first_denial, MONDAY);
        assert_eq!(totals.last_denial, MONDAY + 3_590 + 109);
    });
}

fn key() -> rattle::text::Text {
    denial_of(MONDAY, "any", "any").principal().key().clone()
}

/// A copy of an alert that is still on its way must not arrive after the resolution.
#[test]
fn an_episode_that_is_long_over_is_not_ended_right_after_its_alert() {
    run(async {
        let function = Function::new("long-over").await;
        let late = 4 * 3_600;
        for secret in 0..6 {
            let denial = denial_of(MONDAY, &format!("e{secret}"), &format!("secret-{secret}"));
            function.engine.handle(&Delivery { denial: &denial, arrived: at(late) }).await.unwrap();
        }
        assert_eq!(function.published().len(), 1);
        assert_eq!(function.close(late + 899).await.resolutions, []);
        assert_eq!(function.close(late + 900).await.resolutions.len(), 1);
    });
}

#[test]
fn further_hits_keep_an_episode_open() {
    run(async {
        let function = Function::new("goes-on").await;
        function.enumerate(6).await;
        function.close(15 * MINUTE).await;
        for secret in 100..108 {
            function.deny(55 * MINUTE, secret).await;
        }
        assert_eq!(function.close(OVER).await.resolutions, []);
        let closed = function.close(OVER + 55 * MINUTE).await;
        assert_eq!(closed.resolutions[0].totals.unwrap().denials, 14);
    });
}

#[test]
fn an_end_that_was_claimed_and_not_sent_is_sent_by_the_next_run_as_it_was_claimed() {
    run(async {
        let function = Function::new("left-behind").await;
        function.enumerate(12).await;
        function.close(15 * MINUTE).await;
        let [episode] = &function.due(OVER).await[..] else { panic!() };
        let store = function.engine.store();
        let state = store.read(&key()).await.unwrap().unwrap().state;
        let finding = Finding::resolution(&episode.finding, Some(&state), None, &Policy::default());
        let ending = Outbox { finding, owner: None, leased_at: MONDAY + OVER };
        assert!(store.lease_resolution(episode, &ending).await.unwrap());
        // A second run at the same time leaves the episode to the run that claimed it.
        assert!(!store.lease_resolution(episode, &ending).await.unwrap());
        assert_eq!(function.close(OVER + 59).await.resolutions, []);
        assert_eq!(function.close(OVER + 900).await.resolutions, [ending.finding]);
        assert_eq!(function.due(i64::from(i32::MAX)).await, []);
    });
}

#[test]
fn an_end_that_sns_refuses_is_told_by_a_later_run() {
    run(async {
        let function = Function::new("end-refused").await;
        function.enumerate(12).await;
        function.close(15 * MINUTE).await;
        let refused = function.with_sink(Refusing).resolve_episodes(at(OVER), LONG).await;
        assert_eq!(refused.error.unwrap().to_string(), "the alert cannot be published");
        assert_eq!(refused.resolutions, []);
        assert_eq!(function.close(OVER + 900).await.resolutions.len(), 1);
    });
}

#[test]
fn a_finding_told_meanwhile_keeps_the_end_of_its_episode_back() {
    run(async {
        let function = Function::new("meanwhile").await;
        function.enumerate(6).await;
        let [seen] = &function.due(16 * MINUTE).await[..] else { panic!() };
        for secret in 100..190 {
            function.deny(20 * MINUTE, secret).await;
        }
        let [now] = &function.due(60 * MINUTE).await[..] else { panic!() };
        assert_ne!(now.finding.id, seen.finding.id);
        // A run that saw the episode before that no longer changes anything.
        let store = function.engine.store();
        let ending = Outbox { finding: seen.finding.clone(), owner: None, leased_at: MONDAY };
        assert!(!store.lease_resolution(seen, &ending).await.unwrap());
        store.check_again(seen, 0).await.unwrap();
        store.confirm_resolution(seen).await.unwrap();
        assert_eq!(function.due(60 * MINUTE).await, std::slice::from_ref(now));
        // Nor does an invocation that was delayed after it claimed the older finding.
        let ours = Outbox { finding: now.finding.clone(), owner: None, leased_at: MONDAY };
        store.confirm_resolution(now).await.unwrap();
        assert_eq!(
            function.due(60 * MINUTE).await.len(),
            1,
            "the unclaimed episode stays on the agenda"
        );
        assert!(store.lease_resolution(now, &ours).await.unwrap());
    });
}

#[test]
fn a_finding_that_nobody_sent_is_sent_by_the_schedule() {
    run(async {
        let function = Function::new("unsent").await;
        let refusing = function.with_sink(Refusing);
        for secret in 0..5 {
            let denial = denial_of(MONDAY, &format!("e{secret}"), &format!("secret-{secret}"));
            let handled = refusing.handle(&Delivery::on_time(&denial)).await;
            assert_eq!(handled.is_err(), secret == 4);
        }
        let closed = function.close(15 * MINUTE).await;
        let published = closed.sent.dispositions.count(Disposition::Published);
        assert_eq!((published, closed.resolutions.len()), (1, 0));
        assert_eq!(function.published()[0].status, Status::Open);
        assert_eq!(function.close(OVER).await.resolutions.len(), 1);
        assert_eq!(function.published().len(), 2);
    });
}

#[test]
fn of_what_was_not_told_no_end_is_told_and_a_later_mute_does_not_keep_an_end_back() {
    run(async {
        let function = Function::new("mute-and-end").await;
        let mute = async |until: i64| {
            let update = function.client.update_item().table_name("mute-and-end");
            let update = update.key("principal", AttributeValue::S(key().to_string()));
            let until = AttributeValue::N((MONDAY + until).to_string());
            let update = update.update_expression("SET muted_until = :until");
            update.expression_attribute_values(":until", until).send().await.unwrap();
        };
        function.deny(0, 0).await;
        mute(60).await;
        function.enumerate(12).await;
        assert_eq!(function.published(), []);
        assert_eq!(function.due(i64::from(i32::MAX)).await, []);

        let day = 24 * 60 * MINUTE;
        for secret in 100..112 {
            function.deny(day, secret).await;
        }
        let before = function.published().len();
        assert!(before > 0);
        mute(7 * day).await;
        function.close(day + OVER).await;
        assert_eq!(
            function.published().len(),
            before + 1,
            "without a resolution its alarm would stay open"
        );
    });
}

#[test]
fn an_episode_of_a_principal_that_was_forgotten_ends_as_it_was_told_last() {
    run(async {
        let function = Function::new("forgotten").await;
        function.enumerate(5).await;
        function.remove(key().as_str()).await;
        let closed = function.close(16 * MINUTE).await;
        let totals = closed.resolutions[0].totals.unwrap();
        assert_eq!((totals.denials, totals.secrets, totals.severity), (5, 5, Severity::Medium));
        assert_eq!(totals.last_denial, MONDAY + 4);
    });
}

#[test]
fn an_episode_that_cannot_be_read_does_not_stop_the_others() {
    run(async {
        let function = Function::new("damaged-episode").await;
        function.enumerate(5).await;
        let put = function.client.put_item().table_name("damaged-episode");
        let put = put
            .item("principal", AttributeValue::S("#episode#111122223333#AIDAEXAMPLE".to_owned()))
            .item("agenda", AttributeValue::S("episode".to_owned()))
            .item("due", AttributeValue::N("1".to_owned()))
            .item("format", AttributeValue::N("1".to_owned()));
        put.send().await.unwrap();
        let resolved = function.engine.resolve_episodes(at(OVER), LONG).await;
        let error = resolved.error.as_ref().unwrap();
        let error = std::error::Error::source(error).unwrap().to_string();
        assert_eq!(
            error,
            "the item of #episode#111122223333#AIDAEXAMPLE cannot be read: its attribute finding \
             has no finding"
        );
        assert_eq!(resolved.resolutions.len(), 1);
    });
}
