//! What each detector makes of the corpus.

use crate::chance::Chance;
use crate::life::benign::{Kind, live};
use crate::principal::{Caller, recorded};
use crate::watch::Rattle;

pub fn probe(kind: Kind, number: u64) -> anyhow::Result<(usize, [u32; 2], [[u32; 3]; 2])> {
    let mut chance = Chance::of(1, kind.name(), number);
    let life = live(kind, &mut chance);
    let caller = Caller::of(kind, number, kind.name())?;
    let events = recorded(&life.calls, &mut chance);
    let rattle = Rattle::new()?;
    let mut counts = [[0; 3]; 2];
    for event in &events {
        if let Some(alert) = rattle.see(&caller.denial(event), event.call.time)? {
            let phase = usize::from(life.is_learnt(event.call.time));
            counts[phase][alert.severity.map_or(0, |s| s as usize)] += 1;
        }
    }
    Ok((events.len(), [0, 0], counts))
}
