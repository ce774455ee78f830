//! The goals for the default settings, and whether they are met.

use crate::attack::Attack;
use crate::delivery::Delivery;
use crate::scoreboard::{Cell, Seed};

/// A goal: what is required, what was measured, and whether that is enough.
pub(super) struct Goal {
    pub(super) what: &'static str,
    pub(super) asked: &'static str,
    pub(super) measured: String,
    pub(super) met: bool,
}

/// All goals, for one seed.
pub(super) fn goals(seed: &Seed) -> Vec<Goal> {
    let learnt = &seed.all_harmless.learnt;
    let (lowest, lowest_cell) = least(&seed.summed, |_| true);
    let (caught, caught_cell) = least(&seed.summed, Attack::must_be_caught);
    let (lowest_kind, kind_cell) = least(&seed.attacks, |_| true);
    let (caught_kind, caught_kind_cell) = least(&seed.attacks, Attack::must_be_caught);
    let (moved, moved_cell) = most_moved(&seed.summed);
    let (moved_kind, moved_kind_cell) = most_moved(&seed.attacks);
    let goal = |what, asked, measured, met| Goal { what, asked, measured, met };
    vec![
        goal(
            "false alerts, all kinds",
            "at most 1.0",
            format!("{:.2}", learnt.per_1000),
            learnt.per_1000 <= 1.0,
        ),
        goal(
            "those of severity medium or high",
            "at most 0.2",
            format!("{:.2}", learnt.medium_or_high_per_1000),
            learnt.medium_or_high_per_1000 <= 0.2,
        ),
        goal(
            "least recall, quiet and noisy carriers",
            "at least 0.90",
            format!("{lowest:.3} ({lowest_cell})"),
            lowest >= 0.90,
        ),
        goal(
            "the same of fast, medium, small, slow and ramp",
            "at least 0.99",
            format!("{caught:.3} ({caught_cell})"),
            caught >= 0.99,
        ),
        goal(
            "least recall on a single kind of carrier",
            "at least 0.90",
            format!("{lowest_kind:.2} ({kind_cell})"),
            lowest_kind >= 0.90,
        ),
        goal(
            "the same of fast, medium, small, slow and ramp",
            "at least 0.99",
            format!("{caught_kind:.2} ({caught_kind_cell})"),
            caught_kind >= 0.99,
        ),
        goal(
            "most that a disturbed delivery moves a recall, quiet and noisy carriers",
            "at most 0.03",
            format!("{moved:+.3} ({moved_cell})"),
            moved.abs() <= 0.03,
        ),
        goal(
            "the same on a single kind of carrier",
            "at most 0.03",
            format!("{moved_kind:+.2} ({moved_kind_cell})"),
            moved_kind.abs() <= 0.03,
        ),
    ]
}

fn least(cells: &[Cell], wanted: impl Fn(Attack) -> bool) -> (f64, String) {
    let cells = cells.iter().filter(|cell| wanted(cell.attack));
    let least = cells.min_by(|a, b| a.recall.total_cmp(&b.recall));
    least.map_or((1.0, String::new()), |cell| {
        (cell.recall, format!("{}, {}", cell.attack.name(), cell.carrier))
    })
}

fn most_moved(cells: &[Cell]) -> (f64, String) {
    let moves = cells.iter().flat_map(|cell| {
        let deliveries = Delivery::ALL.into_iter().skip(1);
        cell.moved()
            .into_iter()
            .zip(deliveries)
            .map(move |(moved, delivery)| (moved, cell, delivery))
    });
    let most = moves.max_by(|(a, ..), (b, ..)| a.abs().total_cmp(&b.abs()));
    most.map_or((0.0, String::new()), |(moved, cell, delivery)| {
        (moved, format!("{}, {}, {}", cell.attack.name(), cell.carrier, delivery.name()))
    })
}
