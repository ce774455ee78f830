//! What is told of an episode after its findings: that it let its principal in, and its end.

use serde::{Deserialize, Serialize};

use super::finding::{Finding, Severity, Status, digest_of, episode_id};
use crate::detection::policy::Policy;
use crate::detection::state::PrincipalState;
use crate::text::Text;

/// What a whole episode came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpisodeSummary {
    /// Severest of its findings, so that whoever got that one also gets its end.
    pub severity: Severity,
    /// Denials in it.
    pub denials: u32,
    /// Different secrets refused in it.
    pub secrets: u32,
    /// Its first denial, in epoch seconds.
    pub first_denial: i64,
    /// Its last denial, in epoch seconds.
    pub last_denial: i64,
}

impl EpisodeSummary {
    /// From the first denial to the last, in seconds.
    pub fn seconds(&self) -> i64 {
        self.last_denial.saturating_sub(self.first_denial).max(0)
    }
}

/// Secrets that a principal read after it was refused others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reads {
    /// Different secrets it was refused in the episode until then.
    pub denied: u32,
    /// Different secrets it read.
    pub read: u32,
    /// Their names in order, [`MAX_NAMED`] of them at most.
    pub secrets: Vec<Text>,
    /// When it read the first, in epoch seconds.
    pub first: i64,
    /// When it read the last, in epoch seconds.
    pub last: i64,
}

/// Secrets that were read and are named.
pub const MAX_NAMED: usize = 64;

impl Finding {
    /// That the principal of `last`, the finding told last of an open episode, was let in.
    pub fn access_after_denial(last: &Self, reads: Reads, region: Option<Text>) -> Self {
        Self {
            id: digest_of(&format!("{}\nlet in", last.episode)),
            status: Status::Update,
            severity: Severity::High,
            worst: Some(Severity::High),
            region: region.or_else(|| last.region.clone()),
            reads: Some(reads),
            cadence: None,
            repeats: false,
            ..last.clone()
        }
    }

    /// The end of the episode of `last`, which was told last of it. `state` is what is
    /// remembered of the principal by then, if anything is, and `reads` what it read meanwhile.
    pub fn resolution(
        last: &Self,
        state: Option<&PrincipalState>,
        reads: Option<Reads>,
        policy: &Policy,
    ) -> Self {
        Self::resolved(&Self { reads, ..last.clone() }, last.totals_so_far(state, policy))
    }

    /// What the episode of this finding came to so far, by the principal's state. If that was
    /// forgotten, or is of another episode by now, what this finding says is all that is known.
    pub fn totals_so_far(&self, state: Option<&PrincipalState>, policy: &Policy) -> EpisodeSummary {
        let key = self.principal.principal.key();
        let remembered = state
            .filter(|state| episode_id(state, key) == self.episode)
            .and_then(|state| state.totals(policy));
        remembered.unwrap_or(EpisodeSummary {
            severity: self.severity,
            denials: self.denials.on(self.scale),
            secrets: self.distinct_secrets.unwrap_or(self.secrets.on(self.scale)),
            first_denial: self.first_denial,
            last_denial: self.last_denial,
        })
    }

    /// The end of an episode: what it came to, and `last`, the finding reported last in it.
    pub fn resolved(last: &Self, totals: EpisodeSummary) -> Self {
        Self {
            id: digest_of(&format!("{}\nresolved", last.id)),
            status: Status::Resolved,
            severity: totals.severity,
            totals: Some(totals),
            first_denial: totals.first_denial,
            last_denial: totals.last_denial,
            ..last.clone()
        }
    }

    /// Time of the newest event it is about, in epoch seconds: a denial, or a read.
    pub fn last_event(&self) -> i64 {
        self.reads.as_ref().map_or(self.last_denial, |reads| reads.last.max(self.last_denial))
    }
}
