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
use crate::ignore::Ignored;
use crate::settings::{Mode, Settings};
use crate::sink::{Receipt, Sink};
use crate::store::{Admission, Claim, Kept, Pending, Received, Sent, Store};

/// A finding that another delivery claimed and did not confirm for so many seconds is
/// taken over.
pub const PENDING_SECONDS: i64 = 60;

/// Times a claim is tried again after another invocation changed the state.
const MAX_CLAIMS: u32 = 8;

/// The detector over one store and one sink.
#[derive(Debug)]
pub struct Detector<S, P> {
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
    pub sends: Sends,
}

/// Findings by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sends {
    /// Sent.
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

impl Sends {
    /// Whether one is recorded and was not sent.
    pub const fn kept_back(&self) -> bool {
        self.suppressed + self.muted + self.repeated + self.shadowed > 0
    }

    fn add(&mut self, sent: Sent) {
        match sent {
            Sent::Published => self.published += 1,
            Sent::Suppressed => self.suppressed += 1,
            Sent::Muted => self.muted += 1,
            Sent::Repeated => self.repeated += 1,
            Sent::Shadowed => self.shadowed += 1,
        }
    }

    fn publish(&mut self, receipt: Receipt) {
        self.chat_failed += u32::from(receipt.chat_failed);
    }
}

/// Why a delivery must come again.
#[derive(Debug, thiserror::Error)]
pub enum DetectorError<S, P> {
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
    pub error: DetectorError<S, P>,
    /// What it led to, if it was received.
    pub handled: Option<Handled>,
}

type Outcomes<T, S, P> = Result<T, DetectorError<<S as Store>::Error, <P as Sink>::Error>>;

impl<S: Store, P: Sink> Detector<S, P> {
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
        let Received { kept, outcome } = received
            .map_err(|error| Failed { error: DetectorError::Store(error), handled: None })?;
        let mut handled = Handled {
            outcome,
            late: Window::containing(denial.time()) < kept.state.window,
            assessment: Assessment::of(&kept.state, policy),
            finding: None,
            sends: Sends::default(),
        };
        match self.report(kept, denial, now, policy, &mut handled).await {
            Ok(()) => Ok(handled),
            Err(error) => Err(Failed { error, handled: Some(handled) }),
        }
    }

    /// Decides, claims, publishes and confirms.
    async fn report(
        &self,
        mut kept: Kept,
        denial: &Denial,
        now: Timestamp,
        policy: &Policy,
        handled: &mut Handled,
    ) -> Outcomes<(), S, P> {
        let mut assessment = handled.assessment;
        if let Some(pending) =
            kept.pending.as_ref().filter(|pending| is_ours(pending, denial.digest(), now))
        {
            // Claimed by the very write that counted it, when it closed a window.
            let is_new =
                handled.outcome == Outcome::Counted && pending.claimed_by == denial.digest();
            handled.finding = is_new.then(|| pending.finding.clone());
            self.send_pending(&mut kept, now, &mut handled.sends).await?;
            assessment = Assessment::of(&kept.state, policy);
        }
        for _ in 0..MAX_CLAIMS {
            let decision = decide(&kept.state, &assessment, denial, policy);
            let Some(report) = &decision.report else {
                if decision.episodes != kept.state.episodes {
                    self.store.note_hit(&kept, &decision).await.map_err(DetectorError::Store)?;
                }
                return Ok(());
            };
            if kept.pending.is_some() {
                if handled.outcome == Outcome::Saturated {
                    // What is due was due before, and comes again with a denial that counted.
                    return Ok(());
                }
                // Another is about to send a finding: one waits at a time. This one is decided
                // again when that is done.
                kept = self.store.read_again(kept).await.map_err(DetectorError::Store)?;
                assessment = Assessment::of(&kept.state, policy);
                continue;
            }
            let mut after = kept.state.clone();
            after.settle(&decision);
            let finding = Finding::new(&after, report, denial, policy);
            let pending = Pending {
                finding: finding.clone(),
                claimed_by: denial.digest(),
                claimed_at: now.as_second(),
            };
            let claim = self.store.claim(&kept, &decision, pending).await;
            match claim.map_err(DetectorError::Store)? {
                Claim::Won(won) => {
                    kept = won;
                    handled.finding = Some(finding);
                    return self.send_pending(&mut kept, now, &mut handled.sends).await;
                }
                Claim::Lost(newer) => kept = newer,
            }
            assessment = Assessment::of(&kept.state, policy);
        }
        Err(DetectorError::Contended)
    }

    /// The policy for the principal of this denial.
    pub fn policy_for(&self, denial: &Denial) -> Cow<'_, Policy> {
        let Settings { policy, ignored, .. } = &self.settings;
        if !ignored.have_ceilings() {
            // The names of each denial's principal need not be matched once more.
            return Cow::Borrowed(policy);
        }
        match ignored.of(denial) {
            Ignored::UpTo(most) => Cow::Owned(Policy { only_above: Some(most), ..policy.clone() }),
            Ignored::No | Ignored::Entirely => Cow::Borrowed(policy),
        }
    }

    /// Publishes what is pending, or holds it back, and confirms it.
    async fn send_pending(
        &self,
        kept: &mut Kept,
        now: Timestamp,
        sends: &mut Sends,
    ) -> Outcomes<(), S, P> {
        let Some(pending) = &kept.pending else {
            return Ok(());
        };
        let sent = match self.kept_back(&pending.finding, kept.muted_until, now) {
            Some(kept_back) => kept_back,
            None => self.publish(pending, now, sends).await?,
        };
        self.list(pending, sent).await?;
        *kept = self.store.confirm(kept, sent).await.map_err(DetectorError::Store)?;
        sends.add(sent);
        Ok(())
    }

    /// Why a finding is recorded and not sent, if it is.
    fn kept_back(&self, finding: &Finding, muted_until: i64, now: Timestamp) -> Option<Sent> {
        if muted_until > now.as_second() {
            Some(Sent::Muted)
        } else if finding.repeats {
            Some(Sent::Repeated)
        } else {
            (self.settings.mode == Mode::Shadow).then_some(Sent::Shadowed)
        }
    }

    /// Notes a finding for the weekly digest, if that is asked for and lists it.
    async fn list(&self, pending: &Pending, sent: Sent) -> Outcomes<(), S, P> {
        match sent.listed(&pending.finding).filter(|_| self.settings.weekly_digest) {
            None => Ok(()),
            Some(listed) => {
                let noted = self.store.note_for_digest(pending, listed).await;
                noted.map_err(DetectorError::Store)
            }
        }
    }

    async fn publish(
        &self,
        pending: &Pending,
        now: Timestamp,
        sends: &mut Sends,
    ) -> Outcomes<Sent, S, P> {
        let finding = &pending.finding;
        let limit = self.settings.max_alerts_per_hour;
        // The hour of the claim: a finding that is tried again later gets the same answer, so
        // that a storm it has to announce is announced.
        let claimed_at = Timestamp::from_second(pending.claimed_at).unwrap_or(now);
        let admission = self.store.admit_alert(&finding.id, limit, claimed_at).await;
        match admission.map_err(DetectorError::Store)? {
            Admission::Send => {
                // Noted before it is sent: whoever gets it also gets its end.
                self.store.note_open(pending, now).await.map_err(DetectorError::Store)?;
                let receipt = self.sink.publish(finding).await.map_err(DetectorError::Sink)?;
                sends.publish(receipt);
                return Ok(Sent::Published);
            }
            Admission::AnnounceStorm => {
                self.sink.publish_storm(finding, limit).await.map_err(DetectorError::Sink)?;
            }
            Admission::HoldBack => {}
        }
        Ok(Sent::Suppressed)
    }
}

/// Whether the delivery of this event is the one to send it: it claimed it, or nobody else did
/// for long.
fn is_ours(pending: &Pending, event: EventDigest, now: Timestamp) -> bool {
    pending.claimed_by == event || now.as_second() - pending.claimed_at >= PENDING_SECONDS
}
