//! `rattle replay` of one file as it is, and of the same file compressed with gzip.

#![no_main]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, LazyLock};

use flate2::Compression;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzz_target;
use rattle::replay::summary::{RejectedInput, Summary};
use rattle::replay::{Format, Input, Options, Order, ReplayError, Watcher, replay};
use rattle::settings::Settings;

/// In memory where such a folder exists, because each input is written and read several times.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let shared_memory = Path::new("/dev/shm");
    let folder = if shared_memory.is_dir() { shared_memory.into() } else { std::env::temp_dir() };
    folder.join(format!("rattle-fuzz-{}", process::id()))
});

static SETTINGS: LazyLock<Settings> =
    LazyLock::new(|| Settings::read([]).unwrap_or_else(|faults| panic!("{faults}")));

fuzz_target!(|bytes: &[u8]| {
    write(bytes);
    let by_time = run(Order::EventTime, Format::JsonLines { decisions: true });
    run(Order::Arrival, Format::Text);
    fs::remove_file(&*FILE).unwrap_or_else(|error| panic!("{error}"));
    let Some((summary, output)) = by_time else {
        return;
    };
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return;
    }

    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let packed = packed.write_all(bytes).and_then(|()| packed.finish());
    write(&packed.unwrap_or_else(|error| panic!("{error}")));
    let unpacked = run(Order::EventTime, Format::JsonLines { decisions: true });
    fs::remove_file(&*FILE).unwrap_or_else(|error| panic!("{error}"));
    let Some((packed_summary, packed_output)) = unpacked else {
        panic!("what was packed cannot be read");
    };
    assert_eq!(output, packed_output, "gzip makes a difference");
    assert_eq!(json(&summary), json(&packed_summary), "gzip makes a difference");
});

fn write(bytes: &[u8]) {
    fs::write(&*FILE, bytes).unwrap_or_else(|error| panic!("{error}"));
}

/// Runs one checked replay. Returns `None` if the file cannot be decompressed.
fn run(order: Order, format: Format) -> Option<(Summary, Vec<u8>)> {
    let options =
        Options { input: Input { paths: vec![FILE.clone()], ..Input::default() }, order, format };
    let mut output = Vec::new();
    let mut rejections = Rejections::default();
    let summary = match replay(&options, &SETTINGS, &mut output, &mut rejections) {
        Ok(summary) => summary,
        Err(ReplayError::Unreadable(error)) => {
            let text = error.to_string();
            assert!(text.bytes().all(|b| (b' '..=b'~').contains(&b)), "not printable: {text:?}");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    check_summary(&summary);
    assert_eq!(summary.rejections, rejections.0, "a complaint was not shown");
    match format {
        Format::JsonLines { .. } => check_lines(&summary, &output),
        Format::Text => {
            let text = String::from_utf8(output.clone()).unwrap_or_else(|e| panic!("{e}"));
            let subjects = text.lines().filter(|line| line.starts_with("Subject: ")).count();
            assert_eq!(summary.findings, subjects as u64, "{text}");
        }
    }
    Some((summary, output))
}

fn check_summary(summary: &Summary) {
    let by_severity = &summary.findings_by_severity;
    for (all, parts) in [
        (
            summary.records_read,
            &[
                summary.counted,
                summary.duplicate,
                summary.saturated,
                summary.ignored,
                summary.rejected,
            ][..],
        ),
        (summary.denials, &[summary.counted, summary.duplicate, summary.saturated]),
        (summary.findings, &[by_severity.high, by_severity.medium, by_severity.low]),
        (1, &[summary.files]),
    ] {
        assert_eq!(all, parts.iter().sum::<u64>(), "counters do not reconcile: {summary:?}");
    }
    assert!(summary.late <= summary.counted, "{summary:?}");
    assert!(summary.principals <= summary.counted, "{summary:?}");
    assert!(summary.findings <= summary.denials, "{summary:?}");
    assert!(summary.held_back_by_storm_guard <= summary.findings, "{summary:?}");
    assert_eq!(summary.rejections.len() as u64, summary.rejected.min(1000), "{summary:?}");
    assert!(summary.to_string().ends_with('\n'));
}

/// Each line is JSON: a decision for each denial, and a finding where a decision raised one.
fn check_lines(summary: &Summary, output: &[u8]) {
    let (mut decisions, mut alerts, mut findings) = (0, 0, 0);
    for line in output.split_inclusive(|byte| *byte == b'\n') {
        assert!(line.ends_with(b"\n"), "a line does not end");
        let line: serde_json::Value =
            serde_json::from_slice(line).unwrap_or_else(|error| panic!("{error}"));
        match line["type"].as_str() {
            Some("decision") => {
                decisions += 1;
                alerts += u64::from(line["alert"] == true);
            }
            Some("finding") => findings += 1,
            other => panic!("a line of type {other:?}"),
        }
        assert_eq!(alerts, findings + u64::from(line["alert"] == true), "a finding is missing");
    }
    assert_eq!(decisions, summary.denials);
    assert_eq!(findings, summary.findings);
}

fn json(summary: &Summary) -> String {
    serde_json::to_string(summary).unwrap_or_else(|error| panic!("{error}"))
}

#[derive(Default)]
struct Rejections(Vec<RejectedInput>);

impl Watcher for Rejections {
    fn begins(&mut self, _: u64, _: &Arc<AtomicU64>) {}

    fn reads(&mut self) {}

    fn rejects(&mut self, rejection: &RejectedInput) {
        self.0.push(rejection.clone());
    }
}
