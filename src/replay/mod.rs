//! `rattle replay`: the detector over CloudTrail log files, with states in memory.

mod extent;
pub mod scanner;
pub mod sources;
pub mod summary;

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as AtomicOrdering};
use std::task::{Context, Poll, Waker};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::alert::email::Email;
use crate::cloudtrail::{Denial, Principal};
use crate::config::Settings;
use crate::detection::finding::Finding;
use crate::detection::{Row, Scale, Signal};
use crate::detector::{Detector, DetectorError, Handled};
use crate::sink::LeftToCaller;
use crate::store::memory::MemoryStore;
use crate::text::Text;
use scanner::{Item, Scanner};
use sources::{Source, Unreadable};
use summary::{Rejection, Summary};

/// In which order denials are handled.
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
    /// In which order denials are handled.
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
    /// The detector gave up on a denial.
    #[error(transparent)]
    Detector(#[from] DetectorError<Infallible, Infallible>),
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
        detector: Detector::new(MemoryStore::default(), LeftToCaller, settings.clone()),
        format: options.format,
        output,
        summary: Summary::default(),
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
    detector: Detector<MemoryStore, LeftToCaller>,
    format: Format,
    output: &'a mut W,
    summary: Summary,
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
                    Item::Denial(denial) if self.detector.settings().ignored.holds(&denial) => {
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
        let handled = at_once(self.detector.handle(denial, age, denial.time()))
            .map_err(|failed| failed.error)?;
        self.summary.deliver(handled.outcome, handled.late);
        self.summary.held_back_by_storm_guard += u64::from(handled.suppressed);
        if self.format == (Format::JsonLines { decisions: true }) {
            self.write_line(&DecisionLine::of(denial, &handled))?;
        }
        if let Some(finding) = &handled.finding {
            self.summary.find(finding);
            self.write_finding(finding)?;
        }
        Ok(())
    }

    fn write_finding(&mut self, finding: &Finding) -> Result<(), ReplayError> {
        let settings = self.detector.settings();
        let deployment = settings.deployment();
        match self.format {
            Format::JsonLines { .. } => {
                let line = settings.machine_format.body(finding, &deployment);
                writeln!(self.output, "{}", line.map_err(io::Error::from)?)?;
            }
            Format::Text => {
                let email = Email::about(finding, &deployment);
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
        self.summary.principals = self.detector.store().len() as u64;
        Ok(self.summary)
    }
}

/// The result of a future that waits for nothing, as those of a store in memory do.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
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
    fn of(denial: &'a Denial, handled: &Handled) -> Self {
        Self {
            event_id: denial.event_id(),
            event_time: denial.time().to_string(),
            principal: denial.principal().key(),
            outcome: handled.outcome.name(),
            assessments: handled.assessment.rows().map(AssessedRow::from),
            alert: handled.finding.is_some(),
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
