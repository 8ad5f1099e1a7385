//! The master's API as the command line uses it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use enclos_tls::{client, pem, trouble};
use futures::Stream;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Body, Method, RequestBuilder, Response};
use rustls::ClientConfig;
use serde_json::Value;

use super::exit::CliError;
use super::terminal::harmless_line;
use crate::access::{PREFIX, Secret};

/// Longest that a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest silence of the master; it sends a comment on an event stream every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// Longest that one request asks the master to wait, in milliseconds; under [`SILENCE_MAX`].
pub const WAIT_MS: u64 = 20_000;
/// Where the master listens when nothing else is said.
pub const URL_DEFAULT: &str = "http://127.0.0.1:7300";

/// Variable that carries the key.
pub(super) const KEY_VARIABLE: &str = "ENCLOS_API_KEY";
/// Longest that an upload may take beyond the time that its bytes need at [`BYTES_PER_SECOND_MIN`].
const UPLOAD_GRACE: Duration = Duration::from_secs(60);
/// Slowest that the master lets bytes come.
const BYTES_PER_SECOND_MIN: u64 = 16 * 1024;

/// Where a key may be shown in clear.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clear {
    /// On this machine.
    Loopback,
    /// Everywhere: the user has said so.
    Anywhere,
}

/// A client of one master.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    /// Silence while we speak is no sign that the master has gone.
    uploads: reqwest::Client,
    url: String,
    authorization: Option<HeaderValue>,
    tls: Option<Arc<ClientConfig>>,
}

impl Client {
    /// A client of the master at `url` with this key; an `https` one must have a certificate of the
    /// authority in `ca`, or of one that this host trusts where none is given.
    ///
    /// # Errors
    /// [`CliError::Url`] when it is neither `http://` nor `https://`, [`CliError::Ca`] for the file,
    /// [`CliError::ClearKey`] where the key may not be shown in clear.
    pub fn new(url: &str, key: Option<&Secret>, ca: Option<&Path>, clear: Clear) -> Result<Self, CliError> {
        let authorization = key.map(bearer).transpose()?;
        let headers: HeaderMap = authorization.iter().map(|value| (AUTHORIZATION, value.clone())).collect();
        let url = url.trim_end_matches('/').to_owned();
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        if rest.is_none_or(str::is_empty) {
            return Err(CliError::Url(url));
        }
        if key.is_some() && clear == Clear::Loopback && !is_private(&url) {
            return Err(CliError::ClearKey(url));
        }
        let tls = if url.starts_with("https://") { Some(Arc::new(trusting(ca)?)) } else { None };
        // A proxy of the environment must not see programs that were meant for this machine.
        let builder = || {
            let client = client::http(tls.as_deref()).connect_timeout(CONNECT_TIMEOUT).no_proxy();
            client.default_headers(headers.clone())
        };
        match (builder().read_timeout(SILENCE_MAX).build(), builder().build()) {
            (Ok(http), Ok(uploads)) => Ok(Self { http, uploads, url, authorization, tls }),
            _ => Err(CliError::Url(url)),
        }
    }

    /// A connection to the master, for another protocol than HTTP's.
    pub(super) async fn dial(&self) -> io::Result<client::Dialled> {
        let wrong = || io::Error::other("the address is not one");
        let url = reqwest::Url::parse(&self.url).map_err(|_| wrong())?;
        let (host, port) = url.host_str().zip(url.port_or_known_default()).ok_or_else(wrong)?;
        client::dial(host, port, self.tls.clone()).await
    }

    /// The master's address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What shows the key, where there is one.
    #[must_use]
    pub fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// The JSON at `path`.
    ///
    /// # Errors
    /// [`CliError`] of the connection or the master's refusal.
    pub async fn get(&self, path: &str) -> Result<Value, CliError> {
        self.json(self.request(Method::GET, path)).await
    }

    /// The JSON that the master answers to `body`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, CliError> {
        self.json(self.request(Method::POST, path).json(body)).await
    }

    /// The event stream of a job, after `last_event_id` where given.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn events(&self, id: &str, last_event_id: Option<&str>) -> Result<Response, CliError> {
        let mut request = self.request(Method::GET, &format!("/v1/jobs/{id}/events"));
        if let Some(last) = last_event_id {
            request = request.header("Last-Event-ID", last);
        }
        self.answered(request.header("Accept", "text/event-stream")).await
    }

    /// The job when it has finished.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn finished(&self, id: &str) -> Result<Value, CliError> {
        loop {
            let job = self.get(&format!("/v1/jobs/{id}?wait_ms={WAIT_MS}")).await?;
            if job["state"] == "finished" {
                return Ok(job);
            }
        }
    }

    /// Asks for the end of a job.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn cancel(&self, id: &str) -> Result<Value, CliError> {
        self.post(&format!("/v1/jobs/{id}/cancel"), &Value::Object(serde_json::Map::new())).await
    }

    /// What the master answers to an upload of these `size_bytes`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn upload(
        &self,
        pieces: impl Stream<Item = io::Result<Vec<u8>>> + Send + 'static,
        size_bytes: u64,
    ) -> Result<Value, CliError> {
        let request = self.uploads.post(format!("{}/v1/blobs", self.url));
        let request = request.header("content-type", "application/octet-stream").header("content-length", size_bytes);
        let wait = UPLOAD_GRACE + Duration::from_secs(size_bytes / BYTES_PER_SECOND_MIN);
        self.json(request.timeout(wait).body(Body::wrap_stream(pieces))).await
    }

    /// The answer at `path`, its body still to come.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn open(&self, path: &str) -> Result<Response, CliError> {
        self.answered(self.request(Method::GET, path)).await
    }

    /// The next piece of an answer's body.
    ///
    /// # Errors
    /// [`CliError`] of the connection.
    pub async fn piece(&self, response: &mut Response) -> Result<Option<Vec<u8>>, CliError> {
        let piece = response.chunk().await.map_err(|e| self.unreachable(e))?;
        Ok(piece.map(Vec::from))
    }

    /// The bytes at `path`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn bytes(&self, path: &str) -> Result<Vec<u8>, CliError> {
        let response = self.answered(self.request(Method::GET, path)).await?;
        response.bytes().await.map(Vec::from).map_err(|e| self.unreachable(e))
    }

    /// Has the master erase a job.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn erase(&self, id: &str) -> Result<(), CliError> {
        self.delete(&format!("/v1/jobs/{id}")).await
    }

    /// Has the master delete what is at `path`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn delete(&self, path: &str) -> Result<(), CliError> {
        self.answered(self.request(Method::DELETE, path)).await.map(|_| ())
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    async fn answered(&self, request: RequestBuilder) -> Result<Response, CliError> {
        let response = request.send().await.map_err(|source| self.unreachable(source))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        match response.json::<Value>().await {
            Ok(problem) if problem["code"] == "unauthorized" => Err(CliError::Refused(self.unauthorized(&problem))),
            Ok(problem) if problem["code"].is_string() => Err(CliError::Refused(problem_line(&problem))),
            _ => Err(self.not_a_master(format!("status {status}"))),
        }
    }

    async fn json(&self, request: RequestBuilder) -> Result<Value, CliError> {
        let response = self.answered(request).await?;
        response.json().await.map_err(|e| {
            if e.is_decode() { self.not_a_master("its answer is not JSON".to_owned()) } else { self.unreachable(e) }
        })
    }

    /// What to do, which depends on whether a key was shown.
    fn unauthorized(&self, problem: &Value) -> String {
        let line = problem_line(problem);
        if self.authorization.is_some() {
            return format!("{line}; the key shown is that of --api-key-file or {KEY_VARIABLE}");
        }
        format!("{line}; `enclos keys create` makes one, --api-key-file or {KEY_VARIABLE} shows it")
    }

    fn unreachable(&self, source: reqwest::Error) -> CliError {
        if let Some(what) = trouble::find(&source).and_then(trouble::advice) {
            return CliError::Untrusted { url: self.url.clone(), what };
        }
        CliError::Unreachable { url: self.url.clone(), source: source.without_url() }
    }

    fn not_a_master(&self, what: String) -> CliError {
        CliError::NotAMaster { url: self.url.clone(), what }
    }
}

/// Whether nobody on the way reads what is sent there.
fn is_private(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    url.scheme() == "https" || client::is_loopback(url.host_str().unwrap_or_default())
}

fn trusting(ca: Option<&Path>) -> Result<ClientConfig, CliError> {
    let roots = match ca {
        Some(path) => pem::authorities(path).map_err(CliError::Ca)?,
        None => client::system_roots(),
    };
    client::config(roots, None).map_err(super::service_error("TLS cannot be set up"))
}

/// The key that the user has: in a file, or in the environment. Never an argument, which every user
/// of the host could read.
///
/// # Errors
/// [`CliError`] where the file cannot be read or holds no key.
pub(super) fn api_key(file: Option<&Path>) -> Result<Option<Secret>, CliError> {
    let (text, from) = match file {
        Some(path) => {
            let read = std::fs::read_to_string(path);
            let text = read.map_err(|source| CliError::Read { path: path.to_owned(), source })?;
            (text, path.display().to_string())
        }
        None => match std::env::var(KEY_VARIABLE) {
            Ok(text) if !text.trim().is_empty() => (text, KEY_VARIABLE.to_owned()),
            _ => return Ok(None),
        },
    };
    let wrong = || CliError::Input(format!("{from} holds no key; one begins with {PREFIX} and ends with a checksum"));
    Secret::parse(text.trim()).map(Some).ok_or_else(wrong)
}

fn bearer(key: &Secret) -> Result<HeaderValue, CliError> {
    let value = HeaderValue::try_from(format!("Bearer {}", key.expose()));
    let mut value = value.map_err(|_| CliError::Input("the key does not fit a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A refusal for a person: `code: detail (field)`.
pub(super) fn problem_line(problem: &Value) -> String {
    let text = |name: &str| harmless_line(problem[name].as_str().unwrap_or_default());
    let field = problem["field"].as_str().map(|f| format!(" ({})", harmless_line(f))).unwrap_or_default();
    format!("{}: {}{field}", text("code"), text("detail"))
}

/// `text` as one element of a query.
#[must_use]
pub fn query_escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_http_addresses_are_taken() {
        for bad in ["", "http://", "https://", "127.0.0.1:7300", "ftp://x"] {
            assert!(Client::new(bad, None, None, Clear::Loopback).is_err(), "{bad}");
        }
        for good in ["http://host:1", "https://host:1"] {
            assert_eq!(Client::new(&format!("{good}/"), None, None, Clear::Loopback).unwrap().url(), good);
        }
        let missing = Client::new("https://host", None, Some(Path::new("missing.pem")), Clear::Loopback).unwrap_err();
        assert!(missing.chain().contains("missing.pem"), "{}", missing.chain());
    }

    #[test]
    fn a_key_comes_from_a_file_and_is_never_shown_where_it_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        let secret = Secret::generate();
        std::fs::write(&file, format!("{}\n", secret.expose())).unwrap();
        assert_eq!(api_key(Some(&file)).unwrap(), Some(secret.clone()));
        let client = Client::new("https://host:1", Some(&secret), None, Clear::Loopback).unwrap();
        assert!(!format!("{client:?}").contains(secret.expose()));
        std::fs::write(&file, &secret.expose()[1..]).unwrap();
        let error = api_key(Some(&file)).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(&secret.expose()[8..20]), "{error}");
    }

    #[test]
    fn a_key_is_shown_in_clear_on_this_machine_only() {
        let secret = Secret::generate();
        let client = |url, clear| Client::new(url, Some(&secret), None, clear);
        for url in
            ["http://master.example:7300", "http://10.0.0.7", "http://localhost.example", "http://127.0.0.1@host"]
        {
            let error = client(url, Clear::Loopback).unwrap_err();
            assert!(error.chain().contains("https://") && error.chain().contains("--insecure-http"), "{url}");
            assert!(client(url, Clear::Anywhere).is_ok() && Client::new(url, None, None, Clear::Loopback).is_ok());
        }
        for url in ["http://127.0.0.1:7300", "http://[::1]:7300", "http://localhost:7300", "https://master.example"] {
            assert!(client(url, Clear::Loopback).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_refusal_is_one_harmless_line() {
        let problem = json!({ "code": "invalid_value", "detail": "a\nb\u{1b}", "field": "run.args" });
        assert_eq!(problem_line(&problem), "invalid_value: a b␛ (run.args)");
    }

    #[test]
    fn query_elements_are_escaped() {
        assert_eq!(query_escaped("a=b&c é"), "a%3Db%26c%20%C3%A9");
    }
}
