//! `GET /v1/jobs/{id}/attach`: a WebSocket on which a job is watched and spoken with.
//!
//! ```text
//! client ─▶ hear ─ bytes, end, signals ─▶ live input (`progress::Stdin`): a window at most, then it waits
//!                └─ what is refused ─▶ notes (bounded) ─┐
//! client ◀─ tell ◀──────────────────────────────────────┴─ events (`watch`), stages, pings
//! ```
//!
//! Nothing is queued for a client: a slow one is behind by a cursor, and is cut when it takes nothing
//! for `--client-wait-ms`. None of it has any effect on the job.

pub(super) mod farewell;
pub(super) mod hear;
pub(super) mod tell;

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::response::Response;
use enclos_protocol::live::STDIN_WINDOW_BYTES;
use futures::StreamExt as _;
use serde::Deserialize;
use tokio::sync::mpsc;

use self::hear::Hearing;
use self::tell::Telling;
use super::query::{Named, Strict, job_id};
use super::watch::{Watch, cursor};
use super::{Api, error};
use crate::admission::Refusal;
use crate::gate::Caller;
use crate::progress::Stdin;

/// Largest frame of a client that is looked at, in bytes.
const FRAME_BYTES_MAX: usize = STDIN_WINDOW_BYTES;
/// Largest that is read at all; what is larger breaks the connection.
const READ_BYTES_MAX: usize = 2 * FRAME_BYTES_MAX;
/// Notes that wait for a client; more wait where what they are about came from.
const NOTES_MAX: usize = 16;

/// Where to go on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct After {
    #[serde(default)]
    after: String,
}

/// Attach to a job over a WebSocket: its events as they come and, where its standard input is live
/// (`run.attach`), bytes, their end and signals to its program.
///
/// Frames from the server are AttachFrame. Frames from the client are AttachRequest, or bytes of
/// standard input (binary). One client sends input at a time: the first that does, until it is
/// gone; signals may come from any.
/// Closed with 1000 when the job has ended and all was sent, 1001 when the service ends, 1007 after a
/// frame that is none of these, 1009 after one above 64 KiB, 1011 when the service failed, 4408 when
/// the client does not read or answer pings, 4401 when its key has ended. After 1001, 1011 and 4408 `after` goes on.
#[utoipa::path(get, path = "/v1/jobs/{id}/attach", tag = "jobs",
    params(
        ("id" = String, Path),
        ("after" = Option<String>, Query, description = "go on after the frame with this `cursor`"),
    ),
    responses(
        (status = 101, description = "the WebSocket begins"),
    ))]
pub(super) async fn attach(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<String>,
    Strict(After { after }): Strict<After>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let id = job_id(&id)?;
    let cursor = cursor("after", &after)?;
    let stdin = api.progress.find_of(caller.tenant.as_str(), id).and_then(|live| live.stdin().cloned());
    let watch = Watch::open(&api, &caller, id, cursor).await?;
    let upgrade = upgrade.map_err(|_| error::upgrade_required())?;
    // The upgrade runs this in a task of hyper's; it is counted from here on, so that shutdown waits.
    let counted = api.conversations.token();
    let upgrade = upgrade.max_message_size(READ_BYTES_MAX).max_frame_size(READ_BYTES_MAX).write_buffer_size(0);
    Ok(upgrade.on_upgrade(async move |socket| {
        converse(socket, &api, &caller, watch, stdin).await;
        drop(counted);
    }))
}

async fn converse(socket: WebSocket, api: &Api, caller: &Caller, watch: Option<Watch>, stdin: Option<Arc<Stdin>>) {
    let (mut sink, mut stream) = socket.split();
    let (notes, waiting) = mpsc::channel(NOTES_MAX);
    let hearing = Hearing { client: stdin.as_ref().map(Stdin::attach), notes };
    let telling = Telling { api, stdin, waiting };
    // Each half touches its own side only; when one ends, the conversation does.
    let farewell = tokio::select! {
        farewell = hearing.hear(&mut stream) => farewell,
        farewell = telling.tell(watch, &mut sink) => farewell,
        () = caller.ended.cancelled() => farewell::Farewell::KeyEnded,
    };
    farewell::say(farewell, &mut sink, &mut stream).await;
}
