//! Items of the table: their attributes, their format, and the error of one that this version
//! did not write. `docs/item.md` describes the layout.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::cloudtrail::record::LAST_EVENT_SECOND;
use crate::detection::evidence::EVIDENCE_SLOTS;
use crate::detection::window::WINDOW_SECONDS;
use crate::text::Text;

/// The window of the latest event time that is accepted.
pub(super) const LAST_WINDOW: i64 = LAST_EVENT_SECOND / WINDOW_SECONDS;

/// Attributes by name.
pub type Item = HashMap<String, AttributeValue>;

/// Format of the items that this version reads and writes.
pub const FORMAT: u32 = 1;

pub mod name {
    pub const PRINCIPAL: &str = "principal";
    pub const FORMAT: &str = "format";
    pub const VERSION: &str = "version";
    pub const EXPIRES_AT: &str = "expires_at";
    pub const MUTED_UNTIL: &str = "muted_until";
    pub const ALERT_SEQ: &str = "alert_seq";
    pub const PENDING: &str = "pending";
    pub const EPISODE: &str = "episode";
    pub const TALLY: &str = "tally";
    pub const TOLD_WORKLOAD: &str = "told_workload";
    pub const SUPPRESSED: &str = "suppressed";
    pub const WINDOW: &str = "window";
    pub const FIRST_WINDOW: &str = "first_window";
    pub const DENIALS: [&str; 3] = ["n_5m", "n_1h", "n_1d"];
    pub const SECRETS: &str = "secrets";
    pub const NEW_IN_HOUR: &str = "new_1h";
    pub const NEW_IN_DAY: &str = "new_1d";
    pub const TODAY: &str = "today";
    pub const ONCE: &str = "once";
    pub const KNOWN: &str = "known";
    pub const KNOWN_BEFORE: &str = "known_prev";
    pub const BASELINES: &str = "base";
    pub const TOLD: &str = "told";
    pub const ALERT_WINDOW: &str = "alert_window";
    pub const HIT_WINDOW: &str = "hit_window";
    pub const ALERT_COUNT: &str = "alert_count";
    pub const OPENED: &str = "opened";
    pub const IDS: &str = "ids";
    pub const IDS_BEFORE: &str = "ids_prev";
    pub const EVIDENCE: [&str; super::EVIDENCE_SLOTS] =
        ["e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7"];
    pub const ALERTS: &str = "alerts";
    pub const STORM: &str = "storm";
}

/// An item that this version did not write. It is left as it is, baseline included.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the item of {key} cannot be read: its attribute {attribute} {what}")]
pub struct CorruptItem {
    pub key: Text,
    pub attribute: &'static str,
    pub what: &'static str,
}
