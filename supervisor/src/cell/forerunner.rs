//! A forerunner as the supervisor sees it: started in a cell that waits, and handed the step that it fits.
//!
//! It fits a step that asks for just this program, in the same environment and under the same resource limits, and
//! that may use no less than it was held to while it waited. Whatever speaks against that makes it end, and the step
//! gets an ordinary cell: nobody is worse off for it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::Duration;

use enclos_protocol::forerunner::{COMMAND_LINE_BYTES_MAX, Forerunner as Program};
use enclos_protocol::limits::StepLimits;
use enclos_protocol::supervisor_link::{StdinSource, StepRequest};
use nix::poll::{PollFd, PollFlags};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};

use super::begin::{Begun, pipe};
use super::prepared::Prepared;
use super::task::Given;
use super::{Cell, CellError, Surroundings, call};
use crate::clock;

/// One that was started.
pub struct Forerunner {
    cell: Prepared,
    program: Program,
    input: OwnedFd,
    stdout: File,
    stderr: File,
}

/// The command line of a step, on its way to who waits for it.
pub struct CommandLine {
    input: OwnedFd,
    bytes: Vec<u8>,
}

impl CommandLine {
    /// Gives it, and the end of it; gives whether anybody is there to take it.
    pub fn give(self) -> io::Result<bool> {
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        match send(self.input.as_raw_fd(), &self.bytes, flags) {
            Ok(count) if count == self.bytes.len() => Ok(true),
            Ok(_) => Err(io::ErrorKind::WriteZero.into()),
            Err(nix::Error::EPIPE | nix::Error::ECONNRESET) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Forerunner {
    /// Starts `program` in a cell that waits; where it cannot be, the cell is gone too.
    pub fn start(mut cell: Prepared, program: Program) -> Option<Self> {
        match begin(&mut cell, &program) {
            Ok((input, stdout, stderr)) => Some(Self { cell, program, input, stdout, stderr }),
            Err(_) => {
                cell.discard();
                None
            }
        }
    }

    /// Whether it is ready for this step and just as good as an ordinary cell.
    pub fn fits(&mut self, step: &StepRequest) -> bool {
        let before = self.program.limits_before();
        let StepLimits { memory_bytes, pids, file_bytes, stack_bytes, .. } = step.limits;
        step.forerunner.as_ref() == Some(&self.program.argv)
            && step.env == self.program.env
            && (file_bytes, stack_bytes) == (before.file_bytes, before.stack_bytes)
            && memory_bytes >= before.memory_bytes
            && pids >= before.pids
            && step.stdin == StdinSource::Empty
            && !step.merge_stderr
            && !step.extras
            && step.argv.iter().map(|word| word.len() + 1).sum::<usize>() <= COMMAND_LINE_BYTES_MAX
            && self.is_ready()
    }

    /// It said that it is, and nothing else; it lives, and nothing was refused to it.
    fn is_ready(&mut self) -> bool {
        let mut said = [0; 2];
        let heard = recv(self.input.as_raw_fd(), &mut said, MsgFlags::MSG_DONTWAIT);
        let mut streams = [&self.stdout, &self.stderr].map(|file| PollFd::new(file.as_fd(), PollFlags::POLLIN));
        // What it said is heard of one that is dead, too; then comes the end.
        let lives = || recv(self.input.as_raw_fd(), &mut [0; 1], MsgFlags::MSG_DONTWAIT) == Err(nix::Error::EAGAIN);
        heard == Ok(1)
            && lives()
            && clock::poll(&mut streams, Duration::ZERO) == Ok(0)
            && self.cell.waits()
            && self.cell.group.as_mut().is_some_and(|group| group.oom_kills() == 0 && group.pids_refused() == 0)
    }

    /// Gives it the step that it fits; its program goes on when the files are there.
    pub fn take_over(
        self,
        surroundings: &Surroundings,
        step: &StepRequest,
        files: &[File],
        keep: Option<&File>,
    ) -> Result<Cell, CellError> {
        let Self { mut cell, input, stdout, stderr, .. } = self;
        let group = cell.group.as_mut();
        let limited = group.map_or(Ok(()), |group| group.raise(&step.limits).map_err(CellError::from));
        let given = limited.and_then(|()| {
            let nothing = File::open("/dev/null").map_err(call("open /dev/null"))?;
            let streams = [nothing.as_fd(); 3];
            give(&cell, step, streams, files, keep, false)
        });
        if let Err(error) = given {
            cell.discard();
            return Err(error);
        }
        let bytes = step.argv.iter().flat_map(|word| word.bytes().chain([0])).collect();
        let Prepared { init, control, group, uid } = cell;
        let begun = Begun {
            init,
            control,
            group,
            uid,
            paired: false,
            live: None,
            stdout: Some(stdout),
            stderr: Some(stderr),
            keeps: keep.is_some(),
            command_line: Some(CommandLine { input, bytes }),
        };
        Ok(Cell::begun(surroundings, step, begun))
    }

    /// Ends it unused.
    pub fn discard(self) {
        self.cell.discard();
    }
}

type Ends = (OwnedFd, File, File);

fn begin(cell: &mut Prepared, program: &Program) -> Result<Ends, CellError> {
    cell.limit(&program.limits_before(), None)?;
    let pair = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC);
    let (input, theirs) = pair.map_err(|errno| CellError::Call("make a socket", errno.into()))?;
    let (stdout, stdout_end) = pipe(cell.uid).map_err(call("make a pipe"))?;
    let (stderr, stderr_end) = pipe(cell.uid).map_err(call("make a pipe"))?;
    let streams = [theirs.as_fd(), stdout_end.as_fd(), stderr_end.as_fd()];
    give(cell, &start_of(program), streams, &[], None, true)?;
    Ok((input, stdout, stderr))
}

fn give(
    cell: &Prepared,
    request: &StepRequest,
    streams: [std::os::fd::BorrowedFd<'_>; 3],
    files: &[File],
    keep: Option<&File>,
    forerunner: bool,
) -> Result<(), CellError> {
    let members = cell.group.as_ref().map_or(&[][..], |group| &group.members);
    let given =
        Given { request, streams, signals: None, keep, members, files, paired: false, rehearsal: false, forerunner };
    given.send(&cell.control).map_err(call("speak to the cell"))
}

/// Its start as a step of no job: no files, nothing kept.
fn start_of(program: &Program) -> StepRequest {
    StepRequest::plain(program.argv.clone(), program.env.clone(), program.limits)
}
