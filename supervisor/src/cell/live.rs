//! Live standard input and signals of a step, from both of their ends.
//!
//! ```text
//! agent ─ Stdin ──▶ supervisor ─ pending (a window at most) ─▶ pipe ─▶ program
//!       ─ Signal ─▶            ─ its number, one byte ───────▶ pipe ─▶ first process ─ kill(-program) ─▶ its group
//! ```
//!
//! The supervisor writes only what the pipe takes now, so a program that does not read stops nothing
//! but its own input. A signal goes to the program's process group, as a terminal sends it: the
//! program and what it started, but not what left the group. The first process sends it, because it
//! sees the program by an id that cannot have become another's before the end was reaped, and in a
//! pid namespace of their own it sees nobody else.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;

use enclos_protocol::live::{STDIN_WINDOW_BYTES, Signal};
use enclos_protocol::outcome::Exit;
use enclos_protocol::supervisor_link::Report;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{self, SigSet, SigmaskHow, kill, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, pipe2};

use super::begin::pipe_for;
use crate::{clock, sys};

/// Signals that are taken out of the pipe at once.
const SIGNALS_AT_ONCE: usize = 64;

/// The supervisor's end.
pub struct Live {
    /// `None`: it was closed, by the client or because nobody reads.
    pipe: Option<File>,
    pending: VecDeque<u8>,
    /// Nothing comes after what is pending.
    last: bool,
    taken: u64,
    closed: bool,
    told: Option<(u64, bool)>,
    signals: File,
}

/// The cell's end: standard input, and where the first process hears of signals.
pub struct LiveEnds {
    pub stdin: OwnedFd,
    pub signals: File,
}

impl Live {
    /// Both ends, for a program that is `user`.
    pub fn open(user: u32) -> io::Result<(Self, LiveEnds)> {
        let (stdin, input) = pipe_for(user, 0o444)?;
        let (heard, signals) = pipe2(OFlag::O_CLOEXEC)?;
        for end in [&input, &heard, &signals] {
            fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        let live = Self {
            pipe: Some(input.into()),
            pending: VecDeque::new(),
            last: false,
            taken: 0,
            closed: false,
            told: None,
            signals: signals.into(),
        };
        Ok((live, LiveEnds { stdin, signals: heard.into() }))
    }

    /// Takes more of it; `false`: more than a window would wait. What nobody reads is dropped.
    pub fn add(&mut self, bytes: &[u8], last: bool) -> bool {
        if self.pending.len() + bytes.len() > STDIN_WINDOW_BYTES {
            return false;
        }
        if self.pipe.is_some() && !self.last {
            self.pending.extend(bytes);
            self.last = last;
            self.end_if_all_is_taken();
        }
        true
    }

    /// What to wait for: room while something is pending, else only that nobody reads any more.
    pub fn wanted(&self) -> (Option<BorrowedFd<'_>>, PollFlags) {
        let flags = if self.pending.is_empty() { PollFlags::empty() } else { PollFlags::POLLOUT };
        (self.pipe.as_ref().map(File::as_fd), flags)
    }

    /// Writes what the pipe takes now, after [`Live::wanted`] was ready.
    pub fn write(&mut self) -> io::Result<()> {
        let Some(pipe) = &mut self.pipe else { return Ok(()) };
        if self.pending.is_empty() {
            // Ready without being asked for room: its reading end is gone.
            self.nobody_reads();
            return Ok(());
        }
        match pipe.write(self.pending.as_slices().0) {
            Ok(count) => {
                self.pending.drain(..count);
                self.taken += count as u64;
                self.end_if_all_is_taken();
            }
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => self.nobody_reads(),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    fn end_if_all_is_taken(&mut self) {
        if self.last && self.pending.is_empty() {
            self.pipe = None;
        }
    }

    fn nobody_reads(&mut self) {
        self.pipe = None;
        self.closed = true;
        self.pending.clear();
    }

    /// What the agent was not told yet.
    pub fn news(&mut self) -> Option<Report> {
        let now = (self.taken, self.closed);
        (self.told.replace(now) != Some(now)).then_some(Report::StdinTaken { taken: self.taken, closed: self.closed })
    }

    /// Has the first process send a signal.
    pub fn signal(&mut self, signal: Signal) {
        // A full pipe holds thousands that are not delivered yet: this one is among them.
        let _ = self.signals.write(&[signal.number()]);
    }
}

/// Has the ends of children told by a descriptor; they stay to be waited for.
pub fn children() -> nix::Result<SignalFd> {
    let mut mask = SigSet::empty();
    mask.add(signal::Signal::SIGCHLD);
    // Blocked before there is a child, so that no end is missed; a program begins with nothing blocked.
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&mask), None)?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// Reaps whoever ends until `program` does, and meanwhile sends its group the signals that are heard.
pub fn attend(program: i32, mut heard: File, children: &SignalFd) -> io::Result<Exit> {
    /// Nothing has to be looked at by itself.
    const IDLE: Duration = Duration::from_secs(3600);
    loop {
        while let Some((pid, exit)) = sys::ended_child()? {
            if pid == program {
                return Ok(exit);
            }
        }
        let mut fds = [PollFd::new(children.as_fd(), PollFlags::POLLIN), PollFd::new(heard.as_fd(), PollFlags::POLLIN)];
        match clock::poll(&mut fds, IDLE) {
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let told = fds[1].any().unwrap_or(false);
        while children.read_signal()?.is_some() {}
        let mut numbers = [0; SIGNALS_AT_ONCE];
        match heard.read(&mut numbers) {
            // Only the supervisor's end closes it, and with that the cell's.
            Ok(0) if told => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => numbers[..count].iter().for_each(|number| send(program, *number)),
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(e) => return Err(e),
        }
    }
}

/// To the group that `program` leads since before it was executed; a leader of a session cannot leave it.
fn send(program: i32, number: u8) {
    let known = Signal::of_number(number).and_then(|s| signal::Signal::try_from(i32::from(s.number())).ok());
    if let Some(known) = known {
        // It may have ended just now.
        let _ = kill(Pid::from_raw(-program), known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> (Live, LiveEnds) {
        Live::open(nix::unistd::geteuid().as_raw()).unwrap()
    }

    #[test]
    fn no_more_than_a_window_is_held_and_the_pipe_never_blocks() {
        let (mut live, ends) = live();
        let window = vec![b'x'; STDIN_WINDOW_BYTES];
        // What the pipe itself holds, by default 64 KiB.
        let mut taken = 0;
        while live.pending.is_empty() {
            assert!(live.add(&window, false));
            while !live.pending.is_empty() {
                let before = live.taken;
                live.write().unwrap();
                if live.taken == before {
                    break;
                }
            }
            taken = live.taken;
        }
        assert!(taken > 0 && !live.add(&window, false), "{taken}");
        assert!(matches!(live.news(), Some(Report::StdinTaken { closed: false, .. })));
        assert_eq!(live.news(), None, "told once");
        drop(ends);
        live.write().unwrap();
        assert_eq!(live.news(), Some(Report::StdinTaken { taken, closed: true }));
        assert!(live.add(b"late", true) && live.pending.is_empty(), "what nobody reads is dropped");
    }

    #[test]
    fn an_end_comes_after_all_that_was_said_before() {
        let (mut live, ends) = live();
        assert!(live.add(b"ab", false) && live.add(b"c", true) && live.add(b"late", false));
        live.write().unwrap();
        // The ring's two halves may need two writes.
        live.write().unwrap();
        assert!(live.pipe.is_none() && !live.closed);
        let mut text = String::new();
        File::from(ends.stdin).read_to_string(&mut text).unwrap();
        assert_eq!(text, "abc");
    }
}
