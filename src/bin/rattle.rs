//! The command line `rattle`.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use rattle::config::Settings;
use rattle::replay::summary::{Rejection, Summary};
use rattle::replay::{Format, Options, Order, ReplayError, Watcher, replay};

const EXIT_FINDINGS: u8 = 1;
const EXIT_ERROR: u8 = 2;
/// Input below this is read before a bar could be seen.
const LONG_INPUT_BYTES: u64 = 32 << 20;

/// Detects enumeration of AWS Secrets Manager secrets in CloudTrail logs.
///
/// A principal that is refused `GetSecretValue` far more often, or over far more different
/// secrets, than it usually is gets reported, with what is usual for it, how far apart the
/// two are, and what to do next.
#[derive(Parser)]
#[command(name = "rattle", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Replay(Box<ReplayArgs>),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  rattle completions bash > ~/.local/share/bash-completion/completions/rattle"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

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
struct ReplayArgs {
    /// Files or folders with CloudTrail events; - for standard input
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
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
    /// Stop at the first malformed record
    #[arg(long)]
    strict: bool,
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

/// Settings stay text here: all of them are validated together, with the variables.
#[derive(Args)]
#[command(next_help_heading = "Settings")]
struct SettingArgs {
    /// Deviation from which denials are reported, in sigma-equivalents [default: 5]
    #[arg(long, value_name = "SIGMA")]
    denials_threshold: Option<String>,
    /// Deviation from which new secrets are reported, in sigma-equivalents [default: 4]
    #[arg(long, value_name = "SIGMA")]
    secrets_threshold: Option<String>,
    /// Fewest denials to report, for all scales or for 5m,1h,1d [default: 5,5,10]
    #[arg(long, value_name = "N[,N,N]")]
    min_denials: Option<String>,
    /// Fewest new secrets to report, for all scales or for 5m,1h,1d [default: 5,5,5]
    #[arg(long, value_name = "N[,N,N]")]
    min_secrets: Option<String>,
    /// Memory of the baselines, for all scales or for 5m,1h,1d [default: 7,7,14]
    #[arg(long, value_name = "DAYS[,DAYS,DAYS]")]
    half_life_days: Option<String>,
    /// Quiet time after which an episode is over [default: 60]
    #[arg(long, value_name = "MINUTES")]
    quiet_minutes: Option<String>,
    /// Time after which an episode that goes on is reported again [default: 24]
    #[arg(long, value_name = "HOURS")]
    remind_hours: Option<String>,
    /// Principals to leave alone: globs over the ARN or service:NAME, each perhaps with
    /// ;until=YYYY-MM-DD and ;above=N, with commas between them
    #[arg(long, value_name = "GLOB[;BOUND…][,…]")]
    ignore: Option<String>,
    /// Alerts an hour that the storm guard lets through; replay counts the others [default: 60]
    #[arg(long, value_name = "N")]
    max_alerts_per_hour: Option<String>,
    /// What a finding is with --format jsonl: rattle, asff or ocsf [default: rattle]
    #[arg(long, value_name = "NAME")]
    machine_format: Option<String>,
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            // One line for each fault of the settings, one for anything else.
            eprintln!("rattle: {error:#}");
            ExitCode::from(EXIT_ERROR)
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Replay(args) => run_replay(*args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "rattle", &mut script);
            written(io::stdout().write_all(&script)).context("output cannot be written")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn run_replay(args: ReplayArgs) -> Result<ExitCode> {
    if args.decisions && matches!(args.format, FormatArg::Text) {
        bail!("--decisions needs --format jsonl");
    }
    let settings = Settings::read(environment().chain(args.settings.given()))
        .map_err(|faults| anyhow!("settings cannot be used:\n{faults}"))?;
    let options = Options {
        paths: args.paths,
        order: match args.order {
            OrderArg::EventTime => Order::EventTime,
            OrderArg::Arrival => Order::Arrival,
        },
        format: match args.format {
            FormatArg::Text => Format::Text,
            FormatArg::Jsonl => Format::JsonLines { decisions: args.decisions },
        },
        strict: args.strict,
    };
    let mut output = BufWriter::new(io::stdout().lock());
    let mut terminal = Terminal {
        bar: ProgressBar::hidden(),
        read: Arc::default(),
        // One line of JSON is for a program, which finds the rejections in it.
        tells_rejections: matches!(args.summary, SummaryArg::Text),
    };
    let summary = match replay(&options, &settings, &mut output, &mut terminal) {
        Err(ReplayError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return Ok(ExitCode::SUCCESS);
        }
        other => {
            terminal.bar.finish_and_clear();
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
    written(io::stderr().write_all(text.as_bytes())).context("the summary cannot be written")
}

/// Whoever closed our output has read what they wanted.
fn written(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(variable, value)| {
        (variable.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    })
}

impl SettingArgs {
    fn given(self) -> impl Iterator<Item = (String, String)> {
        use rattle::config as c;
        [
            (c::DENIALS_THRESHOLD, self.denials_threshold),
            (c::SECRETS_THRESHOLD, self.secrets_threshold),
            (c::MIN_DENIALS, self.min_denials),
            (c::MIN_SECRETS, self.min_secrets),
            (c::HALF_LIFE_DAYS, self.half_life_days),
            (c::QUIET_MINUTES, self.quiet_minutes),
            (c::REMIND_HOURS, self.remind_hours),
            (c::IGNORE, self.ignore),
            (c::MAX_ALERTS_PER_HOUR, self.max_alerts_per_hour),
            (c::MACHINE_FORMAT, self.machine_format),
        ]
        .into_iter()
        .filter_map(|(setting, value)| Some((setting.variable.to_owned(), value?)))
    }
}

/// Progress and complaints on standard error.
struct Terminal {
    bar: ProgressBar,
    read: Arc<AtomicU64>,
    tells_rejections: bool,
}

impl Watcher for Terminal {
    fn begins(&mut self, bytes: u64, read: &Arc<AtomicU64>) {
        self.read = Arc::clone(read);
        if bytes < LONG_INPUT_BYTES || !io::stderr().is_terminal() {
            return;
        }
        self.bar = ProgressBar::new(bytes);
        let template = "{bar:32} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.enable_steady_tick(Duration::from_millis(200));
    }

    fn reads(&mut self) {
        self.bar.set_position(self.read.load(Ordering::Relaxed));
    }

    fn rejects(&mut self, rejection: &Rejection) {
        if self.tells_rejections {
            self.bar.suspend(|| eprintln!("rattle: {rejection}"));
        }
    }
}
