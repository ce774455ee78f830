//! The scoreboard: every figure that is published.

mod cells;
mod rates;

use serde::Serialize;

pub use self::cells::Cell;
pub use self::rates::{HarmlessRow, Phase, Rate, RivalRate};
use crate::attack::Attack;
use crate::attacker::{MILESTONES, Plan, Strategy, Victim};
use crate::flood::{self, Masked};
use crate::life::benign::Kind;
use crate::measure::attacked::{self, Carrier, Outcome};
use crate::measure::harmless::{self, Harmless};
use crate::measure::{Size, in_parallel};
use crate::watch::Rival;

/// Kinds that change for good in the middle of their life, or scan as an attacker does.
pub const CHANGES: [Kind; 3] = [Kind::New, Kind::PolicyChange, Kind::WeeklyScan];

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Scoreboard {
    /// Name and version of this form.
    pub schema: &'static str,
    /// How large the corpus of each seed is.
    pub size: Size,
    /// What was measured at each seed.
    pub seeds: Vec<Seed>,
}

/// What was measured at one seed.
#[derive(Clone, Debug, Serialize)]
pub struct Seed {
    /// The seed.
    pub seed: u64,
    /// False alerts of each kind of harmless principals.
    pub harmless: Vec<HarmlessRow>,
    /// The same for all kinds together.
    pub all_harmless: HarmlessRow,
    /// Rattle's from day 15 on, without the kinds of [`CHANGES`].
    pub without_changes: Rate,
    /// What was noticed of each attack on each carrier.
    pub attacks: Vec<Cell>,
    /// The same for all quiet and all noisy carriers.
    pub summed: Vec<Cell>,
    /// What the attacker who knows everything gets through.
    pub attacker: Vec<HaulRow>,
    /// What is noticed behind a job that floods.
    pub behind_a_flood: Vec<Masked>,
}

/// What one strategy gets through.
#[derive(Clone, Debug, Serialize)]
pub struct HaulRow {
    /// Whose credentials.
    pub victim: Victim,
    /// What is done with them.
    pub plan: Plan,
    /// Secrets that the attacker knows the names of.
    pub account: u32,
    /// Different secrets tried without an alert on the first day.
    pub first_day: u32,
    /// The same in 7, 30 and 60 days.
    pub secrets: [u32; 3],
    /// The most secrets of one day that counted as new.
    pub most_counted_in_a_day: u32,
    /// On which day an alert came all the same.
    pub noticed_on_day: Option<usize>,
    /// On which day a window was full for the first time.
    pub full_on_day: Option<usize>,
    /// Secrets until the end of each day.
    #[serde(skip)]
    pub by_day: Vec<u32>,
}

impl Scoreboard {
    /// Measures everything.
    pub fn measure(seeds: &[u64], size: Size) -> anyhow::Result<Self> {
        let seeds =
            seeds.iter().map(|seed| Seed::measure(*seed, size)).collect::<Result<_, _>>()?;
        Ok(Self { schema: "rattle.scoreboard/1", size, seeds })
    }
}

impl Seed {
    fn measure(seed: u64, size: Size) -> anyhow::Result<Self> {
        let (harmless, all_harmless) = harmless_rows(seed, size)?;
        let tasks = attacked::Task::all(seed, size);
        let outcomes = in_parallel(&tasks, attacked::watch)?;
        let cells = |named: &'static str, wanted: &dyn Fn(Carrier) -> bool| -> Vec<Cell> {
            let of = |place: usize| -> Vec<&Outcome> {
                let of_tasks = tasks.iter().zip(&outcomes).filter(|(task, _)| wanted(task.carrier));
                of_tasks.filter_map(|(_, outcomes)| outcomes.get(place)).collect()
            };
            let cell = |(place, attack): (usize, &Attack)| Cell::of(*attack, named, &of(place));
            Attack::ALL.iter().enumerate().map(cell).collect()
        };
        let attacks = Carrier::all()
            .flat_map(|carrier| cells(carrier.name(), &|other| other == carrier))
            .collect();
        let summed = [("quiet", true), ("noisy", false)];
        let summed = summed
            .into_iter()
            .flat_map(|(name, quiet)| cells(name, &|carrier| carrier.is_quiet() == quiet))
            .collect();
        let strategies =
            if size == Size::FULL { Strategy::all(seed) } else { Strategy::some(seed) };
        let hauls = in_parallel(&strategies, Strategy::pursue)?;
        let attacker = strategies
            .iter()
            .zip(hauls)
            .map(|(strategy, haul)| HaulRow {
                victim: strategy.victim,
                plan: strategy.plan,
                account: strategy.account,
                first_day: haul.after(1),
                secrets: MILESTONES.map(|days| haul.after(days)),
                most_counted_in_a_day: haul.counted.iter().copied().max().unwrap_or(0),
                noticed_on_day: haul.noticed_on_day,
                full_on_day: haul.full_on_day,
                by_day: haul.by_day,
            })
            .collect();
        // A flood of thousands of calls takes its time.
        let (made, rates) = if size == Size::FULL { (40, 4) } else { (2, 2) };
        let floods: Vec<(u32, Attack)> = flood::RATES[..rates]
            .iter()
            .flat_map(|rate| flood::ATTACKS.map(|attack| (*rate, attack)))
            .collect();
        let behind_a_flood =
            in_parallel(&floods, |(rate, attack)| flood::masked(seed, *rate, *attack, made))?;
        let without_changes = HarmlessRow::learnt_without(&harmless, &CHANGES);
        Ok(Self {
            seed,
            harmless,
            all_harmless,
            without_changes,
            attacks,
            summed,
            attacker,
            behind_a_flood,
        })
    }

    /// The most that the attacker who knows everything gets through with such a plan, in the larger
    /// account: after so many days, and how.
    pub fn best(
        &self,
        account: u32,
        days: usize,
        wanted: impl Fn(Plan) -> bool,
    ) -> Option<&HaulRow> {
        let place = MILESTONES.iter().position(|milestone| *milestone == days)?;
        let rows = self.attacker.iter().filter(|row| row.account == account && wanted(row.plan));
        // Of equal ones the first.
        rows.rev().max_by_key(|row| row.secrets[place])
    }
}

fn harmless_rows(seed: u64, size: Size) -> anyhow::Result<(Vec<HarmlessRow>, HarmlessRow)> {
    let tasks = harmless::Task::all(seed, size);
    let watched = in_parallel(&tasks, harmless::watch)?;
    let sum = |wanted: &dyn Fn(Kind) -> bool| {
        let mut sum = Harmless::default();
        for (task, harmless) in tasks.iter().zip(&watched) {
            if wanted(task.kind) {
                sum.add(harmless);
            }
        }
        sum
    };
    let rows = Kind::ALL
        .map(|kind| HarmlessRow::of(kind.name(), size.harmless, &sum(&|other| other == kind)));
    let all = HarmlessRow::of("all", tasks.len() as u64, &sum(&|_| true));
    Ok((rows.into(), all))
}

/// A share, as it is published.
pub fn share(of: u32, all: u32) -> f64 {
    rounded(f64::from(of) / f64::from(all.max(1)))
}

fn per_1000(alerts: f64, days: f64) -> f64 {
    rounded(if days > 0.0 { alerts * 1000.0 / days } else { 0.0 })
}

/// To four decimals: more would claim more than was measured.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// Rivals with their places.
pub fn rivals() -> impl Iterator<Item = (usize, Rival)> {
    Rival::ALL.into_iter().enumerate()
}
