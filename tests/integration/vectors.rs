//! Reference values from an independent implementation.

use jiff::SignedDuration;
use rattle::detection::baseline::Baseline;
use rattle::detection::negative_binomial::tail_sigma;
use rattle::detection::{Axis, Policy, Scale, Signal};
use serde_json::Value;

use crate::support::{InMemory, denial, project_file};

const RELATIVE: f64 = 1e-9;
const SIGMA: f64 = 1e-6;

fn vectors(part: &str) -> Vec<Value> {
    let text = std::fs::read(project_file("tests/integration/data/vectors.json")).unwrap();
    let mut all: Value = serde_json::from_slice(&text).unwrap();
    let Value::Array(vectors) = all[part].take() else { panic!("no {part}") };
    vectors
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

fn assert_close(what: &str, actual: f64, expected: f64) {
    let error = (actual - expected).abs();
    assert!(error <= RELATIVE * expected.abs(), "{what}: {actual} instead of {expected}");
}

#[test]
fn every_tail_has_its_score() {
    let tails = vectors("tails");
    assert_eq!(tails.len(), 320);
    for tail in &tails {
        let sigma = tail_sigma(
            number(&tail["observed"]),
            number(&tail["mean"]),
            number(&tail["dispersion"]),
        );
        assert!((sigma - number(&tail["sigma"])).abs() <= SIGMA, "{sigma} for {tail}");
    }
}

/// 408 points over the whole range: counts from 1 to 80,000, means from 1e-8 to 80,000 and
/// dispersions from 1.1 to 1e5, computed with 60 digits by `data/tail_reference.py`.
#[test]
fn the_score_holds_over_its_whole_range() {
    let text = std::fs::read(project_file("tests/integration/data/tail_reference.json")).unwrap();
    let points: Vec<Value> = serde_json::from_slice(&text).unwrap();
    assert_eq!(points.len(), 408);
    for point in &points {
        let sigma = tail_sigma(
            number(&point["observed"]),
            number(&point["mean"]),
            number(&point["dispersion"]),
        );
        assert!((sigma - number(&point["sigma"])).abs() <= 1e-9, "{sigma} for {point}");
    }
}

#[test]
fn every_fold_gives_its_sums() {
    let policy = Policy::default();
    let folds = vectors("folds");
    assert_eq!(folds.len(), 60);
    for fold in &folds {
        let signal = match fold["signal"].as_str().unwrap() {
            "denials" => Signal::Denials,
            "secrets" | "new secrets" => Signal::Secrets,
            other => panic!("{other} is not a signal"),
        };
        let scale = Scale::ALL.into_iter().find(|s| fold["scale"] == s.name()).unwrap();
        let axis = Axis { signal, scale };
        let mut baseline =
            Baseline { sum: number(&fold["s1"]), sum_of_squares: number(&fold["s2"]) };
        let completed = fold["completed"].as_i64().unwrap();

        let prediction = baseline.predict(axis, completed, &policy);
        assert_close("mean", prediction.mean, number(&fold["mean"]));
        assert_close("dispersion", prediction.dispersion, number(&fold["dispersion"]));
        assert_close("weight", prediction.weight, number(&fold["weight"]));

        let observed = u32::try_from(fold["observed"].as_u64().unwrap()).unwrap();
        let silent = fold["empty_after"].as_i64().unwrap();
        baseline.fold(axis, completed, observed, silent, &policy);
        assert_close("s1", baseline.sum, number(&fold["s1_after"]));
        assert_close("s2", baseline.sum_of_squares, number(&fold["s2_after"]));
    }
}

#[test]
fn every_sequence_gives_its_outcomes_scores_and_alerts() {
    let sequences = vectors("sequences");
    assert_eq!(sequences.len(), 16);
    for sequence in &sequences {
        let name = sequence["name"].as_str().unwrap();
        let store = InMemory::new();
        for (i, step) in sequence["steps"].as_array().unwrap().iter().enumerate() {
            let secrets: Vec<String> =
                step["secrets"].as_array().unwrap().iter().map(text).collect();
            let denial = denial(number(&step["time"]), &text(&step["event_id"]), &secrets);
            let age = SignedDuration::from_secs_f64(number(&step["age"]));
            let delivered = store.deliver(&denial, age);

            assert_eq!(step["outcome"], delivered.outcome.name(), "{name}, step {i}");
            let expected_rows = step["assessments"].as_array().unwrap();
            for (row, expected) in delivered.assessment.rows().iter().zip(expected_rows) {
                let what = format!("{name}, step {i}, {} {}", row.axis.signal, row.axis.scale);
                assert_eq!(expected["signal"], row.axis.signal.name(), "{what}");
                assert_eq!(expected["scale"], row.axis.scale.name(), "{what}");
                assert_eq!(expected["observed"], row.observed, "{what}");
                assert_close(&what, row.prediction.mean, number(&expected["mean"]));
                assert_close(&what, row.prediction.sd(), number(&expected["sd"]));
                let sigma = number(&expected["sigma"]);
                assert!((row.sigma() - sigma).abs() <= SIGMA, "{what}: {}", row.sigma());
            }
            match (&step["alert"], &delivered.finding) {
                (Value::Null, None) => {}
                (alert, Some(finding)) => {
                    assert_eq!(alert["signal"], finding.signal.name(), "{name}, step {i}");
                    assert_eq!(alert["scale"], finding.scale.name(), "{name}, step {i}");
                    assert_eq!(alert["observed"], finding.observed, "{name}, step {i}");
                }
                (alert, None) => panic!("{name}, step {i}: the alert {alert} is missing"),
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
