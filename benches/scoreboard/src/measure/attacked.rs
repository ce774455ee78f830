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

/// The principal that hides an attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// A principal with a habit.
    Of(Kind),
    /// A principal in the first hour of its life.
    FirstHour,
}

impl Carrier {
    pub fn all() -> impl Iterator<Item = Self> {
        Kind::ALL.into_iter().map(Self::Of).chain([Self::FirstHour])
    }

    /// The name in tables and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Of(kind) => kind.name(),
            Self::FirstHour => "first-hour",
        }
    }

    /// Whether an attack seldom finds much to hide in.
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

#[derive(Clone, Copy, Debug)]
pub struct Task {
    pub seed: u64,
    pub carrier: Carrier,
    /// Its number within its kind.
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
    pub caller: Caller,
    /// Its harmless events.
    pub events: Vec<Event>,
    /// Where attacks begin.
    pub start: i64,
    /// Each attack with its events.
    pub strikes: Vec<(Attack, Strike, Vec<Event>)>,
    chance: Chance,
    life: Life,
}

impl Attacked {
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

    /// First second that is not counted for that attack: the start of the day after it.
    pub fn horizon(strike: &Strike) -> i64 {
        ((strike.end() + HOUR).div_euclid(DAY) + 1) * DAY
    }
}

/// How one attack was noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Noticed {
    /// Denials of the attack up to and including the one of the first alert.
    pub denials: u32,
    /// Seconds until the first alert.
    pub seconds: i64,
    /// Severity of the first alert.
    pub first: Option<Severity>,
    /// Highest severity among all alerts of the attack.
    pub severest: Option<Severity>,
    /// Number of alerts that would not have been raised without the attack.
    pub alerts: u32,
}

/// The results of one attack on one principal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Rattle's result for each delivery.
    pub rattle: [Option<Noticed>; 4],
    /// Each rival's result.
    pub rivals: [Option<Noticed>; 6],
    /// Denials of the attack.
    pub denials: u32,
}

/// An alert, with the number of the attack's denials seen by then.
type Counted = (Alert, u32);

/// Watches one principal under every attack. Returns an outcome for each of [`Attack::ALL`].
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
    // The attack begins during an outage, and so does its repetition.
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

/// Merges both in the order of arrival and marks those of the attack.
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

/// The alerts from the start of the attack on that are not raised without it.
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
