//! What must be true of resolutions: each reported episode is resolved, not before it is over, and
//! with its true totals. Also checks that the weekly digest lists every finding that was not sent.

use std::collections::{BTreeMap, BTreeSet};

use rattle::alert::machine::rattle::FindingLine;
use rattle::detection::finding::{Finding, Severity, Status};
use rattle::detection::policy::MAX_AGE_SECONDS;
use rattle::detection::{Policy, PrincipalState};
use serde_json::Value;

use super::oracle::{Claimed, Principal};
use super::schedule::Schedule;

/// The claimed resolutions by their ids, and the order of messages.
#[derive(Default)]
pub struct Ends {
    claimed: BTreeMap<String, Finding>,
    messages: u64,
    /// By principal's key: the number of the last message of either kind.
    last_alarm: BTreeMap<String, u64>,
    last_end: BTreeMap<String, u64>,
}

impl Ends {
    /// A resolution is claimed. Returns what is wrong with it.
    pub fn claim(
        &mut self,
        key: &str,
        principal: Option<&Principal>,
        ending: &Value,
        policy: &Policy,
    ) -> Option<String> {
        let finding: Finding =
            serde_json::from_str(ending["finding"]["S"].as_str().unwrap()).unwrap();
        let at: i64 = ending["at"]["N"].as_str().unwrap().parse().unwrap();
        let Some(principal) = principal else {
            return Some(format!("{key}: a resolution without a principal"));
        };
        let is_over = |state: &PrincipalState| {
            state.alerting.episode_ends_at(policy).is_some_and(|end| end + MAX_AGE_SECONDS <= at)
        };
        let reported = || principal.claims.values().filter(|claim| claim.messages > 0);
        let is_end_of = |last: &Finding, state: &PrincipalState| {
            is_over(state) && Finding::resolution(last, Some(state), None, policy) == finding
        };
        let is_true = reported()
            .any(|claim| principal.ever.iter().any(|state| is_end_of(&claim.finding, state)));
        let again = self.claimed.insert(finding.id.clone(), finding.clone());
        if again.as_ref().is_some_and(|again| *again != finding) {
            return Some(format!("{key}: a resolution with two contents: {finding:?}"));
        }
        (!is_true && again.is_none())
            .then(|| format!("{key}: a resolution that no state allows: {finding:?}"))
    }

    /// A message about a principal is published. Returns what is wrong with it.
    pub fn publish(&mut self, key: &str, message: &Value, body: &str) -> Option<String> {
        self.messages += 1;
        if message["status"] != Status::Resolved.name() {
            self.last_alarm.insert(key.to_owned(), self.messages);
            return None;
        }
        self.last_end.insert(key.to_owned(), self.messages);
        match self.claimed.get(message["id"].as_str().unwrap()) {
            None => Some(format!("{key}: a resolution is published before it was claimed")),
            Some(end) => (serde_json::to_string(&FindingLine::of(end)).unwrap() != body)
                .then(|| format!("{key}: a resolution with two contents, one of them {body}")),
        }
    }

    /// Principals whose last report was not followed by a resolution.
    pub fn missing(&self) -> impl Iterator<Item = String> {
        self.last_alarm
            .iter()
            .filter(|(key, alarm)| self.last_end.get(*key).is_none_or(|end| end < alarm))
            .map(|(key, _)| format!("{key}: its resolution is missing"))
    }
}

/// The weekly digest must list each finding that was not sent or is low. Returns what is wrong with
/// it.
pub fn unlisted(
    schedule: &Schedule,
    principals: &BTreeMap<String, Principal>,
    listed: &BTreeSet<String>,
) -> Option<String> {
    let is_due = |claim: &&Claimed| {
        schedule.settings.weekly_digest
            && (claim.messages == 0 || claim.finding.severity == Severity::Low)
    };
    let claims = principals.values().flat_map(|principal| principal.claims.values());
    let due: BTreeSet<String> =
        claims.filter(is_due).map(|claim| claim.finding.id.clone()).collect();
    let is_all_there = due.is_subset(listed);
    (!is_all_there).then(|| format!("the weekly digest lists {listed:?} and not {due:?}"))
}
