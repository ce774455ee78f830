//! How events arrive.

use serde::Serialize;

use crate::chance::Chance;
use crate::life::{DAY, HOUR};
use crate::principal::Event;

/// A way in which events arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// At once, in the order of their times.
    InOrder,
    /// One to ten minutes late each, so that they overtake each other.
    Late,
    /// At once, one in ten a second time.
    Duplicated,
    /// At once, but what happens in an outage of one to four hours comes when it ends.
    Backlog,
}

impl Delivery {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::InOrder, Self::Late, Self::Duplicated, Self::Backlog];

    /// Name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InOrder => "in order",
            Self::Late => "late",
            Self::Duplicated => "duplicated",
            Self::Backlog => "backlog",
        }
    }
}

/// One event on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it arrives, in epoch seconds.
    pub at: i64,
    /// The event.
    pub event: Event,
}

/// The arrivals of these events. `outages` tells when an outage begins.
pub fn delivered(
    delivery: Delivery,
    events: &[Event],
    outages: &[i64],
    chance: &mut Chance,
) -> Vec<Arrival> {
    let mut arrivals: Vec<Arrival> =
        events.iter().map(|event| Arrival { at: event.call.time, event: *event }).collect();
    match delivery {
        Delivery::InOrder => return arrivals,
        Delivery::Late => {
            for arrival in &mut arrivals {
                arrival.at += chance.within(60..600);
            }
        }
        Delivery::Duplicated => {
            let again: Vec<Arrival> = arrivals
                .iter()
                .filter(|_| chance.happens(0.1))
                .copied()
                .collect::<Vec<_>>()
                .into_iter()
                .map(|arrival| Arrival { at: arrival.at + chance.within(1..300), ..arrival })
                .collect();
            arrivals.extend(again);
        }
        Delivery::Backlog => {
            let outages: Vec<(i64, i64)> =
                outages.iter().map(|from| (*from, from + chance.within(HOUR..4 * HOUR))).collect();
            for arrival in &mut arrivals {
                if let Some((_, end)) =
                    outages.iter().find(|(from, end)| (*from..*end).contains(&arrival.at))
                {
                    arrival.at = end + chance.within(0..300);
                }
            }
        }
    }
    arrivals.sort_by_key(|arrival| arrival.at);
    arrivals
}

/// The starts of outages in that time, about one a week.
pub fn outages(chance: &mut Chance, (from, to): (i64, i64)) -> Vec<i64> {
    let mut starts = Vec::new();
    let mut week = from;
    while week < to {
        starts.push(week + chance.within(0..7 * DAY - 4 * HOUR));
        week += 7 * DAY;
    }
    starts
}
