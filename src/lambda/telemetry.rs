//! The log, and the metrics of one invocation in CloudWatch's embedded metric format.

use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::set_global_default;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;

use crate::detection::Outcome;
use crate::detection::finding::Severity;
use crate::disposition::Disposition;
use crate::engine::{Handled, SentFindings};
use crate::store::dynamodb::Usage;

pub const NAMESPACE: &str = "Rattle";

const COUNTS: usize = 16;

/// Counts of one invocation. Unless it failed and comes again, one event is one of `denials`,
/// `duplicates`, `window_full`, `reads`, `ignored` and `rejected`, or a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Counted.
    pub denials: u32,
    pub duplicates: u32,
    /// Of the counted, those older than the window in which they count.
    pub late: u32,
    /// Denials that found the window full.
    pub window_full: u32,
    /// Secrets read while the episode of their reader was open.
    pub reads: u32,
    /// Other events, and denials of ignored principals.
    pub ignored: u32,
    pub rejected: u32,
    /// Severity of the finding that was raised.
    pub finding: Option<Severity>,
    pub sent: SentFindings,
    pub episodes_resolved: u32,
}

impl Metrics {
    pub fn count(&mut self, handled: &Handled) {
        match handled.outcome {
            Outcome::Counted => {
                self.denials += 1;
                self.late += u32::from(handled.late);
            }
            Outcome::Duplicate => self.duplicates += 1,
            Outcome::WindowFull => self.window_full += 1,
        }
        self.finding = handled.finding.as_ref().map(|finding| finding.severity);
        self.sent = handled.sent;
    }

    /// One line for the log, from which CloudWatch makes metrics. Counts of zero are left out.
    pub fn line(&self, usage: &Usage, now: Timestamp) -> String {
        let line = Line { counts: self.counts(usage), finding: self.finding, now };
        serde_json::to_string(&line).unwrap_or_default()
    }

    fn counts(&self, usage: &Usage) -> [(&'static str, u32); COUNTS] {
        let sent = |disposition| self.sent.dispositions.count(disposition);
        [
            ("Denials", self.denials),
            ("Duplicates", self.duplicates),
            ("Late", self.late),
            ("Saturated", self.window_full),
            ("Reads", self.reads),
            ("Ignored", self.ignored),
            ("Rejected", self.rejected),
            ("AlertsPublished", sent(Disposition::Published)),
            ("AlertsSuppressed", sent(Disposition::RateLimited)),
            ("AlertsMuted", sent(Disposition::Muted)),
            ("AlertsRepeated", sent(Disposition::Held)),
            ("AlertsShadowed", sent(Disposition::Shadowed)),
            ("ChatNotPublished", self.sent.chat_failed),
            ("EpisodesResolved", self.episodes_resolved),
            ("DynamoDbRequests", usage.requests),
            ("LostRaces", usage.lost_races),
        ]
    }
}

struct Line {
    counts: [(&'static str, u32); COUNTS],
    finding: Option<Severity>,
    now: Timestamp,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct About {
    timestamp: i64,
    cloud_watch_metrics: Vec<Directive>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    namespace: &'static str,
    dimensions: [&'static [&'static str]; 1],
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

impl Directive {
    fn new(dimensions: &'static [&'static str], names: impl Iterator<Item = &'static str>) -> Self {
        let metrics = names.map(|name| Metric { name, unit: "Count" }).collect();
        Self { namespace: NAMESPACE, dimensions: [dimensions], metrics }
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts = || self.counts.iter().filter(|(_, count)| *count > 0);
        let mut directives = vec![Directive::new(&[], counts().map(|(name, _)| *name))];
        let mut line = serializer.serialize_map(None)?;
        for (name, count) in counts() {
            line.serialize_entry(name, count)?;
        }
        if let Some(severity) = self.finding {
            directives.push(Directive::new(&["Severity"], std::iter::once("Findings")));
            line.serialize_entry("Findings", &1)?;
            line.serialize_entry("Severity", severity.name())?;
        }
        let about = About { timestamp: self.now.as_millisecond(), cloud_watch_metrics: directives };
        line.serialize_entry("_aws", &about)?;
        line.end()
    }
}

/// Writes this program's log to standard output as JSON, from the level that Lambda's logging
/// controls set in `AWS_LAMBDA_LOG_LEVEL`.
///
/// Of other crates only errors of the runtime are written, whatever the level: their lower
/// levels hold events, requests and credentials.
pub fn start_log(variable: impl Fn(&str) -> Option<String>) {
    let level = variable("AWS_LAMBDA_LOG_LEVEL").and_then(|level| match level.as_str() {
        "FATAL" => Some(LevelFilter::ERROR),
        level => level.parse().ok(),
    });
    let targets = Targets::new()
        .with_target(env!("CARGO_CRATE_NAME"), level.unwrap_or(LevelFilter::INFO))
        .with_target("lambda_runtime", LevelFilter::ERROR)
        .with_target("lambda_runtime::layers::trace", LevelFilter::INFO);
    let lines = layer().json().with_target(false).without_time();
    // A second log is a fault of the caller, and the first one stays.
    let _ = set_global_default(Registry::default().with(targets).with(lines));
}
