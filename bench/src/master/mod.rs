//! What the master alone takes for a job, beside a bare database: with agents that run nothing.
//!
//! ```text
//! this process: clients ─ HTTP ─▶ master (a process of its own) ◀─ link ─ agents that answer at once (here)
//!               counts of the master's process before and after
//! ```
//!
//! The load is on the same cores, so rates are what the machine gives both; CPU time of a job is the master's alone.

mod bodies;
mod client;
mod floor;
mod load;
mod seen;
mod watchers;

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Args;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::load::{Answers, Load};
use self::seen::Seen;
use crate::overload::agents::{self, Work};
use crate::overload::{Outcome, check_listed, is_idle};
use crate::processes::{Master, wait_until};
use crate::stats::ms;

/// What every job says.
const SAID: &str = "hello\n";
/// Jobs that an agent takes at once.
const SLOTS: u32 = 256;
/// Jobs that may wait; of so many none is refused.
const QUEUE_JOBS_MAX: &str = "1000000";

#[derive(Args)]
pub struct MasterArgs {
    /// How long each series lasts
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Connections that submit
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=512))]
    connections: u32,
    /// Agents
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    agents: u32,
    /// How long an agent takes for a job
    #[arg(long, default_value_t = 0, value_name = "MS")]
    job_ms: u64,
    /// Clients that watch one job
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=256))]
    watchers: u32,
    /// Jobs of a mebibyte each that wait
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    large: u32,
}

pub fn run(args: &MasterArgs) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let flags = ["--queue-jobs-max", QUEUE_JOBS_MAX, "--queue-bytes-max", "1000000000000"];
        let master = Master::start("alone", &flags.map(str::to_owned)).await?;
        let tried = measure(args, &master).await;
        if tried.is_err() {
            eprintln!("{}", master.log());
        }
        tried.and(master.end().await)
    })
}

async fn measure(args: &MasterArgs, master: &Master) -> Outcome<()> {
    let time = Duration::from_secs(args.seconds);
    let floor = tokio::task::block_in_place(|| floor::measure(master.directory(), time.min(Duration::from_secs(3))))?;
    let over = CancellationToken::new();
    let mut agents = JoinSet::new();
    let work = Work { job_time: Duration::from_millis(args.job_ms), said: SAID };
    for number in 0..args.agents {
        agents.spawn(agents::serve(master.link(), format!("fake-{number}"), SLOTS, work, over.clone()));
    }
    let all = args.agents as usize;
    wait_until("every agent is connected", || async { master.connected().await.is_ok_and(|n| n == all) }).await?;
    let load = Load { connections: args.connections, time, rate: None, waits: false };
    // Files grow, allocators fill, statements are prepared.
    let warm = Load { time: Duration::from_secs(1), ..load };
    let mut ids = load::offer(&master.address(), warm).await?.ids;

    println!(
        "| single submissions, {} connections | jobs/s | CPU µs per job | p50 ms | p99 ms | writes | commits | bytes written |",
        args.connections
    );
    println!("|---|---|---|---|---|---|---|---|");
    println!("| a bare database | {:.0} | {:.1} | | | 2 | | |", floor.rows_per_second, floor.cpu_us);
    let (most, threads) = series("until stored, as many as go", master, load, &mut ids).await?;
    series("until ended, as many as go", master, Load { waits: true, ..load }, &mut ids).await?;
    let half = Load { rate: Some(most / 2.0), ..load };
    series("until stored, half of that", master, half, &mut ids).await?;
    series("until ended, half of that", master, Load { waits: true, ..half }, &mut ids).await?;
    println!("\nCPU µs per job by thread, as many as go: {threads}.");
    println!("Memory of the master after {} jobs: {} MB.", ids.len(), master.resident_bytes()? / 1_000_000);
    check_listed(master, ids.iter().map(String::as_str).collect()).await?;
    println!("Every job ended once, well, and is listed once.\n");
    over.cancel();
    while let Some(served) = agents.join_next().await {
        served??;
    }
    watchers::measure(master, args.watchers).await?;
    bodies::measure(master, args.large).await
}

/// One row; jobs in a second, and each thread's part.
async fn series(name: &str, master: &Master, load: Load, ids: &mut Vec<String>) -> Outcome<(f64, String)> {
    let before = Seen::of(master).await?;
    let mut answers = load::offer(&master.address(), load).await?;
    wait_until("what was submitted has ended", || async { is_idle(master).await.is_ok_and(|idle| idle) }).await?;
    let seen = Seen::of(master).await?.since(&before);
    let Answers { ids: new, .. } = &answers;
    let (jobs, distinct) = (new.len() as f64, new.iter().collect::<BTreeSet<_>>().len());
    if distinct != new.len() {
        return Err("two submissions were given one id".into());
    }
    let (rate, times) = (answers.per_second(), answers.series());
    println!(
        "| {name} | {rate:.0} | {:.0} | {} | {} | {:.2} | {:.3} | {:.0} |",
        seen.cpu_us / jobs,
        ms(times.percentile(50)),
        ms(times.percentile(99)),
        seen.writes / jobs,
        seen.commits / jobs,
        seen.written_bytes / jobs,
    );
    ids.append(&mut answers.ids);
    Ok((rate, seen.threads(jobs)))
}
