//! How the first process of a cell comes to be, and its streams; and the cell as it is watched from then on.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use enclos_protocol::supervisor_link::{CellKind, PROGRAM_UID, StepRequest};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Pid, pipe2};

use super::control::Control;
use super::forerunner::CommandLine;
use super::live::Live;
use super::{Cell, CellError, Meter, READ_BYTES, Surroundings, call};
use crate::capture::Capture;
use crate::cgroup::CellGroup;
use crate::locks::Locks;
use crate::{clock, sys};

/// Who the supervisor is in its container.
pub const SUPERVISOR_UID: u32 = 0;

/// A pipe whose reading end does not block. A program that opens /dev/stdout opens it anew, as
/// `user`: to write, and no more.
pub fn pipe(user: u32) -> io::Result<(File, OwnedFd)> {
    let (ours, theirs) = pipe_for(user, 0o222)?;
    fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((ours.into(), theirs))
}

/// A pipe, to read from and to write to, that a program may open anew as `mode` says.
pub fn pipe_for(user: u32, mode: u32) -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    match fchmod(&writer, Mode::from_bits_truncate(mode)) {
        Ok(()) => Ok((reader, writer)),
        // gVisor lets nobody change a pipe. Its own user may then use it in both ways.
        Err(nix::Error::EPERM) => {
            sys::act_as(user)?;
            let made = pipe2(OFlag::O_CLOEXEC);
            sys::act_as(SUPERVISOR_UID)?;
            Ok(made?)
        }
        Err(errno) => Err(errno.into()),
    }
}

/// A pipe between two programs, whose ends both may open anew.
pub fn pipe_between() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    fchmod(&writer, Mode::from_bits_truncate(0o666))?;
    Ok((reader, writer))
}

/// Forks the first process, for a namespaced cell into new namespaces, and then acts as their owner.
///
/// The kernel counts what a user namespace uses (inotify instances, pending signals, bytes of
/// message queues, namespaces) for the user that made it, too. Made by uid 0, all cells of a host
/// would share one allowance with each other and with the host's root.
pub fn begin_process(kind: CellKind, owner: u32) -> Result<sys::Fork, CellError> {
    match kind {
        CellKind::Plain => sys::fork(0).map_err(call("make a process")),
        CellKind::Namespaced => {
            sys::act_as(owner).map_err(call("act as the owner of a cell"))?;
            sys::fork(sys::CELL_NAMESPACES).map_err(|error| {
                let _ = sys::act_as(SUPERVISOR_UID);
                CellError::Namespaces("make a process in new namespaces", error)
            })
        }
    }
}

/// Says who the program's user is outside (user_namespaces(7)); needs `CAP_SETUID` and `CAP_SETGID`.
pub fn map_user(init: Pid, host_uid: u32) -> io::Result<()> {
    let line = format!("{PROGRAM_UID} {host_uid} 1");
    std::fs::write(format!("/proc/{init}/uid_map"), &line)?;
    std::fs::write(format!("/proc/{init}/gid_map"), &line)
}

/// One that was told its step.
pub struct Begun {
    pub init: Pid,
    pub control: Control,
    pub group: Option<CellGroup>,
    pub uid: u32,
    pub paired: bool,
    pub live: Option<Live>,
    pub stdout: Option<File>,
    pub stderr: Option<File>,
    pub keeps: bool,
    pub command_line: Option<CommandLine>,
}

impl Cell {
    /// To be watched.
    pub(super) fn begun(surroundings: &Surroundings, request: &StepRequest, begun: Begun) -> Self {
        let Begun { init, control, group, uid, paired, live, stdout, stderr, keeps, command_line } = begun;
        let sampler = || surroundings.sampler(&request.limits, paired.then_some(uid));
        Self {
            kind: surroundings.kind,
            init,
            paired,
            is_ready: false,
            control,
            control_open: true,
            command_line,
            live,
            stdout,
            stderr,
            stdout_capture: if request.whole_stdout {
                Capture::whole(&request.limits, request.on_output_limit)
            } else {
                Capture::new(&request.limits, request.on_output_limit)
            },
            stderr_capture: Capture::new(&request.limits, request.on_output_limit),
            limits: request.limits,
            cores: surroundings.cores,
            meter: group.map_or_else(|| Meter::Sampled(sampler()), Meter::Cgroup),
            locks: Locks::default(),
            spawned_at: clock::now(),
            started: None,
            stop: None,
            ended: None,
            start_error: None,
            keeps,
            keep_error: None,
            buffer: vec![0; READ_BYTES],
        }
    }
}
