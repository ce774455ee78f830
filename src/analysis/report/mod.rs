//! `rattle report`: a history as one page, for reading.
//!
//! Two passes of the detector over one history: the first finds who has findings, the second
//! notes how those came about. Memory is bounded by the principals.

mod chart;
mod page;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::cloudtrail::Principal;
use crate::detection::finding::Finding;
use crate::detection::window::{SECONDS_PER_DAY, SECONDS_PER_WEEK};
use crate::detection::{Assessment, Scale, Signal};
use crate::replay::history::History;
use crate::replay::summary::{BySeverity, Summary};
use crate::replay::{ReplayError, deliver, in_memory};
use crate::settings::Settings;
use crate::text::Text;

/// Principals that get a part of their own.
const MAX_SUBJECTS: usize = 40;
/// Findings told of each.
const MAX_FINDINGS: usize = 50;
/// Principals listed by noise.
const MAX_NOISY: usize = 15;
/// A history at least so long is drawn by days, a shorter one by hours.
const DAYS_FROM: f64 = 3.0;
/// Findings from which a principal with nothing but low ones is worth a glob.
const REPEATED: u64 = 2;

/// A history as a page shows it.
#[derive(Debug)]
pub struct Report {
    period: Option<(Timestamp, Timestamp)>,
    summary: Summary,
    scale: Scale,
    weeks: Vec<Week>,
    loudest: Vec<Noise>,
    ignores: Vec<Noise>,
    subjects: Vec<Subject>,
    /// Principals with findings that are not among the subjects.
    further: usize,
}

/// Findings of one week.
#[derive(Clone, Copy, Debug)]
struct Week {
    start: i64,
    findings: BySeverity,
}

/// How much is heard of one principal.
#[derive(Clone, Debug)]
struct Noise {
    key: Text,
    label: String,
    glob: String,
    denials: u64,
    findings: BySeverity,
}

/// A principal with findings.
#[derive(Debug)]
struct Subject {
    noise: Noise,
    arn: Option<Text>,
    bins: Vec<Bin>,
    findings: Vec<Finding>,
}

/// One day, or one hour, with a denial.
#[derive(Clone, Copy, Debug)]
struct Bin {
    start: i64,
    /// By signal.
    counts: [u32; 2],
    mean: [f64; 2],
    sd: [f64; 2],
}

/// Looks at a history. `summary` tells what was read, and gets what came of it.
pub fn report(
    history: &History,
    settings: &Settings,
    mut summary: Summary,
) -> Result<Report, ReplayError> {
    let mut noise: BTreeMap<Text, Noise> = BTreeMap::new();
    let mut findings_at: BTreeMap<i64, BySeverity> = BTreeMap::new();
    let start = history.period().map_or(0, |(first, _)| first.as_second());
    let engine = in_memory(settings);
    for denial in history.denials()? {
        let denial = denial?;
        let handled = deliver(&engine, &denial, SignedDuration::ZERO)?;
        summary.deliver(&handled);
        let principal = denial.principal();
        let noise = noise.entry(principal.key().clone()).or_insert_with(|| Noise::of(principal));
        noise.denials += 1;
        if let Some(finding) = &handled.finding {
            noise.findings.add(finding.severity);
            let week = (denial.time().as_second() - start) / SECONDS_PER_WEEK;
            findings_at.entry(week).or_default().add(finding.severity);
        }
    }
    summary.principals = engine.store().len() as u64;

    let mut with_findings: Vec<&Noise> = noise.values().filter(|n| n.findings.all() > 0).collect();
    with_findings.sort_by(|a, b| b.severe_first().cmp(&a.severe_first()).then(a.key.cmp(&b.key)));
    let further = with_findings.len().saturating_sub(MAX_SUBJECTS);
    with_findings.truncate(MAX_SUBJECTS);
    let scale = scale_of(history);
    let subjects = subjects(history, settings, scale, &with_findings)?;

    let last_week =
        history.period().map_or(-1, |(_, last)| (last.as_second() - start) / SECONDS_PER_WEEK);
    let weeks = (0..=last_week)
        .map(|week| Week {
            start: start + week * SECONDS_PER_WEEK,
            findings: findings_at.get(&week).copied().unwrap_or_default(),
        })
        .collect();
    let ignores = noise.values().filter(|n| n.is_broken_workload()).cloned().collect();
    let mut loudest: Vec<Noise> = noise.into_values().collect();
    loudest.sort_by(|a, b| {
        (b.findings.all(), b.denials).cmp(&(a.findings.all(), a.denials)).then(a.key.cmp(&b.key))
    });
    loudest.truncate(MAX_NOISY);
    Ok(Report {
        period: history.period(),
        summary,
        scale,
        weeks,
        loudest,
        ignores,
        subjects,
        further,
    })
}

/// How the findings of these principals came about.
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
        let handled = deliver(&engine, &denial, SignedDuration::ZERO)?;
        let Some(subject) = subjects.get_mut(denial.principal().key()) else { continue };
        subject.arn = denial.principal().arn().cloned();
        subject.note(denial.time().as_second(), scale, &handled.assessment);
        if let Some(finding) = handled.finding
            && subject.findings.len() < MAX_FINDINGS
        {
            subject.findings.push(finding);
        }
    }
    Ok(wanted.iter().filter_map(|noise| subjects.remove(&noise.key)).collect())
}

fn scale_of(history: &History) -> Scale {
    let days = history.period().map_or(0.0, |(first, last)| {
        last.duration_since(first).as_secs_f64() / SECONDS_PER_DAY as f64
    });
    if days >= DAYS_FROM { Scale::Day } else { Scale::Hour }
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

    /// It was found again and again, and never over more than two secrets.
    fn is_broken_workload(&self) -> bool {
        self.findings.low >= REPEATED && self.findings.all() == self.findings.low
    }
}

impl Subject {
    fn of(noise: &Noise) -> Self {
        Self { noise: noise.clone(), arn: None, bins: Vec::new(), findings: Vec::new() }
    }

    fn note(&mut self, time: i64, scale: Scale, assessment: &Assessment) {
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
            // The counts of an open window only rise.
            Some(last) if last.start == start => *last = bin,
            _ => self.bins.push(bin),
        }
    }
}
