//! Faults that random schedules once found, each as a test of its own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use jiff::SignedDuration;
use rattle::cloudtrail::{Delivery, Denial};
use rattle::detection::finding::Finding;
use rattle::detection::{Assessment, Decision, Outcome, Policy, Window, decide};
use rattle::disposition::Disposition;
use rattle::engine::Engine;
use rattle::settings::Settings;
use rattle::sink::{Receipt, Sink};
use rattle::store::dynamodb::DynamoDbStore;
use rattle::store::{Claim, Outbox, Received, Store, StoredState};
use rattle::weekly_digest::WeeklyDigest;

use super::schedule::event;
use crate::dynamodb::run;
use crate::local_aws::table;
use crate::support::{MONDAY, aged};

/// A denial of one user that names these secrets.
fn denial(after: i64, id: &str, secrets: std::ops::Range<u32>) -> Denial {
    let secrets: Vec<String> = secrets.map(|number| format!("prod/{number}")).collect();
    event(MONDAY + after, id, 0, &secrets).denial
}

/// Counts a denial and stops before the decision.
async fn count(store: &DynamoDbStore, denial: &Denial) -> Received {
    let policy = Policy::default();
    store.receive(&Delivery::on_time(denial), &policy).await.unwrap()
}

#[test]
fn what_is_due_when_a_window_closes_is_claimed_by_the_denial_that_closes_it() {
    run(async {
        let store = DynamoDbStore::new(table("due-at-close").await, "due-at-close");
        for number in 0..5 {
            count(&store, &denial(1, &format!("e{number}"), number..number + 1)).await;
        }
        let closing = denial(301, "closing", 0..1);
        let Received { stored: counted, outcome } = count(&store, &closing).await;
        assert_eq!(outcome, Outcome::Counted);
        assert_eq!(counted.state.window, Window::containing(closing.time()));
        let outbox = counted.outbox.clone().unwrap();
        assert_eq!((outbox.finding.observed, outbox.owner), (5, Some(closing.digest())));
        assert_eq!(counted.state.alerting.alert_seq, 1);
        assert_eq!(
            store.read(&counted.key).await.unwrap(),
            Some(counted),
            "the returned state is the stored one"
        );
    });
}

#[test]
fn a_window_stays_open_while_one_finding_waits_and_another_is_due() {
    run(async {
        let store = DynamoDbStore::new(table("held-open").await, "held-open");
        for number in 0..5 {
            count(&store, &denial(1, &format!("e{number}"), number..number + 1)).await;
        }
        let counted = count(&store, &denial(301, "closing", 100..160)).await.stored;
        let first = counted.outbox.clone().unwrap();
        let newer = denial(601, "newer", 0..1);
        let held = count(&store, &newer).await;
        assert_eq!(held.outcome, Outcome::Counted);
        assert_eq!(held.stored.state.window, counted.state.window);
        assert_eq!(held.stored.outbox.as_ref(), Some(&first), "the waiting finding is not dropped");
        assert_eq!(held.stored.state.denials[0], counted.state.denials[0] + 1);
        assert_eq!(count(&store, &newer).await.outcome, Outcome::Duplicate);
        assert_eq!(store.read(&counted.key).await.unwrap(), Some(held.stored.clone()));

        store.confirm(&held.stored, Disposition::Published).await.unwrap();
        let newest = denial(901, "newest", 0..1);
        let after = count(&store, &newest).await.stored;
        assert_eq!(after.state.window, Window::containing(newest.time()));
        let second = after.outbox.unwrap().finding;
        assert!(second.observed >= 50, "{}", second.observed);
        assert_ne!(second.id, first.finding.id);
        assert_eq!(after.state.denials[2], 8, "each denial is counted once");
    });
}

#[test]
fn hits_of_both_signals_noted_at_once_are_both_kept() {
    run(async {
        let store = DynamoDbStore::new(table("both-noted").await, "both-noted");
        let counted = count(&store, &denial(0, "e0", 0..1)).await.stored;
        let window = Some(counted.state.window);
        for signal in [0, 1] {
            let mut alerting = counted.state.alerting;
            alerting.episodes[signal].hit_window = window;
            let decision = Decision { report: None, alerting };
            store.record_hit(&counted, &decision).await.unwrap();
        }
        let stored = store.read(&counted.key).await.unwrap().unwrap();
        assert_eq!(stored.state.alerting.episodes.map(|episode| episode.hit_window), [window; 2]);
    });
}

#[test]
fn a_hit_is_not_noted_for_a_window_that_closed() {
    run(async {
        let store = DynamoDbStore::new(table("noted-late").await, "noted-late");
        let counted = count(&store, &denial(0, "e0", 0..1)).await.stored;
        let closed = count(&store, &denial(301, "e1", 0..1)).await.stored;
        let mut alerting = counted.state.alerting;
        alerting.episodes[0].hit_window = Some(counted.state.window);
        let recorded = Decision { report: None, alerting };
        store.record_hit(&counted, &recorded).await.unwrap();
        assert_eq!(store.read(&counted.key).await.unwrap(), Some(closed));
    });
}

#[test]
fn a_claim_is_lost_if_its_window_closed_or_a_hit_was_noted_since() {
    run(async {
        let store = DynamoDbStore::new(table("moved-on").await, "moved-on");
        for number in 0..4 {
            count(&store, &denial(0, &format!("e{number}"), number..number + 1)).await;
        }
        let fifth = denial(1, "fifth", 4..5);
        let counted = count(&store, &fifth).await.stored;
        let policy = Policy::default();
        let decision =
            decide(&counted.state, &Assessment::of(&counted.state, &policy), &fifth, &policy);
        let mut after = counted.state.clone();
        after.alerting = decision.alerting;
        let report = decision.report.as_ref().unwrap();
        let outbox = Outbox {
            finding: Finding::new(&after, report, &fifth, &policy),
            owner: Some(fifth.digest()),
            leased_at: MONDAY,
        };
        let claim = async |counted: &StoredState| {
            let claimed = store.claim(counted, &decision, outbox.clone()).await.unwrap();
            assert!(matches!(claimed, Claim::Lost(_)), "{claimed:?}");
        };

        let mut alerting = counted.state.alerting;
        alerting.episodes[0].hit_window = Some(counted.state.window);
        let recorded = Decision { report: None, alerting };
        store.record_hit(&counted, &recorded).await.unwrap();
        claim(&counted).await;

        // The denial that closes the window claims the finding; it is sent, and the window is
        // closed again.
        let closed = count(&store, &denial(301, "closing", 0..1)).await.stored;
        let closed = store.confirm(&closed, Disposition::Published).await.unwrap();
        count(&store, &denial(601, "closing-again", 0..1)).await;
        claim(&closed).await;
    });
}

/// Accepts alerts, but refuses the first announcement of a storm.
#[derive(Clone, Default)]
struct Faltering {
    has_failed: Rc<Cell<bool>>,
    sent: Rc<RefCell<Vec<&'static str>>>,
}

impl Sink for Faltering {
    type Error = &'static str;

    async fn publish(&self, _: &Finding) -> Result<Receipt, &'static str> {
        self.sent.borrow_mut().push("alert");
        Ok(Receipt::default())
    }

    async fn publish_weekly_digest(&self, _: &WeeklyDigest) -> Result<(), &'static str> {
        unreachable!("no weekly digest is sent")
    }

    async fn publish_storm(&self, _: &Finding, _: u32) -> Result<(), &'static str> {
        if !self.has_failed.replace(true) {
            return Err("refused");
        }
        self.sent.borrow_mut().push("storm");
        Ok(())
    }
}

#[test]
fn a_storm_is_announced_even_if_that_succeeds_only_in_the_next_hour() {
    run(async {
        let limit = ("RATTLE_MAX_ALERTS_PER_HOUR".to_owned(), "1".to_owned());
        let settings = Settings::read([limit]).unwrap();
        let store = DynamoDbStore::new(table("late-storm").await, "late-storm");
        let sink = Faltering::default();
        let engine = Engine::new(store, sink.clone(), settings);
        let mut announcer = None;
        // Three users enumerate. The first is reported, the second has to announce the storm and
        // fails, and the third is held back.
        for user in 0..3 {
            for number in 0..5 {
                let secret = format!("prod/{number}");
                let denial = event(MONDAY, &format!("{user}-{number}"), user, &[secret]).denial;
                let handled = engine.handle(&Delivery::on_time(&denial)).await;
                if handled.is_err() {
                    announcer = Some(denial);
                }
            }
        }
        assert_eq!(sink.sent.borrow()[..], ["alert"]);
        let age = SignedDuration::from_hours(1);
        let announcer = announcer.unwrap();
        let handled = engine.handle(&aged(&announcer, age)).await.unwrap();
        assert_eq!(handled.sent.dispositions.count(Disposition::RateLimited), 1);
        assert_eq!(sink.sent.borrow()[..], ["alert", "storm"]);
    });
}
