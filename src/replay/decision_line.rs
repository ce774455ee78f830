//! The line of JSON that `--decisions` writes for each denial.

use serde::Serialize;

use crate::cloudtrail::Denial;
use crate::detection::{Row, Scale, Signal};
use crate::engine::Handled;
use crate::text::Text;

#[derive(Serialize)]
#[serde(tag = "type", rename = "decision")]
pub(super) struct DecisionLine<'a> {
    event_id: &'a Text,
    event_time: String,
    principal: &'a Text,
    outcome: &'static str,
    assessments: Vec<AssessedRow>,
    alert: bool,
}

#[derive(Serialize)]
struct AssessedRow {
    signal: Signal,
    scale: Scale,
    observed: u32,
    mean: f64,
    sd: f64,
    sigma: f64,
}

impl<'a> DecisionLine<'a> {
    pub(super) fn of(denial: &'a Denial, handled: &Handled) -> Self {
        Self {
            event_id: denial.event_id(),
            event_time: denial.time().to_string(),
            principal: denial.principal().key(),
            outcome: handled.outcome.name(),
            assessments: handled.assessment.rows().iter().map(AssessedRow::from).collect(),
            alert: handled.finding.is_some(),
        }
    }
}

impl From<&Row> for AssessedRow {
    fn from(row: &Row) -> Self {
        Self {
            signal: row.axis.signal,
            scale: row.axis.scale,
            observed: row.observed,
            mean: row.prediction.mean,
            sd: row.prediction.sd(),
            sigma: row.sigma(),
        }
    }
}
