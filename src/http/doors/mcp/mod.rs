//! `/mcp`: tools for agents, by the Model Context Protocol over streamable HTTP (`rmcp`).
//!
//! ```text
//! POST ─ guard ─ entry ─ body ─┬─ notifications/cancelled ─▶ calls ─▶ the call ends, its job is cancelled
//!                              └─ rmcp ─ server ─ asked ─▶ submission ─ submit::take ─▶ job
//!                    text, structured ◀─ told ◀─ call ◀─ progress ◀──── live state ◀────┘
//! ```
//!
//! rmcp serves each request on its own and keeps nothing between two: progress and answer come on
//! the response of the call itself, and a client that leaves it takes its job with it. What is
//! kept is only what a `notifications/cancelled` of the older versions needs, which names a call of
//! its session by a number that every client counts from 0: the calls that run, by session
//! ([`calls`]). So a session costs nothing, never expires and survives a restart.
//!
//! A refusal is told as the result of its tool, which a model reads; only what is no call of a tool
//! is an error of the protocol.

mod asked;
mod call;
mod calls;
mod languages;
mod output;
mod refused;
mod server;
mod shown;
#[cfg(test)]
mod tests;
mod text;
mod told;
mod tools;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Extension, Router, middleware};
use rmcp::model::RequestId;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde::Deserialize;

use self::calls::{Calls, Session};
use self::server::Server;
use crate::admission::Refusal;
use crate::gate::Caller;
use crate::http::share::Held;
use crate::http::{Api, error, guard};

/// Where it is.
pub(in crate::http) const PATH: &str = "/mcp";
/// Largest message, in bytes. Larger inputs are for `/v1/jobs`: a model has to write these.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// What a message takes as a tree of JSON values, at most, by the bytes that it has as text: masses of small
/// objects were measured at 96.
const PARSED_COPIES: usize = 100;
/// How often a comment is sent on an answer that has nothing to tell yet.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Names the session of a client of the versions that have sessions.
const SESSION_HEADER: HeaderName = HeaderName::from_static("mcp-session-id");

/// What the requests share.
struct Door {
    api: Arc<Api>,
    calls: Arc<Calls>,
    service: StreamableHttpService<Server, NeverSessionManager>,
}

/// The routes of the door.
pub(in crate::http) fn routes(api: &Arc<Api>) -> Router<Arc<Api>> {
    let calls = Arc::<Calls>::default();
    let server = Server::new(Arc::clone(api), Arc::clone(&calls));
    // Host and Origin are the guard's. The service's own end is not told to rmcp, which would break
    // answers off: the calls see it themselves and answer.
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .disable_allowed_origins()
        .with_legacy_session_mode(false)
        .with_json_response(false)
        .with_sse_keep_alive(Some(KEEP_ALIVE))
        .with_sse_retry(None)
        .with_max_request_body_bytes(MESSAGE_BYTES_MAX);
    let service = StreamableHttpService::new(move || Ok(server.clone()), Arc::default(), config);
    let door = Arc::new(Door { api: Arc::clone(api), calls, service });
    let json_only = middleware::from_fn(guard::json_only);
    Router::new().route(PATH, post(speak).route_layer(json_only).delete(leave)).with_state(door)
}

/// What a tool has to know of the request that calls it.
#[derive(Clone)]
struct Visit {
    session: Option<Session>,
    /// Of the message as a tree; given back when a tool has read it.
    memory: Arc<Mutex<Option<Held>>>,
}

impl Visit {
    fn has_read(&self) {
        drop(self.memory.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// What concerns the door itself in a message.
#[derive(PartialEq, Debug)]
enum Said {
    Initialize,
    Cancelled(RequestId),
    Other,
}

impl Said {
    fn of(message: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Method {
            method: String,
        }
        #[derive(Deserialize)]
        struct Cancelled {
            params: Params,
        }
        #[derive(Deserialize)]
        struct Params {
            #[serde(rename = "requestId")]
            request_id: RequestId,
        }
        match serde_json::from_slice::<Method>(message).map(|m| m.method).as_deref() {
            Ok("initialize") => Self::Initialize,
            Ok("notifications/cancelled") => serde_json::from_slice::<Cancelled>(message)
                .map_or(Self::Other, |cancelled| Self::Cancelled(cancelled.params.request_id)),
            _ => Self::Other,
        }
    }
}

/// One message of a client.
async fn speak(
    State(door): State<Arc<Door>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Result<Response, Refusal> {
    let session = session(request.headers())?;
    let (mut parts, body) = request.into_parts();
    let request = Request::from_parts(parts.clone(), body);
    let body = door.api.bodies.read(request, MESSAGE_BYTES_MAX).await?;
    let memory = door.api.bodies.room(&caller, body.bytes.len() * PARSED_COPIES).await?;
    let said = Said::of(&body.bytes);
    if let (Said::Cancelled(id), Some(session)) = (&said, &session) {
        door.calls.cancel(&caller.tenant, session, id);
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    parts.extensions.insert(Visit { session, memory: Arc::new(Mutex::new(Some(memory))) });
    let request = Request::from_parts(parts, Body::from(body.bytes.clone()));
    let mut response = door.service.handle(request).await.map(Body::new);
    if said == Said::Initialize && response.status().is_success() {
        let session = HeaderValue::from_str(Session::generate().as_str());
        response.headers_mut().insert(SESSION_HEADER, session.map_err(|_| error::internal())?);
    }
    Ok(response)
}

/// A client ends its session: what it still calls is cancelled.
async fn leave(
    State(door): State<Arc<Door>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    let session = session(&headers)?.ok_or_else(error::not_found)?;
    door.calls.end(&caller.tenant, &session);
    Ok(StatusCode::NO_CONTENT)
}

/// The session that a request names; what cannot be one is unknown, by which clients begin another.
fn session(headers: &HeaderMap) -> Result<Option<Session>, Refusal> {
    let Some(value) = headers.get(SESSION_HEADER) else { return Ok(None) };
    let session = value.to_str().ok().and_then(Session::parse);
    session.map(Some).ok_or_else(error::not_found)
}
