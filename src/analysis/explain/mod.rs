//! `rattle explain`: the explanation of one decision.
//!
//! The history of one principal is replayed up to the delivery in question, which is then
//! received and decided once more, on its own. This module has no scoring of its own.

mod json;
mod text;
mod verdict;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::analysis::counterfactual::{Case, Counterfactual};
use crate::cloudtrail::{Delivery, Denial, Principal};
use crate::detection::alerting::Episode;
use crate::detection::{
    Assessment, Decision, Policy, PrincipalState, Row, Scale, Signal, Window, decide,
};
use crate::engine::Handled;
use crate::replay::history::History;
use crate::replay::{ReplayError, at_once, deliver, in_memory};
use crate::settings::Settings;
use crate::store::memory::MemoryStore;
use crate::store::{Store as _, StoredState};
use crate::text::Text;
use crate::wording::utc;

/// Principals listed where a name is ambiguous.
const MAX_NAMED: usize = 10;

/// The decision to explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The one that raised the finding with this id.
    Finding(String),
    /// The last one at or before this time.
    At(Timestamp),
    /// The one that raised the newest finding; without findings the last one.
    Newest,
}

#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error("no denial in this history is by \"{0}\"; its key, ARN or name is looked for")]
    NoPrincipal(Text),
    #[error("\"{name}\" may be any of these; give one key:\n{}", .keys.join("\n"))]
    Ambiguous {
        name: Text,
        /// Keys and labels of the principals.
        keys: Vec<String>,
    },
    #[error(
        "no finding of this history has the id \"{0}\"; it needs the same settings, and the \
         history from the principal's first denial on"
    )]
    NoFinding(Text),
    /// With the time of the first denial.
    #[error("the first denial of this principal is later than that, at {0}")]
    TooEarly(Timestamp),
}

/// One decision with everything it depended on.
#[derive(Debug)]
pub struct Explanation {
    pub denial: Denial,
    /// Number of this delivery among those of its principal, from 1.
    pub delivery: u64,
    /// The result of the replay.
    pub handled: Handled,
    /// The state after the denial was received, on which the decision was made.
    pub state: PrincipalState,
    pub decision: Decision,
    /// Whether the call named a secret that is new to the principal.
    pub names_a_new_secret: bool,
    /// The nearest changes that would have reversed the decision, by signal.
    pub turned: [Counterfactual; 2],
    /// The signal that is reported instead if the threshold of the reported one is raised just
    /// far enough to silence it.
    pub instead: Option<Signal>,
    pub policy: Policy,
}

/// Explains one decision about a principal, given by key, ARN or name. The id of a finding
/// needs no principal.
pub fn explain(
    history: &History,
    settings: &Settings,
    principal: Option<&str>,
    moment: &Moment,
) -> Result<Explanation, ExplainError> {
    let key = principal.map(|name| key_of(history, name)).transpose()?;
    let engine = in_memory(settings);
    let mut found: Option<Explained> = None;
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
        let handled = deliver(&engine, &Delivery::on_time(&denial))?;
        let raised = handled.finding.as_ref().map(|finding| &finding.id);
        let is_meant = match moment {
            Moment::Finding(id) => raised == Some(id),
            Moment::At(_) => true,
            Moment::Newest => {
                raised.is_some() || found.as_ref().is_none_or(|f| f.handled.finding.is_none())
            }
        };
        if is_meant {
            found = Some(Explained { number: *number, before, denial, handled });
            if matches!(moment, Moment::Finding(_)) {
                break;
            }
        }
    }
    match (found, moment, first) {
        (Some(found), _, _) => {
            let policy = engine.policy_for(&found.denial);
            Ok(found.explanation(&policy)?)
        }
        (None, Moment::At(_), Some(first)) => Err(ExplainError::TooEarly(first)),
        (None, Moment::Finding(id), _) => Err(ExplainError::NoFinding(Text::new(id, 64))),
        (None, _, _) => {
            Err(ExplainError::NoPrincipal(Text::new(principal.unwrap_or("anyone"), 64)))
        }
    }
}

impl Explanation {
    fn rows(&self) -> impl Iterator<Item = &Row> {
        self.handled.assessment.rows().iter()
    }

    /// Whether the decision looked at a signal: at secrets only if the call names a new one.
    fn looks_at(&self, signal: Signal) -> bool {
        signal == Signal::Denials || self.names_a_new_secret
    }

    /// An episode as it was before the decision.
    fn episode(&self, signal: Signal) -> &Episode {
        &self.state.alerting.episodes[signal]
    }

    /// Whether it was open before the decision. An episode of secrets covers denials too.
    fn episode_is_open(&self, signal: Signal) -> bool {
        let is_open = |signal| self.episode(signal).is_open(self.state.window, &self.policy);
        is_open(signal) || (signal == Signal::Denials && is_open(Signal::Secrets))
    }
}

struct Explained {
    number: u64,
    before: Option<StoredState>,
    denial: Denial,
    handled: Handled,
}

impl Explained {
    fn explanation(self, policy: &Policy) -> Result<Explanation, ReplayError> {
        let Self { number, before, denial, handled } = self;
        let store = MemoryStore::holding(before);
        let Ok(received) = at_once(store.receive(&Delivery::on_time(&denial), policy))?;
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
        Ok(Explanation {
            names_a_new_secret: state.names_a_new_secret(&denial),
            delivery: number,
            policy: policy.clone(),
            decision,
            denial,
            handled,
            state,
            turned,
            instead,
        })
    }
}

/// The key of the principal with this key (with or without its account), name or ARN, of a
/// session or not.
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

/// When a window begins, in UTC.
fn start(window: Window) -> String {
    utc(window.start_on(Scale::FiveMinutes))
}
