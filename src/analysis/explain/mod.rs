//! `rattle explain`: the explanation of one decision, made by the detector itself.
//!
//! The history of one principal is replayed up to the delivery in question. What it was
//! decided on, the state after it was received, is read from the store, and decided again;
//! nothing is computed here.

mod json;
mod text;
mod verdict;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::analysis::counterfactual::{Case, Counterfactual};
use crate::cloudtrail::{Denial, Principal};
use crate::detection::{Assessment, Decision, Policy, PrincipalState, Signal, decide};
use crate::engine::Handled;
use crate::replay::history::History;
use crate::replay::{ReplayError, at_once, deliver, in_memory};
use crate::settings::Settings;
use crate::store::memory::MemoryStore;
use crate::store::{Store as _, StoredState};
use crate::text::Text;

const MAX_NAMED: usize = 10;

/// Which decision is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The one that raised this finding.
    Finding(String),
    /// The last one at or before that time.
    At(Timestamp),
    /// The one that raised the newest finding; the last one if there is none.
    Newest,
}

/// Why there is nothing to explain.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The replay failed.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// No denial is that principal's.
    #[error("no denial in this history is by \"{0}\"; its key, ARN or name is looked for")]
    NoPrincipal(Text),
    /// Several principals have that name.
    #[error("\"{name}\" may be any of these; give one key:\n{}", .keys.join("\n"))]
    Ambiguous {
        /// What was asked for.
        name: Text,
        /// Their keys.
        keys: Vec<String>,
    },
    /// No delivery raised it.
    #[error(
        "no finding of this history has the id \"{0}\"; it needs the same settings, and the \
         history from the principal's first denial on"
    )]
    NoFinding(Text),
    /// The history begins later.
    #[error("the first denial of this principal is later than that, at {0}")]
    TooEarly(Timestamp),
}

/// What one delivery was decided on, and what was decided.
#[derive(Debug)]
pub struct Explanation {
    /// The delivery.
    pub denial: Denial,
    /// Deliveries of its principal up to this one.
    pub delivery: u64,
    /// What the detector says it led to.
    pub handled: Handled,
    /// The state after it was received, which was decided on.
    pub state: PrincipalState,
    /// The decision.
    pub decision: Decision,
    /// Whether the call named a secret that is new to the principal.
    pub names_a_new_secret: bool,
    /// What would have turned the decision, by signal.
    pub turned: [Counterfactual; 2],
    /// What is reported if only the threshold of the reported signal is raised so far that
    /// this signal is not.
    pub instead: Option<Signal>,
    /// What decided.
    pub policy: Policy,
}

/// Explains one decision about `principal`, which may be left out with the id of a finding.
pub fn explain(
    history: &History,
    settings: &Settings,
    principal: Option<&str>,
    moment: &Moment,
) -> Result<Explanation, ExplainError> {
    let key = principal.map(|name| key_of(history, name)).transpose()?;
    let engine = in_memory(settings);
    let mut found: Option<Delivery> = None;
    let mut first = None;
    let mut deliveries: BTreeMap<Text, u64> = BTreeMap::new();
    let wanted = |principal: &Principal| key.as_ref().is_none_or(|key| key == principal.key());
    for denial in history.denials_of(wanted).map_err(ReplayError::from)? {
        let denial = denial.map_err(ReplayError::from)?;
        let time = denial.time();
        first.get_or_insert(time);
        if matches!(moment, Moment::At(at) if time > *at) {
            break;
        }
        let key = denial.principal().key();
        let number = deliveries.entry(key.clone()).or_default();
        *number += 1;
        let before = engine.store().stored(key);
        let handled = deliver(&engine, &denial, SignedDuration::ZERO)?;
        let raised = handled.finding.as_ref().map(|finding| &finding.id);
        let is_meant = match moment {
            Moment::Finding(id) => raised == Some(id),
            Moment::At(_) => true,
            Moment::Newest => {
                raised.is_some() || found.as_ref().is_none_or(|f| f.handled.finding.is_none())
            }
        };
        if is_meant {
            found = Some(Delivery { number: *number, before, denial, handled });
            if matches!(moment, Moment::Finding(_)) {
                break;
            }
        }
    }
    match (found, moment, first) {
        (Some(found), _, _) => {
            let policy = engine.policy_for(&found.denial);
            Ok(found.explanation(&policy))
        }
        (None, Moment::At(_), Some(first)) => Err(ExplainError::TooEarly(first)),
        (None, Moment::Finding(id), _) => Err(ExplainError::NoFinding(Text::new(id, 64))),
        (None, _, _) => {
            Err(ExplainError::NoPrincipal(Text::new(principal.unwrap_or("anyone"), 64)))
        }
    }
}

struct Delivery {
    number: u64,
    before: Option<StoredState>,
    denial: Denial,
    handled: Handled,
}

impl Delivery {
    fn explanation(self, policy: &Policy) -> Explanation {
        let Self { number, before, denial, handled } = self;
        let store = MemoryStore::holding(before);
        let Ok(received) =
            at_once(store.receive(&denial, SignedDuration::ZERO, denial.time(), policy));
        let state = received.stored.state;
        let assessment = Assessment::of(&state, policy);
        debug_assert_eq!(assessment, handled.assessment, "the engine saw this state");
        let case = Case { state: &state, assessment: &assessment, denial: &denial, policy };
        let turned = Signal::ALL.map(|signal| case.turned(signal));
        let decision = decide(&state, &assessment, &denial, policy);
        let instead = decision.report.as_ref().and_then(|report| {
            let signal = report.row.axis.signal;
            let threshold = turned[signal].threshold?;
            Some(case.report_at(signal, threshold)?.row.axis.signal)
        });
        Explanation {
            names_a_new_secret: state.names_a_new_secret(&denial),
            delivery: number,
            policy: policy.clone(),
            decision,
            denial,
            handled,
            state,
            turned,
            instead,
        }
    }
}

/// The key of the one principal that `name` means: its key, with or without the account,
/// its ARN, that of one of its sessions, or its name.
fn key_of(history: &History, name: &str) -> Result<Text, ExplainError> {
    let session = name.rsplit('/').next().map(|session| Text::new(session, usize::MAX));
    let means = |principal: &Principal| {
        let key = principal.key().as_str();
        key == name
            || key.split_once('#').is_some_and(|(_, key)| key == name)
            || principal.name().as_str() == name
            || principal.names(session.as_ref()).iter().any(|one| one == name)
    };
    let keys: BTreeMap<&Text, &Principal> = history
        .principals()
        .iter()
        .filter(|principal| means(principal))
        .map(|principal| (principal.key(), &**principal))
        .collect();
    match keys.len() {
        0 => Err(ExplainError::NoPrincipal(Text::new(name, 256))),
        1 => Ok(keys.into_keys().next().cloned().unwrap_or_else(|| Text::new(name, 256))),
        _ => Err(ExplainError::Ambiguous {
            name: Text::new(name, 256),
            keys: keys
                .into_iter()
                .take(MAX_NAMED)
                .map(|(key, principal)| format!("{key} ({})", principal.label()))
                .collect(),
        }),
    }
}
