//! Resolves quiet episodes on a schedule, because silence delivers no event.
//!
//! Whoever got the alerts of an episode gets its resolution. A finding that a delivery claimed
//! and nobody sent is sent on the way.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::outbox::Sent;
use super::{Engine, EngineError, SentFindings};
use crate::detection::Finding;
use crate::detection::policy::MAX_AGE_SECONDS;
use crate::sink::Sink;
use crate::store::dynamodb::episodes::OpenEpisode;
use crate::store::dynamodb::{DynamoDbError, DynamoDbStore};
use crate::store::{Outbox, StoredState};

/// An episode is over when a hit of its last minutes would have arrived by now.
const LATE_SECONDS: i64 = MAX_AGE_SECONDS;
/// Episodes checked in one run. The others are still due at the next.
const MOST_EPISODES: i32 = 100;
/// Pause after each message: SNS suspends an e-mail address that gets 10 in a second.
const PAUSE: Duration = Duration::from_millis(150);

/// What one run of the schedule did.
#[derive(Debug)]
pub struct Resolved<P> {
    /// Resolutions that were sent.
    pub resolutions: Vec<Finding>,
    /// What became of them, and of findings taken over from deliveries that died.
    pub sent: SentFindings,
    /// The first error: the episode is due again at the next run.
    pub error: Option<EngineError<DynamoDbError, P>>,
}

/// What became of one episode.
enum Checked {
    GoesOn,
    /// A finding of the principal waited.
    SentFinding(Sent),
    SentResolution(Box<Finding>, Sent),
}

impl<P: Sink> Engine<DynamoDbStore, P> {
    /// Sends the resolutions of the episodes that have been quiet by `now`, until `time_left`
    /// is over. One that fails does not stop the others.
    pub async fn resolve_episodes(
        &self,
        now: Timestamp,
        time_left: Duration,
    ) -> Resolved<P::Error> {
        let until = Instant::now() + time_left;
        let mut resolved =
            Resolved { resolutions: Vec::new(), sent: SentFindings::default(), error: None };
        let due = match self.store.due_episodes(now, MOST_EPISODES).await {
            Ok(due) => due,
            Err(error) => return Resolved { error: Some(EngineError::Store(error)), ..resolved },
        };
        for episode in due {
            if Instant::now() >= until {
                break;
            }
            let checked = match episode {
                Ok(episode) => self.check(&episode, now).await,
                Err(corrupt) => Err(EngineError::Store(corrupt.into())),
            };
            match checked {
                Ok(Checked::GoesOn) => continue,
                Ok(Checked::SentFinding(sent)) => resolved.sent.record(sent),
                Ok(Checked::SentResolution(finding, sent)) => {
                    resolved.sent.record(sent);
                    resolved.resolutions.push(*finding);
                }
                Err(error) => {
                    resolved.error.get_or_insert(error);
                    continue;
                }
            }
            sleep(PAUSE).await;
        }
        resolved
    }

    async fn check(
        &self,
        episode: &OpenEpisode,
        now: Timestamp,
    ) -> Result<Checked, EngineError<DynamoDbError, P::Error>> {
        let policy = &self.settings.policy;
        let stored = self.store.read(&episode.key).await.map_err(EngineError::Store)?;
        let mut stored = stored.filter(|stored| !stored.is_expired(now));
        if let Some(stored) = &mut stored
            && let Some(outbox) = &stored.outbox
        {
            // The episode goes on. Whoever claimed the finding is about to send it, or died.
            return if outbox.is_leased_to(None, now) {
                let sent = self.send_finding(stored, now).await?;
                Ok(sent.map_or(Checked::GoesOn, Checked::SentFinding))
            } else {
                Ok(Checked::GoesOn)
            };
        }
        let state = stored.as_ref().map(|stored| &stored.state);
        let ends_at = state.and_then(|state| state.alerting.episode_ends_at(policy));
        let due = ends_at.map(|end| end + LATE_SECONDS).filter(|due| *due > now.as_second());
        if let Some(due) = due {
            self.store.check_again(episode, due).await.map_err(EngineError::Store)?;
            return Ok(Checked::GoesOn);
        }
        let outbox = Outbox {
            finding: self.resolution(episode, stored.as_ref()),
            owner: None,
            leased_at: now.as_second(),
        };
        Ok(match self.send_resolution(episode, &outbox, now).await? {
            None => Checked::GoesOn,
            Some(sent) => Checked::SentResolution(Box::new(outbox.finding), sent),
        })
    }

    /// The resolution that another run began to send, or a new one.
    fn resolution(&self, episode: &OpenEpisode, stored: Option<&StoredState>) -> Finding {
        if let Some(begun) = &episode.resolution {
            return begun.finding.clone();
        }
        let access = episode.access.as_ref();
        let denied = access.and_then(|access| access.outbox.finding.reads.as_ref());
        let reads = episode.reads.after(denied.map_or(0, |reads| reads.denied));
        let state = stored.map(|stored| &stored.state);
        Finding::resolution(&episode.finding, state, reads, &self.settings.policy)
    }
}
