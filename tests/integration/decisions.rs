//! Rules of the decision that no reference sequence covers.

use rattle::cloudtrail::Delivery;
use rattle::cloudtrail::secret_set::{Bucket, SecretSet};
use rattle::detection::alerting::{Episode, Reported};
use rattle::detection::{
    Assessment, Axis, Decision, Policy, PrincipalState, Scale, Signal, Window, decide,
};

use crate::support::{MONDAY, denial, denial_of};

/// A principal seen for 30 days, without an open episode.
fn quiet_state() -> PrincipalState {
    let mut state = PrincipalState::opened_by(&denial_of(MONDAY, "first", "prod/db"));
    state.first_window = Window::from_index(state.window.index() - 30 * 288);
    state
}

fn buckets(range: std::ops::Range<u16>) -> SecretSet {
    range.filter_map(Bucket::from_number).collect()
}

/// Decides on a delivery that names one new secret.
fn decided(state: &PrincipalState, policy: &Policy) -> Decision {
    let denial = denial_of(MONDAY, "any", "a secret nobody knows");
    decide(state, &Assessment::of(state, policy), &denial, policy)
}

/// Decides on a delivery that names no secret, so that only denials are assessed.
fn decided_on_denials(state: &PrincipalState, policy: &Policy) -> Decision {
    let denial = denial(MONDAY as f64, "any", &[]);
    decide(state, &Assessment::of(state, policy), &denial, policy)
}

fn episode(alert_windows_ago: i64, hit_windows_ago: i64, alert_count: u32) -> Episode {
    let ago = |windows| {
        let now = Window::containing(denial_of(MONDAY, "any", "x").time());
        Some(Window::from_index(now.index() - windows))
    };
    Episode { alert_window: ago(alert_windows_ago), hit_window: ago(hit_windows_ago), alert_count }
}

fn reported(decision: &Decision) -> Option<(Signal, Scale, u32)> {
    decision.report.map(|r| (r.row.axis.signal, r.row.axis.scale, r.row.observed))
}

#[test]
fn of_two_rows_at_the_highest_score_there_is_the_shorter_is_reported() {
    let mut state = quiet_state();
    state.denials = [0, 30_000, 40_000];
    let sigma = |scale| {
        let axis = Axis { signal: Signal::Denials, scale };
        let assessment = Assessment::of(&state, &Policy::default());
        assessment.rows().iter().find(|row| row.axis == axis).unwrap().sigma()
    };
    assert_eq!((sigma(Scale::Hour), sigma(Scale::Day)), (37.0, 37.0), "the two scores are equal");
    let decision = decided_on_denials(&state, &Policy::default());
    assert_eq!(reported(&decision), Some((Signal::Denials, Scale::Hour, 30_000)));
}

#[test]
fn secrets_of_a_refusal_that_names_no_new_one_are_not_looked_at() {
    let mut state = quiet_state();
    state.secrets = buckets(0..40);
    state.denials = [1, 1, 1];
    assert!(decided(&state, &Policy::default()).report.is_some());
    assert_eq!(decided_on_denials(&state, &Policy::default()).report, None);
}

#[test]
fn an_episode_is_reported_again_at_exactly_288_windows_and_not_before() {
    let mut state = quiet_state();
    state.secrets = buckets(0..20);
    for (windows_ago, reports) in [(287, false), (288, true)] {
        state.alerting.episodes[Signal::Secrets] = episode(windows_ago, 1, 20);
        state.alerting.episodes[Signal::Denials] = episode(windows_ago, 1, 20);
        let decision = decided(&state, &Policy::default());
        assert_eq!(decision.report.is_some(), reports, "{windows_ago} windows");
        if let Some(report) = decision.report {
            assert!(report.continues, "the report is an update");
        }
    }
}

#[test]
fn growth_is_measured_in_what_was_not_yet_reported() {
    let mut state = quiet_state();
    state.denials = [0, 1_040, 1_040];
    state.alerting.episodes[Signal::Denials] = episode(5, 1, 100);
    state.alerting.reported = Reported { hour: [50, 0], day: [50, 0] };
    // The whole count, 1,040, is more than ten times 100; the 990 new denials are not.
    assert_eq!(decided_on_denials(&state, &Policy::default()).report, None);
    state.denials = [0, 1_050, 1_050];
    let decision = decided_on_denials(&state, &Policy::default());
    assert_eq!(reported(&decision), Some((Signal::Denials, Scale::Hour, 1_050)), "the whole count");
    let denials = decision.alerting.episodes[Signal::Denials];
    assert_eq!(denials.alert_count, 1_000, "and its new part is stored");
}

#[test]
fn a_report_of_secrets_also_covers_the_denials_that_came_with_it() {
    let mut state = quiet_state();
    state.secrets = buckets(0..12);
    state.denials = [12, 60, 70];
    state.alerting.reported = Reported { hour: [20, 0], day: [20, 0] };
    let decision = decided(&state, &Policy::default());
    assert_eq!(reported(&decision), Some((Signal::Secrets, Scale::FiveMinutes, 12)));
    let [denials, secrets] = decision.alerting.episodes;
    assert_eq!(secrets.alert_count, 12);
    assert_eq!(denials.alert_count, 12, "the denials of the same scale, without a deduction");
    assert_eq!(denials.alert_window, Some(state.window));
    assert_eq!(denials.hit_window, Some(state.window), "60 in the hour are a hit by themselves");
    assert_eq!(
        decision.alerting.reported,
        Reported { hour: [60, 12], day: [70, 12] },
        "all counts of both signals are reported"
    );
}

#[test]
fn a_report_of_secrets_does_not_make_a_hit_of_denials_that_are_none() {
    let mut state = quiet_state();
    state.secrets = buckets(0..30);
    state.denials = [0, 1, 1];
    let decision = decided(&state, &Policy::default());
    assert!(decision.report.is_some());
    let denials = decision.alerting.episodes[Signal::Denials];
    assert_eq!(denials.hit_window, None);
    assert_eq!(denials.alert_count, 1, "at least one, so that ten times the count is more");
}

#[test]
fn a_hit_of_denials_keeps_its_episode_open_when_secrets_were_reported() {
    let mut state = quiet_state();
    state.secrets = buckets(0..12);
    state.denials = [200, 200, 200];
    let decision = decided(&state, &Policy::default());
    assert_eq!(decision.report.map(|r| r.row.axis.signal), Some(Signal::Secrets));
    assert_eq!(decision.alerting.episodes[Signal::Denials].hit_window, Some(state.window));
}

#[test]
fn a_secrets_episode_keeps_denials_quiet() {
    let mut state = quiet_state();
    state.denials = [100, 100, 100];
    state.alerting.episodes[Signal::Denials] = episode(20, 20, 90);
    assert!(
        decided_on_denials(&state, &Policy::default()).report.is_some(),
        "after 13 windows the episode is over"
    );
    state.alerting.episodes[Signal::Secrets] = episode(20, 12, 5);
    assert_eq!(
        decided_on_denials(&state, &Policy::default()).report,
        None,
        "after 12 windows it is not"
    );
}

#[test]
fn what_was_reported_is_not_reported_again_when_the_episode_is_over() {
    let mut state = quiet_state();
    state.denials = [1, 60, 60];
    state.alerting.reported = Reported { hour: [59, 0], day: [59, 0] };
    state.alerting.episodes[Signal::Denials] = episode(40, 40, 59);
    let decision = decided_on_denials(&state, &Policy::default());
    assert_eq!(decision.report, None, "one more denial is not a hit by itself");
    let denials = decision.alerting.episodes[Signal::Denials];
    assert_eq!(denials.hit_window, Some(state.window), "but the whole count is");
}

#[test]
fn a_count_that_reaches_its_ceiling_is_fresh_however_much_was_reported() {
    let policy = Policy::default();
    let mut state = quiet_state();
    state.new_in_day = 29;
    state.secrets = buckets(0..1);
    // This baseline is used to such counts, so no score comes near the threshold.
    state.baselines[Signal::Secrets][Scale::Day].sum = 400.0;
    state.baselines[Signal::Secrets][Scale::Day].sum_of_squares = 12_000.0;
    state.alerting.reported = Reported { hour: [0, 0], day: [0, 29] };
    let decision = decided(&state, &policy);
    assert_eq!(reported(&decision), Some((Signal::Secrets, Scale::Day, 30)));
    assert!(decision.report.unwrap().sigma < policy.secrets.threshold);

    state.alerting.reported = Reported { hour: [0, 0], day: [0, 30] };
    state.secrets = buckets(0..2);
    assert_eq!(decided(&state, &policy).report, None, "the ceiling is reported once");
}

#[test]
fn the_row_with_the_highest_whole_score_is_tested_alone() {
    let mut state = quiet_state();
    state.denials = [60, 5_000, 5_000];
    state.alerting.reported = Reported { hour: [4_900, 0], day: [0, 0] };
    state.alerting.episodes[Signal::Denials] = episode(5, 1, 20);
    let assessment = Assessment::of(&state, &Policy::default());
    let [five_minutes, hour, day] = assessment.of_signal(Signal::Denials);
    assert!(hour.sigma() > five_minutes.sigma() && hour.sigma() > day.sigma());
    // 60 in 5 minutes and 5,000 in a day would be ten times 20; the hour's 100 are not.
    assert_eq!(hour.unreported(), 100);
    assert_eq!(decided_on_denials(&state, &Policy::default()).report, None);
}

#[test]
fn a_duplicate_raises_the_alert_that_a_crash_swallowed() {
    let policy = Policy::default();
    let mut state = quiet_state();
    let denials: Vec<_> =
        (0..5).map(|i| denial_of(MONDAY + i, &format!("e{i}"), &format!("s{i}"))).collect();
    for denial in &denials {
        // The denial was counted, and the process died before the decision.
        state.receive(&Delivery::on_time(denial), &policy);
    }
    let last = &denials[4];
    let before = state.clone();
    state.receive(&Delivery::on_time(last), &policy);
    assert_eq!(state, before, "a duplicate counts nothing");
    let decision = decide(&state, &Assessment::of(&state, &policy), last, &policy);
    assert_eq!(reported(&decision), Some((Signal::Secrets, Scale::FiveMinutes, 5)));
}
