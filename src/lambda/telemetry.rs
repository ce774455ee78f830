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
use crate::engine::{Dispositions, Handled};
use crate::store::dynamodb::Usage;

/// Namespace of all metrics.
pub const NAMESPACE: &str = "Rattle";

const COUNTS: usize = 16;

/// Counts of one invocation: `received = counted + duplicates + saturated + reads + ignored +
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
    /// Secrets read while an episode of their reader was open.
    pub reads: u32,
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
    /// Alerts of broken workloads that were told of.
    pub alerts_repeated: u32,
    /// Alerts that shadow mode keeps.
    pub alerts_shadowed: u32,
    /// Alerts sent that chat does not show.
    pub chat_not_published: u32,
    /// Episodes whose end was sent.
    pub episodes_resolved: u32,
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
            Outcome::WindowFull => self.saturated += 1,
        }
        self.finding = handled.finding.as_ref().map(|finding| finding.severity);
        self.send(handled.sends);
    }

    /// Counts what became of findings.
    pub fn send(&mut self, sends: Dispositions) {
        self.alerts_published += sends.published;
        self.alerts_suppressed += sends.suppressed;
        self.alerts_muted += sends.muted;
        self.alerts_repeated += sends.repeated;
        self.alerts_shadowed += sends.shadowed;
        self.chat_not_published += sends.chat_failed;
    }

    /// One line for the log, from which CloudWatch makes metrics. What did not happen is
    /// left out.
    pub fn line(&self, usage: &Usage, now: Timestamp) -> String {
        let line = Line { counts: self.counts(usage), finding: self.finding, now };
        serde_json::to_string(&line).unwrap_or_default()
    }

    fn counts(&self, usage: &Usage) -> [(&'static str, u32); COUNTS] {
        [
            ("Denials", self.denials),
            ("Duplicates", self.duplicates),
            ("Late", self.late),
            ("Saturated", self.saturated),
            ("Reads", self.reads),
            ("Ignored", self.ignored),
            ("Rejected", self.rejected),
            ("AlertsPublished", self.alerts_published),
            ("AlertsSuppressed", self.alerts_suppressed),
            ("AlertsMuted", self.alerts_muted),
            ("AlertsRepeated", self.alerts_repeated),
            ("AlertsShadowed", self.alerts_shadowed),
            ("ChatNotPublished", self.chat_not_published),
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
/// Of other crates only errors of the runtime are written, whatever the level: what they say
/// below that holds events, requests and credentials.
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
