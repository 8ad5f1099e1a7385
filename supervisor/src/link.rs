//! Frames from and to the agent, over this process's standard input and output: the container's own, then in place
//! of both a socket, where there is one. Through the container's a message wakes engine and shim on its way.
//!
//! Writing never blocks: what the agent has not taken yet is held, and the main
//! loop makes no more output frames while much of it waits.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use enclos_protocol::frame::{self, Decoder, FrameError};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{dup2_stdin, dup2_stdout};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::sys;

/// Bytes on their way above which no more output frames are made.
const PENDING_BYTES_MAX: usize = 256 * 1024;
const READ_BYTES: usize = 64 * 1024;

/// Why the link ended.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// A call failed.
    #[error("the link to the agent failed: {0}")]
    Io(#[from] io::Error),
    /// What came is not a request.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

/// Both directions.
pub struct Link {
    input: File,
    output: File,
    decoder: Decoder,
    pending: Vec<u8>,
    sent: usize,
    buffer: Vec<u8>,
}

impl Link {
    /// Takes over standard input and output.
    pub fn open() -> io::Result<Self> {
        let (input, output): (File, File) = (sys::inherited_fd(0).into(), sys::inherited_fd(1).into());
        never_block(&output)?;
        Ok(Self {
            input,
            output,
            decoder: Decoder::default(),
            pending: Vec::new(),
            sent: 0,
            buffer: vec![0; READ_BYTES],
        })
    }

    /// Hears and speaks on `socket` from here on. Nothing may be pending.
    pub fn move_to(&mut self, socket: &UnixStream) -> io::Result<()> {
        // In their place, so that whoever is forked finds no descriptor more than before.
        dup2_stdin(socket)?;
        dup2_stdout(socket)?;
        never_block(&self.output)
    }

    /// To wait for requests on.
    pub fn input(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }

    /// To wait on while [`Link::has_pending`].
    pub fn output(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    /// Reads once, after the input was ready. `false`: the agent is gone.
    pub fn read(&mut self) -> Result<bool, LinkError> {
        match self.input.read(&mut self.buffer) {
            Ok(count) => {
                self.decoder.feed(&self.buffer[..count]);
                Ok(count > 0)
            }
            // A socket blocks in both directions or in none.
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(true),
            Err(e) => Err(e.into()),
        }
    }

    /// The next whole request.
    pub fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, LinkError> {
        Ok(self.decoder.take()?)
    }

    /// Puts a report on its way.
    pub fn send(&mut self, report: &impl Serialize) -> Result<(), LinkError> {
        self.pending.extend(frame::encode(report)?);
        self.flush()
    }

    /// Whether something waits for the agent to take it.
    pub fn has_pending(&self) -> bool {
        self.sent < self.pending.len()
    }

    /// Whether more output may be put on its way.
    pub fn has_room(&self) -> bool {
        self.pending.len() - self.sent < PENDING_BYTES_MAX
    }

    /// Writes what the agent takes now.
    pub fn flush(&mut self) -> Result<(), LinkError> {
        while self.sent < self.pending.len() {
            match self.output.write(&self.pending[self.sent..]) {
                Ok(0) => return Err(LinkError::Io(io::ErrorKind::WriteZero.into())),
                Ok(count) => self.sent += count,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e.into()),
            }
        }
        self.pending.clear();
        self.sent = 0;
        Ok(())
    }
}

fn never_block(output: &File) -> io::Result<()> {
    let flags = OFlag::from_bits_truncate(fcntl(output, FcntlArg::F_GETFL)?);
    fcntl(output, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}
