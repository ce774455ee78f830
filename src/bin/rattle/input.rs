//! What several commands take: input, settings, and a terminal that shows progress.

use std::io::{self, IsTerminal};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use indicatif::{ProgressBar, ProgressStyle};
use rattle::replay::history::History;
use rattle::replay::summary::{RejectedInput, Summary};
use rattle::replay::{Input, Watcher, history};
use rattle::settings::{Domain, SETTINGS, Setting, Settings};

/// Shorter input is read before a progress bar could be seen.
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

/// Reads a whole history, and reports on standard error what of it cannot be used.
pub(crate) fn whole_history(input: &Input, settings: &Settings) -> Result<(History, Summary)> {
    let mut terminal = Terminal::new(true);
    let read = history(input, settings, &mut terminal);
    terminal.clear();
    Ok(read?)
}

/// Variables of the settings that are given as flags. They stay text here, because all of them
/// are validated together with the environment's.
pub(crate) struct SettingArgs(Vec<(String, String)>);

impl Args for SettingArgs {
    fn augment_args(command: Command) -> Command {
        SETTINGS.iter().filter_map(argument).fold(command, Command::arg)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flags = SETTINGS.iter().filter(|setting| setting.value_name.is_some());
        let given = flags.filter_map(|setting| {
            let value = matches.get_one::<String>(setting.variable)?;
            Some((setting.variable.to_owned(), value.clone()))
        });
        Ok(Self(given.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The flag of a setting, if it has one.
fn argument(setting: &Setting) -> Option<Arg> {
    let mut help = setting.help.to_owned();
    if let Domain::Names(_) = setting.domain {
        help = format!("{help}: {}", setting.domain);
    }
    if !setting.default.is_empty() {
        help = format!("{help} [default: {}]", setting.default);
    }
    let argument = Arg::new(setting.variable).long(setting.flag()).help(help);
    Some(argument.value_name(setting.value_name?).help_heading("Settings"))
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
        Settings::read(environment().chain(self.0).chain(further))
            .map_err(|faults| anyhow!("settings cannot be used:\n{faults}"))
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
