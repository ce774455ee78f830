//! Findings that follow an episode: an access after denial, and the resolution.

use super::alerting::EpisodeSummary;
use super::finding::{Finding, Reads, Status, digest_of, episode_id};
use super::policy::{Policy, Severity};
use super::state::PrincipalState;
use crate::text::Text;
use crate::wording::{plural, span, utc};

impl Finding {
    /// The principal read secrets in an open episode, whose last reported finding is `last`.
    pub fn access_after_denial(last: &Self, reads: Reads, region: Option<Text>) -> Self {
        let mut finding = Self {
            id: digest_of(&format!("{}\nlet in", last.episode)),
            status: Status::Update,
            severity: Severity::High,
            worst: Some(Severity::High),
            region: region.or_else(|| last.region.clone()),
            explanation: format!(
                "{} read from {} to {}, after {} of {} since {}",
                plural(reads.read, "secret"),
                utc(reads.first),
                utc(reads.last),
                plural(last.denials.on(last.scale), "denial"),
                plural(reads.denied, "secret"),
                utc(last.first_denial),
            ),
            reads: Some(reads),
            cadence: None,
            held: false,
            ..last.clone()
        };
        finding.title = format!("{} by {}", finding.what(), last.principal.principal.label());
        finding
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
        let mut finding = Self {
            id: digest_of(&format!("{}\nresolved", last.id)),
            status: Status::Resolved,
            severity: totals.severity,
            totals: Some(totals),
            first_denial: totals.first_denial,
            last_denial: totals.last_denial,
            explanation: format!(
                "{} of {} from {} to {}; no longer unusual",
                plural(totals.denials, "denial"),
                plural(totals.secrets, "secret"),
                utc(totals.first_denial),
                utc(totals.last_denial),
            ),
            ..last.clone()
        };
        finding.title = format!("Over: {} by {}", finding.what(), last.principal.principal.label());
        finding
    }

    /// Time of the newest event it is about, in epoch seconds: a denial, or a read.
    pub fn last_event(&self) -> i64 {
        self.reads.as_ref().map_or(self.last_denial, |reads| reads.last.max(self.last_denial))
    }

    /// What a follow-up is about, if this is one.
    pub(super) fn what_followed(&self) -> Option<String> {
        if let Some(totals) = &self.totals {
            // Both would not fit into a subject.
            let rest = match &self.reads {
                Some(reads) => format!(", then read {}", reads.read),
                None => format!(" in {}", span(totals.seconds().max(1))),
            };
            let (denials, secrets) =
                (plural(totals.denials, "denied read"), plural(totals.secrets, "secret"));
            return Some(format!("{denials} of {secrets}{rest}"));
        }
        let reads = self.reads.as_ref()?;
        Some(format!("Denied on {}, then read {}", plural(reads.denied, "secret"), reads.read))
    }
}
