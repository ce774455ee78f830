//! Where the state of each principal is kept, and how it changes there.
//!
//! Any change is correct as a compare-and-set of the whole state that
//! [`crate::detection`] computes. A store may do the commonest one with less.

#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod memory;
pub mod transition;

use jiff::Timestamp;

use crate::cloudtrail::call::{Delivery, Denial, EventDigest};
use crate::detection::window::SECONDS_PER_DAY;
use crate::detection::{Decision, Finding, Outcome, Policy, PrincipalState, Scale};
use crate::disposition::Disposition;
use crate::text::Text;

/// A lease that was not confirmed for so many seconds may be taken over.
pub const LEASE_SECONDS: i64 = 60;

/// Days after the newest window when a state expires.
pub const RETENTION_DAYS: i64 = 90;

/// A state as a store holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredState {
    pub key: Text,
    pub state: PrincipalState,
    /// Changes with every write.
    pub version: u64,
    pub outbox: Option<Outbox>,
    /// Epoch seconds until which findings are recorded and not sent. An operator sets it.
    pub muted_until: i64,
    /// Findings that the storm guard held back.
    pub suppressed: u64,
    /// In epoch seconds.
    pub expires_at: i64,
}

impl StoredState {
    /// The state of a principal that was not known before.
    pub fn opened_by(denial: &Denial) -> Self {
        let mut stored = Self {
            key: denial.principal().key().clone(),
            state: PrincipalState::opened_by(denial),
            version: 0,
            outbox: None,
            muted_until: 0,
            suppressed: 0,
            expires_at: 0,
        };
        stored.renew();
        stored
    }

    /// Whether retention has passed.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now.as_second()
    }

    /// Empties the outbox of a finding with this disposition.
    fn confirm(&mut self, disposition: Disposition) {
        self.outbox = None;
        self.suppressed += u64::from(disposition == Disposition::RateLimited);
    }

    /// Sets the time of expiry that its newest window gives.
    pub fn renew(&mut self) {
        let start = self.state.window.start_on(Scale::FiveMinutes);
        self.expires_at = start + RETENTION_DAYS * SECONDS_PER_DAY;
    }
}

/// A finding that waits to be sent: one that was raised, the end of an episode, or an access
/// after denial. Whoever holds the lease sends it.
#[derive(Clone, Debug, PartialEq)]
pub struct Outbox {
    pub finding: Finding,
    /// The event whose delivery took the lease. A run of the schedule has none.
    pub owner: Option<EventDigest>,
    /// When, in epoch seconds.
    pub leased_at: i64,
}

impl Outbox {
    /// When a lease must have been taken, in epoch seconds, to be over by the time of this one.
    pub const fn stale_at(&self) -> i64 {
        self.leased_at - LEASE_SECONDS
    }

    /// Whether the delivery of this event, or a run of the schedule, is the one to send it: it
    /// took the lease, or whoever did so did not confirm it in time.
    pub fn is_leased_to(&self, event: Option<EventDigest>, now: Timestamp) -> bool {
        (event.is_some() && self.owner == event)
            || now.as_second() - self.leased_at >= LEASE_SECONDS
    }
}

/// A state after a delivery, and what became of that.
#[derive(Clone, Debug)]
pub struct Received {
    pub stored: StoredState,
    pub outcome: Outcome,
}

/// What became of a claim.
#[derive(Clone, Debug)]
pub enum Claim {
    /// The finding is ours to send, and waits in the outbox of this state.
    Won(StoredState),
    /// Another invocation changed the state, which must be assessed again.
    Lost(StoredState),
}

/// Whether an alert is sent in its hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Send,
    /// Too many were sent, and this is the first that is not: announce the storm.
    AnnounceStorm,
    HoldBack,
}

/// States by principal, in memory or in DynamoDB.
///
/// For each delivery [`Store::receive`] comes first. What it gives is decided on; a decision
/// that reports is claimed with its finding in the outbox, any other records its hit. A finding
/// in the outbox is admitted, sent, and confirmed.
#[expect(async_fn_in_trait, reason = "each binary awaits one store on one thread")]
pub trait Store {
    type Error;

    /// Receives one delivery of a denial and gives the state after it.
    async fn receive(
        &self,
        delivery: &Delivery<'_>,
        policy: &Policy,
    ) -> Result<Received, Self::Error>;

    /// Stores a decision that reports, and its finding in the outbox, unless the state's alert
    /// number or its open window changed meanwhile.
    async fn claim(
        &self,
        stored: &StoredState,
        decision: &Decision,
        outbox: Outbox,
    ) -> Result<Claim, Self::Error>;

    /// Stores the episodes of a decision that reports nothing.
    async fn record_hit(
        &self,
        stored: &StoredState,
        decision: &Decision,
    ) -> Result<(), Self::Error>;

    /// Admits a finding to those of the hour in which it was leased, of which at most `limit`
    /// are sent. The same finding gets the same answer, however often it asks. A store that
    /// resolves episodes records that of an admitted finding before the finding is sent.
    async fn admit(
        &self,
        outbox: &Outbox,
        limit: u32,
        now: Timestamp,
    ) -> Result<Admission, Self::Error>;

    /// Empties the outbox, if it still holds the finding of this state, and gives the state as
    /// it then is.
    async fn confirm(
        &self,
        stored: &StoredState,
        disposition: Disposition,
    ) -> Result<StoredState, Self::Error>;

    /// The state as it is after a short while, in which another invocation may be done.
    async fn read_again(&self, stored: StoredState) -> Result<StoredState, Self::Error>;
}

/// The key under which the alerts of an hour are counted. No principal has it: their keys
/// begin with an account id.
pub fn storm_key(second: i64) -> Text {
    Text::new(&format!("#storm#{}", second.div_euclid(3600)), 64)
}
