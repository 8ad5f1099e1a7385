//! The end of a cell: the rest of its output taken, its figures read.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::time::Duration;

use enclos_protocol::job::Stream;
use enclos_protocol::outcome::{Accounting, StepFacts, Stop};
use enclos_protocol::supervisor_link::CellKind;
use nix::poll::{PollFd, PollFlags};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::{Cell, CellError, Meter, Remains, inside};
use crate::capture::Capture;
use crate::clock;

/// A step that is over.
pub struct Finished {
    pub facts: StepFacts,
    pub stdout: Capture,
    pub stderr: Capture,
    /// When its program ended, or was made to.
    pub at: Duration,
    /// To be cleared before another program runs.
    pub remains: Option<Remains>,
}

impl Cell {
    /// Whether its program never started, for no reason that anybody asked for.
    pub fn is_unused(&self) -> bool {
        self.started.is_none() && !matches!(self.stop, Some((Stop::Cancelled, _)))
    }

    /// Takes apart one that is over and was not used.
    pub fn discard(self) {
        let group = match self.meter {
            Meter::Cgroup(group) => Some(group),
            Meter::Sampled(_) => None,
        };
        Remains { init: Some(self.init), group }.clear();
    }

    /// Reaps what is left, takes the rest of the output, and measures.
    pub fn finish(mut self) -> Result<Finished, CellError> {
        let init = self.reap();
        let gone_at = clock::now();
        for stream in [Stream::Stdout, Stream::Stderr] {
            self.take_rest(stream)?;
        }
        let cpu = self.cpu_time()?;
        let (started_at, used_before) = self.started.unwrap_or((gone_at, cpu));
        let ended_at = self.ended.map_or(gone_at, |(_, at)| at);
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let (accounting, memory_peak_bytes, oom_kills, pids_refused) = match &mut self.meter {
            Meter::Cgroup(group) => {
                (Accounting::Cgroup, group.memory_peak_bytes(), group.oom_kills(), group.pids_refused())
            }
            Meter::Sampled(sampler) => (Accounting::Sampled, sampler.memory_peak_bytes(), 0, 0),
        };
        if oom_kills == 0 && self.was_killed() {
            return Err(CellError::Killed);
        }
        let facts = StepFacts {
            exit: self.ended.map(|(exit, _)| exit),
            stop: self.stop.map(|(stop, _)| stop),
            cpu_us: micros(cpu.saturating_sub(used_before)),
            wall_us: micros(ended_at.saturating_sub(started_at)),
            memory_peak_bytes,
            oom_kills,
            pids_refused,
            stdout_bytes: self.stdout_capture.produced_bytes(),
            stderr_bytes: self.stderr_capture.produced_bytes(),
            kill_us: self.stop.map(|(_, at)| micros(gone_at.saturating_sub(at))),
            accounting,
            start_error: self.start_error,
            keep_error: self.keep_error,
        };
        let group = match self.meter {
            Meter::Cgroup(group) => Some(group),
            Meter::Sampled(_) => None,
        };
        let stopped_at = self.stop.map(|(_, at)| at);
        let at = self.ended.map(|(_, at)| at).or(stopped_at).unwrap_or(gone_at);
        let remains = Some(Remains { init, group });
        Ok(Finished { facts, stdout: self.stdout_capture, stderr: self.stderr_capture, at, remains })
    }

    /// Waits until every process of it is gone; gives the first one where that alone may still be on its way
    /// out. It has nothing to do but to take its namespaces apart, and nobody has to wait for that.
    fn reap(&self) -> Option<Pid> {
        match (self.kind, &self.meter) {
            (CellKind::Plain, _) => inside::end_all_others(),
            // It has reaped all others before it said so.
            (CellKind::Namespaced, Meter::Cgroup(_)) if self.ended.is_some() => return Some(self.init),
            (CellKind::Namespaced, _) => {
                // With it, by the rule of pid namespaces, all others are gone.
                let _ = waitpid(self.init, None);
            }
        }
        None
    }

    /// Whether it ended in the middle of what our own processes in it had to do, and not by us. A
    /// program can end none of them, so it must not be told that this is its doing.
    fn was_killed(&self) -> bool {
        let in_the_middle = match self.ended {
            Some(_) => self.started.is_none() || self.keeps,
            None => true,
        };
        in_the_middle && self.stop.is_none() && self.start_error.is_none()
    }

    /// Takes what the pipe still holds: every writer is dead, so then it ends.
    ///
    /// Bounded, because a descriptor that a process had sent to itself closes only when the kernel
    /// collects such sockets.
    fn take_rest(&mut self, stream: Stream) -> Result<(), CellError> {
        /// For the kernel to close what dead processes held.
        const REST_MAX: Duration = Duration::from_millis(100);
        let deadline = clock::now() + REST_MAX;
        loop {
            let pipe: &Option<File> = match stream {
                Stream::Stdout => &self.stdout,
                Stream::Stderr => &self.stderr,
            };
            let Some(file) = pipe else { return Ok(()) };
            let left = deadline.saturating_sub(clock::now());
            match clock::poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLIN)], left) {
                Ok(0) => return Ok(()),
                Ok(_) | Err(nix::Error::EINTR) => self.take_output(stream)?,
                Err(errno) => return Err(CellError::Call("wait for a stream", errno.into())),
            }
        }
    }
}
