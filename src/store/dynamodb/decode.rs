//! A stored state from its item. One that this version did not write is refused.

use std::str::FromStr;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{CorruptItem, FORMAT, Item, LAST_WINDOW, name};
use crate::cloudtrail::Cause;
use crate::cloudtrail::call::EventDigest;
use crate::cloudtrail::secret_set::{BYTES, Bucket, SecretSet};
use crate::detection::alerting::{AlertState, Episode, EpisodeTotals, LastSent, Reported};
use crate::detection::baseline::Baseline;
use crate::detection::evidence::Evidence;
use crate::detection::finding::{Finding, Severity};
use crate::detection::{PrincipalState, Window};
use crate::store::{Outbox, StoredState};
use crate::text::{MAX_KEPT_BYTES, Text};

pub fn decode(item: &Item) -> Result<StoredState, CorruptItem> {
    let reader = ItemReader::of(item, MAX_KEPT_BYTES)?;
    Ok(StoredState {
        state: reader.state()?,
        version: reader.number(name::VERSION)?,
        outbox: reader.owned_outbox(name::PENDING)?,
        muted_until: reader.number_or_zero(name::MUTED_UNTIL)?,
        suppressed: reader.number_or_zero(name::SUPPRESSED)?,
        expires_at: reader.number(name::EXPIRES_AT)?,
        key: reader.key,
    })
}

/// Reads the attributes of one item, and names the one that is wrong.
pub(in crate::store) struct ItemReader<'a> {
    item: &'a Item,
    key: Text,
}

impl<'a> ItemReader<'a> {
    /// Refuses an item of another format. A key longer than `max_key_bytes` is shortened.
    pub(in crate::store) fn of(item: &'a Item, max_key_bytes: usize) -> Result<Self, CorruptItem> {
        let key = match item.get(name::PRINCIPAL) {
            Some(AttributeValue::S(key)) => Text::new(key, max_key_bytes),
            _ => Text::new("an item without a key", max_key_bytes),
        };
        let reader = Self { item, key };
        if reader.number::<u32>(name::FORMAT)? != FORMAT {
            return Err(reader.corrupt(name::FORMAT, "is of another version of Rattle"));
        }
        Ok(reader)
    }

    fn state(&self) -> Result<PrincipalState, CorruptItem> {
        let sums: [f64; 12] = self.numbers(name::BASELINES)?;
        if sums.iter().any(|sum| !sum.is_finite() || *sum < 0.0) {
            return Err(self.corrupt(name::BASELINES, "holds no sums"));
        }
        let baseline = |i: usize| Baseline { sum: sums[2 * i], sum_of_squares: sums[2 * i + 1] };
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
            opened: self.numbers(name::OPENED)?,
            ids: self.ids_of_open_window()?,
            ids_before: self.ids(name::IDS_BEFORE)?,
            evidence,
            alerting: self.alerting()?,
        })
    }

    /// An event opens a window, so its index lies within the accepted event times.
    fn window(&self, name: &'static str) -> Result<Window, CorruptItem> {
        match self.number(name)? {
            index @ 0..=LAST_WINDOW => Ok(Window::from_index(index)),
            _ => Err(self.corrupt(name, "is out of range")),
        }
    }

    fn alerting(&self) -> Result<AlertState, CorruptItem> {
        let [dh, dd, sh, sd] = self.numbers(name::TOLD)?;
        Ok(AlertState {
            reported: Reported { hour: [dh, sh], day: [dd, sd] },
            episodes: self.episodes()?,
            alert_seq: self.number(name::ALERT_SEQ)?,
            episode: self.number_or_zero(name::EPISODE)?,
            totals: self.totals()?,
            last_sent: self.last_sent()?,
        })
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

    fn totals(&self) -> Result<Option<EpisodeTotals>, CorruptItem> {
        const NAME: &str = name::TALLY;
        let Some(map) = self.members(NAME)? else { return Ok(None) };
        let reader = ItemReader { item: map, key: self.key.clone() };
        let severity = match map.get("severity") {
            Some(AttributeValue::S(severity)) => Severity::from_name(severity),
            _ => None,
        };
        Ok(Some(EpisodeTotals {
            severity: severity.ok_or_else(|| self.corrupt(NAME, "has no severity"))?,
            first_denial: reader.number("first")?,
            last_denial: reader.number("last")?,
            denials: reader.number("denials")?,
            secrets: reader.map("secrets")?,
        }))
    }

    fn last_sent(&self) -> Result<Option<LastSent>, CorruptItem> {
        const NAME: &str = name::TOLD_WORKLOAD;
        if !self.item.contains_key(NAME) {
            return Ok(None);
        }
        match self.numbers::<i64, 2>(NAME)? {
            [index @ 0..=LAST_WINDOW, count] => Ok(Some(LastSent {
                window: Window::from_index(index),
                count: u32::try_from(count).map_err(|_| self.corrupt(NAME, "is out of range"))?,
            })),
            _ => Err(self.corrupt(NAME, "is out of range")),
        }
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

    /// A denial opens a window, so there is at least one.
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
        let Some(map) = self.members(name)? else { return Ok(None) };
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

    /// A finding that waits to be sent.
    pub(in crate::store) fn outbox(
        &self,
        name: &'static str,
    ) -> Result<Option<Outbox>, CorruptItem> {
        let Some(map) = self.members(name)? else { return Ok(None) };
        let (Some(finding), Some(AttributeValue::N(at))) = (map.get("finding"), map.get("at"))
        else {
            return Err(self.corrupt(name, "has no finding or no time"));
        };
        Ok(Some(Outbox {
            finding: self.finding(name, finding)?,
            owner: match map.get("by") {
                Some(AttributeValue::B(by)) => Some(self.digest(name, by)?),
                _ => None,
            },
            leased_at: at.parse().map_err(|_| self.corrupt(name, "has no time"))?,
        }))
    }

    /// The same of one that the delivery of an event leased.
    pub(in crate::store) fn owned_outbox(
        &self,
        name: &'static str,
    ) -> Result<Option<Outbox>, CorruptItem> {
        match self.outbox(name)? {
            Some(Outbox { owner: None, .. }) => Err(self.corrupt(name, "has no owner")),
            outbox => Ok(outbox),
        }
    }

    pub(in crate::store) fn finding(
        &self,
        name: &'static str,
        value: &AttributeValue,
    ) -> Result<Finding, CorruptItem> {
        let AttributeValue::S(finding) = value else {
            return Err(self.corrupt(name, "has no finding"));
        };
        serde_json::from_str(finding)
            .map_err(|_| self.corrupt(name, "holds a finding that cannot be read"))
    }

    pub(in crate::store) fn members(
        &self,
        name: &'static str,
    ) -> Result<Option<&Item>, CorruptItem> {
        match self.item.get(name) {
            None => Ok(None),
            Some(AttributeValue::M(map)) => Ok(Some(map)),
            Some(_) => Err(self.corrupt(name, "is no map")),
        }
    }

    pub(in crate::store) fn number<T: FromStr>(
        &self,
        name: &'static str,
    ) -> Result<T, CorruptItem> {
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

    pub(in crate::store) fn corrupt(
        &self,
        attribute: &'static str,
        what: &'static str,
    ) -> CorruptItem {
        CorruptItem { key: self.key.clone(), attribute, what }
    }
}
