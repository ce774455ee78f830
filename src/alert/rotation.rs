//! What was read, with the commands that rotate it.

use super::command::{command, word};
use super::email::wrap;
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
        text.push_str(&command("    ", &rotate(finding, secret)));
        text.push_str(&command("    ", &replace(finding, secret)));
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

/// Has the secret's rotation function make a new value.
pub(super) fn rotate(finding: &Finding, secret: &Text) -> [String; 3] {
    ["aws secretsmanager rotate-secret".to_owned(), region(finding), id(secret)]
}

/// Stores a new value.
fn replace(finding: &Finding, secret: &Text) -> [String; 4] {
    [
        "aws secretsmanager update-secret".to_owned(),
        region(finding),
        id(secret),
        "--secret-string file://new-value".to_owned(),
    ]
}

fn region(finding: &Finding) -> String {
    format!("--region {}", word(finding.region.as_ref(), "REGION"))
}

fn id(secret: &Text) -> String {
    format!("--secret-id {}", word(Some(secret), "SECRET"))
}
