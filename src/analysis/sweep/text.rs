//! The sweep for people, with the lines to deploy.

use std::fmt::{self, Write as _};

use super::{DAYS_PER_WEEK, MAX_NOISY, Point, Sweep, Tried};
use crate::analysis::paragraph::paragraph;
use crate::detection::finding::Severity;
use crate::detection::policy::THRESHOLD_BOUNDS;
use crate::wording::plural;

/// With fewer findings than this, the text says that they are too few for a rate.
const MANY_FINDINGS: u64 = 10;

impl fmt::Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.history(f)?;
        self.table(f)?;
        match &self.choice {
            Some(choice) => self.deploy(f, choice),
            None => self.nothing_fits(f),
        }
    }
}

impl Sweep {
    fn history(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "HISTORY")?;
        let Some((first, last)) = self.period else {
            return paragraph(f, "No denial: nothing can be learnt from it.");
        };
        paragraph(
            f,
            &format!(
                "{:.1} days, {first} to {last}: {} by {}.",
                self.days,
                plural(self.denials, "denial"),
                plural(self.principals as u64, "principal"),
            ),
        )?;
        paragraph(
            f,
            "It shows what would have been reported of what happened then. It cannot show an attack \
             that did not happen, nor what a later change of the workloads will raise. If an attack \
             is in it, its findings count here: look at them before you trade them for silence.",
        )?;
        let longest = self.current.half_life_days.into_iter().fold(0.0, f64::max);
        if self.days < DAYS_PER_WEEK {
            paragraph(f, "It is shorter than a week: the rates below are extrapolated.")?;
        }
        if self.days < 2.0 * longest {
            let words = format!(
                "It is shorter than two half-lives ({} days): baselines are still young in most of \
                 it, and raise more than they will later.",
                2.0 * longest
            );
            paragraph(f, &words)?;
        }
        Ok(())
    }

    fn table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = match self.least {
            Severity::Low => "of any severity",
            Severity::Medium => "of severity medium and high",
            Severity::High => "of severity high",
        };
        writeln!(f, "\nFINDINGS A WEEK, {counted}; * within the budget of {}", self.budget)?;
        write!(f, "  {:>17}", "threshold")?;
        for points in &self.grid {
            let half_life = points.first().map_or_else(String::new, |p| half_life(&p.tried));
            write!(f, "  {half_life:>14}")?;
        }
        writeln!(f, "  half-life (days)\n  {:>8} {:>8}", "denials", "secrets")?;
        for row in 0..self.grid.first().map_or(0, Vec::len) {
            let Tried { denials_threshold, secrets_threshold, .. } = self.grid[0][row].tried;
            let mut line = format!("  {denials_threshold:>8} {secrets_threshold:>8}");
            for points in &self.grid {
                let point = &points[row];
                let mark = if self.fits(point) { '*' } else { ' ' };
                let _ = write!(line, "  {:>13.2}{mark}", self.per_week(point.findings));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn deploy(&self, f: &mut fmt::Formatter<'_>, choice: &Point) -> fmt::Result {
        let Tried { denials_threshold, secrets_threshold, .. } = choice.tried;
        let half_life = half_life(&choice.tried);
        writeln!(f, "\nMOST SENSITIVE WITHIN THE BUDGET")?;
        let findings = plural(choice.findings, "finding");
        paragraph(
            f,
            &format!(
                "Thresholds {denials_threshold} (denials) and {secrets_threshold} (secrets), \
                 half-lives {half_life}: {findings} in {:.1} days, {:.2} a week, at most {} in one \
                 week.",
                self.days,
                self.per_week(choice.findings),
                choice.worst_week,
            ),
        )?;
        if choice.findings < MANY_FINDINGS {
            paragraph(f, "So few findings say little about a rate: a longer history says more.")?;
        }
        if secrets_threshold <= THRESHOLD_BOUNDS.0 {
            paragraph(f, "No lower threshold is allowed: the floors decide from here on.")?;
        }
        writeln!(f, "\n  Add to parameter_overrides in samconfig.toml, under")?;
        writeln!(f, "  [default.deploy.parameters]:\n")?;
        writeln!(
            f,
            "parameter_overrides = [\n  \"DenialsThreshold={denials_threshold}\",\n  \
             \"SecretsThreshold={secrets_threshold}\",\n  \"HalfLifeDays={half_life}\",\n]"
        )?;
        writeln!(f, "\n  or for one deployment:\n")?;
        writeln!(
            f,
            "sam deploy --parameter-overrides DenialsThreshold={denials_threshold} \
             SecretsThreshold={secrets_threshold} HalfLifeDays={half_life}"
        )?;
        writeln!(f, "\n  To read these findings first:\n")?;
        writeln!(
            f,
            "rattle replay --denials-threshold {denials_threshold} --secrets-threshold \
             {secrets_threshold} --half-life-days {half_life} PATH..."
        )
    }

    fn nothing_fits(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nNOTHING TRIED IS WITHIN THE BUDGET")?;
        paragraph(
            f,
            "Secrets over a ceiling are reported at any threshold. Stop the jobs that are refused, \
             leave them out by RATTLE_IGNORE, or raise RATTLE_MIN_DENIALS and RATTLE_MIN_SECRETS. \
             Most findings, at the highest thresholds:",
        )?;
        let Some(point) = self.grid.first().and_then(|points| points.last()) else { return Ok(()) };
        let mut noisy: Vec<_> = point.by_principal.iter().collect();
        noisy.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
        for (glob, findings) in noisy.into_iter().take(MAX_NOISY) {
            writeln!(f, "  {findings:>6}  {glob}")?;
        }
        Ok(())
    }
}

fn half_life(tried: &Tried) -> String {
    tried.half_life_days.map(|days| days.to_string()).join(",")
}
