//! One connection: HTTP/1 or HTTP/2 by its first bytes, until it ends or is ended.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::{Service as _, service_fn};
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bodies::{Answer, Arriving};
use super::carried::{Carried, Held};
use super::places::Place;
use super::tls::{self, Shown, Tls};
use super::turns::{Overdue, Turns};
use super::{Complaints, Peer};
use crate::metrics::Metrics;

/// Largest head of a request, in bytes.
const HEAD_BYTES_MAX: u32 = 64 * 1024;
/// Most header fields of a request.
const HEADERS_MAX: usize = 100;
/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 100;
/// Bytes of one request's body that may come before it is read, over HTTP/2.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// Bytes of all bodies of one HTTP/2 connection that may come before they are read.
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Bytes of answers that one HTTP/2 stream holds beyond its client's window.
const SEND_BYTES_MAX: usize = 64 * 1024;
/// Streams that a client may take back before they were looked at; more end the connection.
const EARLY_RESETS_MAX: usize = 20;
/// Streams that we had to take back for the client's errors; more end the connection.
const ERROR_RESETS_MAX: usize = 256;
/// How often an HTTP/2 client is asked whether it lives.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// Longest that it may take to answer.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest that an idle connection's farewell may take.
const FAREWELL_MAX: Duration = Duration::from_secs(5);

/// What connections share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) client_wait: Duration,
    pub(super) shutdown: CancellationToken,
    pub(super) tasks: TaskTracker,
    pub(super) metrics: Arc<Metrics>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) complaints: Complaints,
}

/// Serves `router` on `stream` until the client leaves, is overdue or has to make room, or the
/// service ends.
pub(super) async fn serve((stream, peer): (TcpStream, SocketAddr), place: Place, router: Router, shared: Shared) {
    let Shared { client_wait, shutdown, tasks, metrics, tls, complaints } = shared;
    let is_link = tls.as_ref().is_some_and(|tls| tls.is_link());
    // Small answers must not wait for the acknowledgement of earlier ones.
    let _ = stream.set_nodelay(true);
    let (turns, evicted) = (Arc::clone(&place.turns), place.evicted.clone());
    let (stream, shown) = match tls {
        None => (Carried::Plain(stream), None),
        Some(tls) => {
            // Cancel-safe: what was shaken of a hand is of no use to anybody else.
            let shaken = tokio::select! {
                shaken = tls::handshake(&tls, stream, client_wait) => shaken,
                () = evicted.cancelled() => return,
                () = shutdown.cancelled() => return,
            };
            match shaken {
                Ok((stream, shown)) => (Carried::Tls(stream), Some(shown)),
                Err(error) => {
                    metrics.handshakes_failed.increment();
                    error.tell(peer, &complaints);
                    return error.linger().await;
                }
            }
        }
    };
    let router = TowerToHyperService::new(router.into_service::<Arriving>());
    let service = service_fn(|request| answer(&router, &turns, (shown.as_ref(), is_link), Peer(peer.ip()), request));
    let builder = builder(tasks);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(Held { stream, place }), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        // The arms only borrow the pinned connection, so dropping any of them loses nothing.
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = evicted.cancelled() => return,
        overdue = overdue(&turns, client_wait) => {
            if overdue != Overdue::Idle {
                metrics.connections_stalled.increment();
                return;
            }
            connection.as_mut().graceful_shutdown();
            // What an HTTP/2 client has not taken by now is dropped with the connection.
            timeout(FAREWELL_MAX, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error, "a connection ended early");
    }
}

/// Returns when the client has kept us waiting for too long.
async fn overdue(turns: &Turns, client_wait: Duration) -> Overdue {
    loop {
        match turns.look(Instant::now(), client_wait) {
            Ok(later) => sleep_until(later).await,
            Err(overdue) => return overdue,
        }
    }
}

fn answer(
    router: &TowerToHyperService<axum::routing::RouterIntoService<Arriving>>,
    turns: &Arc<Turns>,
    (shown, is_link): (Option<&Shown>, bool),
    peer: Peer,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Answer>, Infallible>> + use<> {
    if let Some(shown) = shown {
        request.extensions_mut().insert(shown.clone());
    }
    let exchange = turns.begin();
    request.extensions_mut().insert(peer);
    // Agents speak HTTP/1, and a stranger's hundred streams would be a hundred requests at once.
    let spoken = !is_link || request.version() != Version::HTTP_2;
    let answering = spoken.then(|| router.call(request.map(|body| Arriving::new(body, Arc::clone(&exchange)))));
    async move {
        let answer = match answering {
            Some(answering) => answering.await?,
            None => StatusCode::HTTP_VERSION_NOT_SUPPORTED.into_response(),
        };
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            exchange.upgrade();
        }
        Ok(answer.map(|body| Answer::new(body, exchange)))
    }
}

fn builder(tasks: TaskTracker) -> Builder<Tracked> {
    let mut builder = Builder::new(Tracked(tasks));
    builder
        .http1()
        .timer(TokioTimer::new())
        // Heads are timed by `overdue`, which also sees the time before a first byte tells the version.
        .header_read_timeout(None)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BYTES_MAX)
        .max_pending_accept_reset_streams(EARLY_RESETS_MAX)
        .max_local_error_reset_streams(ERROR_RESETS_MAX);
    builder
}

/// Tasks that hyper starts (one a stream of HTTP/2) are joined like our own.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Tracked {
    fn execute(&self, task: F) {
        self.0.spawn(task);
    }
}
