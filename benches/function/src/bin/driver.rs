//! Sends denials through the engine over a table, with simulated arrival times. The function itself
//! takes the arrival from the clock, so a month of events would take a month.
//!
//! Standard input: CloudTrail records, one per line, each arriving five minutes after its event
//! time. `--concurrency` stores take them in turn, as that many instances of the function would.
//! Standard output: each finding, then the resources used.

use std::cell::RefCell;
use std::io::{BufRead, stdin};

use aws_sdk_dynamodb::Client;
use jiff::SignedDuration;
use rattle::aws::Environment;
use rattle::cloudtrail::{Delivery, Denial, Record};
use rattle::engine::Engine;
use rattle::settings::Settings;
use rattle::sink::LeftToCaller;
use rattle::store::dynamodb::{DynamoDbStore, Usage};
use serde_json::json;
use tokio::task::LocalSet;

const AGE: SignedDuration = SignedDuration::from_mins(5);
/// How often Lambda delivers an event whose invocation fails.
const DELIVERIES: u32 = 3;

type Failure = Box<dyn std::error::Error>;

#[derive(Default)]
struct Totals {
    usage: Usage,
    outcomes: [u32; 3],
    redelivered: u32,
    lost: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let (Some(table), Some(concurrency)) = (arguments.next(), arguments.next()) else {
        return Err("usage: driver TABLE CONCURRENCY < RECORDS".into());
    };
    let mut denials = Vec::new();
    for line in stdin().lock().lines() {
        denials.extend(Record::denial_in(line?.as_bytes())?);
    }
    let queue = std::rc::Rc::new(RefCell::new(denials.into_iter()));
    let totals = std::rc::Rc::new(RefCell::new(Totals::default()));
    let client = Environment::read(|name| std::env::var(name).ok())?.dynamodb();
    let instances = LocalSet::new();
    for _ in 0..concurrency.parse()? {
        let (queue, totals) = (queue.clone(), totals.clone());
        let engine = engine(&client, &table)?;
        instances.spawn_local(async move {
            loop {
                let Some(denial) = queue.borrow_mut().next() else { break };
                deliver(&engine, &denial, &totals).await;
            }
            let (used, total) = (engine.store().take_usage(), &mut totals.borrow_mut().usage);
            total.requests += used.requests;
            total.lost_races += used.lost_races;
            total.capacity_units += used.capacity_units;
        });
    }
    instances.await;
    let Totals { usage, outcomes: [counted, duplicate, saturated], redelivered, lost } =
        &*totals.borrow();
    println!(
        "{}",
        json!({
            "requests": usage.requests, "lost_races": usage.lost_races,
            "counted": counted, "duplicate": duplicate, "saturated": saturated,
            "redelivered": redelivered, "lost": lost,
        })
    );
    Ok(())
}

fn engine(client: &Client, table: &str) -> Result<Engine<DynamoDbStore, LeftToCaller>, Failure> {
    let settings = Settings::read([])?;
    let store = DynamoDbStore::new(client.clone(), table).measuring_capacity();
    Ok(Engine::new(store, LeftToCaller, settings))
}

async fn deliver(
    engine: &Engine<DynamoDbStore, LeftToCaller>,
    denial: &Denial,
    totals: &RefCell<Totals>,
) {
    for _ in 0..DELIVERIES {
        match engine.handle(&Delivery { denial, arrived: denial.time() + AGE }).await {
            Ok(handled) => {
                totals.borrow_mut().outcomes[handled.outcome as usize] += 1;
                if let Some(finding) = handled.finding {
                    println!(
                        "{}",
                        json!({
                            "time": denial.time().to_string(), "signal": finding.signal,
                            "scale": finding.scale, "observed": finding.observed,
                        })
                    );
                }
                return;
            }
            Err(error) => {
                eprintln!("{error:?}");
                totals.borrow_mut().redelivered += 1;
            }
        }
    }
    totals.borrow_mut().lost += 1;
}
