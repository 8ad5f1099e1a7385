//! Whose turn it is on one connection: the client's, or ours. Pure but for a lock.
//!
//! ```text
//! accepted ─ client's ─ head is whole ─ its body comes: client's ─ ours ─ a piece of the answer
//!               ▲                                                   ▲       waits: client's ─┐
//!               └──────────── the answer is taken ──────────────────┴────────────────────────┘
//! ```
//!
//! A connection on which it is the client's turn for too long is closed, and
//! when no place is free, the one on which it is so for longest makes room. One
//! on which it is ours (a program is awaited, events are watched) is neither.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Longest that a connection may be open without a request, after its first.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(75);

/// Why a connection is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Overdue {
    /// No head of a first request came.
    Silent,
    /// No further request came.
    Idle,
    /// A piece of an answer was not taken, or the next piece of a body did not come.
    Stalled,
}

#[derive(Debug)]
struct State {
    /// Requests in progress; since when it is the client's turn, `None`: it is ours.
    exchanges: BTreeMap<u64, Option<Instant>>,
    next: u64,
    /// Since when it has been nowhere our turn.
    waiting_since: Instant,
    /// Since when the client has taken no byte of what was to be written.
    blocked_since: Option<Instant>,
    /// A request came.
    asked: bool,
    /// It is no HTTP any more; whoever took it over bounds it.
    upgraded: bool,
}

/// The turns of one connection.
#[derive(Debug)]
pub(super) struct Turns(Mutex<State>);

impl Turns {
    /// Of a connection that was accepted `now`.
    pub(super) fn new(now: Instant) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            exchanges: BTreeMap::new(),
            next: 0,
            waiting_since: now,
            blocked_since: None,
            asked: false,
            upgraded: false,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The head of a request came; it is our turn until something else is said.
    pub(super) fn begin(self: &Arc<Self>) -> Arc<Exchange> {
        let mut state = self.lock();
        let id = state.next;
        state.next += 1;
        state.asked = true;
        state.exchanges.insert(id, None);
        drop(state);
        Arc::new(Exchange { turns: Arc::clone(self), id })
    }

    /// The connection speaks another protocol from now on.
    pub(super) fn upgrade(&self) {
        self.lock().upgraded = true;
    }

    /// Bytes were to be written; whether the client took some.
    pub(super) fn wrote(&self, some: bool) {
        let mut state = self.lock();
        match (some, state.blocked_since) {
            (true, _) => state.blocked_since = None,
            (false, None) => state.blocked_since = Some(Instant::now()),
            (false, Some(_)) => {}
        }
    }

    /// Since when the connection waits for its client and for nothing else.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let state = self.lock();
        (!state.upgraded && state.exchanges.values().all(Option::is_some)).then_some(state.waiting_since)
    }

    /// Why the connection is to end now; else when to look again.
    pub(super) fn look(&self, now: Instant, client_wait: Duration) -> Result<Instant, Overdue> {
        let state = self.lock();
        // What begins after this look is not overdue before this.
        let later = now + client_wait.min(IDLE_MAX);
        if state.upgraded {
            return Ok(later);
        }
        let mut due = later;
        for since in state.exchanges.values().flatten().chain(&state.blocked_since) {
            due = due.min(checked(*since + client_wait, now, Overdue::Stalled)?);
        }
        if state.exchanges.is_empty() {
            let (wait, why) = if state.asked { (IDLE_MAX, Overdue::Idle) } else { (client_wait, Overdue::Silent) };
            due = due.min(checked(state.waiting_since + wait, now, why)?);
        }
        Ok(due)
    }
}

fn checked(due: Instant, now: Instant, why: Overdue) -> Result<Instant, Overdue> {
    if due <= now { Err(why) } else { Ok(due) }
}

/// One request and its answer; over when it is dropped.
#[derive(Debug)]
pub(super) struct Exchange {
    turns: Arc<Turns>,
    id: u64,
}

impl Exchange {
    /// It is our turn.
    pub(super) fn ours(&self) {
        if let Some(since) = self.turns.lock().exchanges.get_mut(&self.id) {
            *since = None;
        }
    }

    /// It is the client's turn, from now on or since earlier.
    pub(super) fn clients(&self) {
        let now = Instant::now();
        let mut state = self.turns.lock();
        let Some(since) = state.exchanges.get_mut(&self.id) else { return };
        if since.is_none() {
            *since = Some(now);
            state.waiting_since = now;
        }
    }

    /// The connection of this request speaks another protocol from now on.
    pub(super) fn upgrade(&self) {
        self.turns.upgrade();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.turns.lock();
        if state.exchanges.remove(&self.id) == Some(None) || state.exchanges.is_empty() {
            state.waiting_since = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT: Duration = Duration::from_secs(1000);
    const SECOND: Duration = Duration::from_secs(1);

    /// Later than now by so much; the tests themselves take far less than a second.
    fn later(time: Duration) -> Instant {
        Instant::now() + time
    }

    #[test]
    fn who_never_asks_is_silent_and_who_asks_no_more_is_idle() {
        let start = Instant::now();
        let turns = Turns::new(start);
        assert_eq!(turns.look(start + WAIT - SECOND, WAIT), Ok(start + WAIT));
        assert_eq!(turns.look(start + WAIT, WAIT), Err(Overdue::Silent));
        drop(turns.begin());
        assert!(turns.look(later(IDLE_MAX - SECOND), WAIT).is_ok());
        assert_eq!(turns.look(later(IDLE_MAX), WAIT), Err(Overdue::Idle));
    }

    #[test]
    fn while_it_is_our_turn_nothing_is_overdue_and_nothing_makes_room() {
        let turns = Turns::new(Instant::now());
        let asked = turns.begin();
        assert!(turns.look(later(WAIT * 10), WAIT).is_ok());
        assert_eq!(turns.waiting_since(), None);
        let before = Instant::now();
        asked.clients();
        assert!(turns.waiting_since().is_some_and(|since| since >= before));
    }

    #[test]
    fn one_answer_that_is_not_taken_is_noticed_beside_others_that_are() {
        let turns = Turns::new(Instant::now());
        let stalled = turns.begin();
        stalled.clients();
        let due = turns.look(later(Duration::ZERO), WAIT.min(IDLE_MAX)).unwrap();
        for _ in 0..9 {
            let taken = turns.begin();
            taken.clients();
            taken.ours();
            // Said again, the turn is still the client's since it first was.
            stalled.clients();
        }
        assert_eq!(turns.look(due, WAIT.min(IDLE_MAX)), Err(Overdue::Stalled));
        stalled.ours();
        assert!(turns.look(due, WAIT.min(IDLE_MAX)).is_ok());
    }

    #[test]
    fn the_rest_of_an_answer_that_is_over_for_us_is_noticed_too() {
        let turns = Turns::new(Instant::now());
        drop(turns.begin());
        let start = Instant::now();
        turns.wrote(false);
        turns.wrote(false);
        assert_eq!(turns.look(later(SECOND * 2), SECOND), Err(Overdue::Stalled));
        turns.wrote(true);
        assert!(turns.look(start + SECOND * 2, SECOND).is_ok());
    }

    #[test]
    fn a_look_comes_before_anything_can_be_overdue_that_began_after_the_last() {
        let turns = Turns::new(Instant::now());
        let asked = turns.begin();
        let now = Instant::now();
        let next = turns.look(now, SECOND).unwrap();
        asked.clients();
        assert!(next <= now + SECOND && turns.look(next, SECOND).is_ok_and(|due| due >= next));
    }

    #[test]
    fn another_protocol_has_bounds_of_its_own() {
        let turns = Turns::new(Instant::now());
        turns.begin().upgrade();
        assert!(turns.look(later(IDLE_MAX * 10), WAIT).is_ok());
        assert_eq!(turns.waiting_since(), None);
    }
}
