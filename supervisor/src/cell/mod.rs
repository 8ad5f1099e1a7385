//! One cell, as the supervisor sees it: made, watched, ended, measured, removed.
//!
//! ```text
//! Prepared ─ begin ─ laying out ──Ready/Go──▶ running ──Ended──▶ gone ─ finish ─ Remains
//!                        │                     │ limit, cancel     ▲
//!                        └──Failed─────────────┴──── kill ─────────┘
//! ```
//! The cell is gone when its end of the control socket is closed: the first
//! process has ended, and with it, by the rule of pid namespaces, all others.

mod begin;
pub mod control;
mod finish;
mod forerunner;
mod handover;
mod held;
pub mod inside;
pub mod live;
pub mod mounts;
pub mod plain;
mod prepared;
mod task;
mod watch;

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use enclos_protocol::job::Stream;
use enclos_protocol::limits::StepLimits;
use enclos_protocol::outcome::{Exit, Stop};
use enclos_protocol::supervisor_link::{CellKind, StepRequest};
use nix::poll::PollFlags;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub use self::begin::pipe_between;
use self::begin::{Begun, pipe};
use self::control::{Control, FromCell, ToCell};
pub use self::finish::Finished;
use self::forerunner::CommandLine;
pub use self::forerunner::Forerunner;
use self::live::Live;
use self::mounts::Mask;
pub use self::prepared::{Prepared, Remains};
use self::task::Given;
use self::watch::{InUse, Reading, Verdict};
use crate::capture::{self, Capture};
use crate::cgroup::{CellGroup, CgroupError, ContainerCpu};
use crate::clock;
use crate::locks::Locks;
use crate::sampled::Sampler;

/// Longest that a cell may take to be ready; it copies at most a job's input.
const PREPARE_MAX: Duration = Duration::from_secs(20);
/// Threads of a cell that are not its program's: the first process.
const OWN_THREADS: u64 = 1;
/// Bytes taken from a stream at once.
const READ_BYTES: usize = 64 * 1024;

/// The supervisor cannot make or watch a cell.
#[derive(Debug, thiserror::Error)]
pub enum CellError {
    /// A call on its way failed.
    #[error("cannot {0}: {1}")]
    Call(&'static str, #[source] io::Error),
    /// The kernel gives it no namespaces of its own, or no user in them.
    #[error("cannot {0}: {1}")]
    Namespaces(&'static str, #[source] io::Error),
    /// Its cgroup.
    #[error("{0}: {cause}", cause = std::error::Error::source(.0).map(ToString::to_string).unwrap_or_default())]
    Cgroup(#[from] CgroupError),
    /// It ended before its program did, and nobody here ended it: the host killed what is ours.
    #[error("a cell was killed from outside of its sandbox")]
    Killed,
    /// It did not become ready in time.
    #[error("a cell was not ready after {0:?}")]
    Slow(Duration),
}

fn call(what: &'static str) -> impl FnOnce(io::Error) -> CellError {
    move |e| CellError::Call(what, e)
}

/// What is the same for every cell of a sandbox.
pub struct Surroundings {
    pub kind: CellKind,
    /// Who programs are outside of their cells.
    pub host_uid: u32,
    /// Who interactors are.
    pub judge_uid: u32,
    pub masks: Vec<Mask>,
    /// Processors that can run at once.
    pub cores: u32,
    /// Where cells have no cgroups: what the host counts for the container.
    pub container_cpu: Option<ContainerCpu>,
}

impl Surroundings {
    /// For a cell that begins now; `user` is who its program is where another cell runs beside it.
    fn sampler(&self, limits: &StepLimits, user: Option<u32>) -> Sampler {
        let threads_max = u64::from(limits.pids) + OWN_THREADS;
        let mut sampler = Sampler::new(self.cores, threads_max, self.container_cpu.as_ref());
        if let Some(user) = user {
            sampler.look_only_at(user);
        }
        sampler
    }
}

/// What one cell begins with.
pub struct Beginning<'a> {
    pub request: &'a StepRequest,
    pub stdin: OwnedFd,
    /// Our end of standard input, and where the first process hears of signals, where it is live.
    pub live: Option<(Live, File)>,
    /// Where standard output goes, of one of a pair; of others it is captured.
    pub stdout: Option<OwnedFd>,
    pub files: Vec<File>,
    pub keep: Option<File>,
    pub rehearsal: bool,
}

/// Where CPU time and memory are read.
enum Meter {
    Cgroup(CellGroup),
    Sampled(Sampler),
}

/// A step that runs.
pub struct Cell {
    kind: CellKind,
    init: Pid,
    /// Another cell runs beside it; its program starts when both are ready.
    paired: bool,
    is_ready: bool,
    control: Control,
    control_open: bool,
    /// For a program that waits for it; others start at [`ToCell::Go`].
    command_line: Option<CommandLine>,
    live: Option<Live>,
    stdout: Option<File>,
    stderr: Option<File>,
    stdout_capture: Capture,
    stderr_capture: Capture,
    limits: StepLimits,
    cores: u32,
    meter: Meter,
    locks: Locks,
    spawned_at: Duration,
    /// When the program started, and the CPU time that was used before.
    started: Option<(Duration, Duration)>,
    stop: Option<(Stop, Duration)>,
    ended: Option<(Exit, Duration)>,
    start_error: Option<String>,
    /// What it leaves is to be kept, and it has not yet said what came of that.
    keeps: bool,
    keep_error: Option<String>,
    buffer: Vec<u8>,
}

impl Cell {
    /// Gives a cell its step; its program starts as soon as it is ready.
    pub fn begin(surroundings: &Surroundings, prepared: Prepared, beginning: Beginning<'_>) -> Result<Self, CellError> {
        let Prepared { init, control, group, uid } = prepared;
        let Beginning { request, stdin, live, stdout, files, keep, rehearsal } = beginning;
        let paired = stdout.is_some();
        let (stdout, stdout_end) = match stdout {
            Some(end) => (None, end),
            None => {
                let (ours, theirs) = pipe(uid).map_err(call("make a pipe"))?;
                (Some(ours), theirs)
            }
        };
        let (stderr, stderr_end) = if request.merge_stderr {
            (None, stdout_end.try_clone().map_err(call("share a pipe"))?)
        } else {
            pipe(uid).map(|(ours, theirs)| (Some(ours), theirs)).map_err(call("make a pipe"))?
        };
        let (live, signals) = live.unzip();
        let given = Given {
            request,
            streams: [stdin.as_fd(), stdout_end.as_fd(), stderr_end.as_fd()],
            signals: signals.as_ref(),
            keep: keep.as_ref(),
            members: group.as_ref().map_or(&[], |g| &g.members),
            files: &files,
            paired,
            rehearsal,
            forerunner: false,
        };
        match given.send(&control) {
            // What it could not do is heard from it, as for one that fails later.
            Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {}
            other => other.map_err(call("speak to the cell"))?,
        }
        let keeps = keep.is_some();
        let begun = Begun { init, control, group, uid, paired, live, stdout, stderr, keeps, command_line: None };
        Ok(Self::begun(surroundings, request, begun))
    }

    /// What to wait on: control and both streams, those that are still open and have room, and
    /// standard input that is live.
    pub fn descriptors(&self) -> [(Option<BorrowedFd<'_>>, PollFlags); 4] {
        let read = PollFlags::POLLIN;
        [
            (self.control_open.then(|| self.control.fd()), read),
            (self.stdout.as_ref().filter(|_| self.stdout_capture.has_room()).map(File::as_fd), read),
            (self.stderr.as_ref().map(File::as_fd), read),
            // Before the start its end would only be told again and again.
            self.live.as_ref().filter(|_| self.started.is_some()).map_or((None, PollFlags::empty()), Live::wanted),
        ]
    }

    /// Live standard input of a program that has started.
    pub fn live(&mut self) -> Option<&mut Live> {
        self.live.as_mut().filter(|_| self.started.is_some())
    }

    /// Both streams.
    pub fn captures(&mut self) -> [(Stream, &mut Capture); 2] {
        [(Stream::Stdout, &mut self.stdout_capture), (Stream::Stderr, &mut self.stderr_capture)]
    }

    /// Whether every process is gone, or about to be without our help.
    pub fn is_over(&self) -> bool {
        !self.control_open
    }

    /// Takes a message of the cell's first processes.
    pub fn take_message(&mut self) -> Result<(), CellError> {
        match self.control.next().map_err(call("hear the cell"))? {
            None => self.control_open = false,
            Some(FromCell::Ready) => {
                self.is_ready = true;
                if !self.paired {
                    self.go()?;
                }
            }
            Some(FromCell::Failed(message)) => self.start_error = Some(message),
            Some(FromCell::OutOfSpace) => self.stop = self.stop.or(Some((Stop::MemoryLimit, clock::now()))),
            Some(FromCell::Ended { exit, at }) => self.ended = Some((exit, at)),
            Some(FromCell::Kept) => self.keeps = false,
            Some(FromCell::NotKept(message)) => {
                self.keeps = false;
                self.keep_error = Some(message);
            }
        }
        Ok(())
    }

    /// Whether its program runs, and nobody has ended it.
    pub fn is_running(&self) -> bool {
        self.started.is_some() && self.ended.is_none() && self.stop.is_none()
    }

    /// Whether its program could start, and has not.
    pub fn is_waiting(&self) -> bool {
        self.is_ready && self.started.is_none() && self.stop.is_none()
    }

    /// Whether its program will never start.
    pub fn has_failed(&self) -> bool {
        self.started.is_none() && (self.stop.is_some() || self.start_error.is_some())
    }

    /// Starts the program of a cell that is ready, and its clock.
    pub fn go(&mut self) -> Result<(), CellError> {
        if self.is_waiting() {
            let used = self.cpu_time()?;
            self.started = Some((clock::now(), used));
            let told = match self.command_line.take() {
                // One that does not take it whole, for whatever reason, is as good as gone.
                Some(line) => Ok(line.give().unwrap_or(false)),
                None => self.control.tell(ToCell::Go).map(|()| true),
            };
            if !told.map_err(call("speak to the cell"))? {
                self.started = None;
                self.start_error = Some("the forerunner is gone".to_owned());
                let _ = kill(self.init, Signal::SIGKILL);
            }
        }
        Ok(())
    }

    /// Takes what a stream has now. Its end closes it.
    pub fn take_output(&mut self, stream: Stream) -> Result<(), CellError> {
        let (pipe, capture) = match stream {
            Stream::Stdout => (&mut self.stdout, &mut self.stdout_capture),
            Stream::Stderr => (&mut self.stderr, &mut self.stderr_capture),
        };
        let Some(file) = pipe else { return Ok(()) };
        match file.read(&mut self.buffer) {
            Ok(0) => *pipe = None,
            Ok(count) => {
                if capture.take(&self.buffer[..count]) == capture::Verdict::Above {
                    *pipe = None;
                    self.end(Stop::OutputLimit);
                }
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(e) => return Err(CellError::Call("read a stream", e)),
        }
        Ok(())
    }

    /// Ends the cell if a limit is passed; answers how long nothing can happen.
    pub fn look(&mut self) -> Result<Duration, CellError> {
        /// Between two looks at a cell that is on its way out.
        const ENDING_LOOK: Duration = Duration::from_millis(100);
        let now = clock::now();
        if self.stop.is_some() || self.ended.is_some() || self.start_error.is_some() {
            return Ok(ENDING_LOOK);
        }
        let Some((started_at, used_before)) = self.started else {
            let waited = now.saturating_sub(self.spawned_at);
            return if waited > PREPARE_MAX { Err(CellError::Slow(PREPARE_MAX)) } else { Ok(PREPARE_MAX - waited) };
        };
        let wall = now.saturating_sub(started_at);
        let reading = match &mut self.meter {
            Meter::Cgroup(group) => {
                let cpu = group.cpu_time()?.saturating_sub(used_before);
                Reading { cpu, wall, oom_kills: group.oom_kills(), locks: self.locks.held(cpu, wall), sampled: None }
            }
            Meter::Sampled(sampler) => {
                let sample = sampler.look();
                Reading {
                    cpu: sample.cpu.saturating_sub(used_before),
                    wall,
                    oom_kills: 0,
                    locks: self.locks.held(wall, wall),
                    sampled: Some(InUse {
                        memory_bytes: sample.memory_bytes,
                        pids: sample.threads.saturating_sub(OWN_THREADS),
                    }),
                }
            }
        };
        match watch::judge(&self.limits, &reading, self.cores) {
            Verdict::LookIn(wait) => Ok(wait),
            Verdict::End(stop) => {
                self.end(stop);
                Ok(ENDING_LOOK)
            }
        }
    }

    /// Kills every process of the cell; the first reason counts.
    pub fn end(&mut self, stop: Stop) {
        if self.ended.is_none() && self.stop.is_none() {
            self.stop = Some((stop, clock::now()));
        }
        match self.kind {
            // With it, by the rule of pid namespaces, all others go.
            CellKind::Namespaced => {
                let _ = kill(self.init, Signal::SIGKILL);
            }
            CellKind::Plain => kill_everything(),
        }
    }

    fn cpu_time(&mut self) -> Result<Duration, CellError> {
        Ok(match &mut self.meter {
            Meter::Cgroup(group) => group.cpu_time()?,
            Meter::Sampled(sampler) => sampler.look().cpu,
        })
    }
}

/// SIGKILL for every process of the container but this one, which is its first.
fn kill_everything() {
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
}
