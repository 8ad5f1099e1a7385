//! The agent as a whole: what is started in which order, and how it ends.
//!
//! ```text
//!  engine ─▶ level possible? ─▶ leftovers ─▶ cgroups ─▶ proof ─▶ pool, images, session ─▶ … ─▶ drain ─▶ pool ends ─▶ sweep
//! ```
//!
//! Everything before the session either holds or refuses the start with what
//! to do about it. Every task is joined here.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use enclos_images::Catalogue;
use enclos_protocol::ids::AgentName;
use enclos_protocol::job::{Isolation, Reuse};
use enclos_protocol::supervisor_link::CellKind;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::attempt::input::InputClient;
use crate::attempt::{Installs, Workshop, forerunners};
use crate::builder::{Dependencies, EngineBench};
use crate::cache::CompileCache;
use crate::cgroup::{CgroupError, CgroupTree, DetectError, Hold};
use crate::config::{Cells, Config};
use crate::cores::Cores;
use crate::engine::counted::Counted;
use crate::engine::docker::DockerEngine;
use crate::engine::{Engine, EngineError, EngineFacts, apparmor, profile};
use crate::headroom;
use crate::images::derived::DerivedImages;
use crate::images::{ImageOptions, ImageStore, SourceFlags};
use crate::images_source::{ImageSource, StoreSource};
use crate::load::Sampler;
use crate::machine::{self, OwnCgroup};
use crate::member::{self, Joined, MemberError};
use crate::pod::Place;
use crate::pool::{Bounds, Pool};
use crate::probe::{ProbeError, prove};
use crate::sandbox::wire::WireDir;
use crate::sandbox::{Host, UidRange, chain};
use crate::session::link::LinkError;
use crate::session::{Leave, Session};
use crate::supervisor;
use crate::sweep::{self, Left, SweepError};

/// How long a sandbox lives at most.
const SANDBOX_AGE_MAX: Duration = Duration::from_secs(3600);
/// What the deadline label allows beyond that, for a job that began late.
const DEADLINE_SLACK: Duration = Duration::from_secs(900);
/// How long a bound sandbox waits for its binding's next job at most.
const BOUND_IDLE_MAX: Duration = Duration::from_secs(900);
/// Jobs that a sandbox serves at most.
const JOBS_PER_SANDBOX_MAX: u32 = 1000;
/// Pause of the stock after a failed start.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// Longest that the pool may take to destroy everything at the end.
const POOL_END_WAIT: Duration = Duration::from_secs(20);
/// Longest that jobs may take to be handed back when their engine is gone.
const HAND_BACK_WAIT: Duration = Duration::from_secs(15);
/// Tenants' scopes, each with each of its images, of which it is remembered how often they come.
const BINDINGS_MAX: usize = 4096;

/// Why an agent does not start, or ends badly.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// No engine.
    #[error("no container engine: start one, or say where it is by DOCKER_HOST ('enclos doctor' tells more)")]
    Engine(#[source] EngineError),
    /// The chosen isolation is not to be had.
    #[error("isolation '{isolation}' cannot be had: {advice}")]
    Isolation {
        /// What was chosen.
        isolation: &'static str,
        /// What to do.
        advice: String,
    },
    /// No cgroups.
    #[error("{advice}; or pass --allow-sampled to run with sampled accounting")]
    NoCgroups {
        /// What to do.
        advice: String,
        /// What failed, if something did.
        source: Option<CgroupsRefused>,
    },
    /// Cores cannot be given to jobs.
    #[error("--pin-cores needs {needs}")]
    Pin {
        /// What is missing.
        needs: &'static str,
    },
    /// Leftovers.
    #[error("what an earlier agent of this name left cannot be removed")]
    Sweep(#[source] SweepError),
    /// The host does not keep the promises.
    #[error("this host does not hold what the sandbox profile promises ('enclos doctor' tells more)")]
    Probe(#[source] ProbeError),
    /// It has nothing to show to the master.
    #[error("this agent is no member of the cluster")]
    Member(#[source] MemberError),
    /// The master refused.
    #[error("the master does not take this agent")]
    Session(#[source] LinkError),
    /// The engine's container is another one now, with other cgroups.
    #[error("the engine of this pod has ended; the agent has to be started anew beside the next one")]
    EngineEnded,
    /// Something is left at the end.
    #[error("not everything of this agent could be removed")]
    Leftovers(#[source] SweepError),
}

/// Why cgroups cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CgroupsRefused {
    /// The host has none that will do.
    #[error("the host's cgroups will not do")]
    Detect(#[source] DetectError),
    /// They cannot be written.
    #[error("the agent's cgroup cannot be made")]
    Make(#[source] CgroupError),
}

/// Runs an agent until it was asked to leave and everything of it is gone.
///
/// # Errors
/// [`AgentError`].
pub async fn run(
    mut config: Config,
    catalogue: Catalogue,
    sources: SourceFlags,
    place: Place,
    leave: Leave,
) -> Result<(), AgentError> {
    let docker = DockerEngine::connect().await.map_err(AgentError::Engine)?;
    let engine: Arc<dyn Engine> = Arc::new(Counted::new(docker.clone()));
    let facts = engine.facts().await.map_err(AgentError::Engine)?;
    check_level(&config, &facts)?;
    let (own, tree) = (place.own_cgroup(), place.tree(&config.name));
    let every_tree = tree.as_ref().ok().cloned();
    let left = sweep::begin(engine.as_ref(), every_tree.as_ref(), &config.name).await.map_err(AgentError::Sweep)?;
    let cgroups = cgroups(&config, &facts, &place, tree)?;
    let _held = cgroups.as_ref().and_then(hold);
    let mut host = host(&config, &facts, Arc::clone(&engine), cgroups.clone());
    let wire_dir = host.wires.clone();
    let probe_number = left.first_number();
    let agent = config.name.clone();
    let mut cleaning = JoinSet::new();
    cleaning.spawn(docker.clone().watch());
    cleaning.spawn(clean(left, Arc::clone(&engine), every_tree, agent.clone()));
    let begun = async {
        check_pinning(&config, cgroups.as_ref())?;
        prove(&mut host, config.cells, probe_number).await.map_err(AgentError::Probe)?;
        if host.cells == CellKind::Plain {
            config.reuse = Reuse::Never;
        }
        tracing::info!(
            engine = facts.version,
            isolation = config.isolation.as_str(),
            cells = ?host.cells,
            "the host keeps the sandbox profile's promises"
        );
        let joined = member::join(&config, &leave.drain).await.map_err(AgentError::Member)?;
        let Some(joined) = joined else { return Ok(()) };
        let begun = Begun { docker, sources, own, first_number: probe_number + 1, joined };
        serve(config, catalogue, begun, Arc::new(host), leave.clone()).await
    };
    let ended = tokio::select! {
        ended = begun => ended,
        // Cancel-safe: what it would have swept went with the engine's container.
        () = engine_ends(&place, &leave) => Err(AgentError::EngineEnded),
    };
    cleaning.shutdown().await;
    if let Err(AgentError::EngineEnded) = ended {
        return ended;
    }
    wire_dir.as_ref().inspect(|dir| dir.remove());
    // Whatever happened, nothing of ours stays; the first failure is the one that is told.
    let swept = sweep::sweep(engine.as_ref(), cgroups.as_ref(), &agent).await;
    ended?;
    swept.map_err(AgentError::Leftovers)
}

/// Ends when the engine of the pod has, and the session had its time to hand back what ran there.
async fn engine_ends(place: &Place, leave: &Leave) {
    place.engine_ended().await;
    tracing::warn!("the engine of this pod has ended, its jobs are handed back");
    leave.drain.cancel();
    leave.now.cancel();
    tokio::time::sleep(HAND_BACK_WAIT).await;
}

/// Removes what earlier agents left; no start waits for the end of it.
async fn clean(left: Left, engine: Arc<dyn Engine>, tree: Option<CgroupTree>, agent: AgentName) {
    tokio::join!(sweep::reap(engine.as_ref(), tree.as_ref()), left.remove(Arc::clone(&engine), tree.clone(), agent));
}

/// What the start found and made, beside the host.
struct Begun {
    docker: DockerEngine,
    sources: SourceFlags,
    own: OwnCgroup,
    /// Number of the pool's first sandbox.
    first_number: u64,
    joined: Joined,
}

/// Pool, images and session, until the session has left.
async fn serve(
    config: Config,
    catalogue: Catalogue,
    begun: Begun,
    host: Arc<Host>,
    leave: Leave,
) -> Result<(), AgentError> {
    let Begun { docker, sources, own, first_number, joined: Joined { access, keeper } } = begun;
    let config = Arc::new(config);
    let catalogue = Arc::new(catalogue);
    let options = ImageOptions::new(supervisor::SUPERVISOR, sources);
    let store = ImageStore::new(docker.client(), Arc::clone(&catalogue), options);
    if let Err(error) = store.survey().await {
        tracing::warn!(error = chain(&error), "images of this engine could not be surveyed");
    }
    let images: Arc<dyn ImageSource> = Arc::new(StoreSource::new(store.clone()));
    let installs = installs(&config, &host, DerivedImages::new(docker.client())).await;
    let dependencies = installs.as_ref().map(|i| i.dependencies.clone());
    // Plain cells have nothing that waits, and what is not counted is held to nothing.
    let has_forerunners = host.cells == CellKind::Namespaced && host.has_cell_cgroups();
    let forerunners = forerunners(&catalogue, |language| has_forerunners && config.offers(language));
    let (pool, pool_task) = Pool::with_forerunners(
        Arc::clone(&host),
        bounds(&config, first_number),
        forerunners,
        config.forerunners as usize,
    );
    let mut tasks = JoinSet::new();
    tasks.spawn(pool_task);
    let mut stocking = JoinSet::new();
    for image in stocked_images(&config) {
        stocking.spawn(stock(Arc::clone(&images), pool.clone(), image.clone(), config.warm as usize));
    }
    let workshop = Arc::new(Workshop {
        catalogue,
        images,
        installs,
        pool: pool.clone(),
        inputs: InputClient::new(access.clone()),
        isolation: config.isolation,
        reuse: config.reuse,
        cores: config.pin_cores.clone().map(Cores::new),
        cache: CompileCache::new(config.compile_cache_bytes),
    });
    let mut keeping = JoinSet::new();
    keeper.map(|keeper| keeping.spawn(keeper.run()));
    let session = Session::new(config, workshop, host.instance, Sampler::new(own), access);
    let left = session.run(leave).await.map_err(AgentError::Session);
    keeping.shutdown().await;
    stocking.shutdown().await;
    if let Some(dependencies) = dependencies {
        dependencies.shutdown().await;
    }
    store.shutdown().await;
    pool.shutdown().await;
    if timeout(POOL_END_WAIT, tasks.join_next()).await.is_err() {
        tracing::warn!("sandboxes were not gone in time, the sweep removes them");
        tasks.shutdown().await;
    }
    left
}

/// What installs dependencies, if that is allowed, with what an earlier process installed.
async fn installs(config: &Config, host: &Arc<Host>, images: DerivedImages) -> Option<Installs> {
    let dependency = config.dependencies.clone()?;
    if dependency.authorities.is_empty() {
        tracing::warn!("no certificate authorities for package indexes were found; --package-ca names some");
    }
    let bench = EngineBench::new(images, Arc::clone(host), dependency.clone());
    let slots = config.capacity.slots;
    let dependencies = Dependencies::new(Arc::new(bench), config.name.as_str(), dependency.bounds, slots);
    dependencies.survey().await;
    Some(Installs { agent: config.name.clone(), config: dependency, dependencies })
}

/// Makes an image and keeps some of its sandboxes ready; tries again while it cannot be made.
async fn stock(images: Arc<dyn ImageSource>, pool: Pool, image: String, target: usize) {
    loop {
        match images.ensure(&image).await {
            Ok(key) => return pool.stock(key, target).await,
            // The store has told each failure once.
            Err(error) => tracing::debug!(image, error, "image is not ready"),
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// Images that are made at the start and kept in stock.
fn stocked_images(config: &Config) -> &[String] {
    if config.warm == 0 { &[] } else { &config.images }
}

fn bounds(config: &Config, first_number: u64) -> Bounds {
    let cores = (config.capacity.cpu_millis as usize).div_ceil(1000).max(1);
    let sandboxes_max = config.places.sandboxes as usize;
    Bounds {
        first_number,
        sandboxes_max,
        starting_max: cores,
        cores,
        stock_max: sandboxes_max.saturating_sub(2 * config.capacity.slots as usize),
        bindings_max: BINDINGS_MAX,
        bound_idle_max: BOUND_IDLE_MAX,
        age_max: SANDBOX_AGE_MAX,
        jobs_max: JOBS_PER_SANDBOX_MAX,
        retry_after: RETRY_AFTER,
    }
}

fn check_level(config: &Config, facts: &EngineFacts) -> Result<(), AgentError> {
    let advice = match config.isolation {
        Isolation::Runc => None,
        Isolation::Userns => (!facts.userns)
            .then(|| "the engine runs without user namespaces; set \"userns-remap\" in its daemon.json".to_owned()),
        Isolation::Gvisor => (!facts.runtimes.iter().any(|r| r == profile::GVISOR_RUNTIME)).then(|| {
            format!(
                "the engine has no runtime '{}'; install gVisor and register it in daemon.json",
                profile::GVISOR_RUNTIME
            )
        }),
    };
    let advice = advice.or_else(|| {
        // Where the list cannot be read, the probe finds out.
        (facts.apparmor && apparmor::profile_loaded() == Some(false)).then(|| {
            format!(
                "the AppArmor profile '{}' is not loaded; 'enclos doctor --fix' loads it as root",
                profile::APPARMOR
            )
        })
    });
    match advice {
        Some(advice) => Err(AgentError::Isolation { isolation: config.isolation.as_str(), advice }),
        None => Ok(()),
    }
}

/// The agent's cgroups, made; `None` where the operator allows to go without.
fn cgroups(
    config: &Config,
    facts: &EngineFacts,
    place: &Place,
    tree: Result<CgroupTree, DetectError>,
) -> Result<Option<CgroupTree>, AgentError> {
    let made = if facts.cgroupfs {
        let (spare, host_pids) = (config.places.spare, machine::process_ids());
        let mut limits = headroom::of_tree(&config.capacity, config.isolation, spare, host_pids);
        if let Some(dependencies) = &config.dependencies {
            let builder = headroom::of_builder(dependencies.memory_bytes(), config.isolation);
            limits = headroom::with_builder(limits, &builder);
        }
        limits = headroom::with_forerunners(limits, config.forerunners);
        limits.cpu_millis = limits.cpu_millis.min(place.cpu_millis_max());
        let make = |tree: CgroupTree| tree.make_agent(&limits).map(|()| tree).map_err(CgroupsRefused::Make);
        tree.map_err(CgroupsRefused::Detect).and_then(make).map_err(|source| AgentError::NoCgroups {
            advice: "the agent cannot make cgroups: run it as root on the engine's host".to_owned(),
            source: Some(source),
        })
    } else {
        Err(AgentError::NoCgroups {
            advice: "the engine leaves cgroups to systemd: set \"exec-opts\": [\"native.cgroupdriver=cgroupfs\"] \
                     in its daemon.json"
                .to_owned(),
            source: None,
        })
    };
    match made {
        Ok(tree) => Ok(Some(tree)),
        Err(error) if config.allow_sampled => {
            tracing::warn!(error = chain(&error), "no cgroups of our own, accounting is sampled");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Keeps other agents from taking this one's cgroups for abandoned.
fn hold(tree: &CgroupTree) -> Option<Hold> {
    let held = tree.hold();
    held.inspect_err(|error| tracing::warn!(%error, "the agent's cgroups cannot be held: others may remove them")).ok()
}

fn check_pinning(config: &Config, cgroups: Option<&CgroupTree>) -> Result<(), AgentError> {
    match cgroups {
        _ if config.pin_cores.is_none() => Ok(()),
        None => {
            Err(AgentError::Pin { needs: "cgroups of the agent's own, which it has not ('enclos doctor' tells why)" })
        }
        Some(tree) if !tree.can_pin() => Err(AgentError::Pin { needs: "the host's 'cpuset' cgroup controller" }),
        Some(_) => Ok(()),
    }
}

fn host(config: &Config, facts: &EngineFacts, engine: Arc<dyn Engine>, cgroups: Option<CgroupTree>) -> Host {
    let list = |cores: &BTreeSet<u32>| cores.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let instance = uuid::Uuid::now_v7();
    Host {
        engine,
        cgroups,
        wires: wires(config, instance),
        agent: config.name.clone(),
        instance,
        isolation: config.isolation,
        cells: match config.cells {
            Cells::Only(kind) => kind,
            Cells::Auto => CellKind::Namespaced,
        },
        proof_cpus: config.pin_cores.as_ref().map(list),
        apparmor: facts.apparmor,
        limits: headroom::of_sandbox(&config.capacity, config.isolation),
        uids: UidRange::of(&config.name, config.isolation),
        lifetime: SANDBOX_AGE_MAX + DEADLINE_SLACK,
    }
}

/// Where sockets to sandboxes stand; whether the engine sees them too is for the probe to find out.
fn wires(config: &Config, instance: uuid::Uuid) -> Option<WireDir> {
    // gVisor's sandboxes reach no socket of the host.
    if config.isolation == Isolation::Gvisor {
        return None;
    }
    let made = WireDir::make(&config.run_dir, &config.name, instance);
    let told = |error: &std::io::Error| {
        tracing::info!(%error, dir = %config.run_dir.display(), "no sockets to sandboxes: all goes by way of the engine");
    };
    made.inspect_err(told).ok()
}
