//! The API for clients: JSON over HTTP, as `/openapi.json` describes it.
//!
//! ```text
//! request ─ guard (host, origin, media type) ─ entry (key, scope, turn) ─ route ─ admission ─ store ─ scheduler
//!                                                 └─ store + live state ─ wire types ─ JSON
//! ```
//!
//! Handlers are thin: what is decided stands in `admission` and `scheduler`,
//! what is shown in [`render`]. Every answer that is not a success is a
//! [`Refusal`](crate::admission::Refusal). The APIs of others stand in `doors`.

mod attach;
mod blobs;
mod body;
mod callbacks;
mod docs;
mod doors;
mod entry;
pub mod error;
mod events;
mod files;
mod fleet;
mod gauges;
mod guard;
mod jobs;
mod keys;
mod many;
mod openapi;
mod operate;
mod page;
mod query;
pub mod render;
mod room;
mod session;
mod share;
pub mod stats;
mod submit;
mod uploads;
mod usage;
mod watch;
pub mod wire;

pub use gauges::{Shown, metrics_router};

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};
use enclos_images::Catalogue;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::Refusal;
use crate::config::{BlobBounds, Doors, Scheduling};
use crate::gate::{Audit, Gate};
use crate::metrics::Metrics;
use crate::outbound::Policy;
use crate::progress::Progress;
use crate::scheduler::{Scheduler, SchedulerGone};
use crate::store::{Store, StoreError, UnixTime};
use crate::traces::Traces;

/// Where the process says that it answers.
const ALIVE_PATH: &str = "/healthz";

/// What the handlers need.
#[derive(Debug)]
pub struct Api {
    /// Languages and their limits.
    pub catalogue: Arc<Catalogue>,
    /// Jobs.
    pub store: Arc<Store>,
    /// Jobs that are not finished.
    pub progress: Progress,
    /// Queue and fleet.
    pub scheduler: Scheduler,
    /// Who is let in.
    pub gate: Arc<Gate>,
    /// Where is written down who did what.
    pub audit: Arc<Audit>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Where a job's time goes.
    pub traces: Traces,
    /// What the page of metrics shows beside them.
    pub shown: Shown,
    /// Hosts that are served beside the loopback ones.
    pub hosts: Vec<String>,
    /// Clients come over TLS.
    pub is_tls: bool,
    /// Jobs may bring dependencies.
    pub installs: bool,
    /// Where the ends of jobs may be told; `None`: nowhere.
    pub callbacks: Option<Policy>,
    /// How it goes, for who watches.
    pub feed: stats::Feed,
    /// When this process began.
    pub begun: UnixTime,
    /// Ends what waits: long polls are answered, event streams end.
    pub shutdown: CancellationToken,
    /// Admissions: they go on when their client leaves, and are waited for at shutdown.
    pub admissions: TaskTracker,
    /// Clients that are attached to jobs; waited for at shutdown.
    pub conversations: TaskTracker,
    /// How long one of them may take to read what it is sent.
    pub client_wait: std::time::Duration,
    /// Memory for bodies; see [`body::Memory`].
    pub bodies: body::Memory,
    /// Submissions in one batch.
    pub batch_jobs_max: usize,
    /// How long jobs may wait.
    pub scheduling: Scheduling,
    /// What blobs may take.
    pub blobs: blobs::Blobs,
    /// What may be going on at once.
    pub room: room::Room,
    /// `/openapi.json`.
    pub document: axum::body::Bytes,
    /// `/docs`.
    pub page: Arc<str>,
}

/// The parts of an [`Api`] that others make.
#[derive(Debug)]
pub struct Services {
    /// Languages and their limits.
    pub catalogue: Arc<Catalogue>,
    /// Jobs.
    pub store: Arc<Store>,
    /// Jobs that are not finished.
    pub progress: Progress,
    /// Queue and fleet.
    pub scheduler: Scheduler,
    /// Who is let in.
    pub gate: Arc<Gate>,
    /// Where is written down who did what.
    pub audit: Arc<Audit>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Where a job's time goes.
    pub traces: Traces,
    /// What the page of metrics shows beside them.
    pub shown: Shown,
    /// Clients come over TLS.
    pub is_tls: bool,
    /// Submissions in one batch.
    pub batch_jobs_max: usize,
    /// How long an attached client may take to read what it is sent.
    pub client_wait: std::time::Duration,
    /// How long jobs may wait.
    pub scheduling: Scheduling,
    /// What blobs may take.
    pub blobs: BlobBounds,
    /// Where the ends of jobs may be told; `None`: nowhere.
    pub callbacks: Option<Policy>,
}

impl Api {
    /// An API over `services` for these hosts and so many connections; `installs`: jobs may bring
    /// dependencies.
    #[must_use]
    pub fn new(
        services: Services,
        hosts: Vec<String>,
        connections_max: usize,
        installs: bool,
        shutdown: CancellationToken,
    ) -> Arc<Self> {
        let Services {
            catalogue,
            store,
            progress,
            scheduler,
            gate,
            audit,
            metrics,
            traces,
            shown,
            is_tls,
            batch_jobs_max,
            client_wait,
            scheduling,
            blobs,
            callbacks,
        } = services;
        metrics.refusals.begin(error::TITLES.iter().map(|(code, _)| *code));
        let document = openapi::document(&catalogue);
        let page = docs::page(&document).into();
        Arc::new(Self {
            catalogue,
            store,
            progress,
            scheduler,
            gate,
            audit,
            metrics,
            traces,
            shown,
            hosts,
            is_tls,
            installs,
            callbacks,
            feed: stats::Feed::default(),
            begun: UnixTime::now(),
            shutdown,
            admissions: TaskTracker::new(),
            conversations: TaskTracker::new(),
            client_wait,
            bodies: body::Memory::default(),
            batch_jobs_max,
            scheduling,
            blobs: blobs::Blobs::new(blobs),
            room: room::Room::new(connections_max),
            document: document.to_string().into(),
            page,
        })
    }
}

/// The routes of the API, and those of its doors.
pub fn router(api: Arc<Api>, doors: Doors) -> Router {
    let json_only = || middleware::from_fn(guard::json_only);
    Router::new()
        .route("/v1/jobs", post(submit::submit).route_layer(json_only()).get(jobs::list))
        .route("/v1/jobs/batch", post(many::batch).route_layer(json_only()))
        .route("/v1/jobs/wait", post(many::wait).route_layer(json_only()))
        .route("/v1/jobs/events", get(stats::changes::watch))
        .route("/v1/jobs/{id}", get(jobs::show).delete(jobs::erase))
        .route("/v1/jobs/{id}/cancel", post(jobs::cancel).route_layer(json_only()))
        .route("/v1/jobs/{id}/events", get(events::events))
        .route("/v1/jobs/{id}/attach", get(attach::attach))
        .route("/v1/jobs/{id}/files/{*path}", get(files::file))
        .route("/v1/blobs", post(blobs::upload).route_layer(middleware::from_fn(guard::octets_only)))
        .route("/v1/blobs/{sha256}", get(blobs::download).head(blobs::head).delete(blobs::delete))
        .route("/v1/callbacks", get(callbacks::list))
        .route("/v1/callbacks/{id}/retry", post(callbacks::retry).route_layer(json_only()))
        .route("/v1/keys", post(keys::create).route_layer(json_only()).get(keys::list))
        .route("/v1/keys/{key}", get(keys::show))
        .route("/v1/keys/{key}/rotate", post(keys::rotate).route_layer(json_only()))
        .route("/v1/keys/{key}/revoke", post(keys::revoke).route_layer(json_only()))
        .route("/v1/tenants", get(keys::tenants))
        .route("/v1/tenants/{tenant}", post(keys::set_tenant).route_layer(json_only()))
        .route(
            "/v1/session",
            post(session::sign_in).route_layer(json_only()).get(session::show).delete(session::sign_out),
        )
        .route("/v1/languages", get(fleet::languages))
        .route("/v1/agents", get(fleet::agents))
        .route("/v1/agents/{name}/drain", post(fleet::drain).route_layer(json_only()))
        .route("/v1/stats", get(stats::show))
        .route("/v1/stats/events", get(stats::watch))
        .route("/v1/stats/history", get(stats::history))
        .route("/v1/usage", get(usage::show))
        .route(ALIVE_PATH, get(operate::alive))
        .route("/readyz", get(operate::ready))
        .route("/version", get(operate::version))
        .route("/metrics", get(operate::metrics))
        .route("/openapi.json", get(openapi::show))
        .route("/docs", get(docs::show))
        .route("/docs/style.css", get(docs::style))
        .route("/docs/copy.js", get(docs::script))
        .route("/docs/icon.svg", get(docs::icon))
        .merge(page::routes())
        .merge(doors::piston::routes(doors.piston_root))
        .merge(doors::mcp::routes(&api))
        .fallback(|| async { error::not_found() })
        .method_not_allowed_fallback(|| async { error::method_not_allowed() })
        .layer(middleware::from_fn_with_state(Arc::clone(&api), guard::check))
        .layer(middleware::from_fn(doors::reword))
        .with_state(api)
}

impl From<StoreError> for Refusal {
    fn from(failure: StoreError) -> Self {
        match &failure {
            StoreError::Full => {
                tracing::error!("the disk of the data directory is full");
                let mut refusal = Self::new(503, "storage_full", "the disk is full; tell the operator, and come back");
                refusal.retry_after = Some(RETRY_STORE);
                refusal
            }
            StoreError::Closed => error::unavailable("the service is ending; come back", RETRY_STORE),
            StoreError::Database(_) | StoreError::File(_) | StoreError::Value(_) => {
                tracing::error!(error = &failure as &dyn std::error::Error, "the store failed");
                error::internal()
            }
        }
    }
}

impl From<SchedulerGone> for Refusal {
    fn from(_: SchedulerGone) -> Self {
        error::unavailable("the service is ending; come back", RETRY_STORE)
    }
}

/// When to come back after the store failed or while the service is ending.
const RETRY_STORE: std::time::Duration = std::time::Duration::from_secs(5);
