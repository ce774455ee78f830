//! What all commands take: input, settings, a terminal to tell progress.

use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rattle::replay::history::History;
use rattle::replay::summary::{RejectedInput, Summary};
use rattle::replay::{Input, Watcher, history};
use rattle::settings::Settings;

/// Input below this is read before a bar could be seen.
const LONG_INPUT_BYTES: u64 = 32 << 20;

/// Where denials are read from.
#[derive(Args)]
pub(crate) struct InputArgs {
    /// Files or folders with CloudTrail events; - for standard input
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,
    /// Stop at the first malformed record
    #[arg(long)]
    strict: bool,
    /// Threads that parse, a file each; the output does not depend on it [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl InputArgs {
    pub(crate) fn into_input(self) -> Input {
        Input { paths: self.paths, strict: self.strict, threads: self.threads }
    }
}

/// Reads a whole history, and tells on standard error what cannot be used of it.
pub(crate) fn whole_history(input: &Input, settings: &Settings) -> Result<(History, Summary)> {
    let mut terminal = Terminal::new(true);
    let read = history(input, settings, &mut terminal);
    terminal.clear();
    Ok(read?)
}

/// Settings stay text here: all of them are validated together, with the variables.
#[derive(Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct SettingArgs {
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

pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().map(|(variable, value)| {
        (variable.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    })
}

impl SettingArgs {
    /// The settings of the environment and of these flags, a flag winning.
    pub(crate) fn read(self) -> Result<Settings> {
        self.read_with([])
    }

    /// The same with further variables, which win.
    pub(crate) fn read_with(
        self,
        further: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Settings> {
        Settings::read(environment().chain(self.given()).chain(further))
            .map_err(|faults| anyhow!("settings cannot be used:\n{faults}"))
    }

    fn given(self) -> impl Iterator<Item = (String, String)> {
        use rattle::settings as c;
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
pub(crate) struct Terminal {
    bar: ProgressBar,
    read: Arc<AtomicU64>,
    tells_rejections: bool,
}

impl Terminal {
    pub(crate) fn new(tells_rejections: bool) -> Self {
        Self { bar: ProgressBar::hidden(), read: Arc::default(), tells_rejections }
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
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

    fn rejects(&mut self, rejection: &RejectedInput) {
        if self.tells_rejections {
            self.bar.suspend(|| eprintln!("rattle: {rejection}"));
        }
    }
}
