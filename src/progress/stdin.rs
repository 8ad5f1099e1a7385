//! The live standard input of one job: what clients say, until the program has it.
//!
//! ```text
//! client (one at a time) ─▶ held: a window at most, from what the program took on ─▶ session ─▶ agent
//!    waits for room ◀───────────────── taken ◀──────────────────────────────────────────┘
//! ```
//!
//! A byte is held until the program's pipe took it, so a session that comes after a broken one sends
//! again what was lost: all that its agent has not. A master that has just started does not have what
//! another gave; it counts that as on its way, and goes on behind it. An attempt that was given anything
//! is the job's last (`scheduler`), so what is held is always the next that the program is to read. It
//! must not decide anything.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use enclos_protocol::ids::FencingToken;
use enclos_protocol::live::{STDIN_WINDOW_BYTES, Signal, SignalSet};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Most bytes of one attempt that are believed: none lives so long, and no sum of them overflows.
const STDIN_BYTES_MAX: u64 = 1 << 53;

/// How far it is, as clients see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The program does not run yet; who says something waits.
    Waiting,
    /// The program runs.
    Open,
    /// A client ended it.
    Ended,
    /// Nobody was there and nothing was said for too long, so it was ended.
    Idle,
    /// The program reads no more.
    Closed,
    /// The job is over.
    Over,
}

/// Why a client's words are not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Another client speaks.
    InUse,
    /// No program runs that could get a signal.
    NotRunning,
    /// It is at its end, in this way.
    AtItsEnd(Stage),
}

/// What an agent says of it, when its program runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Heard {
    /// Bytes in all that the program's pipe took.
    pub taken: u64,
    /// Bytes in all that came to the agent.
    pub received: u64,
    /// Their end came to the agent.
    pub ended: bool,
    /// The program reads no more.
    pub closed: bool,
}

/// What an agent said of it cannot be so.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("more live input was taken or received than was given")]
pub struct Unfit;

/// What an agent is to be given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Given {
    /// Bytes of it, and its end.
    Stdin {
        /// Where they begin.
        offset: u64,
        /// A window at most.
        bytes: Vec<u8>,
        /// It ends after them.
        last: bool,
    },
    /// A signal.
    Signal(Signal),
}

#[derive(Debug, Default)]
struct State {
    /// Who speaks; others may when it is gone.
    speaker: Option<u64>,
    clients: u64,
    attached: usize,
    /// Bytes from `taken` on; those before `known_from` are only counted.
    held: VecDeque<u8>,
    taken: u64,
    /// What came before was another master's to give, and is never sent from here.
    known_from: u64,
    /// How many of `held` the session has sent.
    sent: usize,
    end: Option<Stage>,
    end_sent: bool,
    signals: SignalSet,
    /// Who gives to the agent: of which attempt, and how it is woken.
    giver: Option<(FencingToken, Arc<Notify>)>,
    /// The program runs.
    is_open: bool,
    /// What `taken` is was heard of the agent.
    is_known: bool,
    touched: Option<Instant>,
}

/// The live standard input of one job.
#[derive(Debug, Default)]
pub struct Stdin {
    state: Mutex<State>,
    /// Counts changes, for clients that wait.
    changes: watch::Sender<u64>,
}

impl Stdin {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change, and wakes clients and session.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let answer = change(&mut state);
        let giver = state.giver.as_ref().map(|(_, bell)| Arc::clone(bell));
        drop(state);
        self.changes.send_modify(|count| *count += 1);
        giver.iter().for_each(|bell| bell.notify_one());
        answer
    }

    /// A client comes; it is gone when dropped.
    #[must_use]
    pub fn attach(self: &Arc<Self>) -> Client {
        let id = self.change(|state| {
            state.clients += 1;
            state.attached += 1;
            state.touched = Some(Instant::now());
            state.clients
        });
        Client { stdin: Arc::clone(self), changes: self.changes.subscribe(), id }
    }

    /// How far it is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        let state = self.lock();
        state.end.unwrap_or(if state.is_open { Stage::Open } else { Stage::Waiting })
    }

    /// Tells of changes since now.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Something was written, which is a sign of life.
    pub(super) fn touch(&self) {
        self.lock().touched = Some(Instant::now());
    }

    /// Another attempt will get it; this one was given nothing.
    pub(super) fn begin_anew(&self) {
        self.change(|state| {
            (state.giver, state.is_open, state.is_known) = (None, false, false);
            (state.sent, state.end_sent, state.taken, state.known_from) = (0, false, 0, 0);
            // They were for the program that is gone.
            state.signals = SignalSet::default();
            state.end = state.end.filter(|end| *end != Stage::Closed);
        });
    }

    /// The job is over.
    pub(super) fn end(&self) {
        self.change(|state| {
            state.end = Some(Stage::Over);
            state.held.clear();
            state.giver = None;
        });
    }

    /// Has `bell`'s session give it to an attempt, from what the program took on.
    pub fn give_to(&self, token: FencingToken, bell: &Arc<Notify>) {
        let mut state = self.lock();
        state.giver = Some((token, Arc::clone(bell)));
        // Until the agent says what the program has.
        state.is_open = false;
    }

    /// Whether `bell`'s session gives it to this attempt.
    #[must_use]
    pub fn is_given_by(&self, token: FencingToken, bell: &Arc<Notify>) -> bool {
        self.lock().is_given_by(token, bell)
    }

    /// The next that this session is to give to the attempt; it counts as sent.
    pub fn next(&self, token: FencingToken, bell: &Arc<Notify>) -> Option<Given> {
        let mut state = self.lock();
        if !state.is_given_by(token, bell) || !state.is_open {
            return None;
        }
        if let Some(signal) = state.signals.take() {
            return Some(Given::Signal(signal));
        }
        let ends = matches!(state.end, Some(Stage::Ended | Stage::Idle)) && !state.end_sent;
        if state.sent == state.held.len() && !ends {
            return None;
        }
        let offset = state.taken + state.sent as u64;
        let bytes = state.held.range(state.sent..).copied().collect();
        state.sent = state.held.len();
        state.end_sent |= ends;
        Some(Given::Stdin { offset, bytes, last: ends })
    }

    /// The program of this attempt runs.
    pub(super) fn taken(&self, token: FencingToken, heard: Heard) -> Result<(), Unfit> {
        self.change(|state| {
            if state.giver.as_ref().is_none_or(|(of, _)| *of != token) {
                return Ok(());
            }
            state.touched = Some(Instant::now());
            state.hear(heard)
        })
    }

    /// When it will have been idle for `idle`; `None`: someone is there, or it does not matter.
    #[must_use]
    pub fn idle_at(&self, idle: Duration) -> Option<Instant> {
        let state = self.lock();
        let counts = state.is_open && state.end.is_none() && state.attached == 0;
        state.touched.filter(|_| counts).map(|at| at + idle)
    }

    /// Ends it, if it has been idle for `idle` at `now`.
    pub fn end_if_idle(&self, idle: Duration, now: Instant) {
        if self.idle_at(idle).is_some_and(|at| at <= now) {
            self.change(|state| state.end = state.end.or(Some(Stage::Idle)));
        }
    }
}

impl State {
    fn is_given_by(&self, token: FencingToken, bell: &Arc<Notify>) -> bool {
        self.giver.as_ref().is_some_and(|(of, by)| *of == token && Arc::ptr_eq(by, bell))
    }

    fn hear(&mut self, Heard { taken, received, ended, closed }: Heard) -> Result<(), Unfit> {
        let on_their_way = received.checked_sub(taken).and_then(|bytes| usize::try_from(bytes).ok()).ok_or(Unfit)?;
        if on_their_way > STDIN_WINDOW_BYTES || received > STDIN_BYTES_MAX {
            return Err(Unfit);
        }
        if !self.is_known {
            self.begin_at(taken, on_their_way, ended)?;
        }
        if matches!(self.end, Some(Stage::Closed | Stage::Over)) {
            // What was on its way was dropped, here as there.
            self.is_open = true;
            return Ok(());
        }
        let ahead = usize::try_from(received.saturating_sub(self.taken)).map_err(|_| Unfit)?;
        if ahead > self.held.len() || (ended && self.end.is_none()) {
            return Err(Unfit);
        }
        // No more than `ahead`, since no more was taken than received.
        let more = usize::try_from(taken.saturating_sub(self.taken)).map_err(|_| Unfit)?;
        self.held.drain(..more);
        self.taken += more as u64;
        let unknown = usize::try_from(self.known_from.saturating_sub(self.taken)).map_err(|_| Unfit)?;
        let has = (ahead - more).max(unknown);
        // A new session: what the old one sent may be lost, but for what the agent has.
        let (sent, end_sent) = if self.is_open { (self.sent.saturating_sub(more), self.end_sent) } else { (0, false) };
        (self.is_open, self.sent, self.end_sent) = (true, sent.max(has), end_sent || ended);
        if closed {
            self.end = Some(Stage::Closed);
            self.held.clear();
            self.sent = 0;
        }
        Ok(())
    }

    /// The first word of an attempt. A master that has just started cannot know what another gave to
    /// it: what the program has not taken of that counts, and cannot be sent.
    fn begin_at(&mut self, taken: u64, on_their_way: usize, ended: bool) -> Result<(), Unfit> {
        // What clients said to a lost program of this same master is held, for the next from its begin.
        if !self.held.is_empty() && on_their_way > 0 {
            return Err(Unfit);
        }
        self.held.resize(self.held.len() + on_their_way, 0);
        (self.is_known, self.taken, self.known_from) = (true, taken, taken + on_their_way as u64);
        if ended {
            self.end = self.end.or(Some(Stage::Ended));
        }
        Ok(())
    }

    /// Whether this client may speak; from now on no other may.
    fn speaks(&mut self, client: u64) -> Result<(), Refused> {
        if *self.speaker.get_or_insert(client) == client { Ok(()) } else { Err(Refused::InUse) }
    }
}

/// One client, while it is connected.
#[derive(Debug)]
pub struct Client {
    stdin: Arc<Stdin>,
    changes: watch::Receiver<u64>,
    id: u64,
}

impl Client {
    /// Says something, as there is room for it.
    ///
    /// # Errors
    /// [`Refused`]; what had found room before that was said.
    pub async fn say(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        let mut left = bytes;
        loop {
            let id = self.id;
            let said = self.stdin.change_if(|state| {
                state.speaks(id)?;
                if let Some(end) = state.end {
                    return Err(Refused::AtItsEnd(end));
                }
                // Nothing is held for programs that do not run: there may be as many as the queue is long.
                let room = if state.is_known { STDIN_WINDOW_BYTES - state.held.len() } else { 0 };
                let count = left.len().min(room);
                state.held.extend(&left[..count]);
                state.touched = Some(Instant::now());
                Ok(count)
            })?;
            left = &left[said..];
            if left.is_empty() {
                return Ok(());
            }
            // The sender lives in what is held here, so this never fails.
            let _ = self.changes.changed().await;
        }
    }

    /// Ends it.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn end(&self) -> Result<(), Refused> {
        self.stdin.change(|state| {
            state.speaks(self.id)?;
            match state.end {
                Some(end) => Err(Refused::AtItsEnd(end)),
                None => {
                    state.end = Some(Stage::Ended);
                    Ok(())
                }
            }
        })
    }

    /// Sends a signal to the program, whoever speaks: what a speaker said may be in the way of its own signals.
    ///
    /// # Errors
    /// [`Refused`]; a program that does not run yet gets none.
    pub fn signal(&self, signal: Signal) -> Result<(), Refused> {
        self.stdin.change(|state| match state.end {
            Some(Stage::Over) => Err(Refused::AtItsEnd(Stage::Over)),
            _ if !state.is_open => Err(Refused::NotRunning),
            _ => {
                state.signals.add(signal);
                state.touched = Some(Instant::now());
                Ok(())
            }
        })
    }
}

impl Stdin {
    /// As [`Stdin::change`], where nothing changed nobody is woken: who waits for room would wake itself.
    fn change_if(&self, change: impl FnOnce(&mut State) -> Result<usize, Refused>) -> Result<usize, Refused> {
        let mut state = self.lock();
        let count = change(&mut state)?;
        let giver = state.giver.as_ref().filter(|_| count > 0).map(|(_, bell)| Arc::clone(bell));
        drop(state);
        giver.iter().for_each(|bell| bell.notify_one());
        Ok(count)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stdin.change(|state| {
            state.attached -= 1;
            state.touched = Some(Instant::now());
            if state.speaker == Some(self.id) {
                state.speaker = None;
            }
        });
    }
}

#[cfg(test)]
#[path = "stdin_tests.rs"]
mod tests;
