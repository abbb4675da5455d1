//! Accuracy, or missed attention, against resident memory as a picture (SVG), one line per policy.

use plotters::prelude::{
    BLACK, ChartBuilder, Circle, Color, IntoDrawingArea, IntoLogRange, LineSeries, PathElement, RGBColor,
    SVGBackend, WHITE,
};
use zoomr_core::config::PolicyKind;

use super::{Replayed, Row};

/// Width and height in pixels.
const SIZE: (u32, u32) = (900, 520);
/// Of a point, in pixels.
const RADIUS: i32 = 4;
/// Bytes of a KiB.
const KIB: f64 = 1024.0;
/// One colour per policy, in the order of [`PolicyKind::ALL`]; they differ in brightness too (Okabe and Ito).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 0, 0),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(140, 140, 140),
];

/// Accuracy (percent) over the mean peak of resident KV memory (KiB, logarithmic), a point for each of `rows` and a
/// line through those of one policy, as an SVG document; `None` where there is no row.
///
/// # Errors
/// What the drawing library says, as text; it does no input or output here.
pub fn plot(rows: &[&Row]) -> Result<Option<String>, String> {
    let points = rows.iter().map(|row| Point::new(row.policy, row.resident_peak, row.accuracy));
    let axes = Axes { x: "resident KV memory at its peak, KiB (mean)", y: "accuracy, %", top: 102.0 };
    draw(&points.collect::<Vec<_>>(), &axes)
}

/// The share of attention missed (percent) over the peak of resident KV memory (KiB, logarithmic), otherwise as
/// [`plot`].
///
/// # Errors
/// As [`plot`].
pub fn plot_missed(rows: &[Replayed]) -> Result<Option<String>, String> {
    let points = rows.iter().map(|row| Point::new(row.policy, row.resident_peak as f64, row.missed_mass));
    let points: Vec<Point<'_>> = points.collect();
    let most = points.iter().map(|point| point.percent).fold(1.0, f64::max);
    let axes = Axes { x: "resident KV memory at its peak, KiB", y: "attention missed, %", top: 1.02 * most };
    draw(&points, &axes)
}

/// A point of the picture.
struct Point<'a> {
    policy: &'a str,
    kib: f64,
    percent: f64,
}

impl<'a> Point<'a> {
    fn new(policy: &'a str, bytes: f64, share: f64) -> Self {
        Self { policy, kib: (bytes / KIB).max(1e-3), percent: 100.0 * share }
    }
}

/// What stands at the axes, and where the upright one ends, in percent.
struct Axes {
    x: &'static str,
    y: &'static str,
    top: f64,
}

fn draw(all: &[Point<'_>], axes: &Axes) -> Result<Option<String>, String> {
    if all.is_empty() {
        return Ok(None);
    }
    let (least, most) = octaves(all.iter().map(|point| point.kib));
    // Marks stand at tenths of a short axis.
    let digits = usize::from(axes.top < 10.0);

    let mut svg = String::new();
    let draw = |svg: &mut String| -> Result<(), Box<dyn std::error::Error>> {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(56)
            .build_cartesian_2d((least..most).log_scale().base(2.0), 0.0..axes.top)?;
        chart
            .configure_mesh()
            .x_desc(axes.x)
            .y_desc(axes.y)
            .label_style(("sans-serif", 14, &BLACK))
            .x_label_formatter(&|kib| format!("{kib:.0}"))
            .y_label_formatter(&|percent| format!("{percent:.digits$}"))
            .light_line_style(WHITE)
            .draw()?;
        for (policy, colour) in PolicyKind::ALL.iter().zip(COLOURS) {
            let ours = all.iter().filter(|point| point.policy == policy.name());
            let mut points: Vec<(f64, f64)> = ours.map(|point| (point.kib, point.percent)).collect();
            if points.is_empty() {
                continue;
            }
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let dots = points.iter().map(|&point| Circle::new(point, RADIUS, colour.filled()));
            chart.draw_series(dots.collect::<Vec<_>>())?;
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
                .label(policy.name())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .border_style(BLACK)
            .background_style(WHITE)
            .label_font(("sans-serif", 14, &BLACK))
            .draw()?;
        area.present()?;
        Ok(())
    };
    draw(&mut svg).map_err(|error| error.to_string())?;
    Ok(Some(svg))
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
}
