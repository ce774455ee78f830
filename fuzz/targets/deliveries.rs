//! The engine without JSON. The bytes are a script of deliveries, so that a few of them reach
//! states that would take thousands of records: full windows, forgotten secrets, long silence, and
//! denials that arrive late or twice.

#![no_main]

use std::sync::{Arc, LazyLock};

use jiff::{SignedDuration, Timestamp};
use libfuzzer_sys::fuzz_target;
use rattle::cloudtrail::call::Call;
use rattle::cloudtrail::secret::Secrets;
use rattle::cloudtrail::{Cause, Denial, PolicyType, Record};
use rattle::detection::{Outcome, Policy, PrincipalState};
use rattle::settings::Settings;
use rattle::text::Text;
use rattle_fuzz::{InMemory, check_assessment, check_finding, check_state};

const SCRIPT_STEP_BYTES: usize = 6;
/// Keeps one input quick.
const MAX_DELIVERIES: usize = 600;
const START: i64 = 1_767_225_600;
const TIMES: std::ops::Range<i64> = 1_384_300_800..4_102_444_800;
/// Units of a step of the event clock, in seconds.
const CLOCK_UNITS: [i64; 8] = [0, 1, 60, 300, 3600, 86_400, 14 * 86_400, -300];

static POLICIES: LazyLock<[Policy; 4]> = LazyLock::new(|| {
    [
        &[][..],
        &[("RATTLE_MIN_DENIALS", "1"), ("RATTLE_MIN_SECRETS", "1")],
        &[
            ("RATTLE_MIN_DENIALS", "1"),
            ("RATTLE_MIN_SECRETS", "1"),
            ("RATTLE_DENIALS_THRESHOLD", "1"),
            ("RATTLE_SECRETS_THRESHOLD", "1"),
            ("RATTLE_HALF_LIFE_DAYS", "0.25"),
            ("RATTLE_QUIET_MINUTES", "5"),
            ("RATTLE_REMIND_HOURS", "1"),
        ],
        &[("RATTLE_HALF_LIFE_DAYS", "365,0.25,365"), ("RATTLE_SECRETS_THRESHOLD", "37")],
    ]
    .map(|given| {
        let given = given.iter().map(|(variable, value)| ((*variable).into(), (*value).into()));
        Settings::read(given).unwrap_or_else(|faults| panic!("{faults}")).policy
    })
});

/// One denial of each kind of principal.
static EXAMPLES: LazyLock<[Denial; 4]> = LazyLock::new(|| {
    [
        r#"{"type":"IAMUser","principalId":"AIDAEXAMPLE","userName":"a\u001b[31m","arn":"arn:aws:iam::111122223333:user/a"}"#,
        r#"{"type":"AssumedRole","principalId":"AROAEXAMPLE:www.example.com","sessionContext":{"sessionIssuer":{"principalId":"AROAEXAMPLE","userName":"b","arn":"arn:aws:iam::111122223333:role/b"}}}"#,
        r#"{"type":"AssumedRole","principalId":"AROAEXAMPLE:jane@example.com","sessionContext":{"sessionIssuer":{"principalId":"AROAEXAMPLE","userName":"AWSReservedSSO_Read_1"}}}"#,
        r#"{"type":"AWSService","invokedBy":"example.amazonaws.com"}"#,
    ]
    .map(|identity| {
        let record = format!(
            r#"{{"eventID":"0","eventTime":"2026-01-01T00:00:00Z","eventSource":"secretsmanager.amazonaws.com","eventName":"GetSecretValue","errorCode":"AccessDenied","awsRegion":"eu-west-1","sourceIPAddress":"203.0.113.9","userIdentity":{identity}}}"#
        );
        match Record::denial_in(record.as_bytes()) {
            Ok(Some(denial)) => denial,
            other => panic!("{other:?}"),
        }
    })
});

fuzz_target!(|bytes: &[u8]| {
    let Some((first, script)) = bytes.split_first() else {
        return;
    };
    let mut run = Run {
        store: InMemory::new(&POLICIES[usize::from(first % 4)]),
        again: InMemory::new(&POLICIES[usize::from(first % 4)]),
        clock: START,
        deliveries: 0,
    };
    for step in script.as_chunks::<SCRIPT_STEP_BYTES>().0 {
        if !run.step(*step) {
            break;
        }
    }
});

struct Run {
    store: InMemory,
    again: InMemory,
    clock: i64,
    deliveries: usize,
}

impl Run {
    /// Moves the clock and delivers several denials of one principal. Returns false at the end.
    fn step(&mut self, step: [u8; SCRIPT_STEP_BYTES]) -> bool {
        let [who_and_unit, time, times, secret, names, id] = step;
        let unit = CLOCK_UNITS[usize::from(who_and_unit >> 2 & 7)];
        self.clock = (self.clock + unit * i64::from(time)).clamp(TIMES.start, TIMES.end - 1);
        let example = &EXAMPLES[usize::from(who_and_unit & 3)];
        let age = SignedDuration::from_secs(if who_and_unit & 0x80 == 0 { 0 } else { 1201 });
        for i in 0..=u32::from(times) {
            self.deliveries += 1;
            if self.deliveries > MAX_DELIVERIES {
                return false;
            }
            // An odd id starts again in each step, so that events are delivered again.
            let id = if id & 1 == 1 { u32::from(id) + i } else { self.unused_id() };
            let stride = u32::from(names & 0x0f);
            let first = u32::from(secret) + i * stride;
            let denial = self.denial(example, id, first, usize::from(names >> 4));
            self.deliver(&denial, age, i == 0 || i == u32::from(times));
        }
        true
    }

    fn unused_id(&self) -> u32 {
        u32::try_from(self.deliveries).unwrap_or(u32::MAX - 1) + 1_000_000
    }

    fn denial(&self, example: &Denial, id: u32, first: u32, secrets: usize) -> Denial {
        let names: Vec<String> = (first..).take(secrets).map(|n| format!("prod/db{n}")).collect();
        let Ok(time) = Timestamp::from_second(self.clock) else {
            panic!("{} is no time", self.clock);
        };
        let call = Call {
            id: Text::new(&id.to_string(), 64).into(),
            time,
            principal: Arc::clone(example.principal()),
            session: example.session().cloned(),
            region: example.region().cloned(),
            source_ip: example.source_ip().cloned(),
        };
        let cause = match first % 11 {
            number @ 0..7 => Cause::Implicit(PolicyType::ALL[number as usize]),
            7 => Cause::Explicit(None),
            8 => Cause::Explicit(Some(PolicyType::IdentityBased)),
            9 => Cause::Kms,
            _ => Cause::Unknown,
        };
        Denial::new(call, Secrets::from_ids(names.iter().map(String::as_str)), cause, None)
    }

    /// Delivers to both stores. The checks of `in_full` are much slower.
    fn deliver(&mut self, denial: &Denial, age: SignedDuration, in_full: bool) {
        let key = denial.principal().key();
        let delivered = self.store.deliver(denial, age);
        let repeated = self.again.deliver(denial, age);
        assert_eq!(delivered.outcome, repeated.outcome, "two runs differ");
        assert_eq!(delivered.finding, repeated.finding, "two runs differ");
        if let Some(finding) = &delivered.finding {
            check_finding(finding);
        }
        if !in_full {
            return;
        }
        check_assessment(&delivered.assessment);
        let Some(state) = self.store.state(key) else {
            panic!("{key} has no state");
        };
        check_state(&state);
        assert_eq!(Some(&state), self.again.state(key).as_ref(), "two runs differ");

        let counted = delivered.outcome == Outcome::Counted;
        let before = state;
        let delivered = self.again.deliver(denial, age);
        assert_ne!(delivered.outcome, Outcome::Counted, "an event counts twice");
        assert!(!counted || delivered.outcome == Outcome::Duplicate);
        // The decision may differ: the equations let a repeated event raise a further report.
        let Some(after) = self.again.state(key) else {
            panic!("{key} has no state");
        };
        let counts = |state: &PrincipalState| {
            (
                state.window,
                state.denials,
                state.secrets,
                state.ids.clone(),
                state.ids_before.clone(),
            )
        };
        assert_eq!(counts(&before), counts(&after), "a duplicate changes a count");
    }
}
