//! Bytes of a job on their way between master and agent: its input in the dispatch itself or
//! fetched, its cases by pages, its files back.

use std::time::Duration;

use enclos_protocol::agent_link::{CASES_PATH, FILES_PATH, INPUTS_PATH, InputSource};
use enclos_protocol::cases::{CASE_BYTES_MAX, CASE_PAGE_BYTES, CASE_PAGE_MAX, CasePage};
use enclos_protocol::ids::AttemptId;
use enclos_protocol::job::{JobInput, JobPath};
use enclos_protocol::supervisor_link::INPUT_BYTES_MAX;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::de::DeserializeOwned;

use tokio::sync::watch;

use crate::member::Access;

/// Longest that one transfer may take.
const TRANSFER_WAIT: Duration = Duration::from_secs(60);
/// Tries of one transfer where the master has no memory for it yet: it lets each wait some seconds.
const TRIES_MAX: u32 = 30;
/// Pause between two of them.
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// Encoding of an input beyond its bytes: lengths, names of fields, paths; generous.
const ENCODING_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// A page may end with a case of any size.
const PAGE_BYTES_MAX: u64 = (CASE_PAGE_BYTES + 2 * CASE_BYTES_MAX) as u64;
/// Deepest nesting of what is fetched; it needs six levels.
const DEPTH_MAX: usize = 16;

/// Which step of a transfer failed.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// It would be above what a job may bring.
    #[error("the input would be larger than it may be")]
    TooLarge,
    /// The master's address.
    #[error("the master's address is not one")]
    Address,
    /// The master did not answer.
    #[error("the master did not give the input")]
    Request(#[source] reqwest::Error),
    /// It broke off.
    #[error("the input broke off")]
    Body(#[source] reqwest::Error),
    /// It is not an input.
    #[error("the input is not understood: {0}")]
    Malformed(String),
    /// The master did not take it.
    #[error("the master did not take a file")]
    Give(#[source] reqwest::Error),
}

/// Exchanges bytes with one master.
#[derive(Clone)]
pub struct InputClient {
    access: watch::Receiver<Access>,
    busy_pause: Duration,
}

impl InputClient {
    /// A client of the master that is reached so.
    #[must_use]
    pub fn new(access: watch::Receiver<Access>) -> Self {
        Self { access, busy_pause: BUSY_PAUSE }
    }

    /// The input of an attempt.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn take(&self, attempt: AttemptId, source: &InputSource) -> Result<JobInput, FetchError> {
        let bytes_max = INPUT_BYTES_MAX as u64 + ENCODING_BYTES_MAX;
        let input: JobInput = match source {
            InputSource::Inline(input) => input.clone(),
            InputSource::Fetch { size_bytes } if *size_bytes > bytes_max => return Err(FetchError::TooLarge),
            InputSource::Fetch { .. } => {
                self.fetch(self.request(Method::GET, attempt, INPUTS_PATH, None)?, bytes_max).await?
            }
        };
        if input.size_bytes() > INPUT_BYTES_MAX { Err(FetchError::TooLarge) } else { Ok(input) }
    }

    /// Cases of an attempt, from the number `from`.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn cases(&self, attempt: AttemptId, from: u32) -> Result<CasePage, FetchError> {
        let request = self.request(Method::GET, attempt, CASES_PATH, Some(("from", &from.to_string())))?;
        let page: CasePage = self.fetch(request, PAGE_BYTES_MAX + ENCODING_BYTES_MAX).await?;
        if page.cases.len() > CASE_PAGE_MAX { Err(FetchError::TooLarge) } else { Ok(page) }
    }

    /// Gives the master a file that an attempt left.
    ///
    /// # Errors
    /// [`FetchError::Give`].
    pub async fn give(&self, attempt: AttemptId, path: &JobPath, content: &[u8]) -> Result<(), FetchError> {
        let request = self.request(Method::PUT, attempt, FILES_PATH, Some(("path", path.as_str())))?;
        let response = self.send(request.body(content.to_vec())).await;
        response.map(drop).map_err(FetchError::Give)
    }

    fn request(
        &self,
        method: Method,
        attempt: AttemptId,
        path: &str,
        more: Option<(&str, &str)>,
    ) -> Result<RequestBuilder, FetchError> {
        let AttemptId { job, token } = attempt;
        let (epoch, counter) = (token.epoch.to_string(), token.counter.to_string());
        let query = [("epoch", epoch.as_str()), ("counter", counter.as_str())];
        let access = self.access.borrow();
        let url = Url::parse_with_params(&access.url(&format!("{path}/{job}")), query.into_iter().chain(more));
        Ok(access.request(method, url.map_err(|_| FetchError::Address)?))
    }

    /// The answer. That the master has no memory for it now is no failure of the attempt, until it
    /// was so for too long.
    async fn send(&self, request: RequestBuilder) -> Result<Response, reqwest::Error> {
        let request = request.timeout(TRANSFER_WAIT);
        for _ in 1..TRIES_MAX {
            // Its body is bytes in memory, if it has one.
            let Some(request) = request.try_clone() else { break };
            let response = request.send().await.map_err(reqwest::Error::without_url)?;
            if response.status() != StatusCode::TOO_MANY_REQUESTS {
                return response.error_for_status().map_err(reqwest::Error::without_url);
            }
            drop(response);
            tokio::time::sleep(self.busy_pause).await;
        }
        let response = request.send().await.and_then(Response::error_for_status);
        response.map_err(reqwest::Error::without_url)
    }

    async fn fetch<T: DeserializeOwned>(&self, request: RequestBuilder, bytes_max: u64) -> Result<T, FetchError> {
        let mut response = self.send(request).await.map_err(FetchError::Request)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| FetchError::Body(e.without_url()))? {
            if (body.len() + chunk.len()) as u64 > bytes_max {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        ciborium::de::from_reader_with_recursion_limit(body.as_slice(), DEPTH_MAX)
            .map_err(|e| FetchError::Malformed(e.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::JoinToken;
    use crate::testing::attempt_id;

    const BUSY: &str = "429 Too Many Requests";

    /// A master that gives these answers, one a connection, to an agent that fetches once.
    async fn fetched(answers: &[(&str, &[u8])]) -> Result<CasePage, FetchError> {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let base = format!("http://{}", listener.local_addr().expect("it is bound"));
        let token = JoinToken::parse("t").expect("a token");
        let access = Access::clear(&base, token).expect("it can be reached").fixed();
        let client = InputClient { busy_pause: Duration::ZERO, ..InputClient::new(access) };
        let master = async {
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().await.expect("the agent connects");
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.expect("a head comes"));
                }
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                stream.write_all(&[head.as_bytes(), *body].concat()).await.expect("it is taken");
            }
        };
        tokio::join!(client.cases(attempt_id(1), 0), master).0
    }

    #[tokio::test]
    async fn a_master_that_has_no_memory_now_is_asked_again_and_one_that_never_has_is_not_asked_for_ever() {
        let mut page = Vec::new();
        ciborium::into_writer(&CasePage::default(), &mut page).expect("it can be encoded");
        let came = fetched(&[(BUSY, b""), (BUSY, b""), ("200 OK", &page)]).await;
        assert_eq!(came.expect("it came at last"), CasePage::default());
        let never = fetched(&[(BUSY, b"".as_slice()); TRIES_MAX as usize]).await;
        assert!(matches!(never, Err(FetchError::Request(_))), "{never:?}");
        let gone = fetched(&[("410 Gone", b"")]).await;
        assert!(matches!(gone, Err(FetchError::Request(_))), "{gone:?}");
    }
}
