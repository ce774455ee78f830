//! The whole scoreboard: a seed always gives the same bytes, and the findings are those of a
//! replay.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rattle::replay::summary::RejectedInput;
use rattle::replay::{Format, Input, Options, Watcher, replay};
use rattle::settings::Settings;
use rattle_scoreboard::attack::Attack;
use rattle_scoreboard::chance::Chance;
use rattle_scoreboard::corpus;
use rattle_scoreboard::life::benign::{Kind, live};
use rattle_scoreboard::measure::Size;
use rattle_scoreboard::measure::attacked::{Attacked, Carrier, Task};
use rattle_scoreboard::principal::{Caller, Event, recorded};
use rattle_scoreboard::report;
use rattle_scoreboard::scoreboard::Scoreboard;
use rattle_scoreboard::watch::Rattle;

const TINY: Size = Size { harmless: 2, disturbed_one_in: 2, carriers: 1 };

#[test]
fn a_seed_gives_the_same_bytes() {
    let measured = |seed| Scoreboard::measure(&[seed], TINY).unwrap();
    let (once, again, other) = (measured(5), measured(5), measured(6));
    let files = report::published(&once).unwrap();
    assert_eq!(files.len(), 7);
    assert!(files == report::published(&again).unwrap());
    // More than the number of the seed must differ.
    let counts = |scoreboard| report::pinned(scoreboard).unwrap().replace("seed 6", "seed 5");
    assert!(counts(&once) == counts(&again));
    assert!(counts(&once) != counts(&other));
}

#[test]
fn replay_of_the_written_corpus_finds_what_the_scoreboard_counts() {
    let folder = tempfile::tempdir().unwrap();
    let labels = corpus::write(folder.path(), 3, (1, 1), Carrier::is_quiet).unwrap();
    let attacks = quiet().count() * Attack::ALL.len();
    assert_eq!(labels.len(), Kind::ALL.len() + attacks);

    let replayed = replayed(folder.path());
    let watched = watched(3);
    assert!(watched.len() > attacks, "{} findings", watched.len());
    assert_eq!(replayed, watched);
}

/// Carriers with few calls of their own.
fn quiet() -> impl Iterator<Item = Carrier> {
    Carrier::all().filter(|carrier| carrier.is_quiet())
}

/// The findings of a replay: each principal with the finding's id.
fn replayed(folder: &Path) -> BTreeSet<(String, String)> {
    let options = Options {
        input: Input { paths: vec![folder.to_owned()], strict: false, threads: None },
        format: Format::JsonLines { decisions: false },
        ..Options::default()
    };
    let settings = Settings::read([]).unwrap();
    let mut output = Vec::new();
    let mut rejected = Rejected(0);
    let summary = replay(&options, &settings, &mut output, &mut rejected).unwrap();
    // All rejections are about the labels, which are not records.
    assert_eq!(rejected.0, summary.rejected, "{summary:?}");
    let text = String::from_utf8(output).unwrap();
    text.lines()
        .map(|line| {
            let finding: serde_json::Value = serde_json::from_str(line).unwrap();
            let field = |pointer| finding.pointer(pointer).unwrap().as_str().unwrap().to_owned();
            (field("/principal/key"), field("/id"))
        })
        .collect()
}

/// The same findings as the scoreboard computes them, without JSON.
fn watched(seed: u64) -> BTreeSet<(String, String)> {
    let mut findings = BTreeSet::new();
    for kind in Kind::ALL {
        let mut chance = Chance::of(seed, kind.name(), 0);
        let life = live(kind, &mut chance);
        let caller = Caller::of(kind, 0, kind.name()).unwrap();
        watch(&caller, &recorded(&life.calls, &mut chance), &mut findings);
    }
    for carrier in quiet() {
        let attacked = Attacked::of(&Task { seed, carrier, number: 0 }).unwrap();
        for (attack, strike, events) in &attacked.strikes {
            let caller = attacked.caller.renamed(attack.name()).unwrap();
            let until = Attacked::horizon(strike);
            let own = attacked.events.iter().filter(|event| event.call.time < until);
            let mut events: Vec<Event> = own.chain(events).copied().collect();
            events.sort_by_key(|event| (event.call.time, event.id));
            watch(&caller, &events, &mut findings);
        }
    }
    findings
}

fn watch(caller: &Caller, events: &[Event], findings: &mut BTreeSet<(String, String)>) {
    let rattle = Rattle::new().unwrap();
    for event in events {
        let handled = rattle.handle(&caller.denial(event), event.call.time).unwrap();
        findings.extend(handled.finding.map(|finding| (caller.key().to_string(), finding.id)));
    }
}

struct Rejected(u64);

impl Watcher for Rejected {
    fn begins(&mut self, _: u64, _: &Arc<AtomicU64>) {}

    fn reads(&mut self) {}

    fn rejects(&mut self, _: &RejectedInput) {
        self.0 += 1;
    }
}
