//! Accuracy against resident memory as a picture (SVG), one line per policy.

use plotters::prelude::{
    BLACK, ChartBuilder, Circle, Color, IntoDrawingArea, IntoLogRange, LineSeries, PathElement, RGBColor,
    SVGBackend, WHITE,
};
use zoomr_core::config::PolicyKind;

use super::Row;

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
    if rows.is_empty() {
        return Ok(None);
    }
    let point = |row: &Row| ((row.resident_peak / KIB).max(1e-3), 100.0 * row.accuracy);
    let memory = |pick: fn(f64, f64) -> f64, from| rows.iter().fold(from, |a, row| pick(a, point(row).0));
    let (least, most) = (memory(f64::min, f64::INFINITY), memory(f64::max, 0.0));

    let mut svg = String::new();
    let draw = |svg: &mut String| -> Result<(), Box<dyn std::error::Error>> {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(56)
            .build_cartesian_2d((least / 1.3..most * 1.3).log_scale(), 0.0..102.0)?;
        chart
            .configure_mesh()
            .x_desc("resident KV memory at its peak, KiB (mean)")
            .y_desc("accuracy, %")
            .label_style(("sans-serif", 14, &BLACK))
            .x_label_formatter(&|kib| format!("{kib:.0}"))
            .light_line_style(WHITE)
            .draw()?;
        for (policy, colour) in PolicyKind::ALL.iter().zip(COLOURS) {
            let ours = rows.iter().filter(|row| row.policy == policy.name());
            let mut points: Vec<(f64, f64)> = ours.map(|row| point(row)).collect();
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
