//! The explanation for programs. Every number reads back to the one that was computed.

use serde::Serialize;

use super::verdict::Verdict;
use super::{Explanation, start};
use crate::cloudtrail::secret::Secret;
use crate::detection::{Outcome, Row, Scale, Signal};
use crate::text::Text;

const SCHEMA: &str = "rattle.explanation/1";

#[derive(Serialize)]
#[serde(tag = "type", rename = "explanation")]
struct Line<'a> {
    schema: &'static str,
    event_id: &'a Text,
    event_time: String,
    principal: &'a Text,
    arn: Option<&'a Text>,
    secrets: Vec<&'a Text>,
    delivery: u64,
    outcome: &'static str,
    late: bool,
    history_days: f64,
    names_a_new_secret: bool,
    rows: Vec<RowFields>,
    episodes: [EpisodeFields; 2],
    reported: Option<Reported<'a>>,
    turned: [Turned; 2],
    instead: Option<Signal>,
    thresholds: [f64; 2],
    half_life_days: [f64; 3],
}

#[derive(Serialize)]
struct RowFields {
    signal: Signal,
    scale: Scale,
    observed: u32,
    told: u32,
    mean: f64,
    sd: f64,
    dispersion: f64,
    windows: f64,
    sigma: f64,
    threshold: f64,
    floor: u32,
    ceiling: Option<u32>,
    looked_at: bool,
    verdict: &'static str,
}

#[derive(Serialize)]
struct EpisodeFields {
    signal: Signal,
    open: bool,
    last_hit: Option<String>,
    last_report: Option<String>,
    reported: u32,
}

#[derive(Serialize)]
struct Reported<'a> {
    finding: Option<&'a str>,
    signal: Signal,
    scale: Scale,
    observed: u32,
    sigma: f64,
    continues: bool,
}

#[derive(Serialize)]
struct Turned {
    signal: Signal,
    threshold: Option<f64>,
    events: Option<u32>,
}

impl Explanation {
    /// One line of JSON, without its end.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let principal = self.denial.principal();
        serde_json::to_string(&Line {
            schema: SCHEMA,
            event_id: self.denial.event_id(),
            event_time: self.denial.time().to_string(),
            principal: principal.key(),
            arn: principal.arn(),
            secrets: self.denial.secrets().iter().map(Secret::name).collect(),
            delivery: self.delivery,
            outcome: Outcome::name(self.handled.outcome),
            late: self.handled.late,
            history_days: self.state.history_days(),
            names_a_new_secret: self.names_a_new_secret,
            rows: self.rows().map(|row| self.row_fields(row)).collect(),
            episodes: Signal::ALL.map(|signal| self.episode_fields(signal)),
            reported: self.decision.report.as_ref().map(|report| Reported {
                finding: self.handled.finding.as_ref().map(|finding| finding.id.as_str()),
                signal: report.row.axis.signal,
                scale: report.row.axis.scale,
                observed: report.row.observed,
                sigma: report.sigma,
                continues: report.continues,
            }),
            turned: Signal::ALL.map(|signal| {
                let turned = self.turned[signal];
                Turned { signal, threshold: turned.threshold, events: turned.events }
            }),
            instead: self.instead,
            thresholds: Signal::ALL.map(|signal| self.policy.of(signal).threshold),
            half_life_days: self.policy.half_life_days,
        })
    }

    fn row_fields(&self, row: &Row) -> RowFields {
        let signal = self.policy.of(row.axis.signal);
        let scale = row.axis.scale;
        RowFields {
            signal: row.axis.signal,
            scale: row.axis.scale,
            observed: row.observed,
            told: row.reported,
            mean: row.prediction.mean,
            sd: row.prediction.sd(),
            dispersion: row.prediction.dispersion,
            windows: row.prediction.weight,
            sigma: row.sigma(),
            threshold: signal.threshold,
            floor: signal.floor[scale],
            ceiling: signal.ceiling[scale],
            looked_at: self.looks_at(row.axis.signal),
            verdict: Verdict::of(row, &self.policy).name(),
        }
    }

    fn episode_fields(&self, signal: Signal) -> EpisodeFields {
        let episode = self.episode(signal);
        EpisodeFields {
            signal,
            open: self.episode_is_open(signal),
            last_hit: episode.hit_window.map(start),
            last_report: episode.alert_window.map(start),
            reported: episode.alert_count,
        }
    }
}
