//! The agent's end of a builder's connections: each is served by the proxy.
//!
//! ```text
//! builder ─ Open, Bytes, End ─▶ Relay ─▶ line (a task each): inward ─▶ pipe ─▶ proxy ─▶ gate
//!         ◀─ Bytes, End, Credit ──────── line:               outward ◀─ pipe ◀─┘
//! ```
//!
//! What may be on its way is bounded by the window either side grants the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use enclos_protocol::frame::CHUNK_BYTES_MAX;
use enclos_protocol::install_link::{CONNECTIONS_MAX, Connection, ToBuilder, WINDOW_BYTES};
use futures::FutureExt as _;
use serde_bytes::ByteBuf;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::gate::Gate;
use super::proxy;

/// Room of the pipe between a line and the proxy.
const PIPE_BYTES: usize = 64 * 1024;
/// Lines at once: those of closed connections may still end.
const LINES_MAX: usize = 2 * CONNECTIONS_MAX;

/// What a builder said that it may not say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Violation {
    #[error("it opens more connections than it may")]
    Connections,
    #[error("it names a connection twice")]
    Twice,
    #[error("it sends nothing as if it were something")]
    Empty,
    #[error("it sends more than was granted")]
    Window,
}

/// All lines of one installation.
pub(super) struct Relay {
    gate: Arc<Gate>,
    to_builder: mpsc::Sender<ToBuilder>,
    lines: BTreeMap<Connection, Line>,
    tasks: JoinSet<Connection>,
}

struct Line {
    /// What came, as bytes and not as pieces: of those a hostile builder chooses the number.
    inward: Option<DuplexStream>,
    /// Sent by the builder and not taken in yet.
    outstanding: Arc<AtomicUsize>,
    /// What may be sent to the builder.
    credit: Arc<Semaphore>,
    closed: CancellationToken,
}

impl Relay {
    /// Lines through `gate`; what they say goes to `to_builder`.
    pub(super) fn new(gate: Arc<Gate>, to_builder: mpsc::Sender<ToBuilder>) -> Self {
        Self { gate, to_builder, lines: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// A connection was opened.
    pub(super) fn open(&mut self, connection: Connection) -> Result<(), Violation> {
        if self.lines.len() >= LINES_MAX {
            return Err(Violation::Connections);
        }
        let (inward, received) = duplex(WINDOW_BYTES);
        let line = Line {
            inward: Some(inward),
            outstanding: Arc::new(AtomicUsize::new(0)),
            credit: Arc::new(Semaphore::new(WINDOW_BYTES)),
            closed: CancellationToken::new(),
        };
        let (outstanding, credit, closed) =
            (Arc::clone(&line.outstanding), Arc::clone(&line.credit), line.closed.clone());
        if self.lines.insert(connection, line).is_some() {
            return Err(Violation::Twice);
        }
        let (gate, to_builder) = (Arc::clone(&self.gate), self.to_builder.clone());
        self.tasks.spawn(async move {
            let (ours, theirs) = duplex(PIPE_BYTES);
            let (reading, writing) = split(ours);
            let served = async {
                let serve = async {
                    if let Err(error) = proxy::serve(theirs, &gate).await {
                        tracing::debug!(connection, error = crate::sandbox::chain(&error), "proxy ended a connection");
                    }
                };
                let inward = pass_inward(connection, received, writing, &outstanding, &to_builder);
                let outward = pass_outward(connection, reading, &credit, &to_builder);
                tokio::join!(serve, inward, outward);
            };
            // Cancel-safe: what is dropped belongs to a connection that nobody reads any more.
            tokio::select! {
                () = served => {}
                () = closed.cancelled() => {}
            }
            connection
        });
        Ok(())
    }

    /// Bytes came on a connection; on one that is over they mean nothing.
    pub(super) fn bytes(&mut self, connection: Connection, bytes: ByteBuf) -> Result<(), Violation> {
        if bytes.is_empty() {
            return Err(Violation::Empty);
        }
        let Some(line) = self.lines.get_mut(&connection) else { return Ok(()) };
        let Some(inward) = &mut line.inward else { return Err(Violation::Window) };
        if line.outstanding.fetch_add(bytes.len(), Ordering::AcqRel) + bytes.len() > WINDOW_BYTES {
            return Err(Violation::Window);
        }
        // The window is the room, so all of it is taken at once; whose task has ended takes nothing,
        // and is about to be forgotten.
        let taken = tokio::task::unconstrained(inward.write_all(&bytes)).now_or_never();
        taken.map(drop).ok_or(Violation::Window)
    }

    /// A connection's builder took something in.
    pub(super) fn credit(&mut self, connection: Connection, bytes: u32) {
        if let Some(line) = self.lines.get(&connection) {
            let more = usize::try_from(bytes).unwrap_or(usize::MAX);
            let room = WINDOW_BYTES.saturating_sub(line.credit.available_permits());
            line.credit.add_permits(more.min(room));
        }
    }

    /// Nothing more comes on a connection; `closed`: nothing goes either.
    pub(super) fn end(&mut self, connection: Connection, closed: bool) {
        if let Some(line) = self.lines.get_mut(&connection) {
            line.inward = None;
            if closed {
                line.closed.cancel();
            }
        }
    }

    /// Waits for the next line to be over, and forgets it; for ever while there is none. Cancel-safe.
    pub(super) async fn forget_ended(&mut self) {
        match self.tasks.join_next().await {
            Some(Ok(connection)) => {
                self.lines.remove(&connection);
            }
            Some(Err(error)) => tracing::error!(%error, "a line of a builder failed"),
            None => std::future::pending().await,
        }
    }

    /// Ends every line.
    pub(super) async fn shutdown(mut self) {
        self.tasks.shutdown().await;
    }
}

/// From the builder to the proxy.
async fn pass_inward(
    connection: Connection,
    mut received: DuplexStream,
    mut writing: WriteHalf<DuplexStream>,
    outstanding: &AtomicUsize,
    to_builder: &mpsc::Sender<ToBuilder>,
) {
    let mut buffer = vec![0; CHUNK_BYTES_MAX];
    loop {
        let count = received.read(&mut buffer).await.unwrap_or(0);
        if count == 0 {
            break;
        }
        // A proxy that reads no more ended the connection: the rest is thrown away.
        let _ = writing.write_all(&buffer[..count]).await;
        outstanding.fetch_sub(count, Ordering::AcqRel);
        let bytes = u32::try_from(count).unwrap_or(u32::MAX);
        if to_builder.send(ToBuilder::Credit { connection, bytes }).await.is_err() {
            return;
        }
    }
    let _ = writing.shutdown().await;
}

/// From the proxy to the builder, as far as that takes it in.
async fn pass_outward(
    connection: Connection,
    mut reading: ReadHalf<DuplexStream>,
    credit: &Semaphore,
    to_builder: &mpsc::Sender<ToBuilder>,
) {
    let mut buffer = vec![0; CHUNK_BYTES_MAX];
    loop {
        let Ok(one) = credit.acquire().await else { return };
        let room = (credit.available_permits() + 1).min(CHUNK_BYTES_MAX);
        let count = reading.read(&mut buffer[..room]).await.unwrap_or(0);
        if count == 0 {
            let _ = to_builder.send(ToBuilder::End { connection }).await;
            return;
        }
        one.forget();
        let rest = u32::try_from(count - 1).unwrap_or(u32::MAX);
        // Nobody else takes of this line's credit, so it is there.
        if let Ok(permits) = credit.acquire_many(rest).await {
            permits.forget();
        }
        let bytes = ByteBuf::from(&buffer[..count]);
        if to_builder.send(ToBuilder::Bytes { connection, bytes }).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::gate::Place;
    use super::*;

    fn relay(places: Vec<Place>) -> (Relay, mpsc::Receiver<ToBuilder>) {
        let (to_builder, said) = mpsc::channel(64);
        (Relay::new(Arc::new(Gate::new(places, 1 << 30)), to_builder), said)
    }

    fn bytes(text: &str) -> ByteBuf {
        ByteBuf::from(text.as_bytes())
    }

    #[tokio::test]
    async fn a_connection_is_answered_by_the_proxy_and_forgotten() {
        let (mut relay, mut said) = relay(Vec::new());
        relay.open(1).unwrap();
        relay.bytes(1, bytes("CONNECT a:443 HTTP/1.1\r\n\r\n")).unwrap();
        let mut answer = Vec::new();
        loop {
            match said.recv().await.unwrap() {
                ToBuilder::Credit { connection: 1, bytes: 26 } => {}
                ToBuilder::Bytes { connection: 1, bytes } => answer.extend_from_slice(&bytes),
                ToBuilder::End { connection: 1 } => break,
                other => panic!("{other:?}"),
            }
        }
        assert!(answer.starts_with(b"HTTP/1.1 403 "));
        relay.end(1, false);
        relay.forget_ended().await;
        assert!(relay.lines.is_empty());
        assert!(relay.bytes(1, bytes("late")).is_ok());
    }

    #[tokio::test]
    async fn a_builder_that_breaks_its_bounds_is_told() {
        let (mut relay, _said) = relay(Vec::new());
        relay.open(1).unwrap();
        assert_eq!(relay.bytes(1, ByteBuf::from(vec![b'x'; WINDOW_BYTES + 1])), Err(Violation::Window));
        assert_eq!(relay.bytes(1, ByteBuf::new()), Err(Violation::Empty), "nothing of the window bounds their number");
        assert_eq!(relay.open(1), Err(Violation::Twice));
        for id in 2..=u32::try_from(LINES_MAX).unwrap() {
            relay.open(id).unwrap();
        }
        assert_eq!(relay.open(1000), Err(Violation::Connections));
        relay.shutdown().await;
    }

    #[tokio::test]
    async fn a_window_holds_as_much_in_the_smallest_pieces() {
        let (mut relay, _said) = relay(Vec::new());
        relay.open(1).unwrap();
        for _ in 0..WINDOW_BYTES {
            relay.bytes(1, bytes("x")).unwrap();
        }
        assert_eq!(relay.bytes(1, bytes("x")), Err(Violation::Window), "nobody has taken any yet");
        relay.shutdown().await;
    }

    #[tokio::test]
    async fn no_more_is_sent_than_the_builder_takes() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mut relay, mut said) = relay(vec![Place { host: "127.0.0.1".into(), port: Some(port), private: true }]);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(&vec![7; 2 * WINDOW_BYTES]).await.unwrap();
        });
        relay.open(1).unwrap();
        relay.bytes(1, bytes(&format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n"))).unwrap();
        let greeting = "HTTP/1.1 200 Connection established\r\n\r\n".len();
        let mut came = 0;
        while came < WINDOW_BYTES {
            if let ToBuilder::Bytes { bytes, .. } = said.recv().await.unwrap() {
                came += bytes.len();
            }
        }
        assert_eq!(came, WINDOW_BYTES);
        relay.credit(1, u32::MAX);
        while came < 2 * WINDOW_BYTES {
            if let ToBuilder::Bytes { bytes, .. } = said.recv().await.unwrap() {
                came += bytes.len();
            }
        }
        relay.credit(1, 1000);
        loop {
            match said.recv().await.unwrap() {
                ToBuilder::Bytes { bytes, .. } => came += bytes.len(),
                ToBuilder::End { .. } => break,
                _ => {}
            }
        }
        assert_eq!(came, 2 * WINDOW_BYTES + greeting);
        tasks.join_next().await.unwrap().unwrap();
        relay.shutdown().await;
    }
}
