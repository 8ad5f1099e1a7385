//! Callbacks that were not delivered: listed, and tried anew.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Json};
use serde::Deserialize;

use super::query::{Named, Nothing, Page, Strict, job_id};
use super::{Api, error, render, wire};
use crate::access::Scope;
use crate::admission::Refusal;
use crate::gate::Caller;
use crate::outbound::Target;
use crate::store::{CallbackFilter, CallbackRecord, CallbackState, UnixTime};

/// Which callbacks to list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    state: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

/// List callbacks that were not delivered, newest first; one that was taken is not listed any more.
#[utoipa::path(get, path = "/v1/callbacks", operation_id = "list_callbacks", tag = "jobs",
    params(
        ("state" = Option<String>, Query, description = "waiting or dead"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<u32>, Query, description = "callbacks on the page"),
    ),
    responses((status = 200, body = wire::CallbackPage)))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Strict(query): Strict<ListQuery>,
) -> Result<Response, Refusal> {
    let ListQuery { state, cursor, limit } = query;
    let state = match state.as_deref() {
        None => None,
        Some("waiting") => Some(CallbackState::Waiting),
        Some("dead") => Some(CallbackState::Dead),
        Some(_) => return Err(error::invalid_value("state", "a callback is waiting or dead")),
    };
    let Page { before, limit } = Page::of(cursor, limit)?;
    let listed = api.store.callbacks(CallbackFilter { tenant: caller.owner(), state, before, limit }).await?;
    let callbacks = listed.callbacks.iter().map(|record| callback(record, &caller)).collect();
    let page = wire::CallbackPage { callbacks, next_cursor: listed.next.map(|n| n.to_string()) };
    api.room.json(&caller, StatusCode::OK, &page)
}

/// Try the callback of a job at once and as if it were new, whether it is dead or waits.
#[utoipa::path(post, path = "/v1/callbacks/{id}/retry", operation_id = "retry_callback", tag = "jobs",
    params(("id" = String, Path)),
    request_body = wire::Empty,
    responses((status = 200, body = wire::Callback)))]
pub(super) async fn retry(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<String>,
    Strict(Nothing {}): Strict<Nothing>,
    request: Request,
) -> Result<Json<wire::Callback>, Refusal> {
    api.bodies.read_nothing(request).await?;
    let job = job_id(&id)?;
    let found = api.store.retry_callback(caller.owner(), job, UnixTime::now()).await?;
    found.map(|record| Json(callback(&record, &caller))).ok_or_else(error::not_found)
}

/// As a caller may see it: a URL's path and query may be a secret between the receiver and who submitted.
fn callback(record: &CallbackRecord, caller: &Caller) -> wire::Callback {
    let CallbackRecord { sequence: _, job, url, state, created, due, attempts, tried, status, problem, dead } = record;
    let is_dead = *state == CallbackState::Dead;
    wire::Callback {
        id: job.to_string(),
        url: if caller.may(Scope::Submit) { url.clone() } else { origin(url) },
        state: if is_dead { wire::CallbackStateName::Dead } else { wire::CallbackStateName::Waiting },
        attempts: *attempts,
        created_at: render::time(*created),
        next_attempt_at: (!is_dead).then(|| render::time(*due)),
        last_attempt_at: tried.map(render::time),
        last_status: *status,
        last_problem: problem.map(|problem| problem.as_str().to_owned()),
        dead_at: dead.map(render::time),
    }
}

/// Scheme, host and port.
fn origin(url: &str) -> String {
    url.parse::<Target>().map_or_else(|_| String::new(), |target| target.origin())
}
