//! The ends of episodes. Nothing happens while no denial comes, so a schedule looks at those
//! that were told of: one that has been quiet is over, and whoever got its alerts gets its end.
//!
//! Claimed, published and confirmed like any alert. What a delivery claimed and nobody sent is
//! sent on the way.

use std::time::Duration;

use jiff::Timestamp;

use super::{Dispositions, Engine, EngineError, LEASE_SECONDS, Outcomes};
use crate::detection::finding::Finding;
use crate::detection::policy::MAX_AGE_SECONDS;
use crate::settings::Mode;
use crate::sink::Sink;
use crate::store::Disposition;
use crate::store::dynamodb::episodes::{Ending, OpenEpisode};
use crate::store::dynamodb::{DynamoDbError, DynamoDbStore};
use crate::weekly_digest::Week;

/// An episode is over for good when a hit of its last minutes would have arrived by now.
const LATE_SECONDS: i64 = MAX_AGE_SECONDS;
/// Episodes looked at in one run. The others are still due at the next.
const MOST: i32 = 100;
/// Pause after each message: SNS suspends an e-mail address that gets 10 in a second.
const PAUSE: Duration = Duration::from_millis(150);

/// What one run of the schedule did.
#[derive(Debug, Default)]
pub struct Closed {
    /// Ends that were sent.
    pub ends: Vec<Finding>,
    /// Findings that others had left behind.
    pub sends: Dispositions,
}

/// Why some episodes must be looked at again, and what was done with the others.
#[derive(Debug)]
pub struct NotClosed<P> {
    /// The first that failed.
    pub error: EngineError<DynamoDbError, P>,
    /// What was done.
    pub closed: Closed,
}

impl<P: Sink> Engine<DynamoDbStore, P> {
    /// Tells the ends of the episodes that have been quiet by `now`, until `time_left` is over.
    /// One that fails does not stop the others.
    pub async fn resolve_episodes(
        &self,
        now: Timestamp,
        time_left: Duration,
    ) -> Result<Closed, NotClosed<P::Error>> {
        let until = tokio::time::Instant::now() + time_left;
        let mut closed = Closed::default();
        let mut failed = None;
        let due = match self.store.due_episodes(now, MOST).await {
            Ok(due) => due,
            Err(error) => return Err(NotClosed { error: EngineError::Store(error), closed }),
        };
        for episode in due {
            if tokio::time::Instant::now() >= until {
                break;
            }
            let result = match episode {
                Ok(episode) => self.close(&episode, now, &mut closed).await,
                Err(corrupt) => Err(EngineError::Store(corrupt.into())),
            };
            if let Err(error) = result {
                failed.get_or_insert(error);
            }
        }
        match failed {
            None => Ok(closed),
            Some(error) => Err(NotClosed { error, closed }),
        }
    }

    /// Dispositions the digest of a week.
    pub async fn send_weekly_digest(&self, week: Week) -> Outcomes<(), DynamoDbStore, P> {
        let digest = self.store.digest(week).await.map_err(EngineError::Store)?;
        self.sink.publish_weekly_digest(&digest).await.map_err(EngineError::Sink)
    }

    async fn close(
        &self,
        episode: &OpenEpisode,
        now: Timestamp,
        closed: &mut Closed,
    ) -> Outcomes<(), DynamoDbStore, P> {
        let (second, policy) = (now.as_second(), &self.settings.policy);
        let stale = second - LEASE_SECONDS;
        let stored = self.store.read(&episode.key).await.map_err(EngineError::Store)?;
        let mut stored = stored.filter(|stored| !stored.is_expired(now));
        if let Some(stored) = &mut stored
            && let Some(outbox) = &stored.outbox
        {
            // Its episode goes on. Whoever claimed it is about to send it, or ended.
            if outbox.leased_at <= stale {
                self.send_outbox(stored, now, &mut closed.sends).await?;
                tokio::time::sleep(PAUSE).await;
            }
            return Ok(());
        }
        let remembered = stored.as_ref().map(|stored| &stored.state);
        let over_at = remembered.and_then(|state| state.alerting.episode_ends_at(policy));
        if let Some(due) = over_at.map(|end| end + LATE_SECONDS).filter(|due| *due > second) {
            return self.store.look_again(episode, due).await.map_err(EngineError::Store);
        }
        let finding = if let Some(begun) = &episode.ending {
            begun.finding.clone()
        } else {
            let let_in =
                episode.let_in.as_ref().and_then(|told| told.outbox.finding.reads.as_ref());
            let reads = episode.reads.told(let_in.map_or(0, |reads| reads.denied));
            Finding::resolution(&episode.finding, remembered, reads, policy)
        };
        let ending = Ending { finding, leased_at: second };
        let is_ours = self.store.claim_end(episode, &ending, stale).await;
        if !is_ours.map_err(EngineError::Store)? {
            return Ok(());
        }
        if self.settings.mode == Mode::Live {
            let receipt = self.sink.publish(&ending.finding).await.map_err(EngineError::Sink)?;
            closed.sends.add(Disposition::Published);
            closed.sends.publish(receipt);
        }
        self.store.confirm_end(episode).await.map_err(EngineError::Store)?;
        closed.ends.push(ending.finding);
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }
}
