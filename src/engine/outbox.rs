//! The one way out: a finding is leased, sent or held back, and confirmed.
//!
//! Findings, resolutions and accesses after denial go through it alike. They differ in where
//! they wait, and in what may hold them back.

use jiff::Timestamp;

use super::{Engine, EngineError};
use crate::disposition::Disposition;
use crate::settings::Mode;
use crate::sink::Sink;
use crate::store::{Admission, Outbox, Store, StoredState};

/// What became of one finding that waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    pub disposition: Disposition,
    /// Whether it was published and the chat topic did not take it.
    pub chat_failed: bool,
}

/// What may hold a finding back, besides shadow mode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Brakes {
    /// Until when its principal is muted, in epoch seconds.
    pub muted_until: i64,
    /// Whether it counts among the alerts of its hour.
    pub counts_in_hour: bool,
}

impl<S: Store, P: Sink> Engine<S, P> {
    /// Sends the finding that waits in the outbox of a state, and empties that. Its claim was
    /// its lease.
    pub(super) async fn send_finding(
        &self,
        stored: &mut StoredState,
        now: Timestamp,
    ) -> Result<Option<Sent>, EngineError<S::Error, P::Error>> {
        let Some(outbox) = &stored.outbox else { return Ok(None) };
        let brakes = Brakes { muted_until: stored.muted_until, counts_in_hour: true };
        let sent = self.send(outbox, brakes, now).await?;
        let confirmed = self.store.confirm(stored, sent.disposition).await;
        *stored = confirmed.map_err(EngineError::Store)?;
        Ok(Some(sent))
    }

    async fn send(
        &self,
        outbox: &Outbox,
        brakes: Brakes,
        now: Timestamp,
    ) -> Result<Sent, EngineError<S::Error, P::Error>> {
        let mut sent =
            Sent { disposition: self.disposition(outbox, brakes, now).await?, chat_failed: false };
        if sent.disposition == Disposition::Published {
            let receipt = self.sink.publish(&outbox.finding).await.map_err(EngineError::Sink)?;
            sent.chat_failed = receipt.chat_failed;
        }
        Ok(sent)
    }

    /// What becomes of a finding, `Published` meaning that it is to be.
    async fn disposition(
        &self,
        outbox: &Outbox,
        brakes: Brakes,
        now: Timestamp,
    ) -> Result<Disposition, EngineError<S::Error, P::Error>> {
        let finding = &outbox.finding;
        if brakes.muted_until > now.as_second() {
            return Ok(Disposition::Muted);
        }
        if finding.held {
            return Ok(Disposition::Held);
        }
        if self.settings.mode == Mode::Shadow {
            return Ok(Disposition::Shadowed);
        }
        if !brakes.counts_in_hour {
            return Ok(Disposition::Published);
        }
        let limit = self.settings.max_alerts_per_hour;
        let admission = self.store.admit(outbox, limit, now).await.map_err(EngineError::Store)?;
        if admission == Admission::Send {
            return Ok(Disposition::Published);
        }
        if admission == Admission::AnnounceStorm {
            self.sink.publish_storm(finding, limit).await.map_err(EngineError::Sink)?;
        }
        Ok(Disposition::RateLimited)
    }
}

#[cfg(feature = "dynamodb")]
mod of_episodes {
    use super::{Brakes, Engine, EngineError, Outbox, Sent, Sink, Timestamp};
    use crate::store::dynamodb::episodes::OpenEpisode;
    use crate::store::dynamodb::{DynamoDbError, DynamoDbStore};

    impl<P: Sink> Engine<DynamoDbStore, P> {
        /// Sends the resolution of an episode, unless another run holds its lease. Whoever got
        /// its alerts gets it: neither a mute nor the alerts of the hour hold it back.
        pub(in crate::engine) async fn send_resolution(
            &self,
            episode: &OpenEpisode,
            outbox: &Outbox,
            now: Timestamp,
        ) -> Result<Option<Sent>, EngineError<DynamoDbError, P::Error>> {
            let leased = self.store.lease_resolution(episode, outbox).await;
            if !leased.map_err(EngineError::Store)? {
                return Ok(None);
            }
            let brakes = Brakes { muted_until: 0, counts_in_hour: false };
            let sent = self.send(outbox, brakes, now).await?;
            self.store.confirm_resolution(episode).await.map_err(EngineError::Store)?;
            Ok(Some(sent))
        }

        /// Sends an access after denial, unless the delivery of another event holds its lease.
        /// It is at most one for each episode that was alerted, so the hour does not count it.
        pub(in crate::engine) async fn send_access(
            &self,
            episode: &OpenEpisode,
            outbox: &Outbox,
            muted_until: i64,
            now: Timestamp,
        ) -> Result<Option<Sent>, EngineError<DynamoDbError, P::Error>> {
            let leased = self.store.lease_access(episode, outbox).await;
            if !leased.map_err(EngineError::Store)? {
                return Ok(None);
            }
            let brakes = Brakes { muted_until, counts_in_hour: false };
            let sent = self.send(outbox, brakes, now).await?;
            let confirmed = self.store.confirm_access(episode, outbox, sent.disposition).await;
            confirmed.map_err(EngineError::Store)?;
            Ok(Some(sent))
        }
    }
}
