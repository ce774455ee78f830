//! Denials and replays for the tests.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use futures_util::future::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use rattle::cloudtrail::{Delivery, Denial, Record};
use rattle::detection::Finding;
use rattle::engine::{Engine, Handled};
use rattle::replay::summary::{RejectedInput, Summary};
use rattle::replay::{Format, Input, Options, Watcher};
use rattle::settings::Settings;
use rattle::sink::LeftToCaller;
use rattle::store::Outbox;
use rattle::store::memory::MemoryStore;
use serde_json::{Value, json};

/// 2026-01-05T00:00:00Z: a Monday, and the first day of a generation of known secrets.
pub const MONDAY: i64 = 1_767_571_200;

pub fn project_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A denial of one role as CloudTrail writes it, read by the parser.
pub fn denial(time: f64, event_id: &str, secrets: &[String]) -> Denial {
    parse(&record(time, event_id, secrets)).unwrap().unwrap()
}

pub fn denial_of(time: i64, event_id: &str, secret: &str) -> Denial {
    denial(time as f64, event_id, &[secret.to_owned()])
}

pub fn parse(record: &Value) -> Result<Option<Denial>, rattle::cloudtrail::Malformed> {
    Record::denial_in(record.to_string().as_bytes())
}

pub fn record(time: f64, event_id: &str, secrets: &[String]) -> Value {
    let since_epoch = SignedDuration::from_secs_f64(time);
    let (name, parameters) = match secrets {
        [] => ("GetSecretValue", Value::Null),
        [one] => ("GetSecretValue", json!({ "secretId": one })),
        several => ("BatchGetSecretValue", json!({ "secretIdList": several })),
    };
    json!({
        "eventVersion": "1.09",
        "eventSource": "secretsmanager.amazonaws.com",
        "eventName": name,
        "eventID": event_id,
        "eventTime": Timestamp::from_duration(since_epoch).unwrap().to_string(),
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "198.51.100.7",
        "recipientAccountId": "111122223333",
        "errorCode": "AccessDenied",
        "errorMessage": "User: arn:aws:sts::111122223333:assumed-role/ci-deploy/i-0abc is not \
            authorized to perform: secretsmanager:GetSecretValue because no identity-based policy \
            allows the secretsmanager:GetSecretValue action",
        "requestParameters": parameters,
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLECIDEPLOY01:i-0abc",
            "arn": "arn:aws:sts::111122223333:assumed-role/ci-deploy/i-0abc",
            "accountId": "111122223333",
            "sessionContext": {"sessionIssuer": {
                "type": "Role",
                "principalId": "AROAEXAMPLECIDEPLOY01",
                "arn": "arn:aws:iam::111122223333:role/ci-deploy",
                "accountId": "111122223333",
                "userName": "ci-deploy",
            }},
        },
    })
}

/// The engine with its states in memory.
pub struct InMemory(Engine<MemoryStore, LeftToCaller>);

impl InMemory {
    pub fn new() -> Self {
        let settings = Settings::read([]).unwrap();
        Self(Engine::new(MemoryStore::default(), LeftToCaller, settings))
    }

    /// Delivers a denial that arrives this long after its event.
    pub fn deliver(&self, denial: &Denial, age: SignedDuration) -> Handled {
        // The store in memory never waits.
        self.0.handle(&aged(denial, age)).now_or_never().unwrap().unwrap()
    }
}

pub struct Replayed {
    pub lines: Vec<Value>,
    pub summary: Summary,
}

impl Replayed {
    pub fn findings(&self) -> impl Iterator<Item = &Value> {
        self.lines.iter().filter(|line| line["type"] == "finding")
    }

    pub fn decisions(&self) -> impl Iterator<Item = &Value> {
        self.lines.iter().filter(|line| line["type"] == "decision")
    }
}

/// The event that EventBridge makes of a record.
pub fn envelope(record: &Value) -> Value {
    json!({
        "version": "0",
        "id": "00000000-0000-0000-0000-000000000000",
        "detail-type": "AWS API Call via CloudTrail",
        "source": "aws.secretsmanager",
        "account": "111122223333",
        "time": record["eventTime"],
        "region": "eu-west-1",
        "resources": [],
        "detail": record,
    })
}

/// Replays in this process, with decisions.
pub fn replay(path: PathBuf) -> Replayed {
    let options = Options {
        input: Input { paths: vec![path], ..Input::default() },
        format: Format::JsonLines { decisions: true },
        ..Options::default()
    };
    let mut output = Vec::new();
    let settings = Settings::read([]).unwrap();
    let summary = rattle::replay::replay(&options, &settings, &mut output, &mut Silent).unwrap();
    let lines = output
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(
        summary.records_read,
        summary.counted
            + summary.duplicate
            + summary.saturated
            + summary.ignored
            + summary.rejected,
        "the counters reconcile"
    );
    Replayed { lines, summary }
}

pub struct Silent;

impl Watcher for Silent {
    fn begins(&mut self, _: u64, _: &Arc<AtomicU64>) {}
    fn reads(&mut self) {}
    fn rejects(&mut self, _: &RejectedInput) {}
}

/// Runs `rattle` with this text on its standard input.
pub fn rattle(arguments: &[&str], input: &[u8]) -> Output {
    rattle_with(arguments, input, &[])
}

pub fn rattle_with(arguments: &[&str], input: &[u8], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rattle"));
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || match stdin.write_all(&input) {
        // A run that stops early does not read all its input.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        other => other.unwrap(),
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A folder that is removed when the test ends.
pub struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rattle-test-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A denial that arrives this long after its event.
pub fn aged(denial: &Denial, age: SignedDuration) -> Delivery<'_> {
    Delivery { denial, arrived: denial.time() + age }
}

/// A finding with this id that waits to be sent, leased at this second.
pub fn waiting(id: &str, leased_at: i64) -> Outbox {
    let deliveries = InMemory::new();
    let found = (0..5).find_map(|i| {
        let denial = denial_of(MONDAY + i, &format!("waiting-{i}"), &format!("s{i}"));
        deliveries.deliver(&denial, SignedDuration::ZERO).finding
    });
    Outbox { finding: Finding { id: id.to_owned(), ..found.unwrap() }, owner: None, leased_at }
}
