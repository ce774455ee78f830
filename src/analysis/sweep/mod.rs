//! `rattle sweep`: replays a history at many settings, and chooses the most sensitive of them
//! within a budget of findings.
//!
//! The input is parsed once. Each point of the grid is a replay with states of its own, so
//! the result does not depend on the threads.

mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::analysis::counterfactual::{TENTHS, sigma};
use crate::cloudtrail::Delivery;
use crate::detection::finding::Severity;
use crate::detection::policy::{HALF_LIFE_BOUNDS, THRESHOLD_BOUNDS};
use crate::replay::history::History;
use crate::replay::{ReplayError, deliver, in_memory};
use crate::settings::Settings;
use crate::text::Text;

/// Thresholds of secrets to try, in sigma. The threshold of denials keeps its distance.
const THRESHOLDS: [f64; 12] = [2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0];
/// Factors of the half-lives to try, the nearest to the present ones first.
const FACTORS: [f64; 4] = [1.0, 2.0, 0.5, 4.0];

const DAYS_PER_WEEK: f64 = 7.0;
/// A shorter history counts as this long: a rate over minutes would say nothing.
const MIN_DAYS: f64 = 1.0;
/// Principals listed when nothing is within the budget.
const MAX_NOISY: usize = 5;

/// A number of findings in a period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    findings: f64,
    days: f64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a budget is a number of findings a day, a week or a month, such as 2/week")]
pub struct InvalidBudget;

impl Budget {
    pub fn per_week(&self) -> f64 {
        self.findings / self.days * DAYS_PER_WEEK
    }
}

impl FromStr for Budget {
    type Err = InvalidBudget;

    fn from_str(text: &str) -> Result<Self, InvalidBudget> {
        let (findings, period) = text.split_once('/').ok_or(InvalidBudget)?;
        let days = match period.trim() {
            "day" => 1.0,
            "week" => DAYS_PER_WEEK,
            "month" => 30.0,
            _ => return Err(InvalidBudget),
        };
        let findings: f64 = findings.trim().parse().map_err(|_| InvalidBudget)?;
        if (0.0..=1e6).contains(&findings) {
            Ok(Self { findings, days })
        } else {
            Err(InvalidBudget)
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = match self.days {
            1.0 => "day",
            DAYS_PER_WEEK => "week",
            _ => "month",
        };
        write!(f, "{}/{period}", self.findings)
    }
}

/// One combination of settings. Thresholds are in sigma.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tried {
    pub denials_threshold: f64,
    pub secrets_threshold: f64,
    /// By scale, the shortest first.
    pub half_life_days: [f64; 3],
}

/// The result of one replay.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    pub tried: Tried,
    /// Findings that are severe enough to count.
    pub findings: u64,
    /// The most of them in one week.
    pub worst_week: u64,
    /// The findings of each principal, by the glob that ignores it.
    by_principal: BTreeMap<Text, u64>,
}

#[derive(Clone, Debug)]
pub struct Sweep {
    budget: Budget,
    least: Severity,
    /// The points of each half-life, in the order of [`THRESHOLDS`].
    grid: Vec<Vec<Point>>,
    choice: Option<Point>,
    current: Tried,
    days: f64,
    period: Option<(jiff::Timestamp, jiff::Timestamp)>,
    denials: u64,
    principals: usize,
}

/// Tries the grid, and then the tenths of a sigma below its best point. Findings less severe
/// than `least` do not count.
pub fn sweep(
    history: &History,
    settings: &Settings,
    budget: Budget,
    least: Severity,
    threads: Option<NonZeroUsize>,
) -> Result<Sweep, ReplayError> {
    let current = Tried::of(settings);
    let half_lives = FACTORS.map(|factor| {
        let (shortest, longest) = HALF_LIFE_BOUNDS;
        current.half_life_days.map(|days| (days * factor).clamp(shortest, longest))
    });
    let points: Vec<Tried> = half_lives
        .iter()
        .flat_map(|half_life| THRESHOLDS.map(|threshold| current.moved(threshold, *half_life)))
        .collect();
    let evaluate = |tried: &[Tried]| evaluate(history, settings, least, threads, tried);
    let mut points = evaluate(&points)?.into_iter();
    let grid: Vec<Vec<Point>> =
        half_lives.iter().map(|_| points.by_ref().take(THRESHOLDS.len()).collect()).collect();

    let mut sweep = Sweep {
        budget,
        least,
        grid,
        choice: None,
        current,
        days: history.days().max(MIN_DAYS),
        period: history.period(),
        denials: history.len(),
        principals: history.principals().len(),
    };
    sweep.choice = match sweep.best_of_grid() {
        None => None,
        Some((best, below)) => {
            let tenths = tenths_between(below, best.tried.secrets_threshold);
            let half_life = best.tried.half_life_days;
            let tried: Vec<Tried> =
                tenths.into_iter().map(|tenth| current.moved(tenth, half_life)).collect();
            let refined = evaluate(&tried)?;
            let better = refined.into_iter().rev().take_while(|point| sweep.fits(point)).last();
            Some(better.unwrap_or(best))
        }
    };
    Ok(sweep)
}

impl Sweep {
    /// The most sensitive point within the budget.
    pub fn choice(&self) -> Option<&Point> {
        self.choice.as_ref()
    }

    /// The points of each half-life, by rising threshold.
    pub fn grid(&self) -> &[Vec<Point>] {
        &self.grid
    }

    fn per_week(&self, findings: u64) -> f64 {
        findings as f64 / self.days * DAYS_PER_WEEK
    }

    fn fits(&self, point: &Point) -> bool {
        self.per_week(point.findings) <= self.budget.per_week()
    }

    /// The point with the lowest threshold that, with all higher ones, is within the budget,
    /// and the next lower threshold. Of several points the half-life nearest to the present one
    /// wins.
    fn best_of_grid(&self) -> Option<(Point, f64)> {
        let lowest = |points: &Vec<Point>| {
            let fitting = points.iter().rev().take_while(|point| self.fits(point)).count();
            let at = points.len() - fitting;
            let below = at.checked_sub(1).map(|below| points[below].tried.secrets_threshold);
            Some((points.get(at)?.clone(), below.unwrap_or(THRESHOLD_BOUNDS.0)))
        };
        let by_threshold = |(a, _): &(Point, f64), (b, _): &(Point, f64)| {
            a.tried.secrets_threshold.total_cmp(&b.tried.secrets_threshold)
        };
        self.grid.iter().filter_map(lowest).min_by(by_threshold)
    }
}

impl Tried {
    fn of(settings: &Settings) -> Self {
        let policy = &settings.policy;
        Self {
            denials_threshold: policy.denials.threshold,
            secrets_threshold: policy.secrets.threshold,
            half_life_days: policy.half_life_days,
        }
    }

    /// With another threshold of secrets. The threshold of denials keeps its distance.
    fn moved(&self, secrets_threshold: f64, half_life_days: [f64; 3]) -> Self {
        let distance = self.denials_threshold - self.secrets_threshold;
        let denials = ((secrets_threshold + distance) * 10.0).round() / 10.0;
        Self {
            denials_threshold: denials.clamp(THRESHOLD_BOUNDS.0, THRESHOLD_BOUNDS.1),
            secrets_threshold,
            half_life_days,
        }
    }

    fn settings(&self, settings: &Settings) -> Settings {
        let mut settings = settings.clone();
        settings.policy.denials.threshold = self.denials_threshold;
        settings.policy.secrets.threshold = self.secrets_threshold;
        settings.policy.half_life_days = self.half_life_days;
        settings
    }
}

/// The thresholds in tenths of a sigma between `below` and `best`, rising. Includes `below`
/// if it is the lowest threshold allowed.
fn tenths_between(below: f64, best: f64) -> Vec<f64> {
    TENTHS
        .map(sigma)
        .filter(|threshold| *threshold < best)
        .filter(|threshold| *threshold > below || below <= THRESHOLD_BOUNDS.0)
        .collect()
}

/// Replays at each of the settings. Which thread takes which does not matter.
fn evaluate(
    history: &History,
    settings: &Settings,
    least: Severity,
    threads: Option<NonZeroUsize>,
    tried: &[Tried],
) -> Result<Vec<Point>, ReplayError> {
    let threads = crate::replay::threads(threads).get().min(tried.len());
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(tried.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(one) = tried.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let point = replay_at(history, settings, least, one);
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.push((*one, point));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(one, _)| tried.iter().position(|tried| tried == one));
    results.into_iter().map(|(_, point)| point).collect()
}

fn replay_at(
    history: &History,
    settings: &Settings,
    least: Severity,
    tried: &Tried,
) -> Result<Point, ReplayError> {
    let engine = in_memory(&tried.settings(settings));
    let mut weeks: BTreeMap<i64, u64> = BTreeMap::new();
    let mut by_principal: BTreeMap<Text, u64> = BTreeMap::new();
    for denial in history.denials()? {
        let denial = denial?;
        let finding = deliver(&engine, &Delivery::on_time(&denial))?.finding;
        if let Some(finding) = finding.filter(|finding| finding.severity >= least) {
            *weeks.entry(history.week_of(denial.time())).or_default() += 1;
            let glob = Text::new(&finding.principal.principal.glob(), usize::MAX);
            *by_principal.entry(glob).or_default() += 1;
        }
    }
    Ok(Point {
        tried: *tried,
        findings: weeks.values().sum(),
        worst_week: weeks.values().copied().max().unwrap_or(0),
        by_principal,
    })
}
