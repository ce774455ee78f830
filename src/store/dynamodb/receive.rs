//! One delivery of a denial: counted in one request where its window is open, or by a
//! compare-and-set of the whole state.

use std::time::Duration;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::SignedDuration;

use super::cache::Expectation;
use super::item::{FORMAT, Item, name};
use super::table::{DynamoDbError, MAX_RACES, Update, Written};
use super::{DynamoDbStore, decode, encode, expression};
use crate::cloudtrail::Delivery;
use crate::detection::evidence::Evidence;
use crate::detection::policy::{MAX_AGE_SECONDS, MAX_IDS};
use crate::detection::{Policy, Window};
use crate::store::transition::{Change, Transition};
use crate::store::{Received, StoredState};

/// Longest wait before the first try after a lost race, doubled each time.
const FIRST_WAIT_MS: u64 = 5;
const VALIDATION: &str = "ValidationException";

impl DynamoDbStore {
    /// One `UpdateItem` that counts a denial in the open window, if that is not older than the
    /// denial; or in `held_open`, if that is still open and its finding waits.
    async fn count(
        &self,
        delivery: &Delivery<'_>,
        held_open: Option<Window>,
    ) -> Result<Written, DynamoDbError> {
        let denial = delivery.denial;
        let recent = u32::from(delivery.age() <= SignedDuration::from_secs(MAX_AGE_SECONDS));
        let digest = Blob::new(denial.digest().to_bytes());
        let secrets = denial.secrets().buckets();
        let window = held_open.unwrap_or(Window::containing(denial.time())).index();
        let mut values = vec![
            ("one", encode::number(1)),
            ("format", encode::number(FORMAT)),
            ("recent", encode::number(recent)),
            ("id", AttributeValue::Bs(vec![digest.clone()])),
            ("digest", AttributeValue::B(digest)),
            ("cap", encode::number(MAX_IDS)),
            ("now", encode::number(delivery.arrived.as_second())),
            ("window", encode::number(window)),
            ("evidence", encode::encode_evidence(&Evidence::of(denial))),
        ];
        if !secrets.is_empty() {
            values.push(("secrets", encode::encode_secrets(&secrets)));
        }
        let update = Update {
            expression: if secrets.is_empty() {
                expression::COUNT
            } else {
                expression::COUNT_SECRETS
            },
            condition: Some(match held_open {
                None => expression::COUNTS,
                Some(_) => expression::COUNTS_HELD,
            }),
            names: &[
                ("format", name::FORMAT),
                ("version", name::VERSION),
                ("evidence", name::EVIDENCE[Evidence::slot(denial)]),
                ("window", name::WINDOW),
            ],
            values,
        };
        match self.table.update(denial.principal().key(), update).await {
            Err(DynamoDbError::Request { operation, code }) if code == VALIDATION => {
                // Our expressions are valid: an attribute is not of the type we count in.
                self.read(denial.principal().key()).await?;
                Err(DynamoDbError::Request { operation, code })
            }
            other => other,
        }
    }

    /// Counts a denial, with as few requests as its window and the cache allow.
    pub(super) async fn count_delivery(
        &self,
        delivery: &Delivery<'_>,
        policy: &Policy,
    ) -> Result<Received, DynamoDbError> {
        let key = delivery.denial.principal().key();
        let expectation = self.cache.expectation(delivery);
        let mut is_cached = matches!(expectation, Expectation::NewerWindow(_));
        let mut found = match expectation {
            Expectation::NewerWindow(stored) => Some(*stored),
            Expectation::ProbablyFull => self.read(key).await?,
            Expectation::OpenWindow => match self.count(delivery, None).await? {
                Written::Stored(before) => return counted(before, delivery),
                Written::Refused(item) => decoded(item.as_ref())?,
            },
        };
        for race in 0..MAX_RACES {
            let window = found.as_ref().map(|stored| stored.state.window);
            let Transition { stored, outcome, change } = Transition::new(found, delivery, policy);
            let written = match change {
                // The cache may be out of date.
                Change::Nothing if is_cached => {
                    found = self.read(key).await?;
                    is_cached = false;
                    continue;
                }
                Change::Nothing => return Ok(Received { stored, outcome }),
                Change::Count => {
                    let own = Window::containing(delivery.denial.time());
                    let held_open = window.filter(|window| own > *window);
                    self.count(delivery, held_open).await?
                }
                Change::Replace { version } => {
                    if race > 1 {
                        wait(race).await;
                    }
                    match self.put(&stored, version, delivery.arrived).await? {
                        Written::Stored(_) => return Ok(Received { stored, outcome }),
                        refused @ Written::Refused(_) => refused,
                    }
                }
            };
            match written {
                Written::Stored(before) => return counted(before, delivery),
                Written::Refused(item) => found = decoded(item.as_ref())?,
            }
            is_cached = false;
            self.table.used(|usage| usage.lost_races += 1);
        }
        Err(DynamoDbError::Contended)
    }
}

/// The state after the one request counted a denial in the item as it was.
fn counted(before: Option<Item>, delivery: &Delivery<'_>) -> Result<Received, DynamoDbError> {
    let before = decode::decode(&before.unwrap_or_default())?;
    let Transition { stored, outcome, .. } = Transition::in_open_window(before, delivery);
    Ok(Received { stored, outcome })
}

fn decoded(item: Option<&Item>) -> Result<Option<StoredState>, DynamoDbError> {
    Ok(item.map(decode::decode).transpose()?)
}

async fn wait(race: u32) {
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=FIRST_WAIT_MS << race))).await;
}
