//! Secrets that were read, with the commands that rotate them.

use super::command::{command, word};
use super::layout::wrap;
use crate::cloudtrail::secret::MAX_NAME_BYTES;
use crate::detection::finding::{Finding, Reads};
use crate::text::Text;

/// Secrets listed with their commands.
const MOST_LISTED: usize = 10;

pub(super) fn steps(text: &mut String, finding: &Finding, reads: &Reads) {
    for secret in reads.secrets.iter().take(MOST_LISTED) {
        // A stored finding changed by hand may hold a longer name.
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

/// Both ways to rotate a secret. Without a name, the commands hold a placeholder.
pub(super) fn commands(text: &mut String, indent: &str, finding: &Finding, secret: Option<&Text>) {
    let words = rotate(finding, secret);
    text.push_str(&command(indent, &words));
    let [_, region, id] = words;
    let replace = "aws secretsmanager update-secret".to_owned();
    let value = "--secret-string file://new-value".to_owned();
    text.push_str(&command(indent, &[replace, region, id, value]));
}

/// The words of the command that runs the secret's rotation function.
pub(super) fn rotate(finding: &Finding, secret: Option<&Text>) -> [String; 3] {
    [
        "aws secretsmanager rotate-secret".to_owned(),
        format!("--region {}", word(finding.region.as_ref(), "REGION")),
        format!("--secret-id {}", word(secret, "SECRET")),
    ]
}
