//! Packs a denial into some 130 bytes: the sort key, then the rest.

use std::cmp::Ordering;
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cloudtrail::call::Call;
use crate::cloudtrail::secret::Secret;
use crate::cloudtrail::secret_set::Bucket;
use crate::cloudtrail::{Cause, Denial, Principal};
use crate::text::Text;

const TIME_BYTES: usize = 12;
const KEY_BYTES: usize = TIME_BYTES + 2;

/// The rest of a packed denial, after its sort key.
#[derive(Serialize, Deserialize)]
pub(super) struct Packed<'a> {
    /// An index into the principals of the history.
    pub(super) principal: u32,
    #[serde(borrow)]
    region: Option<&'a str>,
    /// Bucket, name and suffix of each.
    #[serde(borrow)]
    secrets: Vec<(u16, &'a str, Option<&'a str>)>,
    source_ip: Option<&'a str>,
    session: Option<&'a str>,
    cause: Cause,
    policy_arn: Option<&'a str>,
}

/// Appends the sort key (seconds, nanoseconds, length of the event id, event id) and the rest.
pub(super) fn pack(bytes: &mut Vec<u8>, denial: &Denial, principal: u32) -> io::Result<()> {
    let id = denial.event_id().as_str();
    let id_length = u16::try_from(id.len()).map_err(io::Error::other)?;
    bytes.extend_from_slice(&denial.time().as_second().to_le_bytes());
    bytes.extend_from_slice(&denial.time().subsec_nanosecond().to_le_bytes());
    bytes.extend_from_slice(&id_length.to_le_bytes());
    bytes.extend_from_slice(id.as_bytes());
    let packed = Packed {
        principal,
        region: denial.region().map(Text::as_str),
        secrets: denial
            .secrets()
            .iter()
            .map(|s| (s.bucket().number(), s.name().as_str(), s.suffix()))
            .collect(),
        source_ip: denial.source_ip().map(Text::as_str),
        session: denial.session().map(Text::as_str),
        cause: denial.cause(),
        policy_arn: denial.policy_arn().map(Text::as_str),
    };
    postcard::to_io(&packed, bytes).map(drop).map_err(io::Error::other)
}

pub(super) fn unpack(record: &[u8], packed: Packed<'_>, principals: &[Arc<Principal>]) -> Denial {
    let (second, nanosecond, id) = key(record);
    let text = |raw: &str| Text::new(raw, usize::MAX);
    let secrets = packed.secrets.into_iter().filter_map(|(bucket, name, suffix)| {
        Some(Secret::kept(Bucket::from_number(bucket)?, text(name), suffix))
    });
    let call = Call {
        id: text(&String::from_utf8_lossy(id)).into(),
        time: Timestamp::new(second, nanosecond).unwrap_or_default(),
        principal: Arc::clone(&principals[packed.principal as usize]),
        session: packed.session.map(text),
        region: packed.region.map(text),
        source_ip: packed.source_ip.map(text),
    };
    Denial::new(call, secrets.collect(), packed.cause, packed.policy_arn.map(text))
}

fn key(record: &[u8]) -> (i64, i32, &[u8]) {
    let mut second = [0; 8];
    let mut nanosecond = [0; 4];
    second.copy_from_slice(&record[..8]);
    nanosecond.copy_from_slice(&record[8..TIME_BYTES]);
    let id = &record[KEY_BYTES..KEY_BYTES + id_length(record)];
    (i64::from_le_bytes(second), i32::from_le_bytes(nanosecond), id)
}

fn id_length(record: &[u8]) -> usize {
    usize::from(u16::from_le_bytes([record[TIME_BYTES], record[TIME_BYTES + 1]]))
}

pub(super) fn after_key(record: &[u8]) -> &[u8] {
    &record[KEY_BYTES + id_length(record)..]
}

pub(super) fn by_key(a: &[u8], b: &[u8]) -> Ordering {
    key(a).cmp(&key(b))
}
