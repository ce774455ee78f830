//! One delivery from end to end: receive, assess, decide, claim, send, confirm.
//!
//! Every delivery is assessed, duplicates included, and a finding is claimed in the store
//! before it is sent. So the process may die between any two of these steps: the delivery that
//! comes again, or the next one of the principal, does the rest. A finding is never lost, and
//! at worst sent twice with one id.

#[cfg(feature = "dynamodb")]
mod digest;
pub mod outbox;
#[cfg(feature = "dynamodb")]
pub mod reads;
#[cfg(feature = "dynamodb")]
pub mod resolve;

use std::borrow::Cow;

use jiff::Timestamp;

use self::outbox::Sent;
use crate::cloudtrail::{Delivery, Denial};
use crate::detection::{Assessment, Finding, Outcome, Policy, Window, decide};
use crate::disposition::Dispositions;
use crate::settings::Settings;
use crate::sink::Sink;
use crate::store::{Claim, Outbox, Received, Store, StoredState};

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
    pub outcome: Outcome,
    /// Whether the denial is older than the window it counts in.
    pub late: bool,
    /// The counts after it beside what is usual.
    pub assessment: Assessment,
    /// The finding that it raised.
    pub finding: Option<Finding>,
    /// What became of that finding, and of those taken over from others.
    pub sent: SentFindings,
}

/// What became of the findings that were sent or held back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SentFindings {
    pub dispositions: Dispositions,
    /// Of those published, the ones that the chat topic did not take.
    pub chat_failed: u32,
}

impl SentFindings {
    pub(crate) fn record(&mut self, sent: Sent) {
        self.dispositions.record(sent.disposition);
        self.chat_failed += u32::from(sent.chat_failed);
    }
}

/// Why a delivery must come again.
#[derive(Debug, thiserror::Error)]
pub enum EngineError<S, P> {
    #[error("the state cannot be stored")]
    Store(#[source] S),
    #[error("the alert cannot be published")]
    Sink(#[source] P),
    #[error("the state was changed by others {MAX_CLAIMS} times")]
    Contended,
}

/// A delivery that must come again, and what it led to until then.
#[derive(Debug)]
pub struct HandleError<S, P> {
    pub error: EngineError<S, P>,
    /// Missing if the denial could not even be received.
    pub handled: Option<Handled>,
}

impl<S: Store, P: Sink> Engine<S, P> {
    pub const fn new(store: S, sink: P, settings: Settings) -> Self {
        Self { store, sink, settings }
    }

    pub const fn store(&self) -> &S {
        &self.store
    }

    pub fn into_store(self) -> S {
        self.store
    }

    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub async fn handle(
        &self,
        delivery: &Delivery<'_>,
    ) -> Result<Handled, HandleError<S::Error, P::Error>> {
        let policy = &*self.policy_for(delivery.denial);
        let Received { stored, outcome } = match self.store.receive(delivery, policy).await {
            Ok(received) => received,
            Err(error) => {
                return Err(HandleError { error: EngineError::Store(error), handled: None });
            }
        };
        let handled = Handled {
            outcome,
            late: Window::containing(delivery.denial.time()) < stored.state.window,
            assessment: Assessment::of(&stored.state, policy),
            finding: None,
            sent: SentFindings::default(),
        };
        let mut reporting = Reporting { engine: self, delivery, policy, stored, handled };
        match reporting.report().await {
            Ok(()) => Ok(reporting.handled),
            Err(error) => Err(HandleError { error, handled: Some(reporting.handled) }),
        }
    }

    /// The policy for the principal of this denial.
    pub fn policy_for(&self, denial: &Denial) -> Cow<'_, Policy> {
        let Settings { policy, ignored, .. } = &self.settings;
        match ignored.ceiling(denial) {
            Some(most) => Cow::Owned(Policy { only_above: Some(most), ..policy.clone() }),
            None => Cow::Borrowed(policy),
        }
    }
}

/// One received delivery on its way to a report.
struct Reporting<'a, S, P> {
    engine: &'a Engine<S, P>,
    delivery: &'a Delivery<'a>,
    policy: &'a Policy,
    /// As the store gave it last.
    stored: StoredState,
    handled: Handled,
}

impl<S: Store, P: Sink> Reporting<'_, S, P> {
    async fn report(&mut self) -> Result<(), EngineError<S::Error, P::Error>> {
        let (denial, store) = (self.delivery.denial, &self.engine.store);
        let mut assessment = self.handled.assessment;
        if self.send_what_waits().await? {
            assessment = Assessment::of(&self.stored.state, self.policy);
        }
        for _ in 0..MAX_CLAIMS {
            let decision = decide(&self.stored.state, &assessment, denial, self.policy);
            let Some(report) = &decision.report else {
                if decision.alerting.episodes != self.stored.state.alerting.episodes {
                    let recorded = store.record_hit(&self.stored, &decision).await;
                    recorded.map_err(EngineError::Store)?;
                }
                return Ok(());
            };
            if self.stored.outbox.is_some() {
                if self.handled.outcome == Outcome::WindowFull {
                    // The report was due before this delivery, and a denial that counted will
                    // come again for it.
                    return Ok(());
                }
                // Another delivery is about to send a finding, and the outbox holds one at a
                // time. This report is decided again when that is done.
                let read = store.read_again(self.stored.clone()).await;
                self.stored = read.map_err(EngineError::Store)?;
            } else {
                let mut after = self.stored.state.clone();
                after.alerting = decision.alerting;
                let finding = Finding::new(&after, report, denial, self.policy);
                let outbox = Outbox {
                    finding: finding.clone(),
                    owner: Some(denial.digest()),
                    leased_at: self.delivery.arrived.as_second(),
                };
                let claim = store.claim(&self.stored, &decision, outbox).await;
                match claim.map_err(EngineError::Store)? {
                    Claim::Won(won) => {
                        self.stored = won;
                        self.handled.finding = Some(finding);
                        return self.send().await;
                    }
                    Claim::Lost(newer) => self.stored = newer,
                }
            }
            assessment = Assessment::of(&self.stored.state, self.policy);
        }
        Err(EngineError::Contended)
    }

    /// Sends a finding that waits, if this delivery holds its lease: the write that counted the
    /// denial claimed it when it closed a window, or whoever claimed it died.
    async fn send_what_waits(&mut self) -> Result<bool, EngineError<S::Error, P::Error>> {
        let event = Some(self.delivery.denial.digest());
        let Some(outbox) = &self.stored.outbox else { return Ok(false) };
        if !outbox.is_leased_to(event, self.delivery.arrived) {
            return Ok(false);
        }
        if self.handled.outcome == Outcome::Counted && outbox.owner == event {
            self.handled.finding = Some(outbox.finding.clone());
        }
        self.send().await?;
        Ok(true)
    }

    async fn send(&mut self) -> Result<(), EngineError<S::Error, P::Error>> {
        let now: Timestamp = self.delivery.arrived;
        if let Some(sent) = self.engine.send_finding(&mut self.stored, now).await? {
            self.handled.sent.record(sent);
        }
        Ok(())
    }
}
