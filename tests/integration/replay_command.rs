//! `rattle replay` as a command: output, summary, counters and exit codes.

use rattle::settings::{MODE, SETTINGS, WATCH_READS, WEEKLY_DIGEST};
use serde_json::{Value, json};

use crate::support::{
    MONDAY, TemporaryFolder, gzip, project_file, rattle, rattle_with, record, stderr, stdout,
};

/// This many denied reads of different secrets, one per second.
fn enumeration(denials: i64) -> Vec<Value> {
    let denied =
        |i| record((MONDAY + i) as f64, &format!("e{i:03}"), &[format!("prod/secret-{i}")]);
    (0..denials).map(denied).collect()
}

fn lines(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The summary is the last line on standard error.
fn summary(output: &std::process::Output) -> Value {
    serde_json::from_str(stderr(output).lines().last().unwrap()).unwrap()
}

#[test]
fn an_enumeration_is_told_as_an_email_and_summed_up() {
    let output = rattle(&["replay", "-"], lines(&enumeration(30)).as_bytes());
    assert_eq!(output.status.code(), Some(0));
    let text = stdout(&output);
    let title = "5 denied reads of 5 secrets in 5 minutes by role ci-deploy";
    let first =
        "MEDIUM: role ci-deploy, account 111122223333, eu-west-1\n5 denied reads of 5 secrets";
    assert!(
        text.starts_with(&format!("Subject: ALARM: [Rattle medium] {title}\n\n{first}")),
        "{text}"
    );
    assert_eq!(
        stderr(&output),
        "30 records read from 1 file: 30 denials, 0 ignored, 0 rejected\n\
         denials: 30 counted (0 late), 0 duplicate, 0 saturated; 1 principal\n\
         1 finding: 0 high, 1 medium, 0 low\n"
    );
}

#[test]
fn a_finding_has_every_field_of_its_schema() {
    let output = rattle(&["replay", "--format", "jsonl", "-"], lines(&enumeration(5)).as_bytes());
    let findings = json_lines(&stdout(&output));
    assert_eq!(findings.len(), 1);
    let finding = &findings[0];
    assert_eq!(finding["id"].as_str().unwrap().len(), 32);
    let mut known = finding.clone();
    for computed in ["id", "episode", "baseline", "deviation", "explanation", "evidence"] {
        known.as_object_mut().unwrap().remove(computed);
    }
    assert_eq!(
        known,
        json!({
            "type": "finding", "schema": "rattle.finding/1", "status": "open",
            "severity": "medium",
            "title": "5 denied reads of 5 secrets in 5 minutes by role ci-deploy",
            "account": "111122223333", "region": "eu-west-1",
            "principal": {
                "key": "111122223333#AROAEXAMPLECIDEPLOY01", "type": "AssumedRole",
                "arn": "arn:aws:iam::111122223333:role/ci-deploy", "name": "ci-deploy",
                "session": "i-0abc",
            },
            "signal": "secrets", "scale": "5m", "observed": 5, "threshold": 4.0,
            "denials": {"5m": 5, "1h": 5, "1d": 5}, "secrets": {"5m": 5, "1h": 5, "1d": 5},
            "first_denial": "2026-01-05T00:00:00Z", "last_denial": "2026-01-05T00:00:04Z",
            "attack": {"tactic": "TA0006", "technique": "T1555.006"},
        })
    );
    let baseline = &finding["baseline"];
    assert_eq!(baseline["history_days"], 0.0);
    assert!(baseline["mean"].is_f64() && baseline["sd"].is_f64());
    assert!((finding["deviation"].as_f64().unwrap() - 4.275).abs() < 1e-3);
    assert_eq!(
        finding["explanation"],
        "5 new secrets in 5 minutes; usual for this principal: 0.001 ± 0.042 (first seen now); 4.3 sigma (threshold 4)"
    );
    let evidence = finding["evidence"].as_array().unwrap();
    assert_eq!(
        evidence[0],
        json!({"time": "2026-01-05T00:00:04Z", "secret": "prod/secret-4",
               "source_ip": "198.51.100.7", "session": "i-0abc", "cause": "identity-based policy"})
    );
}

#[test]
fn decisions_say_for_each_denial_what_was_weighed() {
    let mut records = enumeration(6);
    records.push(records[5].clone());
    let arguments = ["replay", "--format", "jsonl", "--decisions", "--summary", "json", "-"];
    let output = rattle(&arguments, lines(&records).as_bytes());
    let lines = json_lines(&stdout(&output));
    let decisions: Vec<&Value> = lines.iter().filter(|line| line["type"] == "decision").collect();
    assert_eq!(decisions.len(), 7);
    let outcomes: Vec<&str> =
        decisions.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes[5..], ["counted", "duplicate"]);
    assert_eq!(decisions[4]["alert"], true);
    assert_eq!(decisions.iter().filter(|line| line["alert"] == true).count(), 1);
    assert_eq!(
        lines.iter().position(|line| line["type"] == "finding"),
        Some(5),
        "after its denial"
    );
    let first = decisions[0];
    assert_eq!(first["event_id"], "e000");
    assert_eq!(first["event_time"], "2026-01-05T00:00:00Z");
    assert_eq!(first["principal"], "111122223333#AROAEXAMPLECIDEPLOY01");
    let rows: Vec<(&str, &str)> = first["assessments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["signal"].as_str().unwrap(), row["scale"].as_str().unwrap()))
        .collect();
    let expected = ["denials", "secrets"]
        .into_iter()
        .flat_map(|signal| ["5m", "1h", "1d"].map(|scale| (signal, scale)));
    assert_eq!(rows, expected.collect::<Vec<_>>());
    // The decimal text parses back to exactly the same number.
    let text = stdout(&output);
    assert!(text.contains("\"mean\":0.001736111111111111,"), "{text}");
    let summary = summary(&output);
    assert_eq!(
        (&summary["records_read"], &summary["counted"], &summary["duplicate"]),
        (&json!(7), &json!(6), &json!(1))
    );
}

#[test]
fn the_same_input_gives_the_same_output_on_every_run() {
    let arguments = ["replay", "--format", "jsonl", "--decisions", "events/traces"];
    let first = rattle(&arguments, b"");
    let second = rattle(&arguments, b"");
    assert!(first.stdout == second.stdout && first.stderr == second.stderr);
}

#[test]
fn the_order_of_the_input_does_not_matter_unless_asked() {
    let mut records = enumeration(30);
    let sorted = rattle(&["replay", "-"], lines(&records).as_bytes());
    records.reverse();
    let reversed = rattle(&["replay", "-"], lines(&records).as_bytes());
    assert_eq!(stdout(&sorted), stdout(&reversed));

    // In order of arrival every denial but the first is late, and one that is more than 20 minutes
    // late is not counted as part of a burst.
    let at = |seconds: i64, i: i64| {
        record((MONDAY + seconds) as f64, &format!("a{i}"), &["prod/db".to_owned()])
    };
    let late = [at(7_200, 0), at(7_000, 1), at(6_000, 2), at(5_999, 3), at(0, 4)];
    let arguments = [
        "replay",
        "--order",
        "arrival",
        "--format",
        "jsonl",
        "--decisions",
        "--summary",
        "json",
        "-",
    ];
    let output = rattle(&arguments, lines(&late).as_bytes());
    let observed: Vec<(u64, u64)> = json_lines(&stdout(&output))
        .iter()
        .map(|line| {
            let rows = &line["assessments"];
            (rows[0]["observed"].as_u64().unwrap(), rows[1]["observed"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(observed, [(1, 1), (2, 2), (3, 3), (3, 4), (3, 5)]);
    assert_eq!(summary(&output)["late"], 4);
}

#[test]
fn the_exit_code_tells_findings_only_when_asked() {
    let found = lines(&enumeration(5));
    let quiet = lines(&enumeration(2));
    assert_eq!(rattle(&["replay", "-"], found.as_bytes()).status.code(), Some(0));
    assert_eq!(rattle(&["replay", "--exit-code", "-"], found.as_bytes()).status.code(), Some(1));
    assert_eq!(rattle(&["replay", "--exit-code", "-"], quiet.as_bytes()).status.code(), Some(0));
}

#[test]
fn a_malformed_record_is_reported_and_stops_the_run_only_when_strict() {
    let mut text = lines(&enumeration(5));
    text.push_str("{\"eventSource\":\n");
    text.push_str(&lines(&enumeration(6)[5..]));
    let output = rattle(&["replay", "--summary", "json", "-"], text.as_bytes());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output).lines().count(), 1, "nothing but the summary is printed");
    let summary = summary(&output);
    assert_eq!((&summary["counted"], &summary["rejected"]), (&json!(6), &json!(1)));
    assert_eq!(summary["rejections"][0]["file"], "standard input");
    assert_eq!(summary["rejections"][0]["line"], 6);

    let rejected = rattle(&["replay", "-"], text.as_bytes());
    assert!(stderr(&rejected).starts_with("rattle: standard input: line 6, byte "));

    let strict = rattle(&["replay", "--strict", "-"], text.as_bytes());
    assert_eq!(strict.status.code(), Some(2));
    assert!(stderr(&strict).starts_with("rattle: standard input: line 6, byte "));
}

#[test]
fn very_many_malformed_records_are_listed_up_to_a_thousand_and_all_counted() {
    let text = "{}\n".repeat(1_500);
    let output = rattle(&["replay", "-"], text.as_bytes());
    let complaints = stderr(&output);
    let listed = complaints.lines().filter(|line| line.starts_with("rattle: ")).count();
    assert_eq!(listed, 1_000);
    assert!(complaints.contains("rejected: 500 more than the 1000 that were listed"));
    assert!(complaints.contains("1500 rejected"));
}

#[test]
fn folders_gzip_and_standard_input_are_read_in_order() {
    let folder = TemporaryFolder::new("sources");
    let records = enumeration(6);
    folder.write("b/2.json", json!({"Records": records[0..2]}).to_string());
    let packed = gzip(json!({"Records": records[2..4]}).to_string().as_bytes());
    folder.write("a/no-extension", packed);
    folder.write("empty", "");
    let several =
        [gzip(records[4].to_string().as_bytes()), gzip(records[5].to_string().as_bytes())];
    let path = folder.path().to_str().unwrap();
    let output = rattle(&["replay", "--summary", "json", path, "-"], &several.concat());
    let summary = summary(&output);
    assert_eq!((&summary["files"], &summary["counted"]), (&json!(4), &json!(6)), "{summary}");
    assert_eq!(summary["findings"], 1);
}

#[test]
fn what_cannot_be_read_stops_the_run_and_is_named() {
    for (arguments, complaint) in [
        (["replay", "no-such-file"], "rattle: no-such-file: cannot be read: "),
        (["replay", "/proc/self/mem"], "rattle: /proc/self/mem: cannot be read"),
    ] {
        let output = rattle(&arguments, b"");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).starts_with(complaint), "{}", stderr(&output));
    }
    let folder = TemporaryFolder::new("loop");
    std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).unwrap();
    let output = rattle(&["replay", folder.path().to_str().unwrap()], b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("a link leads back to a folder around it"));
}

#[test]
fn settings_come_from_flags_and_variables_and_a_flag_wins() {
    let found = lines(&enumeration(5));
    let findings = |arguments: &[&str], variables: &[(&str, &str)]| {
        let arguments = [&["replay", "--summary", "json", "-"], arguments].concat();
        summary(&rattle_with(&arguments, found.as_bytes(), variables))["findings"].clone()
    };
    assert_eq!(findings(&[], &[]), 1);
    assert_eq!(findings(&["--min-secrets", "6"], &[]), 0);
    assert_eq!(findings(&[], &[("RATTLE_MIN_SECRETS", "6")]), 0);
    assert_eq!(findings(&["--min-secrets=5"], &[("RATTLE_MIN_SECRETS", "6")]), 1);
    assert_eq!(findings(&["--secrets-threshold", "4.5"], &[]), 0);
}

#[test]
fn all_faults_of_the_settings_are_told_at_once() {
    let output = rattle_with(
        &["replay", "--quiet-minutes", "7", "--half-life-days", "0", "-"],
        b"",
        &[("RATTLE_SECRET_THRESHOLD", "4"), ("RATTLE_REMIND_HOURS", "a day")],
    );
    assert_eq!(output.status.code(), Some(2));
    let complaint = stderr(&output);
    assert!(complaint.starts_with("rattle: settings cannot be used:\nRATTLE_"), "{complaint}");
    for fault in [
        "RATTLE_QUIET_MINUTES is \"7\"; allowed: a multiple of 5 from 5 to 1440",
        "RATTLE_HALF_LIFE_DAYS is \"0\"; allowed: days from 0.25 to 365",
        "RATTLE_REMIND_HOURS is \"a day\"; allowed: a whole number from 1 to 720",
        "RATTLE_SECRET_THRESHOLD is no setting",
    ] {
        assert!(complaint.contains(fault), "{complaint}");
    }
}

#[test]
fn an_ignored_principal_is_counted_and_never_assessed() {
    let found = lines(&enumeration(30));
    for glob in [
        "arn:aws:iam::111122223333:role/ci-*",
        "x,arn:aws:sts::*:assumed-role/ci-deploy/*",
        "*ci-deploy",
        "*",
    ] {
        let arguments = ["replay", "--summary", "json", "--ignore", glob, "-"];
        let summary = summary(&rattle(&arguments, found.as_bytes()));
        assert_eq!(summary["ignored_by_setting"], 30, "{glob}");
        assert_eq!((&summary["ignored"], &summary["denials"]), (&json!(30), &json!(0)));
        assert_eq!(summary["findings"], 0, "{glob}");
    }
    let arguments = ["replay", "--summary", "json", "--ignore", "*role/ci-other*", "-"];
    assert_eq!(summary(&rattle(&arguments, found.as_bytes()))["findings"], 1);
}

#[test]
fn everyone_can_be_ignored_and_each_by_the_glob_of_its_alert() {
    let all = ["replay", "--summary", "json", "--ignore", "*", "events"];
    assert_eq!(summary(&rattle(&all, b""))["denials"], 0);

    let every_denial = [
        "replay",
        "--min-denials=1",
        "--min-secrets=1",
        "--secrets-threshold=1",
        "--denials-threshold=1",
        "--summary=json",
    ];
    for entry in std::fs::read_dir(project_file("events")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let path = path.to_str().unwrap();
        let output = rattle(&[&every_denial[..], &[path]].concat(), b"");
        let text = stdout(&output);
        let Some((_, glob)) = text.split_once("RATTLE_IGNORE=") else { continue };
        let (glob, _) = glob.split_once('\n').unwrap();
        let output = rattle(&[&every_denial[..], &["--ignore", glob, path]].concat(), b"");
        let summary = summary(&output);
        assert_eq!(summary["findings"], 0, "{path}: {glob}");
        assert!(summary["ignored_by_setting"].as_u64().unwrap() > 0, "{path}: {glob}");
    }
}

#[test]
fn what_the_storm_guard_would_hold_back_is_counted() {
    let mut records = Vec::new();
    for principal in 0..4 {
        for mut record in enumeration(5) {
            let id = format!("{principal}-{}", record["eventID"].as_str().unwrap());
            record["eventID"] = json!(id);
            record["userIdentity"]["sessionContext"]["sessionIssuer"]["principalId"] =
                json!(format!("AROAEXAMPLE{principal}"));
            records.push(record);
        }
    }
    let arguments = ["replay", "--max-alerts-per-hour", "3", "--format", "jsonl", "-"];
    let output = rattle(&arguments, lines(&records).as_bytes());
    assert_eq!(json_lines(&stdout(&output)).len(), 4, "a replay shows every finding");
    assert!(stderr(&output).contains("the storm guard would hold back 1 of them"));
}

#[test]
fn help_and_completions_are_there() {
    let help = rattle(&["replay", "--help"], b"");
    assert_eq!(help.status.code(), Some(0));
    for word in ["--decisions", "--order", "RATTLE_MIN_SECRETS", "Exit status", "Examples"] {
        assert!(stdout(&help).contains(word), "{word}");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = rattle(&["completions", shell], b"");
        assert_eq!(script.status.code(), Some(0), "{shell}");
        assert!(stdout(&script).contains("half-life-days"), "{shell}");
    }
    assert_eq!(rattle(&[], b"").status.code(), Some(2));
    assert_eq!(rattle(&["replay"], b"").status.code(), Some(2));
    assert_eq!(rattle(&["replay", "--decisions", "-"], b"").status.code(), Some(2));
}

#[test]
fn the_help_states_the_defaults_that_are_in_force() {
    let help = stdout(&rattle(&["replay", "--help"], b""));
    // These settings do not affect a replay: it sends nothing, has no week, and reads only denials.
    let of_the_function = [MODE, WEEKLY_DIGEST, WATCH_READS];
    let settings = SETTINGS.iter().filter(|setting| !setting.default.is_empty());
    for setting in settings.filter(|setting| !of_the_function.contains(setting)) {
        let flag = setting.variable.replace("RATTLE_", "--").replace('_', "-").to_lowercase();
        let (_, about) = help.split_once(&format!("{flag} <")).unwrap();
        let (about, _) = about.split_once("\n\n").unwrap();
        assert!(about.ends_with(&format!("[default: {}]", setting.default)), "{flag}: {about}");
    }
}

#[test]
fn whoever_closes_the_output_early_gets_no_complaint() {
    let command = format!(
        "\"{}\" replay --format jsonl --decisions events/traces | head -n 1",
        env!("CARGO_BIN_EXE_rattle")
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &command])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert_eq!(stdout(&output).lines().count(), 1);
    assert_eq!(stderr(&output), "");
}
