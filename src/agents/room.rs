//! The memory that jobs' bytes may have together, on their way to agents and back.
//!
//! A small submission may refer to large blobs, and as many jobs as run may have their agents ask
//! at once. So memory is taken before anything is read, and given back when the agent has taken the
//! answer. Agents wait for their turn; one that has waited in vain asks again. One that is known by its
//! certificate never has more than half: what it holds and does not move keeps no other from working.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use enclos_protocol::ids::AgentName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// All of it, in units of [`UNIT_BYTES`]: 256 MiB.
const UNITS_MAX: u32 = 64 * 1024;
/// What one agent has of it at most.
const UNITS_OF_ONE_MAX: u32 = UNITS_MAX / 2;
/// What it is counted in, in bytes.
const UNIT_BYTES: u64 = 4096;
/// While an answer is made, what was read and what is sent are in memory at once.
const COPIES: u64 = 2;
/// Longest that a request waits for its turn; far below what an agent gives a transfer.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// When to come back, in seconds.
const RETRY_SECONDS: u32 = 1;

/// The memory of all transfers.
#[derive(Clone, Debug)]
pub struct Room {
    units: Arc<Semaphore>,
    /// Of agents that have something of it or wait for it.
    of_agents: Arc<Mutex<HashMap<AgentName, Weak<Semaphore>>>>,
    wait_max: Duration,
}

impl Default for Room {
    fn default() -> Self {
        let units = Arc::new(Semaphore::new(UNITS_MAX as usize));
        Self { units, of_agents: Arc::default(), wait_max: WAIT_MAX }
    }
}

/// What one transfer has of it, until it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    all: OwnedSemaphorePermit,
    own: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// For `bytes` and their copy, of `agent` where it is known; the answer for it where none came free in time.
    pub(super) async fn take(&self, agent: Option<&AgentName>, bytes: u64) -> Result<Share, Response> {
        let units = units(bytes.saturating_mul(COPIES), if agent.is_some() { UNITS_OF_ONE_MAX } else { UNITS_MAX });
        let both = async {
            // Its own first: who waits for that holds nothing that another could use.
            let own = match agent.map(|agent| self.of(agent)) {
                Some(own) => Some(own.acquire_many_owned(units).await.ok()?),
                None => None,
            };
            let all = Arc::clone(&self.units).acquire_many_owned(units).await.ok()?;
            Some(Share { all, own })
        };
        match timeout(self.wait_max, both).await {
            Ok(Some(share)) => Ok(share),
            Ok(None) | Err(_) => {
                let retry = [(header::RETRY_AFTER, RETRY_SECONDS.to_string())];
                Err((StatusCode::TOO_MANY_REQUESTS, retry, "too many transfers at once\n").into_response())
            }
        }
    }

    fn of(&self, agent: &AgentName) -> Arc<Semaphore> {
        let mut of_agents = self.of_agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = of_agents.get(agent).and_then(Weak::upgrade) {
            return own;
        }
        of_agents.retain(|_, own| own.strong_count() > 0);
        let own = Arc::new(Semaphore::new(UNITS_OF_ONE_MAX as usize));
        of_agents.insert(agent.clone(), Arc::downgrade(&own));
        own
    }
}

impl Share {
    /// The copy is gone: `bytes` are left.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let left = units(bytes as u64, UNITS_MAX) as usize;
        for permit in self.own.iter_mut().chain([&mut self.all]) {
            drop(permit.num_permits().checked_sub(left).and_then(|more| permit.split(more)));
        }
    }
}

/// One transfer never needs more than there is: it would wait for ever.
fn units(bytes: u64, max: u32) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).map_or(max, |units| units.min(max))
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUARTER: u64 = UNITS_MAX as u64 * UNIT_BYTES / COPIES / 4;

    fn impatient() -> Room {
        Room { wait_max: Duration::ZERO, ..Room::default() }
    }

    #[tokio::test]
    async fn transfers_together_never_have_more_than_their_memory() {
        let room = impatient();
        let mut shares = Vec::new();
        for _ in 0..4 {
            shares.push(room.take(None, QUARTER).await.expect("there is room"));
        }
        let refused = room.take(None, 1).await.expect_err("it waited in vain");
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers()["retry-after"], "1");
        let room = Room { wait_max: Duration::from_secs(60), ..room };
        let (waiting, ()) = tokio::join!(room.take(None, QUARTER), async { drop(shares.pop()) });
        assert!(waiting.is_ok(), "it had its turn");
    }

    #[tokio::test]
    async fn what_was_made_gives_back_its_copy_and_what_is_dropped_all() {
        let room = impatient();
        let mut share = room.take(None, 4 * QUARTER).await.expect("there is room");
        share.shrink(usize::try_from(4 * QUARTER).unwrap());
        let other = room.take(None, 2 * QUARTER).await.expect("half of it is free");
        assert!(room.take(None, 1).await.is_err());
        drop((share, other));
        assert!(room.take(None, u64::MAX).await.is_ok(), "what is larger than all waits for all");
        assert_eq!(room.units.available_permits(), UNITS_MAX as usize);
    }

    #[tokio::test]
    async fn an_agent_that_holds_all_it_may_keeps_no_other_waiting() {
        let (room, greedy, other) = (impatient(), "greedy".parse().unwrap(), "other".parse().unwrap());
        let mut held = Vec::new();
        while let Ok(share) = room.take(Some(&greedy), 16 << 20).await {
            held.push(share);
        }
        assert_eq!(held.len(), 4, "half of all, with a copy of each");
        let share = room.take(Some(&other), 16 << 20).await.expect("the other half is free");
        drop((held, share));
        let largest = room.take(Some(&greedy), u64::MAX).await.expect("what is larger than its half waits for that");
        drop(largest);
        assert!(room.take(Some(&other), 1).await.is_ok());
        assert_eq!(room.of_agents.lock().unwrap().len(), 1, "who has nothing of it is forgotten");
    }
}
