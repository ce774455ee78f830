//! The counts of a small corpus, which the tests compare: only whole numbers.

use std::fmt::Write;

use crate::scoreboard::{Scoreboard, rivals};

/// One line for each count that a change may move.
pub(super) fn pinned(scoreboard: &Scoreboard) -> anyhow::Result<String> {
    let mut text = String::from(
        "# Counts of a small corpus: scoreboard run --quick writes them, --check compares them.\n",
    );
    for seed in &scoreboard.seeds {
        writeln!(text, "seed {}", seed.seed)?;
        for row in &seed.harmless {
            let [learning, learnt] = [row.learning.alerts, row.learnt.alerts];
            let disturbed: Vec<[u32; 3]> = row.deliveries.iter().map(|rate| rate.alerts).collect();
            let rivals: Vec<u32> = row
                .rivals
                .iter()
                .map(|[learning, learnt]| learning.alerts + learnt.alerts)
                .collect();
            writeln!(
                text,
                "harmless {}: denials {}, learning {learning:?}, learnt {learnt:?}, by delivery \
                 {disturbed:?}, rivals {rivals:?}",
                row.kind, row.denials
            )?;
        }
        for cell in &seed.attacks {
            let denials: u32 = cell.denials.map_or(0, |[median, _]| median);
            let by_rivals: Vec<u32> = rivals().map(|(place, _)| cell.rivals[place]).collect();
            writeln!(
                text,
                "attack {} on {}: of {} caught {:?} after {denials}, first {:?}, severest {:?}, \
                 rivals {by_rivals:?}",
                cell.attack.name(),
                cell.carrier,
                cell.made,
                cell.caught,
                cell.first,
                cell.severest,
            )?;
        }
        for row in &seed.attacker {
            writeln!(text, "attacker {:?} {:?}: {:?}", row.victim, row.plan, row.secrets)?;
        }
        for row in &seed.behind_a_flood {
            writeln!(text, "behind {} {}: {}", row.rate, row.attack.name(), row.noticed)?;
        }
    }
    Ok(text)
}
