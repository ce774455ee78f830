//! `rattle replay`: the detector over CloudTrail log files, with states in memory.

pub mod scanner;
pub mod sources;
pub mod summary;

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as AtomicOrdering};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::alert::email::Email;
use crate::alert::json::FindingLine;
use crate::cloudtrail::{Denial, Principal};
use crate::config::Settings;
use crate::detection::finding::Finding;
use crate::detection::{Row, Scale, Signal};
use crate::store::memory::{Delivered, MemoryStore};
use crate::text::Text;
use scanner::{Item, Scanner};
use sources::{Source, Unreadable};
use summary::{Rejection, Summary};

const SECONDS_PER_HOUR: i64 = 3600;

/// In which order denials are delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By event time, then event id, of all input together.
    #[default]
    EventTime,
    /// As they are read. A denial's age is then how far it lies behind the newest one of
    /// its principal.
    Arrival,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Each as its e-mail.
    #[default]
    Text,
    /// Each as one line of JSON.
    JsonLines {
        /// Whether each denial gets a line too.
        decisions: bool,
    },
}

/// What a replay is asked to do.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Files, folders, `-`.
    pub paths: Vec<PathBuf>,
    /// In which order denials are delivered.
    pub order: Order,
    /// How findings are written.
    pub format: Format,
    /// Whether malformed input stops the run.
    pub strict: bool,
}

/// Why a replay stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// A file or folder cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Malformed input, under `strict`.
    #[error("{0}")]
    Malformed(Rejection),
    /// Findings cannot be written.
    #[error("output cannot be written: {0}")]
    Output(#[from] io::Error),
}

/// What a replay tells while it runs.
pub trait Watcher {
    /// The inputs were found, that many bytes in all. `read` counts the bytes read so far.
    fn begins(&mut self, bytes: u64, read: &Arc<AtomicU64>);
    /// More of them was read.
    fn reads(&mut self);
    /// Something cannot be used.
    fn rejects(&mut self, rejection: &Rejection);
}

/// Replays the input and writes what it finds to `output`.
pub fn replay(
    options: &Options,
    settings: &Settings,
    output: &mut impl Write,
    watcher: &mut impl Watcher,
) -> Result<Summary, ReplayError> {
    let sources = Source::find(&options.paths)?;
    let read = Arc::new(AtomicU64::new(0));
    watcher.begins(sources.iter().map(Source::size).sum(), &read);

    let mut replay = Replay {
        settings,
        format: options.format,
        output,
        store: MemoryStore::default(),
        summary: Summary::default(),
        alerts_in_hour: (i64::MIN, 0),
    };
    match options.order {
        Order::Arrival => {
            let mut newest = HashMap::new();
            let deliver = &mut |replay: &mut Replay<'_, _>, denial: Denial| {
                let age = age(&mut newest, &denial);
                replay.deliver(&denial, age)
            };
            replay.read(&sources, options.strict, &read, watcher, deliver)?;
        }
        Order::EventTime => {
            let mut denials = Vec::new();
            let mut principals = HashSet::new();
            let keep = &mut |_: &mut Replay<'_, _>, mut denial: Denial| {
                share_principal(&mut principals, &mut denial);
                denials.push(denial);
                Ok(())
            };
            replay.read(&sources, options.strict, &read, watcher, keep)?;
            denials.sort_by(|a, b| (a.time(), a.event_id()).cmp(&(b.time(), b.event_id())));
            for denial in &denials {
                replay.deliver(denial, SignedDuration::ZERO)?;
            }
        }
    }
    replay.finish()
}

struct Replay<'a, W> {
    settings: &'a Settings,
    format: Format,
    output: &'a mut W,
    store: MemoryStore,
    summary: Summary,
    /// The hour of event time, and the findings in it.
    alerts_in_hour: (i64, u32),
}

impl<W: Write> Replay<'_, W> {
    fn read(
        &mut self,
        sources: &[Source],
        strict: bool,
        read: &Arc<AtomicU64>,
        watcher: &mut impl Watcher,
        take: &mut impl FnMut(&mut Self, Denial) -> Result<(), ReplayError>,
    ) -> Result<(), ReplayError> {
        for source in sources {
            self.summary.files += 1;
            let file = source.name();
            let mut scanner = Scanner::new(source.open(read)?);
            let mut read_before = 0;
            while let Some(item) = scanner.next() {
                let item = item.map_err(|error| {
                    Unreadable::reading(source, Some(scanner.bytes_read()), &error)
                })?;
                match item {
                    Item::Ignored => self.summary.ignore(false),
                    Item::Denial(denial) if self.settings.ignored.holds(&denial) => {
                        self.summary.ignore(true);
                    }
                    Item::Denial(denial) => take(self, *denial)?,
                    Item::Rejected(place, error) => {
                        let rejection = self.summary.reject(&file, place, &error);
                        if let Some(rejection) = rejection {
                            if strict {
                                return Err(ReplayError::Malformed(rejection.clone()));
                            }
                            watcher.rejects(rejection);
                        }
                    }
                }
                let read_now = read.load(AtomicOrdering::Relaxed);
                if read_now != read_before {
                    read_before = read_now;
                    watcher.reads();
                }
            }
        }
        Ok(())
    }

    fn deliver(&mut self, denial: &Denial, age: SignedDuration) -> Result<(), ReplayError> {
        let delivered = self.store.deliver(denial, age, &self.settings.policy);
        self.summary.deliver(delivered.outcome, delivered.late);
        if self.format == (Format::JsonLines { decisions: true }) {
            self.write_line(&DecisionLine::of(denial, &delivered))?;
        }
        if let Some(finding) = &delivered.finding {
            self.summary.find(finding);
            self.guard_against_storm(denial.time());
            self.write_finding(finding)?;
        }
        Ok(())
    }

    fn guard_against_storm(&mut self, time: Timestamp) {
        let hour = time.as_second().div_euclid(SECONDS_PER_HOUR);
        if self.alerts_in_hour.0 != hour {
            self.alerts_in_hour = (hour, 0);
        }
        self.alerts_in_hour.1 += 1;
        if self.alerts_in_hour.1 > self.settings.max_alerts_per_hour {
            self.summary.held_back_by_storm_guard += 1;
        }
    }

    fn write_finding(&mut self, finding: &Finding) -> Result<(), ReplayError> {
        match self.format {
            Format::JsonLines { .. } => self.write_line(&FindingLine::of(finding))?,
            Format::Text => {
                let email = Email::about(finding);
                write!(self.output, "Subject: {}\n\n{}\n", email.subject, email.body)?;
            }
        }
        // Whoever reads along gets each finding when it is found.
        self.output.flush()?;
        Ok(())
    }

    fn write_line(&mut self, line: &impl Serialize) -> Result<(), ReplayError> {
        serde_json::to_writer(&mut *self.output, line).map_err(io::Error::from)?;
        self.output.write_all(b"\n")?;
        Ok(())
    }

    fn finish(mut self) -> Result<Summary, ReplayError> {
        self.output.flush()?;
        self.summary.principals = self.store.len() as u64;
        Ok(self.summary)
    }
}

/// How long before the newest denial of its principal this one happened. An older one
/// must have arrived later than that.
fn age(newest: &mut HashMap<Text, Timestamp>, denial: &Denial) -> SignedDuration {
    let key = denial.principal().key();
    match newest.get_mut(key) {
        Some(newest) if denial.time() < *newest => newest.duration_since(denial.time()),
        Some(newest) => {
            *newest = denial.time();
            SignedDuration::ZERO
        }
        None => {
            newest.insert(key.clone(), denial.time());
            SignedDuration::ZERO
        }
    }
}

fn share_principal(principals: &mut HashSet<Arc<Principal>>, denial: &mut Denial) {
    if let Some(shared) = principals.get(denial.principal()) {
        denial.share_principal(Arc::clone(shared));
    } else {
        principals.insert(Arc::clone(denial.principal()));
    }
}

/// What was decided about one denial.
#[derive(Serialize)]
#[serde(tag = "type", rename = "decision")]
struct DecisionLine<'a> {
    event_id: &'a Text,
    event_time: String,
    principal: &'a Text,
    outcome: &'static str,
    assessments: [AssessedRow; 6],
    alert: bool,
}

#[derive(Serialize)]
struct AssessedRow {
    signal: Signal,
    scale: Scale,
    observed: u32,
    mean: f64,
    sd: f64,
    sigma: f64,
}

impl<'a> DecisionLine<'a> {
    fn of(denial: &'a Denial, delivered: &Delivered) -> Self {
        Self {
            event_id: denial.event_id(),
            event_time: denial.time().to_string(),
            principal: denial.principal().key(),
            outcome: delivered.outcome.name(),
            assessments: delivered.assessment.rows().map(AssessedRow::from),
            alert: delivered.finding.is_some(),
        }
    }
}

impl From<Row> for AssessedRow {
    fn from(row: Row) -> Self {
        Self {
            signal: row.axis.signal,
            scale: row.axis.scale,
            observed: row.observed,
            mean: row.prediction.mean,
            sd: row.prediction.sd(),
            sigma: row.sigma(),
        }
    }
}
