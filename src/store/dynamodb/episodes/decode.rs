//! An episode from its item. What this version did not write is refused, and left as it is.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;

use super::{AGENDA, Ending, LetIn, OpenEpisode, ReadsSoFar, own};
use crate::cloudtrail::denial::EventDigest;
use crate::detection::finding::Finding;
use crate::store::item::{self, CorruptItem, Item, name};
use crate::text::{MAX_KEPT_BYTES, Text};

/// The episode of an item.
pub(super) fn decode(item: &Item) -> Result<OpenEpisode, CorruptItem> {
    let key = match item.get(name::PRINCIPAL) {
        Some(AttributeValue::S(key)) => Text::new(key, MAX_KEPT_BYTES + 16),
        _ => Text::new("an item without a key", MAX_KEPT_BYTES),
    };
    let reader = Reader { item, key };
    if reader.item.get(name::FORMAT) != Some(&item::number(item::FORMAT)) {
        return Err(reader.corrupt(name::FORMAT, "is of another version of Rattle"));
    }
    let finding = reader.finding(item.get(own::FINDING), own::FINDING)?;
    Ok(OpenEpisode {
        key: finding.principal.principal.key().clone(),
        is_open: item.contains_key(AGENDA),
        ending: reader
            .claimed(own::ENDING)?
            .map(|(finding, claimed_at, _)| Ending { finding, claimed_at }),
        reads: reader.reads()?,
        let_in: reader.let_in()?,
        finding,
    })
}

struct Reader<'a> {
    item: &'a Item,
    key: Text,
}

impl Reader<'_> {
    fn corrupt(&self, attribute: &'static str, what: &'static str) -> CorruptItem {
        CorruptItem { key: self.key.clone(), attribute, what }
    }

    fn finding(
        &self,
        value: Option<&AttributeValue>,
        attribute: &'static str,
    ) -> Result<Finding, CorruptItem> {
        match value {
            Some(AttributeValue::S(finding)) => serde_json::from_str(finding)
                .map_err(|_| self.corrupt(attribute, "holds a finding that cannot be read")),
            _ => Err(self.corrupt(attribute, "has no finding")),
        }
    }

    /// A finding that was claimed, when, and the map of both.
    fn claimed(
        &self,
        attribute: &'static str,
    ) -> Result<Option<(Finding, i64, &Item)>, CorruptItem> {
        let map = match self.item.get(attribute) {
            None => return Ok(None),
            Some(AttributeValue::M(map)) => map,
            Some(_) => return Err(self.corrupt(attribute, "is no map")),
        };
        let at = number(map.get("at")).ok_or_else(|| self.corrupt(attribute, "has no time"))?;
        Ok(Some((self.finding(map.get("finding"), attribute)?, at, map)))
    }

    fn let_in(&self) -> Result<Option<LetIn>, CorruptItem> {
        let Some((finding, claimed_at, map)) = self.claimed(own::LET_IN)? else { return Ok(None) };
        let claimed_by = match map.get("by") {
            Some(AttributeValue::B(digest)) => <[u8; 8]>::try_from(digest.as_ref()).ok(),
            _ => None,
        };
        let claimed_by = claimed_by.ok_or_else(|| self.corrupt(own::LET_IN, "has no event"))?;
        Ok(Some(LetIn {
            finding,
            claimed_by: EventDigest::from_bytes(claimed_by),
            claimed_at,
            is_done: map.contains_key("done"),
        }))
    }

    fn reads(&self) -> Result<ReadsSoFar, CorruptItem> {
        let secrets = match self.item.get(own::SECRETS) {
            None => BTreeSet::new(),
            Some(AttributeValue::Ss(names)) => {
                names.iter().map(|name| Text::new(name, MAX_KEPT_BYTES)).collect()
            }
            Some(_) => return Err(self.corrupt(own::SECRETS, "is no set of texts")),
        };
        let time = |name| number(self.item.get(name));
        Ok(ReadsSoFar { secrets, first_and_last: time(own::FIRST).zip(time(own::LAST)) })
    }
}

fn number(value: Option<&AttributeValue>) -> Option<i64> {
    match value {
        Some(AttributeValue::N(number)) => number.parse().ok(),
        _ => None,
    }
}
