//! Bodies: read whole, within a size, a time, and the memory that all of them may have together.
//!
//! Memory is taken as bytes come, not as they are announced: who announces much
//! and sends nothing keeps nobody waiting.

use std::time::Duration;

use axum::body::{BodyDataStream, Bytes};
use axum::extract::Request;
use axum::http::header;
use futures::StreamExt as _;
use tokio::time::{Instant, timeout, timeout_at};

use super::error;
use super::share::{Held, Shared};
use crate::admission::Refusal;
use crate::gate::Caller;

/// Memory of all bodies together, in units of [`UNIT_BYTES`]: 512 MiB.
const UNITS_MAX: usize = 128 * 1024;
/// What of it one tenant may have: the largest body, and a little.
const PART_UNITS_MAX: usize = UNITS_MAX / 4 * 3;
/// What memory is counted in, in bytes.
const UNIT_BYTES: usize = 4096;
/// A body and what is made of it (decoded files, the encoded input) are in memory at once.
pub(in crate::http) const COPIES: usize = 3;
/// What a body may take beyond the time that its bytes need at [`BYTES_PER_SECOND_MIN`]; bytes that
/// came faster buy no time to stall later.
const READ_GRACE: Duration = Duration::from_secs(15);
/// Slowest that a body may come: the largest may take half an hour, an endless drip may not.
const BYTES_PER_SECOND_MIN: u32 = 16 * 1024;
/// Longest that a request waits for memory.
const MEMORY_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest body of requests that need none, in bytes.
const SMALL_BYTES_MAX: usize = 1024;

/// The memory that bodies may have, and the time.
#[derive(Clone, Debug)]
pub struct Memory {
    units: Shared,
    grace: Duration,
}

impl Default for Memory {
    fn default() -> Self {
        Self { units: Shared::new(UNITS_MAX, PART_UNITS_MAX), grace: READ_GRACE }
    }
}

/// A body, and its share of the memory until it is dropped.
#[derive(Debug)]
pub struct Body {
    /// The bytes.
    pub bytes: Bytes,
    _memory: Held,
}

/// By when a body has to have come, as far as it has come.
#[derive(Debug)]
pub(super) struct Pace {
    due: Instant,
    grace: Duration,
}

impl Pace {
    /// The next piece of a body.
    pub(super) async fn next(
        &mut self,
        pieces: &mut BodyDataStream,
    ) -> Result<Option<Result<Bytes, axum::Error>>, Refusal> {
        let piece = timeout_at(self.due, pieces.next()).await.map_err(|_| error::too_slow())?;
        if let Some(Ok(piece)) = &piece {
            let earned = self.due + Duration::from_secs(piece.len() as u64) / BYTES_PER_SECOND_MIN;
            self.due = earned.min(Instant::now() + self.grace);
        }
        Ok(piece)
    }
}

/// Refuses a body that says itself that it is too large.
pub(super) fn look_at_length(request: &Request, bytes_max: usize) -> Result<(), Refusal> {
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > bytes_max) { Err(error::too_large(bytes_max)) } else { Ok(()) }
}

impl Memory {
    /// The whole body of a request.
    pub(super) async fn read(&self, request: Request, bytes_max: usize) -> Result<Body, Refusal> {
        look_at_length(&request, bytes_max)?;
        let caller = request.extensions().get::<Caller>().cloned().ok_or_else(error::internal)?;
        let mut memory = self.take(&caller, 1).await?;
        let (mut pieces, mut bytes) = (request.into_body().into_data_stream(), Vec::new());
        let mut pace = self.pace();
        while let Some(piece) = pace.next(&mut pieces).await? {
            let piece = piece.map_err(|_| Refusal::new(400, "malformed_json", "the body broke off"))?;
            if bytes.len() + piece.len() > bytes_max {
                return Err(error::too_large(bytes_max));
            }
            let units = ((bytes.len() + piece.len()) * COPIES).div_ceil(UNIT_BYTES);
            if let Some(more) = units.checked_sub(memory.units()).filter(|more| *more > 0) {
                memory.merge(self.take(&caller, more).await?);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(Body { bytes: bytes.into(), _memory: memory })
    }

    /// For a body that begins to come now.
    pub(super) fn pace(&self) -> Pace {
        Pace { due: Instant::now() + self.grace, grace: self.grace }
    }

    /// Memory for `bytes` that come from elsewhere than a body.
    pub(super) async fn room(&self, caller: &Caller, bytes: usize) -> Result<Held, Refusal> {
        self.take(caller, bytes.div_ceil(UNIT_BYTES)).await
    }

    /// Where all is taken by bodies that are half there, whoever waited longest gives up and the
    /// others go on.
    async fn take(&self, caller: &Caller, units: usize) -> Result<Held, Refusal> {
        let held = self.units.take(caller, u32::try_from(units).unwrap_or(u32::MAX));
        let busy = || error::unavailable("too many large requests at once", MEMORY_TIMEOUT);
        timeout(MEMORY_TIMEOUT, held).await.ok().flatten().ok_or_else(busy)
    }

    /// Reads a body that says nothing: empty, or an empty object.
    pub(super) async fn read_nothing(&self, request: Request) -> Result<(), Refusal> {
        let body = self.read(request, SMALL_BYTES_MAX).await?;
        if body.bytes.is_empty() {
            return Ok(());
        }
        match serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&body.bytes) {
            Ok(object) => object.keys().next().map_or(Ok(()), |name| Err(error::unknown_field(name))),
            Err(_) => Err(error::malformed_json("the body is empty, or an empty JSON object")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::share::tests::caller;
    use super::*;

    fn request(length: usize, body: axum::body::Body) -> Request {
        of(caller("default", false), length, body)
    }

    fn of(caller: Caller, length: usize, body: axum::body::Body) -> Request {
        let request = Request::builder().header(header::CONTENT_LENGTH, length).extension(caller);
        request.body(body).expect("it is well formed")
    }

    /// All at once, then a byte every 20 ms without end.
    fn burst_and_drip(bytes: usize) -> axum::body::Body {
        let clock = tokio::time::interval(Duration::from_millis(20));
        let pieces = futures::stream::unfold((clock, bytes), |(mut clock, next)| async move {
            clock.tick().await;
            Some((Ok::<_, std::io::Error>(Bytes::from(vec![b' '; next])), (clock, 1)))
        });
        axum::body::Body::from_stream(pieces)
    }

    #[tokio::test]
    async fn bytes_that_came_fast_buy_no_time_to_stall() {
        let memory = Memory { grace: Duration::from_millis(200), ..Memory::default() };
        let (began, large) = (Instant::now(), 8 << 20);
        let refusal = memory.read(request(2 * large, burst_and_drip(large)), 2 * large).await.unwrap_err();
        assert_eq!(refusal.code, "request_timeout");
        // What came at once would have bought more than eight minutes.
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    }

    #[tokio::test]
    async fn a_tenant_whose_bodies_are_half_there_leaves_the_others_memory() {
        let (memory, large) = (Memory::default(), 32 << 20);
        let mut slow = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let memory = memory.clone();
            let request = of(caller("a", true), 2 * large, burst_and_drip(large));
            slow.spawn(async move { memory.read(request, 2 * large).await });
        }
        let all_it_can_get = async {
            while memory.units.free() > UNITS_MAX - PART_UNITS_MAX {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), all_it_can_get).await.expect("it takes its part");
        let other = of(caller("b", true), 1 << 20, vec![b' '; 1 << 20].into());
        let body = timeout(Duration::ZERO, memory.read(other, 1 << 20)).await;
        assert!(body.expect("at once").is_ok());
        slow.shutdown().await;
    }

    #[tokio::test]
    async fn who_announces_much_and_sends_nothing_keeps_nobody_waiting() {
        let (memory, large) = (Memory::default(), 32 << 20);
        let mut idle = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let memory = memory.clone();
            let never = futures::stream::pending::<std::io::Result<Bytes>>();
            let request = request(large, axum::body::Body::from_stream(never));
            idle.spawn(async move { memory.read(request, large).await });
        }
        tokio::task::yield_now().await;
        let body = timeout(Duration::ZERO, memory.read(request(2, "{}".into()), large)).await;
        assert_eq!(&body.expect("at once").expect("there is room").bytes[..], b"{}");
        idle.shutdown().await;
    }

    #[tokio::test]
    async fn a_body_that_drips_is_refused_and_one_that_comes_steadily_is_not() {
        let memory = Memory { grace: Duration::from_millis(200), ..Memory::default() };
        // A piece every 20 ms, far below the slowest rate or far above it.
        let pieces = |bytes: usize, count: usize| {
            let clock = tokio::time::interval(Duration::from_millis(20));
            let pieces = futures::stream::unfold((clock, count), move |(mut clock, left)| async move {
                clock.tick().await;
                (left > 0).then(|| (Ok::<_, std::io::Error>(Bytes::from(vec![b' '; bytes])), (clock, left - 1)))
            });
            axum::body::Body::from_stream(pieces)
        };
        let read = async |body| memory.read(request(1 << 20, body), 1 << 20).await;
        assert_eq!(read(pieces(1, usize::MAX)).await.unwrap_err().code, "request_timeout");
        assert_eq!(read(pieces(1 << 14, 20)).await.expect("it comes").bytes.len(), 20 << 14);
    }

    #[tokio::test]
    async fn bodies_together_never_have_more_than_their_memory() {
        let (memory, large) = (Memory::default(), UNITS_MAX * UNIT_BYTES / COPIES / 4);
        let mut bodies = Vec::new();
        for _ in 0..4 {
            bodies.push(memory.read(request(large, vec![b' '; large].into()), large).await.expect("there is room"));
        }
        let waiting = timeout(Duration::ZERO, memory.read(request(large, vec![b' '; large].into()), large)).await;
        assert!(waiting.is_err(), "it waits for the others");
        bodies.pop();
        assert!(memory.read(request(large, vec![b' '; large].into()), large).await.is_ok(), "it was given back");
    }
}
