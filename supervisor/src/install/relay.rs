//! The proxy's port as the installer sees it: each connection is bytes on the link.
//!
//! It decides nothing: what may be reached is the agent's to say. Memory is bounded by a window
//! per direction and connection, and by their number.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, BorrowedFd};

use enclos_protocol::frame::CHUNK_BYTES_MAX;
use enclos_protocol::install_link::{CONNECTIONS_MAX, Connection, FromBuilder, PROXY_PORT, ToBuilder, WINDOW_BYTES};
use nix::poll::PollFlags;
use serde_bytes::ByteBuf;

/// All connections of the installer.
pub struct Relay {
    listener: TcpListener,
    open: BTreeMap<Connection, Open>,
    next: Connection,
}

struct Open {
    stream: TcpStream,
    /// On its way to the installer.
    inward: VecDeque<u8>,
    /// The agent sends no more.
    inward_ended: bool,
    /// The installer sends no more.
    outward_ended: bool,
    /// What may be sent to the agent.
    credit: usize,
}

enum Step {
    Goes,
    /// The installer closed it, or it broke.
    Closed,
}

impl Relay {
    /// Listens on the port of the proxy.
    pub fn listen() -> io::Result<Self> {
        Self::on(PROXY_PORT)
    }

    fn on(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, open: BTreeMap::new(), next: 1 })
    }

    /// What is to be waited for; `has_room`: the link takes more.
    pub fn wanted(&self, has_room: bool) -> Vec<(Option<BorrowedFd<'_>>, PollFlags)> {
        // One more waits in the listener's own queue.
        let accepts = has_room && self.open.len() < CONNECTIONS_MAX;
        let listener = (accepts.then(|| self.listener.as_fd()), PollFlags::POLLIN);
        let streams = self.open.values().map(|open| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, has_room && open.credit > 0 && !open.outward_ended);
            flags.set(PollFlags::POLLOUT, !open.inward.is_empty());
            // Without a flag a broken connection would still answer, again and again.
            ((!flags.is_empty()).then(|| open.stream.as_fd()), flags)
        });
        [listener].into_iter().chain(streams).collect()
    }

    /// Reads and writes where something is `ready`, in the order of [`Relay::wanted`].
    pub fn serve(&mut self, ready: &[bool]) -> Vec<FromBuilder> {
        let mut messages = Vec::new();
        let ids: Vec<Connection> = self.open.keys().copied().collect();
        for (id, ready) in ids.into_iter().zip(&ready[1..]) {
            if *ready {
                self.serve_one(id, &mut messages);
            }
        }
        if ready[0] {
            self.accept(&mut messages);
        }
        messages
    }

    fn accept(&mut self, messages: &mut Vec<FromBuilder>) {
        while self.open.len() < CONNECTIONS_MAX {
            let Ok((stream, _)) = self.listener.accept() else { return };
            if stream.set_nonblocking(true).is_err() {
                continue;
            }
            let id = self.next;
            self.next = self.next.wrapping_add(1);
            let open = Open {
                stream,
                inward: VecDeque::new(),
                inward_ended: false,
                outward_ended: false,
                credit: WINDOW_BYTES,
            };
            self.open.insert(id, open);
            messages.push(FromBuilder::Open { connection: id });
        }
    }

    fn serve_one(&mut self, id: Connection, messages: &mut Vec<FromBuilder>) {
        let Some(open) = self.open.get_mut(&id) else { return };
        let closed =
            matches!(open.write(id, messages), Step::Closed) || matches!(open.read(id, messages), Step::Closed);
        if closed {
            messages.push(FromBuilder::End { connection: id, closed: true });
        }
        if closed || open.is_over() {
            self.open.remove(&id);
        }
    }

    /// Takes a message of the agent; one for a connection that is gone means nothing.
    pub fn take(&mut self, message: ToBuilder) -> Result<(), &'static str> {
        match message {
            ToBuilder::Bytes { connection, bytes } => {
                let Some(open) = self.open.get_mut(&connection) else { return Ok(()) };
                if open.inward_ended || open.inward.len() + bytes.len() > WINDOW_BYTES {
                    return Err("more for a connection than it may be sent");
                }
                open.inward.extend(bytes.iter());
            }
            ToBuilder::End { connection } => {
                let Some(open) = self.open.get_mut(&connection) else { return Ok(()) };
                open.inward_ended = true;
                open.end_if_written();
                if open.is_over() {
                    self.open.remove(&connection);
                }
            }
            ToBuilder::Credit { connection, bytes } => {
                let Some(open) = self.open.get_mut(&connection) else { return Ok(()) };
                let more = usize::try_from(bytes).unwrap_or(usize::MAX);
                open.credit = open.credit.saturating_add(more).min(WINDOW_BYTES);
            }
            ToBuilder::Authorities(_) | ToBuilder::Begin(_) | ToBuilder::Leave => return Err("during an installation"),
        }
        Ok(())
    }
}

impl Open {
    fn write(&mut self, id: Connection, messages: &mut Vec<FromBuilder>) -> Step {
        let mut taken = 0;
        while !self.inward.is_empty() {
            match self.stream.write(self.inward.as_slices().0) {
                Ok(0) => return Step::Closed,
                Ok(count) => {
                    self.inward.drain(..count);
                    taken += count;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Step::Closed,
            }
        }
        if taken > 0 {
            let bytes = u32::try_from(taken).unwrap_or(u32::MAX);
            messages.push(FromBuilder::Credit { connection: id, bytes });
        }
        self.end_if_written();
        Step::Goes
    }

    fn read(&mut self, id: Connection, messages: &mut Vec<FromBuilder>) -> Step {
        if self.outward_ended || self.credit == 0 {
            return Step::Goes;
        }
        let mut buffer = vec![0; self.credit.min(CHUNK_BYTES_MAX)];
        match self.stream.read(&mut buffer) {
            Ok(0) => {
                self.outward_ended = true;
                messages.push(FromBuilder::End { connection: id, closed: false });
            }
            Ok(count) => {
                buffer.truncate(count);
                self.credit -= count;
                messages.push(FromBuilder::Bytes { connection: id, bytes: ByteBuf::from(buffer) });
            }
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => return Step::Closed,
        }
        Step::Goes
    }

    fn end_if_written(&mut self) {
        if self.inward_ended && self.inward.is_empty() {
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }

    fn is_over(&self) -> bool {
        self.inward_ended && self.inward.is_empty() && self.outward_ended
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::server::poll_those;

    fn turn(relay: &mut Relay) -> Vec<FromBuilder> {
        let ready = poll_those(relay.wanted(true), Duration::from_secs(5)).unwrap();
        relay.serve(&ready)
    }

    /// A relay and a client of it whose connection was told as number 1.
    fn connected() -> (Relay, TcpStream) {
        let mut relay = Relay::on(0).unwrap();
        let client = TcpStream::connect(relay.listener.local_addr().unwrap()).unwrap();
        assert_eq!(turn(&mut relay), [FromBuilder::Open { connection: 1 }]);
        (relay, client)
    }

    fn bytes(bytes: &[u8]) -> ByteBuf {
        ByteBuf::from(bytes.to_vec())
    }

    #[test]
    fn bytes_go_both_ways_and_ends_follow_them() {
        let (mut relay, mut client) = connected();
        client.write_all(b"GET").unwrap();
        assert_eq!(turn(&mut relay), [FromBuilder::Bytes { connection: 1, bytes: bytes(b"GET") }]);
        relay.take(ToBuilder::Bytes { connection: 1, bytes: bytes(b"answer") }).unwrap();
        relay.take(ToBuilder::End { connection: 1 }).unwrap();
        assert_eq!(turn(&mut relay), [FromBuilder::Credit { connection: 1, bytes: 6 }]);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"answer");
        drop(client);
        assert_eq!(turn(&mut relay), [FromBuilder::End { connection: 1, closed: false }]);
        assert!(relay.open.is_empty());
    }

    #[test]
    fn an_installer_sends_no_more_than_the_agent_takes() {
        let (mut relay, client) = connected();
        client.set_nonblocking(true).unwrap();
        let (mut sent, mut told) = (0, 0);
        loop {
            let wrote = (&client).write(&[7; 64 * 1024]).unwrap_or(0);
            sent += wrote;
            if relay.wanted(true)[1].0.is_none() {
                break;
            }
            for message in turn(&mut relay) {
                let FromBuilder::Bytes { bytes, .. } = message else { panic!("{message:?}") };
                told += bytes.len();
            }
        }
        assert_eq!(told, WINDOW_BYTES);
        assert!(sent >= told);
        relay.take(ToBuilder::Credit { connection: 1, bytes: 5 }).unwrap();
        let five = |m: &FromBuilder| matches!(m, FromBuilder::Bytes { bytes, .. } if bytes.len() == 5);
        assert!(sent == told || turn(&mut relay).iter().all(five));
    }

    #[test]
    fn an_agent_that_sends_more_than_the_window_is_a_fault() {
        let (mut relay, _client) = connected();
        relay.take(ToBuilder::Bytes { connection: 1, bytes: ByteBuf::from(vec![0; WINDOW_BYTES]) }).unwrap();
        assert!(relay.take(ToBuilder::Bytes { connection: 1, bytes: bytes(b"x") }).is_err());
        assert!(relay.take(ToBuilder::Bytes { connection: 9, bytes: bytes(b"x") }).is_ok(), "it is gone");
    }

    #[test]
    fn connections_have_a_number() {
        let mut relay = Relay::on(0).unwrap();
        let address = relay.listener.local_addr().unwrap();
        let _clients: Vec<TcpStream> = (0..CONNECTIONS_MAX + 2).map(|_| TcpStream::connect(address).unwrap()).collect();
        assert_eq!(turn(&mut relay).len(), CONNECTIONS_MAX);
        assert!(relay.wanted(true)[0].0.is_none());
    }
}
