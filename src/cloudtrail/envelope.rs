//! What one delivery to the function is about: from its JSON to an [`Event`].

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::call::{Denial, SecretRead};
use super::error::{Malformed, without_place};
use super::lenient::Nested;
use super::record::{CLOUDTRAIL_DETAIL_TYPE, Record, Recorded};
use crate::text::Text;

/// `source` of the events of Secrets Manager.
pub const SOURCE: &str = "aws.secretsmanager";

/// How far a clock may be wrong.
const MAX_FUTURE: SignedDuration = SignedDuration::from_mins(15);
const MAX_QUOTED_BYTES: usize = 60;
const MAX_TASK_BYTES: usize = 120;

/// What one delivery is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Denial(Denial),
    Read(SecretRead),
    Task(Task),
    /// An event that is neither counted nor watched.
    Other,
}

/// What the schedules of the template ask for, and whoever invokes the function by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "task", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Task {
    /// Resolve the episodes that are over.
    #[serde(rename = "close-episodes")]
    ResolveEpisodes {},
    /// Send the weekly digest of the last whole week.
    #[serde(rename = "send-digest")]
    SendWeeklyDigest {},
}

/// Why a delivery can never be used: a retry would give the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("it is no EventBridge event")]
    NoEnvelope,
    #[error("its task cannot be read: {0}")]
    Task(Text),
    #[error("its source is \"{0}\", not {SOURCE}")]
    Source(Text),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("its eventTime {0} lies in the future")]
    Future(Timestamp),
}

/// The members that classify a delivery, whatever its record holds.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow, default)]
    task: Option<&'a RawValue>,
    #[serde(borrow, default)]
    source: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "detail-type")]
    detail_type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    detail: Option<&'a RawValue>,
}

impl Event {
    /// Reads the JSON of a delivery. Only with `reads` are secrets looked for that were read.
    pub fn read(json: &str, reads: bool) -> Result<Self, Rejection> {
        // The decoder would take a list for the members in their order.
        if !json.trim_ascii_start().starts_with('{') {
            return Err(Rejection::NoEnvelope);
        }
        let outline: Outline<'_> = serde_json::from_str(json).map_err(|_| Rejection::NoEnvelope)?;
        match outline {
            Outline { task: Some(_), source: None, .. } => Self::task(json),
            Outline { source: Some(source), detail_type: Some(_), detail: Some(_), .. } => {
                if source == SOURCE {
                    Ok(Record::read(json.as_bytes(), |record| record.recorded(reads))?.into())
                } else {
                    Err(Rejection::Source(Text::new(&source, MAX_QUOTED_BYTES)))
                }
            }
            _ => Err(Rejection::NoEnvelope),
        }
    }

    /// Reads the `detail` of an envelope while that is parsed, so that the common case takes
    /// one parse. `None` if the record is not enough by itself or something is wrong with it:
    /// [`Self::read`] then says what.
    pub fn in_detail<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Self>, D::Error> {
        let detail = Nested::<Record<'de>>::deserialize(deserializer)?;
        let record = detail.get().filter(|record| record.names_its_account());
        Ok(record.and_then(|record| record.recorded_alone(None, true).ok()).map(Self::from))
    }

    /// The event, unless it claims to happen after it arrived.
    pub fn arriving(self, now: Timestamp) -> Result<Self, Rejection> {
        match self {
            Self::Denial(denial) if denial.time().duration_since(now) > MAX_FUTURE => {
                Err(Rejection::Future(denial.time()))
            }
            event => Ok(event),
        }
    }

    /// Whether an envelope of this source and `detail-type` carries records of Secrets Manager.
    pub fn is_carried_by(source: &str, detail_type: &str) -> bool {
        source == SOURCE && detail_type == CLOUDTRAIL_DETAIL_TYPE
    }

    fn task(json: &str) -> Result<Self, Rejection> {
        serde_json::from_str(json)
            .map(Self::Task)
            .map_err(|error| Rejection::Task(Text::new(&without_place(&error), MAX_TASK_BYTES)))
    }
}

impl From<Recorded> for Event {
    fn from(recorded: Recorded) -> Self {
        match recorded {
            Recorded::Denial(denial) => Self::Denial(denial),
            Recorded::Read(read) => Self::Read(read),
            Recorded::Other => Self::Other,
        }
    }
}
