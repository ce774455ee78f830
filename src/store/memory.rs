//! States in memory: for replay and tests.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;

use jiff::Timestamp;

use super::transition::Transition;
use super::{Admission, Claim, Outbox, Received, Store, StoredState, storm_key};
use crate::cloudtrail::Delivery;
use crate::detection::{Decision, Policy};
use crate::disposition::Disposition;
use crate::text::Text;

/// One state for each principal, by its key.
#[derive(Debug, Default)]
pub struct MemoryStore {
    states: RefCell<HashMap<Text, StoredState>>,
    alerts: RefCell<HashMap<Text, Alerts>>,
}

/// The alerts of one hour.
#[derive(Debug, Default)]
struct Alerts {
    admitted: HashSet<String>,
    announces_storm: Option<String>,
}

impl MemoryStore {
    /// A store that holds these states.
    pub fn holding(states: impl IntoIterator<Item = StoredState>) -> Self {
        let states = states.into_iter().map(|stored| (stored.key.clone(), stored)).collect();
        Self { states: RefCell::new(states), alerts: RefCell::default() }
    }

    pub fn stored(&self, key: &Text) -> Option<StoredState> {
        self.states.borrow().get(key).cloned()
    }

    /// All states, in the order of their keys.
    pub fn into_states(self) -> Vec<StoredState> {
        let mut states: Vec<StoredState> = self.states.into_inner().into_values().collect();
        states.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        states
    }

    /// How many principals have a state.
    pub fn len(&self) -> usize {
        self.states.borrow().len()
    }

    pub fn is_empty(&self) -> bool {
        self.states.borrow().is_empty()
    }

    /// Changes a state that is still as the caller read it.
    fn change(
        &self,
        read: &StoredState,
        change: impl FnOnce(&mut StoredState),
    ) -> Option<StoredState> {
        let mut states = self.states.borrow_mut();
        let stored = states.get_mut(&read.key)?;
        let unchanged = stored.state.alerting.alert_seq == read.state.alerting.alert_seq
            && stored.state.window == read.state.window;
        if unchanged {
            change(stored);
            stored.version += 1;
        }
        unchanged.then(|| stored.clone())
    }
}

impl Store for MemoryStore {
    type Error = Infallible;

    async fn receive(
        &self,
        delivery: &Delivery<'_>,
        policy: &Policy,
    ) -> Result<Received, Infallible> {
        let mut states = self.states.borrow_mut();
        let key = delivery.denial.principal().key();
        if let Some(stored) = states.get_mut(key) {
            let (outcome, _) = Transition::apply(stored, delivery, policy);
            return Ok(Received { stored: stored.clone(), outcome });
        }
        let Transition { stored, outcome, .. } = Transition::first(delivery);
        states.insert(key.clone(), stored.clone());
        Ok(Received { stored, outcome })
    }

    async fn claim(
        &self,
        stored: &StoredState,
        decision: &Decision,
        outbox: Outbox,
    ) -> Result<Claim, Infallible> {
        let claimed = self.change(stored, |stored| {
            stored.state.alerting = decision.alerting;
            stored.outbox = Some(outbox);
        });
        Ok(match claimed {
            Some(stored) => Claim::Won(stored),
            None => Claim::Lost(self.stored(&stored.key).unwrap_or_else(|| stored.clone())),
        })
    }

    async fn record_hit(
        &self,
        stored: &StoredState,
        decision: &Decision,
    ) -> Result<(), Infallible> {
        self.change(stored, |stored| stored.state.alerting = decision.alerting);
        Ok(())
    }

    async fn admit(
        &self,
        outbox: &Outbox,
        limit: u32,
        _: Timestamp,
    ) -> Result<Admission, Infallible> {
        let id = &outbox.finding.id;
        let mut alerts = self.alerts.borrow_mut();
        let hour = alerts.entry(storm_key(outbox.leased_at)).or_default();
        if hour.admitted.contains(id) || hour.admitted.len() < limit as usize {
            hour.admitted.insert(id.clone());
            return Ok(Admission::Send);
        }
        let announcer = hour.announces_storm.get_or_insert_with(|| id.clone());
        Ok(if announcer == id { Admission::AnnounceStorm } else { Admission::HoldBack })
    }

    async fn confirm(
        &self,
        stored: &StoredState,
        disposition: Disposition,
    ) -> Result<StoredState, Infallible> {
        let confirmed = self.change(stored, |stored| stored.confirm(disposition));
        Ok(confirmed.or_else(|| self.stored(&stored.key)).unwrap_or_else(|| stored.clone()))
    }

    async fn read_again(&self, stored: StoredState) -> Result<StoredState, Infallible> {
        Ok(self.stored(&stored.key).unwrap_or(stored))
    }
}
