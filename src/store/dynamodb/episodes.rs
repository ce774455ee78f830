//! Episodes that were told of and whose end was not: one item for each, in a sparse index
//! by the time when it is to be looked at.
//!
//! The item is put before the alert goes out and deleted after its end did. Both are
//! conditional on the finding told last, so that a process that was held up changes nothing.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::DynamoDbStore;
use crate::detection::finding::Finding;
use crate::store::item::{self, CorruptItem, Item, name};
use crate::store::table::{DynamoDbError, Written};
use crate::store::{Pending, RETENTION_DAYS, SECONDS_PER_DAY, expression};
use crate::text::{MAX_KEPT_BYTES, Text};

/// The sparse index.
pub const INDEX: &str = "by_due";
/// Its partition that holds open episodes.
const EPISODES: &str = "episode";
/// Seconds after a finding was sent until its episode is looked at: the schedule's own
/// interval. A copy that is still on its way never comes after the end.
const FIRST_LOOK_SECONDS: i64 = 900;

/// An episode that was told of and goes on, as far as is known.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenEpisode {
    /// Key of its principal.
    pub key: Text,
    /// The finding of it that was told last.
    pub finding: Finding,
    /// Its end, if somebody began to tell it.
    pub ending: Option<Ending>,
}

/// The end of an episode that was claimed and is not yet confirmed as sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// The finding.
    pub finding: Finding,
    /// When, in epoch seconds.
    pub claimed_at: i64,
}

/// Attributes of these items alone.
mod own {
    pub(super) const AGENDA: &str = "agenda";
    pub(super) const DUE: &str = "due";
    pub(super) const FINDING_ID: &str = "finding_id";
    pub(super) const FINDING: &str = "finding";
    pub(super) const CLAIMED_AT: &str = "claimed_at";
    pub(super) const ENDING: &str = "ending";
}

/// The key of an episode's item. No principal has it: their keys begin with an account id.
fn item_key(principal: &Text) -> Text {
    Text::new(&format!("#episode#{principal}"), MAX_KEPT_BYTES + 16)
}

impl DynamoDbStore {
    /// Notes the episode of a finding that is about to be sent, unless a newer one is noted.
    pub(super) async fn put_episode(
        &self,
        pending: &Pending,
        now: Timestamp,
    ) -> Result<(), DynamoDbError> {
        let Pending { finding, claimed_at, .. } = pending;
        let expires_at = claimed_at + RETENTION_DAYS * SECONDS_PER_DAY;
        let principal = item_key(finding.principal.principal.key()).to_string();
        let item = Item::from([
            (name::PRINCIPAL.to_owned(), AttributeValue::S(principal)),
            (name::FORMAT.to_owned(), item::number(item::FORMAT)),
            (name::EXPIRES_AT.to_owned(), item::number(expires_at)),
            (own::AGENDA.to_owned(), AttributeValue::S(EPISODES.to_owned())),
            (own::DUE.to_owned(), item::number(now.as_second() + FIRST_LOOK_SECONDS)),
            (own::FINDING_ID.to_owned(), AttributeValue::S(finding.id.clone())),
            (own::FINDING.to_owned(), encode(finding)),
            (own::CLAIMED_AT.to_owned(), item::number(claimed_at)),
        ]);
        let put = self
            .table
            .put(item)
            .condition_expression(expression::IS_OLDER_FINDING)
            .expression_attribute_names("#claimed_at", own::CLAIMED_AT)
            .expression_attribute_values(":claimed_at", item::number(claimed_at));
        self.table.send_put(put).await.map(drop)
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
            .expression_attribute_names("#agenda", own::AGENDA)
            .expression_attribute_names("#due", own::DUE)
            .expression_attribute_values(":agenda", AttributeValue::S(EPISODES.to_owned()))
            .expression_attribute_values(":now", item::number(now.as_second()))
            .limit(most);
        Ok(self.table.send_query(query).await?.iter().map(decode).collect())
    }

    /// Has an episode that goes on looked at again at `due`, in epoch seconds.
    pub async fn look_again(&self, episode: &OpenEpisode, due: i64) -> Result<(), DynamoDbError> {
        let update = self
            .table
            .update(&item_key(&episode.key))
            .update_expression(expression::LOOK_AGAIN)
            .condition_expression(expression::IS_SAME_FINDING)
            .expression_attribute_names("#finding_id", own::FINDING_ID)
            .expression_attribute_names("#due", own::DUE)
            .expression_attribute_values(":id", AttributeValue::S(episode.finding.id.clone()))
            .expression_attribute_values(":due", item::number(due));
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
            ("finding".to_owned(), encode(&ending.finding)),
            ("at".to_owned(), item::number(ending.claimed_at)),
        ]);
        let update = self
            .table
            .update(&item_key(&episode.key))
            .update_expression(expression::CLAIM_END)
            .condition_expression(expression::IS_ENDABLE)
            .expression_attribute_names("#finding_id", own::FINDING_ID)
            .expression_attribute_names("#ending", own::ENDING)
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":id", AttributeValue::S(episode.finding.id.clone()))
            .expression_attribute_values(":ending", AttributeValue::M(claimed))
            .expression_attribute_values(":stale", item::number(stale));
        // Refused may also mean that the answer to our own claim was lost, and the SDK asked
        // again: it is told when the claim is stale.
        Ok(matches!(self.table.send_update(update).await?, Written::Stored(_)))
    }

    /// Takes an episode away whose end was sent, unless something new was told of it.
    pub async fn confirm_end(&self, episode: &OpenEpisode) -> Result<(), DynamoDbError> {
        let delete = self
            .table
            .delete(&item_key(&episode.key))
            .condition_expression(expression::IS_ENDED)
            .expression_attribute_names("#finding_id", own::FINDING_ID)
            .expression_attribute_names("#ending", own::ENDING)
            .expression_attribute_values(":id", AttributeValue::S(episode.finding.id.clone()));
        self.table.send_delete(delete).await
    }
}

fn encode(finding: &Finding) -> AttributeValue {
    AttributeValue::S(serde_json::to_string(finding).unwrap_or_default())
}

fn decode(item: &Item) -> Result<OpenEpisode, CorruptItem> {
    let key = match item.get(name::PRINCIPAL) {
        Some(AttributeValue::S(key)) => Text::new(key, MAX_KEPT_BYTES + 16),
        _ => Text::new("an item without a key", MAX_KEPT_BYTES),
    };
    let corrupt = |attribute, what| CorruptItem { key: key.clone(), attribute, what };
    let finding = |value: Option<&AttributeValue>, attribute| match value {
        Some(AttributeValue::S(finding)) => serde_json::from_str::<Finding>(finding)
            .map_err(|_| corrupt(attribute, "holds a finding that cannot be read")),
        _ => Err(corrupt(attribute, "has no finding")),
    };
    let is_ours = |value: &AttributeValue| *value == item::number(item::FORMAT);
    if !item.get(name::FORMAT).is_some_and(is_ours) {
        return Err(corrupt(name::FORMAT, "is of another version of Rattle"));
    }
    let ending = match item.get(own::ENDING) {
        None => None,
        Some(AttributeValue::M(map)) => Some(Ending {
            finding: finding(map.get("finding"), own::ENDING)?,
            claimed_at: match map.get("at") {
                Some(AttributeValue::N(at)) => at.parse().ok(),
                _ => None,
            }
            .ok_or_else(|| corrupt(own::ENDING, "has no time"))?,
        }),
        Some(_) => return Err(corrupt(own::ENDING, "is no map")),
    };
    let finding = finding(item.get(own::FINDING), own::FINDING)?;
    Ok(OpenEpisode { key: finding.principal.principal.key().clone(), finding, ending })
}
