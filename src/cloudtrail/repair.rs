//! JSON text that a decoder refuses for its characters, not for its structure.

use std::borrow::Cow;

/// What stands for a character that cannot be decoded, in JSON.
const REPLACEMENT_ESCAPE: &str = "\\ufffd";

/// The text with invalid UTF-8 and unpaired surrogate escapes replaced.
pub(crate) fn decodable(json: &[u8]) -> String {
    let text = String::from_utf8_lossy(json);
    let mut out = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (written, taken) = escape(rest);
        out.push_str(&written);
        rest = &rest[taken..];
    }
    out.push_str(rest);
    out
}

/// The escape that `text` starts with as it should be written, and its length as it is.
fn escape(text: &str) -> (Cow<'_, str>, usize) {
    match (code_unit(text), text.get(6..).and_then(code_unit)) {
        (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (Cow::Borrowed(&text[..12]), 12),
        (Some(0xD800..=0xDFFF), _) => (Cow::Borrowed(REPLACEMENT_ESCAPE), 6),
        // An escaped backslash must not lend itself to what follows it.
        _ => {
            let length = 1 + text[1..].chars().next().map_or(0, char::len_utf8);
            (Cow::Borrowed(&text[..length]), length)
        }
    }
}

/// The UTF-16 code unit of an escape `\uXXXX` that `text` starts with.
fn code_unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_decoded_is_replaced() {
        assert_eq!(decodable(br#"{"a":"x\ud83dy"}"#), r#"{"a":"x\ufffdy"}"#);
        assert_eq!(decodable(br#"{"a":"\udc00\ud83d\ude00"}"#), r#"{"a":"\ufffd\ud83d\ude00"}"#);
        assert_eq!(decodable(br#"{"a":"\\ud83d"}"#), r#"{"a":"\\ud83d"}"#);
        assert_eq!(decodable(b"{\"a\":\"\xff\"}"), "{\"a\":\"\u{fffd}\"}");
        assert_eq!(decodable(br#""\"#), r#""\"#);
    }
}
