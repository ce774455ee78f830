//! Plain text in 72 columns: headings, fields and wrapped paragraphs.

use std::fmt::Write;

/// Columns of an alert's text.
pub(super) const WIDTH: usize = 72;

pub(super) fn heading(text: &mut String, heading: &str) {
    let _ = writeln!(text, "\n{}", heading.to_uppercase());
}

pub(super) fn field(text: &mut String, name: &str, value: &str) {
    const VALUE_COLUMN: &str = "               ";
    let first = format!("  {name:<13}");
    wrap(text, value, &first, VALUE_COLUMN);
}

/// Text at an indent, wrapped.
pub(super) fn paragraph(text: &mut String, indent: &str, words: &str) {
    wrap(text, words, indent, indent);
}

/// Text whose first line starts otherwise than the others. A long word, such as an ARN,
/// is never broken.
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
