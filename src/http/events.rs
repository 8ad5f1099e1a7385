//! `GET /v1/jobs/{id}/events`: what happens to a job, from its start or from where a client stopped.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;

use super::query::{Named, Nothing, Strict, job_id};
use super::watch::{Told, Watch, cursor};
use super::{Api, wire};
use crate::admission::Refusal;
use crate::gate::Caller;

/// How often a comment is sent where nothing happens.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
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
    let events = watch.events().map(|told| {
        let Told { cursor, kind, json } = told;
        Ok::<_, Infallible>(Event::default().id(cursor).event(kind).data(json))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}
