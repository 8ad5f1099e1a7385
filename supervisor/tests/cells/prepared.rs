//! The cell that waits for the next step: what it is held to, and that nobody meets anybody in it.

use std::fs;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use enclos_protocol::outcome::{Exit, Stop};
use enclos_protocol::supervisor_link::{Report, Request, StdinSource, StepRequest};
use enclos_supervisor::sys;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_bytes::ByteBuf;

use crate::support::{Ran, Sandbox, shell};

/// Longest that a cell may take to be there.
const WAIT: Duration = Duration::from_secs(20);

fn with_memory(code: &str, memory_bytes: u64) -> StepRequest {
    let mut step = shell(code);
    step.limits.memory_bytes = memory_bytes;
    step.limits.file_bytes = 1 << 30;
    step
}

fn ended_well(ran: &Ran) {
    assert_eq!(ran.facts.exit, Some(Exit::Code(0)), "{ran:?}");
}

/// The first processes of the sandbox's cells as soon as there are `count`.
fn cells(sandbox: &Sandbox, count: usize) -> Vec<i32> {
    let deadline = Instant::now() + WAIT;
    loop {
        let processes = sandbox.first_processes();
        if processes.len() == count {
            return processes;
        }
        assert!(Instant::now() < deadline, "{count} cells: {processes:?}");
        thread::yield_now();
    }
}

/// Runs a step to its end whose program does `code` when the next cell waits beside it; gives both.
fn cells_while_it_runs(sandbox: &mut Sandbox, code: &str) -> Vec<i32> {
    let step = StepRequest { stdin: StdinSource::Live, ..shell(&format!("read line; {code}")) };
    sandbox.ask(&Request::RunStep(Box::new(step)));
    assert!(matches!(sandbox.report(), Report::StdinTaken { taken: 0, closed: false }), "it runs");
    let both = cells(sandbox, 2);
    sandbox.ask(&Request::Stdin { bytes: ByteBuf::from("\n"), last: true });
    while !matches!(sandbox.report(), Report::StepDone(_)) {}
    both
}

/// The cell that waits, in a sandbox between two jobs: what earlier ones left is gone then.
fn waiting(sandbox: &mut Sandbox) -> i32 {
    sandbox.begin_job(&[], "");
    assert_eq!(sandbox.end_job(), [""; 0]);
    cells(sandbox, 1)[0]
}

#[test]
fn each_step_runs_in_the_cell_that_waited_and_another_waits_after_it() {
    let mut sandbox = Sandbox::with_cgroups();
    let waited = waiting(&mut sandbox);
    sandbox.begin_job(&[], "");
    let both = cells_while_it_runs(&mut sandbox, "true");
    assert!(both.contains(&waited), "{both:?} {waited}");
    assert_eq!(sandbox.end_job(), [""; 0]);
    let waits = cells(&sandbox, 1)[0];
    assert!(waits != waited && both.contains(&waits), "each serves one step: {both:?} {waited} {waits}");
}

#[test]
fn limits_of_the_step_hold_in_a_cell_that_was_made_before_it() {
    const MIB: u64 = 1 << 20;
    let mut sandbox = Sandbox::with_cgroups();
    sandbox.begin_job(&[], "");
    for memory_bytes in [32 * MIB, 64 * MIB, 16 * MIB] {
        let code = "for at in /job /tmp /dev/shm; do echo $(($(stat -f -c '%b * %S' $at))) $(stat -f -c %c $at); done";
        let ran = sandbox.run(with_memory(code, memory_bytes));
        assert_eq!(ran.stdout, format!("{} 32768\n", memory_bytes / 2).repeat(3), "{ran:?}");
    }
    let ran = sandbox.run(with_memory("head -c 20m /dev/zero > /tmp/x", 32 * MIB));
    assert!(ran.stderr.contains("No space left"), "{ran:?}");
    let ran = sandbox.run(with_memory("tail /dev/zero", 32 * MIB));
    assert!(ran.facts.oom_kills > 0 && ran.facts.memory_peak_bytes <= 32 * MIB, "{ran:?}");
    let mut step = shell("for i in 1 2 3 4 5 6; do sleep 10 & done; wait");
    step.limits.pids = 3;
    let ran = sandbox.run(step);
    assert!(ran.facts.pids_refused > 0, "{ran:?}");
    let mut step = shell("while :; do :; done");
    step.limits.cpu_ms = 100;
    let facts = sandbox.run(step).facts;
    assert!(facts.stop == Some(Stop::CpuLimit) && facts.cpu_us > 100_000, "{facts:?}");
    assert_eq!(sandbox.end_job(), [""; 0]);
}

#[test]
fn a_cell_that_waited_meets_nothing_of_the_step_beside_which_it_was_made() {
    let mut sandbox = Sandbox::with_cgroups();
    sandbox.begin_job(&[], "");
    let leave = "for at in /job /tmp /dev/shm; do echo secret > $at/left; done; setsid sleep 100 &";
    cells_while_it_runs(&mut sandbox, leave);
    let look = "ls -A /job /tmp /dev/shm | grep -v :; set -- /proc/[0-9]*; echo $#; tail -n +2 /proc/sysvipc/shm; \
        tail -n +2 /proc/net/unix; id -u; hostname";
    let after = sandbox.run(shell(look));
    let mut other = Sandbox::with_cgroups();
    other.begin_job(&[], "");
    assert_eq!(after.stdout, other.run(shell(look)).stdout, "as in a sandbox in which nothing has run");
    ended_well(&after);
    assert_eq!(sandbox.end_job(), [""; 0]);
}

#[test]
fn a_program_that_kills_all_that_it_can_ends_no_cell_that_waits() {
    let mut sandbox = Sandbox::with_cgroups();
    sandbox.begin_job(&[], "");
    let before = cells_while_it_runs(
        &mut sandbox,
        "exec 2> /dev/null; kill -9 1; kill -9 -1; for p in /proc/[0-9]*; do kill -9 ${p#/proc/}; done",
    );
    assert_eq!(sandbox.end_job(), [""; 0]);
    let waits = cells(&sandbox, 1)[0];
    assert!(before.contains(&waits), "{before:?} {waits}");
    sandbox.begin_job(&[], "");
    ended_well(&sandbox.run(shell("true")));
}

/// What a cell that waits has open beside the socket by which it hears of its step, as soon as it has closed all that
/// it is not to have.
fn held(cell: i32) -> Vec<PathBuf> {
    let deadline = Instant::now() + WAIT;
    loop {
        let entries = fs::read_dir(format!("/proc/{cell}/fd")).expect("the cell is there");
        let open = entries.filter_map(|entry| fs::read_link(entry.expect("an entry").path()).ok());
        let (sockets, mut others): (Vec<_>, Vec<_>) =
            open.partition(|target| target.to_string_lossy().starts_with("socket:"));
        // The supervisor's own three, and the container's `/proc`.
        if sockets.len() == 1 && others.len() == 4 {
            others.sort();
            return others;
        }
        assert!(Instant::now() < deadline, "{sockets:?} {others:?}");
        thread::yield_now();
    }
}

#[test]
fn a_cell_that_waits_holds_no_descriptor_of_the_job_beside_which_it_was_made() {
    let mut sandbox = Sandbox::with_cgroups();
    let before = held(waiting(&mut sandbox));
    sandbox.begin_job(&[("brought", "x")], "input");
    cells_while_it_runs(&mut sandbox, "true");
    assert_eq!(sandbox.end_job(), [""; 0]);
    let after = held(cells(&sandbox, 1)[0]);
    assert_eq!(after, before, "as one that was made where no job was");
}

#[test]
fn a_cell_that_dies_while_it_waits_is_replaced_unnoticed() {
    let mut sandbox = Sandbox::with_cgroups();
    for _ in 0..3 {
        let waits = waiting(&mut sandbox);
        let ended = sys::pidfd(waits).unwrap();
        kill(Pid::from_raw(waits), Signal::SIGKILL).unwrap();
        assert_eq!(poll(&mut [PollFd::new(ended.as_fd(), PollFlags::POLLIN)], PollTimeout::MAX), Ok(1));
        sandbox.begin_job(&[], "");
        let ran = sandbox.run(shell("echo here"));
        assert_eq!(ran.stdout, "here\n", "{ran:?}");
        assert_eq!(sandbox.end_job(), [""; 0]);
    }
}

#[test]
fn a_sandbox_that_is_destroyed_while_a_cell_waits_leaves_nothing() {
    let mut sandbox = Sandbox::with_cgroups();
    let waits = waiting(&mut sandbox);
    let group = sandbox.destroy().unwrap();
    assert!(!Path::new(&format!("/proc/{waits}")).exists());
    group.remove().expect("nobody is in its cgroups");
}

#[test]
fn a_thousand_cells_in_a_row_leave_the_base_state() {
    let mut sandbox = Sandbox::with_cgroups();
    for _ in 0..10 {
        sandbox.begin_job(&[], "");
        for _ in 0..100 {
            ended_well(&sandbox.run(shell(":")));
        }
        assert_eq!(sandbox.end_job(), [""; 0]);
    }
}
