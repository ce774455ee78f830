//! False alerts.

use super::super::text::{rate, rate_with, whole, wrapped};
use super::table_of;
use crate::life::benign::Kind;
use crate::scoreboard::{HarmlessRow, Phase, Rate, Scoreboard, Seed, rivals};

pub(super) fn detectors_table(scoreboard: &Scoreboard) -> String {
    let mut head = vec![String::new()];
    for phase in Phase::ALL {
        head.extend(
            scoreboard.seeds.iter().map(|seed| format!("{}, seed {}", phase.name(), seed.seed)),
        );
    }
    let row = |name: &str, of: &dyn Fn(&HarmlessRow, Phase) -> String| {
        let mut row = vec![name.to_owned()];
        for phase in Phase::ALL {
            row.extend(scoreboard.seeds.iter().map(|seed| of(&seed.all_harmless, phase)));
        }
        row
    };
    let mut rows = vec![
        row("**Rattle**", &|all, phase| {
            let rate = all.rate(phase);
            rate_with(rate.per_1000, rate.interval)
        }),
        row("of it medium or high", &|all, phase| {
            let rate = all.rate(phase);
            rate_with(rate.medium_or_high_per_1000, rate.medium_or_high_interval)
        }),
    ];
    for (place, rival) in rivals() {
        rows.push(row(rival.name(), &|all, phase| {
            rate(all.rivals[place][phase as usize].per_1000)
        }));
    }
    table_of(&head, &rows)
}

pub(super) fn kinds_table(scoreboard: &Scoreboard, phase: Phase) -> String {
    let mut head = vec![phase.name().to_owned(), "principal-days".to_owned()];
    for seed in &scoreboard.seeds {
        let seed = seed.seed;
        head.extend([format!("alerts, seed {seed}"), "low, medium, high".to_owned()]);
    }
    let rows: Vec<Vec<String>> = (0..=Kind::ALL.len())
        .map(|place| {
            let of = |seed: &Seed| seed.harmless.get(place).unwrap_or(&seed.all_harmless).clone();
            let rows: Vec<HarmlessRow> = scoreboard.seeds.iter().map(of).collect();
            let first = rows.first().map(|row| (row.kind.to_owned(), row.rate(phase)));
            let mut row = first.map_or_else(Vec::new, |(kind, rate)| vec![kind, days(rate)]);
            for harmless in &rows {
                let rate = harmless.rate(phase);
                row.extend([rate_with(rate.per_1000, rate.interval), counts(rate.alerts)]);
            }
            row
        })
        .collect();
    table_of(&head, &rows)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "days")]
fn days(rate: &Rate) -> String {
    whole(rate.principal_days.round() as u64)
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

pub(super) fn rivals_by_kind(seed: &Seed, phase: Phase) -> String {
    let mut head = vec![format!("{}, seed {}", phase.name(), seed.seed), "Rattle".to_owned()];
    head.extend(rivals().map(|(_, rival)| rival.name().to_owned()));
    let rows: Vec<Vec<String>> = seed
        .harmless
        .iter()
        .chain([&seed.all_harmless])
        .map(|harmless| {
            let mut row = vec![harmless.kind.to_owned(), rate(harmless.rate(phase).per_1000)];
            row.extend(harmless.rivals.iter().map(|rival| rate(rival[phase as usize].per_1000)));
            row
        })
        .collect();
    table_of(&head, &rows)
}
