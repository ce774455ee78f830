//! What was read, with the commands that rotate it.

use super::command::{command, word};
use super::layout::wrap;
use crate::cloudtrail::secret::MAX_NAME_BYTES;
use crate::detection::finding::{Finding, Reads};
use crate::text::Text;

/// Secrets that are listed with their commands.
const MOST_LISTED: usize = 10;

/// Each secret that was read, and how to rotate it.
pub(super) fn steps(text: &mut String, finding: &Finding, reads: &Reads) {
    for secret in reads.secrets.iter().take(MOST_LISTED) {
        // One from a stored finding may have been written by hand.
        let secret = &Text::new(secret.as_str(), MAX_NAME_BYTES);
        wrap(text, &secret.without_links(), "  - ", "    ");
        commands(text, "    ", finding, Some(secret));
    }
    let listed = reads.secrets.len().min(MOST_LISTED);
    let more = reads.read.saturating_sub(u32::try_from(listed).unwrap_or(u32::MAX));
    if more > 0 {
        wrap(text, &format!("and {more} more; step 3 finds them"), "  - ", "    ");
    }
    let note = "The first command is for a secret that has a rotation function, the second for one \
                that has none. Secrets are named as they were asked for, without account, Region and \
                random suffix.";
    wrap(text, note, "  ", "  ");
}

/// Both ways to rotate a secret, or one whose name is to be filled in.
pub(super) fn commands(text: &mut String, indent: &str, finding: &Finding, secret: Option<&Text>) {
    let words = rotate(finding, secret);
    text.push_str(&command(indent, &words));
    let [_, region, id] = words;
    let replace = "aws secretsmanager update-secret".to_owned();
    let value = "--secret-string file://new-value".to_owned();
    text.push_str(&command(indent, &[replace, region, id, value]));
}

/// Has the secret's rotation function make a new value.
pub(super) fn rotate(finding: &Finding, secret: Option<&Text>) -> [String; 3] {
    [
        "aws secretsmanager rotate-secret".to_owned(),
        format!("--region {}", word(finding.region.as_ref(), "REGION")),
        format!("--secret-id {}", word(secret, "SECRET")),
    ]
}
