//! First process of every sandbox: runs each step of a job in a cell of its own.
//!
//! # Theory of operation
//!
//! ```text
//! container (engine)                                      cell (one per step)
//! ┌───────────────────────────────────────────────┐       user pid mount ipc net uts namespaces
//! │ supervisor, PID 1, uid 0, SETUID + SETGID     │       ┌─────────────────────────────────┐
//! │   stdin  ◀── requests ─── agent               │ clone │ first process                   │
//! │   stdout ─── reports ──▶ agent                ├──────▶│   mounts, reaps, keeps the files│
//! │   control socket ◀────────────────────────────┼───────┤   fork                          │
//! │   stdout pipe, stderr pipe ◀──────────────────┼───────┤ second process ─exec─▶ program  │
//! │   cgroup files of the cell (limits, usage)    │       │   own cgroup, uid, filter       │
//! └───────────────────────────────────────────────┘       └─────────────────────────────────┘
//! ```
//!
//! The supervisor has one thread and one loop (`server`). A cell is made before anybody asks for its step
//! (`server::ahead`): a cgroup beneath the container's (`cgroup`), and the first process, cloned into new
//! namespaces in which the program's user is mapped (`cell::prepared`). That process mounts what the
//! program will see (`cell::mounts`) and waits for its task (`cell::task`): what to run, under which limits,
//! and the descriptors of it. Then it forks the second and reaps from then on (`cell::inside`). The second
//! joins the cgroup, takes limits, user and files, and says it is ready; the supervisor reads the CPU
//! counter, starts the clock and says go; the second puts the filter before
//! itself (`filter`) and executes the program.
//!
//! While the program runs, the supervisor takes its output from two pipes
//! (`capture`), passes it on (`link`), and looks at the cgroup's counters as
//! often as a limit could be reached (`cell::watch`). At a limit it kills. When
//! the program's main process ends, the first process kills and reaps all
//! others, says how it ended and when, packs what a compile step left
//! (`archive`), and ends; the kernel ends whatever were left of its namespaces.
//! Then the supervisor reads the last figures and answers; it waits for the last of that process, and
//! removes the cgroup, before another program runs.
//!
//! A job has as many steps as its agent asks for: a compiler, then the program for each of
//! its cases, each in a cell of its own laid out from what the compiler left. Two can run at
//! once: a program and its interactor, each the other's standard input and output
//! (`cell::held` says how it is known whose end came first). Standard input of a step can be live:
//! then bytes and signals come while it runs (`cell::live`).
//!
//! A plain cell (`cell::plain`) is the same without namespaces and mounts, for hosts that give
//! none: the program is another user in the container's own, the first process is a child
//! subreaper instead of an init, and the files of a compile step stay where they are.
//!
//! With the argument `install` it is a builder instead (`install`): one installer, whose packages
//! become an image for jobs, and no job.
//!
//! Nothing that a program writes is ever parsed, and no path in a cell is
//! opened by the supervisor: files go in and out as descriptors and bytes.
//! The supervisor only measures; what the facts come to is decided by the agent.

pub mod archive;
mod base;
mod capture;
mod cell;
mod cgroup;
mod clock;
mod facts;
mod filter;
pub mod install;
pub mod job;
mod link;
mod locks;
mod sampled;
mod server;
pub mod sys;

use std::ffi::CString;
use std::os::unix::ffi::OsStringExt as _;
use std::{env, io};

pub use server::Fault;

/// Starts this program anew without the container's environment, if there is any.
///
/// An image may bring one (a company's proxy and its password), and under gVisor every program of the
/// sandbox may read that of the first process.
///
/// # Errors
/// Where the program cannot be executed again.
pub fn leave_environment() -> io::Result<()> {
    if env::vars_os().next().is_none() {
        return Ok(());
    }
    let words = env::args_os().map(|word| CString::new(word.into_vec())).collect::<Result<Vec<_>, _>>()?;
    let program = words.first().ok_or(io::ErrorKind::NotFound)?;
    Err(sys::exec(program, &words, &[]))
}

/// Serves the agent on standard input and output until it is gone or something fails.
///
/// # Errors
/// Where standard input and output cannot be taken over.
pub fn serve() -> io::Result<Fault> {
    sys::set_not_dumpable()?;
    Ok(server::Server::new(link::Link::open()?).run())
}

/// Serves the agent as a builder: runs one installer, sends what it left.
///
/// # Errors
/// As [`serve`].
pub fn serve_install() -> std::io::Result<install::Fault> {
    sys::set_not_dumpable()?;
    Ok(install::Builder::new(link::Link::open()?).run())
}
