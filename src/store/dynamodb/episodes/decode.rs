//! An episode from its item. What this version did not write is refused, and left as it is.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;

use super::{AGENDA, AccessAfterDenial, Ending, MAX_KEY_BYTES, OpenEpisode, ReadsSoFar, own};
use crate::store::dynamodb::decode::ItemReader;
use crate::store::dynamodb::item::{CorruptItem, Item};
use crate::text::{MAX_KEPT_BYTES, Text};

/// The episode of an item.
pub(in crate::store) fn decode(item: &Item) -> Result<OpenEpisode, CorruptItem> {
    let reader = ItemReader::of(item, MAX_KEY_BYTES)?;
    let finding = match item.get(own::FINDING) {
        Some(finding) => reader.finding(own::FINDING, finding)?,
        None => return Err(reader.corrupt(own::FINDING, "has no finding")),
    };
    Ok(OpenEpisode {
        key: finding.principal.principal.key().clone(),
        is_open: item.contains_key(AGENDA),
        ending: ending(&reader)?,
        reads: reads(&reader, item)?,
        let_in: let_in(&reader)?,
        finding,
    })
}

fn ending(reader: &ItemReader<'_>) -> Result<Option<Ending>, CorruptItem> {
    const NAME: &str = own::ENDING;
    let Some(map) = reader.members(NAME)? else { return Ok(None) };
    let (Some(finding), Some(AttributeValue::N(at))) = (map.get("finding"), map.get("at")) else {
        return Err(reader.corrupt(NAME, "has not its two members"));
    };
    Ok(Some(Ending {
        finding: reader.finding(NAME, finding)?,
        leased_at: at.parse().map_err(|_| reader.corrupt(NAME, "has no time"))?,
    }))
}

fn let_in(reader: &ItemReader<'_>) -> Result<Option<AccessAfterDenial>, CorruptItem> {
    let Some(outbox) = reader.outbox(own::LET_IN)? else { return Ok(None) };
    let is_done = reader.members(own::LET_IN)?.is_some_and(|map| map.contains_key("done"));
    Ok(Some(AccessAfterDenial { outbox, is_done }))
}

fn reads(reader: &ItemReader<'_>, item: &Item) -> Result<ReadsSoFar, CorruptItem> {
    let secrets = match item.get(own::SECRETS) {
        None => BTreeSet::new(),
        Some(AttributeValue::Ss(names)) => {
            names.iter().map(|name| Text::new(name, MAX_KEPT_BYTES)).collect()
        }
        Some(_) => return Err(reader.corrupt(own::SECRETS, "is no set of texts")),
    };
    let time = |name| reader.number(name).ok();
    Ok(ReadsSoFar { secrets, first_and_last: time(own::FIRST).zip(time(own::LAST)) })
}
