//! For operators and their programs: is it alive, what does it count.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;

use super::query::{Nothing, Strict};
use super::{Api, gauges, wire};
use crate::admission::Refusal;

/// Whether the process answers.
#[utoipa::path(get, path = "/healthz", tag = "operate", responses((status = 200, body = wire::Health)))]
pub(super) async fn alive() -> Json<wire::Health> {
    Json(wire::Health { status: "ok" })
}

/// Whether the store answers. Not whether an agent is there: agents come in only where this is so.
#[utoipa::path(get, path = "/readyz", tag = "operate",
    responses(
        (status = 200, body = wire::Health),
    ))]
pub(super) async fn ready(
    State(api): State<Arc<Api>>,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Json<wire::Health>, Refusal> {
    api.store.probe().await?;
    Ok(Json(wire::Health { status: "ok" }))
}

/// What runs here.
#[utoipa::path(get, path = "/version", tag = "operate", responses((status = 200, body = wire::Version)))]
pub(super) async fn version(Strict(Nothing {}): Strict<Nothing>) -> Json<wire::Version> {
    Json(wire::Version { version: env!("CARGO_PKG_VERSION"), api: "v1" })
}

/// Counters for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operate",
    responses((status = 200, content_type = "text/plain", body = String)))]
pub(super) async fn metrics(
    State(api): State<Arc<Api>>,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Response, Refusal> {
    gauges::page(&api).await
}
