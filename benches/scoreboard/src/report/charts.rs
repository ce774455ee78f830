//! Charts as SVG for light and dark pages. Each colour is that of the light page; a style sheet in
//! the chart replaces it where the reader prefers dark.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::attack::Attack;
use crate::attacker::{ACCOUNTS, LAST_DAY, Plan};
use crate::scoreboard::{Cell, Seed, rivals};

const FONT: &str = "sans-serif";
const INK: RGBColor = RGBColor(0x1b, 0x1f, 0x24);
const QUIET: RGBColor = RGBColor(0x59, 0x63, 0x6e);
const GRID: RGBColor = RGBColor(0xd8, 0xde, 0xe4);
const OURS: RGBColor = RGBColor(0x1f, 0x6f, 0xb5);
const THEIRS: RGBColor = RGBColor(0x8a, 0x94, 0x9e);
const LOW: RGBColor = RGBColor(0x6e, 0xa8, 0xd8);
const MEDIUM: RGBColor = RGBColor(0xc9, 0x8a, 0x00);
const HIGH: RGBColor = RGBColor(0xb3, 0x26, 0x1e);
/// Each colour on a light page and on a dark page.
const DARK: [(RGBColor, &str); 8] = [
    (INK, "#e6edf3"),
    (QUIET, "#9aa6b2"),
    (GRID, "#30363d"),
    (OURS, "#58a6ff"),
    (THEIRS, "#7d8792"),
    (LOW, "#79b8f0"),
    (MEDIUM, "#e3b341"),
    (HIGH, "#ff8a80"),
];

type DrawError = DrawingAreaErrorKind<std::io::Error>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// All charts with their names.
pub(super) fn all(seed: &Seed) -> anyhow::Result<Vec<(&'static str, String)>> {
    let draw = |name, what: &str, size, draw: &dyn Fn(&Area<'_>) -> Result<(), DrawError>| {
        Ok((name, svg(what, size, draw).map_err(|error| anyhow::anyhow!("{name}: {error}"))?))
    };
    [
        draw("detectors.svg", "False alerts by detector", (760, 270), &|area| {
            detectors(area, seed)
        }),
        draw("kinds.svg", "False alerts by kind of principal", (760, 470), &|area| {
            kinds(area, seed)
        }),
        draw("recall-quiet.svg", "Recall on quiet carriers", (860, 300), &|area| {
            recall(area, seed, "quiet")
        }),
        draw("recall-noisy.svg", "Recall on noisy carriers", (860, 300), &|area| {
            recall(area, seed, "noisy")
        }),
        draw(
            "attacker.svg",
            "What an attacker who knows everything gets through",
            (760, 360),
            &|area| attacker(area, seed),
        ),
    ]
    .into_iter()
    .collect()
}

/// Bars on a logarithmic scale.
fn detectors(area: &Area<'_>, seed: &Seed) -> Result<(), DrawError> {
    let row = &seed.all_harmless;
    let mut bars = vec![("Rattle", row.learnt.per_1000, OURS)];
    for (place, rival) in rivals() {
        bars.push((rival.name(), row.rivals[place][1].per_1000, THEIRS));
    }
    let frame = Frame { left: 170, right: 730, top: 26, step: 30 };
    let decades = [0.1, 1.0, 10.0, 100.0, 1000.0];
    let at = |value: f64| frame.across(libm::log10(value.clamp(0.1, 10_000.0)) + 1.0, 0.0..5.0);
    let bottom = frame.top + frame.step * to_i32(bars.len());
    for decade in decades {
        line(area, [(at(decade), frame.top), (at(decade), bottom)], &GRID.stroke_width(1))?;
        text(area, &format!("{decade}"), (at(decade), bottom + 6), QUIET, 13, HPos::Center)?;
    }
    for (place, (name, value, colour)) in bars.iter().enumerate() {
        let y = frame.top + frame.step * to_i32(place);
        text(area, name, (frame.left - 10, y + 7), INK, 14, HPos::Right)?;
        let bar = [(frame.left, y + 5), (at(*value), y + frame.step - 5)];
        area.draw(&Rectangle::new(bar, colour.filled()))?;
        text(area, &super::text::rate(*value), (at(*value) + 6, y + 7), INK, 14, HPos::Left)?;
    }
    text(
        area,
        "false alerts in 1,000 principal-days, from day 15 on",
        (frame.left, 4),
        QUIET,
        13,
        HPos::Left,
    )?;
    Ok(())
}

/// Bars of three severities.
fn kinds(area: &Area<'_>, seed: &Seed) -> Result<(), DrawError> {
    let frame = Frame { left: 130, right: 700, top: 40, step: 28 };
    let rates = |alerts: [u32; 3], days: f64| alerts.map(|count| f64::from(count) * 1000.0 / days);
    let most = seed.harmless.iter().map(|row| row.learnt.per_1000).fold(1.0, f64::max);
    let at = |value: f64| frame.across(value, 0.0..most);
    for (place, (name, colour)) in
        [("low", LOW), ("medium", MEDIUM), ("high", HIGH)].into_iter().enumerate()
    {
        let x = frame.left + 90 * to_i32(place);
        area.draw(&Rectangle::new([(x, 22), (x + 12, 34)], colour.filled()))?;
        text(area, name, (x + 18, 20), INK, 13, HPos::Left)?;
    }
    text(
        area,
        "Rattle's false alerts in 1,000 principal-days, from day 15 on",
        (frame.left, 2),
        QUIET,
        13,
        HPos::Left,
    )?;
    for (place, row) in seed.harmless.iter().enumerate() {
        let y = frame.top + frame.step * to_i32(place);
        text(area, row.kind, (frame.left - 10, y + 6), INK, 14, HPos::Right)?;
        let mut from = 0.0;
        let rates = rates(row.learnt.alerts, row.learnt.principal_days);
        for (rate, colour) in rates.into_iter().zip([LOW, MEDIUM, HIGH]) {
            let bar = [(at(from), y + 5), (at(from + rate), y + frame.step - 5)];
            if rate > 0.0 {
                area.draw(&Rectangle::new(bar, colour.filled()))?;
            }
            from += rate;
        }
        text(area, &super::text::rate(from), (at(from) + 6, y + 6), INK, 13, HPos::Left)?;
    }
    Ok(())
}

/// A cell for each detector and attack, filled in proportion to the share of attacks noticed.
fn recall(area: &Area<'_>, seed: &Seed, carrier: &str) -> Result<(), DrawError> {
    let cells: Vec<&Cell> = seed.summed.iter().filter(|cell| cell.carrier == carrier).collect();
    let (left, top, width, height) = (160, 46, 68, 34);
    for (place, attack) in Attack::ALL.iter().enumerate() {
        let x = left + width * to_i32(place) + width / 2;
        let (first, second) = attack.name().split_once('-').unwrap_or(("", attack.name()));
        text(area, first, (x, 8), INK, 13, HPos::Center)?;
        text(area, second, (x, 24), INK, 13, HPos::Center)?;
    }
    let mut rows: Vec<(&str, Vec<u32>, RGBColor)> =
        vec![("Rattle", cells.iter().map(|cell| cell.caught[0]).collect(), OURS)];
    for (place, rival) in rivals() {
        rows.push((rival.name(), cells.iter().map(|cell| cell.rivals[place]).collect(), THEIRS));
    }
    for (row, (name, caught, colour)) in rows.iter().enumerate() {
        let y = top + height * to_i32(row);
        text(area, name, (left - 10, y + 8), INK, 14, HPos::Right)?;
        for (place, (cell, caught)) in cells.iter().zip(caught).enumerate() {
            let share = crate::scoreboard::share(*caught, cell.made);
            let x = left + width * to_i32(place);
            let field = [(x + 2, y + 2), (x + width - 2, y + height - 2)];
            area.draw(&Rectangle::new(field, colour.mix(0.05 + 0.5 * share).filled()))?;
            text(area, &format!("{share:.2}"), (x + width / 2, y + 8), INK, 14, HPos::Center)?;
        }
    }
    Ok(())
}

/// A plan's name and colour, and whether a row belongs to it.
type Line = (&'static str, RGBColor, fn(Plan) -> bool);

/// Secrets tried, day by day.
fn attacker(area: &Area<'_>, seed: &Seed) -> Result<(), DrawError> {
    let frame = Frame { left: 60, right: 560, top: 34, step: 0 };
    let bottom = 310;
    let account = ACCOUNTS[0];
    let most = f64::from(account);
    let up = |value: f64| {
        bottom - Frame { left: 0, right: bottom - frame.top, ..frame }.across(value, 0.0..most)
    };
    let at = |day: f64| frame.across(day, 0.0..LAST_DAY as f64);
    for thousand in 0..=account / 1000 {
        let y = up(f64::from(thousand * 1000));
        line(area, [(frame.left, y), (frame.right, y)], &GRID.stroke_width(1))?;
        text(
            area,
            &super::text::whole(u64::from(thousand * 1000)),
            (frame.left - 8, y - 8),
            QUIET,
            13,
            HPos::Right,
        )?;
    }
    for day in [0, 7, 14, 30, 60] {
        text(area, &day.to_string(), (at(f64::from(day)), bottom + 6), QUIET, 13, HPos::Center)?;
    }
    text(area, "days", (frame.right, bottom + 24), QUIET, 13, HPos::Right)?;
    text(
        area,
        "different secrets tried without an alert, of 4,000",
        (frame.left, 4),
        QUIET,
        13,
        HPos::Left,
    )?;
    let lines: [Line; 4] = [
        ("fills the windows", HIGH, |plan| plan == Plan::Flood),
        ("chooses by bucket", MEDIUM, |plan| matches!(plan, Plan::ByBucket(_))),
        ("as many as go unnoticed", OURS, |plan| matches!(plan, Plan::Each(_))),
        ("four a day", THEIRS, |plan| plan == Plan::FourADay),
    ];
    for (place, (name, colour, wanted)) in lines.into_iter().enumerate() {
        let Some(best) = seed.best(account, 30, wanted) else { continue };
        let days = (1..).map(f64::from);
        let points =
            days.zip(&best.by_day).map(|(day, secrets)| (at(day), up(f64::from(*secrets))));
        let points: Vec<(i32, i32)> = std::iter::once((at(0.0), up(0.0))).chain(points).collect();
        area.draw(&PathElement::new(points, colour.stroke_width(3)))?;
        let y = 60 + 26 * to_i32(place);
        line(
            area,
            [(frame.right + 16, y + 8), (frame.right + 36, y + 8)],
            &colour.stroke_width(3),
        )?;
        text(area, name, (frame.right + 42, y), INK, 14, HPos::Left)?;
    }
    Ok(())
}

/// Positions of the bars in a chart.
#[derive(Clone, Copy)]
struct Frame {
    left: i32,
    right: i32,
    top: i32,
    step: i32,
}

impl Frame {
    /// Position of a value between the edges.
    #[expect(clippy::cast_possible_truncation, reason = "a place on a page")]
    fn across(self, value: f64, range: Range<f64>) -> i32 {
        let share = (value - range.start) / (range.end - range.start);
        self.left + (share * f64::from(self.right - self.left)).round() as i32
    }
}

fn to_i32(place: usize) -> i32 {
    i32::try_from(place).unwrap_or(i32::MAX)
}

fn line(area: &Area<'_>, ends: [(i32, i32); 2], style: &ShapeStyle) -> Result<(), DrawError> {
    area.draw(&PathElement::new(ends, *style))
}

fn text(
    area: &Area<'_>,
    words: &str,
    place: (i32, i32),
    colour: RGBColor,
    size: u32,
    anchor: HPos,
) -> Result<(), DrawError> {
    let style = (FONT, size).into_font().color(&colour).pos(Pos::new(anchor, VPos::Top));
    area.draw(&Text::new(words.to_owned(), place, style))
}

fn svg(
    what: &str,
    size: (u32, u32),
    draw: impl FnOnce(&Area<'_>) -> Result<(), DrawError>,
) -> Result<String, DrawError> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(&area)?;
        area.present()?;
    }
    let mut style = String::from("<style>@media (prefers-color-scheme: dark) {");
    for (RGBColor(red, green, blue), dark) in DARK {
        let light = format!("#{red:02X}{green:02X}{blue:02X}");
        for attribute in ["fill", "stroke"] {
            let selector = format!(" [{attribute}=\"{light}\"]");
            style.extend([&*selector, " { ", attribute, ": ", dark, " }"]);
        }
    }
    style.push_str(" }</style>");
    let head = text.find('>').map_or(0, |end| end + 1);
    text.insert_str(head, &format!("\n<title>{what}</title>\n{style}"));
    Ok(text)
}
