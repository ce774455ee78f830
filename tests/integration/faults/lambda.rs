//! A simulation of Lambda: processes run the real function code and each has its own memory. An
//! event that fails is retried twice, then waits in the failure queue until it is redriven.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_sdk_dynamodb::config::retry::{RetryPartition, TokenBucket};
use jiff::Timestamp;
use rattle::aws::Environment;
use rattle::engine::Engine;
use rattle::lambda::{Failure, Function};
use rattle::settings::Settings;
use rattle::sink::sns::SnsSink;
use rattle::store::dynamodb::DynamoDbStore;
use serde_json::value::RawValue;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::schedule::{Delivery, Schedule};
use super::transport::{Line, Plan, Step, Wire};

/// Lambda ends an invocation after this long: `Timeout` of `template.yaml`.
pub const TIMEOUT: Duration = Duration::from_secs(30);
/// Delays before the second and the third attempt.
const RETRY_AFTER: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];
/// How often an event is redriven from the failure queue. The last redrive is free of faults.
const REDRIVES: usize = 2;
/// The rate of the schedule in `template.yaml`.
const CLOSING_EVERY: Duration = Duration::from_mins(15);
/// Runs of the schedule after the last delivery: enough for 60 quiet minutes and 20 minutes for
/// late events, and for as much again. The first runs are disturbed by faults.
const CLOSINGS: u64 = 14;
const DISTURBED_CLOSINGS: u64 = 6;

/// The services, with the table and the topic that this schedule uses.
#[derive(Clone)]
pub struct Services {
    pub environment: Environment,
    pub http_client: SharedHttpClient,
    pub table: String,
    pub topic: String,
}

#[derive(Debug)]
pub enum Ended {
    Well,
    Failed(Failure),
    Killed,
    OutOfTime,
}

pub struct Process {
    line: Line,
    function: Function<SnsSink<Box<dyn Fn() -> aws_sdk_sns::Client>>>,
}

impl Process {
    pub fn start(services: &Services, wire: &Arc<Wire>, settings: Settings) -> Self {
        let line = Line::new(Arc::clone(wire));
        let http_client = line.in_front_of(services.http_client.clone());
        let dynamodb = services.environment.dynamodb();
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(
            dynamodb
                .config()
                .to_builder()
                .http_client(http_client.clone())
                .retry_partition(own_retries())
                .build(),
        );
        let environment = services.environment.clone();
        let sns = Box::new(move || {
            let config = environment.sns().config().to_builder().http_client(http_client.clone());
            aws_sdk_sns::Client::from_conf(config.retry_partition(own_retries()).build())
        });
        let store = DynamoDbStore::new(dynamodb, services.table.clone())
            .with_weekly_digest(settings.weekly_digest);
        let sink = SnsSink::new(services.topic.clone(), &settings, sns as Box<dyn Fn() -> _>);
        Self { line, function: Function::new(Engine::new(store, sink, settings), None) }
    }

    pub async fn invoke(&self, event: &RawValue, now: Timestamp, plan: Plan) -> Ended {
        let limit = plan.time_left.unwrap_or(TIMEOUT);
        self.line.begin(plan);
        let handled = tokio::time::timeout(limit, Box::pin(self.function.handle(event, now)));
        tokio::select! {
            handled = handled => match handled {
                Ok(Ok(())) => Ended::Well,
                Ok(Err(failure)) => Ended::Failed(failure),
                Err(_) => Ended::OutOfTime,
            },
            () = self.line.killed() => Ended::Killed,
        }
    }
}

pub struct World {
    pub schedule: Schedule,
    services: Services,
    wire: Arc<Wire>,
    idle: RefCell<Vec<Process>>,
    begin: Instant,
    counts: RefCell<Counts>,
}

/// Everything that happened, apart from the faults.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub invocations: u64,
    pub killed: u64,
    pub out_of_time: u64,
    pub failed: u64,
    pub redriven: u64,
    /// Events that failed even without faults, and how.
    pub for_ever: Vec<String>,
}

impl World {
    /// Runs until every delivery has been made.
    pub async fn run(
        schedule: Schedule,
        services: Services,
        wire: Arc<Wire>,
    ) -> (Schedule, Counts) {
        let world = Rc::new(Self {
            schedule,
            services,
            wire,
            idle: RefCell::default(),
            begin: Instant::now(),
            counts: RefCell::default(),
        });
        let tasks = tokio::task::LocalSet::new();
        let deliveries: Vec<_> = (world.schedule.deliveries.iter().copied().enumerate())
            .map(|(number, delivery)| {
                let world = Rc::clone(&world);
                tasks.spawn_local(async move { world.deliver(number as u64, delivery).await })
            })
            .collect();
        let closing = tasks.spawn_local(Rc::clone(&world).resolve_episodes(deliveries));
        tasks.run_until(closing).await.unwrap();
        // Requests that their caller has given up may still be on their way.
        tokio::time::sleep(Duration::from_mins(10)).await;
        let world = Rc::into_inner(world).unwrap();
        (world.schedule, world.counts.into_inner())
    }

    /// Runs the closing task until every episode is certainly over. The last runs are free of
    /// faults.
    async fn resolve_episodes(self: Rc<Self>, deliveries: Vec<JoinHandle<()>>) {
        let task = RawValue::from_string(r#"{"task": "close-episodes"}"#.to_owned()).unwrap();
        let mut since = 0;
        for number in 0_u64.. {
            tokio::time::sleep(CLOSING_EVERY).await;
            since += u64::from(deliveries.iter().all(JoinHandle::is_finished));
            let quiet = f64::from(u8::from(since < DISTURBED_CLOSINGS));
            for attempt in 0..=RETRY_AFTER.len() {
                let seed = hash([self.schedule.seed, u64::MAX - number, attempt as u64]);
                let plan = Plan::new(seed, self.schedule.fault_rate * quiet);
                if matches!(self.invoke(&task, plan).await, Ended::Well) {
                    break;
                }
                assert!(quiet > 0.0, "the closing task fails even without faults");
                if let Some(wait) = RETRY_AFTER.get(attempt) {
                    tokio::time::sleep(*wait).await;
                }
            }
            if since == CLOSINGS {
                return;
            }
        }
    }

    async fn deliver(&self, number: u64, delivery: Delivery) {
        tokio::time::sleep(delivery.after).await;
        let mut endings = Vec::new();
        for round in 0..=REDRIVES {
            let quiet = [1.0, 0.5, 0.0][round];
            for attempt in 0..=RETRY_AFTER.len() {
                let seed = hash([self.schedule.seed, number, round as u64, attempt as u64]);
                let plan = Plan::new(seed, self.schedule.fault_rate * quiet);
                let event = &self.schedule.events[delivery.event].envelope;
                let ended = self.invoke(event, plan).await;
                if matches!(ended, Ended::Well) {
                    return;
                }
                endings.push(match ended {
                    Ended::Failed(failure) => failure.to_string(),
                    other => format!("{other:?}"),
                });
                if let Some(wait) = RETRY_AFTER.get(attempt) {
                    tokio::time::sleep(*wait).await;
                }
            }
            let hours = 1 + hash([self.schedule.seed, number, round as u64]) % 5;
            tokio::time::sleep(Duration::from_secs(hours * 3_600)).await;
            self.counts.borrow_mut().redriven += u64::from(round < REDRIVES);
        }
        let id = self.schedule.events[delivery.event].denial.event_id().clone();
        self.counts.borrow_mut().for_ever.push(format!("{id}: {endings:?}"));
    }

    async fn invoke(&self, event: &RawValue, mut plan: Plan) -> Ended {
        if self.schedule.topic_is_down.contains(&self.begin.elapsed()) {
            plan.unanswered = Some(Step::Publish);
        }
        let process = self.idle.borrow_mut().pop().unwrap_or_else(|| {
            Process::start(&self.services, &self.wire, self.schedule.settings.clone())
        });
        let now = self.schedule.begins + self.begin.elapsed().as_secs().cast_signed();
        let now = Timestamp::from_second(now).unwrap();
        let ended = process.invoke(event, now, plan).await;
        let mut counts = self.counts.borrow_mut();
        counts.invocations += 1;
        match ended {
            Ended::Well => {}
            Ended::Failed(_) => counts.failed += 1,
            Ended::Killed => counts.killed += 1,
            Ended::OutOfTime => counts.out_of_time += 1,
        }
        if matches!(ended, Ended::Well | Ended::Failed(_)) {
            self.idle.borrow_mut().push(process);
        }
        ended
    }
}

/// In the SDK all clients of a process share one budget for retries; here each simulated process
/// needs its own.
fn own_retries() -> RetryPartition {
    RetryPartition::custom("process").token_bucket(TokenBucket::default()).build()
}

/// Mixes several numbers into one seed.
fn hash<const N: usize>(numbers: [u64; N]) -> u64 {
    numbers.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, number| {
        let mixed = (hash ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^ (mixed >> 29)
    })
}
