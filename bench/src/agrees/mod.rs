//! Whether a real cluster does what the simulator says of it: the same jobs, scaled down, on two real agents.
//!
//! What a job costs beside its sleep is measured first, one job after the other, and given to the
//! simulator. Both then have run every known source once before anything is counted.

mod cluster;

use std::time::Duration;

use clap::Args;

use self::cluster::{AGENTS, Cluster, SLOTS};
use crate::sim::{self, Figures, Kind, Offered, Whose, Work, Workload, mean, quantile};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Times are this part of the simulator's.
const SCALE: f64 = 0.2;
/// Longest that a job sleeps.
const SLEEP_MAX: Duration = Duration::from_secs(8);
/// Jobs that are run alone to see what they cost beside their sleep.
const ALONE: u32 = 30;

#[derive(Args)]
pub struct AgreesArgs {
    /// Jobs
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(20..=5000))]
    jobs: u32,
    /// Part of the cluster's time that the jobs need
    #[arg(long, default_value_t = 0.9)]
    utilisation: f64,
    /// Decides the jobs
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What became of the counted jobs with prediction off or on.
struct Pair {
    real: Vec<f32>,
    simulated: Figures,
}

pub fn run(args: &AgreesArgs) -> Outcome<()> {
    if !(args.utilisation > 0.0 && args.utilisation <= 1.5) {
        return Err("--utilisation is above 0, at most 1.5".into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut cost = None;
        let off = one(args, false, &mut cost).await?;
        let on = one(args, true, &mut cost).await?;
        show(args, cost.unwrap_or_default(), &off, &on)
    })
}

/// Both of it, with prediction off or on. `cost` is measured by the first that needs it.
async fn one(args: &AgreesArgs, prediction: bool, cost: &mut Option<Duration>) -> Outcome<Pair> {
    let cluster = Cluster::start(prediction).await?;
    let tried = measure(args, &cluster, prediction, cost).await;
    let ended = cluster.end().await;
    let pair = tried?;
    ended?;
    Ok(pair)
}

async fn measure(args: &AgreesArgs, cluster: &Cluster, prediction: bool, cost: &mut Option<Duration>) -> Outcome<Pair> {
    let mut alone = Vec::new();
    for number in 0..ALONE {
        let work =
            Work { number, at: Duration::ZERO, service: Duration::ZERO, tenant: 0, language: 0, source: 1 << 40 };
        alone.push(cluster.run_alone(&work).await?);
    }
    // The first of them made sandboxes.
    let mut warm = alone.split_off(alone.len() / 2);
    warm.sort_unstable();
    let cost = *cost.get_or_insert(warm[warm.len() / 2]);
    let (known, counted) = works(args, cost);
    cluster.run(&known).await?;
    let times = cluster.run(&counted).await?;
    let slowdown = |(work, time): (&Work, &Duration)| time.as_secs_f32() / (work.service + cost).as_secs_f32();
    let mut real: Vec<f32> = counted.iter().zip(&times).map(slowdown).collect();
    real.sort_unstable_by(f32::total_cmp);
    Ok(Pair { real, simulated: simulated(prediction, &known, &counted, cost) })
}

/// Every known source once, and the jobs that are counted, as they sleep.
fn works(args: &AgreesArgs, cost: Duration) -> (Vec<Work>, Vec<Work>) {
    let offered = Offered {
        kind: Kind::Lone,
        jobs: args.jobs,
        utilisation: args.utilisation,
        slots: SLOTS * u32::try_from(AGENTS).unwrap_or(u32::MAX),
        within_sigma: 0.0,
        burst: 1.0,
        seed: args.seed,
        whose: Whose::All,
    };
    let mut jobs: Vec<Work> = Workload::new(offered).collect();
    let needed = |jobs: &[Work]| jobs.iter().map(|job| job.service.as_secs_f64()).sum::<f64>();
    let before = needed(&jobs);
    for job in &mut jobs {
        job.service = job.service.mul_f64(SCALE).min(SLEEP_MAX);
    }
    let stretch = (needed(&jobs) + cost.as_secs_f64() * jobs.len() as f64) / before;
    let mut known: Vec<Work> = Vec::new();
    for job in &mut jobs {
        job.at = job.at.mul_f64(stretch);
        // Its top bit says that a source is new.
        if job.source >> 63 == 0 && known.iter().all(|other| other.source != job.source) {
            known.push(Work { at: Duration::ZERO, ..*job });
        }
    }
    (known, jobs)
}

fn simulated(prediction: bool, known: &[Work], counted: &[Work], cost: Duration) -> Figures {
    let warm_up = u32::try_from(known.len()).unwrap_or(u32::MAX);
    // What is counted comes when what is known has ended.
    let from = known.iter().map(|work| work.service + cost).sum::<Duration>();
    let later = counted.iter().map(|work| Work { at: work.at + from, ..*work });
    let all = known.iter().copied().chain(later).zip(0..);
    let all: Vec<Work> = all.map(|(work, number)| Work { number, service: work.service + cost, ..work }).collect();
    sim::replay(prediction, &all, &[SLOTS; AGENTS], warm_up)
}

fn show(args: &AgreesArgs, cost: Duration, off: &Pair, on: &Pair) -> Outcome<()> {
    println!(
        "{} jobs (seed {}) on {AGENTS} agents of {SLOTS} slots; a job costs {cost:.1?} beside its sleep.\n",
        args.jobs, args.seed
    );
    println!("| slowdown | mean | p50 | p90 | p99 |\n|---|---|---|---|---|");
    let rows = [
        ("prediction off, simulated", &off.simulated.slowdowns),
        ("prediction on, simulated", &on.simulated.slowdowns),
        ("prediction off, real", &off.real),
        ("prediction on, real", &on.real),
    ];
    for (name, sorted) in rows {
        let at = |part| quantile(sorted, part);
        println!("| {name} | {:.2} | {:.2} | {:.2} | {:.2} |", mean(sorted), at(0.5), at(0.9), at(0.99));
    }
    let lower = |off: &[f32], on: &[f32]| mean(on) < mean(off);
    if lower(&off.simulated.slowdowns, &on.simulated.slowdowns) == lower(&off.real, &on.real) {
        println!("\nThe real cluster orders the two as the simulator does.");
        Ok(())
    } else {
        Err("the real cluster orders the two otherwise than the simulator".into())
    }
}
