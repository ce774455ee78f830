//! What a principal reads while an episode of its denials is open, and the one alert of that.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::episodes::decode::decode;
use super::episodes::{OpenEpisode, item_key};
use super::table::{DynamoDbError, Written};
use super::{DynamoDbStore, encode, expression};
use crate::cloudtrail::SecretRead;
use crate::detection::policy::MAX_IDS;
use crate::store::Outbox;
use crate::text::Text;

impl DynamoDbStore {
    /// The episode of a principal that was told of last, open or not.
    pub async fn episode(&self, principal: &Text) -> Result<Option<OpenEpisode>, DynamoDbError> {
        let item = self.table.get(&item_key(principal)).await?;
        Ok(item.as_ref().map(decode).transpose()?)
    }

    /// Notes a secret that was read while an episode is open: the episode with it, or as it is
    /// if the event was noted before, 256 are, or it is not open any more.
    pub async fn record_read(
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
            .update_expression(expression::RECORD_READ)
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
            .expression_attribute_values(":cap", encode::number(MAX_IDS))
            .expression_attribute_values(":first", encode::number(first))
            .expression_attribute_values(":last", encode::number(last));
        match self.table.send_update(update).await? {
            Written::Stored(Some(before)) => {
                let mut after = decode(&before)?;
                after.reads.secrets.insert(read.secret.name().clone());
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
    pub async fn claim_access(
        &self,
        episode: &OpenEpisode,
        outbox: &Outbox,
        stale: i64,
    ) -> Result<bool, DynamoDbError> {
        let digest = AttributeValue::B(Blob::new(outbox.owner.to_bytes()));
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
            .expression_attribute_values(":let_in", encode::encode_outbox(outbox))
            .expression_attribute_values(":digest", digest)
            .expression_attribute_values(":stale", encode::number(stale));
        Ok(matches!(self.table.send_update(update).await?, Written::Stored(_)))
    }

    /// Notes that the finding was sent, or held back.
    pub async fn confirm_access(&self, episode: &OpenEpisode) -> Result<(), DynamoDbError> {
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
}
