//! States in DynamoDB: one item for each principal, one request for each denial.
//!
//! The commonest change, a denial in the open window, is one `UpdateItem` that counts, checks
//! for a duplicate, and gives back the item as it was. Everything else is a compare-and-set of
//! the whole item. A write may have been applied although its answer was lost: when it is sent
//! again, its condition fails, and the item that comes back shows the event as counted.

mod cache;
pub mod decode;
pub mod digest;
pub mod encode;
pub mod episodes;
pub mod expression;
pub mod item;
mod reads;
mod receive;
mod seed;
mod table;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use self::cache::StateCache;
use self::item::{FORMAT, Item, name};
pub use self::seed::Seeded;
pub use self::table::{DynamoDbError, Usage};
use self::table::{Table, Update, Written};
use super::{Admission, Claim, Outbox, Received, Store, StoredState, storm_key};
use crate::cloudtrail::Delivery;
use crate::cloudtrail::call::EventDigest;
use crate::detection::{Decision, Outcome, Policy};
use crate::disposition::Disposition;
use crate::text::Text;

/// Within this time another invocation has usually sent what it claimed.
const PUBLISHED_WITHIN: Duration = Duration::from_millis(100);
/// How long the alerts of an hour are kept: longer than a failure queue keeps an event that
/// will ask for its admission again.
const STORM_RETENTION_SECONDS: i64 = 15 * 24 * 3600;

#[derive(Debug)]
pub struct DynamoDbStore {
    table: Table,
    cache: StateCache,
    /// Whether findings are recorded for the weekly digest.
    weekly_digest: bool,
}

impl DynamoDbStore {
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            table: Table::new(client, table.into()),
            cache: StateCache::default(),
            weekly_digest: false,
        }
    }

    /// Records findings for the weekly digest, if `on`.
    #[must_use]
    pub fn with_weekly_digest(self, on: bool) -> Self {
        Self { weekly_digest: on, ..self }
    }

    /// Has each answer state the capacity it used.
    #[must_use]
    pub fn measuring_capacity(self) -> Self {
        Self { table: self.table.measuring_capacity(), ..self }
    }

    /// What was used since this was last taken.
    pub fn take_usage(&self) -> Usage {
        self.table.take_usage()
    }

    pub async fn read(&self, key: &Text) -> Result<Option<StoredState>, DynamoDbError> {
        let item = self.table.get(key).await?;
        Ok(item.as_ref().map(decode::decode).transpose()?)
    }

    /// One `PutItem` of a whole state, if the item is still of the version that was read, or if
    /// there still is none.
    async fn put(
        &self,
        stored: &StoredState,
        read: Option<u64>,
        now: Timestamp,
    ) -> Result<Written, DynamoDbError> {
        let put = self.table.put(encode::encode(stored));
        let put = match read {
            Some(version) => {
                let put = put
                    .expression_attribute_names("#version", name::VERSION)
                    .expression_attribute_names("#format", name::FORMAT)
                    .expression_attribute_values(":version", encode::number(version))
                    .expression_attribute_values(":format", encode::number(FORMAT))
                    .expression_attribute_values(
                        ":muted_until",
                        encode::number(stored.muted_until),
                    );
                put.condition_expression(match stored.muted_until {
                    0 => expression::IS_UNCHANGED,
                    _ => expression::IS_UNCHANGED_MUTED,
                })
            }
            None => put
                .condition_expression(expression::IS_NEW)
                .expression_attribute_values(":now", encode::number(now.as_second())),
        };
        self.table.send_put(put).await
    }

    /// Caches an item as a write left it: with the change, or as it was found instead.
    fn cache_written(
        &self,
        written: Written,
        change: impl FnOnce(&mut StoredState),
    ) -> Result<Option<StoredState>, DynamoDbError> {
        let stored = match written {
            Written::Stored(Some(before)) => {
                let mut stored = decode::decode(&before)?;
                change(&mut stored);
                stored.version += 1;
                stored
            }
            Written::Refused(Some(now)) => decode::decode(&now)?,
            Written::Stored(None) | Written::Refused(None) => return Ok(None),
        };
        self.cache.refresh(&stored);
        Ok(Some(stored))
    }
}

impl Store for DynamoDbStore {
    type Error = DynamoDbError;

    async fn receive(
        &self,
        delivery: &Delivery<'_>,
        policy: &Policy,
    ) -> Result<Received, DynamoDbError> {
        if let Some(stored) = self.cache.full(delivery) {
            return Ok(Received { stored, outcome: Outcome::WindowFull });
        }
        let received = self.count_delivery(delivery, policy).await?;
        self.cache.insert(&received.stored, delivery.arrived);
        Ok(received)
    }

    async fn claim(
        &self,
        stored: &StoredState,
        decision: &Decision,
        outbox: Outbox,
    ) -> Result<Claim, DynamoDbError> {
        let (before, after) = (&stored.state.alerting, &decision.alerting);
        let mut values = vec![
            ("seq", encode::number(before.alert_seq)),
            ("next", encode::number(after.alert_seq)),
            ("window", encode::number(stored.state.window.index())),
            ("noted", encode::encode_hits(&before.episodes)),
            ("pending", encode::encode_outbox(&outbox)),
            ("episode", encode::number(after.episode)),
            ("told", encode::encode_reported(&after.reported)),
            ("one", encode::number(1)),
        ];
        values.extend(encode::encode_episodes(&after.episodes));
        values.extend(after.totals.iter().map(|sums| ("tally", encode::encode_totals(sums))));
        let mut expression = expression::CLAIM;
        if let Some(last_sent) = after.last_sent.filter(|_| after.last_sent != before.last_sent) {
            expression = expression::CLAIM_WORKLOAD;
            values.push(("told_workload", encode::encode_last_sent(last_sent)));
        }
        let update = Update {
            expression,
            condition: Some(expression::IS_CLAIMABLE),
            names: &[("version", name::VERSION), ("window", name::WINDOW)],
            values,
        };
        let owner = outbox.owner;
        match self.table.update(&stored.key, update).await? {
            Written::Stored(item) => {
                let mut won = stored_item(item, stored)?;
                won.state.alerting = decision.alerting;
                won.version += 1;
                won.outbox = Some(outbox);
                self.cache.refresh(&won);
                Ok(Claim::Won(won))
            }
            Written::Refused(item) => {
                let now = stored_item(item, stored)?;
                self.cache.refresh(&now);
                // The answer to our own claim was lost, and the SDK asked again.
                let is_ours = now.state.alerting.alert_seq == after.alert_seq
                    && now.outbox.as_ref().is_some_and(|p| p.owner == owner);
                if is_ours {
                    return Ok(Claim::Won(now));
                }
                self.table.used(|usage| usage.lost_races += 1);
                Ok(Claim::Lost(now))
            }
        }
    }

    async fn record_hit(
        &self,
        stored: &StoredState,
        decision: &Decision,
    ) -> Result<(), DynamoDbError> {
        let is_new = [0, 1].map(|signal: usize| {
            decision.alerting.episodes[signal].hit_window
                != stored.state.alerting.episodes[signal].hit_window
        });
        let expression = match is_new {
            [true, true] => expression::RECORD_HITS,
            [true, false] => expression::RECORD_HIT[0],
            [false, true] => expression::RECORD_HIT[1],
            [false, false] => return Ok(()),
        };
        let window = encode::number(stored.state.window.index());
        let update = Update {
            expression,
            condition: Some(expression::IS_ASSESSED),
            names: &[("version", name::VERSION), ("window", name::WINDOW)],
            values: vec![
                ("seq", encode::number(stored.state.alerting.alert_seq)),
                ("window", window.clone()),
                ("hit", window),
                ("one", encode::number(1)),
            ],
        };
        // Refused: another invocation claimed or opened a window, and stored what it saw.
        let written = self.table.update(&stored.key, update).await?;
        self.cache_written(written, |after| {
            for (episode, is_new) in after.state.alerting.episodes.iter_mut().zip(is_new) {
                if is_new {
                    episode.hit_window = Some(stored.state.window);
                }
            }
        })
        .map(drop)
    }

    async fn admit(
        &self,
        outbox: &Outbox,
        limit: u32,
        now: Timestamp,
    ) -> Result<Admission, DynamoDbError> {
        let key = storm_key(outbox.leased_at);
        let digest = Blob::new(EventDigest::of(&outbox.finding.id).to_bytes());
        let expires_at = outbox.leased_at + STORM_RETENTION_SECONDS;
        let admit = Update {
            expression: expression::ADMIT,
            condition: Some(expression::IS_ADMITTED),
            names: &[],
            values: vec![
                ("id", AttributeValue::Bs(vec![digest.clone()])),
                ("digest", AttributeValue::B(digest.clone())),
                ("limit", encode::number(limit)),
                ("expires_at", encode::number(expires_at)),
            ],
        };
        if let Written::Stored(_) = self.table.update(&key, admit).await? {
            // Before the alert is sent: whoever gets it also gets the end of its episode.
            self.record_episode(outbox, now).await?;
            return Ok(Admission::Send);
        }
        let announce = Update {
            expression: expression::ANNOUNCE,
            condition: Some(expression::IS_ANNOUNCER),
            names: &[],
            values: vec![
                ("digest", AttributeValue::B(digest)),
                ("expires_at", encode::number(expires_at)),
            ],
        };
        Ok(match self.table.update(&key, announce).await? {
            Written::Stored(_) => Admission::AnnounceStorm,
            Written::Refused(_) => Admission::HoldBack,
        })
    }

    async fn confirm(
        &self,
        stored: &StoredState,
        disposition: Disposition,
    ) -> Result<StoredState, DynamoDbError> {
        if let Some(outbox) = &stored.outbox {
            self.record_for_weekly_digest(outbox, disposition).await?;
        }
        let update = Update {
            expression: match disposition {
                Disposition::RateLimited => expression::SUPPRESS,
                _ => expression::CONFIRM,
            },
            condition: Some(expression::IS_UNCONFIRMED),
            names: &[("version", name::VERSION)],
            values: vec![
                ("seq", encode::number(stored.state.alerting.alert_seq)),
                ("one", encode::number(1)),
            ],
        };
        // Refused: another confirmed it, or the next finding waits already.
        let written = self.table.update(&stored.key, update).await?;
        let confirmed = self.cache_written(written, |stored| stored.confirm(disposition))?;
        Ok(confirmed.unwrap_or_else(|| StoredState { outbox: None, ..stored.clone() }))
    }

    async fn read_again(&self, stored: StoredState) -> Result<StoredState, DynamoDbError> {
        tokio::time::sleep(PUBLISHED_WITHIN).await;
        let now = self.read(&stored.key).await?;
        Ok(now.unwrap_or(StoredState { outbox: None, ..stored }))
    }
}

fn stored_item(item: Option<Item>, read: &StoredState) -> Result<StoredState, DynamoDbError> {
    match item {
        Some(item) => Ok(decode::decode(&item)?),
        // The item was deleted meanwhile.
        None => Ok(StoredState { version: 0, outbox: None, ..read.clone() }),
    }
}
