use rattle_scoreboard::attack::Attack;
use rattle_scoreboard::life::benign::Kind;
use rattle_scoreboard::measure::*;
use std::time::Instant;
fn main() -> anyhow::Result<()> {
    let n: u64 = std::env::args().nth(1).map_or(10, |a| a.parse().unwrap());
    let size = Size { harmless: n, disturbed_one_in: 3, carriers: n };
    let t = Instant::now();
    let tasks = harmless::Task::all(1, size);
    let r = in_parallel(&tasks, harmless::watch)?;
    for kind in Kind::ALL {
        let mut sum = harmless::Harmless::default();
        for (t, h) in tasks.iter().zip(&r) {
            if t.kind == kind {
                sum.add(h);
            }
        }
        println!(
            "{:14} {:8} {:?} dist {:?} rivals {:?}",
            kind.name(),
            sum.denials,
            sum.rattle.alerts,
            sum.deliveries.map(|d| d.alerts[1]),
            sum.rivals
        );
    }
    println!("{:?}", t.elapsed());
    let t = Instant::now();
    let tasks = attacked::Task::all(1, size);
    let r = in_parallel(&tasks, attacked::watch)?;
    for (a, attack) in Attack::ALL.iter().enumerate() {
        println!("== {}", attack.name());
        for carrier in attacked::Carrier::all() {
            let of: Vec<_> = tasks
                .iter()
                .zip(&r)
                .filter(|(t, _)| t.carrier == carrier)
                .map(|(_, o)| o[a])
                .collect();
            let rec: Vec<usize> =
                (0..4).map(|d| of.iter().filter(|o| o.rattle[d].is_some()).count()).collect();
            let riv: Vec<usize> =
                (0..6).map(|d| of.iter().filter(|o| o.rivals[d].is_some()).count()).collect();
            let mut den: Vec<u32> =
                of.iter().filter_map(|o| o.rattle[0].map(|n| n.denials)).collect();
            den.sort();
            println!(
                "  {:14} {:?} of {} median {:?} rivals {:?}",
                carrier.name(),
                rec,
                of.len(),
                den.get(den.len() / 2),
                riv
            );
        }
    }
    println!("{:?}", t.elapsed());
    Ok(())
}
