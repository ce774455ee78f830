//! Plain text in 72 columns: headings, fields and wrapped paragraphs.

use std::fmt::Write;

pub(super) const WIDTH: usize = 72;

pub(super) fn heading(text: &mut String, heading: &str) {
    let _ = writeln!(text, "\n{}", heading.to_uppercase());
}

pub(super) fn field(text: &mut String, name: &str, value: &str) {
    const VALUE_COLUMN: &str = "               ";
    let first = format!("  {name:<13}");
    wrap(text, value, &first, VALUE_COLUMN);
}

pub(super) fn paragraph(text: &mut String, indent: &str, words: &str) {
    wrap(text, words, indent, indent);
}

/// Wraps text with one indent for its first line and another for the rest. A long word, such as an
/// ARN, stays in one piece, so that it can be copied.
pub(super) fn wrap(text: &mut String, words: &str, first: &str, further: &str) {
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(first)
        .subsequent_indent(further)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    for line in textwrap::wrap(words, options) {
        let _ = writeln!(text, "{line}");
    }
}
