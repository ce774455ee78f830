//! Rattle: the code that the function runs, with its state in memory and its default settings.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use jiff::Timestamp;
use rattle::cloudtrail::{Delivery, Denial};
use rattle::engine::{Engine, HandleError, Handled};
use rattle::settings::Settings;
use rattle::sink::LeftToCaller;
use rattle::store::StoredState;
use rattle::store::memory::MemoryStore;
use rattle::text::Text;

use super::Alert;

#[derive(Debug)]
pub struct Rattle {
    engine: Engine<MemoryStore, LeftToCaller>,
}

impl Rattle {
    /// An instance without any state.
    pub fn new() -> anyhow::Result<Self> {
        let settings = Settings::read([])?;
        Ok(Self { engine: Engine::new(MemoryStore::default(), LeftToCaller, settings) })
    }

    /// A copy that has this instance's state of the principal.
    #[must_use]
    pub fn fork(&self, key: &Text) -> Self {
        let settings = self.engine.settings().clone();
        let store = MemoryStore::holding(self.stored(key));
        Self { engine: Engine::new(store, LeftToCaller, settings) }
    }

    /// The stored state of the principal.
    pub fn stored(&self, key: &Text) -> Option<StoredState> {
        self.engine.store().stored(key)
    }

    /// Handles a denial that arrives at that time.
    pub fn handle(&self, denial: &Denial, at: i64) -> anyhow::Result<Handled> {
        let delivery = Delivery { denial, arrived: Timestamp::from_second(at)? };
        let handled: Result<Handled, HandleError<Infallible, Infallible>> =
            at_once(self.engine.handle(&delivery));
        Ok(handled.map_err(|failed| failed.error)?)
    }

    /// The alert that a denial raises if it arrives at that time. A held finding is recorded but
    /// not sent, so it gives no alert.
    pub fn see(&self, denial: &Denial, at: i64) -> anyhow::Result<Option<Alert>> {
        let finding = self.handle(denial, at)?.finding.filter(|finding| !finding.held);
        Ok(finding.map(|finding| Alert { at, severity: Some(finding.severity) }))
    }
}

/// The result of a future that never waits, which is true of every future over the memory store.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
    }
}
