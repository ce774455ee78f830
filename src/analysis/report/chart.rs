//! Charts as SVG. The style sheet of the page replaces their colours, for light and for dark.
//! No text of a record is part of a chart.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Bin, WeekOfFindings};
use crate::detection::finding::Finding;
use crate::detection::window::{SECONDS_PER_WEEK, WINDOW_SECONDS};
use crate::detection::{Scale, Signal};
use crate::wording::utc;

const SIZE: (u32, u32) = (480, 200);
const FONT_SIZE: f64 = 18.0;

/// Placeholders that style.css replaces.
const INK: RGBColor = RGBColor(1, 1, 1);
const GRID: RGBColor = RGBColor(2, 2, 2);
const COUNT: RGBColor = RGBColor(3, 3, 3);
const BAND: RGBColor = RGBColor(4, 4, 4);
const MARK: RGBColor = RGBColor(5, 5, 5);

type DrawError = DrawingAreaErrorKind<std::io::Error>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Counts of one signal over the band of its baseline. Findings are marked by their numbers.
pub(super) fn principal(
    bins: &[Bin],
    signal: Signal,
    scale: Scale,
    findings: &[Finding],
) -> Option<String> {
    let (first, last) = (bins.first()?.start, bins.last()?.start);
    let length = scale.windows() * WINDOW_SECONDS;
    // A single bar must not fill the whole width.
    let (from, to) = (first - length, (last + 2 * length).max(first + 8 * length));
    let most = bins.iter().map(|bin| top(bin, signal)).fold(4.0, f64::max) * 1.25;
    svg(|area| {
        let mut chart = frame(area, from as f64..to as f64, most, scale)?;
        let middle = |bin: &Bin| (bin.start + length / 2) as f64;
        let above = bins.iter().map(|bin| (middle(bin), bin.mean[signal] + bin.sd[signal]));
        let below = bins
            .iter()
            .rev()
            .map(|bin| (middle(bin), (bin.mean[signal] - bin.sd[signal]).max(0.0)));
        let outline: Vec<(f64, f64)> = above.chain(below).collect();
        chart.draw_series([Polygon::new(outline, BAND.filled())])?;
        let gap = length as f64 * 0.15;
        chart.draw_series(bins.iter().map(|bin| {
            let (left, right) = (bin.start as f64 + gap, (bin.start + length) as f64 - gap);
            Rectangle::new([(left, 0.0), (right, f64::from(bin.counts[signal]))], COUNT.filled())
        }))?;
        chart.draw_series(LineSeries::new(
            bins.iter().map(|bin| (middle(bin), bin.mean[signal])),
            INK.stroke_width(1),
        ))?;
        for (numbers, time) in marks(findings, signal, length) {
            let Some(bin) = bins.iter().find(|bin| bin.start == time) else { continue };
            let place = (middle(bin), f64::from(bin.counts[signal]));
            let style = ("sans-serif", FONT_SIZE)
                .into_font()
                .color(&INK)
                .pos(Pos::new(HPos::Center, VPos::Bottom));
            chart.draw_series([EmptyElement::at(place)
                + TriangleMarker::new((0, -8), 6, MARK.filled())
                + Text::new(numbers, (0, -15), style)])?;
        }
        Ok(())
    })
}

/// Findings of each week: those of severity high filled, the others outlined.
pub(super) fn weeks(weeks: &[WeekOfFindings]) -> Option<String> {
    let (first, last) = (weeks.first()?.start, weeks.last()?.start);
    let length = SECONDS_PER_WEEK as f64;
    let most = weeks.iter().map(|week| week.findings.all()).max()?.max(4) as f64 * 1.2;
    svg(|area| {
        let mut chart = frame(area, first as f64..last as f64 + length, most, Scale::Day)?;
        let bar = |week: &WeekOfFindings, from: u64, to: u64, style: ShapeStyle| {
            let left = week.start as f64 + length * 0.12;
            let right = week.start as f64 + length * 0.88;
            Rectangle::new([(left, from as f64), (right, to as f64)], style)
        };
        for week in weeks {
            let (high, all) = (week.findings.high, week.findings.all());
            if high > 0 {
                chart.draw_series([bar(week, 0, high, MARK.filled())])?;
            }
            if all > high {
                chart.draw_series([bar(week, high, all, COUNT.stroke_width(2))])?;
            }
        }
        Ok(())
    })
}

/// Axes of time and count, with horizontal lines.
fn frame<'a>(
    area: &Area<'a>,
    time: Range<f64>,
    most: f64,
    scale: Scale,
) -> Result<Chart<'a>, DrawError> {
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .x_label_area_size(28)
        .y_label_area_size(50)
        .build_cartesian_2d(time, 0.0..most)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .x_labels(5)
        .y_labels(4)
        .x_label_formatter(&|at| axis_time(*at, scale))
        .y_label_formatter(&|count| format!("{count:.0}"))
        .label_style(("sans-serif", FONT_SIZE).into_font().color(&INK))
        .draw()?;
    Ok(chart)
}

/// The numbers of this signal's findings in each bin, with the start of the bin. Numbers
/// count the findings of both signals, from 1.
fn marks(findings: &[Finding], signal: Signal, length: i64) -> Vec<(String, i64)> {
    let mut marks: Vec<(String, i64)> = Vec::new();
    for (number, finding) in (1..).zip(findings) {
        if finding.signal != signal {
            continue;
        }
        let start = finding.last_denial.div_euclid(length) * length;
        match marks.last_mut() {
            Some((numbers, at)) if *at == start => *numbers = format!("{numbers},{number}"),
            _ => marks.push((number.to_string(), start)),
        }
    }
    marks
}

fn top(bin: &Bin, signal: Signal) -> f64 {
    f64::from(bin.counts[signal]).max(bin.mean[signal] + bin.sd[signal])
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of this century")]
fn axis_time(at: f64, scale: Scale) -> String {
    let time = utc(at as i64);
    let part = |range: Range<usize>| time.get(range).unwrap_or_default();
    match scale {
        Scale::Day => part(5..10).to_owned(),
        _ => format!("{} {}h", part(8..10), part(11..13)),
    }
}

fn svg(draw: impl FnOnce(&Area<'_>) -> Result<(), DrawError>) -> Option<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        draw(&area).ok()?;
        area.present().ok()?;
    }
    Some(text)
}
