//! What a watcher is shown next of what a job wrote, live or from the store. Pure.
//!
//! ```text
//! compile ─ companion ─ run ─┬─ (chunks, each stream in order)
//!                            └─ case 0: chunks, its end ─ case 1: chunks, its end ─ …
//! ```
//!
//! Cases are shown in order, each whole before the next, in whatever order they
//! were run; so the place of a watcher is one case and two offsets.

use enclos_protocol::cases::CaseReport;
use enclos_protocol::job::{Step, Stream};

use super::cursor::Cursor;
use crate::store::{CaseResult, Outputs, Part};

/// Bytes that a watcher is given at once, of one stream.
const CHUNK_BYTES_MAX: usize = 32 * 1024;

/// Output that a watcher has not seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chunk {
    /// Whose.
    pub part: Part,
    /// Where it begins.
    pub offset: u64,
    /// The bytes, not empty.
    pub bytes: Vec<u8>,
}

/// What comes next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    /// Output.
    Chunk(Chunk),
    /// A case ended, and all of its output was shown.
    Case(u32, Box<CaseReport>),
}

/// All that a job has written so far.
pub struct Written<'a, F> {
    /// Of its steps.
    pub outputs: &'a Outputs,
    /// Of its case of a number; `None` where nothing is known of it.
    pub case: F,
    /// How many cases it has.
    pub cases: u32,
    /// No more will come.
    pub complete: bool,
}

impl<'a, F: Fn(u32) -> Option<&'a CaseResult>> Written<'a, F> {
    /// What comes next for a watcher at `cursor`, which moves past it.
    #[must_use]
    pub fn next(&self, cursor: &mut Cursor) -> Option<Seen> {
        for part in Part::ALL {
            let bytes = &self.outputs.0[part.index()];
            // A job with cases has no run: its place among the offsets is that of a case.
            if self.cases > 0 && part.step == Step::Run {
                continue;
            }
            if let Some(chunk) = chunk(bytes, part, &mut cursor.offsets[part.index()], self.complete) {
                return Some(Seen::Chunk(chunk));
            }
        }
        while cursor.case < self.cases {
            let number = cursor.case;
            let result = (self.case)(number);
            let report = result.and_then(|r| r.report.as_ref());
            let ended = self.complete || report.is_some();
            for stream in [Stream::Stdout, Stream::Stderr] {
                let part = Part { step: Step::Case(number), stream };
                let bytes = result.map_or(&[][..], |r| if stream == Stream::Stdout { &r.stdout } else { &r.stderr });
                if let Some(chunk) = chunk(bytes, part, &mut cursor.offsets[part.index()], ended) {
                    return Some(Seen::Chunk(chunk));
                }
            }
            if !ended {
                return None;
            }
            cursor.case += 1;
            for stream in [Stream::Stdout, Stream::Stderr] {
                cursor.offsets[Part { step: Step::Run, stream }.index()] = 0;
            }
            if let Some(report) = report {
                return Some(Seen::Case(number, Box::new(report.clone())));
            }
        }
        None
    }
}

/// The next bytes beyond `offset`, which moves past them; `complete`: no more will come.
fn chunk(bytes: &[u8], part: Part, offset: &mut u64, complete: bool) -> Option<Chunk> {
    let rest = usize::try_from(*offset).ok().and_then(|o| bytes.get(o..)).unwrap_or_default();
    let bytes = cut_between_characters(rest, complete);
    if bytes.is_empty() {
        return None;
    }
    let chunk = Chunk { part, offset: *offset, bytes: bytes.to_vec() };
    *offset += bytes.len() as u64;
    Some(chunk)
}

/// At most [`CHUNK_BYTES_MAX`] of `bytes`; a last character of UTF-8 that is not whole yet is left for
/// later, if there is a later.
fn cut_between_characters(bytes: &[u8], complete: bool) -> &[u8] {
    let piece = &bytes[..bytes.len().min(CHUNK_BYTES_MAX)];
    let more = !complete || piece.len() < bytes.len();
    // Looked for in the last bytes only: before them there may be anything.
    let tail = piece.len().saturating_sub(3);
    let cut = (tail..piece.len()).find(|&i| {
        let (lead, have) = (piece[i], piece.len() - i);
        let length = match lead {
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        length > have && piece[i + 1..].iter().all(|b| b & 0xc0 == 0x80)
    });
    &piece[..cut.filter(|_| more).unwrap_or(piece.len())]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STDOUT: Part = Part { step: Step::Run, stream: Stream::Stdout };

    fn no_case<'a>(_: u32) -> Option<&'a CaseResult> {
        None
    }

    proptest! {
        #[test]
        fn chunks_are_whole_characters_and_together_the_output(text in "\\PC{0,200}", step in 1usize..40) {
            let bytes = text.as_bytes();
            let (mut outputs, mut cursor, mut seen) = (Outputs::default(), Cursor::default(), Vec::<u8>::new());
            let mut take = |outputs: &Outputs, complete| {
                match (Written { outputs, case: no_case, cases: 0, complete }).next(&mut cursor) {
                    Some(Seen::Chunk(chunk)) => {
                        seen.extend(&chunk.bytes);
                        Some(chunk.bytes)
                    }
                    _ => None,
                }
            };
            for piece in bytes.chunks(step) {
                outputs.0[STDOUT.index()].extend_from_slice(piece);
                if let Some(bytes) = take(&outputs, false) {
                    prop_assert!(std::str::from_utf8(&bytes).is_ok());
                }
            }
            while take(&outputs, true).is_some() {}
            prop_assert_eq!(seen, bytes);
        }
    }
}
