//! What the weekly digest lists: a small item for each finding, and one for each entry of
//! `RATTLE_IGNORE` and week, in the sparse index by time.

use aws_sdk_dynamodb::types::AttributeValue;

use super::episodes::{AGENDA, DUE, INDEX};
use super::item::{Item, name};
use super::table::{DynamoDbError, Update};
use super::{DynamoDbStore, encode, expression};
use crate::alert::title;
use crate::detection::finding::Severity;
use crate::detection::window::SECONDS_PER_DAY;
use crate::disposition::Disposition;
use crate::sha256::sha256_start;
use crate::store::Outbox;
use crate::text::Text;
use crate::weekly_digest::{LISTED, Week, WeeklyDigest};

/// The partition of the index that holds these items.
const DIGEST: &str = "digest";
/// Five weeks, so that a weekly digest can be sent again.
const RETENTION_SECONDS: i64 = 35 * SECONDS_PER_DAY;
const MAX_ENTRY_BYTES: usize = 256;

const LISTED_AS: &str = "listed";
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
        let is_listed = disposition != Disposition::Published || finding.severity == Severity::Low;
        let name = LISTED.iter().find(|(listed, _)| *listed == disposition);
        let Some((_, listed)) = name.filter(|_| is_listed && self.weekly_digest) else {
            return Ok(());
        };
        let label = finding.principal.principal.label();
        let item = Item::from([
            (name::PRINCIPAL.to_owned(), encode::text(&format!("#digest#{}", finding.id))),
            (name::EXPIRES_AT.to_owned(), encode::number(leased_at + RETENTION_SECONDS)),
            (AGENDA.to_owned(), encode::text(DIGEST)),
            (DUE.to_owned(), encode::number(leased_at)),
            (LISTED_AS.to_owned(), encode::text(listed)),
            (LABEL.to_owned(), encode::text(&label)),
            (WHAT.to_owned(), encode::text(&title::what(finding))),
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
        let update = Update {
            expression: expression::ADD_IGNORED,
            condition: None,
            names: &[],
            values: vec![
                ("agenda", encode::text(DIGEST)),
                ("due", encode::number(time)),
                ("entry", encode::text(entry)),
                ("denials", encode::number(denials)),
                ("expires_at", encode::number(time + RETENTION_SECONDS)),
            ],
        };
        self.table.update(&key, update).await.map(drop)
    }

    pub async fn weekly_digest(&self, week: Week) -> Result<WeeklyDigest, DynamoDbError> {
        let mut digest = WeeklyDigest::of(week);
        let mut from: Option<Item> = None;
        loop {
            let query = self
                .table
                .query(INDEX)
                .key_condition_expression(expression::IS_OF_WEEK)
                .expression_attribute_values(":agenda", encode::text(DIGEST))
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
    let listed = text(LISTED_AS, MAX_ENTRY_BYTES);
    let listed = listed.and_then(|listed| LISTED.iter().find(|(_, name)| listed.as_str() == *name));
    if let (Some((disposition, _)), Some(label), Some(time), Some(what)) =
        (listed, text(LABEL, MAX_ENTRY_BYTES), number(DUE), text(WHAT, MAX_ENTRY_BYTES))
    {
        digest.add_finding(*disposition, label, time, what);
    }
}
