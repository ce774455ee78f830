//! Stores states from a history before the function sees its first denial.

use jiff::Timestamp;

use super::item::Item;
use super::table::{DynamoDbError, MAX_RACES, Written};
use super::{DynamoDbStore, decode};
use crate::store::StoredState;

/// What became of one state of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Seeded {
    /// Stored: the table had none, or an expired one.
    New,
    /// Stored in place of an older state that this history includes.
    Replaced,
    /// Not stored: the table's is as new, or newer.
    Newer,
    /// Not stored: the table's begins earlier.
    LongerHistory,
    /// Not stored: a finding of the table's waits to be sent.
    Pending,
    /// Not stored: the table's is of another format, or damaged.
    Unreadable,
    /// Not stored: it would have expired by now.
    Expired,
}

impl Seeded {
    pub const ALL: [Self; 7] = [
        Self::New,
        Self::Replaced,
        Self::Newer,
        Self::LongerHistory,
        Self::Pending,
        Self::Unreadable,
        Self::Expired,
    ];

    pub const fn is_stored(self) -> bool {
        matches!(self, Self::New | Self::Replaced)
    }

    pub const fn in_words(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Replaced => "in place of an older state, which this history holds",
            Self::Newer => "left as it is: the table's is as new, or newer",
            Self::LongerHistory => "left as it is: the table's goes further back",
            Self::Pending => "left as it is: a finding waits to be sent",
            Self::Unreadable => "left as it is: the table's is of another format, or damaged",
            Self::Expired => "left out: last refused more than 90 days ago",
        }
    }

    /// What becomes of a state of a history beside the one in the table.
    fn of(stored: &StoredState, found: Option<&StoredState>, now: Timestamp) -> Self {
        match found {
            None => Self::New,
            Some(found) if found.is_expired(now) => Self::New,
            Some(found) if found.state.window >= stored.state.window => Self::Newer,
            Some(found) if found.state.first_window < stored.state.first_window => {
                Self::LongerHistory
            }
            Some(found) if found.outbox.is_some() => Self::Pending,
            Some(_) => Self::Replaced,
        }
    }
}

impl DynamoDbStore {
    /// Stores a state of a history, unless the table's is better, by a compare-and-set of the
    /// item that was read. With `dry_run` the table is only read.
    pub async fn seed(
        &self,
        stored: &StoredState,
        now: Timestamp,
        dry_run: bool,
    ) -> Result<Seeded, DynamoDbError> {
        if stored.is_expired(now) {
            return Ok(Seeded::Expired);
        }
        // Most principals have no item yet: whatever stands in the way comes back.
        let mut item = if dry_run { self.table.get(&stored.key).await? } else { None };
        for _ in 0..MAX_RACES {
            let Ok(found) = read(item.as_ref()) else { return Ok(Seeded::Unreadable) };
            let seeded = Seeded::of(stored, found.as_ref(), now);
            if dry_run || !seeded.is_stored() {
                return Ok(seeded);
            }
            let (read, stored) = match found {
                Some(found) if seeded == Seeded::Replaced => {
                    (Some(found.version), over(stored, &found))
                }
                _ => (None, StoredState { version: 1, ..stored.clone() }),
            };
            match self.put(&stored, read, now).await? {
                Written::Stored(_) => return Ok(seeded),
                Written::Refused(in_the_way) => item = in_the_way,
            }
        }
        Err(DynamoDbError::Contended)
    }
}

fn read(item: Option<&Item>) -> Result<Option<StoredState>, DynamoDbError> {
    Ok(item.map(decode::decode).transpose()?)
}

/// The state of the history with what belongs to the item: its mute and its numbers.
fn over(stored: &StoredState, found: &StoredState) -> StoredState {
    let mut stored = StoredState {
        version: found.version + 1,
        muted_until: found.muted_until,
        suppressed: found.suppressed,
        ..stored.clone()
    };
    let alert_seq = &mut stored.state.alerting.alert_seq;
    *alert_seq = found.state.alerting.alert_seq.max(*alert_seq);
    stored
}
