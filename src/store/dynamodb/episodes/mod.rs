//! Alerted, unresolved episodes: one item for each, in a sparse index by the time of its next
//! check.
//!
//! The item is written before the alert is sent and leaves the index after the resolution was.
//! Both depend on the finding sent last, so that a process that was delayed changes nothing.

pub(super) mod decode;

use std::collections::BTreeSet;

use jiff::Timestamp;

use self::decode::decode;
use super::item::{CorruptItem, FORMAT, name};
use super::table::{DynamoDbError, Update, Written};
use super::{DynamoDbStore, encode, expression};
use crate::detection::finding::{Finding, MAX_NAMED, Reads};
use crate::detection::window::SECONDS_PER_DAY;
use crate::store::{Outbox, RETENTION_DAYS};
use crate::text::{MAX_KEPT_BYTES, Text};

/// The sparse index.
pub const INDEX: &str = "by_due";
/// What the index is partitioned by.
pub(super) const AGENDA: &str = "agenda";
/// What it is sorted by, in epoch seconds.
pub(super) const DUE: &str = "due";
/// Its partition that holds open episodes.
const EPISODES: &str = "episode";
/// Longest key: what stands before a principal's, and that.
const MAX_KEY_BYTES: usize = MAX_KEPT_BYTES + 16;
/// Seconds from a finding to the first check of its episode: the interval of the schedule. A
/// copy of the alert that is still on its way then never arrives after the resolution.
const FIRST_CHECK_SECONDS: i64 = 900;

/// The episode of a principal that was alerted last.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenEpisode {
    /// Key of its principal.
    pub key: Text,
    /// Whether its resolution was not sent yet.
    pub is_open: bool,
    /// Its finding that was sent last.
    pub finding: Finding,
    /// Its resolution, if somebody began to send it.
    pub resolution: Option<Outbox>,
    /// What its principal read meanwhile.
    pub reads: ReadsSoFar,
    /// The access after denial, if somebody began to send it.
    pub access: Option<Access>,
}

/// Secrets that were read while an episode was open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadsSoFar {
    pub secrets: BTreeSet<Text>,
    /// When the first and the last was read, in epoch seconds.
    pub first_and_last: Option<(i64, i64)>,
}

impl ReadsSoFar {
    /// What a finding says of them, `denied` being the number of secrets refused until then;
    /// nothing if none was read.
    pub fn after(&self, denied: u32) -> Option<Reads> {
        let (first, last) = self.first_and_last?;
        let read = u32::try_from(self.secrets.len()).unwrap_or(u32::MAX);
        let secrets = self.secrets.iter().take(MAX_NAMED).cloned().collect();
        Some(Reads { denied, read, secrets, first, last })
    }
}

/// An access after denial that waits to be sent, or was.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    pub outbox: Outbox,
    /// Whether it is confirmed as sent, or as held back.
    pub is_done: bool,
}

/// Attributes of these items alone.
mod own {
    pub(super) const FINDING: &str = "finding";
    pub(super) const RESOLUTION: &str = "ending";
    pub(super) const SECRETS: &str = "secrets_read";
    pub(super) const FIRST: &str = "first_read";
    pub(super) const LAST: &str = "last_read";
    pub(super) const ACCESS: &str = "let_in";
}

/// The key of an episode's item. No principal has it: their keys begin with an account id.
pub(super) fn item_key(principal: &Text) -> Text {
    Text::new(&format!("#episode#{principal}"), MAX_KEY_BYTES)
}

impl DynamoDbStore {
    /// Records the episode of a finding that is about to be sent, unless a newer finding is
    /// recorded. What was read in the same episode stays.
    pub(super) async fn record_episode(
        &self,
        outbox: &Outbox,
        now: Timestamp,
    ) -> Result<(), DynamoDbError> {
        let Outbox { finding, leased_at, .. } = outbox;
        let expires_at = leased_at + RETENTION_DAYS * SECONDS_PER_DAY;
        let record = |expression, condition| Update {
            expression,
            condition: Some(condition),
            names: &[("format", name::FORMAT)],
            values: vec![
                ("format", encode::number(FORMAT)),
                ("expires_at", encode::number(expires_at)),
                ("agenda", encode::text(EPISODES)),
                ("due", encode::number(now.as_second() + FIRST_CHECK_SECONDS)),
                ("episode", encode::text(&finding.episode)),
                ("id", encode::text(&finding.id)),
                ("finding", encode::encode_finding(finding)),
                ("claimed_at", encode::number(leased_at)),
            ],
        };
        let key = item_key(finding.principal.principal.key());
        let new = record(expression::RECORD_NEW_EPISODE, expression::IS_NEW_EPISODE);
        if let Written::Refused(_) = self.table.update(&key, new).await? {
            // The same episode grew, or a newer finding is recorded.
            let same = record(expression::RECORD_EPISODE, expression::IS_SAME_EPISODE);
            self.table.update(&key, same).await?;
        }
        Ok(())
    }

    /// Open episodes whose check is due, the longest due first, `most` of them at most. One that
    /// cannot be read does not hide the others.
    pub async fn due_episodes(
        &self,
        now: Timestamp,
        most: i32,
    ) -> Result<Vec<Result<OpenEpisode, CorruptItem>>, DynamoDbError> {
        let query = self
            .table
            .query(INDEX)
            .key_condition_expression(expression::IS_DUE)
            .expression_attribute_values(":agenda", encode::text(EPISODES))
            .expression_attribute_values(":now", encode::number(now.as_second()))
            .limit(most);
        let (items, _) = self.table.send_query(query).await?;
        Ok(items.iter().map(decode).collect())
    }

    /// Puts off the next check of an episode that goes on to `due`, in epoch seconds.
    pub async fn check_again(&self, episode: &OpenEpisode, due: i64) -> Result<(), DynamoDbError> {
        let update = Update {
            expression: expression::CHECK_AGAIN,
            condition: Some(expression::IS_SAME_FINDING),
            names: &[],
            values: vec![("id", encode::text(&episode.finding.id)), ("due", encode::number(due))],
        };
        self.table.update(&item_key(&episode.key), update).await.map(drop)
    }

    /// Leases the resolution of an episode, if the finding sent last is still the one that was
    /// seen and nobody else holds the lease. Gives whether the lease is ours.
    pub async fn lease_resolution(
        &self,
        episode: &OpenEpisode,
        outbox: &Outbox,
    ) -> Result<bool, DynamoDbError> {
        let update = Update {
            expression: expression::LEASE_RESOLUTION,
            condition: Some(expression::IS_RESOLVABLE),
            names: &[("at", "at")],
            values: vec![
                ("id", encode::text(&episode.finding.id)),
                ("ending", encode::encode_outbox(outbox)),
                ("stale", encode::number(outbox.stale_at())),
            ],
        };
        // Refused may also mean that the answer to our own request was lost, and the SDK asked
        // again: then the resolution is sent when the lease is over.
        let written = self.table.update(&item_key(&episode.key), update).await?;
        Ok(matches!(written, Written::Stored(_)))
    }

    /// Takes an episode off the agenda whose resolution was sent, unless the episode grew.
    /// What is left of it expires.
    pub async fn confirm_resolution(&self, episode: &OpenEpisode) -> Result<(), DynamoDbError> {
        let update = Update {
            expression: expression::CONFIRM_RESOLUTION,
            condition: Some(expression::IS_RESOLUTION_LEASED),
            names: &[],
            values: vec![("id", encode::text(&episode.finding.id))],
        };
        self.table.update(&item_key(&episode.key), update).await.map(drop)
    }
}
