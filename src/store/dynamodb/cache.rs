//! States as this process saw them last, and what they promise about the next denial.

use std::cell::RefCell;
use std::collections::HashMap;

use jiff::Timestamp;

use crate::cloudtrail::Delivery;
use crate::detection::Window;
use crate::detection::policy::MAX_IDS;
use crate::store::StoredState;
use crate::text::Text;

/// States cached by one process, of some kilobytes each.
const MAX_STATES: usize = 512;
/// Seconds for which a full window is taken to be still open. Meanwhile another process may
/// have opened the next one, where a late denial would count.
const FULL_SECONDS: i64 = 5;

/// States by principal. Each may be out of date: a write that rests on one is a
/// compare-and-set.
#[derive(Debug, Default)]
pub(super) struct StateCache(RefCell<HashMap<Text, Cached>>);

#[derive(Debug)]
struct Cached {
    stored: StoredState,
    /// When a delivery last read or wrote it, in epoch seconds.
    at: i64,
}

/// What to try first with a denial.
pub(super) enum Expectation {
    /// To count it in the open window: it belongs there, or nothing is known.
    OpenWindow,
    /// To open a newer window than that of this state.
    NewerWindow(Box<StoredState>),
    /// To read the state, which costs a small part of a write: its window is full, unless
    /// another process opened a newer one or put a finding of this delivery into the outbox.
    ProbablyFull,
}

impl StateCache {
    /// Takes the state that a delivery left behind at `now`.
    pub(super) fn insert(&self, stored: &StoredState, now: Timestamp) {
        let mut states = self.0.borrow_mut();
        if states.len() >= MAX_STATES && !states.contains_key(&stored.key) {
            // Principals that are refused again are soon back.
            states.clear();
        }
        states.insert(stored.key.clone(), Cached { stored: stored.clone(), at: now.as_second() });
    }

    /// Takes what the same delivery changed or found changed after that.
    pub(super) fn refresh(&self, stored: &StoredState) {
        if let Some(cached) = self.0.borrow_mut().get_mut(&stored.key) {
            cached.stored = stored.clone();
        }
    }

    /// The state in whose full window this denial certainly cannot count. It takes no request,
    /// so that a flood costs nothing.
    pub(super) fn full(&self, delivery: &Delivery<'_>) -> Option<StoredState> {
        let Delivery { denial, arrived } = delivery;
        let states = self.0.borrow();
        let Cached { stored, at } = states.get(denial.principal().key())?;
        let is_certain = is_full_for(stored, delivery)
            && (0..FULL_SECONDS).contains(&(arrived.as_second() - at))
            && stored.outbox.is_none()
            && !stored.state.has_counted(denial);
        is_certain.then(|| stored.clone())
    }

    pub(super) fn expectation(&self, delivery: &Delivery<'_>) -> Expectation {
        match self.0.borrow().get(delivery.denial.principal().key()) {
            Some(Cached { stored, .. }) if opens_newer(stored, delivery) => {
                Expectation::NewerWindow(Box::new(stored.clone()))
            }
            Some(Cached { stored, .. }) if is_full_for(stored, delivery) => {
                Expectation::ProbablyFull
            }
            _ => Expectation::OpenWindow,
        }
    }
}

fn opens_newer(stored: &StoredState, delivery: &Delivery<'_>) -> bool {
    Window::containing(delivery.denial.time()) > stored.state.window
}

fn is_full_for(stored: &StoredState, delivery: &Delivery<'_>) -> bool {
    !opens_newer(stored, delivery)
        && !stored.is_expired(delivery.arrived)
        && stored.state.ids.len() >= MAX_IDS
}
