//! What the weekly digest lists: a small item for each finding, and one for each entry of
//! `RATTLE_IGNORE` and week, in the sparse index by time.

use aws_sdk_dynamodb::types::AttributeValue;

use super::episodes::{AGENDA, DUE, INDEX};
use super::item::{Item, name};
use super::table::DynamoDbError;
use super::{DynamoDbStore, encode, expression};
use crate::alert::title;
use crate::detection::finding::{Finding, Severity};
use crate::detection::window::SECONDS_PER_DAY;
use crate::disposition::Disposition;
use crate::sha256::sha256_start;
use crate::store::Outbox;
use crate::text::Text;
use crate::weekly_digest::{Listed, Week, WeeklyDigest};

/// The partition of the index that holds these items.
const DIGEST: &str = "digest";
/// Five weeks, so that a weekly digest can be sent again.
const RETENTION_SECONDS: i64 = 35 * SECONDS_PER_DAY;
const MAX_ENTRY_BYTES: usize = 256;

const LISTED: &str = "listed";
const LABEL: &str = "label";
const WHAT: &str = "what";
const ENTRY: &str = "entry";
const DENIALS: &str = "denials";

impl DynamoDbStore {
    /// Records a finding for the weekly digest, if that is on and lists such a finding. Its key
    /// is the finding's id, so that it is recorded once.
    pub(super) async fn record_for_weekly_digest(
        &self,
        outbox: &Outbox,
        disposition: Disposition,
    ) -> Result<(), DynamoDbError> {
        let Outbox { finding, leased_at, .. } = outbox;
        let Some(listed) = listed(finding, disposition).filter(|_| self.weekly_digest) else {
            return Ok(());
        };
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let label = finding.principal.principal.label();
        let item = Item::from([
            (name::PRINCIPAL.to_owned(), text(&format!("#digest#{}", finding.id))),
            (name::EXPIRES_AT.to_owned(), encode::number(leased_at + RETENTION_SECONDS)),
            (AGENDA.to_owned(), text(DIGEST)),
            (DUE.to_owned(), encode::number(leased_at)),
            (LISTED.to_owned(), text(listed.name())),
            (LABEL.to_owned(), text(&label)),
            (WHAT.to_owned(), text(&title::what(finding))),
        ]);
        self.table.send_put(self.table.put(item)).await.map(drop)
    }

    /// Adds denials that an entry of `RATTLE_IGNORE` matched until `time`, in epoch seconds.
    pub async fn add_ignored(
        &self,
        entry: &str,
        denials: u64,
        time: i64,
    ) -> Result<(), DynamoDbError> {
        let week = Week::holding(time).number();
        let digest = u128::from_be_bytes(sha256_start(entry));
        let key = Text::new(&format!("#ignored#{week}#{digest:032x}"), 80);
        let update = self
            .table
            .update(&key)
            .update_expression(expression::ADD_IGNORED)
            .expression_attribute_values(":agenda", AttributeValue::S(DIGEST.to_owned()))
            .expression_attribute_values(":due", encode::number(time))
            .expression_attribute_values(":entry", AttributeValue::S(entry.to_owned()))
            .expression_attribute_values(":denials", encode::number(denials))
            .expression_attribute_values(":expires_at", encode::number(time + RETENTION_SECONDS));
        self.table.send_update(update).await.map(drop)
    }

    pub async fn weekly_digest(&self, week: Week) -> Result<WeeklyDigest, DynamoDbError> {
        let mut digest = WeeklyDigest::of(week);
        let mut from: Option<Item> = None;
        loop {
            let query = self
                .table
                .query(INDEX)
                .key_condition_expression(expression::IS_OF_WEEK)
                .expression_attribute_values(":agenda", AttributeValue::S(DIGEST.to_owned()))
                .expression_attribute_values(":begin", encode::number(week.begin()))
                .expression_attribute_values(":end", encode::number(week.end()))
                .set_exclusive_start_key(from);
            let (items, next) = self.table.send_query(query).await?;
            for item in &items {
                add(&mut digest, item);
            }
            from = next;
            if from.is_none() {
                return Ok(digest);
            }
        }
    }
}

/// An item of neither kind was not written by this program, and is left out.
fn add(digest: &mut WeeklyDigest, item: &Item) {
    let text = |name: &str, most| match item.get(name) {
        Some(AttributeValue::S(text)) => Some(Text::new(text, most)),
        _ => None,
    };
    let number = |name: &str| match item.get(name) {
        Some(AttributeValue::N(number)) => number.parse::<i64>().ok(),
        _ => None,
    };
    if let (Some(entry), Some(denials)) = (text(ENTRY, MAX_ENTRY_BYTES), number(DENIALS)) {
        digest.add_ignored(entry, denials.unsigned_abs());
    }
    let listed = text(LISTED, MAX_ENTRY_BYTES).and_then(|name| Listed::from_name(name.as_str()));
    if let (Some(listed), Some(label), Some(time), Some(what)) =
        (listed, text(LABEL, MAX_ENTRY_BYTES), number(DUE), text(WHAT, MAX_ENTRY_BYTES))
    {
        digest.add_finding(listed, label, time, what);
    }
}

/// Why the weekly digest lists a finding, if it does.
fn listed(finding: &Finding, disposition: Disposition) -> Option<Listed> {
    match disposition {
        Disposition::Published => (finding.severity == Severity::Low).then_some(Listed::Low),
        Disposition::RateLimited => Some(Listed::RateLimited),
        Disposition::Muted => Some(Listed::Muted),
        Disposition::Held => Some(Listed::Held),
        Disposition::Shadowed => Some(Listed::Shadowed),
    }
}
