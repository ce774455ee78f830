//! The smallest change that would have turned a decision, found by deciding again with
//! everything else as it was.

use crate::cloudtrail::Denial;
use crate::detection::{Assessment, Policy, PrincipalState, Report, Signal, decide};

/// Thresholds that are tried, in tenths of a sigma.
pub(crate) const TENTHS: std::ops::RangeInclusive<u32> = 10..=370;
/// Events that are added or taken away at most.
const MAX_EVENTS: u32 = 5000;

/// What a decision is made from.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// After the delivery.
    pub state: &'a PrincipalState,
    pub assessment: &'a Assessment,
    pub denial: &'a Denial,
    pub policy: &'a Policy,
}

/// The nearest threshold and count of one signal that turn whether it is reported.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counterfactual {
    /// If the signal is reported, the lowest threshold from which on it is not; else the highest
    /// at which it is. In whole tenths of a sigma.
    pub threshold: Option<f64>,
    /// Smallest change in the count that turns it: fewer events if the signal is reported, else
    /// more.
    pub events: Option<u32>,
}

impl Case<'_> {
    pub fn report(&self) -> Option<Report> {
        decide(self.state, self.assessment, self.denial, self.policy).report
    }

    pub fn turned(&self, signal: Signal) -> Counterfactual {
        let is_reported =
            |report: Option<Report>| report.is_some_and(|report| report.row.axis.signal == signal);
        let at = |threshold| is_reported(self.report_at(signal, threshold));
        let with = |more| is_reported(self.report_with(signal, more));
        if is_reported(self.report()) {
            Counterfactual {
                threshold: TENTHS.rev().map(sigma).take_while(|threshold| !at(*threshold)).last(),
                events: (1..=MAX_EVENTS).find(|fewer| !with(-i64::from(*fewer))),
            }
        } else {
            Counterfactual {
                threshold: TENTHS.rev().map(sigma).find(|threshold| at(*threshold)),
                events: (1..=MAX_EVENTS).find(|more| with(i64::from(*more))),
            }
        }
    }

    pub fn report_at(&self, signal: Signal, threshold: f64) -> Option<Report> {
        let mut policy = self.policy.clone();
        match signal {
            Signal::Denials => policy.denials.threshold = threshold,
            Signal::Secrets => policy.secrets.threshold = threshold,
        }
        Case { policy: &policy, ..*self }.report()
    }

    /// With `more` events in each open window; a negative number takes some away.
    pub fn report_with(&self, signal: Signal, more: i64) -> Option<Report> {
        let assessment = self.assessment.with_events(signal, more);
        Case { assessment: &assessment, ..*self }.report()
    }
}

pub(crate) fn sigma(tenths: u32) -> f64 {
    f64::from(tenths) / 10.0
}
