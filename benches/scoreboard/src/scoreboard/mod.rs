//! The scoreboard: every published figure.

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

/// Kinds that change for good in the middle of their life, or that scan as an attacker does.
pub const CHANGES: [Kind; 3] = [Kind::New, Kind::PolicyChange, Kind::WeeklyScan];

#[derive(Clone, Debug, Serialize)]
pub struct Scoreboard {
    /// Name and version of this format.
    pub schema: &'static str,
    /// Size of the corpus of each seed.
    pub size: Size,
    /// Results for each seed.
    pub seeds: Vec<Seed>,
}

/// Results for one seed.
#[derive(Clone, Debug, Serialize)]
pub struct Seed {
    pub seed: u64,
    /// False alerts for each kind of harmless principals.
    pub harmless: Vec<HarmlessRow>,
    /// The same for all kinds together.
    pub all_harmless: HarmlessRow,
    /// Rattle's false alerts from day 15 on, without the kinds of [`CHANGES`].
    pub without_changes: Rate,
    /// Results of each attack on each carrier.
    pub attacks: Vec<Cell>,
    /// The same, summed over all quiet and over all noisy carriers.
    pub summed: Vec<Cell>,
    /// Results of the attacker who knows everything.
    pub attacker: Vec<HaulRow>,
    /// Attacks noticed behind a job that floods its window.
    pub behind_a_flood: Vec<Masked>,
}

/// Results of one strategy.
#[derive(Clone, Debug, Serialize)]
pub struct HaulRow {
    pub victim: Victim,
    pub plan: Plan,
    /// Number of secrets whose names the attacker knows.
    pub account: u32,
    /// Different secrets tried without an alert on the first day.
    pub first_day: u32,
    /// The same in 7, 30 and 60 days.
    pub secrets: [u32; 3],
    /// The highest number of secrets in one day that counted as new.
    pub most_counted_in_a_day: u32,
    /// Day on which an alert was raised.
    pub noticed_on_day: Option<usize>,
    /// Day on which a window was full for the first time.
    pub full_on_day: Option<usize>,
    /// Different secrets tried by the end of each day.
    #[serde(skip)]
    pub by_day: Vec<u32>,
}

impl Scoreboard {
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
        // A flood has thousands of calls and takes long, so a small corpus has few.
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

    /// The best result of the attacker who knows everything with such a plan, in the larger account
    /// after this many days, and the strategy that reached it.
    pub fn best(
        &self,
        account: u32,
        days: usize,
        wanted: impl Fn(Plan) -> bool,
    ) -> Option<&HaulRow> {
        let place = MILESTONES.iter().position(|milestone| *milestone == days)?;
        let rows = self.attacker.iter().filter(|row| row.account == account && wanted(row.plan));
        // Of equal results the first is taken.
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

/// Rounds a share for publication.
pub fn share(of: u32, all: u32) -> f64 {
    rounded(f64::from(of) / f64::from(all.max(1)))
}

fn per_1000(alerts: f64, days: f64) -> f64 {
    rounded(if days > 0.0 { alerts * 1000.0 / days } else { 0.0 })
}

/// Four decimals; more would claim a precision that was not measured.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// Rivals with their indices.
pub fn rivals() -> impl Iterator<Item = (usize, Rival)> {
    Rival::ALL.into_iter().enumerate()
}
