use rattle_scoreboard::life::benign::Kind;
use rattle_scoreboard::measure::probe;
use std::time::Instant;
fn main() -> anyhow::Result<()> {
    let n: u64 = 40;
    let mut total = [[0u32; 3]; 2];
    for kind in Kind::ALL {
        let start = Instant::now();
        let mut events = 0;
        let mut sum = [[0u32; 3]; 2];
        for number in 0..n {
            let (e, _, c) = probe(kind, number)?;
            events += e;
            for p in 0..2 {
                for s in 0..3 {
                    sum[p][s] += c[p][s];
                    total[p][s] += c[p][s];
                }
            }
        }
        let secs = start.elapsed().as_secs_f64();
        println!(
            "{:14} events {:9} {:6.2}s {:5.2}us learn {:?} after {:?}",
            kind.name(),
            events,
            secs,
            secs * 1e6 / events as f64,
            sum[0],
            sum[1]
        );
    }
    println!("{total:?} pd after = {}", n * 14 * 31);
    Ok(())
}
