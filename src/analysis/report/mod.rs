//! `rattle report`: a history as one page for people.
//!
//! The history is replayed twice: the first pass finds the principals with findings, the
//! second collects the counts and findings of those. Memory is bounded by the principals.

mod chart;
mod page;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::cloudtrail::{Delivery, Principal};
use crate::detection::finding::Finding;
use crate::detection::window::SECONDS_PER_WEEK;
use crate::detection::{Assessment, Scale, Signal};
use crate::replay::history::History;
use crate::replay::summary::{BySeverity, Summary};
use crate::replay::{ReplayError, deliver, in_memory};
use crate::settings::Settings;
use crate::text::Text;

/// Principals with a section of their own.
const MAX_SUBJECTS: usize = 40;
/// Findings shown of each.
const MAX_FINDINGS: usize = 50;
/// Principals in the table of the noisiest.
const MAX_NOISY: usize = 15;
/// Days of history from which charts have a bar for each day instead of each hour.
const DAYS_FROM: f64 = 3.0;
/// Low findings from which a principal that has no others is suggested for `RATTLE_IGNORE`.
const REPEATED: u64 = 2;

#[derive(Debug)]
pub struct HistoryReport {
    period: Option<(Timestamp, Timestamp)>,
    summary: Summary,
    /// What a bar of the charts stands for.
    scale: Scale,
    weeks: Vec<WeekOfFindings>,
    noisiest: Vec<Noise>,
    ignores: Vec<Noise>,
    subjects: Vec<Subject>,
    /// Principals with findings that are not among the subjects.
    further: usize,
}

#[derive(Clone, Copy, Debug)]
struct WeekOfFindings {
    /// Epoch seconds.
    start: i64,
    findings: BySeverity,
}

/// How many denials and findings one principal has.
#[derive(Clone, Debug)]
struct Noise {
    key: Text,
    label: String,
    glob: String,
    denials: u64,
    findings: BySeverity,
}

/// A principal with findings, in detail.
#[derive(Debug)]
struct Subject {
    noise: Noise,
    arn: Option<Text>,
    bins: Vec<Bin>,
    findings: Vec<Finding>,
}

/// A day, or an hour, with a denial: the counts at its end beside the baselines.
#[derive(Clone, Copy, Debug)]
struct Bin {
    /// Epoch seconds.
    start: i64,
    /// By signal, as the two below.
    counts: [u32; 2],
    mean: [f64; 2],
    sd: [f64; 2],
}

/// Reports on a history. `summary` has counted what was read of it, and counts the deliveries
/// here.
pub fn report(
    history: &History,
    settings: &Settings,
    mut summary: Summary,
) -> Result<HistoryReport, ReplayError> {
    let (noise, weeks) = overview(history, settings, &mut summary)?;

    let mut with_findings: Vec<&Noise> = noise.iter().filter(|n| n.findings.all() > 0).collect();
    with_findings.sort_by_key(|noise| Reverse(noise.severe_first()));
    let further = with_findings.len().saturating_sub(MAX_SUBJECTS);
    with_findings.truncate(MAX_SUBJECTS);
    let scale = if history.days() >= DAYS_FROM { Scale::Day } else { Scale::Hour };
    let subjects = subjects(history, settings, scale, &with_findings)?;

    let ignores = noise.iter().filter(|noise| noise.is_broken_workload()).cloned().collect();
    let mut noisiest = noise;
    noisiest.sort_by_key(|noise| Reverse((noise.findings.all(), noise.denials)));
    noisiest.truncate(MAX_NOISY);
    Ok(HistoryReport {
        period: history.period(),
        summary,
        scale,
        weeks,
        noisiest,
        ignores,
        subjects,
        further,
    })
}

/// The first pass: all principals, sorted by key, and the findings of each week.
fn overview(
    history: &History,
    settings: &Settings,
    summary: &mut Summary,
) -> Result<(Vec<Noise>, Vec<WeekOfFindings>), ReplayError> {
    let mut noise: BTreeMap<Text, Noise> = BTreeMap::new();
    let mut findings: BTreeMap<i64, BySeverity> = BTreeMap::new();
    let engine = in_memory(settings);
    for denial in history.denials()? {
        let denial = denial?;
        let handled = deliver(&engine, &Delivery::on_time(&denial))?;
        summary.record_handled(&handled);
        let principal = denial.principal();
        let noise = noise.entry(principal.key().clone()).or_insert_with(|| Noise::of(principal));
        noise.denials += 1;
        if let Some(finding) = &handled.finding {
            noise.findings.add(finding.severity);
            let week = history.week_of(denial.time());
            findings.entry(week).or_default().add(finding.severity);
        }
    }
    summary.principals = engine.store().len() as u64;
    let weeks = history.period().map_or_else(Vec::new, |(first, last)| {
        (0..=history.week_of(last))
            .map(|week| WeekOfFindings {
                start: first.as_second() + week * SECONDS_PER_WEEK,
                findings: findings.get(&week).copied().unwrap_or_default(),
            })
            .collect()
    });
    Ok((noise.into_values().collect(), weeks))
}

/// The second pass: these principals in detail, in the given order.
fn subjects(
    history: &History,
    settings: &Settings,
    scale: Scale,
    wanted: &[&Noise],
) -> Result<Vec<Subject>, ReplayError> {
    let mut subjects: BTreeMap<&Text, Subject> =
        wanted.iter().map(|noise| (&noise.key, Subject::of(noise))).collect();
    let engine = in_memory(settings);
    let keys: Vec<&Text> = subjects.keys().copied().collect();
    for denial in history.denials_of(|principal| keys.binary_search(&principal.key()).is_ok())? {
        let denial = denial?;
        let handled = deliver(&engine, &Delivery::on_time(&denial))?;
        let Some(subject) = subjects.get_mut(denial.principal().key()) else { continue };
        subject.arn = denial.principal().arn().cloned();
        subject.record(denial.time().as_second(), scale, &handled.assessment);
        if let Some(finding) = handled.finding
            && subject.findings.len() < MAX_FINDINGS
        {
            subject.findings.push(finding);
        }
    }
    Ok(wanted.iter().filter_map(|noise| subjects.remove(&noise.key)).collect())
}

impl Noise {
    fn of(principal: &Principal) -> Self {
        Self {
            key: principal.key().clone(),
            label: principal.label(),
            glob: principal.glob(),
            denials: 0,
            findings: BySeverity::default(),
        }
    }

    fn severe_first(&self) -> (u64, u64, u64) {
        (self.findings.high, self.findings.medium, self.findings.low)
    }

    fn is_broken_workload(&self) -> bool {
        self.findings.low >= REPEATED && self.findings.all() == self.findings.low
    }
}

impl Subject {
    fn of(noise: &Noise) -> Self {
        Self { noise: noise.clone(), arn: None, bins: Vec::new(), findings: Vec::new() }
    }

    fn record(&mut self, time: i64, scale: Scale, assessment: &Assessment) {
        let length = scale.windows() * crate::detection::window::WINDOW_SECONDS;
        let start = time.div_euclid(length) * length;
        let rows = Signal::ALL.map(|signal| assessment.of_signal(signal)[scale]);
        let bin = Bin {
            start,
            counts: rows.map(|row| row.observed),
            mean: rows.map(|row| row.prediction.mean),
            sd: rows.map(|row| row.prediction.sd()),
        };
        match self.bins.last_mut() {
            // The counts of an open window only rise: the last ones are the highest.
            Some(last) if last.start == start => *last = bin,
            _ => self.bins.push(bin),
        }
    }
}
