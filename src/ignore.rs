//! Principals whose denials are ignored: for good, until a day, or up to a number of new
//! secrets.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use wildmatch::WildMatch;

use crate::cloudtrail::Denial;

/// Greatest ceiling of an entry, in new secrets a day.
pub(crate) const MAX_ABOVE: u32 = 500;

/// Entries of `RATTLE_IGNORE`. Those without a ceiling and those with one are apart, so that
/// each is matched at most once per denial.
#[derive(Clone, Debug, Default)]
pub struct IgnoredPrincipals {
    without_ceiling: Vec<Entry>,
    with_ceiling: Vec<Entry>,
}

/// `GLOB`, `GLOB;until=2026-12-31`, `GLOB;above=50`, or both bounds in any order. The glob is
/// matched against a principal's ARNs, or its `service:` name.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As it was written.
    text: String,
    glob: WildMatch,
    /// The first moment at which it no longer applies.
    ends: Option<Timestamp>,
    /// Ceiling: the new secrets of a day up to which nothing is reported.
    above: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidEntry;

impl IgnoredPrincipals {
    pub fn new(entries: Vec<Entry>) -> Self {
        let (with_ceiling, without_ceiling) =
            entries.into_iter().partition(|entry| entry.above.is_some());
        Self { without_ceiling, with_ceiling }
    }

    /// The first entry without a ceiling that applies: the denial is not assessed at all.
    pub fn entirely(&self, denial: &Denial) -> Option<&Entry> {
        applying(&self.without_ceiling, denial).next()
    }

    /// The greatest ceiling of the entries that apply: each may widen what the others leave
    /// alone.
    pub fn ceiling(&self, denial: &Denial) -> Option<u32> {
        applying(&self.with_ceiling, denial).filter_map(|entry| entry.above).max()
    }
}

fn applying<'a>(entries: &'a [Entry], denial: &Denial) -> impl Iterator<Item = &'a Entry> {
    let time = denial.time();
    // Mostly there is no entry at all, and then no need for names.
    let names = match entries {
        [] => Vec::new(),
        _ => denial.principal().names(denial.session()),
    };
    entries.iter().filter(move |entry| entry.applies(time, &names))
}

impl Entry {
    pub fn text(&self) -> &str {
        &self.text
    }

    fn applies(&self, time: Timestamp, names: &[String]) -> bool {
        self.ends.is_none_or(|ends| time < ends) && names.iter().any(|name| self.glob.matches(name))
    }
}

impl FromStr for Entry {
    type Err = InvalidEntry;

    fn from_str(text: &str) -> Result<Self, InvalidEntry> {
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(InvalidEntry);
        }
        let mut parts = text.split(';');
        let glob = parts.next().filter(|glob| !glob.is_empty()).ok_or(InvalidEntry)?;
        let glob = WildMatch::new(glob);
        let mut entry = Self { text: text.to_owned(), glob, ends: None, above: None };
        for part in parts {
            let (bound, value) = part.split_once('=').ok_or(InvalidEntry)?;
            match bound {
                "until" if entry.ends.is_none() => entry.ends = Some(end_of(value)?),
                "above" if entry.above.is_none() => entry.above = Some(above(value)?),
                _ => return Err(InvalidEntry),
            }
        }
        Ok(entry)
    }
}

/// The end of that UTC day.
fn end_of(day: &str) -> Result<Timestamp, InvalidEntry> {
    // A date and nothing else: the parser would also take a time of day.
    let is_date = day.len() == 10 && day.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let date: Date = day.parse().ok().filter(|_| is_date).ok_or(InvalidEntry)?;
    let next = date.tomorrow().map_err(|_| InvalidEntry)?;
    format!("{next}T00:00:00Z").parse().map_err(|_| InvalidEntry)
}

fn above(count: &str) -> Result<u32, InvalidEntry> {
    count.parse().ok().filter(|above| (1..=MAX_ABOVE).contains(above)).ok_or(InvalidEntry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_a_glob_and_at_most_one_of_each_bound() {
        for entry in [
            "arn:*",
            "service:example",
            "a;until=2026-12-31",
            "a;above=50;until=2026-12-31",
            "a;above=500",
        ] {
            assert!(entry.parse::<Entry>().is_ok(), "{entry}");
        }
        for entry in [
            "",
            ";above=5",
            "a b",
            "a; above=5",
            "a\u{e9}",
            "a;",
            "a;above",
            "a;above=0",
            "a;above=501",
            "a;above=-1",
            "a;above=5;above=6",
            "a;until=2026-12-31;until=2027-12-31",
            "a;until=2026-02-30",
            "a;until=2026-12-31T12:00:00Z",
            "a;until=31.12.2026",
            "a;until=",
            "a;below=5",
        ] {
            assert!(entry.parse::<Entry>().is_err(), "{entry}");
        }
    }

    #[test]
    fn an_entry_ends_with_its_day() {
        let entry: Entry = "a;until=2026-12-31".parse().unwrap();
        assert_eq!(entry.ends.unwrap().to_string(), "2027-01-01T00:00:00Z");
    }
}
