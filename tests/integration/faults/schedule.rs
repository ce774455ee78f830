//! The schedule that a seed generates: principals, their events, the time of each delivery, and the
//! rate of faults.

use std::time::Duration;

use fastrand::Rng;
use rattle::cloudtrail::Denial;
use rattle::settings::Settings;
use serde_json::json;
use serde_json::value::RawValue;

use crate::support::{MONDAY, envelope, parse, record};

const HOUR: i64 = 3_600;

/// One schedule; a seed always generates the same one.
#[derive(Debug)]
pub struct Schedule {
    pub seed: u64,
    pub events: Vec<Event>,
    pub deliveries: Vec<Delivery>,
    /// Share of requests that meet a fault.
    pub fault_rate: f64,
    pub settings: Settings,
    /// While the topic refuses every message.
    pub topic_is_down: std::ops::Range<Duration>,
    /// Start of the schedule, in epoch seconds.
    pub begins: i64,
}

#[derive(Debug)]
pub struct Event {
    pub denial: Denial,
    pub envelope: Box<RawValue>,
}

/// One delivery of an event from EventBridge to the function.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    pub event: usize,
    pub after: Duration,
}

/// How a principal behaves.
#[derive(Clone, Copy)]
enum Manner {
    /// One new secret after the other.
    Enumerates,
    /// A few new secrets, many of them in one call, so that the count reaches ten times what was
    /// reported.
    Batches,
    /// The same few secrets again and again.
    Repeats,
    /// Any of these, with an occasional call whose message names no secret.
    Mixes,
}

impl Schedule {
    pub fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        // Often starts shortly before an hour or a day ends.
        let begins = MONDAY
            + rng.i64(0..28) * 86_400
            + match rng.u32(0..5) {
                0 => 86_400 - rng.i64(0..900),
                1 => rng.i64(1..23) * HOUR - rng.i64(0..600),
                2 => rng.i64(1..288) * 300 - rng.i64(0..8),
                _ => rng.i64(0..86_400),
            };
        let mut events: Vec<Event> = Vec::new();
        let mut deliveries = Vec::new();
        for principal in 0..rng.usize(1..=3) {
            let manner = *rng
                .choice(
                    [
                        Manner::Enumerates,
                        Manner::Enumerates,
                        Manner::Batches,
                        Manner::Repeats,
                        Manner::Mixes,
                    ]
                    .as_slice(),
                )
                .unwrap();
            let mut time = begins;
            let usual_delay = rng.i64(0..300);
            for number in 0..rng.i64(3..=10) {
                time += match rng.u32(0..20) {
                    0..10 => 0,
                    10..14 => rng.i64(0..3),
                    14..18 => rng.i64(3..400),
                    18 => rng.i64(300..1_500),
                    _ => rng.i64(1_500..9_000),
                };
                let secrets = secrets(manner, number, &mut rng);
                let id = format!("{seed}-{principal}-{number}");
                events.push(event(time, &id, principal, &secrets));
                let copies = if rng.u32(0..4) == 0 { 2 } else { 1 };
                for _ in 0..copies {
                    let delay = match rng.u32(0..12) {
                        0..8 => usual_delay,
                        8..10 => usual_delay + rng.i64(0..4),
                        10 => rng.i64(0..700),
                        _ => rng.i64(0..5_000),
                    };
                    let after = Duration::from_secs((time - begins + delay).unsigned_abs());
                    deliveries.push(Delivery { event: events.len() - 1, after });
                }
            }
        }
        rng.shuffle(&mut deliveries);
        Self {
            seed,
            events,
            deliveries,
            fault_rate: *rng.choice([0.02, 0.1, 0.25, 0.5].as_slice()).unwrap(),
            settings: settings(&mut rng),
            topic_is_down: match rng.u32(0..5) {
                0 => Duration::ZERO..Duration::from_secs(rng.u64(60..6_000)),
                _ => Duration::ZERO..Duration::ZERO,
            },
            begins,
        }
    }
}

/// Often sized so that a few denials raise a finding and the next few raise another.
fn settings(rng: &mut Rng) -> Settings {
    let mut settings = Vec::new();
    let mut set = |name: &str, value: String| settings.push((name.to_owned(), value));
    if rng.u32(0..8) == 0 {
        set("RATTLE_MAX_ALERTS_PER_HOUR", rng.u32(1..=2).to_string());
    }
    if rng.bool() {
        for signal in ["DENIALS", "SECRETS"] {
            set(&format!("RATTLE_{signal}_THRESHOLD"), rng.u32(1..=3).to_string());
            set(&format!("RATTLE_MIN_{signal}"), rng.u32(1..=3).to_string());
        }
        set("RATTLE_QUIET_MINUTES", (5 * rng.u32(1..=3)).to_string());
    }
    if rng.u32(0..4) == 0 {
        set("RATTLE_WEEKLY_DIGEST", "true".to_owned());
    }
    Settings::read(settings).unwrap()
}

fn secrets(manner: Manner, number: i64, rng: &mut Rng) -> Vec<String> {
    let new = |count: i64| (0..count).map(|i| format!("prod/{number}/{i}")).collect();
    match manner {
        Manner::Enumerates => new(rng.i64(1..=2)),
        Manner::Batches => new(if rng.u32(0..4) == 0 { rng.i64(20..=60) } else { rng.i64(1..=6) }),
        Manner::Repeats => vec![format!("door/{}", rng.u32(0..2))],
        Manner::Mixes => match rng.u32(0..4) {
            0 => Vec::new(),
            1 => vec![format!("door/{}", rng.u32(0..2))],
            _ => new(rng.i64(1..=4)),
        },
    }
}

/// A denial of one user, as EventBridge delivers it.
pub fn event(time: i64, id: &str, principal: usize, secrets: &[String]) -> Event {
    let mut record = record(time as f64, id, secrets);
    record["userIdentity"] = json!({
        "type": "IAMUser",
        "principalId": format!("AIDAEXAMPLE{principal:09}"),
        "arn": format!("arn:aws:iam::111122223333:user/user-{principal}"),
        "accountId": "111122223333",
        "userName": format!("user-{principal}"),
    });
    let denial = parse(&record).unwrap().unwrap();
    let mut envelope = envelope(&record);
    envelope["id"] = json!(id);
    Event { denial, envelope: RawValue::from_string(envelope.to_string()).unwrap() }
}
