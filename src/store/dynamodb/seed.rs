//! States from a history, stored before the function sees its first denial.

use jiff::Timestamp;

use super::item::Item;
use super::table::{DynamoDbError, MAX_RACES, Written};
use super::{DynamoDbStore, decode};
use crate::store::StoredState;

/// What became of one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Seeded {
    /// No state was there, or an expired one: this one is stored.
    New,
    /// An older state was there that this one's history holds: this one takes its place.
    Replaced,
    /// The state that is there is as new, or newer, and stays.
    Newer,
    /// The state that is there knows an earlier past than this history, and stays.
    LongerHistory,
    /// A finding of the state that is there waits to be sent, and it stays.
    Pending,
    /// What is there is of another format or damaged, and stays.
    Unreadable,
    /// This one would have expired by now.
    Expired,
}

impl Seeded {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::New,
        Self::Replaced,
        Self::Newer,
        Self::LongerHistory,
        Self::Pending,
        Self::Unreadable,
        Self::Expired,
    ];

    /// Whether it is stored.
    pub const fn is_stored(self) -> bool {
        matches!(self, Self::New | Self::Replaced)
    }

    /// In a list of how many there are of each.
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

    /// What is to become of a state that a history gives, beside the one that is there.
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
    /// Stores a state that a history gives, unless what is there is better: a compare-and-set
    /// of the item that was seen. With `dry_run` it is only looked at.
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
