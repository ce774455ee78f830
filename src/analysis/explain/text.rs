//! The explanation for people.

use std::fmt::{self, Write as _};

use super::verdict::Verdict;
use super::{Explanation, start};
use crate::alert::title::thing;
use crate::analysis::paragraph::paragraph;
use crate::detection::{Outcome, Report, Row, Signal};
use crate::wording::{history, plural};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.heading(f)?;
        self.table(f)?;
        self.episodes(f)?;
        writeln!(f, "\nDECISION")?;
        paragraph(f, &self.decided())?;
        for turned in self.turns() {
            paragraph(f, &turned)?;
        }
        Ok(())
    }
}

impl Explanation {
    fn heading(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let principal = self.denial.principal();
        let mut line = |name: &str, value: &dyn fmt::Display| writeln!(f, "{name:<12}{value}");
        line("Principal", &format_args!("{} ({})", principal.label(), principal.type_name()))?;
        line("Key", principal.key())?;
        if let Some(arn) = principal.arn() {
            line("ARN", arn)?;
        }
        line("Event", &format_args!("{}, {}", self.denial.event_id(), self.denial.time()))?;
        let secrets = self.denial.secrets();
        let secret = match (secrets.first(), secrets.len()) {
            (None, _) => "none named".to_owned(),
            (Some(first), 1) => first.name().to_string(),
            (Some(first), n) => format!("{} and {} more", first.name(), n - 1),
        };
        line("Secret", &secret)?;
        let what = match self.handled.outcome {
            Outcome::Counted if self.handled.late => "counted, late, in the open window",
            Outcome::Counted => "counted",
            Outcome::Duplicate => "a duplicate: counted before, assessed again",
            Outcome::WindowFull => "not counted: the window holds 256 denials, assessed again",
        };
        let number = self.delivery;
        line("Delivery", &format_args!("number {number} of this principal; {what}"))?;
        line("History", &history(self.state.history_days()))?;
        let [short, hour, day] = self.policy.half_life_days;
        line("Half-life", &format_args!("{short}, {hour}, {day} days for 5m, 1h, 1d"))
    }

    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nCOUNTS AND BASELINES")?;
        writeln!(
            f,
            "  {:<11} {:>5} {:>5} {:>9} {:>9} {:>7} {:>6} {:>5} {:>7}  says",
            "signal", "count", "told", "mean", "sd", "sigma", "thresh", "floor", "ceiling"
        )?;
        for row in self.rows() {
            let signal = self.policy.of(row.axis.signal);
            let scale = row.axis.scale;
            let ceiling = signal.ceiling[scale].map_or("-".to_owned(), |n| n.to_string());
            let says = match Verdict::of(row, &self.policy) {
                _ if !self.looks_at(row.axis.signal) => "not looked at",
                _ if self.is_reported(row) => "REPORTED",
                verdict => verdict.name(),
            };
            writeln!(
                f,
                "  {:<7} {:<3} {:>5} {:>5} {:>9} {:>9} {:>7.3} {:>6} {:>5} {:>7}  {says}",
                row.axis.signal.name(),
                row.axis.scale.name(),
                row.observed,
                row.reported,
                digits(row.prediction.mean),
                digits(row.prediction.sd()),
                row.sigma(),
                signal.threshold,
                signal.floor[scale],
                ceiling,
            )?;
        }
        if !self.looks_at(Signal::Secrets) {
            writeln!(
                f,
                "  New secrets are looked at only when a call names one: this one does not."
            )?;
        }
        Ok(())
    }

    fn episodes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nEPISODES BEFORE IT")?;
        for signal in Signal::ALL {
            let episode = self.episode(signal);
            let open = if self.episode_is_open(signal) { "open" } else { "none open" };
            let hit = episode.hit_window.map_or("never".to_owned(), start);
            let report = match episode.alert_window {
                Some(window) => format!("{}, {}", start(window), episode.alert_count),
                None => "never".to_owned(),
            };
            writeln!(f, "  {:<8} {open:<10} last hit {hit}; last report {report}", signal.name())?;
        }
        Ok(())
    }

    fn is_reported(&self, row: &Row) -> bool {
        self.decision.report.as_ref().is_some_and(|report| report.row.axis == row.axis)
    }

    fn decided(&self) -> String {
        if let Some(report) = &self.decision.report {
            return self.reported(report);
        }
        let mut why = "Not reported: ".to_owned();
        let fresh = |row: &&Row| {
            self.looks_at(row.axis.signal)
                && matches!(Verdict::of(row, &self.policy), Verdict::Unusual | Verdict::OverCeiling)
        };
        let told = |row: &Row| {
            self.looks_at(row.axis.signal) && Verdict::of(row, &self.policy) == Verdict::Reported
        };
        if let Some(row) = self.rows().find(fresh) {
            let signal = row.axis.signal;
            let reported = plural(self.episode(signal).alert_count, "event");
            let _ = write!(
                why,
                "the episode is open and was told with {reported}. It is told again once ten \
                 times as much is new, or after {} hours.",
                self.policy.remind_windows / 12,
            );
        } else if self.rows().any(told) {
            why.push_str("what is unusual was reported already.");
        } else {
            why.push_str("nothing looked at is unusual.");
        }
        why
    }

    fn reported(&self, report: &Report) -> String {
        let continues = if report.continues { "goes on" } else { "begins" };
        let id = self.handled.finding.as_ref().map_or("none", |finding| finding.id.as_str());
        format!(
            "Reported: {} in {}, {} sigma. An episode {continues}. Finding {id}.",
            events(report.row.observed, report.row.axis.signal),
            report.row.axis.scale.in_words(),
            report.sigma,
        )
    }

    /// The changes that would have reversed the decision.
    fn turns(&self) -> Vec<String> {
        match &self.decision.report {
            Some(report) => vec![self.silenced(report)],
            None => Signal::ALL.into_iter().filter_map(|signal| self.raised(signal)).collect(),
        }
    }

    fn silenced(&self, report: &Report) -> String {
        let signal = report.row.axis.signal;
        let turned = self.turned[signal];
        let mut ways = Vec::new();
        if let Some(threshold) = turned.threshold {
            let mut way = format!("at a {} threshold of {threshold} or above", signal.name());
            if let Some(other) = self.instead {
                let _ = write!(way, " (the {} would have been reported then)", other.name());
            }
            ways.push(way);
        }
        if let Some(fewer) = turned.events {
            let least = (report.row.observed + 1).saturating_sub(fewer);
            ways.push(format!("with fewer than {}", events(least, signal)));
        }
        let mut text = match turned.threshold {
            Some(_) => String::new(),
            None => {
                "No threshold would have kept it silent: its count is over the ceiling. ".into()
            }
        };
        if !ways.is_empty() {
            let _ = write!(text, "It would not have been reported {}.", ways.join(", or "));
        }
        text
    }

    fn raised(&self, signal: Signal) -> Option<String> {
        let turned = self.turned[signal];
        let mut ways = Vec::new();
        if let Some(threshold) = turned.threshold {
            ways.push(format!("at a {} threshold of {threshold} or below", signal.name()));
        }
        if let Some(more) = turned.events {
            ways.push(format!("with {more} more {}", noun(more, signal)));
        }
        (!ways.is_empty()).then(|| format!("It would have been reported {}.", ways.join(", or ")))
    }
}

fn noun(n: u32, signal: Signal) -> String {
    let counted = events(n, signal);
    counted.split_once(' ').map_or(counted.clone(), |(_, noun)| noun.to_owned())
}

fn events(n: u32, signal: Signal) -> String {
    plural(n, thing(signal))
}

/// A small number in at most nine columns.
fn digits(value: f64) -> String {
    if value >= 0.001 { format!("{value:.4}") } else { format!("{value:.1e}") }
}
