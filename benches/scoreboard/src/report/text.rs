//! Tables, numbers and JSON in a form for readers.

use std::fmt::Write;

use serde_json::Value;

/// A Markdown table whose first column is text and whose other columns are numbers.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!("| {} |\n|---|{}\n", head.join(" | "), "---:|".repeat(head.len() - 1));
    for row in rows {
        text.push_str("| ");
        text.push_str(&row.join(" | "));
        text.push_str(" |\n");
    }
    text
}

/// Wraps a paragraph into lines; in a list, each item separately.
pub(super) fn wrapped(text: &str) -> String {
    let wrapped: Vec<String> = text
        .split('\n')
        .map(|line| {
            let indent = if line.starts_with("- ") { "  " } else { "" };
            textwrap::fill(line, textwrap::Options::new(100).subsequent_indent(indent))
        })
        .collect();
    wrapped.join("\n")
}

/// A rate with three significant digits.
pub(super) fn rate(value: f64) -> String {
    match value {
        value if value >= 99.5 => format!("{value:.0}"),
        value if value >= 9.95 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}

/// A rate with its interval.
pub(super) fn rate_with(value: f64, (lower, upper): (f64, f64)) -> String {
    format!("{} ({} to {})", rate(value), rate(lower), rate(upper))
}

pub(super) fn share(value: f64) -> String {
    format!("{value:.2}")
}

/// A whole number with separated thousands.
pub(super) fn whole(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Minutes in words.
pub(super) fn minutes(value: f64) -> String {
    match value {
        value if value < 2.0 => format!("{:.0} s", value * 60.0),
        value if value < 120.0 => format!("{value:.0} min"),
        value if value < 2880.0 => format!("{:.1} h", value / 60.0),
        value => format!("{:.1} days", value / 1440.0),
    }
}

/// A value that may be missing.
pub(super) fn or_dash<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| "–".to_owned(), show)
}

/// JSON with nested values on several lines, except that each table row takes one line.
pub(super) fn json(text: &mut String, value: &Value, depth: usize) {
    const ROWS_AT: usize = 4;
    let indent = "  ".repeat(depth + 1);
    let close = "  ".repeat(depth);
    let is_row = depth >= ROWS_AT;
    match value {
        Value::Object(members)
            if !is_row && members.values().any(|v| v.is_array() || v.is_object()) =>
        {
            text.push_str("{\n");
            for (place, (name, member)) in members.iter().enumerate() {
                let _ = write!(text, "{indent}{}: ", Value::from(name.as_str()));
                json(text, member, depth + 1);
                text.push_str(if place + 1 < members.len() { ",\n" } else { "\n" });
            }
            text.push_str(&close);
            text.push('}');
        }
        Value::Array(elements) if !is_row && elements.iter().any(Value::is_object) => {
            text.push_str("[\n");
            for (place, element) in elements.iter().enumerate() {
                text.push_str(&indent);
                json(text, element, depth + 1);
                text.push_str(if place + 1 < elements.len() { ",\n" } else { "\n" });
            }
            text.push_str(&close);
            text.push(']');
        }
        _ => text.push_str(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_on_lines_reads_back() {
        let value = json!({"a": [{"b": [1, {"c": {"d": [{"e": 1.5}]}}]}], "f": {}, "g": []});
        let mut text = String::new();
        json(&mut text, &value, 0);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn numbers_are_shown_as_one_would_say_them() {
        assert_eq!(whole(1_234_567), "1,234,567");
        assert_eq!(whole(999), "999");
        assert_eq!(rate(938.2), "938");
        assert_eq!(rate(0.834), "0.83");
        assert_eq!(minutes(0.1), "6 s");
        assert_eq!(minutes(180.0), "3.0 h");
    }
}
