//! Prose for a terminal.

use std::fmt;

const WIDTH: usize = 92;

/// Writes an indented paragraph, wrapped between words.
pub(super) fn paragraph(f: &mut fmt::Formatter<'_>, words: &str) -> fmt::Result {
    let options = textwrap::Options::new(WIDTH).initial_indent("  ").subsequent_indent("  ");
    for line in textwrap::wrap(words, options.break_words(false)) {
        writeln!(f, "{line}")?;
    }
    Ok(())
}
