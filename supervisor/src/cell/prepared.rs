//! A cell before its step is known.
//!
//! Its namespaces, its user, its mounts and its cgroup are made, and its first process waits for a
//! [`super::task::Task`]. All that a step decides comes with that or is set when it comes: limits,
//! sizes, files, streams. Nothing but our own code has run in it, beside the supervisor's own three
//! it holds no descriptor but its control socket and the container's `/proc`, and it serves one step.

use std::time::Duration;

use enclos_protocol::limits::StepLimits;
use enclos_protocol::supervisor_link::CellKind;
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use super::begin::{SUPERVISOR_UID, begin_process, map_user};
use super::control::{Control, ToCell};
use super::inside::{self, Waiting};
use super::{CellError, Surroundings, call};
use crate::cgroup::CellGroup;
use crate::{clock, sys};

/// A cell that waits.
pub struct Prepared {
    pub(super) init: Pid,
    pub(super) control: Control,
    pub(super) group: Option<CellGroup>,
    pub(super) uid: u32,
}

impl Prepared {
    /// Makes one whose program will be `uid` outside of it.
    pub fn make(surroundings: &Surroundings, uid: u32, group: Option<CellGroup>) -> Result<Self, CellError> {
        let (control, theirs) = Control::pair().map_err(call("make a control socket"))?;
        let init = match begin_process(surroundings.kind, uid)? {
            sys::Fork::Child => inside::first_process(&Waiting {
                kind: surroundings.kind,
                host_uid: uid,
                masks: &surroundings.masks,
                control: theirs,
            }),
            sys::Fork::Parent { child } => Pid::from_raw(child),
        };
        drop(theirs);
        let cell = Self { init, control, group, uid };
        match cell.begin(surroundings.kind) {
            Ok(()) => Ok(cell),
            Err(error) => {
                cell.discard();
                Err(error)
            }
        }
    }

    fn begin(&self, kind: CellKind) -> Result<(), CellError> {
        if kind == CellKind::Namespaced {
            let mapped =
                map_user(self.init, self.uid).map_err(|error| CellError::Namespaces("map the program's user", error));
            let back = sys::act_as(SUPERVISOR_UID).map_err(call("act as itself again"));
            mapped.and(back)?;
        }
        self.control.tell(ToCell::Mapped).map_err(call("speak to the cell"))
    }

    /// Whether it can still be used: it says nothing before it has a task, unless it failed or was killed.
    pub fn waits(&self) -> bool {
        clock::poll(&mut [PollFd::new(self.control.fd(), PollFlags::POLLIN)], Duration::ZERO) == Ok(0)
    }

    /// Holds it to a step's limits and cores.
    pub fn limit(&mut self, limits: &StepLimits, cpus: Option<&str>) -> Result<(), CellError> {
        Ok(self.group.as_mut().map_or(Ok(()), |group| group.limit(limits, cpus))?)
    }

    /// Ends it unused. What stays of its cgroup is named at the end of the job.
    pub fn discard(self) {
        let _ = kill(self.init, Signal::SIGKILL);
        let _ = waitpid(self.init, None);
        if let Some(group) = self.group {
            let _ = group.remove();
        }
    }

    /// Its first process, as the supervisor counts.
    pub fn process(&self) -> i32 {
        self.init.as_raw()
    }

    /// Descriptors that the supervisor holds for it.
    pub fn descriptors(&self) -> usize {
        1 + self.group.as_ref().map_or(0, CellGroup::descriptors)
    }

    /// Its cgroup.
    pub fn group(&self) -> Option<&CellGroup> {
        self.group.as_ref()
    }
}

/// What is left of a cell when its figures are read: a first process on its way out, and a cgroup.
pub struct Remains {
    pub(super) init: Option<Pid>,
    pub(super) group: Option<CellGroup>,
}

impl Remains {
    /// Waits for the one and removes the other: then all memory of the cell is free again.
    pub fn clear(self) {
        if let Some(init) = self.init {
            let _ = waitpid(init, None);
        }
        if let Some(group) = self.group {
            // The result is whole. One that stays is named at the end of the job as a leftover.
            let _ = group.remove();
        }
    }
}
