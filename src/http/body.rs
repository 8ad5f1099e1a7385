//! Bodies: read whole, within a size, a time, and the memory that all of them may have together.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::error;
use crate::admission::Refusal;

/// Memory of all bodies together, in units of [`UNIT_BYTES`]: 512 MiB.
const UNITS_MAX: usize = 128 * 1024;
/// What memory is counted in, in bytes.
const UNIT_BYTES: usize = 4096;
/// A body and what is made of it (decoded files, the encoded input) are in memory at once.
const COPIES: usize = 3;
/// Longest that a body may take to arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest that a request waits for memory.
const MEMORY_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest body of requests that need none, in bytes.
const SMALL_BYTES_MAX: usize = 1024;

/// The memory that bodies may have.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Semaphore>);

impl Default for Memory {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(UNITS_MAX)))
    }
}

/// A body, and its share of the memory until it is dropped.
#[derive(Debug)]
pub struct Body {
    /// The bytes.
    pub bytes: Bytes,
    _memory: OwnedSemaphorePermit,
}

impl Memory {
    /// The whole body of a request.
    pub(super) async fn read(&self, request: Request, bytes_max: usize) -> Result<Body, Refusal> {
        let length = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > bytes_max) {
            return Err(error::too_large(bytes_max));
        }
        // A body of unknown length may become as large as it may.
        let units = (length.unwrap_or(bytes_max) * COPIES).div_ceil(UNIT_BYTES).max(1);
        let permit = Arc::clone(&self.0).acquire_many_owned(u32::try_from(units).unwrap_or(u32::MAX));
        let busy = || error::unavailable("too many large requests at once", MEMORY_TIMEOUT);
        let memory = timeout(MEMORY_TIMEOUT, permit).await.map_err(|_| busy())?.map_err(|_| busy())?;
        let reading = axum::body::to_bytes(request.into_body(), bytes_max);
        match timeout(READ_TIMEOUT, reading).await {
            Ok(Ok(bytes)) => Ok(Body { bytes, _memory: memory }),
            Ok(Err(failure)) if is_length_limit(&failure) => Err(error::too_large(bytes_max)),
            Ok(Err(_)) => Err(Refusal::new(400, "malformed_json", "the body broke off")),
            Err(_) => Err(Refusal::new(408, "request_timeout", "the body took too long to arrive")),
        }
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

fn is_length_limit(failure: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(failure);
    std::iter::from_fn(|| {
        let this = cause?;
        cause = this.source();
        Some(this)
    })
    .any(|error| error.to_string().contains("length limit exceeded"))
}
