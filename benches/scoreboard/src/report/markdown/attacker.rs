//! The attacker who knows everything, and the flood.

use super::super::text::{minutes, or_dash, table, whole, wrapped};
use super::table_of;
use crate::attacker::{ACCOUNTS, MILESTONES, Plan, Victim};
use crate::flood;
use crate::scoreboard::{HaulRow, Scoreboard, Seed};

/// Plans, and whether a row belongs to each.
const PLANS: [fn(Plan) -> bool; 4] = [
    |plan| plan == Plan::FourADay,
    |plan| matches!(plan, Plan::Each(_)),
    |plan| matches!(plan, Plan::ByBucket(_)),
    |plan| plan == Plan::Flood,
];

fn plan_name(plan: Plan) -> &'static str {
    match plan {
        Plan::Each(_) => "as many as go unnoticed",
        Plan::ByBucket(_) => "chooses by bucket",
        Plan::FourADay => "four a day",
        Plan::Flood => "fills the windows",
    }
}

fn how(row: &HaulRow) -> String {
    let victim = match row.victim {
        Victim::Fresh => "new principal",
        Victim::Slipped => "refused once",
        Victim::Of(kind) => kind.name(),
    };
    match row.plan {
        Plan::Each(period) | Plan::ByBucket(period) => {
            format!("{victim}, each {}", minutes(period as f64 / 60.0))
        }
        Plan::FourADay => victim.to_owned(),
        Plan::Flood => {
            let full = or_dash(row.full_on_day, |day| format!("a window is full on day {day}"));
            format!("{victim}; {full}")
        }
    }
}

pub(super) fn attacker_table(scoreboard: &Scoreboard) -> String {
    let mut head = vec!["account, plan".to_owned()];
    for seed in &scoreboard.seeds {
        for days in MILESTONES {
            head.push(format!("{days} days, seed {}", seed.seed));
        }
    }
    head.push("the best in 30 days, first seed".to_owned());
    let mut rows = Vec::new();
    for account in ACCOUNTS {
        for wanted in PLANS {
            let mut row = Vec::new();
            let mut name = "–";
            for seed in &scoreboard.seeds {
                row.extend(MILESTONES.iter().enumerate().map(|(place, days)| {
                    or_dash(seed.best(account, *days, wanted), |best| {
                        name = plan_name(best.plan);
                        whole(u64::from(best.secrets[place]))
                    })
                }));
            }
            row.insert(0, format!("{}, {name}", whole(u64::from(account))));
            let first = scoreboard.seeds.first().and_then(|seed| seed.best(account, 30, wanted));
            row.push(or_dash(first, how));
            rows.push(row);
        }
    }
    table_of(&head, &rows)
}

pub(super) fn victims_table(seed: &Seed) -> String {
    let head =
        ["plan", "1 day", "7 days", "30 days", "60 days", "counted in a day", "noticed on day"];
    let account = ACCOUNTS[0];
    let rows: Vec<Vec<String>> = seed
        .attacker
        .iter()
        .filter(|row| row.account == account && row.plan != Plan::FourADay)
        .map(|row| {
            let mut cells = vec![format!("{}: {}", plan_name(row.plan), how(row))];
            cells.push(whole(u64::from(row.first_day)));
            cells.extend(row.secrets.map(|secrets| whole(u64::from(secrets))));
            cells.push(row.most_counted_in_a_day.to_string());
            cells.push(or_dash(row.noticed_on_day, |day| day.to_string()));
            cells
        })
        .collect();
    format!(
        "{}\n{}",
        wrapped(&format!(
            "All strategies in the account of {} secrets, seed {}. *Noticed*: a call of the victim \
             itself raised an alert that it would not have raised, which ends the strategy.\n",
            whole(u64::from(account)),
            seed.seed
        )),
        table(&head, &rows)
    )
}

pub(super) fn flood_table(scoreboard: &Scoreboard) -> String {
    let mut head = vec!["refusals of the job in 5 minutes".to_owned()];
    for seed in &scoreboard.seeds {
        head.extend(flood::ATTACKS.map(|attack| format!("{}, seed {}", attack.name(), seed.seed)));
    }
    let rows: Vec<Vec<String>> = flood::RATES
        .iter()
        .map(|rate| {
            let of_rate = scoreboard
                .seeds
                .iter()
                .flat_map(|seed| seed.behind_a_flood.iter().filter(|masked| masked.rate == *rate));
            let shown = of_rate.map(|masked| format!("{} of {}", masked.noticed, masked.made));
            [whole(u64::from(*rate))].into_iter().chain(shown).collect()
        })
        .collect();
    table_of(&head, &rows)
}
