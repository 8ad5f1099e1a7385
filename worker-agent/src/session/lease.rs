//! How long the agent may go on with what it was given. Pure.
//!
//! Counted from when a heartbeat that was answered was *sent*: the master
//! renewed at some later time, so the agent always gives up before the master
//! gives the job away, whatever either clock or the network does.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Heartbeats without an answer that are remembered; far more than fit into a lease.
const UNANSWERED_MAX: usize = 64;

/// The lease of all attempts of one agent.
#[derive(Debug, Default)]
pub struct LeaseClock {
    lease: Duration,
    sent: VecDeque<(u64, Instant)>,
    renewed: Option<Instant>,
}

impl LeaseClock {
    /// A connection was welcomed: its `Hello` was sent at `hello_sent`.
    pub fn welcomed(&mut self, lease: Duration, hello_sent: Instant) {
        self.lease = lease;
        self.sent.clear();
        self.renew_from(hello_sent);
    }

    /// A heartbeat was handed to the connection.
    pub fn sent(&mut self, sequence: u64, now: Instant) {
        if self.sent.len() >= UNANSWERED_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back((sequence, now));
    }

    /// The master answered a heartbeat; an answer to one that is not known changes nothing.
    pub fn answered(&mut self, sequence: u64) {
        let Some(index) = self.sent.iter().position(|(s, _)| *s == sequence) else { return };
        // Answers come in order, so those before it will have none.
        let answered = self.sent.drain(..=index).next_back();
        if let Some((_, at)) = answered {
            self.renew_from(at);
        }
    }

    fn renew_from(&mut self, at: Instant) {
        self.renewed = Some(self.renewed.map_or(at, |earlier| earlier.max(at)));
    }

    /// When everything that runs must have ended; `None` before the first welcome.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.renewed.map(|at| at + self.lease)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(5);

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_lease_counts_from_when_the_answered_heartbeat_was_sent() {
        let start = Instant::now();
        let mut clock = LeaseClock::default();
        assert_eq!(clock.deadline(), None);
        clock.welcomed(LEASE, start);
        clock.sent(1, start + ms(1000));
        clock.sent(2, start + ms(2000));
        assert_eq!(clock.deadline(), Some(start + LEASE));
        clock.answered(1);
        assert_eq!(clock.deadline(), Some(start + ms(1000) + LEASE));
    }

    #[test]
    fn an_answer_to_nothing_renews_nothing() {
        let start = Instant::now();
        let mut clock = LeaseClock::default();
        clock.welcomed(LEASE, start);
        clock.sent(1, start + ms(10));
        clock.answered(7);
        assert_eq!(clock.deadline(), Some(start + LEASE));
        clock.answered(1);
        clock.answered(1);
        assert_eq!(clock.deadline(), Some(start + ms(10) + LEASE));
    }

    #[test]
    fn a_late_answer_of_an_older_heartbeat_takes_nothing_back() {
        let start = Instant::now();
        let mut clock = LeaseClock::default();
        clock.welcomed(LEASE, start);
        clock.sent(1, start + ms(10));
        clock.sent(2, start + ms(20));
        clock.answered(2);
        clock.answered(1);
        assert_eq!(clock.deadline(), Some(start + ms(20) + LEASE));
    }

    #[test]
    fn heartbeats_without_an_answer_are_bounded() {
        let start = Instant::now();
        let mut clock = LeaseClock::default();
        clock.welcomed(LEASE, start);
        for n in 0..1000 {
            clock.sent(n, start);
        }
        assert!(clock.sent.len() <= UNANSWERED_MAX);
    }
}
