//! Access after denial: a principal that reads a secret while its episode is open raises one
//! more alert, with what it read.
//!
//! A read by any other principal costs one read of the table, and no write.

use jiff::Timestamp;

use super::outbox::Sent;
use super::{Engine, EngineError};
use crate::cloudtrail::SecretRead;
use crate::detection::Finding;
use crate::detection::finding::Severity;
use crate::sink::Sink;
use crate::store::Outbox;
use crate::store::dynamodb::episodes::OpenEpisode;
use crate::store::dynamodb::{DynamoDbError, DynamoDbStore};

/// What one read led to.
#[derive(Debug)]
pub enum HandledRead {
    /// No episode of its principal is open, or a broken workload was repaired.
    Unwatched,
    /// It belongs to an open episode that was alerted for its reads, or is about to be.
    Recorded,
    /// It raised a finding.
    Raised(Box<Finding>, Sent),
}

impl<P: Sink> Engine<DynamoDbStore, P> {
    pub async fn handle_read(
        &self,
        read: &SecretRead,
        now: Timestamp,
    ) -> Result<HandledRead, EngineError<DynamoDbError, P::Error>> {
        let key = read.call.principal.key();
        let episode = self.store.episode(key).await.map_err(EngineError::Store)?;
        let Some(episode) = episode.filter(|episode| is_of(episode, read)) else {
            return Ok(HandledRead::Unwatched);
        };
        let episode = self.store.record_read(episode, read).await.map_err(EngineError::Store)?;
        if !episode.is_open {
            return Ok(HandledRead::Unwatched);
        }
        let is_due = episode.access.as_ref().is_none_or(|access| {
            !access.is_done && access.outbox.is_leased_to(Some(read.digest()), now)
        });
        if !is_due {
            return Ok(HandledRead::Recorded);
        }
        let stored = self.store.read(&episode.key).await.map_err(EngineError::Store)?;
        let finding = if let Some(access) = &episode.access {
            access.outbox.finding.clone()
        } else {
            let state = stored.as_ref().map(|stored| &stored.state);
            let so_far = episode.finding.totals_so_far(state, &self.settings.policy);
            let Some(reads) = episode.reads.after(so_far.secrets) else {
                return Ok(HandledRead::Recorded);
            };
            Finding::access_after_denial(&episode.finding, reads, read.call.region.clone())
        };
        let outbox = Outbox { finding, owner: Some(read.digest()), leased_at: now.as_second() };
        let muted_until = stored.map_or(0, |stored| stored.muted_until);
        let sent = self.send_access(&episode, &outbox, muted_until, now).await?;
        Ok(match sent {
            None => HandledRead::Recorded,
            Some(sent) => HandledRead::Raised(Box::new(outbox.finding), sent),
        })
    }
}

/// Whether a read belongs to an open episode. One of severity low is a broken workload, and
/// that it works again is what was asked for.
fn is_of(episode: &OpenEpisode, read: &SecretRead) -> bool {
    let worst = episode.finding.worst.unwrap_or(episode.finding.severity);
    episode.is_open
        && worst > Severity::Low
        && read.call.time.as_second() >= episode.finding.first_denial
}
