//! One request to a receiver who is nobody we know: where it goes is checked, what it takes is bounded.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use enclos_tls::pem::{self, PemError};
use enclos_tls::{client, trouble};
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::dns::{Addrs, Name, Resolving};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::redirect;
use rustls::ClientConfig;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::outbound::{Policy, Target};
use crate::store::{CallbackProblem, UnixTime};

/// From the question for its address to the last byte of the answer that is read.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(15);
/// Until its name is resolved, and again until a connection stands, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of one name that are tried; a name with more is refused, so that every one was checked.
const ADDRESSES_MAX: usize = 32;
/// Names that are being resolved at once: the system's resolver cannot be stopped once it was asked.
const RESOLUTIONS_MAX: usize = 64;
/// Of an answer no more is read than this; nothing of it is kept.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The operator's authorities.
    #[error("the authorities of --callback-ca cannot be used")]
    Ca(#[from] PemError),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// What a name resolves to.
pub type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Who knows the addresses of names.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// The addresses of a name.
    fn resolve(&self, name: &str) -> Addresses;
}

/// The host's own resolver.
#[derive(Debug)]
pub struct SystemResolver {
    permits: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { permits: Arc::new(Semaphore::new(RESOLUTIONS_MAX)) }
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str) -> Addresses {
        let (permits, name) = (Arc::clone(&self.permits), name.to_owned());
        Box::pin(async move {
            let permit = permits.acquire_owned().await.map_err(io::Error::other)?;
            let resolving = tokio::task::spawn_blocking(move || {
                // Moved in here: it goes on when its caller has given up.
                let _permit = permit;
                (name, 0).to_socket_addrs().map(|all| all.map(|address| address.ip()).collect())
            });
            resolving.await.map_err(io::Error::other)?
        })
    }
}

/// The addresses that were checked, whatever name is asked for.
struct Pinned(Vec<IpAddr>);

impl reqwest::dns::Resolve for Pinned {
    fn resolve(&self, _: Name) -> Resolving {
        // Port 0: that of the URL.
        let all: Vec<SocketAddr> = self.0.iter().map(|address| SocketAddr::new(*address, 0)).collect();
        Box::pin(async move { Ok(Box::new(all.into_iter()) as Addrs) })
    }
}

/// What a receiver answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// When it wants to be asked again.
    pub retry_after: Option<Duration>,
}

/// Sends requests.
#[derive(Debug)]
pub struct Post {
    policy: Policy,
    resolver: Arc<dyn Resolve>,
    tls: ClientConfig,
    total: Duration,
}

impl Post {
    /// Within `policy`. Receivers over `https` have a certificate of an authority that this host trusts, or
    /// of one in the file `ca`.
    ///
    /// # Errors
    /// [`PostError`].
    pub fn new(policy: Policy, ca: Option<&Path>, resolver: Arc<dyn Resolve>) -> Result<Self, PostError> {
        let mut roots = client::system_roots();
        if let Some(path) = ca {
            roots.extend(pem::authorities(path)?.roots);
        }
        Ok(Self { policy, resolver, tls: client::config(roots, None)?, total: TOTAL_TIMEOUT })
    }

    /// The same with another [`TOTAL_TIMEOUT`].
    #[cfg(test)]
    pub(super) fn within(self, total: Duration) -> Self {
        Self { total, ..self }
    }

    /// Sends `body` to `target`.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn send(&self, target: &Target, headers: HeaderMap, body: Vec<u8>) -> Result<Answer, CallbackProblem> {
        let deadline = Instant::now() + self.total;
        self.policy.permits(target).map_err(|_| CallbackProblem::NotAllowed)?;
        let addresses = self.addresses(target).await?;
        // A client for each: what it connects to is of this request alone.
        let client = client::http(Some(&self.tls))
            .dns_resolver(Arc::new(Pinned(addresses)))
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .https_only(!target.is_clear())
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(deadline.saturating_duration_since(Instant::now()))
            .build()
            .map_err(|_| CallbackProblem::BrokenOff)?;
        let sent = client.post(target.as_str()).headers(headers).body(body).send().await;
        let mut response = sent.map_err(|error| problem(&error))?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| wait(value.to_str().ok()?));
        // Its status is its word. The rest is read so that a receiver who writes it sees no broken connection.
        let mut read = 0;
        while let Ok(Some(piece)) = response.chunk().await {
            read += piece.len();
            if read > ANSWER_BYTES_MAX {
                break;
            }
        }
        Ok(Answer { status, retry_after })
    }

    /// Where the target is, every address of which may be connected to.
    async fn addresses(&self, target: &Target) -> Result<Vec<IpAddr>, CallbackProblem> {
        if let Some(literal) = target.literal() {
            return Ok(vec![literal]);
        }
        let resolving = timeout(CONNECT_TIMEOUT, self.resolver.resolve(target.host_text())).await;
        let mut addresses =
            resolving.map_err(|_| CallbackProblem::TimedOut)?.map_err(|_| CallbackProblem::Unresolved)?;
        addresses.dedup();
        match addresses.len() {
            0 => return Err(CallbackProblem::Unresolved),
            1..=ADDRESSES_MAX => {}
            _ => return Err(CallbackProblem::NotAllowed),
        }
        // One that may not be reached speaks against all: a name that has it is no public receiver's.
        for address in &addresses {
            self.policy.permits_address(target, *address).map_err(|_| CallbackProblem::NotAllowed)?;
        }
        Ok(addresses)
    }
}

fn problem(error: &reqwest::Error) -> CallbackProblem {
    if trouble::find(error).is_some() {
        CallbackProblem::Untrusted
    } else if error.is_timeout() {
        CallbackProblem::TimedOut
    } else if error.is_connect() {
        CallbackProblem::Unreachable
    } else {
        CallbackProblem::BrokenOff
    }
}

/// `Retry-After`: seconds, or a date.
fn wait(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let date = DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    let us = UnixTime(date.as_microsecond()).us_since(UnixTime::now());
    Some(Duration::from_micros(us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_says_in_seconds_or_by_a_date_when_to_come_back() {
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO), "it has passed");
        let far = wait("Fri, 31 Dec 2100 23:59:59 GMT").unwrap();
        assert!(far > Duration::from_secs(365 * 24 * 3600));
        for none in ["", "soon", "-5", "1.5", "99999999999999999999"] {
            assert_eq!(wait(none), None, "{none}");
        }
    }
}
