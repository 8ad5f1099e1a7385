//! The simulator: the scheduler's own core under a virtual clock, beside what others do, on the same arrivals.
//!
//! ```text
//! workload (seed) ─▶ world: virtual clock, agents, faults ─▶ policy: baselines, or the core itself
//!                                    │
//!                                    └─▶ measure ─▶ tables and plots
//! ```
//!
//! Nothing here knows how the core decides, and nothing it decides depends on the real clock: the
//! same seed gives the same run. Only the rate of decisions is measured by the machine's clock.

mod baselines;
mod cluster;
mod faults;
mod measure;
mod plot;
mod policy;
mod workload;
mod world;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use enclos::access::WEIGHT_MAX;

use self::baselines::{Bound, Central, Choice};
use self::cluster::{Cluster, Sight};
use self::faults::Faults;
pub use self::measure::{Figures, mean, quantile};
use self::policy::Policy;
pub use self::workload::{Kind, Offered, Whose, Work, Workload};
use self::world::World;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Most agents and jobs of a run: what a job and an agent are numbered with, and memory, bound them.
const AGENTS_MAX: usize = 20_000;
const JOBS_MAX: u32 = 10_000_000;

/// The first jobs, one of so many, find an empty cluster and are left out.
const WARM_UP_PART: u32 = 10;

/// Who decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Named {
    /// Any agent, a queue for each
    Random,
    /// One agent after the other, a queue for each
    RoundRobin,
    /// The agent with the fewest jobs for its slots, a queue for each
    LeastConnections,
    /// The better of two agents, a queue for each
    TwoChoices,
    /// One queue, first come, first served
    CentralFifo,
    /// One queue, but whoever is not the first tenant goes first: the least that they can wait
    /// where no slot is kept idle and nothing is interrupted
    OthersFirst,
    /// Ours without prediction
    EnclosOff,
    /// The same, each tenant weighted by what it offers
    EnclosWeighted,
    /// Ours with prediction
    Enclos,
    /// Ours with the true times for predictions
    Oracle,
    /// Ours with the inverse of the true times for predictions
    Inverted,
}

impl Named {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn policy(self, offered: &Offered) -> Box<dyn Policy> {
        let bound = |choice| -> Box<dyn Policy> { Box::new(Bound::new(choice, offered.seed)) };
        let ours = |sight| -> Box<dyn Policy> { Box::new(Cluster::new(sight, offered.kind.tenants())) };
        match self {
            Self::Random => bound(Choice::Random),
            Self::RoundRobin => bound(Choice::RoundRobin),
            Self::LeastConnections => bound(Choice::LeastConnections),
            Self::TwoChoices => bound(Choice::TwoChoices),
            Self::CentralFifo => Box::new(Central::default()),
            Self::OthersFirst => Box::new(Central::others_first()),
            Self::EnclosOff => ours(Sight::None),
            Self::EnclosWeighted => {
                let weights = Workload::new(*offered).weights(WEIGHT_MAX);
                Box::new(Cluster::weighted(Sight::None, offered.kind.tenants(), &weights))
            }
            Self::Enclos => ours(Sight::History),
            Self::Oracle => ours(Sight::Truth),
            Self::Inverted => ours(Sight::Inverse),
        }
    }
}

#[derive(Args)]
pub struct SimulateArgs {
    /// Agents
    #[arg(long, default_value_t = 100)]
    agents: usize,
    /// Slots of the agents, in turn (1 to 8 each)
    #[arg(long, value_delimiter = ',', default_value = "1,2,4")]
    slots: Vec<u32>,
    /// Jobs; the first tenth is not counted
    #[arg(long, default_value_t = 100_000)]
    jobs: u32,
    /// Part of the cluster's time that the jobs need (`flood` has its own)
    #[arg(long, default_value_t = 0.9)]
    utilisation: f64,
    /// Deviation of the logarithms of one source's times
    #[arg(long, default_value_t = 0.5)]
    within: f64,
    /// How much faster jobs come in a burst of `bursty` than on the average
    #[arg(long, default_value_t = 1.5)]
    burst: f64,
    /// Decides jobs, faults and whatever else is left to chance
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Which jobs come; several are run one after the other
    #[arg(long, value_delimiter = ',', default_value = "lognormal")]
    workload: Vec<Kind>,
    /// Who decides; all without it
    #[arg(long, value_delimiter = ',')]
    policy: Vec<Named>,
    /// Agents die, are cut off, lag, lie about their load and fail jobs
    #[arg(long)]
    faults: bool,
    /// A directory for plots of waits and slowdowns, one of each for a workload
    #[arg(long, value_name = "DIR")]
    plots: Option<PathBuf>,
}

impl SimulateArgs {
    fn check(&self) -> Outcome<()> {
        if self.agents == 0 || self.agents > AGENTS_MAX {
            return Err(format!("--agents is 1 to {AGENTS_MAX}").into());
        }
        if self.jobs == 0 || self.jobs > JOBS_MAX {
            return Err(format!("--jobs is 1 to {JOBS_MAX}").into());
        }
        if self.slots.is_empty() || self.slots.iter().any(|slots| !(1..=8).contains(slots)) {
            return Err("--slots are 1 to 8 each".into());
        }
        if !(self.utilisation > 0.0 && self.utilisation <= 1.5) {
            return Err("--utilisation is above 0, at most 1.5".into());
        }
        if !(self.burst >= 1.0 && self.burst < workload::BURST_MAX) {
            return Err(format!("--burst is at least 1, below {}", workload::BURST_MAX).into());
        }
        if !(0.0..=3.0).contains(&self.within) {
            return Err("--within is 0 to 3".into());
        }
        Ok(())
    }

    /// Slots of each agent.
    fn sizes(&self, agents: usize) -> Vec<u32> {
        self.slots.iter().copied().cycle().take(agents).collect()
    }

    fn offered(&self, kind: Kind) -> Offered {
        Offered {
            kind,
            jobs: self.jobs,
            utilisation: self.utilisation,
            slots: self.sizes(self.agents).iter().sum(),
            within_sigma: self.within,
            burst: self.burst,
            seed: self.seed,
            whose: Whose::All,
        }
    }

    fn faults(&self) -> Faults {
        if self.faults { Faults::of(self.seed) } else { Faults::none() }
    }
}

pub fn run(args: &SimulateArgs) -> Outcome<()> {
    args.check()?;
    let named = if args.policy.is_empty() { Named::value_variants() } else { &args.policy };
    for kind in &args.workload {
        let offered = args.offered(*kind);
        let mean = Workload::new(offered).mean();
        println!(
            "\n{} agents, {} slots, {} jobs of {mean:.2?} on the average, {}:\n",
            args.agents,
            offered.slots,
            args.jobs,
            kind.name()
        );
        println!("{}", Figures::HEAD);
        let mut seen = Vec::new();
        for policy in named {
            let figures = simulate(*policy, offered, &args.sizes(args.agents), args.faults());
            println!("{}", figures.row(&policy.name()));
            seen.push((policy.name(), figures));
        }
        if *kind == Kind::Flood {
            others_of_a_flood(args, offered, &seen);
        } else if kind.tenants() > 1 {
            by_tenant(&seen);
        }
        if let Some(directory) = &args.plots {
            draw(directory, &format!("{}-{}", kind.name(), args.agents), &seen)?;
        }
    }
    Ok(())
}

/// One run of one policy.
fn simulate(named: Named, offered: Offered, slots: &[u32], faults: Faults) -> Figures {
    let mut policy = named.policy(&offered);
    World::new(policy.as_mut(), slots, faults, offered.jobs / WARM_UP_PART).run(Workload::new(offered))
}

/// What ours makes of these jobs where nothing goes wrong; the first `warm_up` are not counted.
pub fn replay(prediction: bool, works: &[Work], slots: &[u32], warm_up: u32) -> Figures {
    let mut cluster = Cluster::new(if prediction { Sight::History } else { Sight::None }, 1);
    World::new(&mut cluster, slots, Faults::none(), warm_up).run(works.iter().copied())
}

/// What tenants fare like, each counted once however much it offers.
fn by_tenant(seen: &[(String, Figures)]) {
    println!("\n| mean slowdown of a tenant | of the best | the median | the worst | of the first, who offers most |");
    println!("|---|---|---|---|---|");
    for (name, figures) in seen {
        let first = figures.tenants.first().copied().unwrap_or_default();
        let mut sorted = figures.tenants.clone();
        sorted.sort_unstable_by(f32::total_cmp);
        let at = |part| quantile(&sorted, part);
        println!("| {name} | {:.2} | {:.2} | {:.2} | {first:.2} |", at(0.0), at(0.5), at(1.0));
    }
}

/// Waits of those that do not flood, beside those on clusters that are theirs alone: all of them on
/// what is left without the flooding tenant's share, and each on its own share.
fn others_of_a_flood(args: &SimulateArgs, offered: Offered, seen: &[(String, Figures)]) {
    println!("\n| the others' waits, ms | p50 | p99 | p99.9 | longest |\n|---|---|---|---|---|");
    let row = |name: &str, sorted: &[f32]| {
        let wait = |part| quantile(sorted, part) * 1000.0;
        println!("| {name} | {:.1} | {:.0} | {:.0} | {:.0} |", wait(0.5), wait(0.99), wait(0.999), wait(1.0));
    };
    for (name, figures) in seen {
        row(name, &figures.others_waits_s);
    }
    let tenants = u32::from(workload::FLOOD_TENANTS);
    let alone = |whose, slots| {
        let sizes = no_more_than(slots, &args.sizes(args.agents));
        simulate(Named::CentralFifo, Offered { whose, ..offered }, &sizes, args.faults()).others_waits_s
    };
    let share = offered.slots / tenants;
    row(
        "all of them on nine tenths of the cluster, without the flood",
        &alone(Whose::ButTheFirst, offered.slots - share),
    );
    let each = (1..workload::FLOOD_TENANTS).flat_map(|tenant| alone(Whose::Only(tenant), share));
    let mut each: Vec<f32> = each.collect();
    each.sort_unstable_by(f32::total_cmp);
    row("each of them on its own tenth of the cluster", &each);
    // So many slots come free in no order that has a memory.
    let free_s = Workload::new(offered).mean().as_secs_f64() / f64::from(offered.slots);
    let free = |part: f64| -(1.0 - part).ln() * free_s * 1000.0;
    println!(
        "| until a slot of the full cluster comes free, by theory | {:.1} | {:.0} | {:.0} | |",
        free(0.5),
        free(0.99),
        free(0.999)
    );
}

/// The first of these agents, the last of them smaller, so that together they have so many slots.
fn no_more_than(slots: u32, sizes: &[u32]) -> Vec<u32> {
    let mut left = slots;
    let taken = sizes.iter().map_while(|size| {
        let size = (*size).min(left);
        left -= size;
        (size > 0).then_some(size)
    });
    taken.collect()
}

fn draw(directory: &std::path::Path, name: &str, seen: &[(String, Figures)]) -> Outcome<()> {
    type Series = fn(&Figures) -> &[f32];
    std::fs::create_dir_all(directory)?;
    let plots: [(&str, &str, f64, Series); 2] = [
        ("slowdown", "slowdown, times", 1.0, |figures| &figures.slowdowns),
        ("wait", "wait, seconds", 0.001, |figures| &figures.waits_s),
    ];
    for (what, unit, floor, series) in plots {
        let curves = seen.iter().map(|(name, figures)| plot::Curve { name: name.clone(), sorted: series(figures) });
        let curves: Vec<plot::Curve<'_>> = curves.collect();
        let path = directory.join(format!("{what}-{name}.svg"));
        plot::tails(&path, &format!("{what}: {name} agents"), (unit, floor), &curves)?;
    }
    Ok(())
}
