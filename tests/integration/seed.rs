//! `rattle seed` against a real DynamoDB API: after a warm start the findings are those of one
//! continuous replay, and nothing newer is lost.

use std::process::Output;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use rattle::cloudtrail::{Delivery, Denial};
use rattle::engine::Engine;
use rattle::replay::scanner::{Scanned, Scanner};
use rattle::settings::Settings;
use rattle::sink::LeftToCaller;
use rattle::store::dynamodb::{DynamoDbStore, Seeded};
use rattle::store::memory::MemoryStore;
use rattle::store::{Store as _, StoredState};
use serde_json::Value;

use crate::local_aws::{local_aws, table};
use crate::support::{
    MONDAY, TemporaryFolder, denial_of, project_file, rattle_with, stderr, stdout,
};

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

fn settings() -> Settings {
    Settings::read([]).unwrap()
}

fn seed(arguments: &[&str]) -> Output {
    let variables = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "111122223333"),
        ("AWS_SECRET_ACCESS_KEY", "unused"),
        ("AWS_ENDPOINT_URL", local_aws()),
    ];
    rattle_with(&[&["seed"], arguments].concat(), b"", &variables)
}

/// Lines of a trace with all times moved so that the last lies shortly before now, because a state
/// that was last seen more than 90 days ago has expired.
fn recent(trace: &str, days: i64) -> Vec<String> {
    let text =
        std::fs::read_to_string(project_file(&format!("events/traces/{trace}.jsonl"))).unwrap();
    text.lines()
        .map(|line| {
            let mut record: Value = serde_json::from_str(line).unwrap();
            let time: Timestamp = record["eventTime"].as_str().unwrap().parse().unwrap();
            let moved = time + SignedDuration::from_hours(24 * days);
            record["eventTime"] = Value::from(moved.to_string());
            record.to_string()
        })
        .collect()
}

fn denials(lines: &[String]) -> Vec<Denial> {
    Scanner::new(lines.join("\n").as_bytes())
        .map(|item| match item.unwrap() {
            Scanned::Denial(denial) => *denial,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// Moves by whole generations of known secrets, so that the known secrets stay the same.
#[expect(clippy::disallowed_methods, reason = "a state expires after 90 days")]
fn days_until_now(trace: &str) -> i64 {
    let last = denials(&recent(trace, 0)).last().unwrap().time();
    let now = Timestamp::try_from(std::time::SystemTime::now()).unwrap();
    now.duration_since(last).as_hours() / 24 / 14 * 14
}

#[test]
fn seeded_and_then_live_it_finds_what_one_continuous_replay_finds() {
    run(async {
        let client = table("seeded").await;
        let mut compared = 0;
        for trace in
            ["attack-fast", "attack-medium", "attack-ramp", "attack-slow", "attack-very-slow"]
        {
            let lines = recent(trace, days_until_now(trace));
            let cut = lines.len() / 2;
            let folder = TemporaryFolder::new(&format!("seed-{trace}"));
            let history = folder.write("history.jsonl", lines[..cut].join("\n"));
            let output = seed(&[history.to_str().unwrap(), "--table", "seeded"]);
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            assert!(
                stdout(&output).starts_with("1 of 1 principals written\n"),
                "{}",
                stdout(&output)
            );

            let continuous = Engine::new(MemoryStore::default(), LeftToCaller, settings());
            let live =
                Engine::new(DynamoDbStore::new(client.clone(), "seeded"), LeftToCaller, settings());
            for (i, denial) in denials(&lines).iter().enumerate() {
                let now = denial.time();
                let expected = continuous.handle(&Delivery { denial, arrived: now }).await.unwrap();
                if i >= cut {
                    let actual = live.handle(&Delivery { denial, arrived: now }).await.unwrap();
                    assert_eq!(actual.finding, expected.finding, "{trace}, {i}");
                    assert_eq!(actual.assessment, expected.assessment, "{trace}, {i}");
                    compared += usize::from(expected.finding.is_some());
                }
            }
            let key = denials(&lines)[0].principal().key().clone();
            let stored = live.store().read(&key).await.unwrap().unwrap();
            assert_eq!(stored.state, continuous.store().stored(&key).unwrap().state);
        }
        assert!(compared >= 5, "only {compared} findings after the seed");
    });
}

#[test]
fn a_dry_run_says_what_would_be_written_and_writes_nothing() {
    run(async {
        let client = table("dry").await;
        let folder = TemporaryFolder::new("dry");
        let lines = recent("attack-fast", days_until_now("attack-fast"));
        let history = folder.write(
            "AWSLogs/2026/1/history.json.gz",
            crate::support::gzip(lines.join("\n").as_bytes()),
        );
        let folder = history.parent().unwrap().to_str().unwrap();
        let dry = seed(&[folder, "--table", "dry", "--dry-run"]);
        assert_eq!(stdout(&dry), "1 of 1 principals would be written\n       1 new\n");
        let scanned = client.scan().table_name("dry").send().await.unwrap();
        assert_eq!(scanned.count(), 0);
        let wet = seed(&[folder, "--table", "dry"]);
        assert_eq!(stdout(&wet), "1 of 1 principals written\n       1 new\n");
        let again = seed(&[folder, "--table", "dry"]);
        assert_eq!(
            stdout(&again),
            "0 of 1 principals written\n       1 left as it is: the table's is as new, or newer\n"
        );
        let old = seed(&["events/traces/attack-fast.jsonl", "--table", "dry"]);
        assert_eq!(
            stdout(&old),
            "0 of 1 principals written\n       1 left out: last refused more than 90 days ago\n"
        );
        let missing = seed(&[folder, "--table", "no-such-table"]);
        assert_eq!(missing.status.code(), Some(2));
        assert!(stderr(&missing).contains("ResourceNotFoundException"), "{}", stderr(&missing));
        assert_eq!(seed(&[folder, "--table", "x"]).status.code(), Some(2), "x is not a table name");
    });
}

/// A state with denials at these seconds.
fn state(seconds: &[i64]) -> StoredState {
    let memory = MemoryStore::default();
    let settings = settings();
    for at in seconds {
        let denial = denial_of(MONDAY + at, &format!("e{at}"), "prod/db");
        run(memory.receive(&Delivery::on_time(&denial), &settings.policy)).unwrap();
    }
    memory.into_states().remove(0)
}

const HOUR: i64 = 3600;

#[test]
fn nothing_newer_longer_or_waiting_is_ever_replaced() {
    let now = Timestamp::from_second(MONDAY + 90 * HOUR).unwrap();
    let short = state(&[10 * HOUR]);
    let long = state(&[0, 10 * HOUR, 20 * HOUR]);
    let later = state(&[15 * HOUR]);
    let older = state(&[0, 5 * HOUR]);
    let (newest, longest) = (state(&[30 * HOUR]), state(&[0, 40 * HOUR]));
    run(async {
        let client = table("seed-kept").await;
        let store = || DynamoDbStore::new(client.clone(), "seed-kept");
        let stored = async || store().read(&long.key).await.unwrap().unwrap();
        assert_eq!(store().seed(&later, now, false).await.unwrap(), Seeded::New);
        let before = stored().await;
        for (state, reason) in
            [(&short, Seeded::Newer), (&older, Seeded::Newer), (&later, Seeded::Newer)]
        {
            assert_eq!(store().seed(state, now, false).await.unwrap(), reason);
            assert_eq!(stored().await, before);
        }
        // A mute set by hand stays when the state is replaced.
        let key = ("principal".to_owned(), AttributeValue::S(long.key.to_string()));
        let mute = client.update_item().table_name("seed-kept").set_key(Some([key.clone()].into()));
        mute.update_expression("SET muted_until = :until")
            .expression_attribute_values(":until", AttributeValue::N("99".to_owned()))
            .send()
            .await
            .unwrap();
        assert_eq!(store().seed(&long, now, true).await.unwrap(), Seeded::Replaced);
        assert_eq!(stored().await.state, before.state, "a dry run writes nothing");
        assert_eq!(store().seed(&long, now, false).await.unwrap(), Seeded::Replaced);
        let replaced = stored().await;
        assert_eq!(replaced.state, long.state);
        assert_eq!((replaced.muted_until, replaced.version), (99, before.version + 1));

        // A state that goes back further is not replaced, even if it is older.
        assert_eq!(store().seed(&newest, now, false).await.unwrap(), Seeded::LongerHistory);
        // Nor is one with a finding that waits to be sent.
        let waits =
            client.update_item().table_name("seed-kept").set_key(Some([key.clone()].into()));
        let finding = finding_of_an_attack().await;
        waits
            .update_expression("SET pending = :pending")
            .expression_attribute_values(":pending", finding)
            .send()
            .await
            .unwrap();
        assert_eq!(store().seed(&longest, now, false).await.unwrap(), Seeded::Pending);
        // An item that cannot be read is left alone.
        let spoil = client.update_item().table_name("seed-kept").set_key(Some([key].into()));
        spoil
            .update_expression("SET #format = :format")
            .expression_attribute_names("#format", "format")
            .expression_attribute_values(":format", AttributeValue::N("2".to_owned()))
            .send()
            .await
            .unwrap();
        assert_eq!(store().seed(&longest, now, false).await.unwrap(), Seeded::Unreadable);
        // Once retention has passed, the item counts as absent, and so does the state.
        let after = Timestamp::from_second(MONDAY + 200 * 24 * HOUR).unwrap();
        assert_eq!(store().seed(&longest, after, false).await.unwrap(), Seeded::Expired);
    });
}

async fn finding_of_an_attack() -> AttributeValue {
    let engine = Engine::new(MemoryStore::default(), LeftToCaller, settings());
    for i in 0..5 {
        let denial = denial_of(MONDAY + i, &format!("a{i}"), &format!("s{i}"));
        let handled = engine.handle(&Delivery::on_time(&denial)).await.unwrap();
        if let Some(finding) = handled.finding {
            return rattle::store::dynamodb::encode::encode_outbox(&rattle::store::Outbox {
                finding,
                owner: Some(denial.digest()),
                leased_at: denial.time().as_second(),
            });
        }
    }
    panic!("five secrets must raise a finding");
}
