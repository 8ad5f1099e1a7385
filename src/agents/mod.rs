//! The port that agents dial: one WebSocket each, and large inputs by HTTP.
//!
//! ```text
//! POST /v1/join ─ one-time token ─ certificate
//! GET /v1/link ─ member? ─ Hello ─ bounds ─ scheduler: join ─┬─ reader: heartbeats, steps, output, ends
//!                                                          └─ writer: what the scheduler sends, jobs' bytes
//! GET /v1/inputs/{job} ─ member? ─ attempt current, and its own? ─ memory? ─ store
//! ```
//!
//! What an agent says is bounded here before anything else sees it. It must
//! not decide: it turns messages into events and sends what it is told to.

mod bounds;
mod inputs;
mod members;
mod reader;
mod room;
mod session;
mod signing;
mod supplies;
mod writer;

pub use bounds::message as within_bounds;
pub use members::Entry;
pub use room::Room;

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post, put};
use enclos_protocol::agent_link::{CASES_PATH, FILES_PATH, INPUTS_PATH, LINK_PATH};
use enclos_protocol::frame::FRAME_BYTES_MAX;
use enclos_protocol::join::{JOIN_PATH, RENEW_PATH};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::members::Member;
use self::signing::Turns;
use crate::listen::Complaints;
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
    pub entry: Entry,
    /// How those are received who want something of it.
    pub door: Door,
    /// A connection on which nothing comes for so long is closed.
    pub silence_max: Duration,
    /// Live standard input at which nobody is ends after so long.
    pub attach_idle: Duration,
    /// Ends all sessions.
    pub shutdown: CancellationToken,
    /// Every session's task; waited for at shutdown.
    pub sessions: TaskTracker,
}

/// What many strangers at once get no more of than there is.
#[derive(Clone, Default, Debug)]
pub struct Door {
    /// Whose first certificate is signed when.
    joins: Turns,
    /// The same of later ones: strangers keep no member waiting.
    renewals: Turns,
    /// What may still be said in the log of who was refused.
    complaints: Complaints,
}

/// The routes of the link port.
pub fn router(link: Link) -> Router {
    Router::new()
        .route(LINK_PATH, get(open))
        .route(&format!("{INPUTS_PATH}/{{job}}"), get(inputs::fetch))
        .route(&format!("{CASES_PATH}/{{job}}"), get(inputs::cases))
        .route(&format!("{FILES_PATH}/{{job}}"), put(inputs::leave))
        .route(RENEW_PATH, post(members::renew))
        .layer(middleware::from_fn_with_state(link.clone(), members::require))
        // Who joins has nothing to show yet; this one route stands outside of the layer.
        .route(JOIN_PATH, post(members::join))
        .with_state(link)
}

async fn open(
    State(link): State<Link>,
    Extension(member): Extension<Option<Member>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    // The upgrade runs the closure in a task that hyper's connection hands over; it is counted from
    // here on, so that shutdown waits for it.
    let counted = link.sessions.token();
    upgrade.max_message_size(FRAME_BYTES_MAX).max_frame_size(FRAME_BYTES_MAX).on_upgrade(async move |socket| {
        session::run(socket, link, member).await;
        drop(counted);
    })
}
