//! How it goes, for who looks on: once, as it changes, and over the last hour; and jobs as they change.
//!
//! ```text
//! scheduler, pulse ─ each second ─ view ─▶ feed: one frame for all watchers of a view ─▶ watcher: the newest
//! progress ─ job, tenant ─▶ changes (bounded) ─▶ watcher: gathers, reads, tells; too many: `gap`
//! ```

pub(super) mod changes;
mod feed;
mod view;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use futures::{Stream, StreamExt as _};
use serde::Deserialize;

use super::query::{Nothing, Strict};
use super::wire::stats as wire;
use super::{Api, error, render};
use crate::access::Scope;
use crate::admission::Refusal;
use crate::gate::Caller;
use crate::pulse::{Point, STEP_SECONDS};
use crate::store::UnixTime;
pub use feed::{Feed, keep};
use view::View;

/// Of which tenant a caller sees how it goes.
fn view_of(caller: &Caller) -> View {
    if caller.may(Scope::Operate) { View::All } else { View::Tenant(caller.tenant.shared()) }
}

/// How it goes now: of all with the scope `operate`, else of your tenant.
#[utoipa::path(get, path = "/v1/stats", operation_id = "stats", tag = "fleet", responses((status = 200, body = wire::Stats)))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Response, Refusal> {
    let stats = view::stats(&api, &view_of(&caller), UnixTime::now()).await?;
    api.room.json(&caller, StatusCode::OK, &stats)
}

/// The same as it changes, at most once a second: events `stats`, and `alive` where nothing changes.
#[utoipa::path(get, path = "/v1/stats/events", operation_id = "watch_stats", tag = "fleet",
    responses(
        (status = 200, content_type = "text/event-stream", body = wire::Stats,
         description = "events `stats`, each of this schema and the whole of it, the first at once; after two \
                        seconds without a change an event `alive`. Who reads slowly gets the newest"),
    ))]
pub(super) async fn watch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Response, Refusal> {
    let place = api.room.watcher(&caller)?;
    let frames = api.feed.watch(&api, view_of(&caller)).await?;
    Ok(event_stream(feed::told(api.shutdown.clone(), frames).map(move |bytes| {
        let _held = &place;
        bytes
    })))
}

/// Which part of the past.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryQuery {
    of: Option<String>,
}

/// The last hour in steps of ten seconds: of all with the scope `operate`, else of your tenant.
#[utoipa::path(get, path = "/v1/stats/history", operation_id = "stats_history", tag = "fleet",
    params(("of" = Option<String>, Query, description = "`hour`, which it is without, too")),
    responses((status = 200, body = wire::StatsHistory)))]
pub(super) async fn history(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Strict(query): Strict<HistoryQuery>,
) -> Result<Json<wire::StatsHistory>, Refusal> {
    if query.of.is_some_and(|of| of != "hour") {
        return Err(error::invalid_value("of", "there is the history of an 'hour'"));
    }
    let view = view_of(&caller);
    let (points, ago) = api.metrics.pulse.history(view.tenant());
    let ends = UnixTime::now().0.saturating_sub(i64::try_from(ago.as_micros()).unwrap_or(0));
    Ok(Json(told(&points, UnixTime(ends))))
}

fn told(points: &[Point], ends: UnixTime) -> wire::StatsHistory {
    let level = |of: fn(&crate::pulse::Levels) -> Option<u32>| {
        points.iter().map(|point| point.levels.as_ref().and_then(of)).collect()
    };
    let count = |of: usize| points.iter().map(|point| point.counts.map(|counts| counts[of])).collect();
    wire::StatsHistory {
        of: "hour",
        step_ms: STEP_SECONDS * 1000,
        ends: render::time(ends),
        queued: level(|l| Some(l.queued)),
        running: level(|l| Some(l.running)),
        capacity: level(|l| l.capacity),
        agents: level(|l| l.agents),
        accepted: count(0),
        ended: count(1),
        refused: count(2),
        wait_p50_ms: points.iter().map(|point| point.waits.map(|q| q.p50_ms)).collect(),
        wait_p99_ms: points.iter().map(|point| point.waits.map(|q| q.p99_ms)).collect(),
    }
}

/// Events that are written already, as an answer.
fn event_stream(events: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        // A proxy that gathers answers would hold events back.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(events.map(Ok::<_, std::convert::Infallible>))).into_response()
}

/// One event.
fn event(id: Option<u64>, kind: &str, json: &str) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    Bytes::from(format!("{id}event: {kind}\ndata: {json}\n\n"))
}

/// The event that says that the service is there.
fn alive(now: UnixTime) -> Bytes {
    let json = serde_json::to_string(&wire::AliveEvent { at: render::time(now) }).unwrap_or_default();
    event(None, "alive", &json)
}
