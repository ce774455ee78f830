//! The labelled traces: the findings each must raise, and when.

use serde_json::Value;

use crate::support::{project_file, rattle, replay, stderr, stdout};

/// An attack's first event, the denials until its first alert, and the seconds until then.
struct Attack {
    trace: &'static str,
    begins: &'static str,
    denials: usize,
    seconds: i64,
}

const ATTACKS: [Attack; 6] = [
    Attack { trace: "attack-cold-start", begins: "2026-02-17T11:02:40Z", denials: 5, seconds: 22 },
    Attack { trace: "attack-fast", begins: "2026-01-26T02:15:07Z", denials: 5, seconds: 4 },
    Attack { trace: "attack-medium", begins: "2026-01-17T14:31:12Z", denials: 5, seconds: 129 },
    Attack { trace: "attack-ramp", begins: "2026-02-09T06:20:15Z", denials: 51, seconds: 315_776 },
    Attack { trace: "attack-slow", begins: "2026-01-27T20:05:31Z", denials: 5, seconds: 2_371 },
    Attack {
        trace: "attack-very-slow",
        begins: "2026-02-02T21:48:03Z",
        denials: 20,
        seconds: 50_468,
    },
];

/// Silent from the first denial on.
const SILENT: [&str; 5] = [
    "benign-daily-cron",
    "benign-deploy-burst",
    "benign-hourly-cron",
    "benign-new-principal",
    "benign-steady-drip",
];

/// Only low findings while the baseline is learned, and none from that day on.
const LEARNT: [(&str, &str); 1] = [("benign-retry-storm", "2026-02-05")];

fn findings_of(trace: &str) -> (Vec<Value>, Vec<Value>) {
    let path = project_file(&format!("events/traces/{trace}.jsonl"));
    let replayed = replay(path);
    assert_eq!(replayed.summary.rejected, 0);
    (replayed.decisions().cloned().collect(), replayed.findings().cloned().collect())
}

#[test]
fn every_trace_is_labelled() {
    let mut labelled: Vec<String> = ATTACKS.iter().map(|attack| attack.trace.to_owned()).collect();
    labelled.extend(SILENT.iter().map(ToString::to_string));
    labelled.extend(LEARNT.iter().map(|(trace, _)| (*trace).to_owned()));
    labelled.sort();
    let mut there: Vec<String> = std::fs::read_dir(project_file("events/traces"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    there.sort();
    assert_eq!(labelled, there);
}

#[test]
fn every_attack_fires_after_the_denials_and_the_time_stated() {
    for attack in ATTACKS {
        let (decisions, _) = findings_of(attack.trace);
        let of_attack: Vec<&Value> = decisions
            .iter()
            .filter(|line| line["event_time"].as_str().unwrap() >= attack.begins)
            .collect();
        assert_eq!(of_attack[0]["event_time"], attack.begins, "{}", attack.trace);
        let first = of_attack.iter().position(|line| line["alert"] == true).unwrap();
        let seconds =
            seconds_of(&of_attack[first]["event_time"]) - seconds_of(&of_attack[0]["event_time"]);
        assert_eq!((first + 1, seconds), (attack.denials, attack.seconds), "{}", attack.trace);
        let before = decisions.len() - of_attack.len();
        assert!(
            decisions[..before].iter().all(|line| line["alert"] == false),
            "{} is silent before its attack",
            attack.trace
        );
    }
}

fn seconds_of(time: &Value) -> i64 {
    time.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second()
}

#[test]
fn every_benign_trace_is_silent_once_it_is_learnt() {
    for trace in SILENT {
        assert_eq!(findings_of(trace).1, Vec::<Value>::new(), "{trace}");
    }
    for (trace, learnt) in LEARNT {
        for finding in findings_of(trace).1 {
            assert_eq!(finding["severity"], "low", "{trace}: {finding}");
            assert!(finding["last_denial"].as_str().unwrap() < learnt, "{trace}: {finding}");
        }
    }
}

#[test]
fn a_benign_trace_gives_at_most_one_alert_and_none_to_a_pager() {
    for trace in SILENT.into_iter().chain(LEARNT.map(|(trace, _)| trace)) {
        let path = format!("events/traces/{trace}.jsonl");
        let output = rattle(&["replay", "--summary", "json", &path], b"");
        let summary: Value = serde_json::from_str(stderr(&output).trim()).unwrap();
        let sent = stdout(&output).matches("Subject: ").count() as u64;
        assert_eq!(
            sent,
            summary["findings"].as_u64().unwrap() - summary["repeated"].as_u64().unwrap()
        );
        assert!(sent <= 1, "{trace}: {sent} alerts");
        assert_eq!(stdout(&output).matches("Subject: ALARM: [Rattle low]").count() as u64, sent);
    }
}

#[test]
fn the_findings_of_all_traces_are_as_recorded() {
    let mut text = String::new();
    for trace in ATTACKS.iter().map(|attack| attack.trace).chain(LEARNT.map(|(trace, _)| trace)) {
        text.push_str(&format!("{trace}\n"));
        for finding in findings_of(trace).1 {
            let string = |value: &Value| value.as_str().unwrap().to_owned();
            text.push_str(&format!(
                "  {} {:6} {:6} {}\n    {}\n",
                string(&finding["last_denial"]),
                string(&finding["status"]),
                string(&finding["severity"]),
                string(&finding["title"]),
                string(&finding["explanation"]),
            ));
        }
    }
    insta::assert_snapshot!("findings of all traces", text);
}

/// One file with all traces: principals do not affect each other.
#[test]
fn the_whole_folder_gives_the_findings_of_its_traces_and_no_other() {
    let together = replay(project_file("events"));
    let alone: usize = ATTACKS
        .iter()
        .map(|attack| attack.trace)
        .chain(LEARNT.map(|(trace, _)| trace))
        .map(|trace| findings_of(trace).1.len())
        .sum();
    assert_eq!(together.findings().count(), alone);
    let ids: std::collections::BTreeSet<&str> =
        together.findings().map(|finding| finding["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), alone, "each finding has its own id");
}
