//! What the page of metrics says of this moment: asked of everybody who knows a part of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use enclos_images::Catalogue;

use super::{Api, error, guard};
use crate::admission::Refusal;
use crate::listen::tls::Tls;
use crate::metrics::{self, AgentGauges, Gauges, Process, QueueClass};
use crate::scheduler::{AgentState, AgentView};

/// What the master shows of itself beside its counts.
#[derive(Debug, Default)]
pub struct Shown {
    /// Whose disk is looked at.
    pub data_dir: PathBuf,
    /// Ports with a certificate, by their names.
    pub ports: Vec<(&'static str, Arc<Tls>)>,
}

/// The page, as Prometheus reads it.
pub(super) async fn page(api: &Api) -> Result<Response, Refusal> {
    let gauges = gauges(api).await?;
    let page = api.metrics.render(&gauges);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response())
}

/// Routes of a port that serves the page alone, to whoever can connect. Where only this machine can, pages in its
/// browsers could too, under a name of their own: there only known hosts are served.
pub fn metrics_router(api: Arc<Api>, is_local: bool) -> Router {
    let router = Router::new()
        .route("/metrics", get(|State(api): State<Arc<Api>>| async move { page(&api).await }))
        .fallback(|| async { error::not_found() })
        .method_not_allowed_fallback(|| async { error::method_not_allowed() });
    let checked = move |State(api): State<Arc<Api>>, request: Request, next: Next| async move {
        let foreign = is_local && !guard::is_host_served(&api.hosts, request.uri(), request.headers());
        let mut response = if foreign { error::host_not_allowed().into_response() } else { next.run(request).await };
        let nosniff = HeaderName::from_static("x-content-type-options");
        response.headers_mut().insert(nosniff, HeaderValue::from_static("nosniff"));
        response
    };
    router.layer(middleware::from_fn_with_state(Arc::clone(&api), checked)).with_state(api)
}

async fn gauges(api: &Api) -> Result<Gauges, Refusal> {
    let totals = api.scheduler.totals().await?;
    let survey = api.scheduler.survey(None, 0).await?;
    let agents = api.scheduler.agents().await?;
    let (callbacks_waiting, callbacks_dead) = api.store.callback_counts().await?;
    let dir = api.shown.data_dir.clone();
    let looking = tokio::task::spawn_blocking(move || (metrics::disk(&dir), Process::look()));
    let (disk, process) = looking.await.unwrap_or_default();
    let class = |((language, priority), waits): ((Arc<str>, crate::queue::Priority), crate::queue::Waits)| QueueClass {
        language: language.to_string(),
        priority: priority.as_str(),
        jobs: waits.jobs,
        oldest: waits.oldest,
    };
    Ok(Gauges {
        queued: totals.queued,
        queue: survey.classes.into_iter().map(class).collect(),
        running: totals.running,
        agents_connected: totals.agents_connected,
        agents_suspect: totals.agents_suspect,
        warm: warm(&api.catalogue, &agents),
        wanted: wanted(&api.catalogue, &agents),
        agents: agents.iter().map(agent).collect(),
        sessions: api.gate.sessions(),
        attached: api.conversations.len(),
        store_bytes: api.store.held_bytes().await?,
        callbacks_waiting,
        callbacks_dead,
        disk,
        certificates: api.shown.ports.iter().filter_map(|(name, tls)| Some((*name, tls.ends()?))).collect(),
        process,
    })
}

fn agent(view: &AgentView) -> AgentGauges {
    let AgentView { name, state, offer, promised, load, last_seen } = view;
    AgentGauges {
        name: name.to_string(),
        connected: *state != AgentState::Suspect,
        draining: *state == AgentState::Draining,
        silence: *last_seen,
        jobs: promised.slots,
        slots: offer.capacity.slots,
        cpu_permille: load.cpu_busy_permille,
        memory_permille: load.memory_busy_permille,
        cpu_millis: offer.capacity.cpu_millis,
        memory_bytes: offer.capacity.memory_bytes,
        promised_bytes: promised.memory_bytes,
        sandboxes: load.sandboxes,
        derived_images: load.derived_images,
        derived_bytes: load.derived_bytes,
    }
}

/// Only of images that the catalogue has: no agent's word adds a series.
fn wanted(catalogue: &Catalogue, agents: &[AgentView]) -> BTreeMap<String, u64> {
    let known: BTreeSet<&str> = catalogue.languages().iter().map(|language| language.image.as_str()).collect();
    let connected = agents.iter().filter(|agent| agent.state != AgentState::Suspect);
    let mut all: BTreeMap<String, u64> = BTreeMap::new();
    for of in connected.flat_map(|agent| &agent.load.stock).filter(|of| known.contains(of.image.as_str())) {
        *all.entry(of.image.clone()).or_default() += u64::from(of.wanted);
    }
    all
}

/// Languages of one image share its sandboxes, and each says the same of them.
fn warm(catalogue: &Catalogue, agents: &[AgentView]) -> BTreeMap<String, u64> {
    let mut all: BTreeMap<String, u64> = BTreeMap::new();
    for agent in agents.iter().filter(|agent| agent.state != AgentState::Suspect) {
        let mut own: BTreeMap<&str, u64> = BTreeMap::new();
        for offered in &agent.load.languages {
            if let Some(language) = catalogue.by_id(&offered.id) {
                let most = own.entry(&language.image).or_default();
                *most = (*most).max(offered.warm.into());
            }
        }
        for (image, waiting) in own {
            *all.entry(image.to_owned()).or_default() += waiting;
        }
    }
    all
}
