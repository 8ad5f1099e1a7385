//! What a container costs, and who spends it: an engine of the run's own, side by side in one run.
//!
//! The engine's daemons are put into a cgroup, where all that they start stays, and containers into another; so nothing
//! of what else the machine does is in the figures. The kernel's own threads, which clean up behind cgroups and
//! namespaces, are in nobody's; the last column has the whole machine's, everybody else's work with it.
//!
//! Ways take turns, back and forth, and each container is over, with all that the engine does behind it, before the
//! next begins. Each answer is checked.

mod meter;
mod ways;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::faults::engine::OwnEngine;
use crate::stats::{Series, ms};
use meter::{Meter, Spent};
use ways::{WAYS, Workplace};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Args)]
pub struct ContainersArgs {
    /// Containers of each way
    #[arg(long, default_value_t = 20)]
    count: usize,
    /// Where an engine of the run's own is made; an earlier run's is used again
    #[arg(long)]
    engine: PathBuf,
}

pub fn run(args: &ContainersArgs) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(args))
}

async fn measure(args: &ContainersArgs) -> Outcome<()> {
    let engine = OwnEngine::begin(&args.engine, &args.engine).await?;
    let meter = Meter::of(&engine)?;
    let measured = with(&engine, &meter, args.count).await;
    let ended = engine.end().await;
    measured.and(ended)?;
    meter.end()
}

/// What one container took.
pub struct Times {
    /// Until it answered, or its job had.
    pub open: Duration,
    /// From then on until it was gone.
    pub close: Duration,
}

#[derive(Default)]
struct Row {
    open: Vec<Duration>,
    close: Vec<Duration>,
    spent: Spent,
}

async fn with(engine: &OwnEngine, meter: &Meter, count: usize) -> Outcome<()> {
    let mut place = Workplace::open(engine, meter.place()).await?;
    let measured = rounds(&mut place, meter, count).await;
    let closed = place.close().await;
    show(&measured?, count);
    closed
}

async fn rounds(place: &mut Workplace, meter: &Meter, count: usize) -> Outcome<Vec<Row>> {
    let mut rows: Vec<Row> = WAYS.iter().map(|_| Row::default()).collect();
    // The first round warms caches and is not counted.
    for round in 0..=count {
        for turn in 0..WAYS.len() {
            let index = if round % 2 == 0 { turn } else { WAYS.len() - 1 - turn };
            meter.settle().await?;
            let before = meter.read()?;
            let times = place.take(WAYS[index].1).await?;
            meter.settle().await?;
            if round > 0 {
                rows[index].spent = rows[index].spent.plus(meter.read()?.since(before));
                rows[index].open.push(times.open);
                rows[index].close.push(times.close);
            }
        }
    }
    Ok(rows)
}

fn show(rows: &[Row], count: usize) {
    let base = rows.first().map_or(Duration::ZERO, |row| row.spent.sum());
    println!(
        "| {count} of each | open p50 | close p50 | engine | containerd | what they start | inside | ours | CPU \
         | of the first | machine |\n|---|---|---|---|---|---|---|---|---|---|---|"
    );
    let count = u32::try_from(count).unwrap_or(1).max(1);
    for ((name, _), row) in WAYS.iter().zip(rows) {
        let (open, close) = (Series::of(row.open.clone()), Series::of(row.close.clone()));
        let Spent { engine, containerd, children, inside, ours, machine } = row.spent;
        let each: Vec<String> = [engine, containerd, children, inside, ours, row.spent.sum()]
            .map(|time| format!("{:.1}", (time / count).as_secs_f64() * 1000.0))
            .into();
        println!(
            "| {name} | {} | {} | {} | {:.2} | {:.0} |",
            ms(open.percentile(50)),
            ms(close.percentile(50)),
            each.join(" | "),
            row.spent.sum().as_secs_f64() / base.as_secs_f64().max(f64::EPSILON),
            (machine / count).as_secs_f64() * 1000.0
        );
    }
    println!("\nMilliseconds for each container; those of columns 4 to 9 are CPU time.");
}
