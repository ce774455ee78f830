//! States in memory: for replay and tests.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;

use jiff::{SignedDuration, Timestamp};

use super::{Admission, Claim, Disposition, Outbox, Received, Store, StoredState, storm_key};
use crate::cloudtrail::Denial;
use crate::detection::{Decision, Outcome, Policy};
use crate::text::Text;
use crate::weekly_digest::Listed;

/// One state for each principal seen.
#[derive(Debug, Default)]
pub struct MemoryStore {
    stored: RefCell<HashMap<Text, StoredState>>,
    alerts: RefCell<HashMap<Text, Alerts>>,
}

/// The alerts of one hour.
#[derive(Debug, Default)]
struct Alerts {
    admitted: HashSet<String>,
    announces_storm: Option<String>,
}

impl MemoryStore {
    /// The state of a principal, by its key.
    pub fn stored(&self, key: &Text) -> Option<StoredState> {
        self.stored.borrow().get(key).cloned()
    }

    /// A store that holds these states.
    pub fn holding(stored: impl IntoIterator<Item = StoredState>) -> Self {
        let stored = stored.into_iter().map(|stored| (stored.key.clone(), stored)).collect();
        Self { stored: RefCell::new(stored), alerts: RefCell::default() }
    }

    /// All states, in the order of their keys.
    pub fn into_states(self) -> Vec<StoredState> {
        let mut stored: Vec<StoredState> = self.stored.into_inner().into_values().collect();
        stored.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        stored
    }

    /// How many principals have a state.
    pub fn len(&self) -> usize {
        self.stored.borrow().len()
    }

    /// Whether no principal has a state.
    pub fn is_empty(&self) -> bool {
        self.stored.borrow().is_empty()
    }

    /// Changes a state that is still as the caller read it.
    fn change(
        &self,
        read: &StoredState,
        change: impl FnOnce(&mut StoredState),
    ) -> Option<StoredState> {
        let mut all = self.stored.borrow_mut();
        let stored = all.get_mut(&read.key)?;
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
        denial: &Denial,
        age: SignedDuration,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<Received, Infallible> {
        let mut all = self.stored.borrow_mut();
        let stored = all
            .entry(denial.principal().key().clone())
            .or_insert_with(|| StoredState::opened_by(denial));
        if stored.is_expired(now) {
            *stored = StoredState::opened_by(denial);
        }
        let window = stored.state.window;
        let outcome = stored.state.receive(denial, age, policy);
        if outcome == Outcome::Counted {
            stored.version += 1;
        }
        if stored.state.window != window {
            *stored = stored.clone().renewed();
        }
        Ok(Received { stored: stored.clone(), outcome })
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

    async fn record_open(&self, _: &Outbox, _: Timestamp) -> Result<(), Infallible> {
        Ok(())
    }

    async fn record_for_weekly_digest(&self, _: &Outbox, _: Listed) -> Result<(), Infallible> {
        Ok(())
    }

    async fn confirm(
        &self,
        stored: &StoredState,
        sent: Disposition,
    ) -> Result<StoredState, Infallible> {
        let confirmed = self.change(stored, |stored| {
            stored.outbox = None;
            stored.suppressed += u64::from(sent != Disposition::Published);
        });
        Ok(confirmed.or_else(|| self.stored(&stored.key)).unwrap_or_else(|| stored.clone()))
    }

    async fn read_again(&self, stored: StoredState) -> Result<StoredState, Infallible> {
        Ok(self.stored(&stored.key).unwrap_or(stored))
    }

    async fn admit_alert(
        &self,
        finding_id: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Admission, Infallible> {
        let mut alerts = self.alerts.borrow_mut();
        let hour = alerts.entry(storm_key(now)).or_default();
        if hour.admitted.contains(finding_id) || hour.admitted.len() < limit as usize {
            hour.admitted.insert(finding_id.to_owned());
            return Ok(Admission::Send);
        }
        let announcer = hour.announces_storm.get_or_insert_with(|| finding_id.to_owned());
        Ok(if announcer == finding_id { Admission::AnnounceStorm } else { Admission::HoldBack })
    }
}
