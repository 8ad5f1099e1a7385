//! What each policy costs, as an SVG file.

use std::path::Path;

use plotters::prelude::*;

use super::policy::Policy;
use super::workload::Kind;
use crate::plots::{self, Outcome, SIZE_PX, colours};

/// Of the policies, in their order.
const COLOURS: [RGBColor; 11] = [
    RGBColor(200, 200, 200),
    RGBColor(150, 150, 150),
    colours::ORANGE,
    colours::SKY,
    colours::PURPLE,
    colours::YELLOW,
    RGBColor(130, 90, 44),
    colours::BLUE,
    colours::GREEN,
    colours::VERMILION,
    RGBColor(0, 0, 0),
];

/// Draws for each workload what policies cost, in parts of the cheapest fixed one.
///
/// # Errors
/// The file cannot be written, or nothing can be drawn of the values.
pub fn costs(path: &Path, rows: &[(Kind, Vec<f64>)]) -> Outcome<()> {
    let most = rows.iter().flat_map(|(_, costs)| costs).fold(1.0_f64, |most, cost| most.max(*cost));
    let least = rows.iter().flat_map(|(_, costs)| costs).fold(1.0_f64, |least, cost| least.min(*cost));
    let root = SVGBackend::new(path, SIZE_PX).into_drawing_area();
    root.fill(&WHITE)?;
    let end = rows.len() as f64 - 0.5;
    let mut chart = ChartBuilder::on(&root)
        .caption("cost of a job, in parts of the cheapest fixed pool's", ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(-0.5..end, (least * 0.8..most * 2.5).log_scale())?;
    let name = |at: &f64| {
        let nearest = rows.iter().enumerate().find(|(n, _)| (*n as f64 - at).abs() < 0.01);
        nearest.map(|(_, (kind, _))| kind.name().to_owned()).unwrap_or_default()
    };
    chart.configure_mesh().x_labels(rows.len() * 2).x_label_formatter(&name).light_line_style(WHITE).draw()?;
    chart.draw_series(LineSeries::new([(-0.5, 1.0), (end, 1.0)], BLACK.stroke_width(1)))?;
    for (n, (policy, colour)) in Policy::ALL.iter().zip(COLOURS).enumerate() {
        let aside = (n as f64 - 5.0) * 0.07;
        let points = rows.iter().enumerate().map(|(row, (_, costs))| (row as f64 + aside, costs[n]));
        let style = colour.filled();
        chart
            .draw_series(points.map(|point| Circle::new(point, 4, style)))?
            .label(policy.name())
            .legend(move |(x, y)| Circle::new((x + 9, y), 4, style));
    }
    plots::legend(&mut chart)?;
    root.present()?;
    Ok(())
}
