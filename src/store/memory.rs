//! States in memory: for replay and tests.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::SignedDuration;

use crate::cloudtrail::Denial;
use crate::detection::finding::Finding;
use crate::detection::{Assessment, Outcome, Policy, PrincipalState, decide};
use crate::text::Text;

/// One state for each principal seen.
#[derive(Debug, Default)]
pub struct MemoryStore {
    states: HashMap<Text, PrincipalState>,
}

/// What one delivery led to.
#[derive(Debug)]
pub struct Delivered {
    /// What became of it.
    pub outcome: Outcome,
    /// Whether it is older than the window it counts in.
    pub late: bool,
    /// The counts after it beside what is usual.
    pub assessment: Assessment,
    /// What is to be reported.
    pub finding: Option<Finding>,
}

impl MemoryStore {
    /// Receives one delivery of a denial: counts it, assesses the state and takes over
    /// what is decided. `age` is the time between the event and its arrival.
    pub fn deliver(&mut self, denial: &Denial, age: SignedDuration, policy: &Policy) -> Delivered {
        let state = match self.states.entry(denial.principal().key().clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(PrincipalState::opened_by(denial)),
        };
        let outcome = state.receive(denial, age, policy);
        let late = crate::detection::Window::containing(denial.time()) < state.window;
        let assessment = Assessment::of(state, policy);
        let decision = decide(state, &assessment, denial, policy);
        state.settle(&decision);
        let finding = decision.report.map(|report| Finding::new(state, &report, denial, policy));
        Delivered { outcome, late, assessment, finding }
    }

    /// The state of a principal, by its key.
    pub fn state(&self, key: &str) -> Option<&PrincipalState> {
        self.states.get(&Text::new(key, usize::MAX))
    }

    /// How many principals have a state.
    pub fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether no principal has a state.
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }
}
