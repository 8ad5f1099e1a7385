//! More agents and more cores: clusters side by side, of which one is asked at a time.
//!
//! Each agent is pinned to its cores and gives every job a core of its own. On a machine of two cores four agents
//! share them two by two, which shows what an agent costs that brings no core; it cannot show more.

use super::Outcome;
use super::cluster::{AgentPlan, Cluster};
use super::load::sustained;
use super::programs::PYTHON;
use super::report::Report;
use super::series::spread;
use super::settings::Settings;
use super::stage::Stage;
use super::table::{Table, ranged, times};
use super::throughput::CLIENTS;
use super::ways::Way;

/// Name, and the cores of each agent; on a machine of one core only the first can be had.
const SHAPES: [(&str, &[&str]); 4] = [
    ("1 agent of 1 core", &["0"]),
    ("1 agent of 2 cores", &["0,1"]),
    ("2 agents of 1 core", &["0", "1"]),
    ("4 agents, two on each of 2 cores", &["0", "1", "0", "1"]),
];

/// Measures all shapes in turns, and shows them.
///
/// # Errors
/// A cluster does not come up or an answer is wrong.
pub async fn measure(stage: &Stage, settings: &Settings, report: &mut Report) -> Outcome<String> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let shapes = if cores < 2 { &SHAPES[..1] } else { &SHAPES[..] };
    let mut clusters = Vec::new();
    for (number, (name, agents)) in shapes.iter().enumerate() {
        super::progress(&format!("starts {name}"));
        let plan = |cores: &&'static str| AgentPlan {
            cores: Some(cores),
            languages: "python",
            warm: 1,
            warm_each: 1,
            flags: &[],
        };
        let plans: Vec<AgentPlan> = agents.iter().map(plan).collect();
        clusters.push(Cluster::start(stage, &format!("scaling{number}"), &plans).await?);
    }
    let mut rates = vec![Vec::new(); shapes.len()];
    for run in 0..settings.runs {
        super::progress(&format!("cores and agents, run {} of {}", run + 1, settings.runs));
        for (cluster, rates) in clusters.iter().zip(&mut rates) {
            let hello = async |_| cluster.client.run(Way::Tenant, &PYTHON, None).await.map(drop);
            rates.push(sustained(cluster, CLIENTS, settings.load, hello).await?);
        }
    }
    for cluster in clusters {
        cluster.end(stage).await?;
    }
    Ok(table(shapes, &rates, report))
}

fn table(shapes: &[(&str, &[&str])], rates: &[Vec<f64>], report: &mut Report) -> String {
    let mut table = Table::new(&["Python hello, 4 clients", "jobs/s (least to most)", "against one agent of one core"]);
    for ((name, _), series) in shapes.iter().zip(rates) {
        let ratios: Vec<f64> = series.iter().zip(&rates[0]).map(|(rate, base)| rate / base).collect();
        report.estimate(format!("scaling.{name}"), spread(&ratios));
        table.row(vec![(*name).into(), ranged(spread(series)), times(spread(&ratios))]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_held_against_one_core() {
        let mut report = Report::default();
        let text = table(&SHAPES, &[vec![50.0], vec![80.0], vec![90.0], vec![85.0]], &mut report);
        assert!(text.contains("| 2 agents of 1 core | 90.00 (90.00 to 90.00) | **1.80x**"), "{text}");
        assert_eq!(report.figures["scaling.1 agent of 2 cores"].value, 1.6);
    }
}
