//! `rattle replay`.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use rattle::replay::summary::Summary;
use rattle::replay::{Format, Options, Order, ReplayError, replay};

use crate::input::{InputArgs, SettingArgs, Terminal};
use crate::{EXIT_FINDINGS, allow_broken_pipe};

/// Run the detector over CloudTrail log files
///
/// Reads files and folders (recursively) and recognises by content, not by name: CloudTrail
/// files ({"Records":[…]}), single records, JSON Lines, EventBridge envelopes, the output of
/// `aws cloudtrail lookup-events`, and each of these packed with gzip.
///
/// Findings go to standard output, the summary and all complaints to standard error.
#[derive(Args)]
#[command(after_help = "\
Every setting may also be given as a variable, RATTLE_MIN_SECRETS for --min-secrets; a flag wins.

Exit status: 0 the run succeeded; 1 with --exit-code, if there was a finding; 2 an error.

Examples:
  rattle replay events/
  rattle replay --format jsonl AWSLogs/ | jq -r .title
  aws cloudtrail lookup-events --output json \\
    --lookup-attributes AttributeKey=EventName,AttributeValue=GetSecretValue | rattle replay -")]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    input: InputArgs,
    /// How to write findings
    #[arg(long, value_enum, default_value_t = FormatArg::Text)]
    format: FormatArg,
    /// Also write a line for each denial (needs --format jsonl)
    #[arg(long)]
    decisions: bool,
    /// In which order to deliver denials
    #[arg(long, value_enum, default_value_t = OrderArg::EventTime)]
    order: OrderArg,
    /// How to write the summary
    #[arg(long, value_enum, default_value_t = SummaryArg::Text)]
    summary: SummaryArg,
    /// Exit with 1 if there was a finding
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    settings: SettingArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatArg {
    /// Each alert as its e-mail
    Text,
    /// Each finding as one line of JSON (rattle.finding/1)
    Jsonl,
}

#[derive(Clone, Copy, ValueEnum)]
enum OrderArg {
    /// By event time, then event id
    EventTime,
    /// As they are read
    Arrival,
}

#[derive(Clone, Copy, ValueEnum)]
enum SummaryArg {
    /// For reading
    Text,
    /// One line of JSON, the rejected input in it
    Json,
}

pub(crate) fn run(args: ReplayArgs) -> Result<ExitCode> {
    if args.decisions && matches!(args.format, FormatArg::Text) {
        bail!("--decisions needs --format jsonl");
    }
    let settings = args.settings.read()?;
    let options = Options {
        input: args.input.into_input(),
        order: match args.order {
            OrderArg::EventTime => Order::EventTime,
            OrderArg::Arrival => Order::Arrival,
        },
        format: match args.format {
            FormatArg::Text => Format::Text,
            FormatArg::Jsonl => Format::JsonLines { decisions: args.decisions },
        },
    };
    let mut output = BufWriter::new(io::stdout().lock());
    // The JSON summary lists the rejected inputs itself.
    let mut terminal = Terminal::new(matches!(args.summary, SummaryArg::Text));
    let summary = match replay(&options, &settings, &mut output, &mut terminal) {
        Err(ReplayError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Ok(ExitCode::SUCCESS);
        }
        other => {
            terminal.clear();
            other?
        }
    };
    print_summary(&summary, args.summary)?;
    Ok(if args.exit_code && summary.findings > 0 {
        ExitCode::from(EXIT_FINDINGS)
    } else {
        ExitCode::SUCCESS
    })
}

fn print_summary(summary: &Summary, form: SummaryArg) -> Result<()> {
    let text = match form {
        SummaryArg::Text => summary.to_string(),
        SummaryArg::Json => format!("{}\n", serde_json::to_string(summary)?),
    };
    allow_broken_pipe(io::stderr().write_all(text.as_bytes()))
        .context("the summary cannot be written")
}
