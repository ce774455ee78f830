//! Counts denials of ignored principals for the weekly digest. They are written now and then,
//! since a write for each would cost what ignoring them saves.

use std::cell::RefCell;
use std::collections::HashMap;

/// Seconds after which the next denial is written with those before it.
const INTERVAL_SECONDS: i64 = 900;

/// Counts of one process, by entry of `RATTLE_IGNORE`.
#[derive(Debug, Default)]
pub(super) struct IgnoredCounts(RefCell<HashMap<String, Count>>);

#[derive(Debug, Default)]
struct Count {
    all: u64,
    unwritten: u64,
    written_at: i64,
}

impl IgnoredCounts {
    /// Counts a denial at `now`, in epoch seconds, and gives how many are to be written, if it is
    /// time: at the first, the second, the fourth and so on, and after a while. A process that
    /// ends loses fewer than it wrote.
    pub(super) fn add(&self, entry: &str, now: i64) -> Option<u64> {
        let mut counts = self.0.borrow_mut();
        if !counts.contains_key(entry) {
            counts.insert(entry.to_owned(), Count::default());
        }
        let count = counts.get_mut(entry)?;
        count.all += 1;
        count.unwritten += 1;
        let is_due = count.all.is_power_of_two() || now - count.written_at >= INTERVAL_SECONDS;
        is_due.then_some(count.unwritten)
    }

    pub(super) fn written(&self, entry: &str, now: i64) {
        if let Some(count) = self.0.borrow_mut().get_mut(entry) {
            count.unwritten = 0;
            count.written_at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_writes_hold_more_than_half_of_what_was_counted() {
        let counts = IgnoredCounts::default();
        let (mut written, mut writes) = (0, 0);
        for counted in 1..=100_000_u64 {
            if let Some(denials) = counts.add("*", 0) {
                counts.written("*", 0);
                written += denials;
                writes += 1;
            }
            assert!(2 * written > counted, "{written} of {counted}");
        }
        assert_eq!(writes, 17);
        assert_eq!(counts.add("*", INTERVAL_SECONDS), Some(100_001 - written));
        assert_eq!(counts.add("other", 0), Some(1));
    }

    #[test]
    fn what_could_not_be_written_is_written_with_the_next() {
        let counts = IgnoredCounts::default();
        assert_eq!([counts.add("*", 0), counts.add("*", 0)], [Some(1), Some(2)]);
    }
}
