//! The order and the delay in which events arrive.

use serde::Serialize;

use crate::chance::Chance;
use crate::life::{DAY, HOUR};
use crate::principal::Event;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// At once, in the order of their times.
    InOrder,
    /// Each is one to ten minutes late, so they overtake each other.
    Late,
    /// At once, and one in ten a second time.
    Duplicated,
    /// At once, except that events of an outage of one to four hours arrive when it ends.
    Backlog,
}

impl Delivery {
    pub const ALL: [Self; 4] = [Self::InOrder, Self::Late, Self::Duplicated, Self::Backlog];

    /// The name in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InOrder => "in order",
            Self::Late => "late",
            Self::Duplicated => "duplicated",
            Self::Backlog => "backlog",
        }
    }

    /// A short description.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::InOrder => "at once, in the order of their times",
            Self::Late => "each 1 to 10 minutes late, so that they overtake each other",
            Self::Duplicated => "at once, and one in ten a second time within 5 minutes",
            Self::Backlog => "those of an outage of 1 to 4 hours within 5 minutes of its end",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// When it arrives, in epoch seconds.
    pub at: i64,
    /// Index of the event in its list.
    pub place: usize,
}

/// The arrivals of these events, in order. Only a backlog uses `outages`.
pub fn delivered(
    delivery: Delivery,
    events: &[Event],
    outages: &[(i64, i64)],
    chance: &mut Chance,
) -> Vec<Arrival> {
    let in_order =
        events.iter().zip(0..).map(|(event, place)| Arrival { at: event.call.time, place });
    let mut arrivals: Vec<Arrival> = match delivery {
        Delivery::InOrder => in_order.collect(),
        Delivery::Late => in_order
            .map(|arrival| Arrival { at: arrival.at + chance.within(60..600), ..arrival })
            .collect(),
        Delivery::Duplicated => in_order
            .flat_map(|arrival| {
                let again = chance.happens(0.1).then(|| chance.within(1..300));
                let again = again.map(|later| Arrival { at: arrival.at + later, ..arrival });
                std::iter::once(arrival).chain(again)
            })
            .collect(),
        Delivery::Backlog => in_order
            .map(|arrival| {
                let held = outages.iter().find(|(from, end)| (*from..*end).contains(&arrival.at));
                let at = held.map_or(arrival.at, |(_, end)| end + chance.within(0..300));
                Arrival { at, ..arrival }
            })
            .collect(),
    };
    arrivals.sort_by_key(|arrival| arrival.at);
    arrivals
}

/// An outage that begins at this time.
pub fn outage(chance: &mut Chance, from: i64) -> (i64, i64) {
    (from, from + chance.within(HOUR..4 * HOUR))
}

/// About one outage a week.
pub fn outages(chance: &mut Chance, (from, to): (i64, i64)) -> Vec<(i64, i64)> {
    let mut outages = Vec::new();
    let mut week = from;
    while week < to {
        let start = week + chance.within(0..7 * DAY - 4 * HOUR);
        outages.push(outage(chance, start));
        week += 7 * DAY;
    }
    outages
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::Call;

    fn arrivals(delivery: Delivery) -> Vec<Arrival> {
        let event = |minute: i64| Event {
            call: Call::harmless(minute * 60, 1),
            id: u128::from(minute.unsigned_abs()),
            by_arn: false,
        };
        let events: Vec<Event> = (0..600).map(event).collect();
        delivered(delivery, &events, &[(6000, 12_000)], &mut Chance::of(1, "delivery", 0))
    }

    #[test]
    fn each_delivery_disturbs_as_it_says_and_loses_nothing() {
        for delivery in Delivery::ALL {
            let arrivals = arrivals(delivery);
            let mut places: Vec<usize> = arrivals.iter().map(|arrival| arrival.place).collect();
            let in_order = places.is_sorted();
            let count = places.len();
            places.sort_unstable();
            places.dedup();
            assert_eq!(places, (0..600).collect::<Vec<_>>(), "{delivery:?}");
            assert_eq!(in_order, delivery == Delivery::InOrder, "{delivery:?}");
            assert_eq!(count > 600, delivery == Delivery::Duplicated, "{delivery:?}");
            let age = |arrival: &Arrival| arrival.at - i64::try_from(arrival.place).unwrap() * 60;
            assert!(arrivals.iter().all(|arrival| age(arrival) >= 0), "{delivery:?}");
            let oldest = arrivals.iter().map(age).max().unwrap();
            assert_eq!(oldest > 3600, delivery == Delivery::Backlog, "{delivery:?}");
        }
    }
}
