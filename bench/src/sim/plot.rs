//! Curves as SVG files.

use std::path::Path;

use plotters::prelude::*;

use super::measure::quantile;
use crate::plots::{self, Outcome, SIZE_PX, colours};

/// Part of all jobs that the last point of a curve leaves out.
const REST_LEAST: f64 = 1e-4;
/// Points of a curve.
const POINTS: u32 = 120;
/// Of the series, in their order.
const COLOURS: [RGBColor; 9] = [
    RGBColor(153, 153, 153),
    colours::ORANGE,
    RGBColor(0, 0, 0),
    colours::SKY,
    colours::GREEN,
    colours::BLUE,
    colours::VERMILION,
    colours::PURPLE,
    RGBColor(130, 80, 40),
];

/// A series of one policy, sorted.
pub struct Curve<'a> {
    /// The policy.
    pub name: String,
    /// What was seen of its jobs.
    pub sorted: &'a [f32],
}

/// Draws for each curve which part of all jobs exceeds which value; what lies below `floor` is not told apart.
///
/// # Errors
/// The file cannot be written, or nothing can be drawn of the values.
pub fn tails(path: &Path, title: &str, (unit, floor): (&str, f64), curves: &[Curve<'_>]) -> Outcome<()> {
    let greatest = curves.iter().filter_map(|curve| curve.sorted.last()).copied().fold(10.0_f32, f32::max);
    let root = SVGBackend::new(path, SIZE_PX).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d((1.0..REST_LEAST).log_scale(), (floor..f64::from(greatest) * 1.2).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("part of jobs that exceed it")
        .y_desc(unit)
        .x_label_formatter(&|part| format!("{part}"))
        .light_line_style(WHITE)
        .draw()?;
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let points = (0..=POINTS).map(|step| {
            let rest = REST_LEAST.powf(f64::from(step) / f64::from(POINTS));
            (rest, f64::from(quantile(curve.sorted, 1.0 - rest)).max(floor))
        });
        let style = colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(curve.name.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    plots::legend(&mut chart)?;
    root.present()?;
    Ok(())
}
