//! `GET /v1/jobs/{id}/events`: what happens to a job, from its start or from where a client stopped.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::{StreamExt as _, stream};
use tokio::time::timeout;

use super::query::{Named, Nothing, Strict, job_id};
use super::watch::{Watch, cursor};
use super::{Api, wire};
use crate::admission::Refusal;
use crate::gate::Caller;

/// How often a comment is sent where nothing happens.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// It, as it is sent.
const COMMENT: &[u8] = b":\n\n";
/// Header with which a client comes back.
const LAST_EVENT_ID: &str = "last-event-id";

/// Watch a job: events `state`, `output`, `case` and `finished`.
#[utoipa::path(get, path = "/v1/jobs/{id}/events", tag = "jobs",
    params(
        ("id" = String, Path),
        ("Last-Event-ID" = Option<String>, Header, description = "go on after this event"),
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = wire::ServerEvent,
         description = "events, each of this schema; a comment every 15 s where there is none"),
        (status = 204, description = "all was seen"),
    ))]
pub(super) async fn events(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<String>,
    Strict(Nothing {}): Strict<Nothing>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let id = job_id(&id)?;
    let last = headers.get(LAST_EVENT_ID).map_or("", |value| value.to_str().unwrap_or("not a text"));
    let Some(watch) = Watch::open(&api, &caller, id, cursor("Last-Event-ID", last)?).await? else {
        // To a browser's EventSource this says: do not come back.
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let texts = stream::unfold(Box::pin(watch.events()), |mut events| async move {
        // Cancel-safe: what is being made ready stays with the events.
        let text = match timeout(KEEP_ALIVE, events.next()).await {
            Ok(told) => told?.text().clone(),
            Err(_) => Bytes::from_static(COMMENT),
        };
        Some((Ok::<_, Infallible>(text), events))
    });
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, Body::from_stream(texts)).into_response())
}
