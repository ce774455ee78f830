//! `rattle replay`: the detector over CloudTrail log files, with states in memory.

mod decision_line;
mod extent;
pub mod history;
mod packed;
mod reading;
pub mod scanner;
pub mod sources;
pub mod summary;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, Waker};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::alert::email::Email;
use crate::cloudtrail::Denial;
use crate::detection::finding::Finding;
use crate::engine::{Engine, EngineError, Handled};
use crate::settings::Settings;
use crate::sink::LeftToCaller;
use crate::store::StoredState;
use crate::store::memory::MemoryStore;
use crate::text::Text;
use decision_line::DecisionLine;
use history::{Collector, History, HistoryError};
use sources::Unreadable;
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

/// What a command reads.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// Files, folders, `-`.
    pub paths: Vec<PathBuf>,
    /// Whether malformed input stops the run.
    pub strict: bool,
    /// Threads that parse; by default as many as the machine runs at a time.
    pub threads: Option<NonZeroUsize>,
}

/// What a replay is asked to do.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What it reads.
    pub input: Input,
    /// In which order denials are handled.
    pub order: Order,
    /// How findings are written.
    pub format: Format,
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
    Engine(#[from] EngineError<Infallible, Infallible>),
    /// The denials cannot be sorted.
    #[error("the denials cannot be sorted: {0}")]
    History(#[from] HistoryError),
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

/// Reads all of the input and brings its denials into the order of event time. Those of
/// ignored principals are left out.
pub fn history(
    input: &Input,
    settings: &Settings,
    summary: &mut Summary,
    watcher: &mut impl Watcher,
) -> Result<History, ReplayError> {
    let mut collector = Collector::default();
    reading::read(input, &settings.ignored, summary, watcher, |_, denial| {
        Ok(collector.push(&denial)?)
    })?;
    Ok(collector.finish())
}

/// The state of each principal after the whole history, in the order of their keys.
pub fn states(history: &History, settings: &Settings) -> Result<Vec<StoredState>, ReplayError> {
    let engine = in_memory(settings);
    for denial in history.denials()? {
        deliver(&engine, &denial?, SignedDuration::ZERO)?;
    }
    Ok(engine.into_store().into_states())
}

/// The detector with its states in memory.
pub(crate) fn in_memory(settings: &Settings) -> Engine<MemoryStore, LeftToCaller> {
    Engine::new(MemoryStore::default(), LeftToCaller, settings.clone())
}

/// Handles a denial that arrives so old.
pub(crate) fn deliver(
    engine: &Engine<MemoryStore, LeftToCaller>,
    denial: &Denial,
    age: SignedDuration,
) -> Result<Handled, ReplayError> {
    Ok(at_once(engine.handle(denial, age, denial.time())).map_err(|failed| failed.error)?)
}

/// Replays the input and writes what it finds to `output`.
pub fn replay(
    options: &Options,
    settings: &Settings,
    output: &mut impl Write,
    watcher: &mut impl Watcher,
) -> Result<Summary, ReplayError> {
    let mut summary = Summary::default();
    let mut replay = Replay { engine: in_memory(settings), format: options.format, output };
    match options.order {
        Order::Arrival => {
            let mut newest = HashMap::new();
            reading::read(
                &options.input,
                &settings.ignored,
                &mut summary,
                watcher,
                |summary, denial| {
                    let age = age(&mut newest, &denial);
                    replay.deliver(summary, &denial, age)
                },
            )?;
        }
        Order::EventTime => {
            let history = history(&options.input, settings, &mut summary, watcher)?;
            for denial in history.denials()? {
                replay.deliver(&mut summary, &denial?, SignedDuration::ZERO)?;
            }
        }
    }
    replay.output.flush()?;
    summary.principals = replay.engine.store().len() as u64;
    Ok(summary)
}

struct Replay<'a, W> {
    engine: Engine<MemoryStore, LeftToCaller>,
    format: Format,
    output: &'a mut W,
}

impl<W: Write> Replay<'_, W> {
    fn deliver(
        &mut self,
        summary: &mut Summary,
        denial: &Denial,
        age: SignedDuration,
    ) -> Result<(), ReplayError> {
        let handled = deliver(&self.engine, denial, age)?;
        summary.deliver(&handled);
        if self.format == (Format::JsonLines { decisions: true }) {
            self.write_line(&DecisionLine::of(denial, &handled))?;
        }
        if let Some(finding) = &handled.finding {
            self.write_finding(finding)?;
        }
        Ok(())
    }

    fn write_finding(&mut self, finding: &Finding) -> Result<(), ReplayError> {
        let settings = self.engine.settings();
        let deployment = settings.deployment();
        match self.format {
            Format::JsonLines { .. } => {
                let line = settings.machine_format.body(finding, &deployment);
                writeln!(self.output, "{}", line.map_err(io::Error::from)?)?;
            }
            // No alert of it would be sent; the summary counts it.
            Format::Text if finding.held => {}
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
}

/// Threads to run: as many as were asked for, or as the machine runs at a time.
pub(crate) fn threads(asked: Option<NonZeroUsize>) -> NonZeroUsize {
    asked.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}

/// The result of a future that waits for nothing, as those of a store in memory do.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
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
