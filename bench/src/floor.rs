//! What the kernel asks for a process in new namespaces: the floor under every cell.

use std::ffi::CString;
use std::io;
use std::time::{Duration, Instant};

use clap::Args;
use enclos_supervisor::sys::{self, Fork};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use crate::stats::{Series, ms, ratio};

/// Sets of namespaces, from none to all that a cell has.
const SETS: [(&str, i32); 6] = [
    ("none (bare fork and exec)", 0),
    ("user", libc::CLONE_NEWUSER),
    ("user, pid, mount", libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::CLONE_NEWNS),
    ("… and uts", libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWUTS),
    (
        "… and ipc",
        libc::CLONE_NEWUSER | libc::CLONE_NEWPID | libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC,
    ),
    ("… and net (all of a cell)", sys::CELL_NAMESPACES),
];

#[derive(Args)]
pub struct FloorArgs {
    /// Processes per set
    #[arg(long, default_value_t = 500)]
    count: usize,
    /// Only a cell's namespaces, for so long; says how many a second
    #[arg(long, hide = true)]
    cell_ms: Option<u64>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct FloorError(#[from] io::Error);

pub fn run(args: &FloorArgs) -> Result<(), Box<dyn std::error::Error>> {
    if let Some(ms) = args.cell_ms {
        println!("{}", cells_per_second(Duration::from_millis(ms))?);
        return Ok(());
    }
    println!("| namespaces of the process | p50 ms | p99 ms | per second | against bare |");
    println!("|---|---|---|---|---|");
    let mut base = None;
    for (name, flags) in SETS {
        let begun = Instant::now();
        let times: Vec<Duration> = (0..args.count).map(|_| once(flags)).collect::<Result<_, _>>()?;
        let per_second = args.count as f64 / begun.elapsed().as_secs_f64();
        let series = Series::of(times);
        let p50 = series.percentile(50);
        let base = *base.get_or_insert(p50);
        println!("| {name} | {} | {} | {per_second:.0} | {} |", ms(p50), ms(series.percentile(99)), ratio(p50, base));
    }
    Ok(())
}

/// One after the other in all namespaces of a cell.
fn cells_per_second(time: Duration) -> Result<f64, FloorError> {
    let begun = Instant::now();
    let mut done = 0_u32;
    while begun.elapsed() < time {
        once(sys::CELL_NAMESPACES)?;
        done += 1;
    }
    Ok(f64::from(done) / begun.elapsed().as_secs_f64())
}

/// Forks into new namespaces, executes `true`, and waits for its end.
fn once(flags: i32) -> Result<Duration, FloorError> {
    let program = CString::new("/bin/true").map_err(io::Error::other)?;
    let begun = Instant::now();
    match sys::fork(flags)? {
        Fork::Child => {
            let _ = sys::exec(&program, std::slice::from_ref(&program), &[]);
            sys::exit_now(127)
        }
        Fork::Parent { child } => {
            waitpid(Pid::from_raw(child), None).map_err(io::Error::from)?;
        }
    }
    Ok(begun.elapsed())
}
