//! The scoreboard: every figure that is published, with the goals it is held against.

use rattle::detection::finding::Severity;
use serde::Serialize;

use crate::attack::Attack;
use crate::attacker::{MILESTONES, Plan, Strategy, Victim};
use crate::delivery::Delivery;
use crate::flood::{self, Masked};
use crate::life::benign::Kind;
use crate::measure::attacked::{self, Carrier, Noticed, Outcome};
use crate::measure::harmless::{self, Harmless, Watched};
use crate::measure::{Size, in_parallel};
use crate::statistics::{poisson_interval, quantile, share_interval};
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

/// False alerts of some harmless principals.
#[derive(Clone, Debug, Serialize)]
pub struct HarmlessRow {
    /// Their kind, or "all".
    pub kind: &'static str,
    /// How many.
    pub principals: u64,
    /// Their denials.
    pub denials: u64,
    /// Rattle's, while it learnt and from day 15 on.
    pub learning: Rate,
    /// From day 15 on.
    pub learnt: Rate,
    /// Of some of the principals from day 15 on, by delivery.
    pub deliveries: Vec<Rate>,
    /// Each rival's, while it learnt and from day 15 on.
    pub rivals: Vec<[RivalRate; 2]>,
}

/// Alerts in some days.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Rate {
    /// Days that the principals existed.
    pub principal_days: f64,
    /// Alerts: low, medium, high.
    pub alerts: [u32; 3],
    /// Alerts in 1,000 principal-days.
    pub per_1000: f64,
    /// Its 95 % interval.
    pub interval: (f64, f64),
    /// Those of severity medium and high.
    pub medium_or_high_per_1000: f64,
    /// Its 95 % interval.
    pub medium_or_high_interval: (f64, f64),
}

/// Alerts of a rival.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RivalRate {
    /// Alerts.
    pub alerts: u32,
    /// In 1,000 principal-days.
    pub per_1000: f64,
}

/// What was noticed of one attack on some carriers.
#[derive(Clone, Debug, Serialize)]
pub struct Cell {
    /// The attack.
    pub attack: Attack,
    /// What it hides in: a kind, "quiet" or "noisy".
    pub carrier: &'static str,
    /// How many such attacks were made.
    pub made: u32,
    /// How many Rattle noticed, by delivery.
    pub caught: [u32; 4],
    /// The share, in order.
    pub recall: f64,
    /// Its 95 % interval.
    pub interval: (f64, f64),
    /// How many each rival noticed.
    pub rivals: [u32; 6],
    /// Denials until the alert: median and 90th percentile.
    pub denials: Option<[u32; 2]>,
    /// Minutes until the alert: median and 90th percentile.
    pub minutes: Option<[f64; 2]>,
    /// Alerts for each attack noticed.
    pub alerts: f64,
    /// First alerts: low, medium, high.
    pub first: [u32; 3],
    /// Severest alerts: low, medium, high.
    pub severest: [u32; 3],
    /// Each rival's median of denials until the alert.
    pub rivals_denials: [Option<u32>; 6],
    /// Each rival's median of minutes until the alert.
    pub rivals_minutes: [Option<f64>; 6],
    /// Each rival's alerts for each attack noticed.
    pub rivals_alerts: [f64; 6],
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

impl HarmlessRow {
    fn of(kind: &'static str, principals: u64, harmless: &Harmless) -> Self {
        let [learning, learnt] = [0, 1].map(|phase| Rate::of(&harmless.rattle, phase));
        let rival = |counts: [u32; 2]| {
            let days = [learning.principal_days, learnt.principal_days];
            [0, 1].map(|phase| RivalRate {
                alerts: counts[phase],
                per_1000: per_1000(f64::from(counts[phase]), days[phase]),
            })
        };
        Self {
            kind,
            principals,
            denials: harmless.denials,
            learning,
            learnt,
            deliveries: harmless.deliveries.iter().map(|watched| Rate::of(watched, 1)).collect(),
            rivals: harmless.rivals.iter().map(|counts| rival(*counts)).collect(),
        }
    }

    /// Rattle's false alerts without those of some kinds, from day 15 on.
    fn learnt_without(rows: &[Self], kinds: &[Kind]) -> Rate {
        let rows = rows.iter().filter(|row| !kinds.iter().any(|kind| kind.name() == row.kind));
        let (mut days, mut alerts) = (0.0, [0; 3]);
        for row in rows {
            days += row.learnt.principal_days;
            for (sum, more) in alerts.iter_mut().zip(row.learnt.alerts) {
                *sum += more;
            }
        }
        Rate::new(days, alerts)
    }
}

impl Rate {
    fn of(watched: &Watched, phase: usize) -> Self {
        Self::new(watched.seconds[phase] as f64 / 86_400.0, watched.alerts[phase])
    }

    fn new(days: f64, alerts: [u32; 3]) -> Self {
        let [low, medium, high] = alerts;
        let rate = |count: u32| per_1000(f64::from(count), days);
        let interval = |count| {
            let (lower, upper) = poisson_interval(count);
            (per_1000(lower, days), per_1000(upper, days))
        };
        Self {
            principal_days: rounded(days),
            alerts,
            per_1000: rate(low + medium + high),
            interval: interval(low + medium + high),
            medium_or_high_per_1000: rate(medium + high),
            medium_or_high_interval: interval(medium + high),
        }
    }
}

impl Cell {
    fn of(attack: Attack, carrier: &'static str, outcomes: &[&Outcome]) -> Self {
        let made = u32::try_from(outcomes.len()).unwrap_or(u32::MAX);
        let noticed = |delivery: Delivery| -> Vec<Noticed> {
            outcomes.iter().filter_map(|outcome| outcome.rattle[delivery as usize]).collect()
        };
        let count = |noticed: &[Noticed]| u32::try_from(noticed.len()).unwrap_or(u32::MAX);
        let by_rival: [Vec<Noticed>; 6] = std::array::from_fn(|rival| {
            outcomes.iter().filter_map(|outcome| outcome.rivals[rival]).collect()
        });
        let in_order = noticed(Delivery::InOrder);
        let caught = Delivery::ALL.map(|delivery| count(&noticed(delivery)));
        let severities = |of: fn(&Noticed) -> Option<Severity>| {
            let mut counts = [0; 3];
            for severity in in_order.iter().filter_map(of) {
                counts[severity as usize] += 1;
            }
            counts
        };
        Self {
            attack,
            carrier,
            made,
            caught,
            recall: share(caught[0], made),
            interval: {
                let (lower, upper) = share_interval(caught[0], made);
                (rounded(lower), rounded(upper))
            },
            rivals: std::array::from_fn(|rival| count(&by_rival[rival])),
            denials: two(|at| denials(&in_order, at)),
            minutes: two(|at| minutes(&in_order, at)),
            alerts: alerts(&in_order),
            first: severities(|noticed| noticed.first),
            severest: severities(|noticed| noticed.severest),
            rivals_denials: std::array::from_fn(|rival| denials(&by_rival[rival], 0.5)),
            rivals_minutes: std::array::from_fn(|rival| minutes(&by_rival[rival], 0.5)),
            rivals_alerts: std::array::from_fn(|rival| alerts(&by_rival[rival])),
        }
    }

    /// By how much each disturbed delivery moves the recall.
    pub fn moved(&self) -> [f64; 3] {
        let [in_order, disturbed @ ..] = self.caught;
        disturbed.map(|caught| share(caught, self.made) - share(in_order, self.made))
    }
}

fn two<T>(of: impl Fn(f64) -> Option<T>) -> Option<[T; 2]> {
    Some([of(0.5)?, of(0.9)?])
}

fn denials(noticed: &[Noticed], at: f64) -> Option<u32> {
    quantile(&noticed.iter().map(|noticed| noticed.denials).collect::<Vec<_>>(), at)
}

fn minutes(noticed: &[Noticed], at: f64) -> Option<f64> {
    let seconds = quantile(&noticed.iter().map(|noticed| noticed.seconds).collect::<Vec<_>>(), at);
    seconds.map(|seconds| rounded(seconds as f64 / 60.0))
}

fn alerts(noticed: &[Noticed]) -> f64 {
    let alerts: u32 = noticed.iter().map(|noticed| noticed.alerts).sum();
    rounded(f64::from(alerts) / (noticed.len().max(1) as f64))
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
