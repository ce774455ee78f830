//! `rattle check`.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use rattle::settings::{PREFIX, SETTINGS, Settings};
use rattle::text::Text;

use crate::input::environment;
use crate::print;
use crate::template::{self, Given};

/// Shown for a value that only the stack knows.
const SET_BY_STACK: &str = "(set by the stack)";
const MAX_SHOWN_BYTES: usize = 60;

/// Check settings as the function does at its start
///
/// Takes them from this shell, from a file of variables, or from the template with the
/// parameters it will be deployed with. All faults are told at once; the function would not
/// start with any of them.
#[derive(Args)]
#[command(after_help = "\
Exit status: 0 the function would start; 2 it would not.

Examples:
  rattle check --tuning
  rattle check --env-file rattle.env
  rattle check --template template.yaml --config samconfig.toml
  rattle check --template template.yaml --parameter MinSecrets=7 --parameter HalfLifeDays=14")]
pub(crate) struct CheckArgs {
    /// Variables from a file, NAME=VALUE a line, instead of this shell's
    #[arg(long, value_name = "FILE", conflicts_with_all = ["template", "config"])]
    env_file: Option<PathBuf>,
    /// The variables that this template gives the function
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
    /// Parameters of the template from the `parameter_overrides` of this samconfig.toml
    #[arg(long, value_name = "FILE", requires = "template")]
    config: Option<PathBuf>,
    /// Section of samconfig.toml
    #[arg(long, value_name = "NAME", default_value = "default", requires = "config")]
    config_env: String,
    /// A parameter of the template; wins over samconfig.toml
    #[arg(long, value_name = "NAME=VALUE", requires = "template")]
    parameter: Vec<String>,
    /// Table and topic may be missing: the stack sets them
    #[arg(long)]
    tuning: bool,
}

pub(crate) fn run(args: &CheckArgs) -> Result<ExitCode> {
    let given = args.given()?;
    let pairs = || given.iter().map(|one| (one.variable.clone(), one.value.clone()));
    let checked =
        if args.tuning { Settings::read(pairs()) } else { Settings::read_for_function(pairs()) };
    checked.map_err(|faults| anyhow!("settings cannot be used:\n{faults}"))?;
    print(effective(&given).as_bytes())
}

impl CheckArgs {
    fn given(&self) -> Result<Vec<Given>> {
        if let Some(path) = &self.template {
            let text = read(path)?;
            let mut parameters = match &self.config {
                Some(config) => template::overrides(&read(config)?, &self.config_env)
                    .with_context(|| config.display().to_string())?,
                None => Vec::new(),
            };
            for pair in &self.parameter {
                let (name, value) = pair
                    .split_once('=')
                    .ok_or_else(|| anyhow!("--parameter {pair}: it is NAME=VALUE"))?;
                parameters.push((name.to_owned(), value.to_owned()));
            }
            return template::variables(&text, &parameters)
                .with_context(|| path.display().to_string());
        }
        let pairs: Vec<(String, String)> = match &self.env_file {
            Some(path) => dotenvy::from_read_iter(read(path)?.as_bytes())
                .collect::<Result<_, _>>()
                .with_context(|| path.display().to_string())?,
            None => environment().collect(),
        };
        Ok(pairs
            .into_iter()
            .map(|(variable, value)| Given { variable, value, is_stand_in: false })
            .collect())
    }
}

fn read(path: &PathBuf) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// A line for each setting with the value that the function would take.
fn effective(given: &[Given]) -> String {
    let mut text = String::new();
    for setting in SETTINGS {
        let found = given.iter().rev().find(|one| one.variable == setting.variable);
        let value = match found {
            Some(one) if one.is_stand_in => SET_BY_STACK.to_owned(),
            Some(one) if !one.value.trim().is_empty() => {
                Text::new(&one.value, MAX_SHOWN_BYTES).to_string()
            }
            _ if setting.is_required() => SET_BY_STACK.to_owned(),
            _ if setting.default.is_empty() => "none (default)".to_owned(),
            _ => format!("{} (default)", setting.default),
        };
        let _ = writeln!(text, "{:<27} {value}", setting.variable);
    }
    let others = given.iter().filter(|one| one.variable.starts_with(PREFIX)).count();
    let _ = writeln!(text, "{others} of them given; the function would start with these.");
    text
}
