//! The next cell, made before anybody asks for it, and what is left of the last one, cleared away after its answer.
//!
//! ```text
//! request ─ cell that waits ─ its limits, its task ─ Go ─ another is made ─ … ─ end ─ answer ─ remains cleared
//! ```
//! The next one is made beside a program that is quiet and far from its limits, so that whoever sends step after
//! step finds it ready with each; otherwise after the answer. It takes a millisecond, in which nobody is
//! attended to, and on a machine that is busy some more.
//! One waits for each sandbox, which its headroom holds, and it ends with the sandbox as all in it do.
//!
//! Between two jobs the agent may have a forerunner started in it. The next step takes that or ends it, so it never
//! runs beside one.

use enclos_protocol::forerunner::Forerunner as Program;
use enclos_protocol::supervisor_link::{CellKind, StepRequest};

use super::Fault;
use crate::base::Base;
use crate::cell::{Forerunner, Prepared, Remains, Surroundings};
use crate::cgroup::Parent;

/// What was set up.
pub struct Sandbox {
    pub surroundings: Surroundings,
    pub cgroup: Option<Parent>,
    pub base: Base,
    ahead: Ahead,
}

/// Whether another cell is to be made.
enum Ahead {
    Wanted,
    Waits(Prepared),
    /// A forerunner is in it.
    Runs(Box<Forerunner>),
    /// It could not be; who asks for the next step is told why.
    Failed,
    /// Cells are plain, so a second one would be in the first; or nobody could tell what each has used.
    Never,
}

impl Sandbox {
    /// One of which no cell was made yet.
    pub fn new(surroundings: Surroundings, cgroup: Option<Parent>) -> Self {
        let apart = surroundings.kind == CellKind::Namespaced && cgroup.is_some();
        let ahead = if apart { Ahead::Wanted } else { Ahead::Never };
        Self { surroundings, cgroup, base: Base::look(), ahead }
    }

    /// A cell whose program will be `uid`: the one that waits where it is for that user, or a new one.
    pub fn cell(&mut self, uid: u32) -> Result<Prepared, Fault> {
        if uid == self.surroundings.host_uid && !matches!(self.ahead, Ahead::Never) {
            match std::mem::replace(&mut self.ahead, Ahead::Wanted) {
                Ahead::Waits(cell) if cell.waits() => return Ok(cell),
                Ahead::Waits(cell) => cell.discard(),
                Ahead::Runs(forerunner) => forerunner.discard(),
                _ => {}
            }
        }
        self.make(uid)
    }

    fn make(&mut self, uid: u32) -> Result<Prepared, Fault> {
        let group = self.cgroup.as_mut().map(Parent::make_cell).transpose()?;
        Ok(Prepared::make(&self.surroundings, uid, group)?)
    }

    /// Whether [`Sandbox::make_ahead`] has something to do.
    pub fn wants_cell(&self) -> bool {
        matches!(self.ahead, Ahead::Wanted)
    }

    /// Makes the next cell, where one can wait.
    pub fn make_ahead(&mut self) {
        if self.wants_cell() {
            self.ahead = self.make(self.surroundings.host_uid).map_or(Ahead::Failed, Ahead::Waits);
        }
    }

    /// Starts a forerunner, unless there is one or there can be none.
    pub fn start_forerunner(&mut self, program: Program) {
        self.make_ahead();
        self.ahead = match std::mem::replace(&mut self.ahead, Ahead::Wanted) {
            Ahead::Waits(cell) if cell.waits() => {
                Forerunner::start(cell, program).map_or(Ahead::Wanted, |started| Ahead::Runs(Box::new(started)))
            }
            other => other,
        };
    }

    /// Ends the forerunner that waits, if one does.
    pub fn end_forerunner(&mut self) {
        if let Some(forerunner) = self.take_forerunner() {
            forerunner.discard();
        }
    }

    /// The forerunner for a step; one that does not fit ends.
    pub fn forerunner(&mut self, step: &StepRequest) -> Option<Box<Forerunner>> {
        let mut forerunner = self.take_forerunner()?;
        if forerunner.fits(step) {
            return Some(forerunner);
        }
        forerunner.discard();
        None
    }

    fn take_forerunner(&mut self) -> Option<Box<Forerunner>> {
        match std::mem::replace(&mut self.ahead, Ahead::Wanted) {
            Ahead::Runs(forerunner) => Some(forerunner),
            other => {
                self.ahead = other;
                None
            }
        }
    }

    /// What is not back at base but for the cell that waits and `held` descriptors of what stays.
    pub fn leftovers(&self, held: usize) -> Vec<String> {
        let waiting = match &self.ahead {
            Ahead::Waits(cell) => Some(cell),
            Ahead::Wanted | Ahead::Runs(_) | Ahead::Failed | Ahead::Never => None,
        };
        let mut leftovers = self.base.differences(waiting, held);
        let known = waiting.and_then(Prepared::group);
        leftovers.extend(self.cgroup.as_ref().map(|cgroup| cgroup.leftover_cells(known)).unwrap_or_default());
        leftovers
    }
}

/// Clears away what is left of cells.
pub fn clear(remains: &mut Vec<Remains>) {
    remains.drain(..).for_each(Remains::clear);
}
