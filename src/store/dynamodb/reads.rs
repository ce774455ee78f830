//! What a principal reads while its episode is open, and the one alert about that.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::episodes::decode::decode;
use super::episodes::{OpenEpisode, item_key};
use super::table::{DynamoDbError, Update, Written};
use super::{DynamoDbStore, encode, expression};
use crate::cloudtrail::SecretRead;
use crate::cloudtrail::call::EventDigest;
use crate::detection::policy::MAX_IDS;
use crate::disposition::Disposition;
use crate::store::Outbox;
use crate::text::Text;

impl DynamoDbStore {
    /// The episode of a principal that was alerted last, open or not.
    pub async fn episode(&self, principal: &Text) -> Result<Option<OpenEpisode>, DynamoDbError> {
        let item = self.table.get(&item_key(principal)).await?;
        Ok(item.as_ref().map(decode).transpose()?)
    }

    /// Records a secret that was read while an episode is open. Gives the episode with it, or as
    /// it is if the event was recorded before, 256 are, or the episode is not open any more.
    pub async fn record_read(
        &self,
        episode: OpenEpisode,
        read: &SecretRead,
    ) -> Result<OpenEpisode, DynamoDbError> {
        let digest = Blob::new(read.digest().to_bytes());
        let time = read.call.time.as_second();
        let (first, last) = match episode.reads.first_and_last {
            Some((first, last)) => (first.min(time), last.max(time)),
            None => (time, time),
        };
        let update = Update {
            expression: expression::RECORD_READ,
            condition: Some(expression::IS_READABLE),
            names: &[],
            values: vec![
                ("episode", encode::text(&episode.finding.episode)),
                ("secrets", AttributeValue::Ss(vec![read.secret.name().to_string()])),
                ("id", AttributeValue::Bs(vec![digest.clone()])),
                ("digest", AttributeValue::B(digest)),
                ("cap", encode::number(MAX_IDS)),
                ("first", encode::number(first)),
                ("last", encode::number(last)),
            ],
        };
        match self.table.update(&item_key(&episode.key), update).await? {
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

    /// Leases the access after denial of an episode: once, or again if the lease is over and
    /// was not confirmed. Gives whether the lease is ours.
    pub async fn lease_access(
        &self,
        episode: &OpenEpisode,
        outbox: &Outbox,
    ) -> Result<bool, DynamoDbError> {
        // No event has the digest that stands in for none.
        let owner = outbox.owner.map(EventDigest::to_bytes).unwrap_or_default();
        let update = Update {
            expression: expression::LEASE_ACCESS,
            condition: Some(expression::IS_ACCESS_LEASABLE),
            names: &[("at", "at"), ("by", "by"), ("done", "done")],
            values: vec![
                ("episode", encode::text(&episode.finding.episode)),
                ("let_in", encode::encode_outbox(outbox)),
                ("digest", AttributeValue::B(Blob::new(owner))),
                ("stale", encode::number(outbox.stale_at())),
            ],
        };
        let written = self.table.update(&item_key(&episode.key), update).await?;
        Ok(matches!(written, Written::Stored(_)))
    }

    /// Confirms the access after denial as sent, or as held back.
    pub async fn confirm_access(
        &self,
        episode: &OpenEpisode,
        outbox: &Outbox,
        disposition: Disposition,
    ) -> Result<(), DynamoDbError> {
        self.record_for_weekly_digest(outbox, disposition).await?;
        let update = Update {
            expression: expression::CONFIRM_ACCESS,
            condition: Some(expression::IS_ACCESS_LEASED),
            names: &[("done", "done")],
            values: vec![
                ("episode", encode::text(&episode.finding.episode)),
                ("done", AttributeValue::Bool(true)),
            ],
        };
        self.table.update(&item_key(&episode.key), update).await.map(drop)
    }
}
