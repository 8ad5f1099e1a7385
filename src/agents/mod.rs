//! The port that agents dial: one WebSocket each, and large inputs by HTTP.
//!
//! ```text
//! GET /v1/link ─ token ─ Hello ─ bounds ─ scheduler: join ─┬─ reader: heartbeats, steps, output, ends
//!                                                          └─ writer: what the scheduler sends, jobs' bytes
//! GET /v1/inputs/{job} ─ token ─ attempt current? ─ memory? ─ store
//! ```
//!
//! What an agent says is bounded here before anything else sees it. It must
//! not decide: it turns messages into events and sends what it is told to.

mod bounds;
mod inputs;
mod reader;
mod room;
mod session;
mod supplies;
mod writer;

pub use bounds::message as within_bounds;
pub use room::Room;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use enclos_protocol::agent_link::{CASES_PATH, FILES_PATH, INPUTS_PATH, LINK_PATH};
use enclos_protocol::frame::FRAME_BYTES_MAX;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::JoinToken;
use crate::progress::Progress;
use crate::scheduler::Scheduler;
use crate::store::Store;

/// What the sessions need.
#[derive(Clone, Debug)]
pub struct Link {
    /// Where events go.
    pub scheduler: Scheduler,
    /// Where output goes.
    pub progress: Progress,
    /// Where jobs' bytes come from.
    pub store: Arc<Store>,
    /// Memory of jobs' bytes on their way.
    pub room: Room,
    /// What an agent must show.
    pub token: JoinToken,
    /// A connection on which nothing comes for so long is closed.
    pub silence_max: Duration,
    /// Live standard input at which nobody is ends after so long.
    pub attach_idle: Duration,
    /// Ends all sessions.
    pub shutdown: CancellationToken,
    /// Every session's task; waited for at shutdown.
    pub sessions: TaskTracker,
}

/// The routes of the link port.
pub fn router(link: Link) -> Router {
    Router::new()
        .route(LINK_PATH, get(open))
        .route(&format!("{INPUTS_PATH}/{{job}}"), get(inputs::fetch))
        .route(&format!("{CASES_PATH}/{{job}}"), get(inputs::cases))
        .route(&format!("{FILES_PATH}/{{job}}"), put(inputs::leave))
        .layer(middleware::from_fn_with_state(link.clone(), require_token))
        .with_state(link)
}

async fn require_token(State(link): State<Link>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    let token = shown.and_then(|text| text.strip_prefix("Bearer "));
    if token.is_some_and(|token| link.token.matches(token)) {
        next.run(request).await
    } else {
        tracing::warn!("a request without the right join token was refused on the agents' port");
        (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], "the join token is missing or wrong\n")
            .into_response()
    }
}

async fn open(State(link): State<Link>, upgrade: WebSocketUpgrade) -> Response {
    // The upgrade runs the closure in a task that hyper's connection hands over; it is counted from
    // here on, so that shutdown waits for it.
    let counted = link.sessions.token();
    upgrade.max_message_size(FRAME_BYTES_MAX).max_frame_size(FRAME_BYTES_MAX).on_upgrade(async move |socket| {
        session::run(socket, link).await;
        drop(counted);
    })
}
