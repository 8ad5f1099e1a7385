//! What the master must still be told, kept until it says that it is safe. Pure.
//!
//! Per attempt: that it installs, which steps began, four byte strings, and the end. Each has a
//! mark of how far it was sent; a new connection sets the marks back, so what
//! was lost with the old one is sent again, and offsets make that harmless.
//! Memory is bounded by what the attempts may report.

use std::collections::BTreeMap;

use enclos_protocol::agent_link::FromAgent;
use enclos_protocol::frame::CHUNK_BYTES_MAX;
use enclos_protocol::ids::AttemptId;
use enclos_protocol::job::{Step, Stream};
use serde_bytes::ByteBuf;

use crate::attempt::{End, Progress};

/// Everything that is kept, by attempt.
#[derive(Default, Debug)]
pub struct Outbox {
    attempts: BTreeMap<AttemptId, Kept>,
    /// Who was served last, so that one flood of output delays nobody.
    last: Option<AttemptId>,
}

#[derive(Default, Debug)]
struct Kept {
    installing: bool,
    installing_sent: bool,
    started: Vec<Step>,
    started_sent: usize,
    streams: BTreeMap<(Step, Stream), Kind>,
    end: Option<End>,
    end_sent: bool,
}

#[derive(Default, Debug)]
struct Kind {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// An attempt begins.
    pub fn begin(&mut self, attempt: AttemptId) {
        self.attempts.entry(attempt).or_default();
    }

    /// Keeps what an attempt told; of one that was forgotten nothing is kept.
    pub fn record(&mut self, attempt: AttemptId, progress: Progress) {
        let Some(kept) = self.attempts.get_mut(&attempt) else { return };
        match progress {
            Progress::Installing => kept.installing = true,
            Progress::Started(step) => kept.started.push(step),
            Progress::Output(step, stream, bytes) => {
                kept.streams.entry((step, stream)).or_default().bytes.extend_from_slice(&bytes);
            }
        }
    }

    /// Keeps how an attempt ended.
    pub fn end(&mut self, attempt: AttemptId, end: End) {
        match end {
            End::Nothing => self.forget(attempt),
            end => {
                if let Some(kept) = self.attempts.get_mut(&attempt) {
                    kept.end = Some(end);
                }
            }
        }
    }

    /// The master has it, or does not want it.
    pub fn forget(&mut self, attempt: AttemptId) {
        self.attempts.remove(&attempt);
    }

    /// A new connection: what was sent before may be lost.
    pub fn rewind(&mut self) {
        for kept in self.attempts.values_mut() {
            kept.installing_sent = false;
            kept.started_sent = 0;
            kept.end_sent = false;
            for kind in kept.streams.values_mut() {
                kind.sent = 0;
            }
        }
    }

    /// Attempts that are kept: running, or ended and not acknowledged.
    pub fn holding(&self) -> impl Iterator<Item = AttemptId> {
        self.attempts.keys().copied()
    }

    /// Whether anything is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attempts.is_empty()
    }

    /// Whether there is something to send.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.attempts.values().any(Kept::has_unsent)
    }

    /// The next message, of the attempt whose turn it is; it counts as sent.
    pub fn take_next(&mut self) -> Option<FromAgent> {
        let after = self.last.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let later = self.attempts.range((after, std::ops::Bound::Unbounded)).find(|(_, k)| k.has_unsent());
        let attempt = later.or_else(|| self.attempts.iter().find(|(_, k)| k.has_unsent())).map(|(id, _)| *id)?;
        self.last = Some(attempt);
        self.attempts.get_mut(&attempt)?.take_next(attempt)
    }
}

impl Kept {
    fn has_unsent(&self) -> bool {
        (self.installing && !self.installing_sent)
            || self.started_sent < self.started.len()
            || self.streams.values().any(|k| k.sent < k.bytes.len())
            || (self.end.is_some() && !self.end_sent)
    }

    /// Beginnings, then output, then the end: nothing comes after an end.
    fn take_next(&mut self, attempt: AttemptId) -> Option<FromAgent> {
        if self.installing && !self.installing_sent {
            self.installing_sent = true;
            return Some(FromAgent::Installing { attempt });
        }
        if let Some(step) = self.started.get(self.started_sent) {
            self.started_sent += 1;
            return Some(FromAgent::Started { attempt, step: *step });
        }
        for ((step, stream), kind) in &mut self.streams {
            let rest = &kind.bytes[kind.sent..];
            if !rest.is_empty() {
                let chunk = &rest[..rest.len().min(CHUNK_BYTES_MAX)];
                let message = FromAgent::Output {
                    attempt,
                    step: *step,
                    stream: *stream,
                    offset: kind.sent as u64,
                    bytes: ByteBuf::from(chunk),
                };
                kind.sent += chunk.len();
                return Some(message);
            }
        }
        let end = self.end.clone().filter(|_| !self.end_sent)?;
        self.end_sent = true;
        match end {
            End::Finished(report) => Some(FromAgent::Finished { attempt, report }),
            End::Returned(reason) => Some(FromAgent::Returned { attempt, reason }),
            End::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use enclos_protocol::agent_link::ReturnReason;
    use enclos_protocol::ids::{FencingToken, JobId};

    use super::*;

    fn attempt(counter: u64) -> AttemptId {
        AttemptId { job: JobId::from_bytes([7; 16]), token: FencingToken { epoch: 1, counter } }
    }

    fn output(bytes: &[u8]) -> Progress {
        Progress::Output(Step::Run, Stream::Stdout, bytes.to_vec())
    }

    fn drained(outbox: &mut Outbox) -> Vec<String> {
        let name = |message: FromAgent| match message {
            FromAgent::Installing { attempt } => format!("{} installing", attempt.token.counter),
            FromAgent::Started { attempt, step } => format!("{} started {step:?}", attempt.token.counter),
            FromAgent::Output { attempt, offset, bytes, .. } => {
                format!("{} output {offset}+{}", attempt.token.counter, bytes.len())
            }
            FromAgent::Returned { attempt, .. } => format!("{} returned", attempt.token.counter),
            other => format!("{other:?}"),
        };
        std::iter::from_fn(|| outbox.take_next()).map(name).collect()
    }

    #[test]
    fn an_end_comes_after_all_output_and_everything_again_after_a_reconnect() {
        let mut outbox = Outbox::default();
        outbox.begin(attempt(1));
        outbox.record(attempt(1), Progress::Installing);
        outbox.record(attempt(1), Progress::Started(Step::Run));
        outbox.record(attempt(1), output(&[0; CHUNK_BYTES_MAX]));
        outbox.record(attempt(1), output(b"x"));
        outbox.end(attempt(1), End::Returned(ReturnReason::NoRoom));
        let expected = ["1 installing", "1 started Run", "1 output 0+65536", "1 output 65536+1", "1 returned"];
        assert_eq!(drained(&mut outbox), expected);
        assert!(!outbox.has_unsent() && !outbox.is_empty());
        outbox.rewind();
        assert_eq!(drained(&mut outbox), expected);
        outbox.forget(attempt(1));
        outbox.record(attempt(1), output(b"late"));
        assert!(outbox.is_empty() && !outbox.has_unsent());
    }

    #[test]
    fn attempts_take_turns() {
        let mut outbox = Outbox::default();
        for n in 1..=2 {
            outbox.begin(attempt(n));
            outbox.record(attempt(n), output(&[0; 2 * CHUNK_BYTES_MAX]));
        }
        let order = drained(&mut outbox);
        assert_eq!(order, ["1 output 0+65536", "2 output 0+65536", "1 output 65536+65536", "2 output 65536+65536"]);
    }

    #[test]
    fn an_abandoned_attempt_leaves_nothing() {
        let mut outbox = Outbox::default();
        outbox.begin(attempt(1));
        outbox.record(attempt(1), output(b"x"));
        outbox.end(attempt(1), End::Nothing);
        assert!(outbox.is_empty());
    }
}
