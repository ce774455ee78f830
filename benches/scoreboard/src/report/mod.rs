//! The scoreboard as files: Markdown, JSON and charts.

mod charts;
mod counts;
mod goals;
mod markdown;
mod text;

use std::path::PathBuf;

use anyhow::Context;

use crate::scoreboard::Scoreboard;

/// A file, relative to the folder of measurements.
pub type File = (PathBuf, String);

/// All files of the published scoreboard.
pub fn published(scoreboard: &Scoreboard) -> anyhow::Result<Vec<File>> {
    let first = scoreboard.seeds.first().context("a seed")?;
    let mut files = vec![
        (PathBuf::from("scoreboard.md"), markdown::page(scoreboard, first)),
        (PathBuf::from("scoreboard.json"), json(scoreboard)?),
    ];
    for (name, chart) in charts::all(first)? {
        files.push((PathBuf::from("scoreboard").join(name), chart));
    }
    Ok(files)
}

/// The counts that the tests compare.
pub fn pinned(scoreboard: &Scoreboard) -> anyhow::Result<String> {
    counts::pinned(scoreboard)
}

fn json(scoreboard: &Scoreboard) -> anyhow::Result<String> {
    // One line for each row, so that a diff shows which rows have changed.
    let value = serde_json::to_value(scoreboard)?;
    let mut text = String::new();
    text::json(&mut text, &value, 0);
    text.push('\n');
    Ok(text)
}
