//! Denied, then let in: a principal that reads a secret while an episode of its denials is open
//! raises one more alert, with what it read.
//!
//! A read by any other principal costs one read of the table, and no write.

use jiff::Timestamp;

use super::{Dispositions, Engine, EngineError, LEASE_SECONDS, Outcomes, holds_lease};
use crate::cloudtrail::SecretRead;
use crate::detection::finding::{Finding, Severity};
use crate::sink::Sink;
use crate::store::dynamodb::DynamoDbStore;
use crate::store::dynamodb::episodes::OpenEpisode;
use crate::store::{Disposition, Outbox};

/// What one read led to.
#[derive(Debug, Default)]
pub struct HandledRead {
    /// Whether it belongs to an open episode.
    pub is_of_episode: bool,
    /// The finding it raised.
    pub finding: Option<Finding>,
    /// What became of it.
    pub sends: Dispositions,
}

impl<P: Sink> Engine<DynamoDbStore, P> {
    /// Handles a secret that was read.
    pub async fn handle_read(
        &self,
        read: &SecretRead,
        now: Timestamp,
    ) -> Outcomes<HandledRead, DynamoDbStore, P> {
        let mut handled = HandledRead::default();
        let key = read.principal.key();
        let episode = self.store.episode(key).await.map_err(EngineError::Store)?;
        let Some(episode) = episode.filter(|episode| is_of(episode, read)) else {
            return Ok(handled);
        };
        let noted = self.store.record_read(episode, read).await.map_err(EngineError::Store)?;
        handled.is_of_episode = noted.is_open;
        let is_due = noted
            .let_in
            .as_ref()
            .is_none_or(|let_in| !let_in.is_done && holds_lease(&let_in.outbox, read.digest, now));
        if noted.is_open && is_due {
            self.send_access(&noted, read, now, &mut handled).await?;
        }
        Ok(handled)
    }

    /// Claims, publishes and confirms, like any alert.
    async fn send_access(
        &self,
        episode: &OpenEpisode,
        read: &SecretRead,
        now: Timestamp,
        handled: &mut HandledRead,
    ) -> Outcomes<(), DynamoDbStore, P> {
        let stored = self.store.read(&episode.key).await.map_err(EngineError::Store)?;
        let finding = if let Some(claimed) = &episode.let_in {
            claimed.outbox.finding.clone()
        } else {
            let state = stored.as_ref().map(|stored| &stored.state);
            let so_far = episode.finding.totals_so_far(state, &self.settings.policy);
            let Some(reads) = episode.reads.told(so_far.secrets) else { return Ok(()) };
            Finding::access_after_denial(&episode.finding, reads, read.region.clone())
        };
        let second = now.as_second();
        let outbox = Outbox { finding, owner: read.digest, leased_at: second };
        let is_ours = self.store.claim_access(episode, &outbox, second - LEASE_SECONDS).await;
        if !is_ours.map_err(EngineError::Store)? {
            return Ok(());
        }
        let muted_until = stored.map_or(0, |stored| stored.muted_until);
        let sent = if let Some(kept_back) = self.kept_back(&outbox.finding, muted_until, now) {
            kept_back
        } else {
            // At most one for each episode that the storm guard let through.
            let receipt = self.sink.publish(&outbox.finding).await.map_err(EngineError::Sink)?;
            handled.sends.publish(receipt);
            Disposition::Published
        };
        self.list(&outbox, sent).await?;
        self.store.confirm_access(episode).await.map_err(EngineError::Store)?;
        handled.sends.add(sent);
        handled.finding = Some(outbox.finding);
        Ok(())
    }
}

/// Whether a read belongs to an open episode. One of severity low is a broken workload: that it
/// works again is what was asked for.
fn is_of(episode: &OpenEpisode, read: &SecretRead) -> bool {
    let worst = episode.finding.worst.unwrap_or(episode.finding.severity);
    episode.is_open
        && worst > Severity::Low
        && read.time.as_second() >= episode.finding.first_denial
}
