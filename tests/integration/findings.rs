//! The content of a finding: its severity, its title, its evidence and its id.

use jiff::SignedDuration;
use rattle::alert::title;
use rattle::cloudtrail::secret_set::Bucket;
use rattle::detection::baseline::Prediction;
use rattle::detection::evidence::Evidence;
use rattle::detection::finding::{Finding, Severity};
use rattle::detection::{Axis, Policy, PrincipalState, Report, Row, Scale, Signal};

use crate::support::{InMemory, MONDAY, denial_of};

fn state() -> PrincipalState {
    PrincipalState::opened_by(&denial_of(MONDAY, "first", "prod/db"))
}

fn report(signal: Signal, scale: Scale, observed: u32, sigma: f64) -> Report {
    let prediction = Prediction { mean: 0.1, dispersion: 2.0, weight: 300.0 };
    let row = Row { axis: Axis { signal, scale }, observed, reported: 0, prediction };
    Report { row, sigma, continues: false, held: false }
}

fn finding(state: &PrincipalState, report: &Report) -> Finding {
    Finding::new(state, report, &denial_of(MONDAY, "first", "prod/db"), &Policy::default())
}

fn with_secrets(open: u16, earlier: u16) -> PrincipalState {
    let mut state = state();
    state.secrets = (0..open).filter_map(Bucket::from_number).collect();
    state.today = (100..100 + earlier).filter_map(Bucket::from_number).collect();
    state
}

#[test]
fn new_secrets_are_severe_by_number_or_by_score() {
    let severity = |observed, sigma| {
        finding(&state(), &report(Signal::Secrets, Scale::Hour, observed, sigma)).severity
    };
    assert_eq!(severity(10, 4.0), Severity::High);
    assert_eq!(severity(9, 7.99), Severity::Medium);
    assert_eq!(severity(9, 8.0), Severity::High);
    assert_eq!(severity(5, 8.0), Severity::High);
    assert_eq!(severity(4, 37.0), Severity::Medium);
}

#[test]
fn denials_are_severe_by_how_many_secrets_they_are_of() {
    let severity = |open, earlier, scale| {
        let state = with_secrets(open, earlier);
        finding(&state, &report(Signal::Denials, scale, 500, 37.0)).severity
    };
    assert_eq!(severity(1, 0, Scale::FiveMinutes), Severity::Low);
    assert_eq!(
        severity(2, 9, Scale::FiveMinutes),
        Severity::Low,
        "the secrets of the window count"
    );
    assert_eq!(severity(3, 0, Scale::FiveMinutes), Severity::Medium);
    assert_eq!(severity(1, 1, Scale::Hour), Severity::Low);
    assert_eq!(severity(1, 2, Scale::Hour), Severity::Medium, "the secrets of the day count");
    assert_eq!(severity(2, 1, Scale::Day), Severity::Medium);
    assert_eq!(
        severity(0, 0, Scale::Day),
        Severity::Medium,
        "no secret is named, so there may be many"
    );
}

#[test]
fn a_title_claims_only_what_was_counted() {
    let title = |state: &PrincipalState, signal, scale, observed| {
        title::title(&finding(state, &report(signal, scale, observed, 9.0)))
    };
    let mut state = with_secrets(30, 0);
    state.denials = [37, 41, 44];
    assert_eq!(
        title(&state, Signal::Secrets, Scale::FiveMinutes, 30),
        "37 denied reads of 30 secrets in 5 minutes by role ci-deploy"
    );
    // The secrets of the hour are all of the day's, so they are all the secrets that were denied.
    assert_eq!(
        title(&state, Signal::Secrets, Scale::Hour, 30),
        "41 denied reads of 30 secrets in 1 hour by role ci-deploy"
    );
    // Known secrets of the hour are not counted, so only the new ones are claimed.
    let mut state = with_secrets(5, 3);
    state.denials = [9, 20, 50];
    assert_eq!(
        title(&state, Signal::Secrets, Scale::Hour, 5),
        "20 denied reads, 5 new secrets, in 1 hour by role ci-deploy"
    );
    assert_eq!(
        title(&state, Signal::Denials, Scale::Day, 50),
        "50 denied reads of 8 secrets in 1 day by role ci-deploy"
    );
    // Late denials are not part of the 5 minutes, but their secrets are.
    state.denials = [0, 5, 5];
    assert_eq!(
        title(&state, Signal::Secrets, Scale::FiveMinutes, 5),
        "Denied reads of 5 secrets in 5 minutes by role ci-deploy"
    );
    // Messages that name no secret.
    let mut state = with_secrets(0, 0);
    state.denials = [60, 60, 60];
    assert_eq!(
        title(&state, Signal::Denials, Scale::FiveMinutes, 60),
        "60 denied reads in 5 minutes by role ci-deploy"
    );
}

#[test]
fn an_id_is_the_same_in_every_replay_and_of_one_finding_alone() {
    let report = report(Signal::Secrets, Scale::Hour, 9, 5.0);
    let mut state = state();
    state.alerting.alert_seq = 1;
    let id = finding(&state, &report).id;
    assert_eq!(finding(&state, &report).id, id);
    state.alerting.alert_seq = 2;
    assert_ne!(finding(&state, &report).id, id);
}

#[test]
fn evidence_is_of_the_window_or_of_the_backlog_that_raised_it() {
    let deliveries = InMemory::new();
    let deliver = |t: i64, secret: &str, age: i64| {
        let denial = denial_of(MONDAY + t, &format!("{t}{secret}"), secret);
        deliveries.deliver(&denial, SignedDuration::from_secs(age)).finding
    };
    // A secret that was denied yesterday is not shown today.
    deliver(0, "yesterday", 0);
    for i in 0..4 {
        assert_eq!(deliver(90_000 + i, &format!("today-{i}"), 0), None);
    }
    let finding = deliver(90_004, "today-4", 0).unwrap();
    let shown: Vec<String> = finding.evidence.iter().filter_map(Evidence::secret_label).collect();
    assert!(shown.iter().all(|secret| secret.starts_with("today-")), "{shown:?}");
    assert_eq!(shown[0], "today-4", "the newest comes first");

    // A backlog from an hour ago: the evidence that raised the finding is shown, although it is
    // older than the window in which it is counted.
    let deliveries = InMemory::new();
    let deliver = |t: i64, secret: &str, age: i64| {
        let denial = denial_of(MONDAY + t, &format!("{t}{secret}"), secret);
        deliveries.deliver(&denial, SignedDuration::from_secs(age)).finding
    };
    deliver(10_000, "now", 0);
    for i in 0..3 {
        deliver(5_000 + i, &format!("late-{i}"), 5_000);
    }
    let finding = deliver(5_003, "late-3", 5_000).unwrap();
    let shown: Vec<String> = finding.evidence.iter().filter_map(Evidence::secret_label).collect();
    assert!(shown.contains(&"late-3".to_owned()), "{shown:?}");
    assert_eq!(finding.first_denial, MONDAY + 5_003);
    assert_eq!(finding.last_denial, MONDAY + 10_000);
}
