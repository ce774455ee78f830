//! `rattle replay`: the engine over CloudTrail log files, with states in memory.

mod buffer;
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
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures_util::future::FutureExt as _;
use jiff::Timestamp;
use serde::Serialize;

use crate::alert::email::Email;
use crate::cloudtrail::{Delivery, Denial};
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
use summary::{RejectedInput, Summary};

/// The order in which denials are delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By event time, then event id, over all of the input.
    #[default]
    EventTime,
    /// As they are read. The age of a denial is how far it lies behind the newest one of its
    /// principal.
    Arrival,
}

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Each finding as its e-mail.
    #[default]
    Text,
    /// Each finding as one line of JSON.
    JsonLines {
        /// Whether each denial gets a line too.
        decisions: bool,
    },
}

#[derive(Clone, Debug, Default)]
pub struct Input {
    /// Files, folders, or `-` for standard input.
    pub paths: Vec<PathBuf>,
    /// Whether malformed input stops the run.
    pub strict: bool,
    /// Threads that parse; by default one for each core.
    pub threads: Option<NonZeroUsize>,
}

#[derive(Clone, Debug, Default)]
pub struct Options {
    pub input: Input,
    pub order: Order,
    pub format: Format,
}

/// Why a replay stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Malformed input, if the input is read strictly.
    #[error("{0}")]
    Malformed(RejectedInput),
    #[error(transparent)]
    Engine(#[from] EngineError<Infallible, Infallible>),
    /// Does not happen: neither the store nor the sink of a replay waits for anything.
    #[error("a delivery waited, which it cannot do in a replay")]
    Waited,
    #[error("the denials cannot be sorted: {0}")]
    History(#[from] HistoryError),
    #[error("output cannot be written: {0}")]
    Output(#[from] io::Error),
}

/// Follows the progress of a run.
pub trait Watcher {
    /// The input was found and has that many bytes. `read` counts the bytes read so far.
    fn begins(&mut self, bytes: u64, read: &Arc<AtomicU64>);
    /// More of the input was read.
    fn reads(&mut self);
    fn rejects(&mut self, rejected: &RejectedInput);
}

/// Reads all of the input and sorts its denials by event time. Those of ignored principals
/// are left out. The summary counts what was read; deliveries are still to be counted.
pub fn history(
    input: &Input,
    settings: &Settings,
    watcher: &mut impl Watcher,
) -> Result<(History, Summary), ReplayError> {
    let mut collector = Collector::default();
    let summary =
        reading::read(input, &settings.ignored, watcher, |_, denial| Ok(collector.push(&denial)?))?;
    Ok((collector.finish(), summary))
}

/// The state of each principal after the whole history, sorted by key.
pub fn states(history: &History, settings: &Settings) -> Result<Vec<StoredState>, ReplayError> {
    let engine = in_memory(settings);
    for denial in history.denials()? {
        deliver(&engine, &Delivery::on_time(&denial?))?;
    }
    Ok(engine.into_store().into_states())
}

/// Replays the input and writes the findings to `output`.
pub fn replay(
    options: &Options,
    settings: &Settings,
    output: &mut impl Write,
    watcher: &mut impl Watcher,
) -> Result<Summary, ReplayError> {
    let mut replay = Replay { engine: in_memory(settings), format: options.format, output };
    let mut summary = match options.order {
        Order::Arrival => {
            let mut newest = NewestTimes::default();
            let ignored = &settings.ignored;
            reading::read(&options.input, ignored, watcher, |summary, denial| {
                let arrived = newest.arrival(&denial);
                replay.deliver(summary, &Delivery { denial: &denial, arrived })
            })?
        }
        Order::EventTime => {
            let (history, mut summary) = history(&options.input, settings, watcher)?;
            for denial in history.denials()? {
                replay.deliver(&mut summary, &Delivery::on_time(&denial?))?;
            }
            summary
        }
    };
    replay.output.flush()?;
    summary.principals = replay.engine.store().len() as u64;
    Ok(summary)
}

pub(crate) fn in_memory(settings: &Settings) -> Engine<MemoryStore, LeftToCaller> {
    Engine::new(MemoryStore::default(), LeftToCaller, settings.clone())
}

pub(crate) fn deliver(
    engine: &Engine<MemoryStore, LeftToCaller>,
    delivery: &Delivery<'_>,
) -> Result<Handled, ReplayError> {
    Ok(at_once(engine.handle(delivery))?.map_err(|failed| failed.error)?)
}

/// The result of a future that waits for nothing, as those of a store in memory do.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> Result<T, ReplayError> {
    // Pinned first, since `now_or_never` copies what it is given, here several kilobytes.
    pin!(future).now_or_never().ok_or(ReplayError::Waited)
}

/// Threads to run: as many as were asked for, or one for each core.
pub(crate) fn threads(asked: Option<NonZeroUsize>) -> NonZeroUsize {
    asked.or_else(|| std::thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
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
        delivery: &Delivery<'_>,
    ) -> Result<(), ReplayError> {
        let handled = deliver(&self.engine, delivery)?;
        summary.record_handled(&handled);
        if self.format == (Format::JsonLines { decisions: true }) {
            self.write_line(&DecisionLine::of(delivery.denial, &handled))?;
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
            // A held finding is not sent; the summary counts it.
            Format::Text if finding.held => {}
            Format::Text => {
                let email = Email::about(finding, &deployment);
                write!(self.output, "Subject: {}\n\n{}\n", email.subject, email.body)?;
            }
        }
        // Standard input may be a live stream: a finding must not wait for the next one.
        self.output.flush()?;
        Ok(())
    }

    fn write_line(&mut self, line: &impl Serialize) -> Result<(), ReplayError> {
        serde_json::to_writer(&mut *self.output, line).map_err(io::Error::from)?;
        self.output.write_all(b"\n")?;
        Ok(())
    }
}

/// The time of the newest denial of each principal, by key.
#[derive(Default)]
struct NewestTimes(HashMap<Text, Timestamp>);

impl NewestTimes {
    /// When a denial arrived in a log without times of arrival: not before the newest denial of
    /// its principal that was read until then.
    fn arrival(&mut self, denial: &Denial) -> Timestamp {
        let key = denial.principal().key().clone();
        let newest = self.0.entry(key).or_insert(denial.time());
        *newest = denial.time().max(*newest);
        *newest
    }
}
