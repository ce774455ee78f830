//! Counts the records of an input with the JSON parser, deliberately without the scanner's own
//! code.

use std::fmt;

use rattle::cloudtrail::{Denial, Record};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

const MAX_NESTING: usize = 8;
/// In an object that wraps a list of records, the list must begin after at most this many members.
const MAX_MEMBERS_BEFORE_RECORDS: usize = 4;
const MAX_BYTES_BEFORE_RECORDS: usize = 16 << 10;

/// The number of items that a replay finds in these bytes. `None` unless they are a series of
/// objects and lists in valid JSON, since otherwise the number depends on how the scanner recovers.
pub fn number_of_items(bytes: &[u8]) -> Option<usize> {
    if bytes.len() > MAX_BYTES_BEFORE_RECORDS {
        return None;
    }
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    serde_json::Deserializer::from_slice(text)
        .into_iter()
        .map(|value| match value {
            Ok(Value::Scalar) | Err(_) => None,
            Ok(value) => Some(value.items(0, true)),
        })
        .sum()
}

/// The denial that a line starts with, whatever follows it.
pub fn denial_at_start_of(line: &[u8]) -> Option<Denial> {
    if !line.starts_with(b"{") {
        return None;
    }
    let mut values = serde_json::Deserializer::from_slice(line).into_iter::<Record<'_>>();
    values.next()?.ok()?.denial().ok()?
}

/// The relevant parts of a JSON value.
enum Value {
    List(Vec<Value>),
    /// The members in order, each with a flag for a name that lists of records have.
    Object(Vec<(bool, Value)>),
    Scalar,
}

impl Value {
    fn items(&self, depth: usize, may_wrap: bool) -> usize {
        match self {
            _ if depth >= MAX_NESTING => 1,
            Self::List(elements) => elements.iter().map(|e| e.items(depth + 1, true)).sum(),
            Self::Object(members) if may_wrap && wraps_records(members) => members
                .iter()
                .filter_map(|member| match member {
                    (true, Self::List(records)) => Some(records),
                    _ => None,
                })
                .flatten()
                .map(|record| record.items(depth + 2, false))
                .sum(),
            Self::Object(_) | Self::Scalar => 1,
        }
    }
}

fn wraps_records(members: &[(bool, Value)]) -> bool {
    let first = members.iter().take(MAX_MEMBERS_BEFORE_RECORDS);
    let mut lists_and_objects = first.filter(|(_, value)| !matches!(value, Value::Scalar));
    matches!(lists_and_objects.next(), Some((true, Value::List(_))))
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element()? {
            elements.push(element);
        }
        Ok(Value::List(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            members.push((matches!(name.as_str(), "Records" | "Events"), value));
        }
        Ok(Value::Object(members))
    }

    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Scalar)
    }
}
