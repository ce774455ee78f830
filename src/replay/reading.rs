//! Parses the records of all sources on several threads, and hands them on in the order of
//! the sources, so that the result does not depend on the number of threads.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::scanner::{Scanned, Scanner};
use super::sources::{Source, Unreadable};
use super::summary::Summary;
use super::{Input, ReplayError, Watcher, threads};
use crate::cloudtrail::Denial;
use crate::ignore::IgnoredPrincipals;

/// Denials and rejections in a batch.
const MAX_BATCH: usize = 256;
/// Batches of one source, and sources for each thread, that may wait for the reader.
const BATCHES_AHEAD: usize = 2;
const SOURCES_AHEAD: usize = 4;

/// The content of one part of a source.
#[derive(Default)]
struct Batch {
    /// Records of other events, which are only counted.
    other_records: u64,
    found: Vec<Scanned>,
}

/// A source that a thread parses, and its batches.
type Taken = (Source, Receiver<Result<Batch, Unreadable>>);

struct Queue {
    /// Sources that no thread has taken yet.
    waiting: VecDeque<Source>,
    taken: SyncSender<Taken>,
}

/// Reads all of the input and counts what is in it. `take` gets the denials of principals
/// that are not ignored, in order, and counts them itself.
pub(super) fn read(
    input: &Input,
    ignored: &IgnoredPrincipals,
    watcher: &mut impl Watcher,
    mut take: impl FnMut(&mut Summary, Denial) -> Result<(), ReplayError>,
) -> Result<Summary, ReplayError> {
    let sources = Source::find(&input.paths)?;
    let bytes_read = Arc::new(AtomicU64::new(0));
    watcher.begins(sources.iter().map(Source::size).sum(), &bytes_read);

    let mut summary = Summary::default();
    let (in_order, workers) = start_workers(sources, threads(input.threads), &bytes_read);
    for (source, batches) in in_order {
        summary.files += 1;
        let file = source.name();
        for batch in batches {
            let Batch { other_records, found } = batch?;
            summary.record_ignored(other_records);
            for scanned in found {
                match scanned {
                    Scanned::Ignored => summary.record_ignored(1),
                    Scanned::Denial(denial) if ignored.entirely(&denial).is_some() => {
                        summary.record_ignored_by_setting();
                    }
                    Scanned::Denial(denial) => take(&mut summary, *denial)?,
                    Scanned::Rejected(place, error) => {
                        if let Some(rejected) = summary.record_rejected(&file, place, &error) {
                            if input.strict {
                                return Err(ReplayError::Malformed(rejected.clone()));
                            }
                            watcher.rejects(rejected);
                        }
                    }
                }
            }
            watcher.reads();
        }
    }
    for worker in workers {
        if let Err(panic) = worker.join() {
            std::panic::resume_unwind(panic);
        }
    }
    Ok(summary)
}

/// Starts the threads that parse. The sources come back in order, each with its batches.
fn start_workers(
    sources: Vec<Source>,
    threads: NonZeroUsize,
    bytes_read: &Arc<AtomicU64>,
) -> (Receiver<Taken>, Vec<JoinHandle<()>>) {
    let count = threads.get().min(sources.len().max(1));
    let (taken, in_order) = sync_channel(count * SOURCES_AHEAD);
    let queue = Arc::new(Mutex::new(Queue { waiting: sources.into(), taken }));
    // Not scoped: when a run stops early, a thread may still wait for standard input.
    let workers = (0..count)
        .map(|_| {
            let (queue, bytes_read) = (Arc::clone(&queue), Arc::clone(bytes_read));
            thread::spawn(move || work(&queue, &bytes_read))
        })
        .collect();
    (in_order, workers)
}

/// Parses one source after the other. A thread announces the source it takes while it holds
/// the queue, so sources are announced in order.
fn work(queue: &Mutex<Queue>, bytes_read: &Arc<AtomicU64>) {
    loop {
        let (source, batches) = {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(source) = queue.waiting.pop_front() else { return };
            let (sender, receiver) = sync_channel(BATCHES_AHEAD);
            if queue.taken.send((source.clone(), receiver)).is_err() {
                return;
            }
            (source, sender)
        };
        parse(&source, bytes_read, &batches);
    }
}

fn parse(
    source: &Source,
    bytes_read: &Arc<AtomicU64>,
    batches: &SyncSender<Result<Batch, Unreadable>>,
) {
    let input = match source.open(bytes_read) {
        Ok(input) => input,
        Err(error) => return drop(batches.send(Err(error))),
    };
    let batch = Rc::new(RefCell::new(Batch::default()));
    let mut scanner = Scanner::new(HandingOn { input, batch: Rc::clone(&batch), batches });
    while let Some(found) = scanner.next() {
        match found {
            Ok(Scanned::Ignored) => batch.borrow_mut().other_records += 1,
            Ok(found) => {
                let mut batch = batch.borrow_mut();
                batch.found.push(found);
                if batch.found.len() >= MAX_BATCH && hand_on(&mut batch, batches).is_err() {
                    return;
                }
            }
            Err(error) => {
                let error = Unreadable::reading(source, Some(scanner.bytes_read()), &error);
                let _ = hand_on(&mut batch.borrow_mut(), batches);
                return drop(batches.send(Err(error)));
            }
        }
    }
    let _ = hand_on(&mut batch.borrow_mut(), batches);
}

fn hand_on(batch: &mut Batch, batches: &SyncSender<Result<Batch, Unreadable>>) -> io::Result<()> {
    if batch.other_records == 0 && batch.found.is_empty() {
        return Ok(());
    }
    // The receiver is gone once the run has stopped.
    batches.send(Ok(std::mem::take(batch))).map_err(|_| io::Error::other("the run has stopped"))
}

/// Hands on the current batch before each read, since a read of a live stream may wait long.
struct HandingOn<'a, R> {
    input: R,
    batch: Rc<RefCell<Batch>>,
    batches: &'a SyncSender<Result<Batch, Unreadable>>,
}

impl<R: Read> Read for HandingOn<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        hand_on(&mut self.batch.borrow_mut(), self.batches)?;
        self.input.read(buffer)
    }
}
