//! Metrics of one invocation, in CloudWatch's embedded metric format.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::detection::Outcome;
use crate::detection::finding::Severity;
use crate::detector::Handled;
use crate::store::dynamodb::Usage;

/// Namespace of all metrics.
pub const NAMESPACE: &str = "Rattle";

/// Counts of one invocation: `received = counted + duplicates + saturated + ignored +
/// rejected`, unless it failed and comes again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Denials counted.
    pub denials: u32,
    /// Denials whose event id was counted before.
    pub duplicates: u32,
    /// Of the counted, those older than the window they count in.
    pub late: u32,
    /// Denials past 256 in one window.
    pub saturated: u32,
    /// Other events, and denials of ignored principals.
    pub ignored: u32,
    /// Events that cannot be used.
    pub rejected: u32,
    /// The finding raised, if one was.
    pub finding: Option<Severity>,
    /// Alerts sent.
    pub alerts_published: u32,
    /// Alerts held back by the storm guard.
    pub alerts_suppressed: u32,
    /// Alerts of muted principals.
    pub alerts_muted: u32,
}

impl Metrics {
    /// Counts what one delivery led to.
    pub fn count(&mut self, handled: &Handled) {
        match handled.outcome {
            Outcome::Counted => {
                self.denials += 1;
                self.late += u32::from(handled.late);
            }
            Outcome::Duplicate => self.duplicates += 1,
            Outcome::Saturated => self.saturated += 1,
        }
        self.finding = handled.finding.as_ref().map(|finding| finding.severity);
        self.alerts_published += handled.published;
        self.alerts_suppressed += handled.suppressed;
        self.alerts_muted += handled.muted;
    }

    /// One line for the log, from which CloudWatch makes metrics. What did not happen is
    /// left out.
    pub fn line(&self, usage: &Usage, now: Timestamp) -> String {
        let counts = [
            ("Denials", self.denials),
            ("Duplicates", self.duplicates),
            ("Late", self.late),
            ("Saturated", self.saturated),
            ("Ignored", self.ignored),
            ("Rejected", self.rejected),
            ("AlertsPublished", self.alerts_published),
            ("AlertsSuppressed", self.alerts_suppressed),
            ("AlertsMuted", self.alerts_muted),
            ("DynamoDbRequests", usage.requests),
            ("LostRaces", usage.lost_races),
        ];
        let mut line = Map::new();
        let mut metrics = Vec::new();
        for (name, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            metrics.push(json!({"Name": name, "Unit": "Count"}));
            line.insert(name.to_owned(), count.into());
        }
        let directive = |dimensions: Value, metrics: Vec<Value>| json!({"Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": metrics});
        let mut directives = vec![directive(json!([[]]), metrics)];
        if let Some(severity) = self.finding {
            let findings = vec![json!({"Name": "Findings", "Unit": "Count"})];
            directives.push(directive(json!([["Severity"]]), findings));
            line.insert("Findings".to_owned(), 1.into());
            line.insert("Severity".to_owned(), severity.name().into());
        }
        let about = json!({"Timestamp": now.as_millisecond(), "CloudWatchMetrics": directives});
        line.insert("_aws".to_owned(), about);
        Value::Object(line).to_string()
    }
}
