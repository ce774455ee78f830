//! A state as an item of the table, and back, bit for bit. The layout, format 1, is
//! described in `docs/item.md`.

use std::collections::HashMap;
use std::str::FromStr;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::{Kept, Pending};
use crate::cloudtrail::Cause;
use crate::cloudtrail::denial::EventDigest;
use crate::cloudtrail::evidence::{EVIDENCE_SLOTS, Evidence};
use crate::cloudtrail::record::LAST_EVENT_SECOND;
use crate::detection::baseline::Baseline;
use crate::detection::secret_set::{BYTES, Bucket, SecretSet};
use crate::detection::state::{Episode, Told};
use crate::detection::window::WINDOW_SECONDS;
use crate::detection::{PrincipalState, Window};
use crate::text::{MAX_KEPT_BYTES, Text};

/// The least positive number that DynamoDB takes. A state expires long before one of its
/// sums has faded so far.
const LEAST: f64 = 1e-130;

/// No event is later.
const LAST_WINDOW: i64 = LAST_EVENT_SECOND / WINDOW_SECONDS;

/// Attributes by name.
pub type Item = HashMap<String, AttributeValue>;

/// Format of the items that this version reads and writes.
pub const FORMAT: u32 = 1;

/// Names of attributes.
pub mod name {
    #![allow(missing_docs, reason = "the names are described in docs/item.md")]
    pub const PRINCIPAL: &str = "principal";
    pub const FORMAT: &str = "format";
    pub const VERSION: &str = "version";
    pub const EXPIRES_AT: &str = "expires_at";
    pub const MUTED_UNTIL: &str = "muted_until";
    pub const ALERT_SEQ: &str = "alert_seq";
    pub const PENDING: &str = "pending";
    pub const EPISODE: &str = "episode";
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

/// An item that this version did not write. Its baseline is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the item of {key} cannot be read: its attribute {attribute} {what}")]
pub struct CorruptItem {
    /// The principal's key.
    pub key: Text,
    /// The attribute's name.
    pub attribute: &'static str,
    /// What is wrong with it.
    pub what: &'static str,
}

/// The item of a state.
pub fn encode(kept: &Kept) -> Item {
    let state = &kept.state;
    let mut item = Item::with_capacity(40);
    let mut put = |name: &str, value: AttributeValue| {
        item.insert(name.to_owned(), value);
    };
    put(name::PRINCIPAL, AttributeValue::S(kept.key.to_string()));
    put(name::FORMAT, number(FORMAT));
    put(name::VERSION, number(kept.version));
    put(name::EXPIRES_AT, number(kept.expires_at));
    if kept.muted_until != 0 {
        put(name::MUTED_UNTIL, number(kept.muted_until));
    }
    if kept.suppressed != 0 {
        put(name::SUPPRESSED, number(kept.suppressed));
    }
    put(name::ALERT_SEQ, number(state.alert_seq));
    if state.episode != 0 {
        put(name::EPISODE, number(state.episode));
    }
    if let Some(pending) = &kept.pending {
        put(name::PENDING, encode_pending(pending));
    }
    put(name::WINDOW, number(state.window.index()));
    put(name::FIRST_WINDOW, number(state.first_window.index()));
    for (name, count) in name::DENIALS.into_iter().zip(state.denials) {
        put(name, number(count));
    }
    if !state.secrets.is_empty() {
        put(name::SECRETS, encode_secrets(&state.secrets));
    }
    put(name::NEW_IN_HOUR, number(state.new_in_hour));
    put(name::NEW_IN_DAY, number(state.new_in_day));
    for (name, set) in maps(state) {
        if !set.is_empty() {
            put(name, AttributeValue::B(Blob::new(set.to_bytes())));
        }
    }
    let sums = state.baselines.iter().flatten().flat_map(|b| [b.sum, b.sum_of_squares]);
    put(name::BASELINES, list(sums.map(float)));
    put(name::TOLD, encode_told(&state.told));
    for (name, value) in encode_episodes(&state.episodes) {
        put(name, value);
    }
    put(name::OPENED, list(state.opened.map(number)));
    for (name, ids) in [(name::IDS, &state.ids), (name::IDS_BEFORE, &state.ids_before)] {
        if !ids.is_empty() {
            put(name, AttributeValue::Bs(ids.iter().map(|id| Blob::new(id.to_bytes())).collect()));
        }
    }
    for (name, evidence) in name::EVIDENCE.into_iter().zip(&state.evidence) {
        if let Some(evidence) = evidence {
            put(name, encode_evidence(evidence));
        }
    }
    item
}

/// The state of an item.
pub fn decode(item: &Item) -> Result<Kept, CorruptItem> {
    let key = match item.get(name::PRINCIPAL) {
        Some(AttributeValue::S(key)) => Text::new(key, MAX_KEPT_BYTES),
        _ => Text::new("an item without a key", MAX_KEPT_BYTES),
    };
    let reader = Reader { item, key };
    if reader.number::<u32>(name::FORMAT)? != FORMAT {
        return Err(reader.corrupt(name::FORMAT, "is of another version of Rattle"));
    }
    Ok(Kept {
        state: reader.state()?,
        version: reader.number(name::VERSION)?,
        pending: reader.pending()?,
        muted_until: reader.number_or_zero(name::MUTED_UNTIL)?,
        suppressed: reader.number_or_zero(name::SUPPRESSED)?,
        expires_at: reader.number(name::EXPIRES_AT)?,
        key: reader.key,
    })
}

/// The episodes as attributes.
pub fn encode_episodes(episodes: &[Episode; 2]) -> [(&'static str, AttributeValue); 3] {
    [
        (name::ALERT_WINDOW, list(episodes.map(|e| window(e.alert_window)))),
        (name::HIT_WINDOW, encode_hits(episodes)),
        (name::ALERT_COUNT, list(episodes.map(|e| number(e.alert_count)))),
    ]
}

/// The windows of the last hits, as an attribute.
pub fn encode_hits(episodes: &[Episode; 2]) -> AttributeValue {
    list(episodes.map(|e| window(e.hit_window)))
}

/// Window 0 lies in 1970: far enough in the past to stand for never.
fn window(window: Option<Window>) -> AttributeValue {
    number(window.map_or(0, Window::index))
}

/// What was told, as an attribute: denials of the hour and of the day, then secrets.
pub fn encode_told(told: &Told) -> AttributeValue {
    let [(dh, sh), (dd, sd)] = [told.hour, told.day].map(|[denials, secrets]| (denials, secrets));
    list([dh, dd, sh, sd].map(number))
}

/// Buckets as a set of numbers; there must be one.
pub fn encode_secrets(secrets: &SecretSet) -> AttributeValue {
    AttributeValue::Ns(secrets.iter().map(|bucket| bucket.number().to_string()).collect())
}

/// A finding that waits to be sent.
pub fn encode_pending(pending: &Pending) -> AttributeValue {
    let finding = serde_json::to_string(&pending.finding).unwrap_or_default();
    AttributeValue::M(HashMap::from([
        ("finding".to_owned(), AttributeValue::S(finding)),
        ("by".to_owned(), AttributeValue::B(Blob::new(pending.claimed_by.to_bytes()))),
        ("at".to_owned(), number(pending.claimed_at)),
    ]))
}

/// One slot of evidence.
pub fn encode_evidence(evidence: &Evidence) -> AttributeValue {
    let mut map = Item::from([
        ("t".to_owned(), number(evidence.time)),
        ("c".to_owned(), AttributeValue::S(evidence.cause.to_code())),
    ]);
    let texts = [("s", &evidence.secret), ("i", &evidence.source_ip), ("n", &evidence.session)];
    for (name, text) in texts {
        if let Some(text) = text {
            map.insert(name.to_owned(), AttributeValue::S(text.to_string()));
        }
    }
    if evidence.more_secrets > 0 {
        map.insert("m".to_owned(), number(evidence.more_secrets));
    }
    AttributeValue::M(map)
}

/// A whole number as DynamoDB takes it.
#[expect(clippy::needless_pass_by_value, reason = "numbers are copied")]
pub fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A float that reads back to the same bits: its shortest decimal form, with an exponent
/// where that is shorter.
fn float(value: f64) -> AttributeValue {
    if value < LEAST {
        return number(0);
    }
    let plain = value.to_string();
    let exponent = format!("{value:e}");
    AttributeValue::N(if plain.len() <= exponent.len() { plain } else { exponent })
}

fn list(values: impl IntoIterator<Item = AttributeValue>) -> AttributeValue {
    AttributeValue::L(values.into_iter().collect())
}

fn maps(state: &PrincipalState) -> [(&'static str, &SecretSet); 4] {
    [
        (name::TODAY, &state.today),
        (name::ONCE, &state.once),
        (name::KNOWN, &state.known),
        (name::KNOWN_BEFORE, &state.known_before),
    ]
}

struct Reader<'a> {
    item: &'a Item,
    key: Text,
}

impl Reader<'_> {
    fn state(&self) -> Result<PrincipalState, CorruptItem> {
        let sums: [f64; 12] = self.numbers(name::BASELINES)?;
        if sums.iter().any(|sum| !sum.is_finite() || *sum < 0.0) {
            return Err(self.corrupt(name::BASELINES, "holds no sums"));
        }
        let baseline = |i: usize| Baseline { sum: sums[2 * i], sum_of_squares: sums[2 * i + 1] };
        let [dh, dd, sh, sd] = self.numbers(name::TOLD)?;
        let [first, second, third] = name::DENIALS;
        let mut evidence = std::array::from_fn(|_| None);
        for (slot, name) in evidence.iter_mut().zip(name::EVIDENCE) {
            *slot = self.evidence(name)?;
        }
        Ok(PrincipalState {
            window: self.window(name::WINDOW)?,
            first_window: self.window(name::FIRST_WINDOW)?,
            denials: [self.number(first)?, self.number(second)?, self.number(third)?],
            secrets: self.secrets()?,
            new_in_hour: self.number(name::NEW_IN_HOUR)?,
            new_in_day: self.number(name::NEW_IN_DAY)?,
            today: self.map(name::TODAY)?,
            once: self.map(name::ONCE)?,
            known: self.map(name::KNOWN)?,
            known_before: self.map(name::KNOWN_BEFORE)?,
            baselines: [0, 3].map(|signal| [0, 1, 2].map(|scale| baseline(signal + scale))),
            told: Told { hour: [dh, sh], day: [dd, sd] },
            episodes: self.episodes()?,
            opened: self.numbers(name::OPENED)?,
            ids: self.ids_of_open_window()?,
            ids_before: self.ids(name::IDS_BEFORE)?,
            evidence,
            alert_seq: self.number(name::ALERT_SEQ)?,
            episode: self.number_or_zero(name::EPISODE)?,
        })
    }

    /// A window is opened by an event, so it is one of those that events may have.
    fn window(&self, name: &'static str) -> Result<Window, CorruptItem> {
        match self.number(name)? {
            index @ 0..=LAST_WINDOW => Ok(Window::from_index(index)),
            _ => Err(self.corrupt(name, "is out of range")),
        }
    }

    fn episodes(&self) -> Result<[Episode; 2], CorruptItem> {
        let window = |index: i64| (index != 0).then(|| Window::from_index(index));
        let alert_windows: [i64; 2] = self.numbers(name::ALERT_WINDOW)?;
        let hit_windows: [i64; 2] = self.numbers(name::HIT_WINDOW)?;
        let counts: [u32; 2] = self.numbers(name::ALERT_COUNT)?;
        Ok([0, 1].map(|signal: usize| Episode {
            alert_window: window(alert_windows[signal]),
            hit_window: window(hit_windows[signal]),
            alert_count: counts[signal],
        }))
    }

    fn secrets(&self) -> Result<SecretSet, CorruptItem> {
        let buckets = match self.item.get(name::SECRETS) {
            None => return Ok(SecretSet::EMPTY),
            Some(AttributeValue::Ns(buckets)) => buckets,
            Some(_) => return Err(self.corrupt(name::SECRETS, "is no set of numbers")),
        };
        buckets
            .iter()
            .map(|bucket| bucket.parse().ok().and_then(Bucket::from_number))
            .collect::<Option<SecretSet>>()
            .ok_or_else(|| self.corrupt(name::SECRETS, "holds what is no bucket"))
    }

    fn map(&self, name: &'static str) -> Result<SecretSet, CorruptItem> {
        match self.item.get(name) {
            None => Ok(SecretSet::EMPTY),
            Some(AttributeValue::B(bytes)) => <&[u8; BYTES]>::try_from(bytes.as_ref())
                .map(SecretSet::from_bytes)
                .map_err(|_| self.corrupt(name, "has not 64 bytes")),
            Some(_) => Err(self.corrupt(name, "is not binary")),
        }
    }

    fn ids(&self, name: &'static str) -> Result<Vec<EventDigest>, CorruptItem> {
        let blobs = match self.item.get(name) {
            None => return Ok(Vec::new()),
            Some(AttributeValue::Bs(blobs)) => blobs,
            Some(_) => return Err(self.corrupt(name, "is no set of binaries")),
        };
        let mut ids =
            blobs.iter().map(|blob| self.digest(name, blob)).collect::<Result<Vec<_>, _>>()?;
        ids.sort_unstable();
        Ok(ids)
    }

    /// A window is opened by a denial, so there is one at least.
    fn ids_of_open_window(&self) -> Result<Vec<EventDigest>, CorruptItem> {
        let ids = self.ids(name::IDS)?;
        if ids.is_empty() { Err(self.corrupt(name::IDS, "is missing")) } else { Ok(ids) }
    }

    fn digest(&self, name: &'static str, blob: &Blob) -> Result<EventDigest, CorruptItem> {
        <[u8; 8]>::try_from(blob.as_ref())
            .map(EventDigest::from_bytes)
            .map_err(|_| self.corrupt(name, "holds a digest of another length"))
    }

    fn evidence(&self, name: &'static str) -> Result<Option<Evidence>, CorruptItem> {
        let map = match self.item.get(name) {
            None => return Ok(None),
            Some(AttributeValue::M(map)) => map,
            Some(_) => return Err(self.corrupt(name, "is no map")),
        };
        let text = |key: &str| match map.get(key) {
            Some(AttributeValue::S(text)) => Some(Text::new(text, MAX_KEPT_BYTES)),
            _ => None,
        };
        let number = |key: &str| match map.get(key) {
            Some(AttributeValue::N(number)) => Some(number.as_str()),
            _ => None,
        };
        let cause = text("c").and_then(|code| Cause::from_code(code.as_str()));
        let time = number("t").and_then(|time| time.parse().ok());
        let (Some(time), Some(cause)) = (time, cause) else {
            return Err(self.corrupt(name, "has no time or no cause"));
        };
        Ok(Some(Evidence {
            time,
            secret: text("s"),
            more_secrets: number("m").and_then(|more| more.parse().ok()).unwrap_or(0),
            source_ip: text("i"),
            session: text("n"),
            cause,
        }))
    }

    fn pending(&self) -> Result<Option<Pending>, CorruptItem> {
        const NAME: &str = name::PENDING;
        let map = match self.item.get(NAME) {
            None => return Ok(None),
            Some(AttributeValue::M(map)) => map,
            Some(_) => return Err(self.corrupt(NAME, "is no map")),
        };
        let (
            Some(AttributeValue::S(finding)),
            Some(AttributeValue::B(by)),
            Some(AttributeValue::N(at)),
        ) = (map.get("finding"), map.get("by"), map.get("at"))
        else {
            return Err(self.corrupt(NAME, "has not its three members"));
        };
        Ok(Some(Pending {
            finding: serde_json::from_str(finding)
                .map_err(|_| self.corrupt(NAME, "holds a finding that cannot be read"))?,
            claimed_by: self.digest(NAME, by)?,
            claimed_at: at.parse().map_err(|_| self.corrupt(NAME, "has no time"))?,
        }))
    }

    fn number<T: FromStr>(&self, name: &'static str) -> Result<T, CorruptItem> {
        match self.item.get(name) {
            Some(AttributeValue::N(number)) => {
                number.parse().map_err(|_| self.corrupt(name, "is out of range"))
            }
            Some(_) => Err(self.corrupt(name, "is no number")),
            None => Err(self.corrupt(name, "is missing")),
        }
    }

    fn number_or_zero<T: FromStr + Default>(&self, name: &'static str) -> Result<T, CorruptItem> {
        if self.item.contains_key(name) { self.number(name) } else { Ok(T::default()) }
    }

    fn numbers<T: FromStr, const N: usize>(
        &self,
        name: &'static str,
    ) -> Result<[T; N], CorruptItem> {
        let Some(AttributeValue::L(values)) = self.item.get(name) else {
            return Err(self.corrupt(name, "is no list"));
        };
        let numbers: Option<Vec<T>> = values
            .iter()
            .map(|value| value.as_n().ok().and_then(|number| number.parse().ok()))
            .collect();
        numbers
            .and_then(|numbers| <[T; N]>::try_from(numbers).ok())
            .ok_or_else(|| self.corrupt(name, "holds other numbers than it should"))
    }

    fn corrupt(&self, attribute: &'static str, what: &'static str) -> CorruptItem {
        CorruptItem { key: self.key.clone(), attribute, what }
    }
}
