//! One delivery of a denial: counted in one request where its window is open, or by a
//! compare-and-set of the whole state.

use std::time::Duration;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};

use super::cache::Expectation;
use super::item::{FORMAT, Item, name};
use super::table::{DynamoDbError, MAX_RACES, Written};
use super::{DynamoDbStore, decode, encode, expression};
use crate::cloudtrail::Denial;
use crate::detection::evidence::Evidence;
use crate::detection::policy::{MAX_AGE_SECONDS, MAX_IDS};
use crate::detection::{Outcome, Policy, Window};
use crate::store::{Received, StoredState};

/// Longest wait before the first try after a lost race, doubled each time.
const FIRST_WAIT_MS: u64 = 5;
const VALIDATION: &str = "ValidationException";

impl DynamoDbStore {
    /// One `UpdateItem` that counts a denial in the window that is open, if that is not older;
    /// or in `held`, if that is still open and its finding waits.
    async fn count(
        &self,
        denial: &Denial,
        age: SignedDuration,
        now: Timestamp,
        held: Option<Window>,
    ) -> Result<Written, DynamoDbError> {
        let recent = u32::from(age <= SignedDuration::from_secs(MAX_AGE_SECONDS));
        let digest = Blob::new(denial.digest().to_bytes());
        let secrets = denial.secrets().buckets();
        let window = held.unwrap_or(Window::containing(denial.time())).index();
        let names = [
            ("#format", name::FORMAT),
            ("#version", name::VERSION),
            ("#evidence", name::EVIDENCE[Evidence::slot(denial)]),
            ("#window", name::WINDOW),
        ];
        let values = [
            (":one", encode::number(1)),
            (":format", encode::number(FORMAT)),
            (":recent", encode::number(recent)),
            (":id", AttributeValue::Bs(vec![digest.clone()])),
            (":digest", AttributeValue::B(digest)),
            (":cap", encode::number(MAX_IDS)),
            (":now", encode::number(now.as_second())),
            (":window", encode::number(window)),
            (":evidence", encode::encode_evidence(&Evidence::of(denial))),
        ];
        let names = names.map(|(placeholder, name)| (placeholder.to_owned(), name.to_owned()));
        let values = values.map(|(placeholder, value)| (placeholder.to_owned(), value));
        // All at once: one by one, the maps grow again and again.
        let update = self
            .table
            .update(denial.principal().key())
            .condition_expression(match held {
                None => expression::COUNTS,
                Some(_) => expression::COUNTS_HELD,
            })
            .set_expression_attribute_names(Some(names.into()))
            .set_expression_attribute_values(Some(values.into()));
        let update = if secrets.is_empty() {
            update.update_expression(expression::COUNT)
        } else {
            update
                .update_expression(expression::COUNT_SECRETS)
                .expression_attribute_values(":secrets", encode::encode_secrets(&secrets))
        };
        match self.table.send_update(update).await {
            Err(DynamoDbError::Request { operation, code }) if code == VALIDATION => {
                // Our expressions are valid: an attribute is not of the type we count in.
                self.read(denial.principal().key()).await?;
                Err(DynamoDbError::Request { operation, code })
            }
            other => other,
        }
    }

    /// What a denial does to the item that was found in place of the one expected.
    fn transition(
        found: Option<StoredState>,
        denial: &Denial,
        age: SignedDuration,
        now: Timestamp,
        policy: &Policy,
    ) -> Transition {
        let Some(before) = found.filter(|stored| !stored.is_expired(now)) else {
            let mut stored = StoredState::opened_by(denial);
            stored.state.receive(denial, age, policy);
            stored.version = 1;
            return Transition::Replace { stored: Box::new(stored), read: None };
        };
        let mut stored = before.clone();
        match stored.receive(denial, age, now, policy) {
            Outcome::Counted if stored.state.window == before.state.window => {
                let is_newer = Window::containing(denial.time()) > before.state.window;
                Transition::Count { held: is_newer.then_some(before.state.window) }
            }
            Outcome::Counted => {
                stored.version += 1;
                let stored = Box::new(stored.renewed());
                Transition::Replace { stored, read: Some(before.version) }
            }
            outcome => Transition::Nothing(Box::new(Received { stored: before, outcome })),
        }
    }

    /// Counts a denial, with as few requests as its window and what is remembered allow.
    pub(super) async fn receive_delivery(
        &self,
        denial: &Denial,
        age: SignedDuration,
        now: Timestamp,
        policy: &Policy,
    ) -> Result<Received, DynamoDbError> {
        let expectation = self.cache.expectation(denial, now);
        // Whether what was found may be out of date.
        let mut is_remembered = matches!(expectation, Expectation::NewerWindow(_));
        let mut found = match expectation {
            Expectation::NewerWindow(stored) => Some(*stored),
            Expectation::ProbablyFull => self.read(denial.principal().key()).await?,
            Expectation::OpenWindow => match self.count(denial, age, now, None).await? {
                Written::Stored(before) => return counted(before, denial, age),
                Written::Refused(item) => item.as_ref().map(decode::decode).transpose()?,
            },
        };
        for race in 0..MAX_RACES {
            let written = match Self::transition(found, denial, age, now, policy) {
                Transition::Nothing(_) if is_remembered => {
                    found = self.read(denial.principal().key()).await?;
                    is_remembered = false;
                    continue;
                }
                Transition::Nothing(received) => return Ok(*received),
                Transition::Count { held } => self.count(denial, age, now, held).await?,
                Transition::Replace { stored, read } => {
                    if race > 1 {
                        self.wait(race).await;
                    }
                    match self.put(&stored, read, now).await? {
                        Written::Stored(_) => {
                            return Ok(Received { stored: *stored, outcome: Outcome::Counted });
                        }
                        refused @ Written::Refused(_) => refused,
                    }
                }
            };
            match written {
                Written::Stored(before) => return counted(before, denial, age),
                Written::Refused(item) => found = item.as_ref().map(decode::decode).transpose()?,
            }
            is_remembered = false;
            self.table.used(|usage| usage.lost_races += 1);
        }
        Err(DynamoDbError::Contended)
    }

    async fn wait(&self, race: u32) {
        let longest = FIRST_WAIT_MS << race;
        let share = u64::from(std::process::id()) ^ u64::from(self.table.usage().requests);
        let jitter = share.wrapping_mul(0x9E37_79B9_7F4A_7C15) % (longest + 1);
        tokio::time::sleep(Duration::from_millis(jitter)).await;
    }
}

/// What is to be done after the one request did not count a denial.
enum Transition {
    /// The window is open by now, or held open: count in it.
    Count { held: Option<Window> },
    /// Store this state in place of the one that was read.
    Replace { stored: Box<StoredState>, read: Option<u64> },
    /// Nothing.
    Nothing(Box<Received>),
}

/// The state after the one request counted a denial: the pure transition of the item as it
/// was.
fn counted(
    before: Option<Item>,
    denial: &Denial,
    age: SignedDuration,
) -> Result<Received, DynamoDbError> {
    let mut stored = decode::decode(&before.unwrap_or_default())?;
    let outcome = stored.state.receive_in_open_window(denial, age);
    stored.version += 1;
    Ok(Received { stored, outcome })
}
