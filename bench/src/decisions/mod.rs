//! What one decision of the scheduler's core costs, by how many agents there are.
//!
//! The same as `cargo bench -p enclos-bench --bench scheduling -- decision`, which finds its
//! repetitions by itself; here their number is fixed, so that runs can be compared by what they execute.

mod plot;
mod world;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use self::world::World;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What is measured before this part of all is left out: memory and caches are not yet as they will be.
const WARM_UP_PART: u32 = 10;
/// What was asked of it, for the median.
const ASKED: Duration = Duration::from_micros(20);

#[derive(Args)]
pub struct DecisionsArgs {
    /// Agents of eight slots each; several are measured one after the other
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000,10000",
          value_parser = clap::value_parser!(u64).range(1..=10_000))]
    agents: Vec<u64>,
    /// Jobs that wait
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    jobs: u64,
    /// Decisions that are counted
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    decisions: u32,
    /// A directory for a plot of cost against agents
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

/// What decisions cost with so many agents, in microseconds.
struct Row {
    agents: u64,
    p50: f64,
    p90: f64,
    p99: f64,
}

pub fn run(args: &DecisionsArgs) -> Outcome<()> {
    println!("{} jobs wait; {} decisions each.\n", args.jobs, args.decisions);
    println!("| agents | p50 µs | p90 | p99 |\n|---|---|---|---|");
    let mut rows = Vec::new();
    for agents in &args.agents {
        let row = measure(*agents, args.jobs, args.decisions);
        println!("| {} | **{:.1}** | {:.1} | {:.1} |", row.agents, row.p50, row.p90, row.p99);
        rows.push(row);
    }
    if let Some(directory) = &args.plots {
        std::fs::create_dir_all(directory)?;
        plot::costs(&directory.join("decision.svg"), args.jobs, ASKED, &rows)?;
    }
    Ok(())
}

fn measure(agents: u64, jobs: u64, decisions: u32) -> Row {
    let mut world = World::new(agents, jobs);
    for _ in 0..decisions / WARM_UP_PART {
        world.decide();
    }
    let mut took: Vec<Duration> = (0..decisions).map(|_| world.decide()).collect();
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)].as_secs_f64() * 1e6;
    Row { agents, p50: at(50), p90: at(90), p99: at(99) }
}
