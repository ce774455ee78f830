//! One delivery from end to end: receive, assess, claim, publish, confirm.
//!
//! Every delivery is assessed, duplicates included, and a finding is claimed in the store
//! before it is published. So the process may die between any two of these steps: the
//! delivery that comes again, or the next one of the principal, does the rest. A finding
//! is never lost, and at worst sent twice with one id.

#[cfg(feature = "dynamodb")]
pub mod reads;
#[cfg(feature = "dynamodb")]
pub mod resolve;

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

use crate::cloudtrail::Denial;
use crate::cloudtrail::call::EventDigest;
use crate::detection::finding::Finding;
use crate::detection::{Assessment, Outcome, Policy, Window, decide};
use crate::settings::{Mode, Settings};
use crate::sink::{Receipt, Sink};
use crate::store::{Admission, Claim, Disposition, Outbox, Received, Store, StoredState};

/// A finding that another delivery claimed and did not confirm for so many seconds is
/// taken over.
pub const LEASE_SECONDS: i64 = 60;

/// Times a claim is tried again after another invocation changed the state.
const MAX_CLAIMS: u32 = 8;

/// The detector over one store and one sink.
#[derive(Debug)]
pub struct Engine<S, P> {
    store: S,
    sink: P,
    settings: Settings,
}

/// What one delivery led to.
#[derive(Debug)]
pub struct Handled {
    /// What became of it.
    pub outcome: Outcome,
    /// Whether it is older than the window it counts in.
    pub late: bool,
    /// The counts after it beside what is usual.
    pub assessment: Assessment,
    /// The finding it raised.
    pub finding: Option<Finding>,
    /// What became of it, and of those left behind by others.
    pub sends: Dispositions,
}

/// Findings by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dispositions {
    /// Disposition.
    pub published: u32,
    /// Recorded and held back by the storm guard.
    pub suppressed: u32,
    /// Recorded, of a principal that is muted.
    pub muted: u32,
    /// Recorded, of a broken workload that was told of.
    pub repeated: u32,
    /// Recorded in shadow mode.
    pub shadowed: u32,
    /// Of those sent, the ones that chat does not show.
    pub chat_failed: u32,
}

impl Dispositions {
    /// Whether one is recorded and was not sent.
    pub const fn kept_back(&self) -> bool {
        self.suppressed + self.muted + self.repeated + self.shadowed > 0
    }

    fn add(&mut self, sent: Disposition) {
        match sent {
            Disposition::Published => self.published += 1,
            Disposition::RateLimited => self.suppressed += 1,
            Disposition::Muted => self.muted += 1,
            Disposition::Held => self.repeated += 1,
            Disposition::Shadowed => self.shadowed += 1,
        }
    }

    fn publish(&mut self, receipt: Receipt) {
        self.chat_failed += u32::from(receipt.chat_failed);
    }
}

/// Why a delivery must come again.
#[derive(Debug, thiserror::Error)]
pub enum EngineError<S, P> {
    /// The store failed.
    #[error("the state cannot be stored")]
    Store(#[source] S),
    /// The sink failed.
    #[error("the alert cannot be published")]
    Sink(#[source] P),
    /// Other invocations changed the state again and again.
    #[error("the state was changed by others {MAX_CLAIMS} times")]
    Contended,
}

/// A delivery that must come again, and what it led to until then.
#[derive(Debug)]
pub struct Failed<S, P> {
    /// Why it failed.
    pub error: EngineError<S, P>,
    /// What it led to, if it was received.
    pub handled: Option<Handled>,
}

type Outcomes<T, S, P> = Result<T, EngineError<<S as Store>::Error, <P as Sink>::Error>>;

impl<S: Store, P: Sink> Engine<S, P> {
    /// A detector.
    pub fn new(store: S, sink: P, settings: Settings) -> Self {
        Self { store, sink, settings }
    }

    /// Its store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Its store, and nothing else.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Its settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Handles one delivery. `age` is the time between the event and its arrival, `now`
    /// the time of that.
    pub async fn handle(
        &self,
        denial: &Denial,
        age: SignedDuration,
        now: Timestamp,
    ) -> Result<Handled, Failed<S::Error, P::Error>> {
        let policy = &*self.policy_for(denial);
        let received = self.store.receive(denial, age, now, policy).await;
        let Received { stored, outcome } =
            received.map_err(|error| Failed { error: EngineError::Store(error), handled: None })?;
        let mut handled = Handled {
            outcome,
            late: Window::containing(denial.time()) < stored.state.window,
            assessment: Assessment::of(&stored.state, policy),
            finding: None,
            sends: Dispositions::default(),
        };
        match self.report(stored, denial, now, policy, &mut handled).await {
            Ok(()) => Ok(handled),
            Err(error) => Err(Failed { error, handled: Some(handled) }),
        }
    }

    /// Decides, claims, publishes and confirms.
    async fn report(
        &self,
        mut stored: StoredState,
        denial: &Denial,
        now: Timestamp,
        policy: &Policy,
        handled: &mut Handled,
    ) -> Outcomes<(), S, P> {
        let mut assessment = handled.assessment;
        if let Some(outbox) =
            stored.outbox.as_ref().filter(|outbox| holds_lease(outbox, denial.digest(), now))
        {
            // Claimed by the very write that counted it, when it closed a window.
            let is_new = handled.outcome == Outcome::Counted && outbox.owner == denial.digest();
            handled.finding = is_new.then(|| outbox.finding.clone());
            self.send_outbox(&mut stored, now, &mut handled.sends).await?;
            assessment = Assessment::of(&stored.state, policy);
        }
        for _ in 0..MAX_CLAIMS {
            let decision = decide(&stored.state, &assessment, denial, policy);
            let Some(report) = &decision.report else {
                if decision.episodes != stored.state.episodes {
                    self.store.record_hit(&stored, &decision).await.map_err(EngineError::Store)?;
                }
                return Ok(());
            };
            if stored.outbox.is_some() {
                if handled.outcome == Outcome::WindowFull {
                    // What is due was due before, and comes again with a denial that counted.
                    return Ok(());
                }
                // Another is about to send a finding: one waits at a time. This one is decided
                // again when that is done.
                stored = self.store.read_again(stored).await.map_err(EngineError::Store)?;
                assessment = Assessment::of(&stored.state, policy);
                continue;
            }
            let mut after = stored.state.clone();
            after.settle(&decision);
            let finding = Finding::new(&after, report, denial, policy);
            let outbox = Outbox {
                finding: finding.clone(),
                owner: denial.digest(),
                leased_at: now.as_second(),
            };
            let claim = self.store.claim(&stored, &decision, outbox).await;
            match claim.map_err(EngineError::Store)? {
                Claim::Won(won) => {
                    stored = won;
                    handled.finding = Some(finding);
                    return self.send_outbox(&mut stored, now, &mut handled.sends).await;
                }
                Claim::Lost(newer) => stored = newer,
            }
            assessment = Assessment::of(&stored.state, policy);
        }
        Err(EngineError::Contended)
    }

    /// The policy for the principal of this denial.
    pub fn policy_for(&self, denial: &Denial) -> Cow<'_, Policy> {
        let Settings { policy, ignored, .. } = &self.settings;
        match ignored.ceiling(denial) {
            Some(most) => Cow::Owned(Policy { only_above: Some(most), ..policy.clone() }),
            None => Cow::Borrowed(policy),
        }
    }

    /// Publishes what is pending, or holds it back, and confirms it.
    async fn send_outbox(
        &self,
        stored: &mut StoredState,
        now: Timestamp,
        sends: &mut Dispositions,
    ) -> Outcomes<(), S, P> {
        let Some(outbox) = &stored.outbox else {
            return Ok(());
        };
        let sent = match self.kept_back(&outbox.finding, stored.muted_until, now) {
            Some(kept_back) => kept_back,
            None => self.publish(outbox, now, sends).await?,
        };
        self.list(outbox, sent).await?;
        *stored = self.store.confirm(stored, sent).await.map_err(EngineError::Store)?;
        sends.add(sent);
        Ok(())
    }

    /// Why a finding is recorded and not sent, if it is.
    fn kept_back(
        &self,
        finding: &Finding,
        muted_until: i64,
        now: Timestamp,
    ) -> Option<Disposition> {
        if muted_until > now.as_second() {
            Some(Disposition::Muted)
        } else if finding.repeats {
            Some(Disposition::Held)
        } else {
            (self.settings.mode == Mode::Shadow).then_some(Disposition::Shadowed)
        }
    }

    /// Notes a finding for the weekly digest, if that is asked for and lists it.
    async fn list(&self, outbox: &Outbox, sent: Disposition) -> Outcomes<(), S, P> {
        match sent.listed(&outbox.finding).filter(|_| self.settings.weekly_digest) {
            None => Ok(()),
            Some(listed) => {
                let noted = self.store.record_for_weekly_digest(outbox, listed).await;
                noted.map_err(EngineError::Store)
            }
        }
    }

    async fn publish(
        &self,
        outbox: &Outbox,
        now: Timestamp,
        sends: &mut Dispositions,
    ) -> Outcomes<Disposition, S, P> {
        let finding = &outbox.finding;
        let limit = self.settings.max_alerts_per_hour;
        // The hour of the claim: a finding that is tried again later gets the same answer, so
        // that a storm it has to announce is announced.
        let leased_at = Timestamp::from_second(outbox.leased_at).unwrap_or(now);
        let admission = self.store.admit_alert(&finding.id, limit, leased_at).await;
        match admission.map_err(EngineError::Store)? {
            Admission::Send => {
                // Noted before it is sent: whoever gets it also gets its end.
                self.store.record_open(outbox, now).await.map_err(EngineError::Store)?;
                let receipt = self.sink.publish(finding).await.map_err(EngineError::Sink)?;
                sends.publish(receipt);
                return Ok(Disposition::Published);
            }
            Admission::AnnounceStorm => {
                self.sink.publish_storm(finding, limit).await.map_err(EngineError::Sink)?;
            }
            Admission::HoldBack => {}
        }
        Ok(Disposition::RateLimited)
    }
}

/// Whether the delivery of this event is the one to send it: it claimed it, or nobody else did
/// for long.
fn holds_lease(outbox: &Outbox, event: EventDigest, now: Timestamp) -> bool {
    outbox.owner == event || now.as_second() - outbox.leased_at >= LEASE_SECONDS
}
