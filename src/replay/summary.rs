//! What a replay read and what became of it. The counters reconcile:
//! `records_read = counted + duplicate + saturated + ignored + rejected`.

use std::fmt;

use serde::Serialize;

use super::scanner::Place;
use crate::cloudtrail::Malformed;
use crate::detection::Outcome;
use crate::detection::finding::Severity;
use crate::disposition::Disposition;
use crate::engine::Handled;
use crate::wording::plural;

/// Rejected inputs that are listed. Further ones are only counted.
const MAX_REJECTIONS: usize = 1000;

#[derive(Clone, Debug, Default, Serialize)]
#[serde(tag = "type", rename = "summary")]
pub struct Summary {
    /// Standard input is one of them.
    pub files: u64,
    /// Records of any kind, and rejected inputs.
    pub records_read: u64,
    /// Denials of principals that are not ignored.
    pub denials: u64,
    pub counted: u64,
    /// Counted denials that are older than the window they were counted in.
    pub late: u64,
    /// Denials whose event id was counted already.
    pub duplicate: u64,
    /// Denials that were not counted because their window was full, at 256.
    pub saturated: u64,
    /// Records of other events, and denials of ignored principals.
    pub ignored: u64,
    /// Denials of ignored principals alone.
    pub ignored_by_setting: u64,
    /// Inputs that should be records and cannot be used, listed or not.
    pub rejected: u64,
    /// Principals with a state.
    pub principals: u64,
    pub findings: u64,
    pub findings_by_severity: BySeverity,
    /// Findings that are held, because they repeat an earlier report of a broken workload.
    pub repeated: u64,
    /// Findings beyond the alerts an hour that the storm guard lets through.
    pub held_back_by_storm_guard: u64,
    /// The first 1,000 of the rejected inputs.
    pub rejections: Vec<RejectedInput>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BySeverity {
    pub high: u64,
    pub medium: u64,
    pub low: u64,
}

impl BySeverity {
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

/// An input that should be a record and cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RejectedInput {
    /// Printable name, or `standard input`.
    pub file: String,
    /// Line in the decompressed text, from 1.
    pub line: u64,
    /// Byte in the decompressed text, from 0.
    pub byte: u64,
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

    /// Counts a rejected input, and returns it if it is listed.
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
        let sent = |disposition| u64::from(handled.sent.dispositions.count(disposition));
        self.records_read += 1;
        self.denials += 1;
        self.held_back_by_storm_guard += sent(Disposition::RateLimited);
        self.repeated += sent(Disposition::Held);
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
