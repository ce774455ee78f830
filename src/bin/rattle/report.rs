//! `rattle report`.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use rattle::analysis::report::report;

use crate::input::{InputArgs, SettingArgs, whole_history};
use crate::print;

/// Write a history as one page: charts, findings with their evidence, who is noisy
///
/// The page is one HTML file that fetches nothing, for light and dark, for a desk and a phone.
/// It names principals, secrets and addresses: keep it where you keep the logs.
#[derive(Args)]
#[command(after_help = "\
Example:
  rattle report events/traces/ -o report.html")]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Where to write it; - for standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    settings: SettingArgs,
}

pub(crate) fn run(args: ReportArgs) -> Result<ExitCode> {
    let settings = args.settings.read()?;
    let (history, summary) = whole_history(&args.input.into_input(), &settings)?;
    let page = report(&history, &settings, summary)?.to_html();
    if args.output.as_os_str() == "-" {
        return print(page.as_bytes());
    }
    let unwritten = || format!("{} cannot be written", args.output.display());
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&args.output).with_context(unwritten)?;
    file.write_all(page.as_bytes()).with_context(unwritten)?;
    Ok(ExitCode::SUCCESS)
}
