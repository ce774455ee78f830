//! Principals that are left alone: for good, until a day, or up to a number of new secrets.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use wildmatch::WildMatch;

use crate::cloudtrail::Denial;

/// Most new secrets a day that an entry may leave unreported.
pub(crate) const MAX_ABOVE: u32 = 500;

/// Globs over a principal's ARN or `service:` name, each with its bounds.
#[derive(Clone, Debug, Default)]
pub struct IgnoredPrincipals(Vec<Entry>);

/// One entry: `GLOB`, `GLOB;until=2026-12-31`, `GLOB;above=50`, or both in any order.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As it was written.
    text: String,
    glob: WildMatch,
    /// The first moment at which it no longer applies.
    ends: Option<Timestamp>,
    /// New secrets of a day up to which nothing is reported.
    above: Option<u32>,
}

/// What the entries say about one denial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// Nothing.
    No,
    /// It is not even assessed.
    Entirely,
    /// It is reported from one more new secret a day than this.
    UpTo(u32),
}

/// What is no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidEntry;

impl IgnoredPrincipals {
    /// These entries.
    pub const fn new(entries: Vec<Entry>) -> Self {
        Self(entries)
    }

    /// Whether any of them has a ceiling.
    pub fn have_ceilings(&self) -> bool {
        self.0.iter().any(|entry| entry.above.is_some())
    }

    /// Whether the principal of this denial is one of them, without a ceiling.
    pub fn holds(&self, denial: &Denial) -> bool {
        self.of(denial) == Ignored::Entirely
    }

    /// The entry without a ceiling that holds the principal of this denial.
    pub fn entry_of(&self, denial: &Denial) -> Option<&Entry> {
        let names = denial.principal().names(denial.session());
        self.0.iter().find(|entry| entry.above.is_none() && entry.applies(denial, &names))
    }

    /// What applies to this denial at its time. Where several entries do, each may widen
    /// what the others leave alone.
    pub fn of(&self, denial: &Denial) -> Ignored {
        let mut ignored = Ignored::No;
        if self.0.is_empty() {
            return ignored;
        }
        let names = denial.principal().names(denial.session());
        for entry in self.0.iter().filter(|entry| entry.applies(denial, &names)) {
            ignored = match (ignored, entry.above) {
                (Ignored::Entirely, _) | (_, None) => Ignored::Entirely,
                (Ignored::UpTo(most), Some(above)) => Ignored::UpTo(most.max(above)),
                (Ignored::No, Some(above)) => Ignored::UpTo(above),
            };
        }
        ignored
    }
}

impl Entry {
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn applies(&self, denial: &Denial, names: &[String]) -> bool {
        self.ends.is_none_or(|ends| denial.time() < ends)
            && names.iter().any(|name| self.glob.matches(name))
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
