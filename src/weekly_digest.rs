//! What the weekly digest lists: findings that were not sent, low findings, and ignored denials.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::detection::window::{SECONDS_PER_DAY, SECONDS_PER_WEEK};
use crate::disposition::{Disposition, Dispositions};
use crate::text::Text;

/// 1970-01-05, in epoch seconds.
const FIRST_MONDAY: i64 = 4 * SECONDS_PER_DAY;

/// What the weekly digest lists, in its order, with the names in the table and in JSON. Of the
/// published findings it lists those of severity low.
pub const LISTED: [(Disposition, &str); 5] = [
    (Disposition::Muted, "muted"),
    (Disposition::RateLimited, "held_back"),
    (Disposition::Held, "repeated"),
    (Disposition::Shadowed, "shadow"),
    (Disposition::Published, "low"),
];

/// A week, from Monday to Monday in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Week(i64);

impl Week {
    /// The last week that was over at `time`, in epoch seconds.
    pub const fn before(time: i64) -> Self {
        Self((time - FIRST_MONDAY).div_euclid(SECONDS_PER_WEEK) - 1)
    }

    /// The week of `time`, in epoch seconds.
    pub const fn holding(time: i64) -> Self {
        Self((time - FIRST_MONDAY).div_euclid(SECONDS_PER_WEEK))
    }

    /// Weeks since 1970-01-05.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// Its first second, in epoch seconds.
    pub const fn begin(self) -> i64 {
        FIRST_MONDAY + self.0 * SECONDS_PER_WEEK
    }

    /// Its last second, in epoch seconds.
    pub const fn end(self) -> i64 {
        self.begin() + SECONDS_PER_WEEK - 1
    }
}

/// The findings of one principal in a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    pub findings: u64,
    /// Epoch seconds at which the newest finding was claimed.
    pub last_at: i64,
    /// What the newest finding is about.
    pub last: Text,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeeklyDigest {
    week: Week,
    dispositions: Dispositions,
    principals: BTreeMap<Text, Listing>,
    /// At least so many denials were ignored, by entry of `RATTLE_IGNORE`.
    ignored: BTreeMap<Text, u64>,
}

impl WeeklyDigest {
    pub fn of(week: Week) -> Self {
        Self {
            week,
            dispositions: Dispositions::default(),
            principals: BTreeMap::new(),
            ignored: BTreeMap::new(),
        }
    }

    /// `time` is in epoch seconds, and `what` is what was seen.
    pub fn add_finding(
        &mut self,
        disposition: Disposition,
        principal: Text,
        time: i64,
        what: Text,
    ) {
        self.dispositions.record(disposition);
        let listing = self.principals.entry(principal).or_insert_with(|| Listing {
            findings: 0,
            last_at: time,
            last: what.clone(),
        });
        listing.findings += 1;
        if time >= listing.last_at {
            (listing.last_at, listing.last) = (time, what);
        }
    }

    pub fn add_ignored(&mut self, entry: Text, denials: u64) {
        *self.ignored.entry(entry).or_default() += denials;
    }

    pub fn findings(&self, disposition: Disposition) -> u64 {
        self.dispositions.count(disposition).into()
    }

    pub const fn week(&self) -> Week {
        self.week
    }

    /// The principal with the most findings comes first.
    pub fn principals(&self) -> Vec<(&Text, &Listing)> {
        let mut principals: Vec<_> = self.principals.iter().collect();
        principals.sort_by_key(|(_, listing)| Reverse(listing.findings));
        principals
    }

    /// The entry of `RATTLE_IGNORE` that ignored the most denials comes first.
    pub fn ignored(&self) -> Vec<(&Text, u64)> {
        let mut ignored: Vec<_> = self.ignored.iter().map(|(entry, n)| (entry, *n)).collect();
        ignored.sort_by_key(|(_, denials)| Reverse(*denials));
        ignored
    }
}
