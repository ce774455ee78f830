//! Numbers, plurals, spans and times in words.

use jiff::Timestamp;

/// One decimal place, or three for a small number.
pub fn rounded(value: f64) -> String {
    let text = if value == 0.0 || value >= 0.095 {
        format!("{value:.1}")
    } else if value >= 0.0005 {
        format!("{value:.3}")
    } else {
        return "less than 0.001".to_owned();
    };
    match text.strip_suffix(".0") {
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// `n` things: `1 secret`, `2 secrets`.
pub fn plural(n: impl Into<u64>, thing: &str) -> String {
    let n = n.into();
    if n == 1 { format!("1 {thing}") } else { format!("{n} {thing}s") }
}

/// How long a principal has been known.
pub fn history(days: f64) -> String {
    match rounded(days).as_str() {
        "0" => "first seen now".to_owned(),
        "1" => "1 day of history".to_owned(),
        days => format!("{days} days of history"),
    }
}

/// A span of time in its two largest units: `68 s`, `39 min 31 s`, `2 h 5 min`, `3 days`.
pub fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600, seconds / 60);
    let two = |first: String, rest: i64, unit: &str| match rest {
        0 => first,
        rest => format!("{first} {rest} {unit}"),
    };
    match (days, hours, minutes) {
        (0, 0, 0..=1) => format!("{seconds} s"),
        (0, 0, _) => two(format!("{minutes} min"), seconds % 60, "s"),
        (0, _, _) => two(format!("{hours} h"), minutes % 60, "min"),
        (1, ..) => two("1 day".to_owned(), hours % 24, "h"),
        _ => two(format!("{days} days"), hours % 24, "h"),
    }
}

/// Epoch seconds as `2026-01-31T23:59:59Z`.
pub fn utc(epoch_seconds: i64) -> String {
    Timestamp::from_second(epoch_seconds)
        .map_or_else(|_| epoch_seconds.to_string(), |time| time.to_string())
}
