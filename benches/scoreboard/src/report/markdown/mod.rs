//! The scoreboard as a Markdown page.

mod attacker;
mod attacks;
mod harmless;

use self::attacker::{attacker_table, flood_table, victims_table};
use self::attacks::{
    alerts_table, cells_table, delivery_alerts, delivery_list, delivery_table, recall_table,
    severity_table,
};
use self::harmless::{detectors_table, kinds_table, mixes, rivals_by_kind};
use super::goals::goals;
use super::text::{or_dash, table, whole, wrapped};
use crate::attack::Attack;
use crate::life::benign::Kind;
use crate::scoreboard::{Phase, Scoreboard, Seed};

/// The whole page. Where only one seed is shown, it is the first.
pub(super) fn page(scoreboard: &Scoreboard, first: &Seed) -> String {
    let mut parts = vec![include_str!("../parts/head.md").to_owned(), goals_table(scoreboard)];
    parts.push(include_str!("../parts/alerts.md").to_owned());
    parts.push("![False alerts by detector](scoreboard/detectors.svg)\n".to_owned());
    parts.push(detectors_table(scoreboard));
    parts.push("### By kind of principal\n".to_owned());
    parts.push("![False alerts by kind of principal](scoreboard/kinds.svg)\n".to_owned());
    parts.push(kinds_table(scoreboard, Phase::Learnt));
    parts.push(mixes(scoreboard));
    parts.push(rivals_by_kind(first, Phase::Learnt));
    parts.push("### While it learns\n".to_owned());
    parts.push(kinds_table(scoreboard, Phase::Learning));
    parts.push(rivals_by_kind(first, Phase::Learning));
    parts.push(include_str!("../parts/attacks.md").to_owned());
    for (name, title) in
        [("quiet", "### On quiet carriers\n"), ("noisy", "### On noisy carriers\n")]
    {
        parts.push(title.to_owned());
        parts.push(format!("![Recall on {name} carriers](scoreboard/recall-{name}.svg)\n"));
        parts.push(recall_table(scoreboard, name));
        parts.push("Until the first alert, and how many alerts an attack gives:\n".to_owned());
        parts.push(alerts_table(first, name));
    }
    parts.push("### Rattle on each kind of carrier\n".to_owned());
    parts.push(cells_table(first));
    parts.push("### How urgent the alerts are\n".to_owned());
    parts.push(severity_table(first));
    parts.push(include_str!("../parts/delivery.md").to_owned());
    parts.push(delivery_list());
    parts.push(delivery_table(scoreboard));
    parts.push(delivery_alerts(scoreboard));
    parts.push(include_str!("../parts/attacker.md").to_owned());
    parts.push(
        "![Secrets that an attacker gets through, by day](scoreboard/attacker.svg)\n".to_owned(),
    );
    parts.push(attacker_table(scoreboard));
    parts.push(victims_table(first));
    parts.push(include_str!("../parts/flood.md").to_owned());
    parts.push(flood_table(scoreboard));
    parts.push(include_str!("../parts/rivals.md").to_owned());
    parts.push(corpus(scoreboard));
    parts.join("\n")
}

fn seeds<'a>(scoreboard: &'a Scoreboard, head: &[&str]) -> Vec<String> {
    let names = scoreboard.seeds.iter().map(|seed: &'a Seed| format!("seed {}", seed.seed));
    head.iter().map(|name| (*name).to_owned()).chain(names).collect()
}

fn table_of(head: &[String], rows: &[Vec<String>]) -> String {
    table(&head.iter().map(String::as_str).collect::<Vec<_>>(), rows)
}

fn goals_table(scoreboard: &Scoreboard) -> String {
    let by_seed: Vec<_> = scoreboard.seeds.iter().map(goals).collect();
    let mut head = seeds(scoreboard, &["", "asked"]);
    head.push("met".to_owned());
    let places = 0..by_seed.first().map_or(0, Vec::len);
    let rows: Vec<Vec<String>> = places
        .map(|place| {
            let goals: Vec<_> = by_seed.iter().filter_map(|goals| goals.get(place)).collect();
            let mut row: Vec<String> = goals
                .first()
                .map(|goal| vec![goal.what.to_owned(), goal.asked.to_owned()])
                .unwrap_or_default();
            row.extend(goals.iter().map(|goal| goal.measured.clone()));
            row.push(if goals.iter().all(|goal| goal.met) { "yes" } else { "**no**" }.to_owned());
            row
        })
        .collect();
    format!("## What is asked of the defaults\n\n{}", table_of(&head, &rows))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "days")]
fn whole_days(days: f64) -> String {
    whole(days.round() as u64)
}

fn corpus(scoreboard: &Scoreboard) -> String {
    let size = &scoreboard.size;
    let kinds =
        Kind::ALL.map(|kind| format!("- **{}**: {}.\n", kind.name(), kind.meaning())).concat();
    let attacks = Attack::ALL
        .map(|attack| format!("- **{}**: {}.\n", attack.name(), attack.meaning()))
        .concat();
    let first = scoreboard.seeds.first();
    let days = or_dash(first, |seed| {
        let all = &seed.all_harmless;
        let days = [all.learning, all.learnt].map(|rate| whole_days(rate.principal_days));
        format!(
            "{} denials in {} principal-days of learning and {} after it",
            whole(all.denials),
            days[0],
            days[1]
        )
    });
    wrapped(&format!(
        "## The corpus\n\nOf each kind {} harmless principals of 45 days, {days} at the first seed. \
         Of each kind {} carriers, and every attack on each of them. Lives begin on any day of the 14 \
         that a generation of known secrets has. The account has 4,000 secrets. Callers name them by \
         name or by ARN, nine times in ten as they prefer. Principals are roles, users and people; \
         each has a stream of chance of its own (ChaCha8), drawn from the seed, its kind and its \
         number.\n\nHarmless, where ranges are drawn by order of magnitude:\n\n{kinds}\nAttacks, \
         always on secrets that the principal is not used to:\n\n{attacks}",
        size.harmless, size.carriers
    ))
}
