//! States as this process saw them last, and what they promise about the next denial.

use std::cell::RefCell;
use std::collections::HashMap;

use jiff::Timestamp;

use crate::cloudtrail::Denial;
use crate::detection::Window;
use crate::detection::policy::MAX_IDS;
use crate::store::StoredState;
use crate::text::Text;

/// States remembered by one process, of some kilobytes each.
const MAX_REMEMBERED: usize = 512;
/// Seconds for which a window that was full is taken to be still open. Meanwhile another
/// process may have opened the next one, where a late denial would count.
const FULL_SECONDS: i64 = 5;

/// States by principal. Each may be out of date: a write that rests on one is a
/// compare-and-set.
#[derive(Debug, Default)]
pub(super) struct StateCache(RefCell<HashMap<Text, Cached>>);

/// A state as it was.
#[derive(Debug)]
struct Cached {
    stored: StoredState,
    /// When a delivery last asked for it, in epoch seconds.
    at: i64,
}

/// What to try first with a denial.
pub(super) enum Expectation {
    /// It counts in the window that is open, or nothing is known.
    OpenWindow,
    /// It opens a newer window than that of this state.
    NewerWindow(Box<StoredState>),
    /// Its window can count no more, unless it is another by now, or a finding waits for this
    /// very delivery: a read tells, and costs a small part of a write.
    ProbablyFull,
}

impl StateCache {
    /// Remembers the state after a delivery that asked for it.
    pub(super) fn insert(&self, stored: &StoredState, now: Timestamp) {
        let mut states = self.0.borrow_mut();
        if states.len() >= MAX_REMEMBERED && !states.contains_key(&stored.key) {
            // Those who come again are soon remembered again.
            states.clear();
        }
        states.insert(stored.key.clone(), Cached { stored: stored.clone(), at: now.as_second() });
    }

    /// Remembers what the same delivery learnt or changed after it asked.
    pub(super) fn refresh(&self, stored: &StoredState) {
        if let Some(asked) = self.0.borrow_mut().get_mut(&stored.key) {
            asked.stored = stored.clone();
        }
    }

    /// The state in whose window this denial cannot count, if that is certain. Nothing need be
    /// asked for, so that a flood costs nothing here.
    pub(super) fn full(&self, denial: &Denial, now: Timestamp) -> Option<StoredState> {
        let states = self.0.borrow();
        let Cached { stored, at } = states.get(denial.principal().key())?;
        let is_certain = is_full_for(stored, denial, now)
            && (0..FULL_SECONDS).contains(&(now.as_second() - at))
            && stored.outbox.is_none()
            && !stored.state.has_counted(denial);
        is_certain.then(|| stored.clone())
    }

    /// What the state promises about a denial.
    pub(super) fn expectation(&self, denial: &Denial, now: Timestamp) -> Expectation {
        match self.0.borrow().get(denial.principal().key()) {
            Some(Cached { stored, .. }) if opens_newer(stored, denial) => {
                Expectation::NewerWindow(Box::new(stored.clone()))
            }
            Some(Cached { stored, .. }) if is_full_for(stored, denial, now) => {
                Expectation::ProbablyFull
            }
            _ => Expectation::OpenWindow,
        }
    }
}

fn opens_newer(stored: &StoredState, denial: &Denial) -> bool {
    Window::containing(denial.time()) > stored.state.window
}

fn is_full_for(stored: &StoredState, denial: &Denial, now: Timestamp) -> bool {
    !opens_newer(stored, denial) && !stored.is_expired(now) && stored.state.ids.len() >= MAX_IDS
}
