//! The bytes of a job: in the dispatch itself, or fetched from the master.

use std::time::Duration;

use enclos_protocol::agent_link::{INPUTS_PATH, InputSource};
use enclos_protocol::ids::AttemptId;
use enclos_protocol::job::JobInput;
use enclos_protocol::supervisor_link::INPUT_BYTES_MAX;

use crate::config::JoinToken;

/// Longest that a fetch may take.
const FETCH_WAIT: Duration = Duration::from_secs(60);
/// Encoding of an input beyond its bytes: lengths, names of fields, paths; generous.
const ENCODING_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Deepest nesting of an encoded input; it needs four levels.
const DEPTH_MAX: usize = 16;

/// Which step of a fetch failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It would be above what a job may bring.
    #[error("the input would be larger than {INPUT_BYTES_MAX} bytes")]
    TooLarge,
    /// The master did not answer.
    #[error("the master did not give the input")]
    Request(#[source] reqwest::Error),
    /// It broke off.
    #[error("the input broke off")]
    Body(#[source] reqwest::Error),
    /// It is not an input.
    #[error("the input is not understood: {0}")]
    Malformed(String),
}

/// Fetches inputs from one master.
#[derive(Clone)]
pub struct InputClient {
    http: reqwest::Client,
    base: String,
    token: JoinToken,
}

impl InputClient {
    /// A client of the master whose link port is at `base` (`http://host:port`).
    #[must_use]
    pub fn new(base: String, token: JoinToken) -> Self {
        Self { http: reqwest::Client::new(), base, token }
    }

    /// The input of an attempt.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn take(&self, attempt: AttemptId, source: &InputSource) -> Result<JobInput, FetchError> {
        let input = match source {
            InputSource::Inline(input) => input.clone(),
            InputSource::Fetch { size_bytes } if *size_bytes > INPUT_BYTES_MAX as u64 + ENCODING_BYTES_MAX => {
                return Err(FetchError::TooLarge);
            }
            InputSource::Fetch { .. } => self.fetch(attempt).await?,
        };
        if input.size_bytes() > INPUT_BYTES_MAX { Err(FetchError::TooLarge) } else { Ok(input) }
    }

    async fn fetch(&self, attempt: AttemptId) -> Result<JobInput, FetchError> {
        let AttemptId { job, token } = attempt;
        let url = format!("{}{INPUTS_PATH}/{job}?epoch={}&counter={}", self.base, token.epoch, token.counter);
        let request = self.http.get(url).bearer_auth(self.token.reveal()).timeout(FETCH_WAIT);
        let response = request.send().await.and_then(reqwest::Response::error_for_status);
        let mut response = response.map_err(|e| FetchError::Request(e.without_url()))?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| FetchError::Body(e.without_url()))? {
            if (body.len() + chunk.len()) as u64 > INPUT_BYTES_MAX as u64 + ENCODING_BYTES_MAX {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        ciborium::de::from_reader_with_recursion_limit(body.as_slice(), DEPTH_MAX)
            .map_err(|e| FetchError::Malformed(e.to_string()))
    }
}
