//! The master put together: what is opened in which order, and ended in which.
//!
//! ```text
//! bind:  languages ─ both ports ─ store (lock, checks, epoch) ─ gate ─ survivors ─ scheduler
//! run:   scheduler task · keeper of the gate · sweep of blobs · retention · callbacks · link port · API port
//! end:   API (waits answered, conversations ended) ─ admissions ─ scheduler (writes done) ─ sessions ─ link port ─ store
//! ```

mod observe;
mod survivor;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use enclos_images::{Catalogue, CatalogueError};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::Secret;
use crate::agents::{self, Entry, Link};
use crate::callbacks::{self, Deliverer, Post, PostError, SealError, SealingKey, SystemResolver};
use crate::config::{Callbacks, Config, Connections, JoinToken, Membership, Pair, Placement, Prediction, Scheduling};
use crate::gate::{Audit, Gate, GateParts, Keeper};
use crate::http::{self, Api, Services};
use crate::listen::descriptors::{self, DescriptorError};
use crate::listen::tls::{Files, Tls, TlsError};
use crate::listen::{BindError, Port};
use crate::metrics::Metrics;
use crate::pki::{self, Members, PkiError};
use crate::progress::Progress;
use crate::scheduler::{Driver, Packing, Parts, Policy, Scheduler};
use crate::store::{OpenError, Opened, Store, StoreError, UnixTime};
use crate::traces::ExporterError;
use observe::Observed;
use survivor::survivor;

/// Longest that agents' sessions may take to end.
const SESSIONS_END: Duration = Duration::from_secs(5);

/// Why the master does not run.
#[derive(Debug, thiserror::Error)]
pub enum MasterError {
    /// The store cannot be opened.
    #[error("the store cannot be opened")]
    Store(#[from] OpenError),
    /// The keys cannot be read.
    #[error("the keys cannot be read")]
    Keys(#[from] StoreError),
    /// The languages cannot be read.
    #[error("the languages cannot be read")]
    Languages(#[from] CatalogueError),
    /// Everybody on the network would be let in.
    #[error(
        "{0} can be reached from other machines, and no key was made: make one with \
         `enclos keys create --tenant NAME --scope submit,read --data-dir DIR`, or use a loopback address"
    )]
    NoKeys(SocketAddr),
    /// The audit log cannot be written.
    #[error("the audit log cannot be written")]
    Audit(#[source] std::io::Error),
    /// A port is not to be had.
    #[error("a port cannot be bound")]
    Bind(#[from] BindError),
    /// The API has no certificate.
    #[error("the API cannot be served over TLS")]
    ApiTls(#[source] TlsError),
    /// The link has none.
    #[error("the agents' link cannot be served over TLS")]
    LinkTls(#[source] TlsError),
    /// The authority is of no use.
    #[error("the agents' certificates cannot be verified")]
    Pki(#[from] PkiError),
    /// Secrets of callbacks cannot be kept.
    #[error("the secrets of callbacks cannot be kept")]
    Seal(#[from] SealError),
    /// Callbacks cannot be sent.
    #[error("callbacks cannot be sent; `--callbacks off` does without")]
    Callbacks(#[from] PostError),
    /// Traces cannot be sent.
    #[error("traces cannot be sent; without --otlp-endpoint there are none")]
    Traces(#[from] ExporterError),
    /// There are too few file descriptors.
    #[error("connections cannot be served")]
    Descriptors(#[from] DescriptorError),
    /// A part of it ended on its own.
    #[error("a part of the master ended on its own")]
    Ended,
    /// A part of it panicked.
    #[error("a part of the master failed")]
    Failed(#[from] JoinError),
}

/// A master whose ports are bound and whose store is open.
#[derive(Debug)]
pub struct Master {
    http: Port,
    link: Port,
    driver: Driver,
    /// Ends the scheduler, after the API.
    scheduler_stop: CancellationToken,
    scheduler: Scheduler,
    catalogue: Arc<Catalogue>,
    store: Arc<Store>,
    progress: Progress,
    gate: Arc<Gate>,
    audit: Arc<Audit>,
    metrics: Arc<Metrics>,
    observed: Observed,
    deliverer: Option<Deliverer>,
    watched: Watched,
    entry: Entry,
    config: Config,
}

/// Files that are taken anew when they change.
#[derive(Debug, Default)]
struct Watched {
    ports: Vec<Arc<Tls>>,
    members: Option<Arc<Members>>,
}

impl Watched {
    fn keep_current(self, parts: &mut JoinSet<()>, stop: &CancellationToken) {
        for tls in self.ports {
            parts.spawn(tls.keep_current(stop.clone()));
        }
        if let Some(members) = self.members {
            parts.spawn(members.keep_current(stop.clone()));
        }
    }
}

impl Master {
    /// Binds both ports and opens the store.
    ///
    /// # Errors
    /// [`MasterError`].
    pub async fn bind(config: Config) -> Result<Self, MasterError> {
        let catalogue = Arc::new(Catalogue::open(config.images_dir.as_deref())?);
        let metrics = Arc::new(Metrics::of(catalogue.languages().iter().map(|l| l.id.clone())));
        let (clients, agents) = within_descriptors(config.clients, config.agents)?;
        let api_tls = config.security.api.clone().map(api_tls).transpose()?;
        let (entry, link_tls) = entry(&config.security.membership, &config.join_token)?;
        let watched = Watched {
            ports: api_tls.iter().chain(&link_tls).cloned().collect(),
            members: match &entry {
                Entry::Token(_) => None,
                Entry::Certificate(members) => Some(Arc::clone(members)),
            },
        };
        let named = [("api", api_tls.as_ref()), ("link", link_tls.as_ref())];
        let named = named.into_iter().filter_map(|(name, tls)| Some((name, Arc::clone(tls?))));
        let observed = Observed::of(&config, named.collect(), &metrics).await?;
        let http = Port::bind(config.bind, clients, Arc::clone(&metrics)).await?.secured(api_tls);
        let link = Port::bind(config.link_bind, agents, Arc::clone(&metrics)).await?.secured(link_tls);
        let opening = {
            let (dir, metrics) = (config.data_dir.clone(), Arc::clone(&metrics));
            tokio::task::spawn_blocking(move || Store::open(&dir, metrics))
        };
        let Opened { store, epoch, unfinished, predictions } = opening.await??;
        let (store, progress) = (Arc::new(store), Progress::default());
        tracing::info!(epoch, unfinished = unfinished.len(), "the store is open");
        let gate = Arc::new(gate(&store, &config, http.address()).await?);
        let audit = Audit::start(&config.data_dir, config.audit, Arc::clone(&metrics)).map_err(MasterError::Audit)?;
        let deliverer = deliverer(&config, &store, &metrics).await?;
        let survivors = unfinished.into_iter().map(|job| survivor(&catalogue, &progress, job)).collect();
        let parts = Parts {
            store: Arc::clone(&store),
            progress: progress.clone(),
            metrics: Arc::clone(&metrics),
            traces: observed.traces.clone(),
            policy: policy(epoch, &config),
            bounds: config.queue,
            running: gate.running_bounds(),
            survivors,
            predictions,
        };
        let scheduler_stop = CancellationToken::new();
        let (driver, scheduler) = Driver::new(parts, scheduler_stop.clone());
        let audit = Arc::new(audit);
        Ok(Self {
            http,
            link,
            driver,
            scheduler_stop,
            scheduler,
            catalogue,
            store,
            progress,
            gate,
            audit,
            metrics,
            observed,
            deliverer,
            watched,
            entry,
            config,
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn http_addr(&self) -> SocketAddr {
        self.http.address()
    }

    /// Whether clients need no key.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.gate.is_open()
    }

    /// The key of this process, for what runs beside the master in it.
    #[must_use]
    pub fn own_key(&self) -> Secret {
        self.gate.own().clone()
    }

    /// Where metrics are served without a key, if they are.
    #[must_use]
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.observed.port.as_ref().map(Port::address)
    }

    /// Where agents connect.
    #[must_use]
    pub fn link_addr(&self) -> SocketAddr {
        self.link.address()
    }

    /// Serves until `shutdown`, then ends everything in order.
    ///
    /// # Errors
    /// [`MasterError`] when a part of it ends on its own.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), MasterError> {
        let Self {
            http,
            link,
            driver,
            scheduler_stop,
            scheduler,
            catalogue,
            store,
            progress,
            gate,
            audit,
            metrics,
            observed: Observed { port: metrics_port, shown, traces, exporter },
            deliverer,
            watched,
            entry,
            config,
        } = self;
        let (link_stop, sessions) = (CancellationToken::new(), TaskTracker::new());
        let link_router = agents::router(Link {
            scheduler: scheduler.clone(),
            progress: progress.clone(),
            store: Arc::clone(&store),
            room: agents::Room::default(),
            entry,
            door: agents::Door::default(),
            silence_max: config.lease * 2,
            attach_idle: config.attach_idle,
            shutdown: link_stop.clone(),
            sessions: sessions.clone(),
        });
        let keeper = Keeper { store: Arc::clone(&store), gate: Arc::clone(&gate), scheduler: scheduler.clone() };
        // The API ends by the caller's word, or when a part that it needs has ended.
        let api_stop = shutdown.child_token();
        let services = Services {
            catalogue,
            store: Arc::clone(&store),
            progress,
            scheduler,
            gate,
            audit: Arc::clone(&audit),
            metrics: Arc::clone(&metrics),
            traces,
            shown,
            is_tls: config.security.api.is_some(),
            batch_jobs_max: config.batch_jobs_max,
            client_wait: config.clients.client_wait,
            scheduling: config.scheduling,
            blobs: config.blobs,
            callbacks: config.callbacks.is_on.then_some(config.callbacks.policy),
        };
        let api = Api::new(services, config.hosts, http.bounds().max, config.installs, api_stop.clone());

        let mut parts = JoinSet::new();
        parts.spawn(driver.run());
        parts.spawn(keeper.run(scheduler_stop.clone()));
        parts.spawn(http::stats::keep(Arc::clone(&api), scheduler_stop.clone()));
        parts.spawn(Arc::clone(&store).keep_swept(scheduler_stop.clone()));
        parts.spawn(Arc::clone(&store).keep_pruned(config.retention, Arc::clone(&metrics), scheduler_stop.clone()));
        deliverer.into_iter().for_each(|d| drop(parts.spawn(d.run(scheduler_stop.clone()))));
        parts.spawn(link.run(link_router, link_stop.clone()));
        watched.keep_current(&mut parts, &scheduler_stop);
        let sending = observe::begin((metrics_port, exporter), &mut parts, &api, &link_stop);
        let serving = http.run(http::router(Arc::clone(&api), config.doors), api_stop.clone());
        tokio::pin!(serving);
        // Cancel-safe: joining loses nothing, and the serving future is pinned and goes on below.
        let early = tokio::select! {
            () = &mut serving => None,
            ended = parts.join_next() => Some(ended),
        };
        if early.is_some() {
            api_stop.cancel();
            serving.await;
        }
        farewell(&api).await;
        [&scheduler_stop, &link_stop].iter().for_each(|stop| stop.cancel());
        end_sessions(&sessions).await;
        all_ended(parts).await?;
        sending.end().await;
        tokio::task::spawn_blocking(move || (store.close(), audit.close())).await?;
        outcome(early)
    }
}

/// What it comes to that a part ended before it was asked to; `None`: none did.
fn outcome(early: Option<Option<Result<(), JoinError>>>) -> Result<(), MasterError> {
    match early {
        None => Ok(()),
        Some(Some(Err(failed))) => Err(failed.into()),
        Some(_) => Err(MasterError::Ended),
    }
}

/// Waits for every part; each has a bound for its end.
async fn all_ended(mut parts: JoinSet<()>) -> Result<(), MasterError> {
    while let Some(ended) = parts.join_next().await {
        ended?;
    }
    Ok(())
}

/// Waits for agents' sessions, within a bound.
async fn end_sessions(sessions: &TaskTracker) {
    sessions.close();
    if timeout(SESSIONS_END, sessions.wait()).await.is_err() {
        tracing::warn!("agents' sessions were cut at shutdown");
    }
}

/// Waits for what requests began; each has a bound for its end.
async fn farewell(api: &Api) {
    api.conversations.close();
    api.conversations.wait().await;
    api.admissions.close();
    api.admissions.wait().await;
}

fn api_tls(pair: Pair) -> Result<Arc<Tls>, MasterError> {
    let Pair { certificate, key } = pair;
    Tls::open(Files { certificate, key, clients: None }).map_err(MasterError::ApiTls)
}

fn policy(epoch: u64, config: &Config) -> Policy {
    let Scheduling { queue_ttl: _, queue_ttl_max: _, ageing, prediction, placement, cpu_overcommit } =
        config.scheduling;
    Policy {
        ageing,
        packing: match placement {
            Placement::Spread => Packing::Spread,
            Placement::Pack => Packing::Pack,
        },
        cpu_promise_permille: cpu_overcommit.0,
        prediction: prediction == Prediction::On,
        ..Policy::new(epoch, config.lease, config.heartbeat)
    }
}

/// What lets an agent in, and the TLS that goes with it.
fn entry(membership: &Membership, token: &JoinToken) -> Result<(Entry, Option<Arc<Tls>>), MasterError> {
    let (members, files) = match membership {
        Membership::Token => return Ok((Entry::Token(token.clone()), None)),
        Membership::Authority { pki, ttl } => {
            let members = Members::of_authority(pki, *ttl)?;
            let (certificate, key, clients) = pki::link_files(pki);
            (members, Files { certificate, key, clients: Some(clients) })
        }
        Membership::Given { pair: Pair { certificate, key }, clients, pki } => {
            let members = Members::of_others(pki.as_deref())?;
            (members, Files { certificate: certificate.clone(), key: key.clone(), clients: Some(clients.clone()) })
        }
    };
    Ok((Entry::Certificate(Arc::new(members)), Some(Tls::open(files).map_err(MasterError::LinkTls)?)))
}

/// Who tells the ends of jobs; `None` where nobody does. The key is made in any case, so that every backup has it.
async fn deliverer(
    config: &Config,
    store: &Arc<Store>,
    metrics: &Arc<Metrics>,
) -> Result<Option<Deliverer>, MasterError> {
    let dir = config.data_dir.clone();
    let key = tokio::task::spawn_blocking(move || SealingKey::open(&dir)).await??;
    let Callbacks { is_on, policy, ca } = config.callbacks.clone();
    if !is_on {
        return Ok(None);
    }
    let post = Post::new(policy, ca.as_deref(), Arc::new(SystemResolver::default()))?;
    let (store, metrics) = (Arc::clone(store), Arc::clone(metrics));
    Ok(Some(Deliverer::new(callbacks::Parts { store, post, key, metrics })))
}

/// The gate as the store has it. Without any key, only this machine may connect.
async fn gate(store: &Store, config: &Config, bound: SocketAddr) -> Result<Gate, MasterError> {
    let roll = store.roll(None).await?.unwrap_or_default();
    let is_local = bound.ip().is_loopback();
    if !is_local && roll.keys.is_empty() {
        return Err(MasterError::NoKeys(bound));
    }
    Ok(Gate::new(GateParts { roll, quota: config.quota.clone(), is_local }, UnixTime::now()))
}

/// As many connections as were asked for, or as this process may have.
fn within_descriptors(
    clients: Connections,
    agents: Connections,
) -> Result<(Connections, Connections), DescriptorError> {
    let wanted = clients.max + agents.max;
    let room = descriptors::provide(wanted)?;
    if room >= wanted {
        return Ok((clients, agents));
    }
    let (clients, agents) = (clients.scaled(room, wanted), agents.scaled(room, wanted));
    tracing::warn!(
        clients = clients.max,
        agents = agents.max,
        "this process may have few file descriptors, so fewer connections are served; raise its hard limit"
    );
    Ok((clients, agents))
}

/// Binds and runs a master.
///
/// # Errors
/// [`MasterError`].
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), MasterError> {
    Master::bind(config).await?.run(shutdown).await
}
