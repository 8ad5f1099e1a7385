//! What can be run, and by whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Json};
use enclos_images::Language;
use enclos_images::bounds::LimitBounds;
use enclos_protocol::agent_link::{ImageState, OfferedLanguage};
use enclos_protocol::ids::AgentName;
use enclos_protocol::measured::ImageStock;
use serde_json::Number;

use super::query::{Named, Nothing, Strict};
use super::{Api, error, render, wire};
use crate::admission::Refusal;
use crate::gate::Caller;
use crate::scheduler::{AgentState, AgentView, Event};

/// The languages, their limits, and whether they can start at once.
#[utoipa::path(get, path = "/v1/languages", tag = "fleet", responses((status = 200, body = wire::LanguageList)))]
pub(super) async fn languages(
    State(api): State<Arc<Api>>,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Json<wire::LanguageList>, Refusal> {
    list(&api).await.map(Json)
}

pub(super) async fn list(api: &Api) -> Result<wire::LanguageList, Refusal> {
    let agents = api.scheduler.agents().await?;
    let languages =
        api.catalogue.languages().iter().map(|language| self::language(language, &agents, api.installs)).collect();
    Ok(wire::LanguageList { languages })
}

fn language(language: &Language, agents: &[AgentView], installs: bool) -> wire::LanguageView {
    let offered: Vec<&OfferedLanguage> = agents
        .iter()
        .filter(|agent| agent.state != AgentState::Suspect)
        .flat_map(|agent| &agent.load.languages)
        .filter(|offered| offered.id == language.id)
        .collect();
    let ready = || offered.iter().filter(|offered| offered.image == ImageState::Ready);
    let version = ready().map(|offered| &offered.version).find(|v| !v.is_empty()).cloned();
    wire::LanguageView {
        id: language.id.clone(),
        name: language.name.clone(),
        aliases: language.aliases.clone(),
        extensions: language.extensions.clone(),
        entry: language.entry.clone(),
        version: version.unwrap_or_default(),
        limits: wire::LanguageLimits {
            compile: language.compile.as_ref().map(|_| bounds(&language.compile_bounds)),
            run: bounds(&language.run_bounds),
        },
        image: image(&language.image, &offered, ready().count()),
        installer: language.installer.as_ref().filter(|_| installs).map(|i| i.name.clone()),
    }
}

/// How far the agents are with an image, of whom `agents` have it: what the farthest says.
fn image(name: &str, offered: &[&OfferedLanguage], agents: usize) -> wire::LanguageImage {
    use wire::LanguageImageState::{Absent, Building, Failed, Ready};
    let told = offered.iter().map(|offered| match &offered.image {
        ImageState::Ready => (3, Ready, None, None),
        ImageState::Preparing { progress } => (2, Building, Some(progress.clone()), None),
        ImageState::Absent => (1, Absent, None, None),
        ImageState::Failed { reason } => (0, Failed, None, Some(reason.clone())),
    });
    let farthest = told.max_by_key(|(rank, ..)| *rank);
    let (_, state, progress, reason) = farthest.unwrap_or((1, Absent, None, None));
    wire::LanguageImage { name: name.to_owned(), state, progress, reason, ready: agents > 0, agents }
}

/// By the names of a submission: processor shares in cores, all else in whole numbers.
fn bounds(bounds: &LimitBounds) -> BTreeMap<&'static str, wire::LimitBound> {
    let cores = |millis: u64| Number::from_f64(millis as f64 / 1000.0).unwrap_or_else(|| Number::from(millis));
    let named = bounds.fields().into_iter().map(|(name, bound)| {
        let in_cores = name == "cpu_millis";
        let number = |value: u64| if in_cores { cores(value) } else { Number::from(value) };
        let (default, min, max) = (number(bound.default), number(bound.min), number(bound.max));
        (if in_cores { "cpus" } else { name }, wire::LimitBound { default, min, max })
    });
    named.collect()
}

/// The agents, what they offer and how busy they are.
#[utoipa::path(get, path = "/v1/agents", tag = "fleet", responses((status = 200, body = wire::AgentList)))]
pub(super) async fn agents(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Response, Refusal> {
    let agents = api.scheduler.agents().await?;
    api.room.json(&caller, StatusCode::OK, &wire::AgentList { agents: agents.iter().map(agent).collect() })
}

/// Have an agent finish what runs, and take no more.
#[utoipa::path(post, path = "/v1/agents/{name}/drain", tag = "fleet",
    params(("name" = String, Path)),
    request_body = wire::Empty,
    responses(
        (status = 200, body = wire::Agent),
    ))]
pub(super) async fn drain(
    State(api): State<Arc<Api>>,
    Named(name): Named<String>,
    Strict(Nothing {}): Strict<Nothing>,
    request: Request,
) -> Result<Json<wire::Agent>, Refusal> {
    api.bodies.read_nothing(request).await?;
    let name: AgentName = name.parse().map_err(|_| error::not_found())?;
    api.scheduler.tell(Event::Drain(name.clone())).await?;
    // Asked after the event, in order: so it shows what the event did.
    let agents = api.scheduler.agents().await?;
    agents.iter().find(|a| a.name == name).map(|a| Json(agent(a))).ok_or_else(error::not_found)
}

/// An agent with its languages.
fn agent(view: &AgentView) -> wire::Agent {
    let languages = view.load.languages.iter().map(agent_language).collect();
    wire::Agent { languages, stock: view.load.stock.iter().map(agent_stock).collect(), ..agent_in_brief(view) }
}

/// An agent without them, and without what it keeps ready.
pub(super) fn agent_in_brief(view: &AgentView) -> wire::Agent {
    let AgentView { name, state, offer, promised, load, last_seen } = view;
    let capacity = offer.capacity;
    wire::Agent {
        name: name.to_string(),
        state: match state {
            AgentState::Connected => "connected",
            AgentState::Suspect => "suspect",
            AgentState::Draining => "draining",
        }
        .to_owned(),
        embedded: offer.embedded,
        isolation: offer.isolation.as_str().to_owned(),
        reuse: render::reuse(offer.reuse).to_owned(),
        build: offer.build.clone(),
        capacity: wire::AgentCapacity {
            cpus: capacity.cpu_millis as f64 / 1000.0,
            memory_bytes: capacity.memory_bytes,
            pids: capacity.pids,
            slots: capacity.slots,
        },
        load: wire::AgentLoad {
            cpu_busy: f64::from(load.cpu_busy_permille) / 1000.0,
            memory_busy: f64::from(load.memory_busy_permille) / 1000.0,
        },
        running: u32::try_from(promised.slots).unwrap_or(u32::MAX),
        sandboxes: load.sandboxes,
        sandboxes_closed: load.sandboxes_closed.by_reason().into(),
        unclean_jobs: load.unclean_jobs,
        installs: offer.installs,
        derived_images: load.derived_images,
        derived_bytes: load.derived_bytes,
        memory_promised_bytes: promised.memory_bytes,
        languages: Vec::new(),
        stock: Vec::new(),
        last_seen_ms: render::millis(*last_seen),
    }
}

fn agent_stock(of: &ImageStock) -> wire::AgentStock {
    let ImageStock { image, warm, wanted, fresh_per_hour } = of;
    let fresh_per_minute = f64::from(*fresh_per_hour) / 60.0;
    wire::AgentStock { image: image.clone(), warm: *warm, wanted: *wanted, fresh_per_minute }
}

pub(super) fn agent_language(offered: &OfferedLanguage) -> wire::AgentLanguage {
    let OfferedLanguage { id, version, image, warm } = offered;
    let (image, progress, reason) = match image {
        ImageState::Absent => ("absent", None, None),
        ImageState::Preparing { progress } => ("preparing", Some(progress.clone()), None),
        ImageState::Ready => ("ready", None, None),
        ImageState::Failed { reason } => ("failed", None, Some(reason.clone())),
    };
    let (id, version, image) = (id.clone(), version.clone(), image.to_owned());
    wire::AgentLanguage { id, version, image, progress, reason, warm: *warm }
}
