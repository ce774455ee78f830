//! What a replay read and what came of it. The counters reconcile:
//! `records_read = counted + duplicate + saturated + ignored + rejected`.

use std::fmt;

use serde::Serialize;

use super::scanner::Place;
use crate::cloudtrail::Malformed;
use crate::detection::Outcome;
use crate::detection::finding::Severity;
use crate::engine::Handled;
use crate::wording::plural;

/// Rejections kept with their places. Further ones are counted.
const MAX_REJECTIONS: usize = 1000;

/// Counters of one replay.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(tag = "type", rename = "summary")]
pub struct Summary {
    /// Files read, standard input among them.
    pub files: u64,
    /// Records found, of any kind.
    pub records_read: u64,
    /// Denials we watch, of principals that are not ignored.
    pub denials: u64,
    /// Denials counted.
    pub counted: u64,
    /// Of those, the ones older than the window they count in.
    pub late: u64,
    /// Denials whose event id was counted before.
    pub duplicate: u64,
    /// Denials past 256 in one window.
    pub saturated: u64,
    /// Records of other events, and denials of ignored principals.
    pub ignored: u64,
    /// Of those, the denials of ignored principals.
    pub ignored_by_setting: u64,
    /// Inputs that should be records and cannot be used.
    pub rejected: u64,
    /// Principals with a baseline.
    pub principals: u64,
    /// Findings.
    pub findings: u64,
    /// Findings by severity.
    pub findings_by_severity: BySeverity,
    /// Of these, the ones that repeat what was told of a broken workload, and are not sent.
    pub repeated: u64,
    /// Findings past the alerts an hour that the storm guard lets through.
    pub held_back_by_storm_guard: u64,
    /// The rejected inputs with their places; at most 1,000.
    pub rejections: Vec<RejectedInput>,
}

/// A count for each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BySeverity {
    /// Look now.
    pub high: u64,
    /// Look today.
    pub medium: u64,
    /// Most likely a broken workload.
    pub low: u64,
}

impl BySeverity {
    /// Of all severities.
    pub fn all(&self) -> u64 {
        self.high + self.medium + self.low
    }

    pub(crate) fn add(&mut self, severity: Severity) {
        match severity {
            Severity::High => self.high += 1,
            Severity::Medium => self.medium += 1,
            Severity::Low => self.low += 1,
        }
    }
}

/// An input that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedInput {
    /// File, or standard input.
    pub file: String,
    /// Line in its unpacked text, from 1.
    pub line: u64,
    /// Byte in its unpacked text, from 0.
    pub byte: u64,
    /// What is wrong.
    pub error: String,
}

impl fmt::Display for RejectedInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: line {}, byte {}: {}", self.file, self.line, self.byte, self.error)
    }
}

impl Summary {
    pub(super) fn record_ignored(&mut self, records: u64) {
        self.records_read += records;
        self.ignored += records;
    }

    pub(super) fn record_ignored_by_setting(&mut self) {
        self.record_ignored(1);
        self.ignored_by_setting += 1;
    }

    /// Counts a rejection. It comes back while there is room to list it.
    pub(super) fn record_rejected(
        &mut self,
        file: &str,
        place: Place,
        error: &Malformed,
    ) -> Option<&RejectedInput> {
        self.records_read += 1;
        self.rejected += 1;
        if self.rejections.len() >= MAX_REJECTIONS {
            return None;
        }
        self.rejections.push(RejectedInput {
            file: file.to_owned(),
            line: place.line,
            byte: place.byte,
            error: error.to_string(),
        });
        self.rejections.last()
    }

    pub(crate) fn record_handled(&mut self, handled: &Handled) {
        self.records_read += 1;
        self.denials += 1;
        self.held_back_by_storm_guard += u64::from(handled.sends.suppressed);
        self.repeated += u64::from(handled.sends.repeated);
        if let Some(finding) = &handled.finding {
            self.findings += 1;
            self.findings_by_severity.add(finding.severity);
        }
        match handled.outcome {
            Outcome::Counted => {
                self.counted += 1;
                self.late += u64::from(handled.late);
            }
            Outcome::Duplicate => self.duplicate += 1,
            Outcome::WindowFull => self.saturated += 1,
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} read from {}: {}, {} ignored, {} rejected",
            plural(self.records_read, "record"),
            plural(self.files, "file"),
            plural(self.denials, "denial"),
            self.ignored,
            self.rejected,
        )?;
        writeln!(
            f,
            "denials: {} counted ({} late), {} duplicate, {} saturated; {}",
            self.counted,
            self.late,
            self.duplicate,
            self.saturated,
            plural(self.principals, "principal"),
        )?;
        if self.ignored_by_setting > 0 {
            let denials = plural(self.ignored_by_setting, "denial");
            writeln!(f, "RATTLE_IGNORE: {denials} of ignored principals, among the ignored")?;
        }
        let unlisted = self.rejected - self.rejections.len() as u64;
        if unlisted > 0 {
            writeln!(f, "rejected: {unlisted} more than the {MAX_REJECTIONS} that were listed")?;
        }
        let BySeverity { high, medium, low } = self.findings_by_severity;
        write!(f, "{}: {high} high, {medium} medium, {low} low", plural(self.findings, "finding"))?;
        if self.repeated > 0 {
            write!(f, "; not sent, as they repeat what was told: {}", self.repeated)?;
        }
        if self.held_back_by_storm_guard > 0 {
            let held = self.held_back_by_storm_guard;
            write!(f, "; the storm guard would hold back {held} of them")?;
        }
        writeln!(f)
    }
}
