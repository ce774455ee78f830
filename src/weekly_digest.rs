//! What a week came to besides the alerts that were sent: findings that were not, denials that
//! were ignored, and what is low.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::detection::window::{SECONDS_PER_DAY, SECONDS_PER_WEEK};
use crate::disposition::Disposition;
use crate::text::Text;

/// 1970-01-05: the first Monday of the epoch.
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
    /// The last whole week before this time, in epoch seconds.
    pub const fn before(time: i64) -> Self {
        Self((time - FIRST_MONDAY).div_euclid(SECONDS_PER_WEEK) - 1)
    }

    /// The week that holds this time, in epoch seconds.
    pub const fn holding(time: i64) -> Self {
        Self((time - FIRST_MONDAY).div_euclid(SECONDS_PER_WEEK))
    }

    /// Number of the week since the epoch.
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
    /// How many.
    pub findings: u64,
    /// When the newest was claimed, in epoch seconds.
    pub last_at: i64,
    /// What was seen then.
    pub last: Text,
}

/// What one week came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeeklyDigest {
    week: Week,
    by_disposition: [u64; LISTED.len()],
    principals: BTreeMap<Text, Listing>,
    /// By entry of `RATTLE_IGNORE`: denials, at the least.
    ignored: BTreeMap<Text, u64>,
}

impl WeeklyDigest {
    /// Of a week in which nothing happened.
    pub const fn of(week: Week) -> Self {
        Self {
            week,
            by_disposition: [0; LISTED.len()],
            principals: BTreeMap::new(),
            ignored: BTreeMap::new(),
        }
    }

    /// Adds a finding: whose, when in epoch seconds, and what was seen.
    pub fn add_finding(
        &mut self,
        disposition: Disposition,
        principal: Text,
        time: i64,
        what: Text,
    ) {
        self.by_disposition[disposition as usize] += 1;
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

    /// Adds denials that an entry of `RATTLE_IGNORE` left alone.
    pub fn add_ignored(&mut self, entry: Text, denials: u64) {
        *self.ignored.entry(entry).or_default() += denials;
    }

    /// Findings with this reason.
    pub fn findings(&self, disposition: Disposition) -> u64 {
        self.by_disposition[disposition as usize]
    }

    /// The week.
    pub const fn week(&self) -> Week {
        self.week
    }

    /// Principals, the one with the most findings first.
    pub fn principals(&self) -> Vec<(&Text, &Listing)> {
        let mut principals: Vec<_> = self.principals.iter().collect();
        principals.sort_by_key(|(_, listing)| Reverse(listing.findings));
        principals
    }

    /// Entries of `RATTLE_IGNORE` with the denials they left alone, most first.
    pub fn ignored(&self) -> Vec<(&Text, u64)> {
        let mut ignored: Vec<_> = self.ignored.iter().map(|(entry, n)| (entry, *n)).collect();
        ignored.sort_by_key(|(_, denials)| Reverse(*denials));
        ignored
    }
}
