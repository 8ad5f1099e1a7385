//! How the first process of a cell comes to be, and its streams.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use enclos_protocol::supervisor_link::{CellKind, PROGRAM_UID};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Pid, pipe2};

use super::{CellError, call};
use crate::sys;

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
