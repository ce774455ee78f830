//! The command line `rattle`.

mod check;
mod explain;
mod input;
mod replay;
mod report;
mod seed;
mod sweep;
mod template;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser, Subcommand};

const EXIT_FINDINGS: u8 = 1;
const EXIT_ERROR: u8 = 2;

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
    Replay(Box<replay::ReplayArgs>),
    Explain(Box<explain::ExplainArgs>),
    Sweep(Box<sweep::SweepArgs>),
    Report(Box<report::ReportArgs>),
    Seed(Box<seed::SeedArgs>),
    Check(check::CheckArgs),
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  rattle completions bash > ~/.local/share/bash-completion/completions/rattle"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Faults of the settings take a line each, any other error one line.
            eprintln!("rattle: {error:#}");
            ExitCode::from(EXIT_ERROR)
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Replay(args) => replay::run(*args),
        Command::Explain(args) => explain::run(*args),
        Command::Sweep(args) => sweep::run(*args),
        Command::Report(args) => report::run(*args),
        Command::Seed(args) => seed::run(*args),
        Command::Check(args) => check::run(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "rattle", &mut script);
            print(&script)
        }
    }
}

/// Writes to standard output, which may be closed early.
fn print(text: &[u8]) -> Result<ExitCode> {
    allow_broken_pipe(io::stdout().write_all(text)).context("output cannot be written")?;
    Ok(ExitCode::SUCCESS)
}

/// A closed pipe is no error: its reader has seen enough.
fn allow_broken_pipe(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
