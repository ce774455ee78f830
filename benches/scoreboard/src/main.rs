//! The command `rattle-scoreboard`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use rattle_scoreboard::measure::Size;
use rattle_scoreboard::scoreboard::Scoreboard;
use rattle_scoreboard::{corpus, report};

/// Measures Rattle's defaults on a labelled corpus that a seed makes.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measures everything and writes the scoreboard.
    Run(Run),
    /// Writes the corpus as CloudTrail records, with labels.
    Corpus(Corpus),
}

#[derive(Debug, Args)]
struct Run {
    /// Seeds of the corpora; the charts are those of the first.
    #[arg(long = "seed", default_values_t = [1, 2])]
    seeds: Vec<u64>,
    /// Folder of the measurements.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/measurements"))]
    out: PathBuf,
    /// Measures a small corpus of the first seed, and writes its counts to `quick.txt`.
    #[arg(long)]
    quick: bool,
    /// Writes nothing, and fails if a file is not what would be written.
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Args)]
struct Corpus {
    /// Seed of the corpus.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Folder to write to.
    #[arg(long)]
    out: PathBuf,
    /// Harmless principals of each kind.
    #[arg(long, default_value_t = 2)]
    principals: u64,
    /// Carriers of each kind; each attack on each of them is a file.
    #[arg(long, default_value_t = 1)]
    carriers: u64,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(options) => run(&options),
        Command::Corpus(options) => written(&options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Run) -> anyhow::Result<bool> {
    let begin = Instant::now();
    let files = if options.quick {
        let scoreboard = Scoreboard::measure(&options.seeds[..1], Size::QUICK)?;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("quick.txt");
        vec![(path, report::pinned(&scoreboard)?)]
    } else {
        report::published(&Scoreboard::measure(&options.seeds, Size::FULL)?)?
    };
    eprintln!("measured in {:.0} seconds", begin.elapsed().as_secs_f64());
    let mut same = true;
    for (path, text) in files {
        let path = options.out.join(path);
        if options.check {
            same &= is_written(&path, &text)?;
        } else {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&path, text).with_context(|| path.display().to_string())?;
        }
    }
    Ok(same)
}

/// Whether the file has this content. Prints the first lines that differ.
fn is_written(path: &Path, text: &str) -> anyhow::Result<bool> {
    const MOST: usize = 20;
    let found = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    if found == text {
        return Ok(true);
    }
    eprintln!("{} is not what this code gives:", path.display());
    let pairs = found.lines().zip(text.lines()).filter(|(found, text)| found != text);
    for (found, text) in pairs.take(MOST) {
        eprintln!("- {found}\n+ {text}");
    }
    if found.lines().count() != text.lines().count() {
        eprintln!("{} lines instead of {}", text.lines().count(), found.lines().count());
    }
    Ok(false)
}

fn written(options: &Corpus) -> anyhow::Result<bool> {
    let Corpus { seed, out, principals, carriers } = options;
    let labels = corpus::write(out, *seed, (*principals, *carriers), |_| true)?;
    let records: usize = labels.iter().map(|label| label.records).sum();
    eprintln!("{} principals, {records} records", labels.len());
    Ok(true)
}
