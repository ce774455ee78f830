//! Recall: which attacks are noticed, after how many denials and how many minutes.

use rattle::detection::finding::Severity;
use serde::Serialize;

use super::{Prepared, Size};
use crate::attack::{Attack, Strike, strike};
use crate::chance::Chance;
use crate::delivery::{Arrival, Delivery, delivered, outage, outages};
use crate::life::benign::{Kind, first_hour, live};
use crate::life::{DAY, HOUR, Life};
use crate::principal::{Caller, Event, recorded};
use crate::watch::{Alert, Rattle, Rivals};

/// What an attack hides in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// A principal with a habit.
    Of(Kind),
    /// A principal in the first hour of its life.
    FirstHour,
}

impl Carrier {
    /// Each of them.
    pub fn all() -> impl Iterator<Item = Self> {
        Kind::ALL.into_iter().map(Self::Of).chain([Self::FirstHour])
    }

    /// Name in tables and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Of(kind) => kind.name(),
            Self::FirstHour => "first-hour",
        }
    }

    /// Whether there is seldom much to hide in.
    pub const fn is_quiet(self) -> bool {
        match self {
            Self::Of(kind) => kind.is_quiet(),
            Self::FirstHour => true,
        }
    }

    fn life(self, chance: &mut Chance) -> Life {
        match self {
            Self::Of(kind) => live(kind, chance),
            Self::FirstHour => first_hour(chance),
        }
    }

    fn number(self) -> u64 {
        Self::all().zip(0..).find(|(carrier, _)| *carrier == self).map_or(0, |(_, number)| number)
    }
}

/// One principal to attack.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    /// Seed of the corpus.
    pub seed: u64,
    /// What it is.
    pub carrier: Carrier,
    /// Its number among its kind.
    pub number: u64,
}

impl Task {
    /// All attacked principals of a corpus.
    pub fn all(seed: u64, size: Size) -> Vec<Self> {
        let of_carrier =
            |carrier| (0..size.carriers).map(move |number| Self { seed, carrier, number });
        Carrier::all().flat_map(of_carrier).collect()
    }
}

/// An attacked principal: its own events, then those of each attack.
#[derive(Debug)]
pub struct Attacked {
    /// Who is attacked.
    pub caller: Caller,
    /// Its harmless events.
    pub events: Vec<Event>,
    /// When attacks begin.
    pub start: i64,
    /// Each attack, and its events.
    pub strikes: Vec<(Attack, Strike, Vec<Event>)>,
    chance: Chance,
    life: Life,
}

impl Attacked {
    /// The principal of that task.
    pub fn of(task: &Task) -> anyhow::Result<Self> {
        let Task { seed, carrier, number } = *task;
        let mut chance = Chance::of(seed, &format!("c:{}", carrier.name()), number);
        let life = carrier.life(&mut chance);
        let kind = match carrier {
            Carrier::Of(kind) => kind,
            Carrier::FirstHour => Kind::Silent,
        };
        let caller = Caller::of(kind, number, &format!("attacked-{}", carrier.name()))?;
        let events = recorded(&life.calls, &mut chance);
        let (from, to) = life.attackable;
        let start = chance.within(from..to);
        let strikes = Attack::ALL.map(|attack| {
            let place = carrier.number() << 32 | number;
            let mut chance = Chance::of(seed, &format!("a:{}", attack.name()), place);
            let strike = strike(attack, &mut chance, start, &life.pool);
            let events = recorded(&strike.calls, &mut chance);
            (attack, strike, events)
        });
        Ok(Self { caller, events, start, strikes: strikes.into(), chance, life })
    }

    /// First second that does not count for that attack: of the day after it.
    pub fn horizon(strike: &Strike) -> i64 {
        ((strike.end() + HOUR).div_euclid(DAY) + 1) * DAY
    }
}

/// How one attack was noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Noticed {
    /// Denials of the attack until the first alert, that one included.
    pub denials: u32,
    /// Seconds until then.
    pub seconds: i64,
    /// Its severity.
    pub first: Option<Severity>,
    /// The severest of all alerts of the attack.
    pub severest: Option<Severity>,
    /// Alerts that there would not have been without the attack.
    pub alerts: u32,
}

/// What was noticed of one attack on one principal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// By Rattle, for each delivery.
    pub rattle: [Option<Noticed>; 4],
    /// By each rival.
    pub rivals: [Option<Noticed>; 6],
    /// Denials of the attack.
    pub denials: u32,
}

/// An alert, and how many denials of the attack were seen by then.
type Counted = (Alert, u32);

/// Watches one principal under every attack: an outcome for each of [`Attack::ALL`].
pub fn watch(task: &Task) -> anyhow::Result<Vec<Outcome>> {
    let mut attacked = Attacked::of(task)?;
    let mut outcomes: Vec<Outcome> = attacked
        .strikes
        .iter()
        .map(|(_, strike, _)| {
            let judged = strike.calls.iter().filter(|call| call.time >= strike.judged_from);
            Outcome {
                denials: u32::try_from(judged.count()).unwrap_or(u32::MAX),
                ..Outcome::default()
            }
        })
        .collect();
    for delivery in Delivery::ALL {
        for (outcome, noticed) in outcomes.iter_mut().zip(by_rattle(&mut attacked, delivery)?) {
            outcome.rattle[delivery as usize] = noticed;
        }
    }
    for (outcome, noticed) in outcomes.iter_mut().zip(by_rivals(&attacked)) {
        outcome.rivals = noticed;
    }
    Ok(outcomes)
}

fn by_rattle(attacked: &mut Attacked, delivery: Delivery) -> anyhow::Result<Vec<Option<Noticed>>> {
    let Attacked { caller, events, start, strikes, chance, life } = attacked;
    let start = *start;
    // The attack begins in an outage, and so does its repetition.
    let mut outages: Vec<(i64, i64)> = outages(chance, (life.start, life.end));
    let before = chance.within(0..HOUR);
    for begin in [start, start + DAY, start + 7 * DAY] {
        outages.push(outage(chance, begin - before));
    }
    outages.sort_unstable();
    let own = delivered(delivery, events, &outages, chance);
    let forked_at = own.partition_point(|arrival| arrival.at < start);
    let prepared = Prepared::of(caller, events);

    let past = Rattle::new()?;
    for arrival in &own[..forked_at] {
        past.see(&prepared.denials[arrival.place], arrival.at)?;
    }
    let mut without = None;
    let mut noticed = Vec::new();
    for (_, strike, events_of_attack) in strikes.iter() {
        let horizon = Attacked::horizon(strike);
        let of_attack = Prepared::of(caller, events_of_attack);
        let arrivals = delivered(delivery, events_of_attack, &outages, chance);
        let run = |arrivals: &[Arrival], until: i64| -> anyhow::Result<Vec<Counted>> {
            let rattle = past.fork(caller.key());
            let mut alerts = Vec::new();
            let mut seen = 0;
            for (arrival, is_attack) in merged(&own[forked_at..], arrivals) {
                let (events, prepared) = if is_attack {
                    (&*events_of_attack, &of_attack)
                } else {
                    (&*events, &prepared)
                };
                let time = events[arrival.place].call.time;
                if time >= until {
                    continue;
                }
                seen += u32::from(is_attack && time >= strike.judged_from);
                let alert = rattle.see(&prepared.denials[arrival.place], arrival.at)?;
                alerts.extend(alert.map(|alert| (alert, seen)));
            }
            Ok(alerts)
        };
        if without.is_none() {
            without = Some(run(&[], start + 10 * DAY)?);
        }
        let with = run(&arrivals, horizon)?;
        noticed.push(noticed_in(&with, without.as_deref().unwrap_or_default(), strike));
    }
    Ok(noticed)
}

fn by_rivals(attacked: &Attacked) -> Vec<[Option<Noticed>; 6]> {
    let Attacked { caller, events, start, strikes, life, .. } = attacked;
    let prepared = Prepared::of(caller, events);
    let forked_at = events.partition_point(|event| event.call.time < *start);
    let mut past = Rivals::default();
    for seen in &prepared.seen[..forked_at] {
        past.see(*seen);
    }
    let own = arrivals_in_order(&events[forked_at..]);
    let run = |strike: &Strike, events_of_attack: &[Event], until: i64| -> [Vec<Counted>; 6] {
        let of_attack = Prepared::of(caller, events_of_attack);
        let arrivals = arrivals_in_order(events_of_attack);
        let mut rivals = past.clone();
        let mut alerts: [Vec<Counted>; 6] = Default::default();
        let mut count = 0;
        let mut note = |raised: [Option<i64>; 6], count| {
            for (alerts, at) in alerts.iter_mut().zip(raised) {
                alerts.extend(at.map(|at| (Alert { at, severity: None }, count)));
            }
        };
        for (arrival, is_attack) in merged(&own, &arrivals) {
            let seen = if is_attack {
                of_attack.seen[arrival.place]
            } else {
                prepared.seen[forked_at + arrival.place]
            };
            if seen.time >= until {
                break;
            }
            count += u32::from(is_attack && seen.time >= strike.judged_from);
            note(rivals.see(seen), count);
        }
        note(rivals.end(until), count);
        alerts
    };
    let nothing = Strike { calls: Vec::new(), judged_from: *start };
    let without = run(&nothing, &[], (start + 10 * DAY).max(life.end));
    let noticed = strikes.iter().map(|(_, strike, events)| {
        let with = run(strike, events, Attacked::horizon(strike));
        std::array::from_fn(|rival| noticed_in(&with[rival], &without[rival], strike))
    });
    noticed.collect()
}

fn arrivals_in_order(events: &[Event]) -> Vec<Arrival> {
    events.iter().zip(0..).map(|(event, place)| Arrival { at: event.call.time, place }).collect()
}

/// Both in the order of arrival, and which of them are of the attack.
fn merged<'a>(
    own: &'a [Arrival],
    attack: &'a [Arrival],
) -> impl Iterator<Item = (Arrival, bool)> + 'a {
    let (mut own, mut attack) = (own.iter().peekable(), attack.iter().peekable());
    std::iter::from_fn(move || {
        let is_attack = match (own.peek(), attack.peek()) {
            (Some(own), Some(attack)) => attack.at < own.at,
            (own, _) => own.is_none(),
        };
        let next = if is_attack { attack.next() } else { own.next() };
        next.map(|arrival| (*arrival, is_attack))
    })
}

/// What the attack raised: alerts from where it begins that do not come without it.
fn noticed_in(with: &[Counted], without: &[Counted], strike: &Strike) -> Option<Noticed> {
    let is_raised = |(alert, _): &&Counted| {
        alert.at >= strike.judged_from && !without.iter().any(|(other, _)| other.at == alert.at)
    };
    let raised: Vec<&Counted> = with.iter().filter(is_raised).collect();
    let (first, denials) = raised.first()?;
    Some(Noticed {
        denials: *denials,
        seconds: first.at - strike.judged_from,
        first: first.severity,
        severest: raised.iter().filter_map(|(alert, _)| alert.severity).max(),
        alerts: u32::try_from(raised.len()).unwrap_or(u32::MAX),
    })
}
