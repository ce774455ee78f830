//! Findings that follow an episode: an access after denial, and the resolution.

use super::alerting::EpisodeSummary;
use super::finding::{Finding, Reads, Status, digest_of, episode_id};
use super::policy::{Policy, Severity};
use super::state::PrincipalState;
use crate::text::Text;

impl Finding {
    /// The principal read secrets in an open episode, whose last reported finding is `last`.
    pub fn access_after_denial(last: &Self, reads: Reads, region: Option<Text>) -> Self {
        Self {
            id: digest_of(&format!("{}\nlet in", last.episode)),
            status: Status::Update,
            severity: Severity::High,
            worst: Some(Severity::High),
            region: region.or_else(|| last.region.clone()),
            reads: Some(reads),
            cadence: None,
            held: false,
            ..last.clone()
        }
    }

    /// The end of an episode, whose last reported finding is `last`. `state` is the principal's at
    /// that time, unless it expired, and `reads` what it read during the episode.
    pub fn resolution(
        last: &Self,
        state: Option<&PrincipalState>,
        reads: Option<Reads>,
        policy: &Policy,
    ) -> Self {
        Self::resolved(&Self { reads, ..last.clone() }, last.totals_so_far(state, policy))
    }

    /// Totals of this finding's episode from the principal's state. If that is gone, or is in
    /// another episode by now, only what this finding says is known.
    pub fn totals_so_far(&self, state: Option<&PrincipalState>, policy: &Policy) -> EpisodeSummary {
        let key = self.principal.principal.key();
        let remembered = state
            .filter(|state| episode_id(state, key) == self.episode)
            .and_then(|state| state.episode_summary(policy));
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
