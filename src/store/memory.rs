//! States in memory: for replay and tests.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;

use jiff::{SignedDuration, Timestamp};

use super::{Admission, Claim, Kept, Pending, Received, Sent, Store, storm_key};
use crate::cloudtrail::Denial;
use crate::detection::{Decision, Outcome, Policy};
use crate::text::Text;
use crate::weekly_digest::Listed;

/// One state for each principal seen.
#[derive(Debug, Default)]
pub struct MemoryStore {
    kept: RefCell<HashMap<Text, Kept>>,
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
    pub fn kept(&self, key: &Text) -> Option<Kept> {
        self.kept.borrow().get(key).cloned()
    }

    /// A store that holds these states.
    pub fn holding(kept: impl IntoIterator<Item = Kept>) -> Self {
        let kept = kept.into_iter().map(|kept| (kept.key.clone(), kept)).collect();
        Self { kept: RefCell::new(kept), alerts: RefCell::default() }
    }

    /// All states, in the order of their keys.
    pub fn into_states(self) -> Vec<Kept> {
        let mut kept: Vec<Kept> = self.kept.into_inner().into_values().collect();
        kept.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        kept
    }

    /// How many principals have a state.
    pub fn len(&self) -> usize {
        self.kept.borrow().len()
    }

    /// Whether no principal has a state.
    pub fn is_empty(&self) -> bool {
        self.kept.borrow().is_empty()
    }

    /// Changes a state that is still as the caller read it.
    fn change(&self, read: &Kept, change: impl FnOnce(&mut Kept)) -> Option<Kept> {
        let mut all = self.kept.borrow_mut();
        let kept = all.get_mut(&read.key)?;
        let unchanged =
            kept.state.alert_seq == read.state.alert_seq && kept.state.window == read.state.window;
        if unchanged {
            change(kept);
            kept.version += 1;
        }
        unchanged.then(|| kept.clone())
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
        let mut all = self.kept.borrow_mut();
        let kept =
            all.entry(denial.principal().key().clone()).or_insert_with(|| Kept::opened_by(denial));
        if kept.is_expired(now) {
            *kept = Kept::opened_by(denial);
        }
        let window = kept.state.window;
        let outcome = kept.state.receive(denial, age, policy);
        if outcome == Outcome::Counted {
            kept.version += 1;
        }
        if kept.state.window != window {
            *kept = kept.clone().renewed();
        }
        Ok(Received { kept: kept.clone(), outcome })
    }

    async fn claim(
        &self,
        kept: &Kept,
        decision: &Decision,
        pending: Pending,
    ) -> Result<Claim, Infallible> {
        let claimed = self.change(kept, |kept| {
            kept.state.settle(decision);
            kept.pending = Some(pending);
        });
        Ok(match claimed {
            Some(kept) => Claim::Won(kept),
            None => Claim::Lost(self.kept(&kept.key).unwrap_or_else(|| kept.clone())),
        })
    }

    async fn note_hit(&self, kept: &Kept, decision: &Decision) -> Result<(), Infallible> {
        self.change(kept, |kept| kept.state.episodes = decision.episodes);
        Ok(())
    }

    async fn note_open(&self, _: &Pending, _: Timestamp) -> Result<(), Infallible> {
        Ok(())
    }

    async fn note_for_digest(&self, _: &Pending, _: Listed) -> Result<(), Infallible> {
        Ok(())
    }

    async fn confirm(&self, kept: &Kept, sent: Sent) -> Result<Kept, Infallible> {
        let confirmed = self.change(kept, |kept| {
            kept.pending = None;
            kept.suppressed += u64::from(sent != Sent::Published);
        });
        Ok(confirmed.or_else(|| self.kept(&kept.key)).unwrap_or_else(|| kept.clone()))
    }

    async fn read_again(&self, kept: Kept) -> Result<Kept, Infallible> {
        Ok(self.kept(&kept.key).unwrap_or(kept))
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
