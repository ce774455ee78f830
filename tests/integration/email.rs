//! E-mails as a person gets them. Read the snapshots: they are the product.

use rattle::alert::email::Email;
use rattle::detection::finding::Finding;
use rattle::replay::scanner::{Item, Scanner};
use rattle::replay::sources::Source;

use crate::support::{InMemory, project_file};

/// The findings of one trace, in order.
fn findings(trace: &str) -> Vec<Finding> {
    let path = project_file(&format!("events/traces/{trace}.jsonl"));
    let store = InMemory::new();
    let mut findings = Vec::new();
    for source in Source::find(&[path]).unwrap() {
        for item in Scanner::new(source.open(&std::sync::Arc::default()).unwrap()) {
            let Item::Denial(denial) = item.unwrap() else { panic!("{trace} holds only denials") };
            let age = jiff::SignedDuration::ZERO;
            findings.extend(store.deliver(&denial, age).finding);
        }
    }
    findings
}

fn shown(finding: &Finding) -> String {
    let Email { subject, body } = Email::about(finding);
    format!("Subject: {subject}\n\n{body}")
}

#[test]
fn an_enumeration_by_a_role() {
    insta::assert_snapshot!("enumeration by a role", shown(&findings("attack-fast")[2]));
}

#[test]
fn a_user_never_refused_before() {
    insta::assert_snapshot!("user never refused before", shown(&findings("attack-cold-start")[0]));
}

#[test]
fn a_person_behind_single_sign_on() {
    insta::assert_snapshot!("person", shown(&findings("attack-very-slow")[0]));
}

#[test]
fn a_count_at_its_ceiling() {
    insta::assert_snapshot!("ceiling", shown(&findings("attack-ramp")[1]));
}

#[test]
fn a_broken_job_on_one_secret() {
    insta::assert_snapshot!("broken job", shown(&findings("benign-retry-storm")[0]));
}

#[test]
fn the_first_lines_say_it_all_in_72_columns() {
    for trace in ["attack-fast", "attack-slow", "attack-ramp", "benign-retry-storm"] {
        for finding in findings(trace) {
            let Email { subject, body } = Email::about(&finding);
            assert!(subject.len() < 100 && subject.bytes().all(|b| (b' '..=b'~').contains(&b)));
            assert!(body.lines().next().unwrap().contains("denied read"), "{body}");
            for line in body.lines() {
                // Only a word that must stay in one piece to be pasted may be longer.
                let longest = line.split_whitespace().map(str::len).max().unwrap_or(0);
                assert!(line.chars().count() <= 72 || longest >= 50, "{line}");
            }
        }
    }
}
