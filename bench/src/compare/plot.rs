//! Throughput by clients, and processor time by whose it was, as SVG files.

use std::path::Path;

use plotters::prelude::*;

use super::account::Split;
use super::cpu::Costs;
use super::programs::{C, PYTHON};
use super::series::spread;
use super::throughput::Rates;
use super::ways::Way;
use crate::plots::{self, Outcome, SIZE_PX, colours};

/// Of the series, in their order.
const COLOURS: [RGBColor; 8] = [
    colours::BLUE,
    colours::ORANGE,
    colours::GREEN,
    colours::PURPLE,
    colours::SKY,
    colours::VERMILION,
    RGBColor(0, 0, 0),
    RGBColor(153, 153, 153),
];

/// Jobs a second of bare processes and of ours, by how many clients ask.
///
/// # Errors
/// The file cannot be written.
pub fn throughput(path: &Path, rates: &Rates) -> Outcome<()> {
    let lines = [(&PYTHON, Way::Bare), (&PYTHON, Way::Tenant), (&C, Way::Bare), (&C, Way::Tenant)];
    let points = |program: &str, way: Way| -> Vec<(f64, f64)> {
        let series = rates.iter().filter(|((p, w, _), _)| *p == program && *w == way);
        series.filter_map(|((_, _, clients), rates)| Some((*clients as f64, spread(rates)?.value))).collect()
    };
    let all: Vec<(f64, f64)> = lines.iter().flat_map(|(program, way)| points(program.name, *way)).collect();
    let most = |of: fn(&(f64, f64)) -> f64| all.iter().map(of).fold(1.0, f64::max);
    let root = SVGBackend::new(path, SIZE_PX).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("hello, jobs per second", ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..most(|p| p.0) * 1.05, 0.0..most(|p| p.1) * 1.2)?;
    chart.configure_mesh().x_desc("clients").y_desc("jobs/s").light_line_style(WHITE).draw()?;
    for ((program, way), colour) in lines.iter().zip(COLOURS) {
        let style = colour.stroke_width(2);
        let what = if *way == Way::Bare { "bare" } else { "Enclos" };
        chart
            .draw_series(LineSeries::new(points(program.name, *way), style).point_size(3))?
            .label(format!("{}, {what}", program.name))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
    }
    plots::legend(&mut chart)?;
    root.present()?;
    Ok(())
}

/// Processor time of one Python job, a bar for each way.
///
/// # Errors
/// The file cannot be written.
pub fn processor(path: &Path, costs: &Costs) -> Outcome<()> {
    let bars: Vec<(&str, Vec<f64>)> = costs
        .iter()
        .filter(|((program, _), _)| *program == PYTHON.name)
        .map(|((_, way), cost)| {
            let runs = cost.splits.len().max(1) as f64;
            let part = |at: usize| cost.splits.iter().map(|split| split.parts()[at].1).sum::<f64>() / runs / 1000.0;
            (way.key(), (0..COLOURS.len()).map(part).collect())
        })
        .collect();
    let names: Vec<&str> = bars.iter().map(|(name, _)| *name).collect();
    let most = bars.iter().map(|(_, parts)| parts.iter().sum::<f64>()).fold(1.0, f64::max);
    let root = SVGBackend::new(path, SIZE_PX).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("one Python hello: processor time, by whose it was", ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(-0.5..bars.len() as f64 - 0.5, 0.0..most * 1.2)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(bars.len())
        .x_label_formatter(&|at| label(&names, *at))
        .y_desc("CPU ms")
        .light_line_style(WHITE)
        .draw()?;
    for (at, ((part, _), colour)) in Split::default().parts().into_iter().zip(COLOURS).enumerate() {
        let boxes = bars.iter().enumerate().map(|(bar, (_, parts))| {
            let (from, middle) = (parts[..at].iter().sum::<f64>(), bar as f64);
            Rectangle::new([(middle - 0.3, from), (middle + 0.3, from + parts[at])], colour.filled())
        });
        chart
            .draw_series(boxes)?
            .label(part)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled()));
    }
    plots::legend(&mut chart)?;
    root.present()?;
    Ok(())
}

/// The name of a bar at its middle, nothing between two.
fn label(names: &[&str], at: f64) -> String {
    let nearest = at.round();
    let number = (nearest >= 0.0 && (at - nearest).abs() < 0.01).then_some(nearest);
    let name = number.and_then(|n| names.iter().zip(0_u32..).find(|(_, i)| f64::from(*i) == n).map(|(name, _)| *name));
    name.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_its_name_at_its_middle_alone() {
        let names = ["bare", "exec"];
        let labels = [-1.0, 0.0, 0.5, 1.0, 2.0].map(|at| label(&names, at));
        assert_eq!(labels, ["", "bare", "", "exec", ""]);
    }
}
