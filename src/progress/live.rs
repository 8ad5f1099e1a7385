//! One job's live state, and a watcher's way through it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use enclos_protocol::ids::{AgentName, FencingToken};
use tokio::sync::watch;

use super::OutputError;
use super::cursor::{Cursor, Phase};
use crate::store::{Outputs, Part};

/// Bytes that a watcher is given at once, of one stream.
const CHUNK_BYTES_MAX: usize = 32 * 1024;

#[derive(Debug)]
struct State {
    phase: Phase,
    token: Option<FencingToken>,
    agent: Option<AgentName>,
    outputs: Outputs,
}

/// The live state of one job.
#[derive(Debug)]
pub struct Live {
    /// Most bytes of each part.
    caps: [u64; 4],
    state: Mutex<State>,
    /// Counts changes: watchers wait for a number, so none is missed between looking and waiting.
    changes: watch::Sender<u64>,
}

/// A job's phase at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// How far it is.
    pub phase: Phase,
    /// Of which attempt.
    pub token: Option<FencingToken>,
    /// Who has it.
    pub agent: Option<AgentName>,
}

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

impl Live {
    /// A waiting job that may report so many bytes per stream of compile step and run.
    pub(super) fn new([compile, run]: [u64; 2]) -> Self {
        let state = State { phase: Phase::Queued, token: None, agent: None, outputs: Outputs::default() };
        Self { caps: [compile, compile, run, run], state: Mutex::new(state), changes: watch::Sender::new(0) }
    }

    /// How far the job is now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        Snapshot { phase: state.phase, token: state.token, agent: state.agent.clone() }
    }

    /// Someone who wants to see what comes after `cursor`.
    #[must_use]
    pub fn watch(self: &Arc<Self>, cursor: Cursor) -> Watcher {
        Watcher { changes: self.changes.subscribe(), live: Arc::clone(self), cursor }
    }

    pub(super) fn queued(&self) {
        self.change(|state| {
            state.phase = Phase::Queued;
            state.agent = None;
            state.outputs = Outputs::default();
            true
        });
    }

    pub(super) fn running(&self, token: FencingToken, agent: &AgentName) {
        self.change(|state| {
            // An attempt that is taken up again after a restart or reconnect goes on where it was.
            if state.token != Some(token) || state.phase == Phase::Queued {
                state.outputs = Outputs::default();
                state.phase = Phase::Given;
            }
            state.token = Some(token);
            state.agent = Some(agent.clone());
            true
        });
    }

    pub(super) fn advance(&self, token: FencingToken, agent: &AgentName, next: Phase) {
        self.change(|state| {
            // Sent again after a reconnect, an earlier phase must not turn the phase back.
            let news = state.is_current(token, agent) && state.phase < next;
            if news {
                state.phase = next;
            }
            news
        });
    }

    pub(super) fn output(
        &self,
        (token, agent): (FencingToken, &AgentName),
        part: Part,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), OutputError> {
        let cap = self.caps[part.index()];
        let mut answer = Ok(());
        self.change(|state| {
            if !state.is_current(token, agent) {
                return false;
            }
            let kept = &mut state.outputs.0[part.index()];
            match append(kept, cap, offset, bytes) {
                Ok(news) => news,
                Err(error) => {
                    answer = Err(error);
                    false
                }
            }
        });
        answer
    }

    pub(super) fn outputs(&self, token: FencingToken) -> Outputs {
        let state = self.lock();
        if state.token == Some(token) { state.outputs.clone() } else { Outputs::default() }
    }

    pub(super) fn finished(&self) {
        self.change(|state| {
            state.phase = Phase::Finished;
            true
        });
    }

    /// Makes a change under the lock and wakes the watchers if there was one.
    fn change(&self, change: impl FnOnce(&mut State) -> bool) {
        let changed = change(&mut self.lock());
        if changed {
            self.changes.send_modify(|count| *count += 1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_current(&self, token: FencingToken, agent: &AgentName) -> bool {
        self.token == Some(token) && self.agent.as_ref() == Some(agent) && self.phase != Phase::Queued
    }
}

/// Whether anything of `bytes` was new.
fn append(kept: &mut Vec<u8>, cap: u64, offset: u64, bytes: &[u8]) -> Result<bool, OutputError> {
    let known = kept.len();
    let gap = OutputError::Gap { offset, known };
    let offset = usize::try_from(offset).map_err(|_| OutputError::TooMuch(cap))?;
    let Some(seen) = known.checked_sub(offset) else { return Err(gap) };
    let new = bytes.get(seen..).unwrap_or_default();
    if (known + new.len()) as u64 > cap {
        return Err(OutputError::TooMuch(cap));
    }
    kept.extend_from_slice(new);
    Ok(!new.is_empty())
}

/// A cursor on one job's live state.
#[derive(Debug)]
pub struct Watcher {
    live: Arc<Live>,
    changes: watch::Receiver<u64>,
    cursor: Cursor,
}

impl Watcher {
    /// What has been seen.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// The phase now, if it (or the attempt) is not the one last seen.
    pub fn next_phase(&mut self) -> Option<Snapshot> {
        let snapshot = self.live.snapshot();
        if snapshot.token != self.cursor.token {
            // Another attempt writes its output anew.
            self.cursor.offsets = [0; 4];
        } else if self.cursor.phase == Some(snapshot.phase) {
            return None;
        }
        self.cursor.token = snapshot.token;
        self.cursor.phase = Some(snapshot.phase);
        Some(snapshot)
    }

    /// The next output beyond the cursor, of the attempt that the cursor names.
    pub fn next_chunk(&mut self) -> Option<Chunk> {
        let state = self.live.lock();
        if state.token != self.cursor.token {
            return None;
        }
        let chunk = next_chunk(&state.outputs, &mut self.cursor.offsets, state.phase == Phase::Finished);
        drop(state);
        chunk
    }

    /// Waits until something has changed since the last call; cancel-safe.
    pub async fn changed(&mut self) {
        // The sender lives in `live`, which is held here, so this never fails.
        let _ = self.changes.changed().await;
    }

    /// Waits until the job has finished; cancel-safe.
    pub async fn finished(&mut self) {
        while self.live.snapshot().phase != Phase::Finished {
            self.changed().await;
        }
    }
}

/// The next bytes of `outputs` beyond `offsets`, which move past them; `complete`: no more will come.
#[must_use]
pub fn next_chunk(outputs: &Outputs, offsets: &mut [u64; 4], complete: bool) -> Option<Chunk> {
    for part in Part::ALL {
        let offset = &mut offsets[part.index()];
        let bytes = &outputs.0[part.index()];
        let rest = usize::try_from(*offset).ok().and_then(|o| bytes.get(o..)).unwrap_or_default();
        let bytes = cut_between_characters(rest, complete);
        if !bytes.is_empty() {
            let chunk = Chunk { part, offset: *offset, bytes: bytes.to_vec() };
            *offset += bytes.len() as u64;
            return Some(chunk);
        }
    }
    None
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
    use enclos_protocol::job::{Step, Stream};
    use proptest::prelude::*;

    use super::*;

    const TOKEN: FencingToken = FencingToken { epoch: 1, counter: 1 };
    const STDOUT: Part = Part { step: Step::Run, stream: Stream::Stdout };

    fn agent() -> AgentName {
        "a".parse().unwrap()
    }

    fn running() -> Arc<Live> {
        let live = Arc::new(Live::new([16, 16]));
        live.running(TOKEN, &agent());
        live
    }

    #[test]
    fn output_of_another_attempt_or_agent_is_passed_over() {
        let live = running();
        let old = FencingToken { epoch: 1, counter: 0 };
        live.output((old, &agent()), STDOUT, 0, b"x").unwrap();
        live.output((TOKEN, &"b".parse().unwrap()), STDOUT, 0, b"x").unwrap();
        assert_eq!(live.outputs(TOKEN), Outputs::default());
    }

    #[test]
    fn output_sent_again_changes_nothing_and_a_gap_is_an_error() {
        let live = running();
        let me = agent();
        live.output((TOKEN, &me), STDOUT, 0, b"abc").unwrap();
        live.output((TOKEN, &me), STDOUT, 0, b"abcd").unwrap();
        assert_eq!(live.outputs(TOKEN).0[STDOUT.index()], b"abcd");
        assert_eq!(live.output((TOKEN, &me), STDOUT, 5, b"x"), Err(OutputError::Gap { offset: 5, known: 4 }));
        assert_eq!(live.output((TOKEN, &me), STDOUT, 4, &[0; 13]), Err(OutputError::TooMuch(16)));
        assert!(live.output((TOKEN, &me), STDOUT, u64::MAX, b"x").is_err());
    }

    #[test]
    fn a_watcher_sees_a_new_attempt_from_its_start() {
        let live = running();
        live.output((TOKEN, &agent()), STDOUT, 0, b"old").unwrap();
        let mut watcher = live.watch(Cursor::default());
        assert_eq!(watcher.next_phase().unwrap().phase, Phase::Given);
        assert_eq!(watcher.next_chunk().unwrap().bytes, b"old");
        live.queued();
        let next = FencingToken { epoch: 1, counter: 2 };
        live.running(next, &agent());
        live.output((next, &agent()), STDOUT, 0, b"new").unwrap();
        assert_eq!(watcher.next_chunk(), None, "not before its phase was told");
        assert_eq!(watcher.next_phase().unwrap().token, Some(next));
        assert_eq!(watcher.next_chunk().unwrap(), Chunk { part: STDOUT, offset: 0, bytes: b"new".to_vec() });
        assert_eq!(watcher.next_phase(), None);
    }

    #[test]
    fn an_earlier_step_sent_again_does_not_turn_the_phase_back() {
        let live = running();
        live.advance(TOKEN, &agent(), Phase::Installing);
        live.advance(TOKEN, &agent(), Phase::Running(Step::Run));
        live.advance(TOKEN, &agent(), Phase::Running(Step::Compile));
        live.advance(TOKEN, &agent(), Phase::Installing);
        assert_eq!(live.snapshot().phase, Phase::Running(Step::Run));
    }

    proptest! {
        #[test]
        fn chunks_are_whole_characters_and_together_the_output(text in "\\PC{0,200}", step in 1usize..40) {
            let bytes = text.as_bytes();
            let (mut outputs, mut offsets, mut seen) = (Outputs::default(), [0; 4], Vec::new());
            for piece in bytes.chunks(step) {
                outputs.0[STDOUT.index()].extend_from_slice(piece);
                if let Some(chunk) = next_chunk(&outputs, &mut offsets, false) {
                    prop_assert!(std::str::from_utf8(&chunk.bytes).is_ok());
                    seen.extend(chunk.bytes);
                }
            }
            while let Some(chunk) = next_chunk(&outputs, &mut offsets, true) {
                seen.extend(chunk.bytes);
            }
            prop_assert_eq!(seen, bytes);
        }
    }
}
