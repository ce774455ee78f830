//! Replays read any number of denials in the order of event time, with any number of threads.

use std::num::NonZeroUsize;

use rattle::cloudtrail::Denial;
use rattle::replay::history::Collector;
use rattle::replay::scanner::{Scanned, Scanner};
use rattle::replay::{Input, history};
use serde_json::json;

use crate::support::{
    MONDAY, Silent, TemporaryFolder, denial_of, gzip, project_file, rattle, record, replay, stderr,
    stdout,
};

fn samples() -> Vec<Denial> {
    let mut denials = Vec::new();
    for folder in ["events", "events/traces"] {
        for entry in std::fs::read_dir(project_file(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                continue;
            }
            let items = Scanner::new(std::fs::File::open(path).unwrap());
            denials.extend(items.filter_map(|item| match item.unwrap() {
                Scanned::Denial(denial) => Some(*denial),
                _ => None,
            }));
        }
    }
    denials
}

#[test]
fn denials_come_back_whole_and_in_order_however_small_the_pieces() {
    let mut denials = samples();
    // Times with fractions of a second, and event ids that occur twice.
    for (i, time) in [-1.5, -0.5, 0.25, 0.5].into_iter().enumerate() {
        let record = record(MONDAY as f64 + time, &format!("f{i}"), &["prod/db".to_owned()]);
        denials.push(crate::support::parse(&record).unwrap().unwrap());
    }
    denials.push(denial_of(MONDAY, "twice", "first"));
    denials.push(denial_of(MONDAY, "twice", "second"));
    let mut expected = denials.clone();
    expected.sort_by(|a, b| (a.time(), a.event_id()).cmp(&(b.time(), b.event_id())));
    // Sizes that give anything from one piece in memory to about a hundred in the file.
    for piece_bytes in [1 << 30, 200_000, 5_000] {
        let mut collector = Collector::with_pieces_of(piece_bytes);
        for denial in &denials {
            collector.push(denial).unwrap();
        }
        let history = collector.finish();
        assert_eq!(history.len(), denials.len() as u64);
        let (first, last) = history.period().unwrap();
        assert_eq!((first, last), (expected[0].time(), expected[expected.len() - 1].time()));
        for _ in 0..2 {
            let read: Vec<Denial> = history.denials().unwrap().map(Result::unwrap).collect();
            assert!(read == expected, "pieces of {piece_bytes} bytes");
        }
        let one = denials[0].principal().key();
        let of_one = history.denials_of(|principal| principal.key() == one).unwrap();
        let of_one: Vec<Denial> = of_one.map(Result::unwrap).collect();
        assert!(!of_one.is_empty());
        assert!(of_one.iter().eq(expected.iter().filter(|d| d.principal().key() == one)));
    }
}

#[test]
fn several_threads_read_a_history_at_a_time() {
    let mut collector = Collector::with_pieces_of(10_000);
    for denial in samples() {
        collector.push(&denial).unwrap();
    }
    let history = collector.finish();
    let all = || history.denials().unwrap().map(Result::unwrap).collect::<Vec<_>>();
    let expected = all();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4).map(|_| scope.spawn(all)).collect();
        for reader in readers {
            assert!(reader.join().unwrap() == expected);
        }
    });
}

/// Many files, some compressed and some with malformed records. Output and complaints must not
/// depend on the threads, nor may their order.
#[test]
fn the_number_of_threads_changes_no_byte_of_the_output() {
    let folder = TemporaryFolder::new("threads");
    for (i, denial) in (0..600)
        .map(|i| (i, record((MONDAY + i * 40) as f64, &format!("e{i}"), &[format!("s{}", i % 90)])))
    {
        let mut text = format!("{}\n", json!({"Records": [denial]}));
        if i % 7 == 0 {
            text.push_str("{\"eventSource\":\n");
        }
        let content = if i % 3 == 0 { gzip(text.as_bytes()) } else { text.into_bytes() };
        folder.write(&format!("{}/{i:04}.json", i % 5), content);
    }
    let path = folder.path().to_str().unwrap();
    for order in ["event-time", "arrival"] {
        let run = |threads: &str| {
            let arguments = [
                "replay",
                "--format",
                "jsonl",
                "--decisions",
                "--order",
                order,
                "--threads",
                threads,
                path,
                "events",
            ];
            let output = rattle(&arguments, b"");
            (stdout(&output), stderr(&output))
        };
        let one = run("1");
        assert!(one.0.contains("\"finding\"") && one.1.contains("86 rejected"), "{}", one.1);
        for threads in ["2", "4", "16"] {
            assert!(run(threads) == one, "{order}, {threads} threads");
        }
    }
    let strict = ["replay", "--strict", "--threads"];
    let first = |threads| stderr(&rattle(&[&strict[..], &[threads, path]].concat(), b""));
    assert!(first("1").contains("0/0000.json"), "{}", first("1"));
    assert_eq!(first("4"), first("1"));
}

#[test]
fn a_file_that_cannot_be_read_stops_the_run_on_any_number_of_threads() {
    let folder = TemporaryFolder::new("cut");
    for i in 0..40 {
        let text = record((MONDAY + i) as f64, &format!("e{i}"), &[]).to_string();
        let packed = gzip(text.as_bytes());
        let whole = if i == 20 { packed.len() / 2 } else { packed.len() };
        folder.write(&format!("{i:02}.gz"), &packed[..whole]);
    }
    let path = folder.path().to_str().unwrap();
    for threads in ["1", "4"] {
        let output = rattle(&["replay", "--threads", threads, path], b"");
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains("20.gz: cannot be read"), "{}", stderr(&output));
    }
}

/// A reader of a growing log sees each finding before the next line arrives.
#[test]
fn denials_from_standard_input_are_handled_before_more_is_waited_for() {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_rattle"))
        .args(["replay", "--order", "arrival", "--format", "jsonl", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for i in 0..5 {
        let denied = record((MONDAY + i) as f64, &format!("e{i}"), &[format!("s{i}")]);
        writeln!(input, "{denied}").unwrap();
    }
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("\"type\":\"finding\""), "{line}");
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_history_reads_what_a_replay_reads() {
    let input = Input {
        paths: vec![project_file("events")],
        threads: NonZeroUsize::new(3),
        ..Input::default()
    };
    let settings = rattle::settings::Settings::read([]).unwrap();
    let (history, _) = history(&input, &settings, &mut Silent).unwrap();
    let replayed = replay(project_file("events"));
    assert_eq!(history.len(), replayed.summary.denials);
}
