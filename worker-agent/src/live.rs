//! Live standard input of an attempt, between the session and the sandbox.
//!
//! ```text
//! session ─ Feed ─▶ waiting (a window at most), signals (one of a kind) ─▶ Intake ─ sandbox
//! ```
//!
//! In order, and each byte once, however often the master sends it. Neither side waits for the other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use enclos_protocol::live::{STDIN_WINDOW_BYTES, Signal, SignalSet};
use tokio::sync::Notify;

#[derive(Debug, Default)]
struct State {
    /// Bytes that came in all.
    received: u64,
    /// Bytes that the program's pipe took.
    taken: u64,
    waiting: VecDeque<u8>,
    /// The end came.
    last: bool,
    /// The end was handed on.
    is_over: bool,
    signals: SignalSet,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the sandbox is to be told next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// Bytes, at most a window; after the last of them nothing comes.
    Bytes {
        /// The next ones.
        bytes: Vec<u8>,
        /// It ends after them.
        last: bool,
    },
    /// A signal; it passes bytes by.
    Signal(Signal),
}

/// How much of it came, as the master is told: another master goes on there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Received {
    /// Bytes in all.
    pub bytes: u64,
    /// Their end came.
    pub ended: bool,
}

/// Why the master's words are not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the master sent live input that leaves a gap, or does not fit its window")]
pub struct OutOfWindow;

/// The session's end.
#[derive(Debug)]
pub struct Feed(Arc<Shared>);

/// The attempt's end.
#[derive(Debug)]
pub struct Intake(Arc<Shared>);

/// Both ends.
#[must_use]
pub fn pair() -> (Feed, Intake) {
    let shared = Arc::<Shared>::default();
    (Feed(Arc::clone(&shared)), Intake(shared))
}

impl Feed {
    /// Takes what the master sent; what came before is passed over. How much came by now.
    ///
    /// # Errors
    /// [`OutOfWindow`] where the master breaks the link's rules; nothing was taken then.
    pub fn stdin(&self, offset: u64, bytes: &[u8], last: bool) -> Result<Received, OutOfWindow> {
        let mut state = self.0.lock();
        let seen = state.received.checked_sub(offset).ok_or(OutOfWindow)?;
        let new = usize::try_from(seen).ok().and_then(|seen| bytes.get(seen..)).unwrap_or_default();
        let on_their_way = state.received - state.taken + new.len() as u64;
        if on_their_way > STDIN_WINDOW_BYTES as u64 || (state.last && !new.is_empty()) {
            return Err(OutOfWindow);
        }
        state.waiting.extend(new);
        state.received += new.len() as u64;
        state.last |= last;
        let received = Received { bytes: state.received, ended: state.last };
        drop(state);
        self.0.news.notify_one();
        Ok(received)
    }

    /// Takes a signal.
    pub fn signal(&self, signal: Signal) {
        self.0.lock().signals.add(signal);
        self.0.news.notify_one();
    }
}

impl Intake {
    /// What comes next. Cancel-safe: nothing is taken out before it is given.
    pub async fn next(&self) -> Input {
        loop {
            if let Some(input) = self.now() {
                return input;
            }
            self.0.news.notified().await;
        }
    }

    fn now(&self) -> Option<Input> {
        let mut state = self.0.lock();
        if let Some(signal) = state.signals.take() {
            return Some(Input::Signal(signal));
        }
        if state.waiting.is_empty() && (!state.last || state.is_over) {
            return None;
        }
        state.is_over = state.last;
        Some(Input::Bytes { bytes: std::mem::take(&mut state.waiting).into(), last: state.last })
    }

    /// The program's pipe took so much in all; how much of it can be so.
    #[must_use]
    pub fn taken(&self, taken: u64) -> u64 {
        let mut state = self.0.lock();
        state.taken = taken.clamp(state.taken, state.received);
        state.taken
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn bytes(bytes: &[u8], last: bool) -> Option<Input> {
        Some(Input::Bytes { bytes: bytes.to_vec(), last })
    }

    #[test]
    fn each_byte_and_the_end_are_given_once_however_often_they_come() {
        let (feed, intake) = pair();
        let next = || intake.next().now_or_never();
        assert_eq!(next(), None);
        feed.stdin(0, b"ab", false).unwrap();
        feed.stdin(1, b"bc", false).unwrap();
        assert_eq!(next(), bytes(b"abc", false));
        assert_eq!(feed.stdin(0, b"abc", false), Ok(Received { bytes: 3, ended: false }));
        feed.stdin(0, b"abc", true).unwrap();
        assert_eq!(feed.stdin(0, b"abc", false), Ok(Received { bytes: 3, ended: true }));
        assert_eq!((next(), next()), (bytes(b"", true), None));
        assert_eq!(feed.stdin(3, b"more", false), Err(OutOfWindow), "after the end");
        assert_eq!(feed.stdin(9, b"", false), Err(OutOfWindow), "a gap");
    }

    #[test]
    fn no_more_than_a_window_is_held_until_the_program_took_it() {
        let (feed, intake) = pair();
        feed.stdin(0, &vec![0; STDIN_WINDOW_BYTES], false).unwrap();
        let all = STDIN_WINDOW_BYTES as u64;
        assert!(intake.next().now_or_never().is_some());
        assert_eq!(feed.stdin(all, b"x", false), Err(OutOfWindow), "the supervisor may hold it still");
        assert_eq!(intake.taken(1), 1);
        feed.stdin(all, b"x", false).unwrap();
        assert_eq!(intake.taken(u64::MAX), all + 1, "no more than came");
        assert!(feed.stdin(all + 1, &vec![0; STDIN_WINDOW_BYTES], false).is_ok());
    }

    #[test]
    fn signals_pass_bytes_by() {
        let (feed, intake) = pair();
        feed.stdin(0, b"a", true).unwrap();
        feed.signal(Signal::Int);
        feed.signal(Signal::Int);
        let next = || intake.next().now_or_never();
        assert_eq!((next(), next(), next()), (Some(Input::Signal(Signal::Int)), bytes(b"a", true), None));
    }
}
