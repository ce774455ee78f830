//! A stored state as an item of the table, from which it reads back bit for bit.

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;

use super::item::{FORMAT, Item, name};
use crate::cloudtrail::secret_set::SecretSet;
use crate::detection::alerting::{Episode, EpisodeTotals, LastSent, Reported};
use crate::detection::evidence::Evidence;
use crate::detection::finding::Finding;
use crate::detection::{PrincipalState, Window};
use crate::store::{Outbox, StoredState};

/// The least positive number that DynamoDB takes. A state expires long before one of its sums
/// fades so far.
const LEAST: f64 = 1e-130;

pub fn encode(stored: &StoredState) -> Item {
    let state = &stored.state;
    let alerting = &state.alerting;
    let mut item = Item::with_capacity(40);
    let mut put = |name: &str, value: AttributeValue| {
        item.insert(name.to_owned(), value);
    };
    put(name::PRINCIPAL, AttributeValue::S(stored.key.to_string()));
    put(name::FORMAT, number(FORMAT));
    put(name::VERSION, number(stored.version));
    put(name::EXPIRES_AT, number(stored.expires_at));
    if stored.muted_until != 0 {
        put(name::MUTED_UNTIL, number(stored.muted_until));
    }
    if stored.suppressed != 0 {
        put(name::SUPPRESSED, number(stored.suppressed));
    }
    put(name::ALERT_SEQ, number(alerting.alert_seq));
    if alerting.episode != 0 {
        put(name::EPISODE, number(alerting.episode));
    }
    if let Some(totals) = &alerting.totals {
        put(name::TALLY, encode_totals(totals));
    }
    if let Some(last_sent) = alerting.last_sent {
        put(name::TOLD_WORKLOAD, encode_last_sent(last_sent));
    }
    if let Some(outbox) = &stored.outbox {
        put(name::PENDING, encode_outbox(outbox));
    }
    put(name::WINDOW, number(state.window.index()));
    put(name::FIRST_WINDOW, number(state.first_window.index()));
    for (name, count) in name::DENIALS.into_iter().zip(state.denials) {
        put(name, number(count));
    }
    if !state.secrets.is_empty() {
        put(name::SECRETS, encode_secrets(&state.secrets));
    }
    put(name::NEW_IN_HOUR, number(state.new_in_hour));
    put(name::NEW_IN_DAY, number(state.new_in_day));
    for (name, set) in maps(state) {
        if !set.is_empty() {
            put(name, AttributeValue::B(Blob::new(set.to_bytes())));
        }
    }
    let sums = state.baselines.iter().flatten().flat_map(|b| [b.sum, b.sum_of_squares]);
    put(name::BASELINES, list(sums.map(float)));
    put(name::TOLD, encode_reported(&alerting.reported));
    for (name, value) in encode_episodes(&alerting.episodes) {
        put(name, value);
    }
    put(name::OPENED, list(state.opened.map(number)));
    for (name, ids) in [(name::IDS, &state.ids), (name::IDS_BEFORE, &state.ids_before)] {
        if !ids.is_empty() {
            put(name, AttributeValue::Bs(ids.iter().map(|id| Blob::new(id.to_bytes())).collect()));
        }
    }
    for (name, evidence) in name::EVIDENCE.into_iter().zip(&state.evidence) {
        if let Some(evidence) = evidence {
            put(name, encode_evidence(evidence));
        }
    }
    item
}

pub fn encode_episodes(episodes: &[Episode; 2]) -> [(&'static str, AttributeValue); 3] {
    [
        (name::ALERT_WINDOW, list(episodes.map(|e| window(e.alert_window)))),
        (name::HIT_WINDOW, encode_hits(episodes)),
        (name::ALERT_COUNT, list(episodes.map(|e| number(e.alert_count)))),
    ]
}

pub fn encode_hits(episodes: &[Episode; 2]) -> AttributeValue {
    list(episodes.map(|e| window(e.hit_window)))
}

/// Window 0 lies in 1970 and stands for never.
fn window(window: Option<Window>) -> AttributeValue {
    number(window.map_or(0, Window::index))
}

/// What was reported: denials of the hour and of the day, then secrets.
pub fn encode_reported(reported: &Reported) -> AttributeValue {
    let Reported { hour: [dh, sh], day: [dd, sd] } = *reported;
    list([dh, dd, sh, sd].map(number))
}

/// Buckets as a set of numbers, which must not be empty.
pub fn encode_secrets(secrets: &SecretSet) -> AttributeValue {
    AttributeValue::Ns(secrets.iter().map(|bucket| bucket.number().to_string()).collect())
}

pub fn encode_totals(totals: &EpisodeTotals) -> AttributeValue {
    let mut map = Item::from([
        ("severity".to_owned(), AttributeValue::S(totals.severity.name().to_owned())),
        ("first".to_owned(), number(totals.first_denial)),
        ("last".to_owned(), number(totals.last_denial)),
        ("denials".to_owned(), number(totals.denials)),
    ]);
    if !totals.secrets.is_empty() {
        let secrets = AttributeValue::B(Blob::new(totals.secrets.to_bytes()));
        map.insert("secrets".to_owned(), secrets);
    }
    AttributeValue::M(map)
}

pub fn encode_last_sent(last: LastSent) -> AttributeValue {
    list([number(last.window.index()), number(last.count)])
}

/// A finding that waits to be sent.
pub fn encode_outbox(outbox: &Outbox) -> AttributeValue {
    let mut map = Item::from([
        ("finding".to_owned(), encode_finding(&outbox.finding)),
        ("at".to_owned(), number(outbox.leased_at)),
    ]);
    if let Some(owner) = outbox.owner {
        map.insert("by".to_owned(), AttributeValue::B(Blob::new(owner.to_bytes())));
    }
    AttributeValue::M(map)
}

/// A finding as an item holds it.
pub(in crate::store) fn encode_finding(finding: &Finding) -> AttributeValue {
    let stored = StoredFinding { title: "", explanation: "", finding };
    AttributeValue::S(serde_json::to_string(&stored).unwrap_or_default())
}

/// A finding with two empty members that nothing reads any more. A function deployed before
/// version 0.1.0 refuses a finding without them, and may run beside this one during a deployment
/// or after a rollback. Version 0.2.0 may leave them out.
#[derive(Serialize)]
struct StoredFinding<'a> {
    title: &'static str,
    explanation: &'static str,
    #[serde(flatten)]
    finding: &'a Finding,
}

pub fn encode_evidence(evidence: &Evidence) -> AttributeValue {
    let mut map = Item::from([
        ("t".to_owned(), number(evidence.time)),
        ("c".to_owned(), AttributeValue::S(evidence.cause.to_code())),
    ]);
    let texts = [("s", &evidence.secret), ("i", &evidence.source_ip), ("n", &evidence.session)];
    for (name, text) in texts {
        if let Some(text) = text {
            map.insert(name.to_owned(), AttributeValue::S(text.to_string()));
        }
    }
    if evidence.more_secrets > 0 {
        map.insert("m".to_owned(), number(evidence.more_secrets));
    }
    AttributeValue::M(map)
}

pub fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "numbers are copied")]
pub fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A float that reads back to the same bits: the shorter of its two shortest decimal forms,
/// with and without an exponent.
fn float(value: f64) -> AttributeValue {
    if value < LEAST {
        return number(0);
    }
    let plain = value.to_string();
    let exponent = format!("{value:e}");
    AttributeValue::N(if plain.len() <= exponent.len() { plain } else { exponent })
}

fn list(values: impl IntoIterator<Item = AttributeValue>) -> AttributeValue {
    AttributeValue::L(values.into_iter().collect())
}

fn maps(state: &PrincipalState) -> [(&'static str, &SecretSet); 4] {
    [
        (name::TODAY, &state.today),
        (name::ONCE, &state.once),
        (name::KNOWN, &state.known),
        (name::KNOWN_BEFORE, &state.known_before),
    ]
}
