//! `rattle explain`.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use rattle::analysis::explain::{Moment, explain};

use crate::input::{InputArgs, SettingArgs, whole_history};
use crate::print;

/// Explain one decision: what was counted, what was usual, and what would have turned it
///
/// Replays one principal up to the delivery in question and prints what the detector decided
/// it on. Give the history from the principal's first denial on, and the settings of the
/// function: then the numbers are those that the function computed.
#[derive(Args)]
#[command(after_help = "\
Without --at and --finding, the decision that raised the newest finding is explained, or the last
one if there is none. An alert names its finding, and the principal's key.

Examples:
  rattle explain events/traces/ --principal orders-worker
  rattle explain events/traces/ --finding 196a4a49d62aebc896b6ada4a327a013
  rattle explain events/traces/ --principal orders-worker --at 2026-01-26T02:15:09Z --format json")]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Whose decision: a key, an ARN (of a session too), or a name
    #[arg(long, value_name = "PRINCIPAL", required_unless_present = "finding")]
    principal: Option<String>,
    /// The last decision at or before this time, such as 2026-01-31T23:59:59Z
    #[arg(long, value_name = "TIME", conflicts_with = "finding")]
    at: Option<Timestamp>,
    /// The decision that raised this finding
    #[arg(long, value_name = "ID")]
    finding: Option<String>,
    /// How to write it
    #[arg(long, value_enum, default_value_t = FormatArg::Text)]
    format: FormatArg,
    #[command(flatten)]
    settings: SettingArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatArg {
    /// For reading
    Text,
    /// One line of JSON (rattle.explanation/1); numbers read back to those computed
    Json,
}

pub(crate) fn run(args: ExplainArgs) -> Result<ExitCode> {
    let settings = args.settings.read()?;
    let (history, _) = whole_history(&args.input.into_input(), &settings)?;
    let moment = match (args.finding, args.at) {
        (Some(id), _) => Moment::Finding(id),
        (None, Some(at)) => Moment::At(at),
        (None, None) => Moment::Newest,
    };
    let explanation = explain(&history, &settings, args.principal.as_deref(), &moment)?;
    let text = match args.format {
        FormatArg::Text => explanation.to_string(),
        FormatArg::Json => explanation.to_json()? + "\n",
    };
    print(text.as_bytes())
}
