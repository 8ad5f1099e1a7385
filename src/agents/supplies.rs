//! What clients say to the programs of one agent, as its session gives it on.
//!
//! The session takes it from where it is held (`progress`), when the agent said that there is room:
//! so nothing of it ever waits in a queue of the session, and no flood of it delays anything else.

use std::sync::Arc;
use std::time::Duration;

use enclos_protocol::agent_link::FromMaster;
use enclos_protocol::ids::AttemptId;
use futures::future::OptionFuture;
use serde_bytes::ByteBuf;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::progress::{Given, Progress, Stdin};

/// One attempt with live standard input.
struct Supply {
    attempt: AttemptId,
    stdin: Arc<Stdin>,
    /// It was given something by this session.
    begun: bool,
}

/// All of one session; at most as many as its agent has slots.
pub(super) struct Supplies {
    bell: Arc<Notify>,
    all: Vec<Supply>,
    idle: Duration,
}

/// What is to be sent.
pub(super) struct Next {
    pub(super) attempt: AttemptId,
    pub(super) message: FromMaster,
    /// It is the first that this session gives to this attempt.
    pub(super) first: bool,
}

impl Supplies {
    /// None yet; `idle`: after how long an input at which nobody is ends.
    pub(super) fn new(idle: Duration) -> Self {
        Self { bell: Arc::default(), all: Vec::new(), idle }
    }

    /// This session has the attempt now.
    pub(super) fn take_up(&mut self, progress: &Progress, attempt: AttemptId) {
        self.all.retain(|supply| supply.stdin.is_given_by(supply.attempt.token, &self.bell));
        let live = progress.find(attempt.job);
        if let Some(stdin) = live.as_ref().and_then(|live| live.stdin()) {
            stdin.give_to(attempt.token, &self.bell);
            self.all.push(Supply { attempt, stdin: Arc::clone(stdin), begun: false });
        }
    }

    /// The next to send. Cancel-safe: it is taken out only when it is given.
    pub(super) async fn next(&mut self) -> Next {
        loop {
            for supply in &self.all {
                supply.stdin.end_if_idle(self.idle, Instant::now());
            }
            if let Some(next) = self.now() {
                return next;
            }
            let idle_at = self.all.iter().filter_map(|supply| supply.stdin.idle_at(self.idle)).min();
            tokio::select! {
                () = self.bell.notified() => {}
                Some(()) = OptionFuture::from(idle_at.map(sleep_until)) => {}
            }
        }
    }

    fn now(&mut self) -> Option<Next> {
        let bell = &self.bell;
        let found = self.all.iter_mut().enumerate().find_map(|(index, supply)| {
            let given = supply.stdin.next(supply.attempt.token, bell)?;
            Some((index, given, !std::mem::replace(&mut supply.begun, true)))
        });
        let (index, given, first) = found?;
        let attempt = self.all[index].attempt;
        // The others go before it next time.
        self.all.rotate_left(index + 1);
        let message = match given {
            Given::Stdin { offset, bytes, last } => {
                FromMaster::Stdin { attempt, offset, bytes: ByteBuf::from(bytes), last }
            }
            Given::Signal(signal) => FromMaster::Signal { attempt, signal },
        };
        Some(Next { attempt, message, first })
    }
}

#[cfg(test)]
mod tests {
    use enclos_protocol::ids::{FencingToken, JobId};
    use futures::FutureExt as _;

    use super::*;
    use crate::progress::{Client, Heard, Holder};
    use crate::scoring::Scoring;

    /// Jobs that run with live input, with a client each.
    fn running(supplies: &mut Supplies, progress: &Progress, count: u64) -> Vec<(AttemptId, Client)> {
        let agent = "a".parse().unwrap();
        let begin = |counter| {
            let attempt = AttemptId { job: JobId::generate(), token: FencingToken { epoch: 1, counter } };
            let spec = enclos_protocol::job::JobSpec { live_stdin: true, ..crate::testing::spec(0, 16) };
            progress.register(attempt.job, &spec, Scoring::default());
            progress.running(attempt, Holder::first(&agent));
            supplies.take_up(progress, attempt);
            progress.stdin_taken(attempt, &agent, Heard::default()).unwrap();
            (attempt, progress.find(attempt.job).unwrap().stdin().unwrap().attach())
        };
        (0..count).map(begin).collect()
    }

    #[tokio::test]
    async fn one_who_speaks_much_keeps_nobody_from_being_heard() {
        let (mut supplies, progress) = (Supplies::new(Duration::from_secs(60)), Progress::default());
        let mut clients = running(&mut supplies, &progress, 2);
        let mut heard = Vec::new();
        for _ in 0..4 {
            for (_, client) in &mut clients {
                client.say(b"x").await.unwrap();
            }
            heard.push(supplies.next().await.attempt);
        }
        let [a, b] = [clients[0].0, clients[1].0];
        assert_eq!(heard, [a, b, a, b]);
    }

    #[tokio::test]
    async fn an_input_at_which_nobody_is_ends_by_itself() {
        let (mut supplies, progress) = (Supplies::new(Duration::from_millis(1)), Progress::default());
        let clients = running(&mut supplies, &progress, 1);
        assert!(supplies.next().now_or_never().is_none());
        drop(clients);
        let next = supplies.next().await;
        assert!(matches!(next.message, FromMaster::Stdin { last: true, .. }) && next.first);
    }
}
