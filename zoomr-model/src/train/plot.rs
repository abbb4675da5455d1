//! The loss of a run as a picture (SVG).

use plotters::prelude::{
    ChartBuilder, Color, IntoDrawingArea, IntoLogRange, LineSeries, RGBColor, SVGBackend,
};

use super::trainer::StepReport;
use crate::picture::{GRID, INK, PAPER, themed};

/// Width and height in pixels.
const SIZE: (u32, u32) = (900, 480);
/// Points of the smoothed line, at most: more than that is not seen.
const POINTS: usize = 300;
/// Single steps, behind the smoothed line.
const PALE: RGBColor = RGBColor(120, 150, 200);
/// The smoothed line.
const BOLD: RGBColor = RGBColor(47, 129, 247);

/// The loss (nats per written token, logarithmic) over the steps of `log`, each step pale and their means dark, as
/// an SVG document; `None` where there is no step.
///
/// # Errors
/// What the drawing library says, as text; it does no input or output here.
pub fn plot(log: &[StepReport]) -> Result<Option<String>, String> {
    let Some(last) = log.last() else { return Ok(None) };
    let points = |log: &[StepReport]| -> Vec<(f64, f64)> {
        // A loss of exactly 0 has no logarithm.
        log.iter().map(|report| (report.step as f64, report.loss.max(1e-6))).collect()
    };
    let width = log.len().div_ceil(POINTS);
    let mean = |steps: &[StepReport]| {
        let count = steps.len() as f64;
        let sum = points(steps).iter().fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
        (sum.0 / count, sum.1 / count)
    };
    let smooth: Vec<(f64, f64)> = log.chunks(width).map(mean).collect();
    let all = points(log);
    let lowest = all.iter().fold(f64::INFINITY, |a, b| a.min(b.1));
    let highest = all.iter().fold(lowest * 1.01, |a, b| a.max(b.1));

    let mut svg = String::new();
    let draw = |svg: &mut String| -> Result<(), Box<dyn std::error::Error>> {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        area.fill(&PAPER)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .caption("Loss of training", ("sans-serif", 18, &INK))
            .x_label_area_size(40)
            .y_label_area_size(64)
            .build_cartesian_2d(0.0..last.step as f64, (lowest..highest).log_scale())?;
        chart
            .configure_mesh()
            .x_desc("step")
            .y_desc("loss, nats per written token")
            .axis_style(INK)
            .bold_line_style(GRID)
            .light_line_style(PAPER)
            .label_style(("sans-serif", 14, &INK))
            .x_label_formatter(&|step| format!("{step:.0}"))
            .draw()?;
        chart.draw_series(LineSeries::new(all, PALE.mix(0.45)))?;
        chart.draw_series(LineSeries::new(smooth, BOLD.stroke_width(2)))?;
        area.present()?;
        Ok(())
    };
    draw(&mut svg).map_err(|error| error.to_string())?;
    Ok(Some(themed(&svg)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(step: usize, loss: f64) -> StepReport {
        StepReport { step, loss, tokens: 1, predicted: 1, rate: 1.0, norm: 1.0 }
    }

    #[test]
    fn any_log_can_be_drawn() {
        assert_eq!(plot(&[]), Ok(None));
        for log in [
            vec![report(1, 3.0)],
            vec![report(1, 0.0); 3],
            (1..2000).map(|s| report(s, 1.0 / s as f64)).collect(),
        ] {
            let svg = plot(&log).unwrap().unwrap();
            assert!(
                svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>") && svg.contains("nats"),
                "{svg}"
            );
        }
    }
}
