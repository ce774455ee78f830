//! The corpus as files: CloudTrail records, and a label for each principal.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use crate::chance::Chance;
use crate::life::benign::{Kind, live};
use crate::measure::attacked::{Attacked, Carrier, Task};
use crate::principal::{ACCOUNT, Caller, Event, recorded};

/// What is known about one file.
#[derive(Clone, Debug, Serialize)]
pub struct Label {
    pub file: String,
    /// The key of the principal, as findings name it.
    pub principal: String,
    pub kind: &'static str,
    pub attack: Option<&'static str>,
    /// Number of records.
    pub records: usize,
    /// Time of the first and of the last denial of the attack, in epoch seconds.
    pub attack_time: Option<[i64; 2]>,
    /// Address of the attack's calls, which no other call has.
    pub attack_source_ip: Option<&'static str>,
}

/// Writes `labels.jsonl` and one file for each harmless principal of each kind, and for each
/// carrier under every attack. Leaves out carriers that are not `wanted`.
pub fn write(
    folder: &Path,
    seed: u64,
    (principals, carriers): (u64, u64),
    wanted: impl Fn(Carrier) -> bool,
) -> anyhow::Result<Vec<Label>> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut labels = Vec::new();
    for kind in Kind::ALL {
        for number in 0..principals {
            let mut chance = Chance::of(seed, kind.name(), number);
            let life = live(kind, &mut chance);
            let caller = Caller::of(kind, number, kind.name())?;
            let events = recorded(&life.calls, &mut chance);
            let label = Label {
                file: format!("benign-{}.jsonl.gz", caller.name()),
                principal: caller.key().to_string(),
                kind: kind.name(),
                attack: None,
                records: events.len(),
                attack_time: None,
                attack_source_ip: None,
            };
            labels.push(written(folder, &caller, &events, label)?);
        }
    }
    for carrier in Carrier::all().filter(|carrier| wanted(*carrier)) {
        for number in 0..carriers {
            let attacked = Attacked::of(&Task { seed, carrier, number })?;
            labels.extend(each_attack(folder, carrier, &attacked)?);
        }
    }
    let mut lines = BufWriter::new(File::create(folder.join("labels.jsonl"))?);
    for label in &labels {
        serde_json::to_writer(&mut lines, label)?;
        lines.write_all(b"\n")?;
    }
    lines.flush()?;
    Ok(labels)
}

fn each_attack(folder: &Path, carrier: Carrier, attacked: &Attacked) -> anyhow::Result<Vec<Label>> {
    let mut labels = Vec::new();
    for (attack, strike, events_of_attack) in &attacked.strikes {
        // Each attack has its own principal, so that all files can be replayed together.
        let caller = attacked.caller.renamed(attack.name())?;
        let until = Attacked::horizon(strike);
        let own = attacked.events.iter().filter(|event| event.call.time < until);
        let mut events: Vec<Event> = own.chain(events_of_attack).copied().collect();
        events.sort_by_key(|event| (event.call.time, event.id));
        let label = Label {
            file: format!("attack-{}.jsonl.gz", caller.name()),
            principal: caller.key().to_string(),
            kind: carrier.name(),
            attack: Some(attack.name()),
            records: events.len(),
            attack_time: Some([strike.judged_from, strike.end()]),
            attack_source_ip: Some(crate::principal::ATTACK_SOURCE_IP),
        };
        labels.push(written(folder, &caller, &events, label)?);
    }
    Ok(labels)
}

fn written(
    folder: &Path,
    caller: &Caller,
    events: &[Event],
    label: Label,
) -> anyhow::Result<Label> {
    debug_assert!(label.principal.starts_with(ACCOUNT));
    let path = folder.join(&label.file);
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    let mut packed = BufWriter::new(GzEncoder::new(file, Compression::default()));
    for event in events {
        serde_json::to_writer(&mut packed, &caller.record(event))?;
        packed.write_all(b"\n")?;
    }
    packed.into_inner().map_err(std::io::IntoInnerError::into_error)?.finish()?;
    Ok(label)
}
