//! The load and latency programs behind `make bench`.
//!
//! One run, side by side, on one machine: machines are shared and noisy, so
//! only ratios within a run mean something. Every answer is checked while it
//! is timed. The tables go to standard output as Markdown.
//!
//! `compare` is the whole of it: every way to run a program beside every other, and the targets judged by that;
//! `record` puts what one of the others said into the document that it writes.
//! `floor` measures what the kernel asks for a process in new namespaces,
//! `containers` what each container costs and who spends it, `cells` what a cell of a real sandbox does and how exact it is;
//! `cases` measures a job that is judged by many, through a running master, against bare processes with the very same toolchains.
//! `tenants` measures what one tenant loses to another.
//! `simulate` drives the scheduler's own core under a virtual clock; the only figure there that
//! depends on the machine is the rate of decisions, and `decisions` measures what one of them costs.
//! `master` measures what a master takes for each job, with agents that run nothing.
//! `overload` and `agrees` start a master of their own, one with agents that run nothing, the other with real ones.
//! `faults` measures nothing: it strikes a cluster and looks whether it keeps its word.

mod agrees;
mod bare;
mod cases;
mod cells;
mod chance;
mod compare;
mod containers;
mod decisions;
mod faults;
mod floor;
mod master;
mod overload;
mod plots;
mod pool;
mod processes;
mod sim;
mod stats;
mod tenants;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Measures Enclos beside what it is built on")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Processes in new namespaces, against bare ones (needs root)
    Floor(floor::FloorArgs),
    /// Cells of a real sandbox: their rate, and how exact limits are (needs root and an engine)
    Cells(cells::CellsArgs),
    /// Containers of an engine of the run's own: what each costs, by who spends it (needs root and an engine)
    Containers(containers::ContainersArgs),
    /// A job of many cases, and two programs that speak with each other, against bare processes
    Cases(cases::CasesArgs),
    /// Enclos beside bare processes, containers and other sandboxes, in one run (needs root, an engine and its images)
    Compare(compare::CompareArgs),
    /// A cluster under faults: nothing is lost, nothing is left (see `scripts/faults.sh`)
    Faults(faults::FaultsArgs),
    /// Puts standard input into a measured section of a document
    Record(compare::RecordArgs),
    /// Carries connections from one address to another, for `faults`
    #[command(hide = true)]
    Relay(faults::RelayArgs),
    /// What one decision of the scheduler costs, by how many agents there are
    Decisions(decisions::DecisionsArgs),
    /// What the master alone takes for a job, beside a bare database
    Master(master::MasterArgs),
    /// A master offered several times what it can take, with agents that run nothing
    Overload(overload::OverloadArgs),
    /// Whether a real cluster does what the simulator says (needs root, an engine and its images)
    Agrees(agrees::AgreesArgs),
    /// The plan of the warm pool under a virtual clock, beside fixed sizes on the same jobs
    Pool(pool::PoolArgs),
    /// The scheduler under a virtual clock, beside other policies on the same arrivals
    Simulate(sim::SimulateArgs),
    /// A quiet tenant beside one that takes all it may
    Tenants(tenants::TenantsArgs),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Floor(args) => floor::run(&args),
        Command::Cells(args) => cells::run(&args),
        Command::Cases(args) => cases::run(&args),
        Command::Containers(args) => containers::run(&args).map_err(|error| -> Box<dyn std::error::Error> { error }),
        Command::Compare(args) => compare::run(&args).map_err(|error| -> Box<dyn std::error::Error> { error }),
        Command::Record(args) => compare::record(&args).map_err(|error| -> Box<dyn std::error::Error> { error }),
        Command::Faults(args) => faults::run(&args).map_err(|error| -> Box<dyn std::error::Error> { error }),
        Command::Relay(args) => faults::relay(&args).map_err(|error| -> Box<dyn std::error::Error> { error }),
        Command::Master(args) => master::run(&args).map_err(|error| -> Box<dyn std::error::Error> { error }),
        Command::Overload(args) => overload::run(&args).map_err(|error| -> Box<dyn std::error::Error> { error }),
        Command::Agrees(args) => agrees::run(&args).map_err(|error| -> Box<dyn std::error::Error> { error }),
        Command::Decisions(args) => decisions::run(&args),
        Command::Pool(args) => pool::run(&args),
        Command::Simulate(args) => sim::run(&args),
        Command::Tenants(args) => tenants::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
