//! Episodes that were told of and whose end was not: one item for each, in a sparse index
//! by the time when it is to be looked at.
//!
//! The item is put before the alert goes out and leaves the index after its end did. Both are
//! conditional on the finding told last, so that a process that was held up changes nothing.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use super::DynamoDbStore;
use crate::cloudtrail::SecretRead;
use crate::cloudtrail::denial::EventDigest;
use crate::detection::finding::{Finding, MAX_NAMED, Reads};
use crate::detection::policy::MAX_IDS;
use crate::store::item::{self, CorruptItem, Item, name};
use crate::store::table::{DynamoDbError, Written};
use crate::store::{Pending, RETENTION_DAYS, SECONDS_PER_DAY, expression};
use crate::text::{MAX_KEPT_BYTES, Text};

/// The sparse index.
pub const INDEX: &str = "by_due";
/// What the index is partitioned by.
pub(super) const AGENDA: &str = "agenda";
/// What it is sorted by, in epoch seconds.
pub(super) const DUE: &str = "due";
/// Its partition that holds open episodes.
const EPISODES: &str = "episode";
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
    pub let_in: Option<LetIn>,
}

/// Secrets read while an episode was open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadsSoFar {
    /// Their names.
    pub secrets: BTreeSet<Text>,
    /// Digests of the events.
    pub ids: BTreeSet<[u8; 8]>,
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
pub struct LetIn {
    /// The finding.
    pub finding: Finding,
    /// The event whose delivery claimed it.
    pub claimed_by: EventDigest,
    /// When, in epoch seconds.
    pub claimed_at: i64,
    /// Whether it is confirmed as sent, or as held back.
    pub is_done: bool,
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
    pub(super) const FINDING: &str = "finding";
    pub(super) const ENDING: &str = "ending";
    pub(super) const SECRETS: &str = "secrets_read";
    pub(super) const IDS: &str = "read_ids";
    pub(super) const FIRST: &str = "first_read";
    pub(super) const LAST: &str = "last_read";
    pub(super) const LET_IN: &str = "let_in";
}

/// The key of an episode's item. No principal has it: their keys begin with an account id.
fn item_key(principal: &Text) -> Text {
    Text::new(&format!("#episode#{principal}"), MAX_KEPT_BYTES + 16)
}

impl DynamoDbStore {
    /// Notes the episode of a finding that is about to be sent, unless a newer one is noted.
    /// What was read in the same episode stays.
    pub(super) async fn note_episode(
        &self,
        pending: &Pending,
        now: Timestamp,
    ) -> Result<(), DynamoDbError> {
        let Pending { finding, claimed_at, .. } = pending;
        let expires_at = claimed_at + RETENTION_DAYS * SECONDS_PER_DAY;
        let note = |update, condition| {
            self.table
                .update(&item_key(finding.principal.principal.key()))
                .update_expression(update)
                .condition_expression(condition)
                .expression_attribute_names("#format", name::FORMAT)
                .expression_attribute_values(":format", item::number(item::FORMAT))
                .expression_attribute_values(":expires_at", item::number(expires_at))
                .expression_attribute_values(":agenda", AttributeValue::S(EPISODES.to_owned()))
                .expression_attribute_values(
                    ":due",
                    item::number(now.as_second() + FIRST_LOOK_SECONDS),
                )
                .expression_attribute_values(":episode", AttributeValue::S(finding.episode.clone()))
                .expression_attribute_values(":id", AttributeValue::S(finding.id.clone()))
                .expression_attribute_values(":finding", encode(finding))
                .expression_attribute_values(":claimed_at", item::number(claimed_at))
        };
        let new = note(expression::NOTE_NEW_EPISODE, expression::IS_NEW_EPISODE);
        if let Written::Refused(_) = self.table.send_update(new).await? {
            // The same episode grew, or a newer finding is noted.
            let same = note(expression::NOTE_EPISODE, expression::IS_SAME_EPISODE);
            self.table.send_update(same).await?;
        }
        Ok(())
    }

    /// The episode of a principal that was told of last, open or not.
    pub async fn episode(&self, principal: &Text) -> Result<Option<OpenEpisode>, DynamoDbError> {
        let item = self.table.get(&item_key(principal)).await?;
        Ok(item.as_ref().map(decode).transpose()?)
    }

    /// Notes a secret that was read while an episode is open: the episode with it, or as it is
    /// if the event was noted before, 256 are, or it is not open any more.
    pub async fn note_read(
        &self,
        episode: OpenEpisode,
        read: &SecretRead,
    ) -> Result<OpenEpisode, DynamoDbError> {
        let digest = Blob::new(read.digest.to_bytes());
        let time = read.time.as_second();
        let (first, last) = match episode.reads.first_and_last {
            Some((first, last)) => (first.min(time), last.max(time)),
            None => (time, time),
        };
        let update = self
            .table
            .update(&item_key(&episode.key))
            .update_expression(expression::NOTE_READ)
            .condition_expression(expression::IS_READABLE)
            .expression_attribute_values(
                ":episode",
                AttributeValue::S(episode.finding.episode.clone()),
            )
            .expression_attribute_values(
                ":secrets",
                AttributeValue::Ss(vec![read.secret.name().to_string()]),
            )
            .expression_attribute_values(":id", AttributeValue::Bs(vec![digest.clone()]))
            .expression_attribute_values(":digest", AttributeValue::B(digest))
            .expression_attribute_values(":cap", item::number(MAX_IDS))
            .expression_attribute_values(":first", item::number(first))
            .expression_attribute_values(":last", item::number(last));
        match self.table.send_update(update).await? {
            Written::Stored(Some(before)) => {
                let mut after = decode(&before)?;
                after.reads.secrets.insert(read.secret.name().clone());
                after.reads.ids.insert(read.digest.to_bytes());
                after.reads.first_and_last = Some((first, last));
                Ok(after)
            }
            Written::Refused(Some(now)) => Ok(decode(&now)?),
            Written::Stored(None) | Written::Refused(None) => {
                Ok(OpenEpisode { is_open: false, ..episode })
            }
        }
    }

    /// Claims the finding that a principal was let in: once for an episode, or again if whoever
    /// claimed it before did not confirm it since `stale`, in epoch seconds. Gives whether it is
    /// ours.
    pub async fn claim_let_in(
        &self,
        episode: &OpenEpisode,
        let_in: &LetIn,
        stale: i64,
    ) -> Result<bool, DynamoDbError> {
        let claimed_by = AttributeValue::B(Blob::new(let_in.claimed_by.to_bytes()));
        let claimed = HashMap::from([
            ("finding".to_owned(), encode(&let_in.finding)),
            ("by".to_owned(), claimed_by.clone()),
            ("at".to_owned(), item::number(let_in.claimed_at)),
        ]);
        let update = self
            .table
            .update(&item_key(&episode.key))
            .update_expression(expression::CLAIM_LET_IN)
            .condition_expression(expression::IS_LET_IN_CLAIMABLE)
            .expression_attribute_names("#at", "at")
            .expression_attribute_names("#by", "by")
            .expression_attribute_names("#done", "done")
            .expression_attribute_values(
                ":episode",
                AttributeValue::S(episode.finding.episode.clone()),
            )
            .expression_attribute_values(":let_in", AttributeValue::M(claimed))
            .expression_attribute_values(":digest", claimed_by)
            .expression_attribute_values(":stale", item::number(stale));
        Ok(matches!(self.table.send_update(update).await?, Written::Stored(_)))
    }

    /// Notes that the finding was sent, or held back.
    pub async fn confirm_let_in(&self, episode: &OpenEpisode) -> Result<(), DynamoDbError> {
        let update = self
            .table
            .update(&item_key(&episode.key))
            .update_expression(expression::CONFIRM_LET_IN)
            .condition_expression(expression::IS_LET_IN)
            .expression_attribute_names("#done", "done")
            .expression_attribute_values(
                ":episode",
                AttributeValue::S(episode.finding.episode.clone()),
            )
            .expression_attribute_values(":done", AttributeValue::Bool(true));
        self.table.send_update(update).await.map(drop)
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
            .expression_attribute_values(":now", item::number(now.as_second()))
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
            .expression_attribute_names("#at", "at")
            .expression_attribute_values(":id", AttributeValue::S(episode.finding.id.clone()))
            .expression_attribute_values(":ending", AttributeValue::M(claimed))
            .expression_attribute_values(":stale", item::number(stale));
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

fn encode(finding: &Finding) -> AttributeValue {
    AttributeValue::S(serde_json::to_string(finding).unwrap_or_default())
}

/// Items of episodes are written and read back by this version alone.
fn decode(item: &Item) -> Result<OpenEpisode, CorruptItem> {
    let key = match item.get(name::PRINCIPAL) {
        Some(AttributeValue::S(key)) => Text::new(key, MAX_KEPT_BYTES + 16),
        _ => Text::new("an item without a key", MAX_KEPT_BYTES),
    };
    let reader = Reader { item, key };
    if reader.item.get(name::FORMAT) != Some(&item::number(item::FORMAT)) {
        return Err(reader.corrupt(name::FORMAT, "is of another version of Rattle"));
    }
    let finding = reader.finding(item.get(own::FINDING), own::FINDING)?;
    Ok(OpenEpisode {
        key: finding.principal.principal.key().clone(),
        is_open: item.contains_key(AGENDA),
        ending: reader
            .claimed(own::ENDING)?
            .map(|(finding, claimed_at, _)| Ending { finding, claimed_at }),
        reads: reader.reads()?,
        let_in: reader.let_in()?,
        finding,
    })
}

struct Reader<'a> {
    item: &'a Item,
    key: Text,
}

impl Reader<'_> {
    fn corrupt(&self, attribute: &'static str, what: &'static str) -> CorruptItem {
        CorruptItem { key: self.key.clone(), attribute, what }
    }

    fn finding(
        &self,
        value: Option<&AttributeValue>,
        attribute: &'static str,
    ) -> Result<Finding, CorruptItem> {
        match value {
            Some(AttributeValue::S(finding)) => serde_json::from_str(finding)
                .map_err(|_| self.corrupt(attribute, "holds a finding that cannot be read")),
            _ => Err(self.corrupt(attribute, "has no finding")),
        }
    }

    /// A finding that was claimed, when, and the map of both.
    fn claimed(
        &self,
        attribute: &'static str,
    ) -> Result<Option<(Finding, i64, &Item)>, CorruptItem> {
        let map = match self.item.get(attribute) {
            None => return Ok(None),
            Some(AttributeValue::M(map)) => map,
            Some(_) => return Err(self.corrupt(attribute, "is no map")),
        };
        let at = number(map.get("at")).ok_or_else(|| self.corrupt(attribute, "has no time"))?;
        Ok(Some((self.finding(map.get("finding"), attribute)?, at, map)))
    }

    fn let_in(&self) -> Result<Option<LetIn>, CorruptItem> {
        let Some((finding, claimed_at, map)) = self.claimed(own::LET_IN)? else { return Ok(None) };
        let claimed_by = match map.get("by") {
            Some(AttributeValue::B(digest)) => <[u8; 8]>::try_from(digest.as_ref()).ok(),
            _ => None,
        };
        let claimed_by = claimed_by.ok_or_else(|| self.corrupt(own::LET_IN, "has no event"))?;
        Ok(Some(LetIn {
            finding,
            claimed_by: EventDigest::from_bytes(claimed_by),
            claimed_at,
            is_done: map.contains_key("done"),
        }))
    }

    fn reads(&self) -> Result<ReadsSoFar, CorruptItem> {
        let secrets = match self.item.get(own::SECRETS) {
            None => BTreeSet::new(),
            Some(AttributeValue::Ss(names)) => {
                names.iter().map(|name| Text::new(name, MAX_KEPT_BYTES)).collect()
            }
            Some(_) => return Err(self.corrupt(own::SECRETS, "is no set of texts")),
        };
        let ids = match self.item.get(own::IDS) {
            None => BTreeSet::new(),
            Some(AttributeValue::Bs(ids)) => ids
                .iter()
                .map(|id| id.as_ref().try_into())
                .collect::<Result<_, _>>()
                .map_err(|_| self.corrupt(own::IDS, "holds a digest of another length"))?,
            Some(_) => return Err(self.corrupt(own::IDS, "is no set of binaries")),
        };
        let time = |name| number(self.item.get(name));
        Ok(ReadsSoFar { secrets, ids, first_and_last: time(own::FIRST).zip(time(own::LAST)) })
    }
}

fn number(value: Option<&AttributeValue>) -> Option<i64> {
    match value {
        Some(AttributeValue::N(number)) => number.parse().ok(),
        _ => None,
    }
}
