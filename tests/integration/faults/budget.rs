//! Time-outs and back-offs in virtual time: every call and every delivery ends before Lambda ends
//! the invocation, and a topic that does not answer does not stop the counting.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use rattle::lambda::{DEADLINE, Failure};
use rattle::settings::Settings;
use rattle::store::dynamodb::{decode, item};
use tokio::time::Instant;

use super::Bench;
use super::lambda::{Ended, Process, Services, TIMEOUT};
use super::schedule::{Event, event};
use super::transport::{Plan, Step, Wire};
use crate::local_aws::environment;
use crate::support::{MONDAY, project_file};

/// Time that an invocation needs besides its one delivery, to start and to write its last log
/// lines.
const MARGIN: Duration = Duration::from_secs(5);

const QUIET: fn() -> Plan = || Plan::new(0, 0.0);

/// A process and the deliveries made to it.
struct Lane {
    process: Process,
    wire: Arc<Wire>,
}

impl Lane {
    fn new(services: &Services, wire: &Arc<Wire>) -> Self {
        let settings = Settings::read([]).unwrap();
        Self { process: Process::start(services, wire, settings), wire: Arc::clone(wire) }
    }

    /// Delivers an event at its time and returns how long that took.
    async fn invoke(&self, event: &Event, plan: Plan) -> (Ended, Duration) {
        let begin = Instant::now();
        let ended = self.process.invoke(&event.envelope, event.denial.time(), plan).await;
        (ended, begin.elapsed())
    }
}

/// A denial that names one new secret.
fn new_secret(number: i64) -> Event {
    event(MONDAY + number, &format!("e{number}"), 0, &[format!("prod/{number}")])
}

#[test]
fn every_call_has_a_time_out_far_shorter_than_the_functions() {
    let template = std::fs::read_to_string(project_file("template.yaml")).unwrap();
    let timeouts: Vec<u64> = template
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Timeout: "))
        .map(|seconds| seconds.parse().unwrap())
        .collect();
    assert_eq!(timeouts, [TIMEOUT.as_secs()], "the time-out of the only function");
    assert!(DEADLINE + MARGIN <= TIMEOUT);

    let environment = environment("http://127.0.0.1:1");
    let dynamodb = environment.dynamodb().config().timeout_config().unwrap().clone();
    let sns = environment.sns().config().timeout_config().unwrap().clone();
    for timeouts in [dynamodb, sns] {
        let connect = TimeoutConfig::connect_timeout(&timeouts).unwrap();
        let attempt = timeouts.operation_attempt_timeout().unwrap();
        let operation = timeouts.operation_timeout().unwrap();
        assert!(connect < attempt && attempt < operation);
        // Count, claim, admit and publish, each as slow as it may be.
        assert!(4 * operation <= DEADLINE, "{operation:?}");
    }
}

#[test]
fn whatever_is_not_answered_a_delivery_ends_in_time_and_says_what() {
    let bench = Bench::new();
    let steps = [Step::Roll, Step::Count, Step::Claim, Step::Admit, Step::Publish, Step::Confirm];
    for (seed, step) in steps.into_iter().enumerate() {
        let wire = Arc::new(Wire::new(bench.real.clone()));
        bench.in_virtual_time(seed as u64, async |services| {
            let lane = Lane::new(&services, &wire);
            // The fifth new secret raises a finding, and its delivery takes every step but the
            // first.
            for number in 0..5 {
                let mut plan = QUIET();
                plan.unanswered = (number == 4 || step == Step::Roll).then_some(step);
                let (ended, took) = lane.invoke(&new_secret(number), plan).await;
                if number < 4 && step != Step::Roll {
                    assert!(matches!(ended, Ended::Well), "{step:?}: {ended:?}");
                    continue;
                }
                let Ended::Failed(failure) = ended else { panic!("{step:?}: {ended:?}") };
                let expected = match step {
                    Step::Publish => "AlertNotPublished",
                    _ => "StoreUnavailable",
                };
                assert_eq!(failure.error_type(), expected);
                assert!(took < DEADLINE, "{step:?} took {took:?}");
            }
        });
    }
}

#[test]
fn a_delivery_that_waits_too_often_is_ended_by_its_own_deadline() {
    let bench = Bench::new();
    let wire = Arc::new(Wire::new(bench.real.clone()));
    bench.in_virtual_time(0, async |services| {
        let lane = Lane::new(&services, &wire);
        for number in 0..5 {
            let mut plan = QUIET();
            plan.unanswered = (number == 4).then_some(Step::Publish);
            lane.invoke(&new_secret(number), plan).await;
        }
        // Fifty more secrets raise another finding, which has to wait for the one that is being
        // sent. The item is read repeatedly, each time as slowly as a call may be.
        let names: Vec<String> = (100..160).map(|number| format!("prod/{number}")).collect();
        let many = event(MONDAY + 5, "many", 0, &names);
        let mut plan = QUIET();
        plan.is_slow = true;
        let (ended, took) = lane.invoke(&many, plan).await;
        assert!(matches!(ended, Ended::Failed(Failure::OutOfTime)), "{ended:?}");
        assert_eq!(took.as_secs(), DEADLINE.as_secs());
        // The time-out loses neither the work done before it nor the process.
        let (ended, _) = lane.invoke(&new_secret(4), QUIET()).await;
        assert!(matches!(ended, Ended::Well), "{ended:?}");
        let (ended, _) = lane.invoke(&many, QUIET()).await;
        assert!(matches!(ended, Ended::Well), "{ended:?}");
        let messages = lane.wire.applied().into_iter().filter(|a| a.step == Step::Publish);
        assert_eq!(messages.count(), 2);
    });
}

#[test]
fn throttling_backs_off_further_each_time() {
    let bench = Bench::new();
    let wire = Arc::new(Wire::new(bench.real.clone()));
    bench.in_virtual_time(0, async |services| {
        let (mut first, mut second) = (Duration::ZERO, Duration::ZERO);
        for number in 0..50 {
            // Uses a new process, because the SDK stops retrying in one that is often throttled.
            let lane = Lane::new(&services, &wire);
            let mut plan = QUIET();
            plan.is_throttled = true;
            let before = wire.asked().len();
            let (ended, _) = lane.invoke(&new_secret(number), plan).await;
            assert!(matches!(ended, Ended::Failed(_)), "{ended:?}");
            let asked = wire.asked().split_off(before);
            let [(_, one), (_, two), (_, three)] = asked[..] else { panic!("{asked:?}") };
            first += two - one;
            second += three - two;
        }
        assert!(first > Duration::from_secs(1));
        // The range from which a wait is drawn doubles each time.
        assert!(second.as_secs_f64() > 1.4 * first.as_secs_f64(), "{first:?}, then {second:?}");
    });
}

#[test]
fn a_topic_that_does_not_answer_stops_no_counting() {
    const DENIALS: u32 = 60;
    let bench = Bench::new();
    let wire = Arc::new(Wire::new(bench.real.clone()));
    let (failed, items) = bench.in_virtual_time(0, async |services| {
        let services = Rc::new(services);
        let tasks = tokio::task::LocalSet::new();
        // One principal enumerates over an hour; its finding is raised at once and stays unsent.
        // The other is denied only now and then.
        let of = |user: usize, number: u32| {
            let secret = [if user == 0 { format!("prod/{number}") } else { "door".to_owned() }];
            event(MONDAY + i64::from(number) * 60, &format!("{user}-{number}"), user, &secret)
        };
        let events =
            (0..DENIALS).map(|n| of(0, n)).chain((0..DENIALS).step_by(6).map(|n| of(1, n)));
        let deliveries: Vec<_> = events
            .map(|event| {
                let (services, wire) = (Rc::clone(&services), Arc::clone(&wire));
                tasks.spawn_local(async move {
                    let after = event.denial.time().as_second() - MONDAY;
                    tokio::time::sleep(Duration::from_secs(after.unsigned_abs())).await;
                    let lane = Lane::new(&services, &wire);
                    let mut plan = QUIET();
                    plan.unanswered = Some(Step::Publish);
                    let (ended, _) = lane.invoke(&event, plan).await;
                    (event.denial.principal().key().to_string(), ended)
                })
            })
            .collect();
        tasks.await;
        let mut failed = Vec::new();
        for delivery in deliveries {
            let (key, ended) = delivery.await.unwrap();
            match ended {
                Ended::Well => {}
                Ended::Failed(Failure::Publish(_) | Failure::Store(_)) => failed.push(key),
                other => panic!("{key}: {other:?}"),
            }
        }
        failed
    });
    assert!(failed.len() > 30, "many deliveries retry its finding: {}", failed.len());
    assert!(failed.iter().all(|key| key.ends_with('0')), "the other principal never waits");
    let states = items.iter().filter(|item| item.contains_key(item::name::WINDOW));
    let mut counts: Vec<u32> =
        states.map(|item| decode::decode(item).unwrap().state.denials[2]).collect();
    counts.sort_unstable();
    assert_eq!(counts, [DENIALS / 6, DENIALS], "every denial is counted");
    assert!(wire.applied().iter().all(|applied| applied.step != Step::Publish));
}
