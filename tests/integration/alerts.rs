//! Every rendering of an alert, in snapshots that a person should read because alerts are the
//! product.

use rattle::alert::email::Email;
use rattle::alert::machine::rattle::FindingLine;
use rattle::alert::machine::{asff, ocsf};
use rattle::alert::title::{subject, what};
use rattle::alert::{self, Deployment, chat, pager, sms::sms, storm};
use rattle::cloudtrail::principal::Principal;
use rattle::detection::finding::{EpisodeSummary, Finding, Reads, Severity, Status};
use rattle::disposition::Disposition;
use rattle::replay::scanner::{Scanned, Scanner};
use rattle::replay::sources::Source;
use rattle::text::Text;
use rattle::weekly_digest::{Week, WeeklyDigest};
use serde_json::{Value, json};

use crate::support::{InMemory, MONDAY, denial_of, parse, project_file, record};

const STATUSES: [Status; 3] = [Status::Open, Status::Update, Status::Resolved];

pub type Rendering = fn(&Finding) -> String;

pub const RENDERINGS: [(&str, Rendering); 7] = [
    ("email", |finding| {
        let Email { subject, body } = Email::about(finding, &deployment());
        format!("Subject: {subject}\n\n{body}")
    }),
    ("sms", sms),
    ("pager", |finding| {
        format!("Subject: {}\n\n{}", subject(finding), pretty(&pager::body(finding, &deployment())))
    }),
    ("chat", |finding| pretty(&chat::body(finding, &deployment()))),
    ("json", |finding| serde_json::to_string_pretty(&FindingLine::of(finding)).unwrap()),
    ("asff", |finding| pretty(&asff::finding(finding, &deployment()))),
    ("ocsf", |finding| pretty(&ocsf::finding(finding))),
];

pub fn deployment() -> Deployment {
    Deployment::new(
        Some("rattle-Table-1EXAMPLE"),
        Some("arn:aws:sns:eu-west-1:111122223333:rattle-Topic-EXAMPLE"),
    )
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

/// The findings of one trace, in order.
pub fn findings(trace: &str) -> Vec<Finding> {
    let path = project_file(&format!("events/traces/{trace}.jsonl"));
    let store = InMemory::new();
    let mut findings = Vec::new();
    for source in Source::find(&[path]).unwrap() {
        for item in Scanner::new(source.open(&std::sync::Arc::default()).unwrap()) {
            let Scanned::Denial(denial) = item.unwrap() else {
                panic!("{trace} holds only denials")
            };
            let age = jiff::SignedDuration::ZERO;
            findings.extend(store.deliver(&denial, age).finding);
        }
    }
    findings
}

/// One finding of each severity, with each status.
fn goldens() -> Vec<Finding> {
    let mut goldens = Vec::new();
    for (trace, place) in [("attack-fast", 2), ("attack-slow", 0), ("benign-retry-storm", 0)] {
        let finding = findings(trace).swap_remove(place);
        let totals = EpisodeSummary {
            severity: finding.severity,
            denials: finding.denials.day + 7,
            secrets: finding.distinct_secrets.unwrap_or(finding.secrets.day),
            first_denial: finding.first_denial,
            last_denial: finding.last_denial + 2400,
        };
        for status in STATUSES {
            goldens.push(match status {
                Status::Resolved => Finding::resolved(&finding, totals),
                _ => Finding { status, ..finding.clone() },
            });
        }
    }
    goldens
}

/// The access after denial that follows a finding.
pub fn access_after_denial(finding: &Finding) -> Finding {
    let secrets = ["prod/orders/db", "prod/payments/api-key"].map(|name| Text::new(name, 64));
    let (first, last) = (finding.last_denial + 95, finding.last_denial + 140);
    let reads = Reads { denied: 51, read: 2, secrets: secrets.into(), first, last };
    Finding::access_after_denial(finding, reads, finding.region.clone())
}

#[test]
fn the_digest_of_a_week_is_as_recorded() {
    let week = Week::before(MONDAY);
    let mut digest = WeeklyDigest::of(week);
    let text = |text: &str| Text::new(text, 256);
    for (listed, principal, time, what) in [
        (Disposition::Muted, "role batch-import", 100, "9 denied reads of 7 secrets in 5 minutes"),
        (Disposition::Muted, "role batch-import", 900, "12 denied reads of 9 secrets in 1 hour"),
        (Disposition::Published, "role thumbs", 200, "40 denied reads of 1 secret in one UTC day"),
        (Disposition::Held, "role thumbs", 300, "41 denied reads of 1 secret in one UTC day"),
        (Disposition::RateLimited, "user jane", 400, "5 denied reads of 5 secrets in 5 minutes"),
    ] {
        digest.add_finding(listed, text(principal), week.begin() + time, text(what));
    }
    digest.add_ignored(text("arn:aws:iam::*:role/ci-*;until=2026-12-31"), 1_234);
    digest.add_ignored(text("service:backup.example.com"), 7);
    let mut many = digest.clone();
    for i in 0..30 {
        let principal = text(&format!("role r{i} https://evil.example/ {}", "x".repeat(200)));
        let what = text("6 denied reads of 6 secrets in 5 minutes");
        many.add_finding(Disposition::Shadowed, principal, week.end(), what);
        many.add_ignored(text(&format!("arn:{i}:{}", "*".repeat(240))), 9_999_999_999);
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots/alerts");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, digest) in [
            ("digest", &digest),
            ("digest-of-nothing", &WeeklyDigest::of(week)),
            ("digest-of-much", &many),
        ] {
            let Email { subject, body } = alert::digest::email(digest, &deployment());
            let sms = alert::digest::sms(digest);
            assert!(subject.len() < 100 && sms.len() <= 140 && body.len() < 16 << 10);
            assert!(body.lines().all(|line| line.chars().count() <= 72), "{body}");
            assert!(!body.contains("://"), "{body}");
            let json = pretty(&alert::digest::json(digest));
            insta::assert_snapshot!(name, format!("Subject: {subject}\n\n{body}\n{sms}\n\n{json}"));
        }
    });
}

#[test]
fn every_rendering_of_every_status_and_severity_is_as_recorded() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots/alerts");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let goldens = goldens();
    let severities: Vec<Severity> = goldens.iter().map(|finding| finding.severity).collect();
    assert_eq!(
        severities[..],
        [[Severity::High; 3], [Severity::Medium; 3], [Severity::Low; 3]].concat()
    );
    settings.bind(|| {
        for finding in &goldens {
            for (name, rendering) in RENDERINGS {
                let (status, severity) = (finding.status.name(), finding.severity.name());
                insta::assert_snapshot!(format!("{name}-{status}-{severity}"), rendering(finding));
            }
        }
        for (name, rendering) in RENDERINGS {
            insta::assert_snapshot!(
                format!("{name}-let_in-high"),
                rendering(&access_after_denial(&goldens[0]))
            );
        }
        let finding = &goldens[0];
        let Email { subject, body } = storm::email(finding, 60, &deployment());
        let pager = pretty(&storm::pager(finding, 60, &deployment()));
        let (sms, json) = (storm::sms(finding, 60), storm::json(finding, 60));
        insta::assert_snapshot!(
            "storm",
            format!("Subject: {subject}\n\n{body}\n{sms}\n\n{pager}\n\n{json}")
        );
    });
}

#[test]
fn the_examples_of_the_documentation_are_the_recorded_ones() {
    let text = std::fs::read_to_string(project_file("docs/alerts.md")).unwrap();
    let mut shown = std::collections::BTreeSet::new();
    for part in text.split("<!-- golden: ").skip(1) {
        let (name, rest) = part.split_once(" -->\n").unwrap();
        let example = rest.split("\n```\n").next().unwrap();
        let (_fence, example) = example.split_once('\n').unwrap();
        let path = format!("tests/integration/snapshots/alerts/{name}.snap");
        let recorded = std::fs::read_to_string(project_file(&path)).unwrap();
        let (_, recorded) = recorded.split_once("\n---\n").unwrap();
        assert_eq!(example.trim(), recorded.trim(), "{name}");
        shown.insert(name.split('-').next().unwrap().to_owned());
    }
    assert_eq!(
        shown.into_iter().collect::<Vec<_>>(),
        ["asff", "chat", "digest", "email", "json", "ocsf", "pager", "sms"]
    );
}

#[test]
fn an_alarm_has_one_name_for_each_principal_and_one_name_only() {
    let name = |finding: &Finding| {
        pager::body(finding, &deployment())["AlarmName"].as_str().unwrap().to_owned()
    };
    let goldens = goldens();
    for of_one in goldens.chunks(3) {
        assert!(of_one.iter().all(|finding| name(finding) == name(&of_one[0])));
    }
    let mut names: Vec<String> = goldens.chunks(3).map(|of_one| name(&of_one[0])).collect();
    // Keys that look the same once their links are broken or their spaces are removed.
    let of_identity = |identity: Value| {
        let mut record = record(MONDAY as f64, "e", &["s".to_owned()]);
        record["userIdentity"] = identity;
        let denial = parse(&record).unwrap().unwrap();
        let mut finding = goldens[0].clone();
        finding.principal.principal = Principal::clone(denial.principal());
        name(&finding)
    };
    let [dot, brackets] = ["www.example.com", "www[.]example[.]com"];
    for id in [dot, brackets, &format!("{dot} x"), &format!("{brackets} x"), &format!("{dot}_x")] {
        names.push(of_identity(json!({"type": "Other", "principalId": id})));
    }
    // A record without the role's session issuer belongs to the same principal.
    let id = "AROAEXAMPLECIDEPLOY01";
    let issuer = json!({"sessionIssuer": {"principalId": id, "userName": "ci-deploy"}});
    let whole =
        json!({"type": "AssumedRole", "principalId": format!("{id}:x"), "sessionContext": issuer});
    let bare = json!({"type": "AssumedRole", "principalId": format!("{id}:y")});
    assert_eq!(of_identity(whole), of_identity(bare));
    assert!(names.iter().all(|name| name.len() <= 255), "{names:?}");
    let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
    assert_eq!(distinct.len(), names.len(), "{names:?}");
}

#[test]
fn the_end_of_an_episode_has_its_highest_severity() {
    let last = findings("attack-fast").swap_remove(1);
    assert_eq!(last.severity, Severity::Medium);
    let totals = EpisodeSummary {
        severity: Severity::High,
        denials: 60,
        secrets: 50,
        first_denial: last.first_denial,
        last_denial: last.last_denial + 60,
    };
    let resolved = Finding::resolved(&last, totals);
    assert_eq!((resolved.severity, resolved.status), (Severity::High, Status::Resolved));
    assert_eq!(resolved.last_denial, totals.last_denial);
    assert_eq!(
        Finding::resolved(&last, totals).id,
        resolved.id,
        "the id is computed, never random"
    );
    assert_ne!(resolved.id, last.id);
}

/// The members that PagerDuty's integration reads.
#[test]
fn the_subject_begins_with_the_state_of_the_alarm() {
    for finding in goldens() {
        let body = pager::body(&finding, &deployment());
        let state = body["NewStateValue"].as_str().unwrap();
        assert!(subject(&finding).starts_with(&format!("{state}: ")), "{body}");
        assert_eq!(state == "OK", finding.status == Status::Resolved);
        assert_eq!(body["OldStateValue"] == "OK", finding.status == Status::Open);
    }
}

#[test]
fn all_messages_of_an_episode_are_one_thread_and_the_next_episode_is_another() {
    let thread = |finding: &Finding| {
        chat::body(finding, &deployment())["metadata"]["threadId"].as_str().unwrap().to_owned()
    };
    let one_episode: Vec<String> = findings("attack-fast").iter().map(thread).collect();
    assert_eq!(one_episode.len(), 3);
    assert!(one_episode.iter().all(|id| *id == one_episode[0]), "{one_episode:?}");
    let resolved = goldens().swap_remove(2);
    assert_eq!(thread(&resolved), one_episode[0]);

    let episodes: Vec<String> = findings("attack-ramp").iter().map(thread).collect();
    assert_eq!(episodes.len(), 3);
    assert!(episodes[0] != episodes[1] && episodes[1] != episodes[2], "{episodes:?}");
}

#[test]
fn the_first_three_lines_say_it_all_in_72_columns() {
    for finding in goldens() {
        let Email { subject, body } = Email::about(&finding, &deployment());
        assert!(subject.len() < 100 && subject.bytes().all(|b| (b' '..=b'~').contains(&b)));
        let lines: Vec<&str> = body.lines().collect();
        let name = finding.principal.principal.name().as_str();
        assert!(lines[0].contains(name) && lines[0].contains("111122223333"), "{body}");
        assert!(lines[1].starts_with(&what(&finding)), "{body}");
        let unusual = if finding.totals.is_some() { "Nothing unusual since" } else { "sigma" };
        assert!(lines[2].contains(unusual) && lines[3].is_empty(), "{body}");
        let next = lines.iter().position(|line| *line == "WHAT NEXT").unwrap();
        assert!(next == 4, "{body}");
        for line in lines {
            // Only a word that must stay in one piece for copying may be longer.
            let longest = line.split_whitespace().map(str::len).max().unwrap_or(0);
            assert!(line.chars().count() <= 72 || longest >= 50, "{line}");
        }
    }
}

/// A finding of a job that was denied `secret`, with this end of its message.
fn low(secret: &str, tail: &str) -> Finding {
    let store = InMemory::new();
    let mut found = None;
    for i in 0..40 {
        let mut record = record((MONDAY + 3 * i) as f64, &format!("e{i}"), &[]);
        record["errorMessage"] = json!(format!(
            "User: x is not authorized to perform: secretsmanager:GetSecretValue on resource: \
             {secret} {tail}"
        ));
        let denial = parse(&record).unwrap().unwrap();
        found = found.or(store.deliver(&denial, jiff::SignedDuration::ZERO).finding);
    }
    found.unwrap()
}

const MISSING: &str =
    "because no identity-based policy allows the secretsmanager:GetSecretValue action";

#[test]
fn a_low_finding_drafts_the_missing_statement_with_the_arn_if_that_is_known() {
    let arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:prod/db";
    for (secret, resource) in [
        ("prod/db", format!("{arn}-??????")),
        (arn, format!("{arn}-??????")),
        (&format!("{arn}-AbCd12"), format!("{arn}-AbCd12")),
    ] {
        let finding = low(secret, MISSING);
        assert_eq!(finding.severity, Severity::Low);
        let body = Email::about(&finding, &deployment()).body;
        let start = body.find("  {\"Effect\"").unwrap();
        let end = start + body[start..].find("}\n").unwrap() + 1;
        let statement: Value = serde_json::from_str(&body[start..end]).unwrap();
        assert_eq!(statement["Resource"], resource.as_str());
        assert_eq!(statement["Action"], "secretsmanager:GetSecretValue");
        assert!(body.contains("about every 3 s"), "{body}");
    }
}

#[test]
fn a_low_finding_names_the_policy_that_denies() {
    let policy = "arn:aws:organizations::111122223333:policy/o-example/service_control_policy/p-1";
    let finding =
        low("prod/db", &format!("with an explicit deny in a service control policy: {policy}"));
    let body = Email::about(&finding, &deployment()).body;
    let words = body.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("a service control policy denies it"), "{body}");
    assert!(words.contains(policy), "{body}");
    assert!(!body.contains("\"Effect\":\"Allow\",\"Action\":\"secretsmanager"), "{body}");
}

#[test]
fn a_pace_that_it_kept_before_is_called_steady() {
    let store = InMemory::new();
    let mut found = None;
    // Too slow to be unusual in 5 minutes, but not in an hour.
    for i in 0..100 {
        let denial = denial_of(MONDAY + 20 * i, &format!("e{i}"), "prod/db");
        found = found.or(store.deliver(&denial, jiff::SignedDuration::ZERO).finding);
    }
    let finding = found.unwrap();
    let cadence = finding.cadence.unwrap();
    assert!((cadence.seconds - 20.0).abs() < 1.0 && cadence.steady, "{cadence:?}");
    let body = Email::about(&finding, &deployment()).body;
    assert!(body.contains("about every 20 s, as before"), "{body}");
}
