//! Runs the real function code against the local AWS with every kind of fault.
//!
//! `RATTLE_TEST_SCHEDULES=10000` runs that many schedules. `RATTLE_TEST_SEED=17` runs only the
//! schedule of that seed and prints more about what it found.

mod budget;
mod ends;
mod lambda;
mod oracle;
mod regressions;
mod report;
mod schedule;
mod transport;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use rattle::store::dynamodb::item::Item;
use tokio::runtime::{Builder, Handle};

use self::lambda::{Services, World};
use self::oracle::judge;
use self::report::Report;
use self::schedule::Schedule;
use self::transport::Wire;
use crate::local_aws::{Emulator, create_table, environment};

const SCHEDULES: u64 = 300;
/// Threads that run schedules, each with its own local AWS.
const THREADS: u64 = 3;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().unwrap())
}

#[test]
fn whatever_goes_wrong_nothing_is_lost_and_nothing_is_counted_twice() {
    let report = match number("RATTLE_TEST_SEED") {
        Some(seed) => run(seed..seed + 1),
        None => run(0..number("RATTLE_TEST_SCHEDULES").unwrap_or(SCHEDULES)),
    };
    report.print();
    assert!(report.is_clean(), "{}", report.failures());
}

/// Runs the schedules of these seeds, until one fails.
fn run(seeds: std::ops::Range<u64>) -> Report {
    let (next, failed) = (AtomicU64::new(seeds.start), AtomicBool::new(false));
    let mut report = Report::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS.min(seeds.end - seeds.start))
            .map(|_| {
                scope.spawn(|| {
                    let mut report = Report::default();
                    let bench = Bench::new();
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= seeds.end || failed.load(Ordering::Relaxed) {
                            return report;
                        }
                        if !bench.run(Schedule::of(seed), &mut report) {
                            failed.store(true, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        for worker in workers {
            report.add(worker.join().unwrap());
        }
    });
    report
}

/// A local AWS and the thread that forwards requests to it.
struct Bench {
    _emulator: Emulator,
    real: Handle,
    services: Services,
    dynamodb: aws_sdk_dynamodb::Client,
}

impl Bench {
    fn new() -> Self {
        let emulator = Emulator::start();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            sender.send(runtime.handle().clone()).unwrap();
            runtime.block_on(std::future::pending::<()>());
        });
        let real = receiver.recv().unwrap();
        let environment = environment(emulator.endpoint());
        let dynamodb = environment.dynamodb();
        let http_client: SharedHttpClient = dynamodb.config().http_client().unwrap();
        // The local AWS answers in the end, however busy the machine is.
        let patient = dynamodb.config().to_builder().timeout_config(TimeoutConfig::disabled());
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(patient.build());
        let patient =
            environment.sns().config().to_builder().timeout_config(TimeoutConfig::disabled());
        let create = aws_sdk_sns::Client::from_conf(patient.build());
        let topic = real.block_on(async { create.create_topic().name("alerts").send().await });
        let topic = topic.unwrap().topic_arn.unwrap();
        let table = String::new();
        let services = Services { environment, http_client, table, topic };
        Self { _emulator: emulator, real, services, dynamodb }
    }

    /// Whether the schedule met every requirement.
    fn run(&self, schedule: Schedule, report: &mut Report) -> bool {
        let wire = Arc::new(Wire::new(self.real.clone()));
        let ((schedule, counts), items) = self.in_virtual_time(schedule.seed, |services| {
            World::run(schedule, services, Arc::clone(&wire))
        });
        let applied = wire.applied();
        let verdict = judge(&schedule, &applied, &items);
        report.count(&schedule, applied.len(), counts, wire.hits(), verdict)
    }
    /// Runs on a clock that advances only while every task waits, with a table of its own. Returns
    /// the table's items.
    fn in_virtual_time<F: Future>(
        &self,
        seed: u64,
        run: impl FnOnce(Services) -> F,
    ) -> (F::Output, Vec<Item>) {
        let table = format!("faults-{seed}");
        let services = Services { table: table.clone(), ..self.services.clone() };
        self.real.block_on(create_table(&self.dynamodb, &table));
        // Seeds the SDK's back-offs.
        fastrand::seed(seed);
        let runtime =
            Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let output = runtime.block_on(run(services));
        let items = self.real.block_on(async {
            let scan = self.dynamodb.scan().table_name(&table).send().await.unwrap();
            self.dynamodb.delete_table().table_name(&table).send().await.unwrap();
            scan.items.unwrap_or_default()
        });
        (output, items)
    }
}
