//! Properties of every history.

use jiff::SignedDuration;
use proptest::prelude::*;
use rattle::cloudtrail::{Delivery, Denial};
use rattle::detection::baseline::Baseline;
use rattle::detection::evidence::Evidence;
use rattle::detection::negative_binomial::tail_sigma;
use rattle::detection::{
    Assessment, Axis, Outcome, Policy, PrincipalState, Scale, Signal, Window, decide,
};

use crate::support::{InMemory, MONDAY, aged, denial};

const DAY: i64 = 86_400;
const GENERATION: i64 = 14 * DAY;

/// One delivery: seconds after the previous one (negative if late), the secrets that it names, and
/// its age.
#[derive(Clone, Debug)]
struct Step {
    seconds: i64,
    secrets: Vec<u16>,
    age: i64,
}

fn step() -> impl Strategy<Value = Step> {
    let seconds = prop_oneof![
        8 => 0..120_i64,
        3 => 200..900_i64,
        2 => 3_000..90_000_i64,
        1 => 100_000..3_000_000_i64,
        // Longer than a store retains a state.
        1 => Just(8_000_000_i64),
        1 => -5_000..0_i64,
    ];
    let secrets = prop_oneof![
        1 => Just(Vec::new()),
        8 => prop::collection::vec(0..40_u16, 1..2),
        2 => prop::collection::vec(0..2_000_u16, 1..8),
    ];
    let age = prop_oneof![6 => Just(0_i64), 1 => 0..4_000_i64];
    (seconds, secrets, age).prop_map(|(seconds, secrets, age)| Step { seconds, secrets, age })
}

pub fn history(most: usize) -> impl Strategy<Value = Vec<(Denial, SignedDuration)>> {
    prop::collection::vec(step(), 1..most).prop_map(|steps| deliveries(&steps, 0))
}

fn deliveries(steps: &[Step], shift: i64) -> Vec<(Denial, SignedDuration)> {
    let mut time = MONDAY + shift;
    let deliver = |(i, step): (usize, &Step)| {
        time += step.seconds;
        let secrets: Vec<String> = step.secrets.iter().map(|s| format!("prod/{s}")).collect();
        let denial = denial(time as f64, &format!("event-{i}"), &secrets);
        (denial, SignedDuration::from_secs(step.age))
    };
    steps.iter().enumerate().map(deliver).collect()
}

/// Delivers one denial as the store does.
fn deliver(
    state: &mut Option<PrincipalState>,
    denial: &Denial,
    age: SignedDuration,
    policy: &Policy,
) -> (Outcome, bool) {
    let state = state.get_or_insert_with(|| PrincipalState::opened_by(denial));
    let outcome = state.receive(&aged(denial, age), policy);
    let decision = decide(state, &Assessment::of(state, policy), denial, policy);
    state.alerting = decision.alerting;
    (outcome, decision.report.is_some())
}

/// The content of a verdict without the times it is about.
fn verdicts(deliveries: &[(Denial, SignedDuration)]) -> Vec<String> {
    let store = InMemory::new();
    let verdict = |(denial, age): &(Denial, SignedDuration)| {
        let delivered = store.deliver(denial, *age);
        format!(
            "{:?} {:?} {:?}",
            delivered.outcome,
            delivered.assessment,
            delivered.finding.map(|f| (f.signal, f.scale, f.observed, f.severity, f.status))
        )
    };
    deliveries.iter().map(verdict).collect()
}

fn assert_sound(state: &PrincipalState, policy: &Policy) {
    for row in Assessment::of(state, policy).rows() {
        let prediction = row.prediction;
        let numbers = [prediction.mean, prediction.dispersion, prediction.weight, prediction.sd()];
        for number in numbers {
            assert!(number.is_finite() && number > 0.0, "{row:?}");
        }
        assert!((0.0..=37.0).contains(&row.sigma()), "{row:?}");
        assert!(row.reported <= row.observed, "{row:?}");
    }
    for baseline in state.baselines.iter().flatten() {
        for sum in [baseline.sum, baseline.sum_of_squares] {
            assert!(sum.is_finite() && sum >= 0.0, "{baseline:?}");
        }
    }
}

/// Bytes of the parts of a state that could grow.
fn assert_bounded(state: &PrincipalState) {
    assert!(state.ids.len() <= 256 && state.ids_before.len() <= 256);
    for evidence in state.evidence.iter().flatten() {
        assert!(evidence_bytes(evidence) <= 160, "{evidence:?}");
    }
}

/// The size as DynamoDB counts an attribute: UTF-8 bytes for names and values, 3 bytes for the map
/// and one for each member.
fn evidence_bytes(evidence: &Evidence) -> usize {
    let text = |text: &Option<rattle::text::Text>| text.as_ref().map_or(0, |t| t.as_str().len());
    let names = "e0".len() + 6;
    let time = 7;
    let more_and_cause = 4;
    let overhead = 3 + 6;
    names
        + time
        + more_and_cause
        + overhead
        + text(&evidence.secret)
        + text(&evidence.source_ip)
        + text(&evidence.session)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn silence_in_closed_form_equals_silence_window_by_window(
        sum in 0.0..500.0_f64,
        spread in 1.0..40.0_f64,
        count in 0..400_u32,
        completed in 0..20_000_i64,
        silent in 0..400_i64,
        row in 0..6_usize,
    ) {
        let policy = Policy::default();
        let axis = Axis { signal: Signal::ALL[row / 3], scale: Scale::ALL[row % 3] };
        let start = Baseline { sum, sum_of_squares: sum * spread };
        let mut at_once = start;
        at_once.fold(axis, completed, count, silent, &policy);
        let mut one_by_one = start;
        one_by_one.fold(axis, completed, count, 0, &policy);
        for i in 0..silent {
            one_by_one.fold(axis, completed + 1 + i, 0, 0, &policy);
        }
        let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs();
        prop_assert!(close(at_once.sum, one_by_one.sum), "{at_once:?} {one_by_one:?}");
        prop_assert!(close(at_once.sum_of_squares, one_by_one.sum_of_squares));
    }

    #[test]
    fn the_same_history_gives_the_same_bits(steps in prop::collection::vec(step(), 1..80)) {
        prop_assert_eq!(verdicts(&deliveries(&steps, 0)), verdicts(&deliveries(&steps, 0)));
    }

    /// Known secrets are recorded by generations of 14 days, so the shift must be a multiple of
    /// that.
    #[test]
    fn whole_generations_of_shift_change_no_verdict(
        steps in prop::collection::vec(step(), 1..80),
        generations in 0..40_i64,
    ) {
        let shifted = deliveries(&steps, generations * GENERATION);
        prop_assert_eq!(verdicts(&deliveries(&steps, 0)), verdicts(&shifted));
    }

    /// A history within one day never crosses a generation, so a shift by any number of days will
    /// do.
    #[test]
    fn whole_days_of_shift_change_no_verdict(
        mut steps in prop::collection::vec(step(), 1..80),
        days in -400..400_i64,
    ) {
        for step in &mut steps {
            step.seconds = step.seconds.rem_euclid(1_000);
        }
        let shifted = deliveries(&steps, days * DAY);
        prop_assert_eq!(verdicts(&deliveries(&steps, 0)), verdicts(&shifted));
    }

    #[test]
    fn a_duplicate_delivered_at_once_changes_nothing(history in history(80)) {
        let policy = Policy::default();
        let mut state = None;
        for (denial, age) in &history {
            let (outcome, _) = deliver(&mut state, denial, *age, &policy);
            let before = state.clone();
            let (again, reported) = deliver(&mut state, denial, *age, &policy);
            if outcome == Outcome::Counted {
                prop_assert_eq!(again, Outcome::Duplicate);
            }
            prop_assert!(!reported);
            prop_assert_eq!(&state, &before);
        }
    }

    #[test]
    fn a_duplicate_from_the_open_or_the_previous_window_counts_nothing(
        history in history(80),
        pick in any::<prop::sample::Index>(),
    ) {
        let policy = Policy::default();
        let mut state = None;
        for (i, (denial, age)) in history.iter().enumerate() {
            deliver(&mut state, denial, *age, &policy);
            let earlier = &history[pick.index(i + 1)].0;
            let mut after = state.clone().unwrap();
            let held = after.ids.contains(&earlier.digest())
                || after.ids_before.contains(&earlier.digest());
            if held {
                let outcome = after.receive(&Delivery::on_time(earlier), &policy);
                prop_assert_eq!(outcome, Outcome::Duplicate);
                prop_assert_eq!(&after, state.as_ref().unwrap());
            }
        }
    }

    #[test]
    fn a_late_denial_counts_in_the_open_window(history in history(40), late in 1..100_000_i64) {
        let policy = Policy::default();
        let mut state = None;
        for (denial, age) in &history {
            deliver(&mut state, denial, *age, &policy);
        }
        let mut state = state.unwrap();
        let before = state.clone();
        let time = state.window.index() * 300 - late;
        let outcome = state.receive(
            &aged(
                &denial(time as f64, "late", &["late".to_owned()]),
                SignedDuration::from_secs(late),
            ),
            &policy,
        );
        prop_assert_eq!(outcome, Outcome::Counted);
        prop_assert_eq!(state.window, before.window);
        prop_assert_eq!(state.denials[0], before.denials[0] + u32::from(late <= 1200));
        prop_assert_eq!(state.denials[1], before.denials[1] + 1);
        prop_assert_eq!(state.denials[2], before.denials[2] + 1);
        prop_assert!(state.secrets.len() >= before.secrets.len());
    }

    #[test]
    fn more_denials_in_a_window_never_lower_a_score(history in history(60), more in 1..60_u32) {
        let policy = Policy::default();
        let mut state = None;
        for (denial, age) in &history {
            deliver(&mut state, denial, *age, &policy);
        }
        let mut state = state.unwrap();
        let now = state.window.index() * 300;
        for i in 0..more {
            let before = Assessment::of(&state, &policy);
            let secret = [format!("further/{i}")];
            state.receive(
                &Delivery::on_time(&denial(now as f64, &format!("more-{i}"), &secret)),
                &policy,
            );
            let after = Assessment::of(&state, &policy);
            for (before, after) in before.rows().iter().zip(after.rows()) {
                prop_assert!(after.sigma() >= before.sigma() - 1e-9, "{before:?} {after:?}");
            }
        }
    }

    #[test]
    fn a_higher_count_never_scores_lower(
        mean in 1e-6..500.0_f64,
        dispersion in 1.1..60.0_f64,
        count in 0..5_000_u32,
    ) {
        let sigma = |x| tail_sigma(f64::from(x), mean, dispersion);
        prop_assert!(sigma(count + 1) >= sigma(count) - 1e-9);
    }

    #[test]
    fn every_state_is_sound_and_bounded(history in history(300)) {
        let policy = Policy::default();
        let mut state = None;
        for (denial, age) in &history {
            deliver(&mut state, denial, *age, &policy);
            let state = state.as_ref().unwrap();
            assert_bounded(state);
            assert_sound(state, &policy);
            prop_assert!(state.window >= Window::containing(denial.time()));
        }
    }

    #[test]
    fn no_argument_makes_the_score_leave_its_range(
        observed in 0..4_000_000_000_u32,
        mean in prop_oneof![1e-300..1e-3_f64, 1e-3..1e9_f64],
        dispersion in prop_oneof![1.1..10.0_f64, 10.0..1e12_f64],
    ) {
        let sigma = tail_sigma(f64::from(observed), mean, dispersion);
        prop_assert!((0.0..=37.0).contains(&sigma), "{sigma}");
    }
}

#[test]
fn a_flood_that_is_never_the_same_stays_within_its_bounds() {
    let policy = Policy::default();
    let mut state = None;
    let mut full = 0;
    for i in 0..20_000_i64 {
        // 400 denials in each window, more than a window holds.
        let secret = format!("{}/{i}", "long".repeat(1_000));
        let denial = denial((MONDAY + i * 3 / 4) as f64, &format!("e{i}"), &[secret]);
        let (outcome, _) = deliver(&mut state, &denial, SignedDuration::ZERO, &policy);
        full += u32::from(outcome == Outcome::WindowFull);
    }
    let state = state.unwrap();
    assert_bounded(&state);
    assert_sound(&state, &policy);
    assert_eq!(state.ids_before.len(), 256);
    assert_eq!(full, 50 * (400 - 256), "each of 50 windows exceeds its cap");
}
