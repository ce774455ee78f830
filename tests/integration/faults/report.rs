//! The combined results of all schedules.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use super::lambda::Counts;
use super::oracle::Verdict;
use super::schedule::Schedule;
use super::transport::{Fault, Step};

const STEPS: [Step; 11] = [
    Step::Count,
    Step::Roll,
    Step::Read,
    Step::Note,
    Step::Claim,
    Step::Admit,
    Step::Publish,
    Step::Confirm,
    Step::Agenda,
    Step::ClaimEnd,
    Step::ConfirmEnd,
];

#[derive(Debug, Default)]
pub struct Report {
    schedules: u64,
    deliveries: u64,
    requests: u64,
    counts: Counts,
    verdict: Verdict,
    hits: BTreeMap<(Step, Fault), u64>,
    failed: Vec<(u64, Vec<String>)>,
}

impl Report {
    /// Adds a schedule and returns whether it met every requirement.
    pub fn count(
        &mut self,
        schedule: &Schedule,
        requests: usize,
        counts: Counts,
        hits: BTreeMap<(Step, Fault), u64>,
        verdict: Verdict,
    ) -> bool {
        let for_ever = counts.for_ever.iter().map(|event| format!("fails for ever: {event}"));
        let faults: Vec<String> = verdict.faults.iter().cloned().chain(for_ever).collect();
        let is_clean = faults.is_empty();
        let failed = if is_clean { Vec::new() } else { vec![(schedule.seed, faults)] };
        self.add(Self {
            schedules: 1,
            deliveries: schedule.deliveries.len() as u64,
            requests: requests as u64,
            counts,
            verdict,
            hits,
            failed,
        });
        is_clean
    }

    pub fn add(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.deliveries += other.deliveries;
        self.requests += other.requests;
        self.counts.invocations += other.counts.invocations;
        self.counts.failed += other.counts.failed;
        self.counts.killed += other.counts.killed;
        self.counts.out_of_time += other.counts.out_of_time;
        self.counts.redriven += other.counts.redriven;
        self.counts.for_ever.extend(other.counts.for_ever);
        self.verdict.denials += other.verdict.denials;
        self.verdict.doubles += other.verdict.doubles;
        self.verdict.forgotten += other.verdict.forgotten;
        self.verdict.findings += other.verdict.findings;
        self.verdict.held_back += other.verdict.held_back;
        self.verdict.messages += other.verdict.messages;
        self.verdict.ends += other.verdict.ends;
        self.verdict.lost += other.verdict.lost;
        for (what, times) in other.hits {
            *self.hits.entry(what).or_default() += times;
        }
        self.failed.extend(other.failed);
    }

    pub fn is_clean(&self) -> bool {
        self.failed.is_empty()
    }

    /// Each failure, with the command that reproduces it.
    pub fn failures(&self) -> String {
        let mut text = format!("{} of {} schedules failed\n", self.failed.len(), self.schedules);
        for (seed, faults) in &self.failed {
            let _ =
                writeln!(text, "again: RATTLE_TEST_SEED={seed} cargo test --all-features faults");
            for fault in faults {
                let _ = writeln!(text, "  {fault}");
            }
        }
        text
    }

    /// Prints the figures as Markdown, bypassing the test harness, which captures standard output.
    pub fn print(&self) {
        let Self { counts, verdict, .. } = self;
        let mut text = String::from("\n| what | times |\n|---|---|\n");
        for (what, times) in [
            ("schedules", self.schedules),
            ("deliveries", self.deliveries),
            ("invocations", counts.invocations),
            ("of these failed with an error", counts.failed),
            ("of these killed", counts.killed),
            ("of these out of time at Lambda", counts.out_of_time),
            ("sent again from the failure queue", counts.redriven),
            ("requests that a service applied", self.requests),
            ("distinct denials", verdict.denials),
            ("denials counted twice", verdict.doubles),
            ("denials counted again after two newer windows", verdict.forgotten),
            ("findings", verdict.findings),
            ("of these held back by the storm guard", verdict.held_back),
            ("messages", verdict.messages),
            ("of these ends of episodes", verdict.ends),
            ("findings lost", verdict.lost),
            ("invocations that fail for ever", counts.for_ever.len() as u64),
            ("schedules that failed", self.failed.len() as u64),
        ] {
            let _ = writeln!(text, "| {what} | {times} |");
        }
        let heads: String = STEPS.iter().map(|step| format!(" {step:?} |")).collect();
        let _ = writeln!(text, "\n| fault |{heads}\n|---{}|", "|---".repeat(STEPS.len()));
        for fault in Fault::ALL {
            let of = |step| self.hits.get(&(step, fault)).copied().unwrap_or(0);
            let cells: String = STEPS.iter().map(|step| format!(" {} |", of(*step))).collect();
            let _ = writeln!(text, "| {fault} |{cells}");
        }
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}
