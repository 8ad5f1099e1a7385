//! What the master must still be told, kept until it says that it is safe. Pure.
//!
//! Per attempt: what it told, in order, and the end. A mark says how far that
//! was sent; a new connection sets the mark back, so what was lost with the old
//! one is sent again, and offsets make that harmless. Memory is bounded by what
//! the attempts may report.

use std::collections::BTreeMap;

use enclos_protocol::agent_link::FromAgent;
use enclos_protocol::cases::CaseReport;
use enclos_protocol::frame::CHUNK_BYTES_MAX;
use enclos_protocol::ids::AttemptId;
use enclos_protocol::job::{Step, Stream};
use serde_bytes::ByteBuf;

use crate::attempt::{End, Progress};
use crate::live::Received;

/// Everything that is kept, by attempt.
#[derive(Default, Debug)]
pub struct Outbox {
    attempts: BTreeMap<AttemptId, Kept>,
    /// Who was served last, so that one flood of output delays nobody.
    last: Option<AttemptId>,
}

#[derive(Default, Debug)]
struct Kept {
    told: Vec<Told>,
    /// How many of them were sent.
    sent: usize,
    /// Bytes of each stream so far.
    lengths: BTreeMap<(Step, Stream), u64>,
    /// What the program took of its live standard input: only the last word of it counts.
    stdin: Option<(u64, bool)>,
    received: Received,
    stdin_sent: bool,
    end: Option<End>,
    end_sent: bool,
}

#[derive(Debug)]
enum Told {
    Installing,
    Started(Step),
    Output { step: Step, stream: Stream, offset: u64, bytes: Vec<u8> },
    Case(u32, Box<CaseReport>),
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
            Progress::Installing => kept.told.push(Told::Installing),
            Progress::Started(step) => kept.told.push(Told::Started(step)),
            Progress::Output(step, stream, bytes) => kept.output(step, stream, &bytes),
            Progress::Stdin { taken, closed } => {
                kept.stdin = Some((taken, closed));
                kept.stdin_sent = false;
            }
            Progress::Case(case, report) => kept.told.push(Told::Case(case, report)),
        }
    }

    /// Live standard input came. It is told with what was taken of it, and never by itself: the master
    /// knows what it sent, until it is another one.
    pub fn received(&mut self, attempt: AttemptId, received: Received) {
        self.attempts.get_mut(&attempt).into_iter().for_each(|kept| kept.received = received);
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
            kept.sent = 0;
            kept.stdin_sent = false;
            kept.end_sent = false;
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
    fn output(&mut self, step: Step, stream: Stream, more: &[u8]) {
        let length = self.lengths.entry((step, stream)).or_default();
        for more in more.chunks(CHUNK_BYTES_MAX) {
            let offset = *length;
            *length += more.len() as u64;
            // What a program writes byte by byte is not to cost a message for each.
            let waits = self.told.len() > self.sent;
            match self.told.last_mut().filter(|_| waits) {
                Some(Told::Output { step: last, stream: of, bytes, .. })
                    if (*last, *of) == (step, stream) && bytes.len() + more.len() <= CHUNK_BYTES_MAX =>
                {
                    bytes.extend_from_slice(more);
                }
                _ => self.told.push(Told::Output { step, stream, offset, bytes: more.to_vec() }),
            }
        }
    }

    fn has_unsent(&self) -> bool {
        self.sent < self.told.len() || self.has_unsent_stdin() || (self.end.is_some() && !self.end_sent)
    }

    fn has_unsent_stdin(&self) -> bool {
        self.stdin.is_some() && !self.stdin_sent
    }

    /// As it was told, then the end: nothing comes after an end. What the program took of its input
    /// goes before all output, for which a client that waits to say more must not wait.
    fn take_next(&mut self, attempt: AttemptId) -> Option<FromAgent> {
        if let Some((taken, closed)) = self.stdin.filter(|_| !self.stdin_sent) {
            self.stdin_sent = true;
            let Received { bytes: received, ended } = self.received;
            return Some(FromAgent::StdinTaken { attempt, taken, received, ended, closed });
        }
        if let Some(told) = self.told.get(self.sent) {
            self.sent += 1;
            return Some(match told {
                Told::Installing => FromAgent::Installing { attempt },
                Told::Started(step) => FromAgent::Started { attempt, step: *step },
                Told::Output { step, stream, offset, bytes } => FromAgent::Output {
                    attempt,
                    step: *step,
                    stream: *stream,
                    offset: *offset,
                    bytes: ByteBuf::from(bytes.as_slice()),
                },
                Told::Case(case, report) => FromAgent::CaseDone { attempt, case: *case, report: report.clone() },
            });
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
            FromAgent::StdinTaken { attempt, taken, received, ended, .. } => {
                format!("{} taken {taken} of {received}{}", attempt.token.counter, if ended { " in all" } else { "" })
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
    fn what_is_written_byte_by_byte_costs_one_message_until_it_is_sent() {
        let mut outbox = Outbox::default();
        outbox.begin(attempt(1));
        for _ in 0..3 {
            outbox.record(attempt(1), output(b"x"));
        }
        assert_eq!(drained(&mut outbox), ["1 output 0+3"]);
        outbox.record(attempt(1), output(b"x"));
        assert_eq!(drained(&mut outbox), ["1 output 3+1"]);
        outbox.rewind();
        assert_eq!(drained(&mut outbox), ["1 output 0+3", "1 output 3+1"]);
    }

    #[test]
    fn what_was_taken_of_the_input_passes_output_by_and_only_the_last_word_is_sent() {
        let mut outbox = Outbox::default();
        outbox.begin(attempt(1));
        outbox.record(attempt(1), output(b"x"));
        outbox.received(attempt(1), Received { bytes: 9, ended: false });
        for taken in [0, 7] {
            outbox.record(attempt(1), Progress::Stdin { taken, closed: false });
        }
        assert_eq!(drained(&mut outbox), ["1 taken 7 of 9", "1 output 0+1"]);
        outbox.received(attempt(1), Received { bytes: 12, ended: true });
        assert!(!outbox.has_unsent(), "the master knows what it sent");
        outbox.rewind();
        assert_eq!(drained(&mut outbox), ["1 taken 7 of 12 in all", "1 output 0+1"], "another does not");
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
