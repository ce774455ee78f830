//! The records of all sources, parsed on several threads and handed on in the order of the
//! sources: what comes of them does not depend on the number of threads.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::rc::Rc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::scanner::{Scanned, Scanner};
use super::sources::{Source, Unreadable};
use super::summary::Summary;
use super::{Input, ReplayError, Watcher, threads};
use crate::cloudtrail::Denial;
use crate::ignore::IgnoredPrincipals;

/// Denials and rejections handed on at once.
const MAX_BATCH: usize = 256;
/// Batches of one source, and sources for each thread, that wait for whoever takes them.
const BATCHES_AHEAD: usize = 2;
const SOURCES_AHEAD: usize = 4;

/// What was found in one piece of a source.
#[derive(Default)]
struct Batch {
    ignored: u64,
    items: VecDeque<Scanned>,
}

type Found = Result<Batch, Unreadable>;

/// Sources that no thread has taken yet.
struct Queue {
    rest: VecDeque<Source>,
    taken: SyncSender<(Source, Receiver<Found>)>,
}

/// Reads all of the input. `take` gets the denials of principals that are not ignored, in
/// order; everything else is counted.
pub(super) fn read(
    input: &Input,
    ignored: &IgnoredPrincipals,
    summary: &mut Summary,
    watcher: &mut impl Watcher,
    mut take: impl FnMut(&mut Summary, Denial) -> Result<(), ReplayError>,
) -> Result<(), ReplayError> {
    let sources = Source::find(&input.paths)?;
    let read = Arc::new(AtomicU64::new(0));
    watcher.begins(sources.iter().map(Source::size).sum(), &read);

    let count = threads(input.threads).get().min(sources.len().max(1));
    let (taken, in_order) = sync_channel(count * SOURCES_AHEAD);
    let queue = Arc::new(Mutex::new(Queue { rest: sources.into(), taken }));
    // Not scoped: a thread may wait for standard input when a run stops early.
    let workers: Vec<_> = (0..count)
        .map(|_| {
            let (queue, read) = (Arc::clone(&queue), Arc::clone(&read));
            thread::spawn(move || work(&queue, &read))
        })
        .collect();
    drop(queue);

    for (source, batches) in in_order {
        summary.files += 1;
        let file = source.name();
        for batch in batches {
            let batch = batch?;
            summary.ignore(batch.ignored);
            for item in batch.items {
                match item {
                    Scanned::Ignored => summary.ignore(1),
                    Scanned::Denial(denial) if ignored.entirely(&denial).is_some() => {
                        summary.ignore_by_setting();
                    }
                    Scanned::Denial(denial) => take(summary, *denial)?,
                    Scanned::Rejected(place, error) => {
                        if let Some(rejection) = summary.reject(&file, place, &error) {
                            if input.strict {
                                return Err(ReplayError::Malformed(rejection.clone()));
                            }
                            watcher.rejects(rejection);
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
    Ok(())
}

/// Takes one source after the other. Whoever takes a source announces it before the next
/// can be taken, so they are announced in order.
fn work(queue: &Mutex<Queue>, read: &Arc<AtomicU64>) {
    loop {
        let (source, batches) = {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(source) = queue.rest.pop_front() else { return };
            let (sender, receiver) = sync_channel(BATCHES_AHEAD);
            if queue.taken.send((source.clone(), receiver)).is_err() {
                return;
            }
            (source, sender)
        };
        parse(&source, read, &batches);
    }
}

fn parse(source: &Source, read: &Arc<AtomicU64>, batches: &SyncSender<Found>) {
    let input = match source.open(read) {
        Ok(input) => input,
        Err(error) => return drop(batches.send(Err(error))),
    };
    let batch = Rc::new(RefCell::new(Batch::default()));
    let mut scanner = Scanner::new(HandingOn { input, batch: Rc::clone(&batch), batches });
    while let Some(item) = scanner.next() {
        match item {
            Ok(Scanned::Ignored) => batch.borrow_mut().ignored += 1,
            Ok(item) => {
                let mut batch = batch.borrow_mut();
                batch.items.push_back(item);
                if batch.items.len() >= MAX_BATCH && hand_on(&mut batch, batches).is_err() {
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

fn hand_on(batch: &mut Batch, batches: &SyncSender<Found>) -> io::Result<()> {
    if batch.ignored == 0 && batch.items.is_empty() {
        return Ok(());
    }
    // Nobody takes it when the run has stopped.
    batches.send(Ok(std::mem::take(batch))).map_err(|_| io::Error::other("the run has stopped"))
}

/// Hands on what was found before it waits for more, which may be long in coming.
struct HandingOn<'a, R> {
    input: R,
    batch: Rc<RefCell<Batch>>,
    batches: &'a SyncSender<Found>,
}

impl<R: Read> Read for HandingOn<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        hand_on(&mut self.batch.borrow_mut(), self.batches)?;
        self.input.read(buffer)
    }
}
