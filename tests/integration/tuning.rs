//! `rattle explain`, `sweep` and `check`, run as a user runs them and compared with the replay.

use serde_json::Value;

use crate::support::{TemporaryFolder, rattle, rattle_with, stderr, stdout};

fn replayed(arguments: &[&str]) -> Vec<Value> {
    let output =
        rattle(&[&["replay", "--format", "jsonl", "--decisions"], arguments].concat(), b"");
    stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn explained(arguments: &[&str]) -> Value {
    let output = rattle(&[&["explain", "--format", "json"], arguments].concat(), b"");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_str(&stdout(&output)).unwrap()
}

const TRACES: &str = "events/traces";

#[test]
fn a_receipt_reads_as_recorded() {
    for (name, arguments) in [
        ("explain, over the ceiling", &["--principal", "orders-worker"][..]),
        ("explain, a finding", &["--finding", "196a4a49d62aebc896b6ada4a327a013"]),
        (
            "explain, below the floor",
            &["--principal", "orders-worker", "--at", "2026-01-26T02:15:09Z"],
        ),
        (
            "explain, an open episode",
            &["--principal", "orders-worker", "--at", "2026-01-26T02:15:40Z"],
        ),
    ] {
        let output = rattle(&[&["explain", TRACES], arguments].concat(), b"");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        insta::assert_snapshot!(name, stdout(&output));
    }
}

/// Compares explanations with the replay's decisions, down to the last printed digit: of each
/// finding, and of some deliveries that raised none.
#[test]
fn a_receipt_has_the_numbers_of_the_replay() {
    let lines = replayed(&[TRACES]);
    let mut compared = 0;
    let mut last_decision = None;
    for (i, line) in lines.iter().enumerate() {
        if line["type"] == "decision" {
            last_decision = Some(line);
            if i % 400 != 0 {
                continue;
            }
            let time = line["event_time"].as_str().unwrap();
            let key = line["principal"].as_str().unwrap();
            let explanation = explained(&[TRACES, "--principal", key, "--at", time]);
            if explanation["event_id"] == line["event_id"] {
                assert_same(&explanation, line);
                compared += 1;
            }
            continue;
        }
        let explanation = explained(&[TRACES, "--finding", line["id"].as_str().unwrap()]);
        assert_same(&explanation, last_decision.unwrap());
        let reported = &explanation["reported"];
        assert_eq!(reported["finding"], line["id"]);
        assert_eq!(reported["signal"], line["signal"]);
        assert_eq!(reported["scale"], line["scale"]);
        assert_eq!(reported["observed"], line["observed"]);
        assert_eq!(reported["sigma"].to_string(), line["deviation"].to_string());
        compared += 1;
    }
    assert!(compared > 15, "{compared}");
}

fn assert_same(explanation: &Value, decision: &Value) {
    assert_eq!(explanation["event_id"], decision["event_id"]);
    assert_eq!(explanation["outcome"], decision["outcome"]);
    let rows = explanation["rows"].as_array().unwrap();
    for (row, assessed) in rows.iter().zip(decision["assessments"].as_array().unwrap()) {
        for field in ["signal", "scale", "observed", "mean", "sd", "sigma"] {
            // Printed numbers must be exactly equal, so the text is compared.
            assert_eq!(row[field].to_string(), assessed[field].to_string(), "{field}");
        }
    }
}

/// A change that `explain` says would have turned the decision does turn it in a replay.
#[test]
fn a_threshold_that_would_have_kept_it_silent_does() {
    let trace = "events/traces/attack-slow.jsonl";
    let first = |arguments: &[&str]| {
        let lines = replayed(&[arguments, &[trace]].concat());
        lines.into_iter().find(|line| line["type"] == "finding")
    };
    let finding = first(&[]).unwrap();
    let explanation = explained(&[trace, "--finding", finding["id"].as_str().unwrap()]);
    assert_eq!(explanation["reported"]["signal"], "secrets");
    let threshold = explanation["turned"][1]["threshold"].as_f64().unwrap();
    assert!(threshold > 4.0);
    let same_moment = |threshold: f64| {
        let set = format!("--secrets-threshold={threshold:.1}");
        first(&[&set]).is_some_and(|other| other["last_denial"] == finding["last_denial"])
    };
    assert!(!same_moment(threshold), "silent at {threshold}");
    assert!(same_moment(threshold - 0.1), "no report a tenth below");
    // Five secrets are the floor: one fewer raises no finding.
    assert_eq!(explanation["turned"][1]["events"], 1);
}

#[test]
fn a_principal_is_meant_by_key_arn_session_or_name_and_must_be_one() {
    let key = "111122223333#AROAEXAMPLEORDERSWK01";
    for name in [
        key,
        "AROAEXAMPLEORDERSWK01",
        "orders-worker",
        "arn:aws:iam::111122223333:role/orders-worker",
        "arn:aws:sts::111122223333:assumed-role/orders-worker/i-0abc",
    ] {
        assert_eq!(explained(&[TRACES, "--principal", name])["principal"], key, "{name}");
    }
    for (arguments, complaint) in [
        (&["--principal", "nobody"][..], "no denial in this history is by \"nobody\""),
        (&["--finding", "0"], "no finding of this history has the id \"0\""),
        (
            &["--principal", key, "--at", "2020-01-01T00:00:00Z"],
            "the first denial of this principal is later than that",
        ),
    ] {
        let output = rattle(&[&["explain", TRACES], arguments].concat(), b"");
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(complaint), "{}", stderr(&output));
    }
    let output = rattle(&["explain", TRACES], b"");
    assert_eq!(output.status.code(), Some(2), "it needs a principal or a finding");
}

#[test]
fn a_sweep_reads_as_recorded_on_any_number_of_threads() {
    let run = |threads: &str| {
        let output = rattle(&["sweep", "--budget=2/week", "--threads", threads, TRACES], b"");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    let text = run("1");
    assert_eq!(run("3"), text);
    insta::assert_snapshot!("sweep within two a week", text);
    let none = stdout(&rattle(&["sweep", "--budget", "0/day", TRACES], b""));
    insta::assert_snapshot!("sweep without a way", none);
}

/// The recommended settings give exactly the findings that the sweep printed; thresholds a tenth
/// lower give too many.
#[test]
fn the_choice_of_a_sweep_is_what_a_replay_finds_at_it() {
    let text = stdout(&rattle(&["sweep", "--budget", "2/week", TRACES], b""));
    let command = text.lines().find(|line| line.starts_with("rattle replay ")).unwrap();
    let flags: Vec<&str> = command.split(' ').skip(2).filter(|word| *word != "PATH...").collect();
    let found = |flags: &[&str]| {
        let lines = replayed(&[flags, &[TRACES]].concat());
        lines.iter().filter(|line| line["type"] == "finding").count()
    };
    let said = text.split(" findings in 46.1 days").next().unwrap();
    let said: usize = said.rsplit(' ').next().unwrap().parse().unwrap();
    assert_eq!(found(&flags), said);
    let weeks = 46.1 / 7.0;
    assert!(said as f64 / weeks <= 2.0);

    let lower: Vec<String> = flags
        .iter()
        .map(|flag| match flag.parse::<f64>() {
            Ok(threshold) => format!("{:.1}", threshold - 0.1),
            Err(_) => (*flag).to_owned(),
        })
        .collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    assert!(found(&lower) as f64 / weeks > 2.0, "{lower:?}");
}

#[test]
fn the_lines_of_a_sweep_are_those_that_a_deployment_takes() {
    let text = stdout(&rattle(&["sweep", "--budget", "2/week", TRACES], b""));
    let (_, list) = text.split_once("parameter_overrides = [").unwrap();
    let (list, _) = list.split_once("\n]\n").unwrap();
    let folder = TemporaryFolder::new("sweep");
    let config = format!("[default.deploy.parameters]\nparameter_overrides = [{list}\n]\n");
    let config = folder.write("samconfig.toml", config);
    let arguments = ["check", "--template", "template.yaml", "--config", config.to_str().unwrap()];
    let checked = stdout(&rattle(&arguments, b""));
    assert!(checked.contains("RATTLE_SECRETS_THRESHOLD    3.8\n"), "{checked}");
    assert!(checked.contains("RATTLE_DENIALS_THRESHOLD    4.8\n"), "{checked}");
}

#[test]
fn a_budget_is_a_number_a_day_a_week_or_a_month() {
    use rattle::analysis::sweep::Budget;
    let per_week = |text: &str| text.parse::<Budget>().map(|budget| budget.per_week());
    assert_eq!(per_week("2/week"), Ok(2.0));
    assert_eq!(per_week("1/day"), Ok(7.0));
    assert!((per_week("3/month").unwrap() - 0.7).abs() < 1e-12);
    for wrong in ["2", "2/year", "-1/week", "x/week", "NaN/week", ""] {
        assert!(per_week(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn check_takes_settings_as_the_function_does() {
    let function = [
        ("RATTLE_TABLE_NAME", "rattle"),
        ("RATTLE_TOPIC_ARN", "arn:aws:sns:eu-west-1:111122223333:rattle"),
    ];
    let good = rattle_with(&["check"], b"", &function);
    assert_eq!(good.status.code(), Some(0), "{}", stderr(&good));
    insta::assert_snapshot!("check of a shell", stdout(&good));

    let bad = rattle_with(&["check"], b"", &[("RATTLE_MIN_SECRETS", "0"), ("RATTLE_X", "1")]);
    assert_eq!(bad.status.code(), Some(2));
    let faults = rattle::settings::Settings::read_for_function(
        [("RATTLE_MIN_SECRETS", "0"), ("RATTLE_X", "1")].map(|(k, v)| (k.to_owned(), v.to_owned())),
    )
    .unwrap_err();
    assert_eq!(stderr(&bad), format!("rattle: settings cannot be used:\n{faults}\n"));
    assert_eq!(faults.0.len(), 4);
    assert_eq!(rattle(&["check", "--tuning"], b"").status.code(), Some(0));
}

#[test]
fn check_reads_a_file_of_variables_instead_of_the_shell() {
    let folder = TemporaryFolder::new("env");
    let file = folder.write(
        "rattle.env",
        "# tuned\nexport RATTLE_MIN_SECRETS=7\nRATTLE_IGNORE='arn:aws:iam::*:role/ci-*'\nPATH=x\n",
    );
    let path = file.to_str().unwrap();
    let arguments = ["check", "--tuning", "--env-file", path];
    let output = rattle_with(&arguments, b"", &[("RATTLE_MIN_DENIALS", "of the shell")]);
    let text = stdout(&output);
    assert!(text.contains("RATTLE_MIN_SECRETS          7\n"), "{text}{}", stderr(&output));
    assert!(text.contains("RATTLE_IGNORE               arn:aws:iam::*:role/ci-*\n"), "{text}");
    let missing = rattle(&["check", "--env-file", path], b"");
    assert!(stderr(&missing).contains("RATTLE_TABLE_NAME is not set"), "{}", stderr(&missing));
}

#[test]
fn check_follows_the_template_to_the_variables_of_the_function() {
    let check = |arguments: &[&str]| {
        rattle(&[&["check", "--template", "template.yaml"], arguments].concat(), b"")
    };
    let good = check(&["--config", "samconfig.toml"]);
    assert_eq!(good.status.code(), Some(0), "{}", stderr(&good));
    insta::assert_snapshot!("check of the template", stdout(&good));
    let set = check(&["--parameter", "Ignore=service:x*", "--parameter", "HalfLifeDays=3,4,5"]);
    assert!(stdout(&set).contains("RATTLE_IGNORE               service:x*\n"), "{}", stdout(&set));
    assert!(stdout(&set).contains("RATTLE_HALF_LIFE_DAYS       3,4,5\n"));
    for (arguments, complaint) in [
        (["--parameter", "MinSecrets=0"], "RATTLE_MIN_SECRETS is \"0\"; allowed: "),
        (["--parameter", "ChatTopicArn=x"], "RATTLE_CHAT_TOPIC_ARN is \"x\"; allowed: "),
        (["--parameter", "MinSecret=7"], "it has no parameter MinSecret"),
        (["--config", "Cargo.toml"], "there is no section default"),
    ] {
        let output = check(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(complaint), "{}", stderr(&output));
    }
    let folder = TemporaryFolder::new("samconfig");
    let file = folder.write(
        "samconfig.toml",
        "[prod.deploy.parameters]\nparameter_overrides = \"MinSecrets=\\\"8\\\" Ignore='a,b'\"\n",
    );
    let path = file.to_str().unwrap();
    let text = stdout(&check(&["--config", path, "--config-env", "prod"]));
    assert!(text.contains("RATTLE_MIN_SECRETS          8\n"), "{text}");
    assert!(text.contains("RATTLE_IGNORE               a,b\n"), "{text}");
}

/// Runs each command under `Examples` in every help text exactly as it is written there.
#[test]
fn every_example_of_a_help_text_runs() {
    let mut run = 0;
    for command in ["explain", "sweep", "check", "report"] {
        let help = stdout(&rattle(&[command, "--help"], b""));
        let (_, examples) = help.split_once("Example").unwrap();
        for line in examples.lines().filter_map(|line| line.trim().strip_prefix("rattle ")) {
            // Provides what the examples assume: a file of variables and a place for the page.
            let folder = TemporaryFolder::new("examples");
            let file = folder.write("rattle.env", "RATTLE_TABLE_NAME=rattle\nRATTLE_TOPIC_ARN=arn:aws:sns:eu-west-1:111122223333:rattle\n");
            let page = folder.path().join("report.html");
            let line = line
                .replace("rattle.env", file.to_str().unwrap())
                .replace("report.html", page.to_str().unwrap());
            let arguments: Vec<&str> = line.split_whitespace().collect();
            let output = rattle(&arguments, b"");
            assert_eq!(output.status.code(), Some(0), "{line}: {}", stderr(&output));
            run += 1;
        }
    }
    assert!(run >= 9, "{run}");
}

#[test]
fn a_report_is_one_page_of_which_the_text_is_as_recorded() {
    let page = stdout(&rattle(&["report", TRACES, "-o", "-"], b""));
    assert_eq!(stdout(&rattle(&["report", TRACES, "-o", "-", "--threads=1"], b"")), page);
    // Without styles and charts, which leaves the text of the page.
    let mut text = String::new();
    let mut rest = page.as_str();
    for (begin, end) in
        std::iter::once(("<style>", "</style>")).chain(std::iter::repeat(("<svg", "</svg>")))
    {
        let Some((before, after)) = rest.split_once(begin) else { break };
        text.push_str(before);
        rest = after.split_once(end).unwrap().1;
    }
    text.push_str(rest);
    let text = text.replace("</p>", "\n").replace("</tr>", "\n").replace("</td>", " | ");
    let mut plain = String::new();
    for part in text.split('<') {
        plain.push_str(part.split_once('>').map_or(part, |(_, words)| words));
    }
    insta::assert_snapshot!("report of all traces", plain);
}

/// Text that a caller chose is escaped on the page.
#[test]
fn nothing_that_a_caller_chose_is_markup_in_a_report() {
    use crate::support::{MONDAY, record};
    let hostile = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;";
    let lines: String = (0..30)
        .map(|i| {
            let mut record =
                record((MONDAY + i) as f64, &format!("e{i}"), &[format!("{hostile}{i}")]);
            record["sourceIPAddress"] = Value::from(hostile);
            record["awsRegion"] = Value::from(hostile);
            let identity = &mut record["userIdentity"];
            identity["principalId"] = Value::from(format!("AROAEXAMPLE:{hostile}"));
            let issuer = &mut identity["sessionContext"]["sessionIssuer"];
            issuer["userName"] = Value::from(hostile);
            issuer["arn"] = Value::from(format!("arn:aws:iam::111122223333:role/{hostile}"));
            format!("{record}\n")
        })
        .collect();
    let page = stdout(&rattle(&["report", "-", "-o", "-"], lines.as_bytes()));
    assert!(page.contains("&lt;script&gt;alert(1)"), "it is shown");
    for markup in ["<script", "<img", "onerror=alert(2)>\"", "&amp;\"'"] {
        assert!(!page.contains(markup), "{markup}");
    }
}
