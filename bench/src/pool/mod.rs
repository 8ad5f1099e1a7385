//! The pool's plan under a virtual clock, beside fixed sizes on the same jobs.
//!
//! What a start and an end cost is measured on a real engine and written in `world`; nothing else depends on a
//! machine, so the same seed gives the same table everywhere.

mod measure;
mod plot;
mod policy;
mod workload;
mod world;

use std::path::PathBuf;

use clap::Args;

use self::measure::Figures;
use self::policy::{CORES, Policy, SLOTS};
use self::workload::Kind;
use self::world::World;
use crate::plots::Outcome;

#[derive(Args)]
pub struct PoolArgs {
    /// Jobs of each workload
    #[arg(long, default_value_t = 4000, value_parser = clap::value_parser!(u64).range(100..=1_000_000))]
    jobs: u64,
    /// Decides what comes when
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Shows every fixed size, not the cheapest alone
    #[arg(long)]
    all: bool,
    /// A directory for a plot
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

pub fn run(args: &PoolArgs) -> Outcome<()> {
    let count = usize::try_from(args.jobs)?;
    println!("{count} jobs of each workload, seed {}; {CORES} cores, {SLOTS} slots.\n", args.seed);
    let mut shown = Vec::new();
    let mut rows = Vec::new();
    for kind in Kind::ALL {
        let (texts, costs): (Vec<String>, Vec<f64>) = measured(kind, count, args.seed).into_iter().unzip();
        let fixed = Policy::ALL.iter().zip(&costs).filter(|(policy, _)| policy.is_fixed());
        let best = fixed.map(|(_, cost)| *cost).fold(f64::INFINITY, f64::min);
        for ((policy, cost), text) in Policy::ALL.iter().zip(&costs).zip(&texts) {
            if args.all || policy.is_adaptive() || *cost <= best {
                shown.push(text.clone());
            }
        }
        rows.push((kind, costs.into_iter().map(|cost| cost / best).collect::<Vec<_>>()));
    }
    println!("| workload | cheapest fixed | adaptive, in parts of it |\n|---|---|---|");
    for (kind, costs) in &rows {
        let of = |which: fn(&Policy) -> bool| {
            let those = Policy::ALL.iter().zip(costs).filter(move |(policy, _)| which(policy));
            those.min_by(|a, b| a.1.total_cmp(b.1)).map(|(policy, _)| policy.name()).unwrap_or_default()
        };
        let adaptive: Vec<String> = Policy::ALL
            .iter()
            .zip(costs)
            .filter(|(policy, _)| policy.is_adaptive())
            .map(|(policy, cost)| format!("{cost:.2} ({} at least)", policy.stock()))
            .collect();
        println!("| {} | {} | {} |", kind.name(), of(Policy::is_fixed), adaptive.join(", "));
    }
    println!(
        "\n| workload | pool | hits | wait p50 ms | p95 | p99 | containers a job | CPU ms a job for them | lost ms a job \
         | sandbox-s a job | cost |\n|---|---|---|---|---|---|---|---|---|---|---|\n{}",
        shown.join("\n")
    );
    if let Some(directory) = &args.plots {
        std::fs::create_dir_all(directory)?;
        plot::costs(&directory.join("pool.svg"), &rows)?;
    }
    Ok(())
}

/// A row for each policy, and what it costs.
fn measured(kind: Kind, count: usize, seed: u64) -> Vec<(String, f64)> {
    let jobs = kind.jobs(count, seed);
    let row = |policy: &Policy| {
        let figures = Figures::of(World::new(*policy, kind.images(), &jobs).run());
        let Figures { hits, waits_ms: [p50, p95, p99], started, creation_ms, lost_ms, held_s } = figures;
        let text = format!(
            "| {} | {} | {:.1}% | {p50:.0} | {p95:.0} | {p99:.0} | {started:.3} | {creation_ms:.1} | {lost_ms:.1} \
             | {held_s:.1} | {:.1} |",
            kind.name(),
            policy.name(),
            hits * 100.0,
            figures.cost_ms(),
        );
        (text, figures.cost_ms())
    };
    Policy::ALL.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::world::TAIL_S;
    use super::*;

    #[test]
    fn every_job_ends_under_every_policy_and_the_same_way_again() {
        for kind in Kind::ALL {
            let jobs = kind.jobs(300, 7);
            for policy in Policy::ALL {
                let of = || World::new(policy, kind.images(), &jobs).run();
                let seen = of();
                assert_eq!((seen.waits.len(), seen.lost.len()), (300, 300), "{kind:?} {policy:?}");
                assert!(seen.started >= seen.stopped && seen.lost.iter().all(|lost| *lost > -1e-6));
                assert_eq!(Figures::of(seen), Figures::of(of()));
            }
        }
    }

    #[test]
    fn what_is_held_after_the_last_job_is_charged() {
        let jobs = &Kind::Waiting.jobs(100, 7)[..1];
        let held = |policy: Policy| World::new(policy, 1, jobs).run().held_s;
        // Its bound sandbox for a minute, and others that nobody uses for the whole time.
        assert!(held(Policy::Fixed(0)) < 100.0 && held(Policy::Fixed(4)) > 4.0 * TAIL_S);
    }

    #[test]
    fn a_job_on_idle_cores_with_a_warm_sandbox_loses_nothing() {
        let jobs = &Kind::SingleUse.jobs(100, 7)[..1];
        let figures = Figures::of(World::new(Policy::Fixed(1), 1, jobs).run());
        assert!(figures.lost_ms < 1e-3 && figures.hits > 0.99, "{figures:?}");
        let figures = Figures::of(World::new(Policy::Fixed(0), 1, jobs).run());
        assert!((figures.lost_ms - 360.0).abs() < 1e-3 && figures.hits < 0.01, "{figures:?}");
    }
}
