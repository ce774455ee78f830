//! E-mails about kinds of principals that the recorded alerts do not cover.

use rattle::alert::email::Email;
use rattle::detection::finding::Finding;

use crate::alerts::{deployment, findings};

fn shown(finding: &Finding) -> String {
    let Email { subject, body } = Email::about(finding, &deployment());
    format!("Subject: {subject}\n\n{body}")
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
