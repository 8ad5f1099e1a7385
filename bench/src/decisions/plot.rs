//! Cost against agents as an SVG file.

use std::path::Path;
use std::time::Duration;

use plotters::prelude::*;

use super::Row;
use crate::plots::{self, Outcome, SIZE_PX, colours};

/// Of the series, in their order.
const COLOURS: [RGBColor; 3] = [colours::BLUE, colours::SKY, colours::ORANGE];

/// Draws what decisions cost, agents on a logarithmic axis, so that what grows by their logarithm is
/// a straight line; with what was asked of the median.
///
/// # Errors
/// The file cannot be written, or nothing can be drawn of the values.
pub fn costs(path: &Path, jobs: u64, asked: Duration, rows: &[Row]) -> Outcome<()> {
    let agents = |row: &Row| row.agents as f64;
    let (least, most) = (rows.iter().map(agents).fold(f64::MAX, f64::min), rows.iter().map(agents).fold(1.0, f64::max));
    let asked_us = asked.as_secs_f64() * 1e6;
    let greatest = rows.iter().map(|row| row.p99).fold(asked_us, f64::max);
    let root = SVGBackend::new(path, SIZE_PX).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(format!("one decision, {jobs} jobs wait"), ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d((least..most.max(least * 2.0)).log_scale(), 0.0..greatest * 1.2)?;
    chart
        .configure_mesh()
        .x_desc("agents")
        .y_desc("µs")
        .x_label_formatter(&|agents| format!("{agents}"))
        .light_line_style(WHITE)
        .draw()?;
    type Cost = fn(&Row) -> f64;
    let series: [(&str, Cost); 3] = [("median", |row| row.p50), ("p90", |row| row.p90), ("p99", |row| row.p99)];
    for ((name, cost), colour) in series.into_iter().zip(COLOURS) {
        let style = colour.stroke_width(2);
        chart
            .draw_series(LineSeries::new(rows.iter().map(|row| (agents(row), cost(row))), style).point_size(3))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    chart
        .draw_series(LineSeries::new([(least, asked_us), (most, asked_us)], BLACK.stroke_width(1)))?
        .label(format!("asked of the median: {asked_us} µs"))
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], BLACK));
    plots::legend(&mut chart)?;
    root.present()?;
    Ok(())
}
