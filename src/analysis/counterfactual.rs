//! What would have had to be otherwise for another decision: found by deciding again, with
//! everything else as it was.

use crate::cloudtrail::Denial;
use crate::detection::{Assessment, Policy, PrincipalState, Report, Signal, decide};

/// Steps of a threshold that are tried, in tenths of a sigma.
pub(crate) const TENTHS: std::ops::RangeInclusive<u32> = 10..=370;
/// Most events that are added in thought.
const MAX_ADDED: u32 = 5000;

/// One decision, to be made again otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The state that was decided on.
    pub state: &'a PrincipalState,
    /// Its counts beside what is usual.
    pub assessment: &'a Assessment,
    /// The delivery.
    pub denial: &'a Denial,
    /// What decides.
    pub policy: &'a Policy,
}

/// The nearest thresholds and counts of one signal that turn a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counterfactual {
    /// Of a report: the lowest threshold, in tenths, from which on the signal is not
    /// reported. Of none: the highest one at which it is.
    pub threshold: Option<f64>,
    /// Of a report: how many fewer events it can do without and still be made, plus one. Of
    /// none: how many more it takes.
    pub events: Option<u32>,
}

impl Case<'_> {
    /// What this case is decided.
    pub fn report(&self) -> Option<Report> {
        decide(self.state, self.assessment, self.denial, self.policy).report
    }

    /// The nearest cases in which this signal is reported if it is not, and the other way
    /// round.
    pub fn turned(&self, signal: Signal) -> Counterfactual {
        let is_reported =
            |report: Option<Report>| report.is_some_and(|report| report.row.axis.signal == signal);
        let at = |threshold| is_reported(self.report_at(signal, threshold));
        let with = |more| is_reported(self.report_with(signal, more));
        if is_reported(self.report()) {
            Counterfactual {
                threshold: TENTHS.rev().map(sigma).take_while(|threshold| !at(*threshold)).last(),
                events: (1..=MAX_ADDED).find(|fewer| !with(-i64::from(*fewer))),
            }
        } else {
            Counterfactual {
                threshold: TENTHS.rev().map(sigma).find(|threshold| at(*threshold)),
                events: (1..=MAX_ADDED).find(|more| with(i64::from(*more))),
            }
        }
    }

    /// What is reported at another threshold of one signal.
    pub fn report_at(&self, signal: Signal, threshold: f64) -> Option<Report> {
        let mut policy = self.policy.clone();
        match signal {
            Signal::Denials => policy.denials.threshold = threshold,
            Signal::Secrets => policy.secrets.threshold = threshold,
        }
        Case { policy: &policy, ..*self }.report()
    }

    /// What is reported with more or fewer events of one signal in the open windows.
    pub fn report_with(&self, signal: Signal, more: i64) -> Option<Report> {
        let assessment = self.assessment.with_events(signal, more);
        Case { assessment: &assessment, ..*self }.report()
    }
}

pub(crate) fn sigma(tenths: u32) -> f64 {
    f64::from(tenths) / 10.0
}
