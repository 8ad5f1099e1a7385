//! How much the API does at once, and the memory that answers may have together.
//!
//! What a client may take is bounded three times: connections (`listen`),
//! requests in progress, and bytes of large answers that were not read yet.
//! Waits and event streams have bounds of their own below the number of
//! connections, so that they never leave no room for a short request.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error;
pub use super::share::Held;
use super::share::Shared;
use crate::admission::Refusal;
use crate::gate::Caller;
pub(super) use crate::listen::hold;

/// Memory of large answers together, in units of [`UNIT_BYTES`]: 256 MiB.
const ANSWER_UNITS_MAX: usize = 64 * 1024;
/// What memory is counted in, in bytes.
const UNIT_BYTES: usize = 4096;
/// Answers up to this are not counted, in bytes: the bound on requests holds them.
const SMALL_BYTES_MAX: usize = 64 * 1024;
/// Copies of the page at `/docs` on their way at once.
const PAGES_MAX: usize = 64;
/// Jobs that are read from the store and written as JSON at once; their bytes are not counted yet.
const READINGS_MAX: usize = 16;
/// Streams of one tenant's changing jobs: each reads the jobs that changed, again and again.
const LISTERS_OF_TENANT_MAX: usize = 16;
/// When to come back where there is no room.
const RETRY: Duration = Duration::from_secs(2);

/// What may be going on at once.
#[derive(Clone, Debug)]
pub struct Room {
    requests: Arc<Semaphore>,
    readings: Arc<Semaphore>,
    pages: Arc<Semaphore>,
    waits: Shared,
    watchers: Shared,
    listers: Shared,
    answers: Shared,
}

impl Room {
    /// For a service with so many connections: twice as many requests (HTTP/2 has several on one),
    /// half as many waits for the end of a job, and a quarter as many event streams. One tenant may
    /// have half of these, and half of the memory of large answers.
    #[must_use]
    pub fn new(connections_max: usize) -> Self {
        let places = |count: usize| Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            requests: places(connections_max.saturating_mul(2)),
            readings: places(READINGS_MAX),
            pages: places(PAGES_MAX),
            waits: Shared::new(connections_max / 2, connections_max / 4),
            watchers: Shared::new(connections_max / 4, connections_max / 8),
            listers: Shared::new((connections_max / 16).max(LISTERS_OF_TENANT_MAX), LISTERS_OF_TENANT_MAX),
            answers: Shared::new(ANSWER_UNITS_MAX, ANSWER_UNITS_MAX / 2),
        }
    }

    /// For one request.
    pub(super) fn request(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        one_of(&self.requests, "too many requests are in progress")
    }

    /// For one client that waits for the end of a job.
    pub(super) fn wait(&self, caller: &Caller) -> Result<Held, Refusal> {
        place(&self.waits, caller, "too many clients wait for jobs; ask without 'wait_ms'")
    }

    /// For one event stream.
    pub(super) fn watcher(&self, caller: &Caller) -> Result<Held, Refusal> {
        place(&self.watchers, caller, "too many clients watch jobs")
    }

    /// For one stream of all jobs that change.
    pub(super) fn lister(&self, caller: &Caller) -> Result<Held, Refusal> {
        place(&self.listers, caller, "too many clients watch all jobs")
    }

    /// For the reading of one job; waits for its turn, which no client can hold up.
    pub(super) async fn reading(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        Arc::clone(&self.readings).acquire_owned().await.map_err(|_| error::internal())
    }

    /// The same for who does not wait: there is a turn at once, or none.
    pub(super) fn reading_now(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.readings).try_acquire_owned().ok()
    }

    /// For one copy of the page at `/docs`, which anybody may ask for.
    pub(super) fn page(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        one_of(&self.pages, "too many read this page")
    }

    /// For `bytes` until a client has taken them; `None` where they are few.
    pub(super) fn answer(&self, caller: &Caller, bytes: usize) -> Result<Option<Held>, Refusal> {
        if bytes <= SMALL_BYTES_MAX {
            return Ok(None);
        }
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let taken = self.answers.try_take(caller, units);
        taken.map(Some).ok_or_else(|| error::unavailable("too many large answers wait to be read", RETRY))
    }

    /// `value` as a JSON answer that has its memory until the client has taken it.
    pub(super) fn json(
        &self,
        caller: &Caller,
        status: StatusCode,
        value: &impl Serialize,
    ) -> Result<Response, Refusal> {
        let Ok(bytes) = serde_json::to_vec(value) else { return Err(error::internal()) };
        let held = self.answer(caller, bytes.len())?;
        let mut response = (status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response();
        if let Some(held) = held {
            hold(&mut response, held);
        }
        Ok(response)
    }
}

fn one_of(places: &Arc<Semaphore>, detail: &str) -> Result<OwnedSemaphorePermit, Refusal> {
    Arc::clone(places).try_acquire_owned().map_err(|_| error::unavailable(detail, RETRY))
}

/// One of the places that tenants share.
pub(super) fn place(places: &Shared, caller: &Caller, detail: &str) -> Result<Held, Refusal> {
    places.try_take(caller, 1).ok_or_else(|| error::unavailable(detail, RETRY))
}

#[cfg(test)]
mod tests {
    use hyper::body::Body as _;

    use super::super::share::tests::caller;
    use super::*;

    fn alone() -> Caller {
        caller("default", false)
    }

    #[test]
    fn a_tenant_that_takes_all_it_can_leaves_the_others_theirs() {
        let (room, one, other) = (Room::new(64), caller("one", true), caller("other", true));
        let large = ANSWER_UNITS_MAX * UNIT_BYTES / 4;
        let waits: Vec<Held> = std::iter::from_fn(|| room.wait(&one).ok()).collect();
        let watchers: Vec<Held> = std::iter::from_fn(|| room.watcher(&one).ok()).collect();
        let answers: Vec<_> = std::iter::from_fn(|| room.answer(&one, large).ok()).collect();
        assert!(!waits.is_empty() && !watchers.is_empty() && !answers.is_empty());
        assert!(room.wait(&other).is_ok() && room.watcher(&other).is_ok() && room.answer(&other, large).is_ok());
    }

    #[test]
    fn waits_and_streams_together_leave_connections_for_short_requests() {
        for connections in [8, 100, 2048] {
            let room = Room::new(connections);
            let held = room.waits.free() + room.watchers.free();
            assert!(held < connections, "{held} of {connections}");
        }
    }

    #[test]
    fn what_is_full_says_when_to_come_back_and_is_free_again() {
        let room = Room::new(8);
        let held: Vec<Held> = (0..4).map(|_| room.wait(&alone()).unwrap()).collect();
        let refusal = room.wait(&alone()).unwrap_err();
        assert_eq!((refusal.status, refusal.code, refusal.retry_after), (503, "unavailable", Some(RETRY)));
        drop(held);
        assert!(room.wait(&alone()).is_ok());
    }

    #[test]
    fn large_answers_have_only_so_much_memory_and_give_it_back_when_dropped() {
        let room = Room::new(8);
        let quarter = ANSWER_UNITS_MAX * UNIT_BYTES / 4;
        let mut held: Vec<_> = (0..3).map(|_| room.answer(&alone(), quarter).unwrap()).collect();
        assert_eq!(room.answer(&alone(), quarter + 1).unwrap_err().code, "unavailable");
        assert!(room.answer(&alone(), SMALL_BYTES_MAX).unwrap().is_none(), "small ones are not counted");
        held.pop();
        assert!(room.answer(&alone(), quarter + 1).is_ok());
    }

    #[tokio::test]
    async fn the_memory_of_an_answer_is_given_back_when_it_was_taken_or_dropped() {
        let room = Room::new(8);
        let free = || room.answers.free();
        for is_taken in [true, false] {
            let response = room.json(&alone(), StatusCode::OK, &"x".repeat(SMALL_BYTES_MAX * 2)).unwrap();
            assert!(free() < ANSWER_UNITS_MAX);
            if is_taken {
                axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
            } else {
                drop(response);
            }
            assert_eq!(free(), ANSWER_UNITS_MAX);
        }
    }

    #[tokio::test]
    async fn an_answer_keeps_its_length_and_bytes() {
        let response = Room::new(8).json(&alone(), StatusCode::OK, &"y".repeat(SMALL_BYTES_MAX)).unwrap();
        assert_eq!(response.body().size_hint().exact(), Some(SMALL_BYTES_MAX as u64 + 2));
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert_eq!(bytes.len(), SMALL_BYTES_MAX + 2);
    }
}
