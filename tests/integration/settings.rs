//! Reading of settings: defaults, forms of a value, and all faults reported together.

use rattle::detection::Policy;
use rattle::settings::{Faults, SETTINGS, Settings};

fn read(pairs: &[(&str, &str)]) -> Result<Settings, Faults> {
    Settings::read(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
}

#[test]
fn without_any_variable_the_defaults_are_those_of_the_policy() {
    let settings = read(&[("PATH", "/bin")]).unwrap();
    assert_eq!(settings.policy, Policy::default());
    assert_eq!(settings.max_alerts_per_hour, 60);
}

#[test]
fn each_default_is_a_value_that_its_setting_allows() {
    let defaults: Vec<_> = SETTINGS.iter().map(|one| (one.variable, one.default)).collect();
    let settings = read(&defaults).unwrap();
    assert_eq!(settings.policy, Policy::default());
    assert_eq!((settings.mode, settings.machine_format), Default::default());
}

#[test]
fn one_value_stands_for_all_scales_and_three_for_each() {
    let settings = read(&[("RATTLE_MIN_SECRETS", "7"), ("RATTLE_MIN_DENIALS", "1, 2,3")]).unwrap();
    assert_eq!(settings.policy.secrets.floor, [7, 7, 7]);
    assert_eq!(settings.policy.denials.floor, [1, 2, 3]);
    let settings = read(&[("RATTLE_QUIET_MINUTES", "30"), ("RATTLE_REMIND_HOURS", "48")]).unwrap();
    assert_eq!((settings.policy.quiet_windows, settings.policy.remind_windows), (6, 576));
}

#[test]
fn each_wrong_entry_of_a_list_is_a_fault_of_its_own() {
    let faults = read(&[
        ("RATTLE_IGNORE", "arn:a;until=2026-13-01, arn:b ,arn:c;above=0,arn:d;above=50"),
        ("RATTLE_MACHINE_FORMAT", "json"),
    ])
    .unwrap_err();
    let text = faults.to_string();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(text.contains("RATTLE_IGNORE is \"arn:a;until=2026-13-01\"; allowed: at most"));
    assert!(text.contains("RATTLE_IGNORE is \"arn:c;above=0\""));
    assert!(text.contains("RATTLE_MACHINE_FORMAT is \"json\"; allowed: rattle, asff or ocsf"));
    let many = vec!["a"; 1001].join(",");
    assert_eq!(read(&[("RATTLE_IGNORE", &many)]).unwrap_err().0.len(), 1);
}

#[test]
fn all_faults_are_reported_at_once() {
    let faults = read(&[
        ("RATTLE_DENIALS_THRESHOLD", "NaN"),
        ("RATTLE_SECRETS_THRESHOLD", "0.5"),
        ("RATTLE_MIN_SECRETS", "1,2"),
        ("RATTLE_QUIET_MINUTES", "7"),
        ("RATTLE_TOPIC_ARN", "arn:aws:sns:eu-west-1:111122223333:"),
        ("RATTLE_TRESHOLD\n", "1"),
    ])
    .unwrap_err();
    assert_eq!(faults.0.len(), 6);
    let text = faults.to_string();
    assert!(text.contains("RATTLE_DENIALS_THRESHOLD is \"NaN\"; allowed: sigma from 1 to 37"));
    assert!(text.contains(r"RATTLE_TRESHOLD is no setting; there are RATTLE_DENIALS_THRESHOLD"));
    assert_eq!(text.lines().count(), 6, "one line for each fault");
}
