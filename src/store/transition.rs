//! What one delivery does to a stored state: the one transition that every store makes.

use super::{Outbox, StoredState};
use crate::cloudtrail::Delivery;
use crate::detection::{Finding, Outcome, Policy, decide_at_close};

/// A stored state after a delivery, and how it came about.
#[derive(Clone, Debug)]
pub struct Transition {
    pub stored: StoredState,
    pub outcome: Outcome,
    pub change: Change,
}

/// How a delivery changes a stored state. As a compare-and-set of the whole state each is
/// correct; a store may write a count with less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The denial was counted before, or the window is full.
    Nothing,
    /// One denial more in the open window, be it older, or newer and held back from opening its
    /// own window.
    Count,
    /// A state whose open window is another, in place of the one of this version, if there is one.
    Replace { version: Option<u64> },
}

impl Transition {
    /// `found` is the state that is stored, if there is one.
    pub fn new(found: Option<StoredState>, delivery: &Delivery<'_>, policy: &Policy) -> Self {
        match found {
            None => Self::first(delivery),
            Some(mut stored) => {
                let (outcome, change) = Self::apply(&mut stored, delivery, policy);
                Self { stored, outcome, change }
            }
        }
    }

    /// Changes the stored state in place.
    pub fn apply(
        stored: &mut StoredState,
        delivery: &Delivery<'_>,
        policy: &Policy,
    ) -> (Outcome, Change) {
        if stored.is_expired(delivery.arrived) {
            let Self { stored: first, outcome, change } = Self::first(delivery);
            *stored = first;
            return (outcome, change);
        }
        if stored.state.is_opened_by(delivery.denial) {
            newer_window(stored, delivery, policy)
        } else {
            count(stored, delivery)
        }
    }

    /// Counts in the window that is open, whatever window the denial belongs to.
    pub fn in_open_window(mut stored: StoredState, delivery: &Delivery<'_>) -> Self {
        let (outcome, change) = count(&mut stored, delivery);
        Self { stored, outcome, change }
    }

    /// The state of a principal that was not known, or not any more.
    pub fn first(delivery: &Delivery<'_>) -> Self {
        let mut stored = StoredState { version: 1, ..StoredState::opened_by(delivery.denial) };
        let outcome = stored.state.receive_in_open_window(delivery);
        Self { stored, outcome, change: Change::Replace { version: None } }
    }
}

fn count(stored: &mut StoredState, delivery: &Delivery<'_>) -> (Outcome, Change) {
    let outcome = stored.state.receive_in_open_window(delivery);
    if outcome != Outcome::Counted {
        return (outcome, Change::Nothing);
    }
    stored.version += 1;
    (outcome, Change::Count)
}

/// Before a window closes, a report that is still due in it is leased: the delivery that should
/// have made it may have died, or is about to find the window closed. While another finding
/// waits in the outbox, that cannot be, and the window stays open.
fn newer_window(
    stored: &mut StoredState,
    delivery: &Delivery<'_>,
    policy: &Policy,
) -> (Outcome, Change) {
    let decision = decide_at_close(&stored.state, policy);
    if let Some(report) = &decision.report {
        if stored.outbox.is_some() {
            return count(stored, delivery);
        }
        stored.state.alerting = decision.alerting;
        stored.outbox = Some(Outbox {
            finding: Finding::new(&stored.state, report, delivery.denial, policy),
            owner: Some(delivery.denial.digest()),
            leased_at: delivery.arrived.as_second(),
        });
    }
    let version = Some(stored.version);
    let outcome = stored.state.receive(delivery, policy);
    stored.version += 1;
    stored.renew();
    (outcome, Change::Replace { version })
}
