//! Text from outside made safe to show, and durations in words.

use rattle::text::Text;
use rattle::wording::span;

#[test]
fn control_characters_become_visible_escapes() {
    let text = Text::new("prod/db\r\nSubject: x\u{1b}[31m\u{202e}\u{9b}é", 200);
    assert_eq!(text.as_str(), r"prod/db\r\nSubject: x\u{1b}[31m\u{202e}\u{9b}\u{e9}");
}

#[test]
fn a_long_text_keeps_its_start_and_its_end() {
    let text = Text::new(&format!("prod/{}/password", "x".repeat(4096)), 32);
    assert_eq!(text.as_str(), "prod/xxxxxxxxxx...xxxxx/password");
    assert_eq!(text.as_str().len(), 32);
}

#[test]
fn links_are_broken_and_names_are_not() {
    assert_eq!(
        Text::new("see https://www.example.com/x", 99).without_links(),
        "see https[:]//www[.]example[.]com/x"
    );
    assert_eq!(Text::new("prod/db-1.2", 99).without_links(), "prod/db-1.2");
}

#[test]
fn only_plain_names_reach_a_command() {
    assert!(Text::new("prod/payments/db_1+x=y@z", 99).is_plain());
    for hostile in ["a'b", "a b", "$(id)", "a\nb", "evil.example", ""] {
        assert!(!Text::new(hostile, 99).is_plain(), "{hostile:?}");
    }
}

#[test]
fn a_span_has_its_two_largest_units() {
    let spans = [-1, 0, 68, 120, 2371, 3600, 7500, 86_400, 100_000, 300_000];
    assert_eq!(
        spans.map(span),
        [
            "0 s",
            "0 s",
            "68 s",
            "2 min",
            "39 min 31 s",
            "1 h",
            "2 h 5 min",
            "1 day",
            "1 day 3 h",
            "3 days 11 h"
        ]
    );
}
