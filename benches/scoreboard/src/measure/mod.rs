//! The results of each detector on the corpus.

pub mod attacked;
pub mod harmless;

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use rattle::cloudtrail::Denial;
use serde::Serialize;

use crate::principal::{Caller, Event};
use crate::watch::Seen;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Harmless principals of each kind.
    pub harmless: u64,
    /// One in this many of them is also watched with each disturbed delivery.
    pub disturbed_one_in: u64,
    /// Carriers of each kind; each is attacked in every way.
    pub carriers: u64,
}

impl Size {
    /// The size of the published scoreboard.
    pub const FULL: Self = Self { harmless: 172, disturbed_one_in: 4, carriers: 100 };
    /// The size of the corpus that the tests run.
    pub const QUICK: Self = Self { harmless: 6, disturbed_one_in: 2, carriers: 3 };
}

#[derive(Debug)]
struct Prepared {
    denials: Vec<Denial>,
    seen: Vec<Seen>,
}

impl Prepared {
    fn of(caller: &Caller, events: &[Event]) -> Self {
        let seen = |event: &Event| Seen {
            time: event.call.time,
            secret: event.call.secret,
            session: caller.session(&event.call),
        };
        Self {
            denials: events.iter().map(|event| caller.denial(event)).collect(),
            seen: events.iter().map(seen).collect(),
        }
    }
}

/// The results of the tasks in the order of the tasks, whichever thread ran them.
pub fn in_parallel<T: Sync, R: Send>(
    tasks: &[T],
    run: impl Fn(&T) -> anyhow::Result<R> + Sync,
) -> anyhow::Result<Vec<R>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<anyhow::Result<R>>>> =
        Mutex::new(tasks.iter().map(|_| None).collect());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(task) = tasks.get(place) else { return };
                    let result = run(task);
                    results.lock().unwrap_or_else(PoisonError::into_inner)[place] = Some(result);
                }
            });
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results
        .into_iter()
        .map(|result| result.unwrap_or_else(|| anyhow::bail!("a task was left")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_their_tasks() {
        let tasks: Vec<u64> = (0..500).collect();
        let squares = in_parallel(&tasks, |task| Ok(task * task)).unwrap();
        assert!(squares.iter().zip(&tasks).all(|(square, task)| *square == task * task));
        assert!(
            in_parallel(&tasks, |task| {
                anyhow::ensure!(*task < 400);
                Ok(())
            })
            .is_err()
        );
    }
}
