//! A port: accepts connections within bounds, serves a router on each, ends them all in order.
//!
//! ```text
//! run ─ accept ─▶ a place? ─ none, all are being served ─▶ closed at once
//!                   │ free, or another made room
//!                   ▼ one task a connection (tracked, joined by run)
//!              TLS handshake, where the port has a certificate
//!                   ▼
//!              hyper ─ requests and answers tell whose turn it is
//!                   └─ ended: by itself · overdue · to make room · at shutdown
//! ```
//!
//! It knows nothing of what is served. `axum::serve` is not used because it
//! has neither a cap on connections nor a bound on what a client may leave
//! undone: silence, half a head, an answer that is never read.
//! `docs/service.md` lists every bound.

mod bodies;
mod carried;
mod complaints;
mod connection;
pub mod descriptors;
mod places;
#[cfg(test)]
mod tests;
pub mod tls;
#[cfg(test)]
mod tls_tests;
mod turns;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use nix::errno::Errno;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::bodies::hold;
pub use self::complaints::Complaints;
use self::connection::Shared;
use self::places::{Admission, Places};
use self::tls::Tls;
use crate::access::network;
use crate::config::Connections;
use crate::metrics::Metrics;

/// Longest that open connections may take to end at shutdown.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a failed accept (mostly: no file descriptor is left), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who a request comes from, among its extensions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// As far as it tells clients apart: of IPv6, where a client has a whole network, its upper half.
    #[must_use]
    pub fn network(self) -> IpAddr {
        network(self.0)
    }
}

/// A bound port that does not serve yet.
#[derive(Debug)]
pub struct Port {
    listener: TcpListener,
    address: SocketAddr,
    bounds: Connections,
    metrics: Arc<Metrics>,
    tls: Option<Arc<Tls>>,
}

/// Why a port is not to be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}; is another master running there?")]
pub struct BindError {
    /// Where.
    pub address: SocketAddr,
    /// Why.
    #[source]
    pub source: io::Error,
}

impl Port {
    /// Binds `address`; its connections will stay within `bounds`.
    ///
    /// # Errors
    /// [`BindError`] where the address is taken or not ours.
    pub async fn bind(address: SocketAddr, bounds: Connections, metrics: Arc<Metrics>) -> Result<Self, BindError> {
        let fail = |source| BindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self { listener, address, bounds, metrics, tls: None })
    }

    /// The same with TLS; without a certificate, as it is.
    #[must_use]
    pub fn secured(self, tls: Option<Arc<Tls>>) -> Self {
        Self { tls, ..self }
    }

    /// The bound address, its real port filled in.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its connections may take.
    #[must_use]
    pub fn bounds(&self) -> Connections {
        self.bounds
    }

    /// Serves `router` until `shutdown`, then waits (bounded) until every connection has ended.
    pub async fn run(self, router: Router, shutdown: CancellationToken) {
        let Self { listener, bounds, metrics, tls, .. } = self;
        let places = Places::new(bounds);
        // Cancelled when waiting at the end took too long: connections are then dropped.
        let (tasks, cut) = (TaskTracker::new(), CancellationToken::new());
        let shared = Shared {
            client_wait: bounds.client_wait,
            shutdown: shutdown.clone(),
            tasks: tasks.clone(),
            metrics: Arc::clone(&metrics),
            tls,
            complaints: Complaints::default(),
        };
        while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    recover(&error, &places, &metrics).await;
                    continue;
                }
            };
            let place = match places.admit(peer.ip(), Instant::now()) {
                Admission::Free(place) => place,
                Admission::Freed(place) => {
                    metrics.connections_evicted.increment();
                    place
                }
                Admission::Full => {
                    metrics.connections_refused.increment();
                    continue;
                }
            };
            let serving = connection::serve((stream, peer), place, router.clone(), shared.clone());
            let cut = cut.clone();
            tasks.spawn(async move { cut.run_until_cancelled(serving).await });
        }
        drop(listener);
        tasks.close();
        if timeout(END_TIMEOUT, tasks.wait()).await.is_err() {
            tracing::warn!("open connections were cut at shutdown");
            cut.cancel();
            tasks.wait().await;
        }
    }
}

/// After a failed accept. Where descriptors are short after all, a connection makes room; a client
/// that left before it was accepted is nobody's fault.
async fn recover(error: &io::Error, places: &Places, metrics: &Metrics) {
    if error.kind() == io::ErrorKind::ConnectionAborted {
        return;
    }
    let short = error.raw_os_error().map(Errno::from_raw).is_some_and(|e| matches!(e, Errno::EMFILE | Errno::ENFILE));
    if short && places.make_room() {
        metrics.connections_evicted.increment();
    }
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(ACCEPT_PAUSE).await;
}
