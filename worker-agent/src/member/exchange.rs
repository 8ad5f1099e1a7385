//! A request for a certificate, and its answer.

use std::time::Duration;

use enclos_protocol::join::{ADMITTED_BYTES_MAX, Admitted, LinkRefusal};
use enclos_tls::trouble;
use reqwest::{Method, StatusCode, Url};
use serde::Serialize;

use super::Access;

/// Longest that it may take.
const EXCHANGE_WAIT: Duration = Duration::from_secs(30);
/// Characters of a refusal that are shown.
const TEXT_CHARS_MAX: usize = 300;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The master is not there.
    #[error("the master could not be reached")]
    Unreachable(#[source] reqwest::Error),
    /// It is not the master of the token.
    #[error("the master was not trusted: {0}")]
    Untrusted(&'static str),
    /// It refused; the text begins with a stable code.
    #[error("the master refused this agent: {0}")]
    Refused(String),
    /// It signs for others now.
    #[error("the master is busy with others")]
    Busy,
    /// What it answered is no certificate for our key.
    #[error("the master's answer is no certificate for this agent")]
    Malformed,
    /// It is of an authority that nobody spoke of.
    #[error("the master's certificate is not of the authority that the token names")]
    Authority,
}

/// Sends `body` to `path`.
pub(super) async fn exchange(access: &Access, path: &str, body: &impl Serialize) -> Result<Admitted, ExchangeError> {
    let url = Url::parse(&access.url(path)).map_err(|_| ExchangeError::Malformed)?;
    let request = access.request(Method::POST, url).json(body).timeout(EXCHANGE_WAIT);
    let mut response = request.send().await.map_err(failed)?;
    let (status, mut bytes) = (response.status(), Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if bytes.len() + chunk.len() > ADMITTED_BYTES_MAX {
            return Err(ExchangeError::Malformed);
        }
        bytes.extend_from_slice(&chunk);
    }
    if status == StatusCode::OK {
        return serde_json::from_slice(&bytes).map_err(|_| ExchangeError::Malformed);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return Err(ExchangeError::Busy);
    }
    let text = match serde_json::from_slice::<LinkRefusal>(&bytes) {
        Ok(LinkRefusal { code, detail }) => format!("{}: {detail}", code.as_str()),
        Err(_) => format!("status {status}"),
    };
    Err(ExchangeError::Refused(
        text.chars().take(TEXT_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect(),
    ))
}

fn failed(error: reqwest::Error) -> ExchangeError {
    let error = error.without_url();
    let found = trouble::find(&error);
    if let Some(advice) = found.and_then(trouble::advice) {
        return ExchangeError::Untrusted(advice);
    }
    match found.and_then(trouble::refused) {
        Some(code) => ExchangeError::Refused(format!("{code}: it did not take this agent's certificate")),
        None => ExchangeError::Unreachable(error),
    }
}
