//! What a step writes: told to the master within what the answer keeps, and given to whoever judges it.

use enclos_protocol::frame::CHUNK_BYTES_MAX;
use enclos_protocol::job::{Step, Stream};

use super::{Attempt, Progress};
use crate::judge::Judge;
use crate::live::Input;
use crate::sandbox::{Listener, Sandbox, SandboxError};

/// Who gets all of a step's standard output.
pub(super) enum Sink<'a> {
    Nobody,
    /// Someone who compares it.
    Judge(&'a mut Judge),
    /// The sandbox of the checker, as its standard input.
    Checker(&'a mut Sandbox),
}

/// Output that the answer keeps, by its pieces.
pub(super) type Pieces = Vec<(Stream, Vec<u8>)>;

/// Bytes that may still be told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    stdout: u64,
    stderr: u64,
}

impl Left {
    /// The same for both streams.
    pub(super) fn of_each(bytes: u64) -> Self {
        Self { stdout: bytes, stderr: bytes }
    }

    fn of(&mut self, stream: Stream) -> &mut u64 {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }
}

/// Hears one step.
pub(super) struct Teller<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) step: Step,
    pub(super) left: Left,
    /// Both streams together, and every other step that shares this.
    pub(super) left_together: &'a mut u64,
    pub(super) sink: Sink<'a>,
    /// What was told, for who wants to tell it again.
    pub(super) told: Option<&'a mut Pieces>,
    /// The checker's sandbox took no more.
    pub(super) sink_error: Option<SandboxError>,
}

impl Listener for Teller<'_> {
    async fn output(&mut self, stream: Stream, mut bytes: Vec<u8>) {
        if stream == Stream::Stdout {
            match &mut self.sink {
                Sink::Nobody => {}
                Sink::Judge(judge) => judge.take(&bytes),
                Sink::Checker(sandbox) if self.sink_error.is_none() => {
                    self.sink_error = sandbox.put(&bytes).await.err();
                }
                Sink::Checker(_) => {}
            }
        }
        let left = self.left.of(stream);
        let kept = (bytes.len() as u64).min(*left).min(*self.left_together);
        *left -= kept;
        *self.left_together -= kept;
        bytes.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        for chunk in bytes.chunks(CHUNK_BYTES_MAX) {
            if let Some(told) = &mut self.told {
                told.push((stream, chunk.to_vec()));
            }
            self.attempt.tell(Progress::Output(self.step, stream, chunk.to_vec())).await;
        }
    }

    async fn input(&mut self) -> Input {
        self.attempt.intake.next().await
    }

    async fn taken(&mut self, taken: u64, closed: bool) {
        let taken = self.attempt.intake.taken(taken);
        self.attempt.tell(Progress::Stdin { taken, closed }).await;
    }
}
