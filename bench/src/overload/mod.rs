//! A real master offered several times what it can take: what it accepts ends, what it refuses is told
//! why, and its memory stays as it is.
//!
//! ```text
//! this process: load, open loop ─ HTTP ─▶ master (a process of its own) ◀─ link ─ agents that run nothing (here)
//!               memory of the master, each second
//! ```

pub mod agents;
mod load;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::agents::Work;
use self::load::Answers;
use crate::processes::{Master, wait_until};
use crate::stats::ms;

pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Jobs that are offered in all, at most.
const OFFERED_MAX: u32 = 2_000_000;
/// Memory that the master may gain from the end of the first third of the load to its end, in bytes:
/// what finished jobs cost is on disk, so nothing should be left but what an allocator keeps.
const GROWTH_BYTES_MAX: u64 = 64 << 20;
/// Rows of memory that are shown.
const MEMORY_ROWS_MAX: usize = 8;
/// Lines of the master's log that a failed run shows.
const LOG_LINES_MAX: usize = 20;

#[derive(Args)]
pub struct OverloadArgs {
    /// How long jobs are offered
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Jobs offered in a second, whatever becomes of those before
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Agents
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    agents: u32,
    /// Jobs that an agent runs at once
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    slots: u32,
    /// How long an agent takes for a job
    #[arg(long, default_value_t = 20, value_name = "MS")]
    job_ms: u64,
    /// Programs that jobs are of, in turn; each job has its own without it, which the master remembers up to a bound
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    programs: Option<u32>,
    /// Jobs that may wait at the master
    #[arg(long, default_value_t = 1000)]
    queue: u32,
}

pub fn run(args: &OverloadArgs) -> Outcome<()> {
    let count = args.rate.checked_mul(args.seconds).filter(|count| *count <= OFFERED_MAX);
    let count = count.ok_or(format!("--rate times --seconds is at most {OFFERED_MAX}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let master = Master::start("overload", &["--queue-jobs-max".to_owned(), args.queue.to_string()]).await?;
        let tried = overload(args, &master, count).await;
        if tried.is_err() {
            let log = master.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("{}", lines[lines.len().saturating_sub(LOG_LINES_MAX)..].join("\n"));
        }
        let ended = master.end().await;
        tried.and(ended)
    })
}

async fn overload(args: &OverloadArgs, master: &Master, count: u32) -> Outcome<()> {
    let over = CancellationToken::new();
    let mut agents = JoinSet::new();
    for number in 0..args.agents {
        let work = Work { job_time: Duration::from_millis(args.job_ms), said: "" };
        agents.spawn(agents::serve(master.link(), format!("fake-{number}"), args.slots, work, over.clone()));
    }
    let all = args.agents as usize;
    wait_until("every agent is connected", || async { master.connected().await.is_ok_and(|n| n == all) }).await?;
    let done = CancellationToken::new();
    let url = master.url();
    let offering = async {
        let answers = load::offer(&url, args.rate, count, args.programs).await;
        done.cancel();
        answers
    };
    let (answers, memory) = tokio::join!(offering, watch_memory(master, &done));
    let (mut answers, memory) = (answers?, memory?);
    let begun = Instant::now();
    wait_until("what was accepted has ended", || async { is_idle(master).await.is_ok_and(|idle| idle) }).await?;
    let drained = begun.elapsed();
    show(&mut answers, &memory, count, drained);
    check_accepted(master, &answers).await?;
    check_memory(&memory)?;
    let again = load::offer(&url, 1, 1, None).await?;
    if again.accepted.len() != 1 {
        return Err("a job is refused though nothing waits any more".into());
    }
    over.cancel();
    let mut answered = 0;
    while let Some(served) = agents.join_next().await {
        answered += served??;
    }
    println!("\nEvery accepted job ended once, and is listed once; {answered} were answered by agents.");
    Ok(())
}

/// Whether nothing waits and nothing runs.
pub async fn is_idle(master: &Master) -> Outcome<bool> {
    let stats = master.ask("/v1/stats").await?;
    Ok(stats["queued"] == 0 && stats["running"] == 0)
}

/// Memory of the master at each second until `done`.
async fn watch_memory(master: &Master, done: &CancellationToken) -> Outcome<Vec<u64>> {
    let mut clock = interval(Duration::from_secs(1));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = Vec::new();
    loop {
        // Both arms lose nothing when they are dropped.
        tokio::select! {
            () = done.cancelled() => break,
            _ = clock.tick() => seen.push(master.resident_bytes()?),
        }
    }
    seen.push(master.resident_bytes()?);
    Ok(seen)
}

fn show(answers: &mut Answers, memory: &[u64], count: u32, drained: Duration) {
    let seconds = answers.took.as_secs_f64();
    let refused: u64 = answers.refused.values().sum();
    let accepted = answers.accepted.len();
    let (of_accepted, of_refused) = answers.series();
    println!("{count} jobs offered within {seconds:.1} s; what waited then had ended {drained:.1?} later.\n");
    println!("| | count | per second | answered p50 ms | p99 ms |\n|---|---|---|---|---|");
    for (name, number, series) in [("accepted", accepted as f64, of_accepted), ("refused", refused as f64, of_refused)]
    {
        let (p50, p99) = (ms(series.percentile(50)), ms(series.percentile(99)));
        println!("| {name} | {number:.0} | {:.0} | {p50} | {p99} |", number / seconds);
    }
    let reasons: Vec<String> = answers.refused.iter().map(|(rule, times)| format!("{rule}: {times}")).collect();
    println!("\nRefusals: {}; without a reason or broken: {}.\n", reasons.join(", "), answers.wrong.0);
    println!("| second | memory of the master, MB |\n|---|---|");
    let step = memory.len().div_ceil(MEMORY_ROWS_MAX).max(1);
    let last = memory.len().saturating_sub(1);
    for (second, bytes) in memory.iter().enumerate().filter(|(second, _)| second % step == 0 || *second == last) {
        println!("| {second} | {} |", bytes / 1_000_000);
    }
}

fn check_memory(memory: &[u64]) -> Outcome<()> {
    let third = memory.get(memory.len() / 3).copied().unwrap_or(0);
    let last = memory.last().copied().unwrap_or(0);
    if last.saturating_sub(third) > GROWTH_BYTES_MAX {
        return Err(format!("the master grew from {third} to {last} bytes while it was overloaded").into());
    }
    Ok(())
}

/// The master lists what it accepted, each once, ended well, and nothing else.
async fn check_accepted(master: &Master, answers: &Answers) -> Outcome<()> {
    if answers.wrong.0 > 0 {
        return Err(format!("not all answers are as they should be: {:#?}", answers.wrong.1).into());
    }
    let accepted: BTreeSet<&str> = answers.accepted.iter().map(String::as_str).collect();
    if accepted.len() != answers.accepted.len() {
        return Err("two submissions were given one id".into());
    }
    check_listed(master, accepted).await
}

/// The master lists these jobs, each once, ended well, and no others.
pub async fn check_listed(master: &Master, mut accepted: BTreeSet<&str>) -> Outcome<()> {
    let mut path = "/v1/jobs?limit=100".to_owned();
    loop {
        let page: Value = master.ask(&path).await?;
        for job in page["jobs"].as_array().ok_or("a page has jobs")? {
            let id = job["id"].as_str().unwrap_or_default();
            if !accepted.remove(id) || job["state"] != "finished" || job["outcome"] != "ok" {
                return Err(format!("nobody's, listed twice, or not ended well: {job:#}").into());
            }
        }
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/v1/jobs?limit=100&cursor={cursor}");
    }
    if accepted.is_empty() { Ok(()) } else { Err(format!("accepted and lost: {accepted:?}").into()) }
}
