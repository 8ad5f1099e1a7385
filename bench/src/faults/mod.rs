//! A cluster under faults: what was accepted ends exactly once, with the right answer, and nothing is left.
//!
//! ```text
//! namespace of the master:   load ─▶ master ◀─ line 1..3 (relays here, which may delay) ◀─ veth ─┐
//! namespace of agent 1..3:   agent ─▶ relay on its loopback ─────────────────────────────────────┘
//! ```
//!
//! Agents' ports listen on loopback only, so a relay stands at each end of a
//! link. Faults come one after the other, each kind once in a round, in an
//! order that the seed decides. Without namespaces the lines cut by themselves.
//! The agents share an engine; where it is the run's own, it dies, too.

pub mod engine;
mod fault;
mod fleet;
mod line;
mod load;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::chance::Chance;
use fleet::Fleet;
use load::Load;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Args)]
pub struct FaultsArgs {
    /// How long jobs are submitted
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Jobs, spread over that time
    #[arg(long, default_value_t = 100)]
    jobs: usize,
    /// Decides the order of faults, their victims, and what jobs do
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds of a long cut and of a long stop; more than a lease
    #[arg(long, default_value_t = 8)]
    long: u64,
    /// An empty directory for data and logs; where it is a disk of its own, it is filled
    #[arg(long)]
    directory: PathBuf,
    /// It is a small disk of its own
    #[arg(long)]
    small_disk: bool,
    /// Where an engine of the run's own is made, which is killed and restarted, too; an earlier run's is used again
    #[arg(long)]
    engine: Option<PathBuf>,
    /// Network namespace of an agent, three times; `10.213.N.1` and `10.213.N.2` are its ends, `agentN` ours
    #[arg(long = "namespace")]
    namespaces: Vec<String>,
}

#[derive(Args)]
pub struct RelayArgs {
    /// Where to listen
    #[arg(long)]
    listen: String,
    /// Where to
    #[arg(long)]
    to: String,
}

fn runtime() -> Outcome<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

pub fn run(args: &FaultsArgs) -> Outcome<()> {
    if args.engine.is_some() && args.namespaces.is_empty() {
        // An engine without a bridge removes the one that it finds, and builds would have no network.
        return Err("an engine of the run's own would take the host's docker0 away: use scripts/faults.sh".into());
    }
    if !args.namespaces.is_empty() && args.namespaces.len() != fleet::AGENTS {
        return Err(format!("give --namespace {} times, or not at all", fleet::AGENTS).into());
    }
    if args.jobs == 0 || args.seconds == 0 {
        return Err("--jobs and --seconds are at least 1".into());
    }
    runtime()?.block_on(async {
        let mut terminated = signal(SignalKind::terminate())?;
        // What is asked to end takes its processes with it, as they are dropped.
        tokio::select! {
            whole = whole(args) => whole,
            _ = terminated.recv() => Err("asked to end".into()),
            _ = tokio::signal::ctrl_c() => Err("asked to end".into()),
        }
    })
}

async fn whole(args: &FaultsArgs) -> Outcome<()> {
    let mut fleet = Fleet::start(args).await?;
    let tried = try_it(args, &mut fleet).await;
    if tried.is_err() {
        eprintln!("{}", fleet.logs());
    }
    tried?;
    fleet.end().await
}

/// Carries one agent's link; the other end of a line.
pub fn relay(args: &RelayArgs) -> Outcome<()> {
    runtime()?.block_on(line::relay(&args.listen, &args.to))
}

async fn try_it(args: &FaultsArgs, fleet: &mut Fleet) -> Outcome<()> {
    let begun = Instant::now();
    let load = Load::new(fleet.url(), args)?;
    let over = CancellationToken::new();
    let loading = async {
        let loaded = load.run(Duration::from_secs(args.seconds)).await?;
        over.cancel();
        Ok(loaded)
    };
    // Both to their ends, unless one fails: the last fault heals before anything is judged.
    let (loaded, struck) = tokio::try_join!(loading, fault::strike(args, fleet, load.newest(), &over))?;
    load.check_lists().await?;
    println!(
        "| jobs | ended right | attempts 1, 2, 3 | resubmitted | answers 503 | broken requests | longest job | all |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    println!("{} | {:.0} s |", loaded.row(), begun.elapsed().as_secs_f64());
    println!("\nFaults (seed {}): {struck}", args.seed);
    Ok(())
}
