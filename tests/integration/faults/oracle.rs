//! What must be true after a schedule. The pure core, folded over the writes in the order in which
//! they were applied, gives the expected items, findings and messages.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::SignedDuration;
use rattle::alert::machine::rattle::FindingLine;
use rattle::cloudtrail::Denial;
use rattle::cloudtrail::call::EventDigest;
use rattle::cloudtrail::secret_set::SecretSet;
use rattle::detection::finding::Finding;
use rattle::detection::{Assessment, Outcome, Policy, PrincipalState, Scale, Window, decide};
use rattle::store::dynamodb::decode;
use rattle::store::dynamodb::item::Item;
use rattle::store::{Outbox, StoredState};
use serde_json::Value;

use super::ends::{Ends, unlisted};
use super::schedule::Schedule;
use super::transport::{Applied, Step};
use crate::support::aged;

/// A denial older than this on arrival is not part of a burst.
const OLD: SignedDuration = SignedDuration::from_hours(1);

/// The result of a schedule.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub denials: u64,
    /// Denials whose write was applied twice, although the item held their id.
    pub doubles: u64,
    /// Denials counted again after their principal had opened two newer windows, when the item no
    /// longer held their id.
    pub forgotten: u64,
    pub findings: u64,
    pub held_back: u64,
    pub messages: u64,
    /// How many of the messages are resolutions.
    pub ends: u64,
    /// Findings that were never reported.
    pub lost: u64,
    /// Everything that is wrong.
    pub faults: Vec<String>,
}

/// Judges a schedule by the applied writes and by the items at its end.
pub fn judge(schedule: &Schedule, applied: &[Applied], items: &[Item]) -> Verdict {
    let mut oracle = Oracle {
        events: schedule.events.iter().map(|e| (e.denial.digest(), &e.denial)).collect(),
        policy: schedule.settings.policy.clone(),
        principals: BTreeMap::new(),
        storms_announced: 0,
        ends: Ends::default(),
        verdict: Verdict::default(),
    };
    for write in applied {
        oracle.take(write);
    }
    oracle.end(schedule, items);
    oracle.verdict
}

struct Oracle<'a> {
    events: HashMap<EventDigest, &'a Denial>,
    policy: Policy,
    principals: BTreeMap<String, Principal>,
    storms_announced: u32,
    ends: Ends,
    verdict: Verdict,
}

#[derive(Default)]
pub struct Principal {
    stored: Option<StoredState>,
    /// States since the last claim or the last new window: those that an invocation that claims now
    /// may have seen.
    seen: Vec<PrincipalState>,
    /// Every state so far.
    pub ever: Vec<PrincipalState>,
    counted: BTreeMap<EventDigest, u32>,
    pub claims: BTreeMap<u64, Claimed>,
    /// Whether a window stayed open although a newer denial arrived.
    held: bool,
}

pub struct Claimed {
    pub finding: Finding,
    pub messages: u64,
}

impl<'a> Oracle<'a> {
    fn fault(&mut self, what: impl Into<String>) {
        self.verdict.faults.push(what.into());
    }

    fn take(&mut self, write: &Applied) {
        match write.step {
            Step::Read | Step::Admit | Step::Agenda | Step::ConfirmEnd => {}
            Step::ClaimEnd => {
                let key = write.request["Key"]["principal"]["S"].as_str().unwrap();
                let key = key.strip_prefix("#episode#").unwrap();
                let ending = &write.request["ExpressionAttributeValues"][":ending"]["M"];
                let principal = self.principals.get(key);
                let fault = self.ends.claim(key, principal, ending, &self.policy);
                self.verdict.faults.extend(fault);
            }
            Step::Publish => self.publish(&write.request),
            Step::Roll => self.roll(&write.request),
            Step::Count | Step::Claim | Step::Note | Step::Confirm => {
                let key = write.request["Key"]["principal"]["S"].as_str().unwrap().to_owned();
                let mut principal = self.principals.remove(&key).unwrap_or_default();
                self.update(&key, &mut principal, write);
                self.principals.insert(key, principal);
            }
        }
    }

    fn update(&mut self, key: &str, principal: &mut Principal, write: &Applied) {
        let before = decoded(&write.answer["Attributes"]);
        if principal.stored != before {
            self.fault(format!(
                "{key}: the item is not what the core says: {before:?}\n  instead of {:?}",
                principal.stored
            ));
        }
        let Some(expected) = &mut principal.stored else { return };
        expected.version += 1;
        let values = &write.request["ExpressionAttributeValues"];
        match write.step {
            Step::Count => {
                let digest = digest(&values[":digest"]);
                let age = if values[":recent"]["N"] == "1" { SignedDuration::ZERO } else { OLD };
                let denial = self.events[&digest];
                // A window stays open for newer denials while its finding waits to be sent.
                let is_newer = Window::containing(denial.time()) > expected.state.window;
                principal.held |= is_newer;
                if is_newer && expected.outbox.is_none() {
                    self.verdict
                        .faults
                        .push(format!("{key}: a window stays open without a waiting finding"));
                }
                if expected.state.receive_in_open_window(&aged(denial, age)) != Outcome::Counted {
                    self.verdict.doubles += 1;
                    self.fault(format!("{key}: {} is counted twice", denial.event_id()));
                }
                *principal.counted.entry(digest).or_default() += 1;
            }
            Step::Claim => {
                let outbox = outbox(&values[":pending"]);
                self.claim(key, principal, outbox);
            }
            Step::Note => self.note(key, principal, &write.request),
            Step::Confirm => {
                let is_held_back = write.request["UpdateExpression"]
                    .as_str()
                    .is_some_and(|update| update.contains("suppressed"));
                expected.suppressed += u64::from(is_held_back);
                let claim = principal.claims.get(&expected.state.alerting.alert_seq);
                if expected.outbox.take().is_none() {
                    self.fault(format!("{key}: a confirmation without a waiting finding"));
                }
                let is_unsent =
                    claim.is_none_or(|claim| claim.messages == 0 && !claim.finding.held);
                if !is_held_back && is_unsent {
                    self.fault(format!("{key}: confirmed before it was published"));
                }
            }
            _ => {}
        }
        if let Some(expected) = &principal.stored {
            principal.seen.push(expected.state.clone());
            principal.ever.push(expected.state.clone());
        }
    }

    /// The core must make this claim on some state since the last one.
    fn claim(&mut self, key: &str, principal: &mut Principal, outbox: Outbox) {
        let denial = self.events[&outbox.owner.unwrap()];
        let decided = principal.seen.iter().rev().find_map(|state| {
            let decision =
                decide(state, &Assessment::of(state, &self.policy), denial, &self.policy);
            let report = decision.report.as_ref()?;
            let mut after = state.clone();
            after.alerting = decision.alerting;
            let finding = Finding::new(&after, report, denial, &self.policy);
            (finding == outbox.finding).then_some(decision)
        });
        let Some(expected) = &mut principal.stored else { return };
        let Some(decision) = decided else {
            self.fault(format!("{key}: no state allows the claim of {outbox:?}"));
            expected.state.alerting.alert_seq += 1;
            expected.outbox = Some(outbox);
            return;
        };
        if expected.outbox.is_some() {
            self.fault(format!("{key}: a claim replaces a waiting finding"));
        }
        let before = expected.state.alerting.episodes.map(|episode| episode.hit_window);
        expected.state.alerting = decision.alerting;
        expected.outbox = Some(outbox.clone());
        let settled = expected.state.alerting.episodes.map(|episode| episode.hit_window);
        let alert_seq = expected.state.alerting.alert_seq;
        if before.iter().zip(settled).any(|(before, after)| *before > after) {
            self.fault(format!("{key}: the claim removes a recorded hit"));
        }
        self.claimed(key, principal, alert_seq, outbox.finding);
    }

    fn claimed(&mut self, key: &str, principal: &mut Principal, seq: u64, finding: Finding) {
        let others = principal.claims.values();
        if others.into_iter().any(|claim| claim.finding.id == finding.id) {
            self.fault(format!("{key}: {} is claimed twice", finding.id));
        }
        principal.seen.clear();
        if principal.claims.insert(seq, Claimed { finding, messages: 0 }).is_some() {
            self.fault(format!("{key}: two findings have the number {seq}"));
        }
        self.verdict.findings += 1;
    }

    fn note(&mut self, key: &str, principal: &mut Principal, request: &Value) {
        let Some(expected) = &mut principal.stored else { return };
        let update = request["UpdateExpression"].as_str().unwrap();
        let hit = request["ExpressionAttributeValues"][":hit"]["N"].as_str().unwrap();
        if hit.parse() != Ok(expected.state.window.index()) {
            self.verdict.faults.push(format!("{key}: a hit recorded for another window"));
        }
        let window = Some(expected.state.window);
        for i in 0..2 {
            if !update.contains(&format!("hit_window[{i}]")) {
                continue;
            }
            let denials = || principal.counted.keys().map(|digest| self.events[digest]);
            let is_hit = principal.seen.iter().any(|state| {
                let assessment = Assessment::of(state, &self.policy);
                denials()
                    .map(|denial| decide(state, &assessment, denial, &self.policy))
                    .any(|decision| decision.alerting.episodes[i].hit_window == window)
            });
            if !is_hit {
                self.verdict
                    .faults
                    .push(format!("{key}: a hit is recorded although the core found none"));
            }
            expected.state.alerting.episodes[i].hit_window = window;
        }
    }

    fn roll(&mut self, request: &Value) {
        let Some(stored) = decoded(&request["Item"]) else { return };
        let key = stored.key.to_string();
        let mut principal = self.principals.remove(&key).unwrap_or_default();
        let [opener] = stored.state.ids[..] else {
            self.fault(format!("{key}: a window must be opened by one denial, not by {stored:?}"));
            return;
        };
        let denial = self.events[&opener];
        let age = if stored.state.denials[0] == 1 { SignedDuration::ZERO } else { OLD };
        let mut expected =
            principal.stored.take().unwrap_or_else(|| StoredState::opened_by(denial));
        if expected.outbox != stored.outbox {
            self.claim_at_close(&key, &mut principal, &mut expected, &stored);
        } else if let Some(due) = self.due(&expected.state) {
            self.verdict.lost += 1;
            self.fault(format!(
                "{key}: a window closes without the finding due to {}",
                due.event_id()
            ));
        }
        if expected.state.receive(&aged(denial, age), &self.policy) != Outcome::Counted {
            self.verdict.doubles += 1;
            self.fault(format!("{key}: {} is counted twice", denial.event_id()));
        }
        expected.version += 1;
        expected.renew();
        if expected != stored {
            self.fault(format!(
                "{key}: what is stored is not what the core says: {stored:?}\n  instead of {expected:?}"
            ));
        }
        *principal.counted.entry(opener).or_default() += 1;
        principal.seen = vec![stored.state.clone()];
        principal.ever.push(stored.state.clone());
        principal.stored = Some(stored);
        self.principals.insert(key, principal);
    }

    /// The write that opens a window also claims the report that was due in the window before.
    fn claim_at_close(
        &mut self,
        key: &str,
        principal: &mut Principal,
        expected: &mut StoredState,
        stored: &StoredState,
    ) {
        let Some(outbox) = stored.outbox.clone().filter(|_| expected.outbox.is_none()) else {
            self.fault(format!("{key}: the opening of a window drops a waiting finding"));
            return;
        };
        let opener = self.events[&outbox.owner.unwrap()];
        let decided = self.due(&expected.state).and_then(|denial| {
            let assessment = Assessment::of(&expected.state, &self.policy);
            let decision = decide(&expected.state, &assessment, denial, &self.policy);
            let mut after = expected.state.clone();
            after.alerting = decision.alerting;
            let finding = Finding::new(&after, decision.report.as_ref()?, opener, &self.policy);
            (finding == outbox.finding).then_some(after)
        });
        match decided {
            None => self.fault(format!("{key}: claimed although nothing was due: {outbox:?}")),
            Some(after) => {
                expected.state = after;
                expected.outbox = Some(outbox.clone());
                self.claimed(key, principal, expected.state.alerting.alert_seq, outbox.finding);
            }
        }
    }

    /// The denial of the open window whose delivery would now raise a report. The last one that
    /// named a new secret decides about both signals, because the others saw no more than it did.
    fn due(&self, state: &PrincipalState) -> Option<&'a Denial> {
        let known = state.known_secrets();
        let is_new = |denial: &&Denial| !denial.secrets().buckets().difference(&known).is_empty();
        let denials = || state.ids.iter().map(|digest| self.events[digest]);
        let denial = denials().find(is_new).or_else(|| denials().next())?;
        let decision = decide(state, &Assessment::of(state, &self.policy), denial, &self.policy);
        decision.report.map(|_| denial)
    }

    fn publish(&mut self, request: &Value) {
        let bodies: Value = serde_json::from_str(request["Message"].as_str().unwrap()).unwrap();
        let body = bodies["sqs"].as_str().unwrap();
        let message: Value = serde_json::from_str(body).unwrap();
        self.verdict.messages += 1;
        if message["type"] == "storm" {
            self.storms_announced += 1;
            return;
        }
        let key = message["principal"]["key"].as_str().unwrap();
        let fault = self.ends.publish(key, &message, body);
        self.verdict.faults.extend(fault);
        if message["status"] == "resolved" {
            self.verdict.ends += 1;
            return;
        }
        let claims = self.principals.get_mut(key).map(|principal| &mut principal.claims);
        let claim = claims.and_then(|claims| {
            claims.values_mut().find(|c| c.finding.id.as_str() == message["id"])
        });
        match claim {
            None => self.fault(format!("{key}: published before it was claimed")),
            Some(claim) => {
                claim.messages += 1;
                if serde_json::to_string(&FindingLine::of(&claim.finding)).unwrap() != body {
                    self.fault(format!("{key}: a finding with two contents, one of them {body}"));
                }
            }
        }
    }

    fn end(&mut self, schedule: &Schedule, items: &[Item]) {
        let mut stored = BTreeMap::new();
        let mut listed = BTreeSet::new();
        for item in items {
            let key = item["principal"].as_s().unwrap();
            if key.starts_with("#storm#") {
                self.end_of_hour(schedule, item);
            } else if key.starts_with("#episode#") {
                if item.contains_key("agenda") {
                    self.fault(format!("{key}: its episode is never resolved"));
                }
            } else if let Some(finding) = key.strip_prefix("#digest#") {
                listed.insert(finding.to_owned());
            } else {
                stored.insert(key.to_owned(), decode::decode(item).unwrap());
            }
        }
        self.verdict.faults.extend(self.ends.missing());
        let principals = std::mem::take(&mut self.principals);
        let known: BTreeSet<&String> = principals.keys().chain(stored.keys()).collect();
        for key in known {
            match principals.get(key) {
                Some(principal) => self.end_of_principal(key, principal, stored.get(key)),
                None => self.fault(format!("{key}: no write created this item")),
            }
        }
        self.verdict.faults.extend(unlisted(schedule, &principals, &listed));
        for event in &schedule.events {
            let key = event.denial.principal().key().as_str();
            let counted = principals.get(key).and_then(|p| p.counted.get(&event.denial.digest()));
            if counted.is_none() {
                self.fault(format!("{key}: {} is not counted", event.denial.event_id()));
            }
        }
    }

    fn end_of_hour(&mut self, schedule: &Schedule, item: &Item) {
        let admitted = item.get("alerts").map_or(0, |ids| ids.as_bs().unwrap().len());
        if admitted > schedule.settings.max_alerts_per_hour as usize {
            self.fault(format!("{admitted} alerts are admitted in one hour"));
        }
        if item.contains_key("storm") && self.storms_announced == 0 {
            self.fault("a storm is stored but was never announced");
        }
    }

    fn end_of_principal(&mut self, key: &str, principal: &Principal, stored: Option<&StoredState>) {
        if principal.stored.as_ref() != stored {
            self.fault(format!(
                "{key}: it ends as {stored:?}\n  instead of {:?}",
                principal.stored
            ));
        }
        let Some(stored) = stored else { return };
        if stored.outbox.is_some() {
            self.verdict.lost += 1;
            self.fault(format!("{key}: a finding still waits at the end"));
        }
        if let Some(due) = self.due(&stored.state) {
            self.verdict.lost += 1;
            self.fault(format!("{key}: a finding is still due to {}", due.event_id()));
        }
        let unsent = principal.claims.values().filter(|claim| claim.messages == 0);
        let (held, others): (Vec<_>, Vec<_>) = unsent.partition(|claim| claim.finding.held);
        let unreported = others.len() as u64;
        self.verdict.held_back += stored.suppressed + held.len() as u64;
        if unreported > stored.suppressed {
            self.verdict.lost += unreported - stored.suppressed;
            self.fault(format!("{key}: {unreported} findings were never reported"));
        }
        if stored.state.alerting.alert_seq != principal.claims.len() as u64 {
            self.fault(format!(
                "{key}: alert_seq is not the number of claims, {}",
                principal.claims.len()
            ));
        }
        self.verdict.denials += principal.counted.len() as u64;
        let again: u64 = principal.counted.values().map(|times| u64::from(times - 1)).sum();
        self.verdict.forgotten += again;
        self.compare_with_the_set(key, principal, &stored.state, again);
    }

    /// Checks that need no order, only the set of distinct events.
    fn compare_with_the_set(
        &mut self,
        key: &str,
        principal: &Principal,
        state: &PrincipalState,
        again: u64,
    ) {
        let denials: Vec<&Denial> = principal.counted.keys().map(|d| self.events[d]).collect();
        let windows = denials.iter().map(|denial| Window::containing(denial.time()));
        let (first, last) = (windows.clone().min().unwrap(), windows.max().unwrap());
        if state.window != last && !principal.held {
            self.fault(format!("{key}: the open window is {:?}, not {last:?}", state.window));
        }
        if first.on(Scale::Day) != last.on(Scale::Day) || principal.held {
            return;
        }
        if u64::from(state.denials[2]) != denials.len() as u64 + again {
            self.fault(format!(
                "{key}: {} of {} denials are counted",
                state.denials[2],
                denials.len()
            ));
        }
        let named = denials
            .iter()
            .fold(SecretSet::EMPTY, |all, denial| all.union(&denial.secrets().buckets()));
        if state.today.union(&state.secrets) != named {
            self.fault(format!("{key}: the stored secrets are not those that were named"));
        }
    }
}

fn outbox(value: &Value) -> Outbox {
    let map = &value["M"];
    Outbox {
        finding: serde_json::from_str(map["finding"]["S"].as_str().unwrap()).unwrap(),
        owner: map.get("by").map(digest),
        leased_at: map["at"]["N"].as_str().unwrap().parse().unwrap(),
    }
}

fn digest(value: &Value) -> EventDigest {
    EventDigest::from_bytes(bytes(&value["B"]).try_into().unwrap())
}

fn bytes(value: &Value) -> Vec<u8> {
    aws_smithy_types::base64::decode(value.as_str().unwrap()).unwrap()
}

/// The state of an item in DynamoDB's JSON.
fn decoded(item: &Value) -> Option<StoredState> {
    let item: Item =
        item.as_object()?.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
    Some(decode::decode(&item).unwrap())
}

fn attribute(value: &Value) -> AttributeValue {
    let (kind, value) = value.as_object().unwrap().iter().next().unwrap();
    let text = || value.as_str().unwrap().to_owned();
    let all = || value.as_array().unwrap().iter();
    match kind.as_str() {
        "S" => AttributeValue::S(text()),
        "N" => AttributeValue::N(text()),
        "B" => AttributeValue::B(Blob::new(bytes(value))),
        "BS" => AttributeValue::Bs(all().map(|value| Blob::new(bytes(value))).collect()),
        "NS" => AttributeValue::Ns(all().map(|n| n.as_str().unwrap().to_owned()).collect()),
        "L" => AttributeValue::L(all().map(attribute).collect()),
        "M" => AttributeValue::M(
            value.as_object().unwrap().iter().map(|(k, v)| (k.clone(), attribute(v))).collect(),
        ),
        other => panic!("unexpected type {other}"),
    }
}
