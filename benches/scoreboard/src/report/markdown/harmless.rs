//! False alerts.

use super::super::text::{rate, rate_with, wrapped};
use super::{seeds, table_of};
use crate::life::benign::Kind;
use crate::scoreboard::{HarmlessRow, Scoreboard, Seed, rivals};

pub(super) fn detectors_table(scoreboard: &Scoreboard) -> String {
    let mut head = seeds(scoreboard, &["from day 15 on"]);
    head.extend(scoreboard.seeds.iter().map(|seed| format!("learning, seed {}", seed.seed)));
    let row = |name: &str, of: &dyn Fn(&HarmlessRow, usize) -> String| {
        let mut row = vec![name.to_owned()];
        for phase in [1, 0] {
            row.extend(scoreboard.seeds.iter().map(|seed| of(&seed.all_harmless, phase)));
        }
        row
    };
    let ours = |row: &HarmlessRow, phase: usize| if phase == 1 { row.learnt } else { row.learning };
    let mut rows = vec![
        row("**Rattle**", &|all, phase| {
            let rate = ours(all, phase);
            rate_with(rate.per_1000, rate.interval)
        }),
        row("of it medium or high", &|all, phase| {
            let rate = ours(all, phase);
            rate_with(rate.medium_or_high_per_1000, rate.medium_or_high_interval)
        }),
    ];
    for (place, rival) in rivals() {
        rows.push(row(rival.name(), &|all, phase| rate(all.rivals[place][phase].per_1000)));
    }
    table_of(&head, &rows)
}

pub(super) fn kinds_table(scoreboard: &Scoreboard) -> String {
    let mut head = vec!["from day 15 on".to_owned()];
    for seed in &scoreboard.seeds {
        let seed = seed.seed;
        head.extend([format!("alerts, seed {seed}"), "low, medium, high".to_owned()]);
    }
    head.push("learning, both".to_owned());
    let rows: Vec<Vec<String>> = (0..=Kind::ALL.len())
        .map(|place| {
            let of = |seed: &Seed| seed.harmless.get(place).unwrap_or(&seed.all_harmless).clone();
            let rows: Vec<HarmlessRow> = scoreboard.seeds.iter().map(of).collect();
            let mut row: Vec<String> =
                rows.first().map(|row| row.kind.to_owned()).into_iter().collect();
            for harmless in &rows {
                let rate = &harmless.learnt;
                row.extend([rate_with(rate.per_1000, rate.interval), counts(rate.alerts)]);
            }
            let alerts: u32 = rows.iter().flat_map(|row| row.learning.alerts).sum();
            let days: f64 = rows.iter().map(|row| row.learning.principal_days).sum();
            row.push(rate(f64::from(alerts) * 1000.0 / days.max(1.0)));
            row
        })
        .collect();
    table_of(&head, &rows)
}

fn counts([low, medium, high]: [u32; 3]) -> String {
    format!("{low}, {medium}, {high}")
}

pub(super) fn mixes(scoreboard: &Scoreboard) -> String {
    let rates: Vec<String> = scoreboard
        .seeds
        .iter()
        .map(|seed| {
            let rate = seed.without_changes;
            format!(
                "{}, of medium or high {}, at seed {}",
                rate_with(rate.per_1000, rate.interval),
                self::rate(rate.medium_or_high_per_1000),
                seed.seed
            )
        })
        .collect();
    wrapped(&format!(
        "Nearly all of it comes from three kinds: *new*, *policy-change* and *weekly-scan*. The first \
         two change for good after day 14, and one finding about that is meant; the third does what \
         an attacker does. Without the three: {}.\n",
        rates.join("; ")
    ))
}

pub(super) fn rivals_by_kind(seed: &Seed) -> String {
    let mut head = vec![format!("seed {}", seed.seed), "Rattle".to_owned()];
    head.extend(rivals().map(|(_, rival)| rival.name().to_owned()));
    let rows: Vec<Vec<String>> = seed
        .harmless
        .iter()
        .chain([&seed.all_harmless])
        .map(|harmless| {
            let mut row = vec![harmless.kind.to_owned(), rate(harmless.learnt.per_1000)];
            row.extend(harmless.rivals.iter().map(|[_, learnt]| rate(learnt.per_1000)));
            row
        })
        .collect();
    table_of(&head, &rows)
}
