//! Properties that hold for every input. The targets supply inputs, and this module checks them.
//!
//! Bounds are written as numbers although the library names most of them, so that a bound that is
//! changed there by accident is noticed here.

pub mod wrappings;

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use jiff::SignedDuration;
use rattle::alert::email::Email;
use rattle::alert::machine::rattle::FindingLine;
use rattle::alert::sms::{MAX_SMS_BYTES, sms};
use rattle::alert::{Deployment, chat, pager};
use rattle::cloudtrail::{Delivery, Denial, Malformed, Principal};
use rattle::detection::evidence::Evidence;
use rattle::detection::finding::Finding;
use rattle::detection::{Assessment, Policy, PrincipalState, Scale, Signal};
use rattle::engine::{Engine, Handled};
use rattle::settings::Settings;
use rattle::sink::LeftToCaller;
use rattle::store::StoredState;
use rattle::store::memory::MemoryStore;
use rattle::text::Text;

const MAX_SIGMA: f64 = 37.0;
const MAX_BODY_BYTES: usize = 16 << 10;
/// With 64 secrets that were read, whose names may have been written by hand.
const MAX_JSON_BYTES: usize = 24 << 10;
const MAX_IDS: usize = 256;
const MAX_BUCKETS: u32 = 512;

/// Printable ASCII within its length, and unchanged when it is made into a text again.
pub fn check_text(what: &str, text: &Text, max_bytes: usize) {
    check_printable(what, text.as_str());
    assert!(text.as_str().len() <= max_bytes, "{what} is longer than {max_bytes}: {text:?}");
    assert_eq!(&Text::new(text.as_str(), max_bytes), text, "{what} changes when read back");
}

fn check_printable(what: &str, text: &str) {
    assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)), "{what} is not printable: {text:?}");
}

/// Whatever a record says, its denial is bounded and safe to show.
pub fn check_denial(denial: &Denial) {
    check_text("event id", denial.event_id(), 64);
    assert!(!denial.event_id().is_empty(), "an event id is empty");
    assert!(
        (1_384_300_800..4_102_444_800).contains(&denial.time().as_second()),
        "{} is not an event time",
        denial.time()
    );
    check_principal(denial.principal());
    for (what, text, max_bytes) in [
        ("region", denial.region(), 32),
        ("source IP", denial.source_ip(), 40),
        ("session", denial.session(), 128),
        ("policy ARN", denial.policy_arn(), 256),
    ] {
        if let Some(text) = text {
            check_text(what, text, max_bytes);
        }
    }
    for name in denial.principal().names(denial.session()) {
        check_printable("a name for RATTLE_IGNORE", &name);
    }

    let (secrets, buckets) = (denial.secrets(), denial.secrets().buckets());
    assert!(buckets.iter().all(|bucket| bucket.number() < 512), "a bucket is past the last");
    assert_eq!(buckets.len() as usize, secrets.len(), "two secrets share a bucket");
    assert_eq!(secrets.first().is_none(), secrets.is_empty());
    if let Some(first) = secrets.first() {
        check_text("secret name", first.name(), 64);
        assert!(!first.name().is_empty(), "a secret has no name");
    }
    check_evidence(&Evidence::of(denial));
}

fn check_principal(principal: &Principal) {
    check_text("key", principal.key(), 256);
    check_text("account", principal.account(), 12);
    assert!(
        principal.key().as_str().starts_with(&format!("{}#", principal.account())),
        "{} is not a key of account {}",
        principal.key(),
        principal.account()
    );
    check_text("type", principal.type_name(), 128);
    check_text("name", principal.name(), 128);
    if let Some(id) = principal.id() {
        check_text("principal id", id, 128);
    }
    if let Some(arn) = principal.arn() {
        check_text("ARN", arn, 256);
    }
}

fn check_evidence(evidence: &Evidence) {
    assert!(evidence.more_secrets < 512, "more secrets than buckets");
    for (what, text, max_bytes) in [
        ("evidence: secret", &evidence.secret, 64),
        ("evidence: source IP", &evidence.source_ip, 40),
        ("evidence: session", &evidence.session, 32),
    ] {
        if let Some(text) = text {
            check_text(what, text, max_bytes);
        }
    }
}

/// A rejection's text is one printable line, short enough for a log.
pub fn check_malformed(malformed: &Malformed) {
    let text = malformed.to_string();
    check_printable("a complaint", &text);
    assert!(text.len() <= 256, "a rejection is long: {text}");
}

/// Every score can be shown and compared.
pub fn check_assessment(assessment: &Assessment) {
    for row in assessment.rows() {
        let (sigma, usual) = (row.sigma(), row.prediction);
        assert!((0.0..=MAX_SIGMA).contains(&sigma), "{sigma} of {row:?}");
        assert!(usual.mean.is_finite() && usual.mean > 0.0, "mean of {row:?}");
        assert!(usual.sd().is_finite() && usual.sd() > 0.0, "standard deviation of {row:?}");
        assert!(usual.dispersion >= 1.1, "dispersion of {row:?}");
        assert!(row.reported <= row.observed, "more was reported than seen: {row:?}");
    }
}

/// A state is bounded and consistent.
pub fn check_state(state: &PrincipalState) {
    for ids in [&state.ids, &state.ids_before] {
        assert!(ids.len() <= MAX_IDS, "{} ids", ids.len());
        assert!(ids.is_sorted_by(|a, b| a < b), "ids out of order, or twice");
    }
    let [five_minutes, hour, day] = state.denials;
    assert!(five_minutes <= hour && hour <= day, "denials {:?}", state.denials);
    assert!(state.new_in_hour <= state.new_in_day, "new secrets of the hour exceed the day's");
    assert!(state.first_window <= state.window, "the first window is not the first");
    for scale in Scale::ALL {
        assert!(state.completed(scale) >= 0);
    }
    for baseline in state.baselines.iter().flatten() {
        assert!(baseline.sum.is_finite() && baseline.sum >= 0.0, "{baseline:?}");
        assert!(
            baseline.sum_of_squares.is_finite() && baseline.sum_of_squares >= 0.0,
            "{baseline:?}"
        );
    }
    for evidence in state.evidence.iter().flatten() {
        check_evidence(evidence);
    }
}

/// A finding claims what was counted and can be sent as it is.
pub fn check_finding(finding: &Finding) {
    assert!(
        finding.id.len() == 32
            && finding.id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')),
        "id {:?}",
        finding.id
    );
    assert!((0.0..=MAX_SIGMA).contains(&finding.deviation), "deviation {}", finding.deviation);
    assert!(finding.first_denial <= finding.last_denial, "the first denial is after the last");
    assert!(finding.evidence.is_sorted_by(|a, b| a.time >= b.time), "evidence out of order");
    assert!(finding.evidence.len() <= 8, "{} pieces of evidence", finding.evidence.len());
    let counts = match finding.signal {
        Signal::Denials => finding.denials,
        Signal::Secrets => finding.secrets,
    };
    assert_eq!(counts.on(finding.scale), finding.observed, "two counts for one thing");
    if let Some(distinct) = finding.distinct_secrets {
        assert!(distinct <= MAX_BUCKETS, "{distinct} different secrets");
        assert!(distinct >= finding.secrets.on(finding.scale), "more new secrets than secrets");
    }
    check_rendering(finding);
    let email = Email::about(finding, &Deployment::default());
    assert!(!email.body.contains("\n\n\n"), "an empty paragraph: {finding:?}");
}

/// Whatever a finding says, its alerts are well-formed and bounded.
pub fn check_rendering(finding: &Finding) {
    check_email(&Email::about(finding, &Deployment::default()));
    check_other_bodies(finding);
    check_json(finding);
}

fn check_email(Email { subject, body }: &Email) {
    check_printable("a subject", subject);
    assert!(body.len() <= MAX_BODY_BYTES, "a body of {} bytes", body.len());
    assert!(subject.len() < 100, "a subject of {} bytes: {subject}", subject.len());
    assert!(subject.starts_with("ALARM: [Rattle "), "{subject}");
    assert!(
        !body.chars().any(|c| c.is_control() && c != '\n'),
        "a control character in the body: {body:?}"
    );
    assert!(body.chars().all(|c| c.is_ascii() || c == '±'), "a foreign letter: {body:?}");
    assert!(body.ends_with('\n'), "{body:?}");
}

fn check_other_bodies(finding: &Finding) {
    let deployment = Deployment::default();
    let sms = sms(finding);
    check_printable("a text message", &sms);
    assert!(sms.len() <= MAX_SMS_BYTES, "a text message of {} bytes: {sms}", sms.len());
    let pager = pager::body(finding, &deployment);
    let name = pager["AlarmName"].as_str().map_or(usize::MAX, str::len);
    assert!(name <= 255, "an alarm's name of {name} bytes: {pager}");
    let chat = chat::body(finding, &deployment);
    let characters = |field: &str| {
        chat["content"][field].as_str().map_or(usize::MAX, |text| text.chars().count())
    };
    assert!(characters("title") <= chat::MAX_TITLE, "{chat}");
    assert!(characters("description") <= chat::MAX_DESCRIPTION, "{chat}");
}

fn check_json(finding: &Finding) {
    let json = match serde_json::to_string(&FindingLine::of(finding)) {
        Ok(json) => json,
        Err(error) => panic!("a finding is no JSON: {error}"),
    };
    assert!(json.len() <= MAX_JSON_BYTES, "{} bytes of JSON", json.len());
    assert!(!json.chars().any(char::is_control), "more than one line: {json}");
    let read: serde_json::Value = match serde_json::from_str(&json) {
        Ok(read) => read,
        Err(error) => panic!("not read back: {error}: {json}"),
    };
    for (place, number) in [
        ("/deviation", finding.deviation),
        ("/threshold", finding.threshold),
        ("/baseline/mean", finding.baseline.mean),
        ("/baseline/sd", finding.baseline.sd),
        ("/baseline/history_days", finding.baseline.history_days),
    ] {
        let read = read.pointer(place).and_then(serde_json::Value::as_f64);
        // serde_json reads the last digit of a number approximately. JSON has no infinity, so a
        // number damaged in that way reads back as null.
        assert!(
            !number.is_finite()
                || read.is_some_and(|read| (read - number).abs() <= 1e-12 * number.abs()),
            "{place} is {number}, read back as {read:?}"
        );
    }
    assert_eq!(
        read.pointer("/principal/key").and_then(serde_json::Value::as_str),
        Some(finding.principal.principal.key().as_str())
    );
    assert_eq!(
        read.pointer("/evidence").and_then(serde_json::Value::as_array).map(Vec::len),
        Some(finding.evidence.len())
    );
}

/// The engine with its states in memory.
pub struct InMemory(Engine<MemoryStore, LeftToCaller>);

impl InMemory {
    pub fn new(policy: &Policy) -> Self {
        let Ok(defaults) = Settings::read([]) else {
            panic!("the defaults are valid");
        };
        let settings = Settings { policy: policy.clone(), ..defaults };
        Self(Engine::new(MemoryStore::default(), LeftToCaller, settings))
    }

    /// Delivers a denial that arrives this long after its event.
    pub fn deliver(&self, denial: &Denial, age: SignedDuration) -> Handled {
        let delivery = Delivery { denial, arrived: denial.time() + age };
        let mut handling = pin!(self.0.handle(&delivery));
        match handling.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(handled)) => handled,
            Poll::Ready(Err(failed)) => panic!("{failed:?}"),
            Poll::Pending => panic!("the memory store never waits"),
        }
    }

    pub fn state(&self, key: &Text) -> Option<PrincipalState> {
        self.0.store().stored(key).map(|stored| stored.state)
    }

    pub fn stored(&self, key: &Text) -> Option<StoredState> {
        self.0.store().stored(key)
    }

    /// Number of principals with a state.
    pub fn principals(&self) -> usize {
        self.0.store().len()
    }
}
