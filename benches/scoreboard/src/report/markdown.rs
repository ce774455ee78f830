//! The page.

use super::goals::goals;
use super::text::{minutes, or_dash, rate, rate_with, share, table, whole};
use crate::attack::Attack;
use crate::attacker::{ACCOUNTS, MILESTONES, Plan, Victim};
use crate::delivery::Delivery;
use crate::flood;
use crate::life::benign::Kind;
use crate::measure::attacked::Carrier;
use crate::scoreboard::{Cell, HarmlessRow, HaulRow, Scoreboard, Seed, rivals};

/// Kinds that change for good in the middle of their life, or scan as an attacker does.
const CHANGES: [Kind; 3] = [Kind::New, Kind::PolicyChange, Kind::WeeklyScan];

/// All of it. Where one seed is shown, it is the first.
pub(super) fn page(scoreboard: &Scoreboard, first: &Seed) -> String {
    let mut parts = vec![include_str!("parts/head.md").to_owned(), goals_table(scoreboard)];
    parts.push(include_str!("parts/alerts.md").to_owned());
    parts.push("![](scoreboard/detectors.svg)\n".to_owned());
    parts.push(detectors_table(scoreboard));
    parts.push("### By kind of principal\n".to_owned());
    parts.push("![](scoreboard/kinds.svg)\n".to_owned());
    parts.push(kinds_table(scoreboard));
    parts.push(mixes(scoreboard));
    parts.push("The other rules, from day 15 on:\n".to_owned());
    parts.push(rivals_by_kind(first));
    parts.push(include_str!("parts/attacks.md").to_owned());
    for (name, title) in
        [("quiet", "### On quiet carriers\n"), ("noisy", "### On noisy carriers\n")]
    {
        parts.push(title.to_owned());
        parts.push(format!("![](scoreboard/recall-{name}.svg)\n"));
        parts.push(recall_table(scoreboard, name));
        parts.push("Until the first alert, and how many alerts an attack gives:\n".to_owned());
        parts.push(alerts_table(first, name));
    }
    parts.push("### Rattle on each kind of carrier\n".to_owned());
    parts.push(cells_table(first));
    parts.push("### How urgent the alerts are\n".to_owned());
    parts.push(severity_table(first));
    parts.push(include_str!("parts/delivery.md").to_owned());
    parts.push(delivery_list());
    parts.push(delivery_table(scoreboard));
    parts.push(delivery_alerts(scoreboard));
    parts.push(include_str!("parts/attacker.md").to_owned());
    parts.push("![](scoreboard/attacker.svg)\n".to_owned());
    parts.push(attacker_table(scoreboard));
    parts.push(victims_table(first));
    parts.push(include_str!("parts/flood.md").to_owned());
    parts.push(flood_table(scoreboard));
    parts.push(include_str!("parts/rivals.md").to_owned());
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

fn detectors_table(scoreboard: &Scoreboard) -> String {
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

fn kinds_table(scoreboard: &Scoreboard) -> String {
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

fn mixes(scoreboard: &Scoreboard) -> String {
    let rates: Vec<String> = scoreboard
        .seeds
        .iter()
        .map(|seed| {
            let rate = HarmlessRow::learnt_without(&seed.harmless, &CHANGES);
            format!(
                "{} ({} of medium or high) at seed {}",
                rate_with(rate.per_1000, rate.interval),
                self::rate(rate.medium_or_high_per_1000),
                seed.seed
            )
        })
        .collect();
    format!(
        "Nearly all of it comes from three kinds: *new*, *policy-change* and *weekly-scan*. The first \
         two change for good after day 14, and one finding about that is meant; the third does what \
         an attacker does. Without the three: {}.\n",
        rates.join(", ")
    )
}

fn rivals_by_kind(seed: &Seed) -> String {
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

fn summed<'a>(seed: &'a Seed, carrier: &'a str) -> impl Iterator<Item = &'a Cell> {
    seed.summed.iter().filter(move |cell| cell.carrier == carrier)
}

fn recall_table(scoreboard: &Scoreboard, carrier: &str) -> String {
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

fn alerts_table(seed: &Seed, carrier: &str) -> String {
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

fn cells_table(seed: &Seed) -> String {
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

fn severity_table(seed: &Seed) -> String {
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

fn delivery_list() -> String {
    let lines = Delivery::ALL
        .into_iter()
        .map(|delivery| format!("- *{}*: {}.\n", delivery.name(), delivery.meaning()));
    lines.collect()
}

fn delivery_table(scoreboard: &Scoreboard) -> String {
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

fn delivery_alerts(scoreboard: &Scoreboard) -> String {
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

/// Plans, and whether a row is of it.
const PLANS: [fn(Plan) -> bool; 4] = [
    |plan| plan == Plan::FourADay,
    |plan| matches!(plan, Plan::Each(_)),
    |plan| matches!(plan, Plan::ByBucket(_)),
    |plan| plan == Plan::Flood,
];

fn attacker_table(scoreboard: &Scoreboard) -> String {
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

fn victims_table(seed: &Seed) -> String {
    let head = ["seed", "7 days", "30 days", "60 days", "counted in a day", "noticed on day"];
    let account = ACCOUNTS[0];
    let rows: Vec<Vec<String>> = seed
        .attacker
        .iter()
        .filter(|row| row.account == account && row.plan != Plan::FourADay)
        .map(|row| {
            let mut cells = vec![format!("{}: {}", plan_name(row.plan), how(row))];
            cells.extend(row.secrets.map(|secrets| whole(u64::from(secrets))));
            cells.push(row.most_counted_in_a_day.to_string());
            cells.push(or_dash(row.noticed_on_day, |day| day.to_string()));
            cells
        })
        .collect();
    format!(
        "All strategies in the account of {} secrets, seed {}. *Noticed*: a call of the victim itself \
         raised an alert that it would not have raised, which ends the strategy.\n\n{}",
        whole(u64::from(account)),
        seed.seed,
        table(&head, &rows)
    )
}

fn flood_table(scoreboard: &Scoreboard) -> String {
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
        let days = [all.learning, all.learnt].map(|rate| format!("{:.0}", rate.principal_days));
        format!(
            "{} denials in {} principal-days of learning and {} after it",
            whole(all.denials),
            days[0],
            days[1]
        )
    });
    format!(
        "## The corpus\n\nOf each kind {} harmless principals of 45 days, {days} at the first seed. \
         Of each kind {} carriers, and every attack on each of them. Lives begin on any day of the 14 \
         that a generation of known secrets has. The account has 4,000 secrets. Callers name them by \
         name or by ARN, nine times in ten as they prefer. Principals are roles, users and people; \
         each has a stream of chance of its own (ChaCha8), drawn from the seed, its kind and its \
         number.\n\nHarmless, where ranges are drawn by order of magnitude:\n\n{kinds}\nAttacks, \
         always on secrets that the principal is not used to:\n\n{attacks}",
        size.harmless, size.carriers
    )
}
