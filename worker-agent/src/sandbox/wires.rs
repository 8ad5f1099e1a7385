//! Messages over a container's attached streams, or the socket in their place, each with a deadline.

use std::time::Duration;

use enclos_protocol::frame::{self, Decoder};
use enclos_protocol::supervisor_link::{Report, Request};
use futures::{FutureExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::{SandboxError, short, wire};
use crate::engine::{Piece, Wires};

/// Bytes of requests that wait for the next write at most.
const WAITING_BYTES_MAX: usize = 64 * 1024;

/// The supervisor's link of one sandbox.
pub(super) struct SupervisorWires {
    wires: Wires,
    decoder: Decoder,
    /// Requests that need no answer, for the next write.
    waiting: Vec<u8>,
}

impl SupervisorWires {
    pub(super) fn new(wires: Wires) -> Self {
        Self { wires, decoder: Decoder::default(), waiting: Vec::new() }
    }

    /// The same over `socket`; nothing may be on its way.
    pub(super) fn over(self, socket: UnixStream) -> Self {
        Self { wires: wire::past_engine(self.wires, socket), ..self }
    }

    /// Sends one request with the next that is sent, or before: each write wakes the supervisor, and without a
    /// socket three processes on its way. Not cancel-safe.
    pub(super) async fn queue(&mut self, request: &Request, wait: Duration) -> Result<(), SandboxError> {
        self.waiting.extend(frame::encode(request)?);
        if self.waiting.len() >= WAITING_BYTES_MAX { self.flush(wait).await } else { Ok(()) }
    }

    /// Sends one request whole. Not cancel-safe: a request cut short spoils the stream.
    pub(super) async fn send(&mut self, request: &Request, wait: Duration) -> Result<(), SandboxError> {
        self.waiting.extend(frame::encode(request)?);
        self.flush(wait).await
    }

    /// Sends what waits. Not cancel-safe.
    pub(super) async fn flush(&mut self, wait: Duration) -> Result<(), SandboxError> {
        let bytes = std::mem::take(&mut self.waiting);
        let written = timeout(wait, async {
            self.wires.input.write_all(&bytes).await?;
            self.wires.input.flush().await
        });
        let late = SandboxError::Late { doing: "take a request", seconds: wait.as_secs() };
        match written.await.map_err(|_| late)? {
            Ok(()) => Ok(()),
            // One that gave up takes nothing more, and has said why.
            Err(error) => Err(self.last_words().unwrap_or(SandboxError::Write(error))),
        }
    }

    /// The fault of a supervisor that has ended.
    fn last_words(&mut self) -> Option<SandboxError> {
        while let Some(Some(Ok(piece))) = self.wires.output.next().now_or_never() {
            if let Piece::Frames(bytes) = piece {
                self.decoder.feed(&bytes);
            }
        }
        while let Ok(Some(report)) = self.decoder.take::<Report>() {
            if let Report::Fault { message } = report {
                return Some(SandboxError::Fault(short(message)));
            }
        }
        None
    }

    /// Sends one request to a supervisor that has nothing else to do, and so takes it at once; `false`: it did not,
    /// and the stream is spoilt.
    pub(super) fn send_now(&mut self, request: &Request) -> bool {
        let Ok(bytes) = frame::encode(request) else {
            tracing::warn!("a request is larger than a message may be, it is left out");
            return true;
        };
        let written = tokio::task::unconstrained(async {
            self.wires.input.write_all(&bytes).await?;
            self.wires.input.flush().await
        });
        matches!(written.now_or_never(), Some(Ok(())))
    }

    /// Whether the stream ended, or holds what nobody asked for.
    pub(super) fn has_ended(&mut self) -> bool {
        while let Some(piece) = self.wires.output.next().now_or_never() {
            match piece {
                Some(Ok(Piece::Log(_))) => {}
                _ => return true,
            }
        }
        false
    }

    /// Ends what the supervisor hears, at which it ends, and waits for that at most `wait`.
    pub(super) async fn end(mut self, wait: Duration) {
        let ending = async {
            // One that takes nothing more has ended already.
            let _ = self.wires.input.shutdown().await;
            while let Some(Ok(_)) = self.wires.output.next().await {}
        };
        let _ = timeout(wait, ending).await;
    }

    /// The next report, within `wait`.
    pub(super) async fn receive(&mut self, wait: Duration, doing: &'static str) -> Result<Report, SandboxError> {
        self.receive_until(Instant::now() + wait, doing).await
    }

    /// The next report, before `deadline`. Cancel-safe: what has arrived stays in the decoder.
    pub(super) async fn receive_until(
        &mut self,
        deadline: Instant,
        doing: &'static str,
    ) -> Result<Report, SandboxError> {
        let begun = Instant::now();
        loop {
            if let Some(report) = self.decoder.take::<Report>()? {
                return Ok(report);
            }
            let piece = timeout_at(deadline, self.wires.output.next()).await;
            let piece = piece.map_err(|_| SandboxError::Late { doing, seconds: begun.elapsed().as_secs() })?;
            match piece {
                None | Some(Ok(Piece::Closed)) => return Err(SandboxError::Ended { doing }),
                Some(Err(error)) => return Err(SandboxError::Engine(error)),
                Some(Ok(Piece::Frames(bytes))) => self.decoder.feed(&bytes),
                Some(Ok(Piece::Log(bytes))) => {
                    tracing::debug!(text = %String::from_utf8_lossy(&bytes).escape_debug(), "supervisor wrote to its log");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_supervisor_that_does_not_end_is_not_waited_for_longer_than_that() {
        let wires = Wires { input: Box::pin(tokio::io::sink()), output: stream::pending().boxed() };
        let begun = Instant::now();
        SupervisorWires::new(wires).end(Duration::from_secs(5)).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn what_it_still_says_is_passed_over_until_its_end() {
        let said = stream::iter([Ok(Piece::Log("a".into())), Ok(Piece::Frames("b".into()))]);
        let wires = Wires { input: Box::pin(tokio::io::sink()), output: said.boxed() };
        let begun = Instant::now();
        SupervisorWires::new(wires).end(Duration::from_secs(5)).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
