//! A principal as CloudTrail shows it: its records and the denials that they mean.

use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;
use rattle::cloudtrail;
use rattle::cloudtrail::secret::Secrets;
use rattle::cloudtrail::{Denial, Record};
use rattle::text::Text;
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::life::Call;
use crate::life::benign::Kind;

/// The account of all records, one of those reserved for documentation.
pub const ACCOUNT: &str = "111122223333";
/// Source address of the calls of attacks.
pub const ATTACK_SOURCE_IP: &str = "198.51.100.222";
const SOURCE_IP: &str = "198.51.100.17";
const REGIONS: [&str; 8] = [
    "eu-west-1",
    "eu-west-2",
    "eu-central-1",
    "us-east-1",
    "us-east-2",
    "us-west-2",
    "ap-south-1",
    "sa-east-1",
];
const MAX_TEXT_BYTES: usize = 128;

/// One call with what CloudTrail adds to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub call: Call,
    /// The event id as a number.
    pub id: u128,
    /// Whether the call named the secret by its whole ARN.
    pub by_arn: bool,
}

/// Gives calls their ids and spellings, and sorts them as a replay does, by time and then by id.
pub fn recorded(calls: &[Call], chance: &mut Chance) -> Vec<Event> {
    // Most callers name a secret in one way, but none is consistent.
    let prefers_arn = chance.happens(0.5);
    let mut events: Vec<Event> = calls
        .iter()
        .map(|call| Event {
            call: *call,
            id: chance.bits(),
            by_arn: chance.happens(0.9) == prefers_arn,
        })
        .collect();
    events.sort_unstable_by_key(|event| (event.call.time, event.id));
    events
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identity {
    Role,
    User,
    Person,
}

/// A principal, and how its calls become denials.
#[derive(Clone, Debug)]
pub struct Caller {
    name: String,
    identity: Identity,
    /// The fields that all of its denials share.
    template: Denial,
}

impl Caller {
    pub fn of(kind: Kind, number: u64, label: &str) -> anyhow::Result<Self> {
        let identity = match kind {
            Kind::Person => Identity::Person,
            Kind::Fleet => Identity::Role,
            _ if number % 4 == 3 => Identity::User,
            _ => Identity::Role,
        };
        Self::named(format!("{label}-{number}"), identity)
    }

    /// The same kind of principal under a longer name.
    pub fn renamed(&self, more: &str) -> anyhow::Result<Self> {
        Self::named(format!("{}-{more}", self.name), self.identity)
    }

    fn named(name: String, identity: Identity) -> anyhow::Result<Self> {
        let first = Event { call: Call::harmless(crate::life::EPOCH, 0), id: 0, by_arn: false };
        let record = record(&name, identity, &first).to_string();
        let template = Record::denial_in(record.as_bytes())?.context("a denial")?;
        Ok(Self { name, identity, template })
    }

    /// Its name in records and labels.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn key(&self) -> &Text {
        self.template.principal().key()
    }

    /// The session of that call, where callers name sessions.
    pub fn session(&self, call: &Call) -> u32 {
        if self.identity == Identity::Role { call.session } else { 0 }
    }

    pub fn record(&self, event: &Event) -> Value {
        record(&self.name, self.identity, event)
    }

    /// The denial that the event's record means.
    pub fn denial(&self, event: &Event) -> Denial {
        let call = &event.call;
        let secret_id = secret_id(event);
        let made = cloudtrail::call::Call {
            id: Text::new(&event_id(event.id), MAX_TEXT_BYTES).into(),
            time: Timestamp::from_second(call.time).unwrap_or(Timestamp::UNIX_EPOCH),
            principal: Arc::clone(self.template.principal()),
            session: match self.identity {
                Identity::User => None,
                Identity::Person => self.template.session().cloned(),
                Identity::Role => Some(Text::new(&session_name(call.session), MAX_TEXT_BYTES)),
            },
            region: Some(Text::new(region(call), MAX_TEXT_BYTES)),
            source_ip: Some(Text::new(source_ip(call), MAX_TEXT_BYTES)),
        };
        let secrets = Secrets::from_ids([secret_id.as_str()]);
        Denial::new(made, secrets, self.template.cause(), None)
    }
}

/// The name of the secret with that number.
pub fn secret_name(number: u32) -> String {
    const STAGES: [&str; 3] = ["prod", "staging", "test"];
    const TEAMS: [&str; 10] = [
        "payments", "orders", "billing", "search", "identity", "shipping", "reports", "support",
        "media", "risk",
    ];
    const KINDS: [&str; 8] =
        ["db", "api-key", "smtp", "redis", "oauth", "signing", "webhook", "kafka"];
    let place = number as usize;
    let (stage, place) = (STAGES[place % 3], place / 3);
    let (team, place) = (TEAMS[place % 10], place / 10);
    let (kind, place) = (KINDS[place % 8], place / 8);
    format!("{stage}/{team}/{kind}-{place}")
}

fn secret_id(event: &Event) -> String {
    let name = secret_name(event.call.secret);
    if !event.by_arn {
        return name;
    }
    // Stands in for the six characters that Secrets Manager draws at random.
    let suffix = 100_000 + u64::from(event.call.secret) * 7919 % 900_000;
    format!("arn:aws:secretsmanager:{}:{ACCOUNT}:secret:{name}-{suffix}", region(&event.call))
}

fn region(call: &Call) -> &'static str {
    REGIONS[usize::from(call.region) % REGIONS.len()]
}

fn source_ip(call: &Call) -> &'static str {
    if call.attack { ATTACK_SOURCE_IP } else { SOURCE_IP }
}

fn session_name(session: u32) -> String {
    format!("session-{session}")
}

/// A UUID of version 4 with these bits.
fn event_id(id: u128) -> String {
    uuid::Builder::from_random_bytes(id.to_be_bytes()).into_uuid().to_string()
}

fn record(name: &str, identity: Identity, event: &Event) -> Value {
    const ACTION: &str = "secretsmanager:GetSecretValue";
    let call = &event.call;
    let (identity, arn) = user_identity(name, identity, call);
    let time = Timestamp::from_second(call.time).unwrap_or(Timestamp::UNIX_EPOCH);
    let secret_id = secret_id(event);
    json!({
        "eventVersion": "1.11",
        "userIdentity": identity,
        "eventTime": time.to_string(),
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": "GetSecretValue",
        "awsRegion": region(call),
        "sourceIPAddress": source_ip(call),
        "userAgent": "Boto3/1.35.71 os/linux",
        "errorCode": "AccessDenied",
        "errorMessage": format!(
            "User: {arn} is not authorized to perform: {ACTION} on resource: {secret_id} because \
             no identity-based policy allows the {ACTION} action"
        ),
        "requestParameters": null,
        "responseElements": null,
        "eventID": event_id(event.id),
        "readOnly": true,
        "eventType": "AwsApiCall",
        "recipientAccountId": ACCOUNT,
    })
}

fn user_identity(name: &str, identity: Identity, call: &Call) -> (Value, String) {
    let id = name.to_uppercase().replace('-', "");
    match identity {
        Identity::User => {
            let arn = format!("arn:aws:iam::{ACCOUNT}:user/{name}");
            let identity = json!({
                "type": "IAMUser",
                "principalId": format!("AIDAEXAMPLE{id}"),
                "arn": arn,
                "accountId": ACCOUNT,
                "userName": name,
            });
            (identity, arn)
        }
        Identity::Role => assumed_role(name, &id, &session_name(call.session), "/"),
        Identity::Person => assumed_role(
            &format!("AWSReservedSSO_{name}_fedcba9876543210"),
            &id,
            &format!("{name}@example.com"),
            "/aws-reserved/sso.amazonaws.com/eu-west-1/",
        ),
    }
}

fn assumed_role(role: &str, id: &str, session: &str, path: &str) -> (Value, String) {
    let arn = format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}");
    let identity = json!({
        "type": "AssumedRole",
        "principalId": format!("AROAEXAMPLE{id}:{session}"),
        "arn": arn,
        "accountId": ACCOUNT,
        "sessionContext": {
            "sessionIssuer": {
                "type": "Role",
                "principalId": format!("AROAEXAMPLE{id}"),
                "arn": format!("arn:aws:iam::{ACCOUNT}:role{path}{role}"),
                "accountId": ACCOUNT,
                "userName": role,
            }
        },
    });
    (identity, arn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::benign::live;

    #[test]
    fn each_denial_is_what_its_cloudtrail_record_means() {
        for kind in Kind::ALL {
            for number in [0, 3] {
                let mut chance = Chance::of(7, kind.name(), number);
                let life = live(kind, &mut chance);
                let caller = Caller::of(kind, number, kind.name()).unwrap();
                let mut events = recorded(&life.calls, &mut chance);
                events.truncate(300);
                for event in &mut events {
                    event.call.region = (event.id % 8) as u8;
                    let record = caller.record(event).to_string();
                    let read = Record::denial_in(record.as_bytes()).unwrap().unwrap();
                    assert_eq!(read, caller.denial(event), "{record}");
                }
            }
        }
    }

    #[test]
    fn every_secret_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<String> =
            (0..crate::life::ACCOUNT_SECRETS).map(secret_name).collect();
        assert_eq!(names.len(), crate::life::ACCOUNT_SECRETS as usize);
    }

    #[test]
    fn ids_in_order_are_numbers_in_order() {
        let mut chance = Chance::of(1, "ids", 0);
        for _ in 0..100 {
            let (a, b) = (chance.bits(), chance.bits());
            assert_eq!((a >> 80).cmp(&(b >> 80)), event_id(a).cmp(&event_id(b)));
        }
    }
}
