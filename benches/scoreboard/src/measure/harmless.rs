//! False alerts: those that harmless principals raise.

use serde::Serialize;

use super::{Prepared, Size};
use crate::chance::Chance;
use crate::delivery::{Delivery, delivered, outages};
use crate::life::benign::{Kind, live};
use crate::principal::{Caller, recorded};
use crate::watch::{Alert, Rattle, Rivals};

#[derive(Clone, Copy, Debug)]
pub struct Task {
    pub seed: u64,
    pub kind: Kind,
    /// Its number within its kind.
    pub number: u64,
    /// Whether disturbed deliveries are watched too.
    pub disturbed: bool,
}

impl Task {
    /// All harmless principals of a corpus.
    pub fn all(seed: u64, size: Size) -> Vec<Self> {
        let of_kind = |kind| {
            (0..size.harmless).map(move |number| Self {
                seed,
                kind,
                number,
                disturbed: number % size.disturbed_one_in == 0,
            })
        };
        Kind::ALL.into_iter().flat_map(of_kind).collect()
    }
}

/// Alerts by phase: while the detector learns, and from day 15 on.
pub type ByPhase<T> = [T; 2];

/// Rattle's alerts for some principals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Watched {
    /// Seconds that the principals existed, by phase.
    pub seconds: ByPhase<i64>,
    /// Alerts by phase and severity: low, medium, high.
    pub alerts: ByPhase<[u32; 3]>,
}

impl Watched {
    fn count(&mut self, phase: usize, alert: &Alert) {
        let severity = alert.severity.map_or(0, |severity| severity as usize);
        self.alerts[phase][severity] += 1;
    }

    pub fn add(&mut self, other: &Self) {
        for phase in 0..2 {
            self.seconds[phase] += other.seconds[phase];
            for severity in 0..3 {
                self.alerts[phase][severity] += other.alerts[phase][severity];
            }
        }
    }
}

/// The alerts for one harmless principal or for one kind of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Harmless {
    /// Number of denials.
    pub denials: u64,
    /// Rattle's, with events delivered in order.
    pub rattle: Watched,
    /// Rattle's for each delivery, of the principals that were watched with disturbed deliveries.
    pub deliveries: [Watched; 4],
    /// Each rival's alerts by phase.
    pub rivals: [ByPhase<u32>; 6],
}

impl Harmless {
    pub fn add(&mut self, other: &Self) {
        self.denials += other.denials;
        self.rattle.add(&other.rattle);
        for (sum, other) in self.deliveries.iter_mut().zip(&other.deliveries) {
            sum.add(other);
        }
        for (sum, other) in self.rivals.iter_mut().flatten().zip(other.rivals.iter().flatten()) {
            *sum += other;
        }
    }
}

pub fn watch(task: &Task) -> anyhow::Result<Harmless> {
    let Task { seed, kind, number, .. } = *task;
    let mut chance = Chance::of(seed, kind.name(), number);
    let life = live(kind, &mut chance);
    let caller = Caller::of(kind, number, kind.name())?;
    let events = recorded(&life.calls, &mut chance);
    let outages = outages(&mut chance, (life.start, life.end));
    let prepared = Prepared::of(&caller, &events);
    let phase = |time| usize::from(life.is_learnt(time));

    let mut harmless = Harmless { denials: events.len() as u64, ..Harmless::default() };
    let deliveries = if task.disturbed { &Delivery::ALL[..] } else { &[Delivery::InOrder] };
    for delivery in deliveries {
        let mut watched = Watched { seconds: life.seconds(), ..Watched::default() };
        let rattle = Rattle::new()?;
        for arrival in delivered(*delivery, &events, &outages, &mut chance) {
            if let Some(alert) = rattle.see(&prepared.denials[arrival.place], arrival.at)? {
                watched.count(phase(events[arrival.place].call.time), &alert);
            }
        }
        if task.disturbed {
            harmless.deliveries[*delivery as usize] = watched;
        }
        if *delivery == Delivery::InOrder {
            harmless.rattle = watched;
        }
    }

    let mut rivals = Rivals::default();
    let seen = prepared.seen.iter().map(|seen| (seen.time, Some(*seen)));
    for (time, seen) in seen.chain([(life.end, None)]) {
        let alerts = match seen {
            Some(seen) => rivals.see(seen),
            None => rivals.end(time),
        };
        for (counts, alert) in harmless.rivals.iter_mut().zip(alerts) {
            if let Some(at) = alert {
                // An alert that is raised when its day is over belongs to that day.
                counts[phase(at.min(time) - i64::from(at < time))] += 1;
            }
        }
    }
    Ok(harmless)
}
