//! Accuracy, or missed attention, against resident memory as a picture (SVG), one line and one kind of mark per policy.

use plotters::{
    coord::{Shift, types::RangedCoordf64},
    prelude::{
        Cartesian2d, ChartBuilder, ChartContext, Circle, Color, Cross, DrawingArea, EmptyElement,
        IntoDrawingArea, IntoFont, IntoLogRange, LineSeries, LogCoord, PathElement, RGBColor, Rectangle,
        SVGBackend, ShapeStyle, Text, TriangleMarker,
    },
};
use zoomr_core::config::PolicyKind;

use super::{Replayed, Row};
use crate::picture::{GRID, INK, PAPER, themed};

/// Width and height in pixels.
const SIZE: (u32, u32) = (960, 540);
/// Of which the legend takes so many columns at the right.
const LEGEND: u32 = 130;
/// Of a mark, in pixels.
const RADIUS: i32 = 5;
/// Marks closer than this share of either axis are drawn beside each other.
const NEAR: f64 = 0.02;
/// Bytes of a KiB.
const KIB: f64 = 1024.0;
/// One colour per policy, in the order of [`PolicyKind::ALL`]; they differ in brightness too, and can be told from dark
/// ground and from light (Okabe and Ito).
const COLOURS: [RGBColor; 8] = [
    INK,
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(38, 120, 220),
    RGBColor(213, 94, 0),
    RGBColor(140, 140, 140),
];

/// Accuracy (percent, with its 95% interval) over the mean peak of resident KV memory (logarithmic), a point for each of
/// `rows` and a line through those of one policy, as an SVG document; `None` where there is no row.
///
/// # Errors
/// What the drawing library says, as text; it does no input or output here.
pub fn plot(rows: &[&Row]) -> Result<Option<String>, String> {
    let points = rows.iter().map(|row| {
        let (low, high) = row.accuracy_95;
        let interval = Some((100.0 * low, 100.0 * high));
        Point { interval, ..Point::new(row.policy, row.resident_peak, row.accuracy) }
    });
    let problems = rows.iter().map(|row| row.problems).max().unwrap_or(0);
    let axes = Axes {
        title: format!("Accuracy over KV memory ({problems} problems, 95% intervals)"),
        x: "resident KV memory at its peak, mean",
        y: "right answers, %",
        top: 102.0,
    };
    draw(points.collect(), &axes)
}

/// The share of attention missed (percent) over the peak of resident KV memory (logarithmic), otherwise as [`plot`];
/// there are no intervals.
///
/// # Errors
/// As [`plot`].
pub fn plot_missed(rows: &[Replayed]) -> Result<Option<String>, String> {
    let points = rows.iter().map(|row| Point::new(row.policy, row.resident_peak as f64, row.missed_mass));
    let points: Vec<Point<'_>> = points.collect();
    let most = points.iter().map(|point| point.percent).fold(1.0, f64::max);
    let axes = Axes {
        title: "Attention missed over KV memory".to_owned(),
        x: "resident KV memory at its peak",
        y: "attention missed, %",
        top: 1.05 * most,
    };
    draw(points, &axes)
}

/// A point of the picture.
#[derive(Clone, Copy)]
struct Point<'a> {
    policy: &'a str,
    kib: f64,
    percent: f64,
    interval: Option<(f64, f64)>,
}

impl<'a> Point<'a> {
    fn new(policy: &'a str, bytes: f64, share: f64) -> Self {
        Self { policy, kib: (bytes / KIB).max(1e-3), percent: 100.0 * share, interval: None }
    }
}

/// What stands above and at the axes, and where the upright one ends, in percent.
struct Axes {
    title: String,
    x: &'static str,
    y: &'static str,
    top: f64,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<LogCoord<f64>, RangedCoordf64>>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

fn draw(mut all: Vec<Point<'_>>, axes: &Axes) -> Result<Option<String>, String> {
    if all.is_empty() {
        return Ok(None);
    }
    let (least, most) = octaves(all.iter().map(|point| point.kib));
    spread(&mut all, (most / least).log2(), axes.top);
    let mut svg = String::new();
    let draw = |svg: &mut String| -> Drawn {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        area.fill(&PAPER)?;
        let (left, legend) = area.split_horizontally(SIZE.0 - LEGEND);
        let mut chart = ChartBuilder::on(&left)
            .margin(16)
            .caption(&axes.title, ("sans-serif", 18, &INK))
            .x_label_area_size(48)
            .y_label_area_size(56)
            .build_cartesian_2d((least..most).log_scale().base(2.0), 0.0..axes.top)?;
        mesh(&mut chart, axes)?;
        let shown = |policy: &&PolicyKind| all.iter().any(|point| point.policy == policy.name());
        for (place, &policy) in PolicyKind::ALL.iter().filter(shown).enumerate() {
            let ours = all.iter().filter(|point| point.policy == policy.name());
            let mut points: Vec<Point<'_>> = ours.copied().collect();
            points.sort_by(|a, b| a.kib.total_cmp(&b.kib));
            series(&mut chart, policy, &points)?;
            label(&legend, place as i32, policy)?;
        }
        area.present()?;
        Ok(())
    };
    draw(&mut svg).map_err(|error| error.to_string())?;
    Ok(Some(themed(&svg)))
}

fn mesh(chart: &mut Chart<'_, '_>, axes: &Axes) -> Drawn {
    // Marks stand at tenths of a short axis.
    let digits = usize::from(axes.top < 10.0);
    chart
        .configure_mesh()
        .x_desc(axes.x)
        .y_desc(axes.y)
        .axis_style(INK)
        .bold_line_style(GRID)
        .light_line_style(PAPER)
        .label_style(("sans-serif", 14, &INK))
        .x_label_formatter(&|kib| memory(*kib))
        .y_label_formatter(&|percent| format!("{percent:.digits$}"))
        .draw()?;
    Ok(())
}

/// A policy's line, the intervals of its points, and their marks.
fn series(chart: &mut Chart<'_, '_>, policy: PolicyKind, points: &[Point<'_>]) -> Drawn {
    let colour = COLOURS[policy as usize];
    chart.draw_series(LineSeries::new(
        points.iter().map(|point| (point.kib, point.percent)),
        colour.stroke_width(2),
    ))?;
    for point in points {
        if let Some((low, high)) = point.interval {
            let bar = PathElement::new([(point.kib, low), (point.kib, high)], colour.stroke_width(1));
            chart.draw_series([bar])?;
            let cap = |percent| {
                EmptyElement::at((point.kib, percent))
                    + PathElement::new([(-4, 0), (4, 0)], colour.stroke_width(1))
            };
            chart.draw_series([cap(low), cap(high)])?;
        }
        mark(chart.plotting_area(), (point.kib, point.percent), policy)?;
    }
    Ok(())
}

/// A policy's name and its mark, in a place of the legend, counted from its top.
fn label(legend: &Area<'_>, place: i32, policy: PolicyKind) -> Drawn {
    let y = 64 + 24 * place;
    legend.draw(&PathElement::new([(0, y), (24, y)], COLOURS[policy as usize].stroke_width(2)))?;
    mark(legend, (12, y), policy)?;
    let font = ("sans-serif", 14).into_font().color(&INK);
    legend.draw(&Text::new(policy.name(), (32, y - 7), font))?;
    Ok(())
}

/// A policy's mark: no two have the same.
fn mark<C: plotters::coord::CoordTranslate>(
    area: &DrawingArea<SVGBackend<'_>, C>,
    at: C::From,
    policy: PolicyKind,
) -> Drawn
where
    C::From: Clone,
{
    let colour = COLOURS[policy as usize];
    let (filled, hollow) = (colour.filled(), ShapeStyle::from(PAPER).filled());
    let (line, wide) = (colour.stroke_width(2), RADIUS + 2);
    let square = [(-RADIUS, -RADIUS), (RADIUS, RADIUS)];
    match policy {
        PolicyKind::Full => area.draw(&Circle::new(at, RADIUS, filled))?,
        PolicyKind::Window => area.draw(&(EmptyElement::at(at) + Rectangle::new(square, filled)))?,
        PolicyKind::H2o => area.draw(&TriangleMarker::new(at, wide, filled))?,
        PolicyKind::Rkv => area.draw(&Cross::new(at, RADIUS, line))?,
        PolicyKind::Quest => {
            area.draw(
                &(EmptyElement::at(at) + Rectangle::new(square, hollow) + Rectangle::new(square, line)),
            )?;
        }
        PolicyKind::Summaries => {
            let plus = [[(-wide, 0), (wide, 0)], [(0, -wide), (0, wide)]];
            let [flat, upright] = plus.map(|line_| PathElement::new(line_, line));
            area.draw(&(EmptyElement::at(at) + flat + upright))?;
        }
        PolicyKind::Zoomr => {
            area.draw(&Circle::new(at.clone(), wide, hollow))?;
            area.draw(&Circle::new(at.clone(), wide, line))?;
            area.draw(&Circle::new(at, 2, filled))?;
        }
        PolicyKind::Oracle => {
            area.draw(&Circle::new(at.clone(), RADIUS, hollow))?;
            area.draw(&Circle::new(at, RADIUS, line))?;
        }
    }
    Ok(())
}

/// Moves points to the right that would hide each other; the axes are `octaves` and `top` percent long.
fn spread(points: &mut [Point<'_>], octaves: f64, top: f64) {
    let step = NEAR * octaves;
    for number in 1..points.len() {
        let (before, rest) = points.split_at_mut(number);
        let point = &mut rest[0];
        let hides = |other: &Point<'_>, kib: f64| {
            (other.kib / kib).log2().abs() < 0.9 * step && (other.percent - point.percent).abs() < NEAR * top
        };
        let place = (0..=before.len()).map(|times| point.kib * (step * times as f64).exp2());
        let free = place.into_iter().find(|&kib| !before.iter().any(|other| hides(other, kib)));
        point.kib = free.unwrap_or(point.kib);
    }
}

/// `512 KiB`, `2 MiB`
fn memory(kib: f64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let power = (kib.log2() / 10.0).floor().clamp(0.0, 3.0);
    let value = kib / (10.0 * power).exp2();
    let digits = usize::from(value < 1.0) * 3;
    format!("{value:.digits$} {}", units[power as usize])
}

/// From a power of two to another that all of `values` lie between, at least two doublings apart, and a little more:
/// marks stand at powers of two.
fn octaves(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let least = values.clone().fold(f64::INFINITY, f64::min).log2().floor();
    let most = values.fold(0.0, f64::max).log2().ceil().max(least + 2.0);
    (0.97 * least.exp2(), 1.03 * most.exp2())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_reach_from_mark_to_mark() {
        let near = |values: &[f64], least: f64, most: f64| {
            let found = octaves(values.iter().copied());
            assert!(found == (0.97 * least, 1.03 * most), "{values:?}: {found:?}");
        };
        near(&[300.0], 256.0, 1024.0);
        near(&[100.0, 700.0, 130.0], 64.0, 1024.0);
        near(&[0.001], 0.0009765625, 0.00390625);
    }

    #[test]
    fn marks_of_the_axis_have_units() {
        let marks = [0.25, 1.0, 512.0, 1024.0, 3.0 * 1024.0, 4.0 * 1024.0 * 1024.0].map(memory);
        assert_eq!(marks, ["0.250 KiB", "1 KiB", "512 KiB", "1 MiB", "3 MiB", "4 GiB"]);
    }

    /// A row for each policy, all in one place.
    fn coinciding() -> Vec<Point<'static>> {
        PolicyKind::ALL.iter().map(|policy| Point::new(policy.name(), 400.0 * KIB, 0.8)).collect()
    }

    #[test]
    fn points_that_coincide_stand_beside_each_other() {
        let mut points = coinciding();
        spread(&mut points, 4.0, 100.0);
        let mut places: Vec<f64> = points.iter().map(|point| point.kib.log2()).collect();
        places.sort_by(f64::total_cmp);
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= 0.9 * NEAR * 4.0), "{places:?}");
        // Others stay where they are.
        let mut apart = [Point::new("full", 9.0 * KIB, 0.5), Point::new("h2o", 9.0 * KIB, 0.6)];
        spread(&mut apart, 4.0, 100.0);
        assert_eq!(apart.map(|point| point.kib), [9.0, 9.0]);
    }

    #[test]
    fn a_picture_has_a_title_units_intervals_and_both_grounds() {
        let mut points = coinciding();
        points.iter_mut().for_each(|point| point.interval = Some((70.0, 90.0)));
        let axes = Axes { title: "a title".into(), x: "memory", y: "answers, %", top: 102.0 };
        let svg = draw(points, &axes).unwrap().unwrap();
        for part in ["a title", "memory", "answers, %", "512 KiB", "prefers-color-scheme: dark"] {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        for policy in PolicyKind::ALL {
            assert!(svg.contains(policy.name()), "{policy}: {svg}");
        }
        // A line for each interval, and two caps.
        let bars = svg.matches("stroke-width=\"1\"").count();
        assert!(bars >= 3 * PolicyKind::ALL.len(), "{bars}");
    }
}
