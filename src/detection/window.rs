//! Event time in tumbling windows, and what is counted in them: two signals on three scales.

use std::fmt;
use std::ops::{Index, IndexMut};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Length of the shortest window.
pub const WINDOW_SECONDS: i64 = 300;

pub const WINDOWS_PER_DAY: i64 = 288;

pub const SECONDS_PER_DAY: i64 = WINDOWS_PER_DAY * WINDOW_SECONDS;

pub const SECONDS_PER_WEEK: i64 = 7 * SECONDS_PER_DAY;

/// Days in one generation of known secrets.
const GENERATION_DAYS: i64 = 14;

/// Index of a 5-minute window of event time, counted from the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window(i64);

impl Window {
    pub fn containing(time: Timestamp) -> Self {
        Self(time.as_second().div_euclid(WINDOW_SECONDS))
    }

    pub const fn from_index(index: i64) -> Self {
        Self(index)
    }

    pub const fn index(self) -> i64 {
        self.0
    }

    /// Index, from the Unix epoch, of the window of that scale which holds this one.
    pub fn on(self, scale: Scale) -> i64 {
        self.0.div_euclid(scale.windows())
    }

    /// First second, since the Unix epoch, of the window of that scale which holds this one.
    pub fn start_on(self, scale: Scale) -> i64 {
        self.on(scale).saturating_mul(scale.windows()).saturating_mul(WINDOW_SECONDS)
    }

    /// Index of the generation of known secrets, from the Unix epoch.
    pub fn generation(self) -> i64 {
        self.on(Scale::Day).div_euclid(GENERATION_DAYS)
    }

    /// Windows from `earlier` to this one; negative if `earlier` is later.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// Each denied call counts one.
    Denials,
    /// Each secret new to the principal counts one per window.
    Secrets,
}

impl Signal {
    /// Both, in the order of every stored list.
    pub const ALL: [Self; 2] = [Self::Denials, Self::Secrets];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Denials => "denials",
            Self::Secrets => "secrets",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<T> Index<Signal> for [T; 2] {
    type Output = T;

    fn index(&self, signal: Signal) -> &T {
        &self[signal as usize]
    }
}

impl<T> IndexMut<Signal> for [T; 2] {
    fn index_mut(&mut self, signal: Signal) -> &mut T {
        &mut self[signal as usize]
    }
}

/// Over how long a signal is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scale {
    #[serde(rename = "5m")]
    FiveMinutes,
    #[serde(rename = "1h")]
    Hour,
    /// Of UTC.
    #[serde(rename = "1d")]
    Day,
}

impl Scale {
    /// All three, shortest first: the order of every stored list.
    pub const ALL: [Self; 3] = [Self::FiveMinutes, Self::Hour, Self::Day];

    /// Length in 5-minute windows.
    pub const fn windows(self) -> i64 {
        match self {
            Self::FiveMinutes => 1,
            Self::Hour => 12,
            Self::Day => WINDOWS_PER_DAY,
        }
    }

    pub const fn per_day(self) -> i64 {
        WINDOWS_PER_DAY / self.windows()
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5m",
            Self::Hour => "1h",
            Self::Day => "1d",
        }
    }

    /// Name in a sentence: "in 5 minutes".
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::FiveMinutes => "5 minutes",
            Self::Hour => "1 hour",
            Self::Day => "1 day",
        }
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl<T> Index<Scale> for [T; 3] {
    type Output = T;

    fn index(&self, scale: Scale) -> &T {
        &self[scale as usize]
    }
}

impl<T> IndexMut<Scale> for [T; 3] {
    fn index_mut(&mut self, scale: Scale) -> &mut T {
        &mut self[scale as usize]
    }
}

/// One signal on one scale: which row of the policy and of the baselines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    pub signal: Signal,
    pub scale: Scale,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_tumble_at_multiples_of_five_minutes_of_event_time() {
        let window = |text: &str| Window::containing(text.parse().unwrap());
        assert_eq!(window("1970-01-01T00:00:00Z").index(), 0);
        assert_eq!(
            window("2026-01-01T09:59:59.999Z").index() + 1,
            window("2026-01-01T10:00:00Z").index()
        );
        assert_eq!(
            window("2026-01-01T23:59:59Z").on(Scale::Day) + 1,
            window("2026-01-02T00:00:00Z").on(Scale::Day)
        );
        assert_eq!(
            window("2026-01-01T10:07:00Z").start_on(Scale::Hour),
            "2026-01-01T10:00:00Z".parse::<Timestamp>().unwrap().as_second()
        );
    }
}
