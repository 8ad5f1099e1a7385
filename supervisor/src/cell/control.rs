//! What supervisor and cell say to each other: one packet each, over a socket pair that no program inherits.

use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use enclos_protocol::frame;
use enclos_protocol::outcome::Exit;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use serde::{Deserialize, Serialize};

/// Longest packet, in bytes.
const PACKET_BYTES_MAX: usize = 16 * 1024;

/// From the processes that begin a cell.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromCell {
    /// All is laid out; the program starts at [`ToCell::Go`].
    Ready,
    /// It could not be started.
    Failed(String),
    /// Its files need more memory than it may use.
    OutOfSpace,
    /// Its main process ended, and every other process of the cell is gone.
    Ended {
        /// How.
        exit: Exit,
        /// When, by the monotonic clock.
        at: Duration,
    },
    /// What it left is kept.
    Kept,
    /// What it left could not be kept.
    NotKept(String),
}

/// To the processes that begin a cell.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ToCell {
    /// The user namespace is mapped.
    Mapped = b'm',
    /// The clock runs: start the program.
    Go = b'g',
}

/// One end.
#[derive(Clone)]
pub struct Control(Rc<OwnedFd>);

impl Control {
    /// Both ends: the supervisor's and the cell's.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        Ok((Self(Rc::new(ours)), Self(Rc::new(theirs))))
    }

    /// To wait on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Sends from the cell.
    pub fn send(&self, message: &FromCell) -> io::Result<()> {
        self.packet(&frame::encode_body(message).map_err(io::Error::other)?)
    }

    /// Sends to the cell.
    pub fn tell(&self, message: ToCell) -> io::Result<()> {
        self.packet(&[message as u8])
    }

    fn packet(&self, bytes: &[u8]) -> io::Result<()> {
        send(self.0.as_raw_fd(), bytes, MsgFlags::MSG_NOSIGNAL)?;
        Ok(())
    }

    /// Waits in the cell for `expected`.
    pub fn receive(&self, expected: ToCell) -> io::Result<()> {
        let mut byte = [0; 1];
        match recv(self.0.as_raw_fd(), &mut byte, MsgFlags::empty())? {
            1 if byte[0] == expected as u8 => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// The next message in the supervisor; `None` when every process of the cell that could send is gone.
    pub fn next(&self) -> io::Result<Option<FromCell>> {
        let mut packet = vec![0; PACKET_BYTES_MAX];
        let mut take = || recv(self.0.as_raw_fd(), &mut packet, MsgFlags::empty());
        let taken = match take() {
            // It left without reading all, which is told once, and before what it said itself.
            Err(nix::Error::ECONNRESET) => take(),
            other => other,
        };
        match taken {
            Ok(0) | Err(nix::Error::ECONNRESET) => Ok(None),
            Err(errno) => Err(errno.into()),
            Ok(count) => frame::decode_body(&packet[..count]).map(Some).map_err(io::Error::other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cell_said_is_heard_although_it_left_without_reading_all() {
        let (ours, theirs) = Control::pair().unwrap();
        ours.tell(ToCell::Go).unwrap();
        theirs.send(&FromCell::Failed("why".into())).unwrap();
        drop(theirs);
        assert!(matches!(ours.next().unwrap(), Some(FromCell::Failed(why)) if why == "why"));
        assert!(ours.next().unwrap().is_none());
    }
}
