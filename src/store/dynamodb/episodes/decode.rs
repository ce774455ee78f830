//! An episode from its item. One that this version did not write is refused and left alone.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;

use super::{AGENDA, Access, MAX_KEY_BYTES, OpenEpisode, ReadsSoFar, own};
use crate::store::dynamodb::decode::ItemReader;
use crate::store::dynamodb::item::{CorruptItem, Item};
use crate::text::{MAX_KEPT_BYTES, Text};

pub(in crate::store) fn decode(item: &Item) -> Result<OpenEpisode, CorruptItem> {
    let reader = ItemReader::of(item, MAX_KEY_BYTES)?;
    let finding = match item.get(own::FINDING) {
        Some(finding) => reader.finding(own::FINDING, finding)?,
        None => return Err(reader.corrupt(own::FINDING, "has no finding")),
    };
    Ok(OpenEpisode {
        key: finding.principal.principal.key().clone(),
        is_open: item.contains_key(AGENDA),
        resolution: reader.outbox(own::RESOLUTION)?,
        reads: reads(&reader, item)?,
        access: access(&reader)?,
        finding,
    })
}

fn access(reader: &ItemReader<'_>) -> Result<Option<Access>, CorruptItem> {
    let Some(outbox) = reader.owned_outbox(own::ACCESS)? else { return Ok(None) };
    let is_done = reader.members(own::ACCESS)?.is_some_and(|map| map.contains_key("done"));
    Ok(Some(Access { outbox, is_done }))
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
