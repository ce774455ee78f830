//! Ignored principals: an entry in `RATTLE_IGNORE` may have a ceiling, past which its principal is
//! assessed again.

use rattle::replay::{Format, Input, Options};
use rattle::settings::Settings;

use crate::support::{MONDAY, Silent, TemporaryFolder, denial_of, record};

const DAY: i64 = 86_400;

/// Replays one enumeration for each start under this setting. Returns the findings and the number
/// of denials that were not assessed.
fn replayed(ignore: &str, starts: &[i64], secrets: i64) -> (Vec<serde_json::Value>, u64) {
    let folder = TemporaryFolder::new(&format!("left-alone-{}-{secrets}", ignore.len()));
    let mut lines = String::new();
    for start in starts {
        for i in 0..secrets {
            let name = format!("prod/{start}/{i}");
            lines +=
                &format!("{}\n", record((start + i) as f64, &name, std::slice::from_ref(&name)));
        }
    }
    let options = Options {
        input: Input { paths: vec![folder.write("denials.jsonl", lines)], ..Input::default() },
        format: Format::JsonLines { decisions: false },
        ..Options::default()
    };
    let settings = Settings::read([("RATTLE_IGNORE".to_owned(), ignore.to_owned())]).unwrap();
    let mut output = Vec::new();
    let summary = rattle::replay::replay(&options, &settings, &mut output, &mut Silent).unwrap();
    let findings = output
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    (findings, summary.ignored_by_setting)
}

#[test]
fn above_its_ceiling_an_ignored_principal_is_reported() {
    let (findings, unassessed) = replayed("*role/ci-*;above=20", &[MONDAY], 60);
    assert_eq!(unassessed, 0, "every denial is counted and assessed");
    let first = &findings[0];
    assert_eq!((&first["status"], &first["secrets"]["1d"]), (&"open".into(), &21.into()));
    // A ceiling that is not exceeded, and one that belongs to another principal.
    assert_eq!(replayed("*role/ci-*;above=60", &[MONDAY], 60).0, Vec::<serde_json::Value>::new());
    let others = replayed("*role/other;above=60", &[MONDAY], 60).0;
    assert_eq!(others[0]["secrets"]["1d"], 5);
    // Counts start again each day, and neither day exceeds the ceiling.
    assert_eq!(replayed("*;above=40", &[MONDAY, MONDAY + DAY], 40).0.len(), 0);
}

#[test]
fn an_entry_applies_until_the_end_of_its_day_in_event_time() {
    let late = MONDAY + DAY - 30;
    let (findings, unassessed) = replayed("*;until=2026-01-05", &[late], 60);
    assert_eq!(unassessed, 30, "the denials in the last 30 seconds of that day");
    assert_eq!(findings[0]["first_denial"], "2026-01-06T00:00:00Z");
    assert_eq!(replayed("*;until=2026-01-06", &[late], 60), (Vec::new(), 60));
    assert_eq!(replayed("*;until=2026-01-04", &[late], 60).1, 0);
    // The ceiling no longer applies after `until`, the last day of the entry.
    assert_eq!(replayed("*;until=2026-01-04;above=500", &[late], 60).0[0]["secrets"]["1d"], 5);
}

#[test]
fn of_several_entries_each_may_widen_what_is_left_alone() {
    let of = |ignore: &str| {
        let given = [("RATTLE_IGNORE".to_owned(), ignore.to_owned())];
        let ignored = Settings::read(given).unwrap().ignored;
        let denial = denial_of(MONDAY, "e", "s");
        let entry = ignored.entirely(&denial).map(|entry| entry.text().to_owned());
        (entry, ignored.ceiling(&denial))
    };
    let entirely = |entry: &str, ceiling| (Some(entry.to_owned()), ceiling);
    assert_eq!(of("*;above=5,*;above=50,*;above=7"), (None, Some(50)));
    assert_eq!(of("*;above=5,*"), entirely("*", Some(5)));
    assert_eq!(of("*,*;above=5"), entirely("*", Some(5)));
    assert_eq!(of("*;until=2026-01-04,*;above=5"), (None, Some(5)));
    assert_eq!(of("x,*;until=2026-01-04,*;until=2026-02-01,*").0.unwrap(), "*;until=2026-02-01");
    assert_eq!(of("x,x;above=5"), (None, None));
    assert_eq!(of(""), (None, None));
}

#[test]
fn an_entry_without_a_ceiling_wins_over_one_with() {
    for ignore in ["*;above=5,*", "*,*;above=5"] {
        assert_eq!(replayed(ignore, &[MONDAY], 60), (Vec::new(), 60));
    }
}
