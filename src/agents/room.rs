//! The memory that jobs' bytes may have together, on their way to agents and back.
//!
//! A small submission may refer to large blobs, and as many jobs as run may have their agents ask
//! at once. So memory is taken before anything is read, and given back when the agent has taken the
//! answer. Agents wait for their turn; one that has waited in vain asks again.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// All of it, in units of [`UNIT_BYTES`]: 256 MiB.
const UNITS_MAX: u32 = 64 * 1024;
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
    wait_max: Duration,
}

impl Default for Room {
    fn default() -> Self {
        Self { units: Arc::new(Semaphore::new(UNITS_MAX as usize)), wait_max: WAIT_MAX }
    }
}

/// What one transfer has of it, until it is dropped.
#[derive(Debug)]
pub(super) struct Share(OwnedSemaphorePermit);

impl Room {
    /// For `bytes` and their copy; the answer for an agent where none came free in time.
    pub(super) async fn take(&self, bytes: u64) -> Result<Share, Response> {
        let permit = Arc::clone(&self.units).acquire_many_owned(units(bytes.saturating_mul(COPIES)));
        match timeout(self.wait_max, permit).await {
            Ok(Ok(permit)) => Ok(Share(permit)),
            Ok(Err(_)) | Err(_) => {
                let retry = [(header::RETRY_AFTER, RETRY_SECONDS.to_string())];
                Err((StatusCode::TOO_MANY_REQUESTS, retry, "too many transfers at once\n").into_response())
            }
        }
    }
}

impl Share {
    /// The copy is gone: `bytes` are left.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let left = units(bytes as u64) as usize;
        drop(self.0.num_permits().checked_sub(left).and_then(|more| self.0.split(more)));
    }
}

/// One transfer never needs more than there is: it would wait for ever.
fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).map_or(UNITS_MAX, |units| units.min(UNITS_MAX))
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
            shares.push(room.take(QUARTER).await.expect("there is room"));
        }
        let refused = room.take(1).await.expect_err("it waited in vain");
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers()["retry-after"], "1");
        let room = Room { wait_max: Duration::from_secs(60), ..room };
        let (waiting, ()) = tokio::join!(room.take(QUARTER), async { drop(shares.pop()) });
        assert!(waiting.is_ok(), "it had its turn");
    }

    #[tokio::test]
    async fn what_was_made_gives_back_its_copy_and_what_is_dropped_all() {
        let room = impatient();
        let mut share = room.take(4 * QUARTER).await.expect("there is room");
        share.shrink(usize::try_from(4 * QUARTER).unwrap());
        let other = room.take(2 * QUARTER).await.expect("half of it is free");
        assert!(room.take(1).await.is_err());
        drop((share, other));
        assert!(room.take(u64::MAX).await.is_ok(), "what is larger than all waits for all");
        assert_eq!(room.units.available_permits(), UNITS_MAX as usize);
    }
}
