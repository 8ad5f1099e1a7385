//! A forerunner inside of its cell, and how it comes to its step.
//!
//! ```text
//! first process ─ a task ─ second process: the forerunner's program ─ start-up ─ ready ─ waits ─ command line ─ runs on
//!       └────────────────── the step's task ─ another: the step's files, laid out as that user ─ Ready ─ the end ◀─┘
//! ```
//! Before the step's task came, nothing of any job was in the cell. The forerunner's own socket is the supervisor's
//! and its alone; the second task's descriptors reach the first process and who lays out the files, never the program.

use std::os::fd::OwnedFd;

use enclos_protocol::outcome::Exit;

use super::control::FromCell;
use super::inside::{self, Waiting, says};
use super::mounts;
use super::task::Task;
use crate::{clock, sys};

/// Starts the forerunner, waits for its step, and sees that to its end.
pub fn perform(waiting: &Waiting<'_>, task: Task, proc_dir: &OwnedFd) -> Result<(), String> {
    mounts::fit(&task.request.limits).map_err(|e| e.to_string())?;
    let program = match sys::fork(0).map_err(says("cannot fork"))? {
        sys::Fork::Child => inside::second_process(waiting, &task, proc_dir),
        sys::Fork::Parent { child } => child,
    };
    drop(task);
    let step = Task::receive(&waiting.control).map_err(says("cannot take a task"))?;
    let Some(mut step) = step else { return Ok(()) };
    mounts::fit(&step.request.limits).map_err(|e| e.to_string())?;
    match sys::fork(0).map_err(says("cannot fork"))? {
        sys::Fork::Child => inside::end_with(waiting, inside::enter(waiting, &step, proc_dir)),
        sys::Fork::Parent { child } if laid_out(child, program)? => {}
        // It has said why.
        sys::Fork::Parent { .. } => return Ok(()),
    }
    let keep = step.keep.take().map(|into| (into, step.request.keep.clone()));
    drop(step);
    waiting.control.send(&FromCell::Ready).map_err(says("the supervisor is gone"))?;
    let exit = inside::wait_for(program).map_err(says("cannot wait"))?;
    inside::tell_end(waiting, exit, clock::now(), keep)
}

/// Waits for who lays out the files; gives whether they are there, and an error where the forerunner is gone.
fn laid_out(child: i32, program: i32) -> Result<bool, String> {
    loop {
        match sys::wait_for_child() {
            Ok((pid, exit)) if pid == child => return Ok(exit == Exit::Code(0)),
            Ok((pid, _)) if pid == program => return Err("the forerunner is gone".to_owned()),
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                return Err(format!("cannot wait: {error}"));
            }
            _ => {}
        }
    }
}
