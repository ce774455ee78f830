//! Episodes that were told of and whose end was not: one item for each, in a sparse index
//! by the time when it is to be looked at.
//!
//! The item is put before the alert goes out and leaves the index after its end did. Both are
//! conditional on the finding told last, so that a process that was held up changes nothing.

pub(super) mod decode;

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use self::decode::decode;
use super::item::{CorruptItem, FORMAT, name};
use super::table::{DynamoDbError, Written};
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
/// Seconds after a finding was sent until its episode is looked at: the schedule's own
/// interval. A copy that is still on its way never comes after the end.
const FIRST_LOOK_SECONDS: i64 = 900;

/// An episode that was told of.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenEpisode {
    /// Key of its principal.
    pub key: Text,
    /// Whether its end was not told yet.
    pub is_open: bool,
    /// The finding of it that was told last.
    pub finding: Finding,
    /// Its end, if somebody began to tell it.
    pub ending: Option<Ending>,
    /// What its principal read meanwhile.
    pub reads: ReadsSoFar,
    /// The finding about that, if somebody began to tell it.
    pub let_in: Option<AccessAfterDenial>,
}

/// The end of an episode that was claimed and is not yet confirmed as sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// The finding.
    pub finding: Finding,
    /// When, in epoch seconds.
    pub leased_at: i64,
}

/// Secrets read while an episode was open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadsSoFar {
    /// Their names.
    pub secrets: BTreeSet<Text>,
    /// When the first and the last was read, in epoch seconds.
    pub first_and_last: Option<(i64, i64)>,
}

impl ReadsSoFar {
    /// What an alert says of them, `denied` being the secrets refused until then; nothing if
    /// there are none.
    pub fn told(&self, denied: u32) -> Option<Reads> {
        let (first, last) = self.first_and_last?;
        let read = u32::try_from(self.secrets.len()).unwrap_or(u32::MAX);
        let secrets = self.secrets.iter().take(MAX_NAMED).cloned().collect();
        Some(Reads { denied, read, secrets, first, last })
    }
}

/// The finding that a principal was let in, claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessAfterDenial {
    /// The finding, with the event whose delivery claimed it.
    pub outbox: Outbox,
    /// Whether it is confirmed as sent, or as held back.
    pub is_done: bool,
}

/// Attributes of these items alone.
mod own {
    pub(super) const FINDING: &str = "finding";
    pub(super) const ENDING: &str = "ending";
    pub(super) const SECRETS: &str = "secrets_read";
    pub(super) const FIRST: &str = "first_read";
    pub(super) const LAST: &str = "last_read";
    pub(super) const LET_IN: &str = "let_in";
}

/// The key of an episode's item. No principal has it: their keys begin with an account id.
pub(super) fn item_key(principal: &Text) -> Text {
    Text::new(&format!("#episode#{principal}"), MAX_KEY_BYTES)
}

impl DynamoDbStore {
    /// Notes the episode of a finding that is about to be sent, unless a newer one is noted.
    /// What was read in the same episode stays.
    pub(super) async fn record_episode(
        &self,
        outbox: &Outbox,
        now: Timestamp,
    ) -> Result<(), DynamoDbError> {
        let Outbox { finding, leased_at, .. } = outbox;
        let expires_at = leased_at + RETENTION_DAYS * SECONDS_PER_DAY;
        let note = |update, condition| {
            self.table
                .update(&item_key(finding.principal.principal.key()))
                .update_expression(update)
                .condition_expression(condition)
                .expression_attribute_names("#format", name::FORMAT)
                .expression_attribute_values(":format", encode::number(FORMAT))
                .expression_attribute_values(":expires_at", encode::number(expires_at))
                .expression_attribute_values(":agenda", AttributeValue::S(EPISODES.to_owned()))
                .expression_attribute_values(
                    ":due",
                    encode::number(now.as_second() + FIRST_LOOK_SECONDS),
                )
                .expression_attribute_values(":episode", AttributeValue::S(finding.episode.clone()))
                .expression_attribute_values(":id", AttributeValue::S(finding.id.clone()))
                .expression_attribute_values(":finding", encode::encode_finding(finding))
                .expression_attribute_values(":claimed_at", encode::number(leased_at))
        };
        let new = note(expression::RECORD_NEW_EPISODE, expression::IS_NEW_EPISODE);
        if let Written::Refused(_) = self.table.send_update(new).await? {
            // The same episode grew, or a newer finding is noted.
            let same = note(expression::RECORD_EPISODE, expression::IS_SAME_EPISODE);
            self.table.send_update(same).await?;
        }
        Ok(())
    }

    /// Open episodes that are to be looked at by now, the longest due first, at most so many.
    /// One that cannot be read does not hide the others.
    pub async fn due_episodes(
        &self,
        now: Timestamp,
        most: i32,
    ) -> Result<Vec<Result<OpenEpisode, CorruptItem>>, DynamoDbError> {
        let query = self
            .table
            .query(INDEX)
            .key_condition_expression(expression::IS_DUE)
            .expression_attribute_values(":agenda", AttributeValue::S(EPISODES.to_owned()))
            .expression_attribute_values(":now", encode::number(now.as_second()))
            .limit(most);
        let (items, _) = self.table.send_query(query).await?;
        Ok(items.iter().map(decode).collect())
    }

    /// Has an episode that goes on looked at again at `due`, in epoch seconds.
    pub async fn look_again(&self, episode: &OpenEpisode, due: i64) -> Result<(), DynamoDbError> {
        let update = self
            .table
            .update(&item_key(&episode.key))
            .update_expression(expression::LOOK_AGAIN)
            .condition_expression(expression::IS_SAME_FINDING)
            .expression_attribute_values(":id", AttributeValue::S(episode.finding.id.clone()))
            .expression_attribute_values(":due", encode::number(due));
        self.table.send_update(update).await.map(drop)
    }

    /// Claims the end of an episode, if its last finding is still the one that was seen and
    /// nobody claimed it since `stale`, in epoch seconds. Gives whether it is ours.
    pub async fn claim_end(
        &self,
        episode: &OpenEpisode,
        ending: &Ending,
        stale: i64,
    ) -> Result<bool, DynamoDbError> {
        let claimed = HashMap::from([
            ("finding".to_owned(), encode::encode_finding(&ending.finding)),
            ("at".to_owned(), encode::number(ending.leased_at)),
        ]);
        let update = self
            .table
            .update(&item_key(&episode.key))
            .update_expression(expression::CLAIM_END)
            .condition_expression(expression::IS_ENDABLE)
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":id", AttributeValue::S(episode.finding.id.clone()))
            .expression_attribute_values(":ending", AttributeValue::M(claimed))
            .expression_attribute_values(":stale", encode::number(stale));
        // Refused may also mean that the answer to our own claim was lost, and the SDK asked
        // again: it is told when the claim is stale.
        Ok(matches!(self.table.send_update(update).await?, Written::Stored(_)))
    }

    /// Takes an episode off the agenda whose end was sent, unless something new was told of it.
    /// What is left of it expires.
    pub async fn confirm_end(&self, episode: &OpenEpisode) -> Result<(), DynamoDbError> {
        let update = self
            .table
            .update(&item_key(&episode.key))
            .update_expression(expression::CONFIRM_END)
            .condition_expression(expression::IS_ENDED)
            .expression_attribute_values(":id", AttributeValue::S(episode.finding.id.clone()));
        self.table.send_update(update).await.map(drop)
    }
}
