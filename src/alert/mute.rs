//! The command that mutes a principal.

use std::fmt::Write;

use super::deployment::Deployment;
use crate::detection::finding::Finding;
use crate::detection::window::SECONDS_PER_WEEK;
use crate::text::Text;

const MUTE_SECONDS: i64 = SECONDS_PER_WEEK;

/// When the mute ends, in epoch seconds.
pub(super) fn muted_until(finding: &Finding) -> i64 {
    finding.last_denial.saturating_add(MUTE_SECONDS)
}

/// The words of the command. Its condition fails for a key without an item, so that a key copied in
/// part creates none.
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

/// A text for a JSON string within single quotes. JSON escapes stand for each character that a
/// shell, a mail program or a chat could take for something else.
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
}
