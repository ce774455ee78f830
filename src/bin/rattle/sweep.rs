//! `rattle sweep`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use rattle::analysis::sweep::{Budget, sweep};
use rattle::detection::finding::Severity;

use crate::input::{InputArgs, SettingArgs, whole_history};
use crate::print;

/// Find the most sensitive settings within a budget of findings, on your own history
///
/// Replays the history over a grid of thresholds and half-lives, says how many findings a week
/// each gives, and prints the lines to deploy for the lowest thresholds within the budget. The
/// distance between the two thresholds, and all other settings, stay as set.
#[derive(Args)]
#[command(after_help = "\
Example:
  rattle sweep --budget 2/week events/traces/")]
pub(crate) struct SweepArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Findings to put up with: N/day, N/week or N/month
    #[arg(long, value_name = "N/PERIOD")]
    budget: Budget,
    /// Least severity that counts
    #[arg(long, value_enum, default_value_t = SeverityArg::Low)]
    severity: SeverityArg,
    #[command(flatten)]
    settings: SettingArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum SeverityArg {
    /// All findings
    Low,
    /// Medium and high
    Medium,
    /// High alone: what pages by default
    High,
}

pub(crate) fn run(args: SweepArgs) -> Result<ExitCode> {
    let settings = args.settings.read()?;
    let input = args.input.into_input();
    let (history, _) = whole_history(&input, &settings)?;
    let least = match args.severity {
        SeverityArg::Low => Severity::Low,
        SeverityArg::Medium => Severity::Medium,
        SeverityArg::High => Severity::High,
    };
    let sweep = sweep(&history, &settings, args.budget, least, input.threads)?;
    print(sweep.to_string().as_bytes())
}
