//! Where the state of each principal is kept, and how it changes there.
//!
//! Any change is correct as a compare-and-set of the whole state that
//! [`crate::detection`] computes. A store may do the commonest one with less.

#[cfg(feature = "dynamodb")]
pub mod dynamodb;
pub mod memory;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::cloudtrail::Denial;
use crate::cloudtrail::call::EventDigest;
use crate::detection::finding::{Finding, Severity};
use crate::detection::window::SECONDS_PER_DAY;
use crate::detection::{Decision, Outcome, Policy, PrincipalState, Window, decide_at_close};
use crate::text::Text;
use crate::weekly_digest::Listed;

/// Days after the newest window when a state expires.
pub const RETENTION_DAYS: i64 = 90;

/// A state as a store holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredState {
    /// The principal's key.
    pub key: Text,
    /// What the detector remembers.
    pub state: PrincipalState,
    /// Changes with every write.
    pub version: u64,
    /// The finding claimed last, until it is confirmed as sent.
    pub outbox: Option<Outbox>,
    /// Epoch seconds until which findings are recorded and not sent.
    pub muted_until: i64,
    /// Findings recorded and not sent.
    pub suppressed: u64,
    /// Epoch seconds when it expires.
    pub expires_at: i64,
}

impl StoredState {
    /// The state of a principal that was not known before.
    pub fn opened_by(denial: &Denial) -> Self {
        Self {
            key: denial.principal().key().clone(),
            state: PrincipalState::opened_by(denial),
            version: 0,
            outbox: None,
            muted_until: 0,
            suppressed: 0,
            expires_at: 0,
        }
        .renewed()
    }

    /// Whether it is none any more.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now.as_second()
    }

    /// Receives one delivery. Before a window closes, what is due in it is claimed: whoever
    /// should have done so ended first, or is about to find it closed. While another finding
    /// waits to be sent that cannot be, and the window stays open.
    pub fn receive(
        &mut self,
        denial: &Denial,
        age: SignedDuration,
        now: Timestamp,
        policy: &Policy,
    ) -> Outcome {
        if Window::containing(denial.time()) > self.state.window {
            let decision = decide_at_close(&self.state, policy);
            if let Some(report) = &decision.report {
                if self.outbox.is_some() {
                    return self.state.receive_in_open_window(denial, age);
                }
                self.state.alerting = decision.alerting;
                self.outbox = Some(Outbox {
                    finding: Finding::new(&self.state, report, denial, policy),
                    owner: denial.digest(),
                    leased_at: now.as_second(),
                });
            }
        }
        self.state.receive(denial, age, policy)
    }

    /// With the time of expiry that its newest window gives.
    #[must_use]
    pub fn renewed(self) -> Self {
        let start = self.state.window.start_on(crate::detection::Scale::FiveMinutes);
        Self { expires_at: start + RETENTION_DAYS * SECONDS_PER_DAY, ..self }
    }
}

/// A finding that was claimed and is not yet confirmed as sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outbox {
    /// The finding.
    pub finding: Finding,
    /// The event whose delivery claimed it.
    pub owner: EventDigest,
    /// When, in epoch seconds.
    pub leased_at: i64,
}

/// What one delivery did to a state.
#[derive(Clone, Debug)]
pub struct Received {
    /// The state after it.
    pub stored: StoredState,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a claim.
#[derive(Clone, Debug)]
pub enum Claim {
    /// It is ours to publish. The state holds it as pending.
    Won(StoredState),
    /// The state was changed by another. It must be assessed again.
    Lost(StoredState),
}

/// What happens to a finding that was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It was published.
    Published,
    /// It was recorded and held back by the storm guard.
    RateLimited,
    /// It was recorded, and its principal is muted.
    Muted,
    /// It was recorded, and says what was told of a broken workload.
    Held,
    /// It was recorded, and the detector runs in shadow mode.
    Shadowed,
}

impl Disposition {
    /// Why a finding is listed in the digest, if it is.
    pub fn listed(self, finding: &Finding) -> Option<Listed> {
        match self {
            Self::Published => (finding.severity == Severity::Low).then_some(Listed::Low),
            Self::RateLimited => Some(Listed::RateLimited),
            Self::Muted => Some(Listed::Muted),
            Self::Held => Some(Listed::Held),
            Self::Shadowed => Some(Listed::Shadowed),
        }
    }
}

/// What the storm guard says to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Send it.
    Send,
    /// Hold it back, and say that a storm is on.
    AnnounceStorm,
    /// Hold it back.
    HoldBack,
}

/// States by principal. Two stores implement it: memory and DynamoDB.
#[expect(async_fn_in_trait, reason = "each binary awaits one store on one thread")]
pub trait Store {
    /// Why it failed.
    type Error;

    /// Receives one delivery of a denial and gives the state after it. `age` is the time
    /// between the event and its arrival, `now` the time of that.
    async fn receive(
        &self,
        denial: &Denial,
        age: SignedDuration,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<Received, Self::Error>;

    /// Stores a decision that reports, with its finding as pending, unless the state's
    /// alert number or its open window changed meanwhile.
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

    /// Notes the episode of a finding that is about to be sent, so that its end can be told. A
    /// replay tells no ends.
    async fn record_open(&self, outbox: &Outbox, now: Timestamp) -> Result<(), Self::Error>;

    /// Notes a finding for the digest of its week. The same finding is noted once, however often
    /// that is asked for. A replay has no digest.
    async fn record_for_weekly_digest(
        &self,
        outbox: &Outbox,
        listed: Listed,
    ) -> Result<(), Self::Error>;

    /// Takes a pending finding away, if it is still the one of this state, and gives the
    /// state as it then is.
    async fn confirm(
        &self,
        stored: &StoredState,
        sent: Disposition,
    ) -> Result<StoredState, Self::Error>;

    /// The state as it is after a short while, in which another invocation may be done.
    async fn read_again(&self, stored: StoredState) -> Result<StoredState, Self::Error>;

    /// Admits an alert, by its finding's id, to those of the hour of `now`, of which at most
    /// `limit` are sent. The same id gets the same answer, however often it asks.
    async fn admit_alert(
        &self,
        finding_id: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<Admission, Self::Error>;
}

/// The key under which the alerts of an hour are counted. No principal has it: their keys
/// begin with an account id.
pub fn storm_key(now: Timestamp) -> Text {
    Text::new(&format!("#storm#{}", now.as_second().div_euclid(3600)), 64)
}
