//! A port: accepts connections up to a cap, serves a router on each, ends them all in order.
//!
//! ```text
//! run ─ accept ─▶ permit? ─ no ─▶ closed at once
//!                   │ yes
//!                   ▼ one task a connection (tracked, joined by run)
//!              hyper: header timeout, graceful end on shutdown
//! ```
//!
//! It knows nothing of what is served. `axum::serve` is not used because it
//! has neither a timeout for slow headers nor a cap on connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::metrics::Metrics;

/// Longest that the head of a request may take to arrive.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest that open connections may take to end at shutdown.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a failed accept (mostly: no file descriptor is left), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Requests at once on one HTTP/2 connection.
const HTTP2_STREAMS_MAX: u32 = 128;
/// Largest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// A bound port that does not serve yet.
#[derive(Debug)]
pub struct Port {
    listener: TcpListener,
    address: SocketAddr,
    connections: Arc<Semaphore>,
    metrics: Arc<Metrics>,
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
    /// Binds `address`; at most `connections_max` connections will be open at once.
    ///
    /// # Errors
    /// [`BindError`] where the address is taken or not ours.
    pub async fn bind(address: SocketAddr, connections_max: usize, metrics: Arc<Metrics>) -> Result<Self, BindError> {
        let fail = |source| BindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self { listener, address, connections: Arc::new(Semaphore::new(connections_max)), metrics })
    }

    /// The bound address, its real port filled in.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves `router` until `shutdown`, then waits (bounded) until every connection has ended.
    pub async fn run(self, router: Router, shutdown: CancellationToken) {
        let tasks = TaskTracker::new();
        // Cancelled when waiting at the end took too long: connections are then dropped.
        let cut = CancellationToken::new();
        while let Some(accepted) = shutdown.run_until_cancelled(self.listener.accept()).await {
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
                self.metrics.connections_refused.increment();
                continue;
            };
            let connection = Connection { stream, permit, tasks: tasks.clone() };
            let (router, shutdown, cut) = (router.clone(), shutdown.clone(), cut.clone());
            tasks.spawn(async move { cut.run_until_cancelled(connection.serve(router, shutdown)).await });
        }
        drop(self.listener);
        tasks.close();
        if timeout(END_TIMEOUT, tasks.wait()).await.is_err() {
            tracing::warn!("open connections were cut at shutdown");
            cut.cancel();
            tasks.wait().await;
        }
    }
}

struct Connection {
    stream: TcpStream,
    permit: OwnedSemaphorePermit,
    tasks: TaskTracker,
}

impl Connection {
    async fn serve(self, router: Router, shutdown: CancellationToken) {
        let Self { stream, permit, tasks } = self;
        // Small answers must not wait for the acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        let mut builder = Builder::new(Tracked(tasks));
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(HEAD_BYTES_MAX);
        builder
            .http2()
            .timer(TokioTimer::new())
            .keep_alive_interval(HEADER_TIMEOUT)
            .max_concurrent_streams(HTTP2_STREAMS_MAX);
        let service = TowerToHyperService::new(router.into_service::<hyper::body::Incoming>());
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            // Both arms only borrow the pinned connection, so dropping either loses nothing.
            ended = connection.as_mut() => ended,
            () = shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(permit);
    }
}

/// Tasks that hyper starts (one a stream of HTTP/2) are joined like our own.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Tracked {
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn port(connections_max: usize) -> Port {
        let address = "127.0.0.1:0".parse().unwrap();
        Port::bind(address, connections_max, Arc::default()).await.unwrap()
    }

    fn router() -> Router {
        Router::new().route("/", axum::routing::get(|| async { "ok" }))
    }

    #[tokio::test]
    async fn a_connection_above_the_cap_is_closed_and_a_free_place_serves_again() {
        let port = port(1).await;
        let (address, shutdown) = (port.address(), CancellationToken::new());
        let client = async {
            let mut first = TcpStream::connect(address).await.unwrap();
            first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            let mut answer = [0; 15];
            first.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200 OK");
            let mut second = TcpStream::connect(address).await.unwrap();
            assert_eq!(second.read(&mut answer).await.unwrap_or(0), 0, "the second is closed");
            shutdown.cancel();
        };
        tokio::join!(port.run(router(), shutdown.clone()), client);
    }
}
