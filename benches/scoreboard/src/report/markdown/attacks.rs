//! Attacks, and how they are delivered.

use super::super::text::{minutes, or_dash, rate_with, share};
use super::table_of;
use crate::attack::Attack;
use crate::delivery::Delivery;
use crate::measure::attacked::Carrier;
use crate::scoreboard::{Cell, Scoreboard, Seed, rivals};

fn summed<'a>(seed: &'a Seed, carrier: &'a str) -> impl Iterator<Item = &'a Cell> {
    seed.summed.iter().filter(move |cell| cell.carrier == carrier)
}

pub(super) fn recall_table(scoreboard: &Scoreboard, carrier: &str) -> String {
    let mut head = vec!["recall".to_owned()];
    head.extend(scoreboard.seeds.iter().map(|seed| format!("Rattle, seed {}", seed.seed)));
    head.extend(rivals().map(|(_, rival)| rival.name().to_owned()));
    let rows: Vec<Vec<String>> = Attack::ALL
        .iter()
        .map(|attack| {
            let cells: Vec<&Cell> = scoreboard
                .seeds
                .iter()
                .filter_map(|seed| summed(seed, carrier).find(|cell| cell.attack == *attack))
                .collect();
            let mut row = vec![attack.name().to_owned()];
            row.extend(
                cells
                    .iter()
                    .map(|cell| format!("{:.3} (from {:.3})", cell.recall, cell.interval.0)),
            );
            let first = cells.first();
            row.extend(rivals().map(|(place, _)| {
                or_dash(first, |cell| {
                    share(crate::scoreboard::share(cell.rivals[place], cell.made))
                })
            }));
            row
        })
        .collect();
    table_of(&head, &rows)
}

pub(super) fn alerts_table(seed: &Seed, carrier: &str) -> String {
    let mut head = vec![format!("seed {}", seed.seed)];
    let names = ["denials, median", "90th percentile", "time, median", "90th percentile", "alerts"];
    head.extend(names.map(str::to_owned));
    head.extend(rivals().map(|(_, rival)| rival.name().to_owned()));
    let rows: Vec<Vec<String>> = summed(seed, carrier)
        .map(|cell| {
            let mut row = vec![cell.attack.name().to_owned()];
            row.extend([0, 1].map(|at| or_dash(cell.denials, |denials| denials[at].to_string())));
            row.extend([0, 1].map(|at| or_dash(cell.minutes, |times| minutes(times[at]))));
            row.push(format!("{:.1}", cell.alerts));
            row.extend(rivals().map(|(place, _)| {
                or_dash(
                    cell.rivals_denials[place].zip(cell.rivals_minutes[place]),
                    |(denials, time)| {
                        format!("{denials}, {}, {:.1}", minutes(time), cell.rivals_alerts[place])
                    },
                )
            }));
            row
        })
        .collect();
    format!(
        "{}\nOf the other rules: denials and time in the median, and alerts for each attack noticed.\n",
        table_of(&head, &rows)
    )
}

pub(super) fn cells_table(seed: &Seed) -> String {
    let mut head = vec![format!("recall, seed {}", seed.seed)];
    head.extend(Attack::ALL.iter().map(|attack| attack.name().to_owned()));
    let rows: Vec<Vec<String>> = Carrier::all()
        .map(|carrier| {
            let cells = seed.attacks.iter().filter(|cell| cell.carrier == carrier.name());
            let name = [carrier.name().to_owned()].into_iter();
            name.chain(cells.map(|cell| share(cell.recall))).collect()
        })
        .collect();
    let made = seed.attacks.first().map_or(0, |cell| cell.made);
    format!("Of {made} attacks each.\n\n{}", table_of(&head, &rows))
}

pub(super) fn severity_table(seed: &Seed) -> String {
    let head = [
        format!("seed {}", seed.seed),
        "first alert low".to_owned(),
        "medium".to_owned(),
        "high".to_owned(),
        "a high one in the end".to_owned(),
    ];
    let rows: Vec<Vec<String>> = Attack::ALL
        .iter()
        .map(|attack| {
            let cells: Vec<&Cell> =
                seed.summed.iter().filter(|cell| cell.attack == *attack).collect();
            let sum = |of: fn(&Cell) -> u32| cells.iter().map(|cell| of(cell)).sum::<u32>();
            let caught = sum(|cell| cell.caught[0]);
            let of_caught = |count: u32| share(crate::scoreboard::share(count, caught));
            vec![
                attack.name().to_owned(),
                of_caught(sum(|cell| cell.first[0])),
                of_caught(sum(|cell| cell.first[1])),
                of_caught(sum(|cell| cell.first[2])),
                of_caught(sum(|cell| cell.severest[2])),
            ]
        })
        .collect();
    format!("Shares of the attacks noticed.\n\n{}", table_of(&head, &rows))
}

pub(super) fn delivery_list() -> String {
    let lines = Delivery::ALL
        .into_iter()
        .map(|delivery| format!("- *{}*: {}.\n", delivery.name(), delivery.meaning()));
    lines.collect()
}

pub(super) fn delivery_table(scoreboard: &Scoreboard) -> String {
    let mut head = vec!["recall".to_owned()];
    for seed in &scoreboard.seeds {
        head.extend(
            Delivery::ALL.map(|delivery| format!("{}, seed {}", delivery.name(), seed.seed)),
        );
    }
    let rows: Vec<Vec<String>> = ["quiet", "noisy"]
        .into_iter()
        .flat_map(|carrier| Attack::ALL.map(|attack| (carrier, attack)))
        .map(|(carrier, attack)| {
            let mut row = vec![format!("{}, {carrier}", attack.name())];
            for seed in &scoreboard.seeds {
                if let Some(cell) = summed(seed, carrier).find(|cell| cell.attack == attack) {
                    let shown =
                        |caught: u32| format!("{:.3}", crate::scoreboard::share(caught, cell.made));
                    row.extend(cell.caught.map(shown));
                }
            }
            row
        })
        .collect();
    table_of(&head, &rows)
}

pub(super) fn delivery_alerts(scoreboard: &Scoreboard) -> String {
    let mut head = vec!["false alerts".to_owned()];
    head.extend(Delivery::ALL.map(|delivery| delivery.name().to_owned()));
    let rows: Vec<Vec<String>> = scoreboard
        .seeds
        .iter()
        .map(|seed| {
            let rates = seed.all_harmless.deliveries.iter();
            let name = [format!("seed {}", seed.seed)].into_iter();
            name.chain(rates.map(|rate| rate_with(rate.per_1000, rate.interval))).collect()
        })
        .collect();
    format!(
        "One in {} of the harmless principals, from day 15 on:\n\n{}",
        scoreboard.size.disturbed_one_in,
        table_of(&head, &rows)
    )
}
