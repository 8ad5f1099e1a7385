//! What the agent asks of a container engine, in the agent's own words.
//!
//! The pool and the sandbox speak this trait; only `docker.rs` knows an engine's
//! client and only `profile.rs` knows its container configuration. `fake.rs` is
//! an engine for tests that speaks the supervisor's protocol in-process.
//!
//! What is deliberately absent: exec, logs, file copies, pause, update. Nothing
//! on a job's way may need them.

pub mod apparmor;
pub mod counted;
pub mod docker;
mod presence;
pub mod profile;

#[cfg(test)]
pub(crate) mod fake;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;

use enclos_protocol::job::Isolation;
use enclos_protocol::measured::EngineErrors;
use enclos_protocol::supervisor_link::CellKind;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tokio::io::AsyncWrite;
use tokio_util::bytes::Bytes;

/// Label that every container of ours carries.
pub const LABEL_KIND: &str = "enclos";
/// Value of [`LABEL_KIND`] on a sandbox.
pub const KIND_SANDBOX: &str = "sandbox";
/// Label with the agent's name.
pub const LABEL_AGENT: &str = "enclos.agent";
/// Label with the identity of the agent's process.
pub const LABEL_INSTANCE: &str = "enclos.instance";
/// Label with a sandbox's number.
pub const LABEL_NUMBER: &str = "enclos.number";
/// Label with the time after which anyone may remove the container, in seconds since 1970.
pub const LABEL_DEADLINE: &str = "enclos.deadline";

/// The engine's name for a container.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ContainerId(pub String);

/// The largest that a sandbox as a whole may use; a cell's exact limits are on its own cgroup.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SandboxLimits {
    /// Memory and swap together, in bytes.
    pub memory_bytes: u64,
    /// Processor share in thousandths of a core.
    pub cpu_millis: u32,
    /// Processes and threads.
    pub pids: u32,
}

/// Where the engine puts the container's cgroup, and what of it the supervisor sees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CgroupMount {
    /// The parent, as the engine names it (`/enclos-<agent>/<sandbox>`).
    pub parent: String,
    /// Directory of the host and where it is bound, for each controller.
    pub binds: Vec<(PathBuf, String)>,
}

/// A container of some agent, as its labels tell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Labelled {
    /// The container.
    pub id: ContainerId,
    /// Whose it is.
    pub agent: String,
    /// It is a sandbox.
    pub is_sandbox: bool,
    /// Its number among its agent's sandboxes; `None`: it does not say.
    pub number: Option<u64>,
    /// When anyone may remove it, in seconds since 1970; `None`: it does not say.
    pub deadline_unix_s: Option<u64>,
}

/// What a container's supervisor is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// It runs jobs.
    Jobs,
    /// It is a builder: it runs one installer.
    Install {
        /// Room for what is downloaded and installed, in bytes of memory.
        room_bytes: u64,
    },
}

/// Everything that decides how a sandbox's container is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SandboxSpec {
    /// Name of the container.
    pub name: String,
    /// Image with the supervisor in it.
    pub image: String,
    /// What its supervisor does.
    pub purpose: Purpose,
    /// Labels, the deadline among them.
    pub labels: BTreeMap<String, String>,
    /// Limits of the container.
    pub limits: SandboxLimits,
    /// How its cells are made.
    pub cells: CellKind,
    /// What keeps it from the host.
    pub isolation: Isolation,
    /// The host has AppArmor, so a profile of ours must be named.
    pub apparmor: bool,
    /// Its place among the cgroups; `None` where the agent cannot make any.
    pub cgroup: Option<CgroupMount>,
    /// Socket of the agent's that its supervisor finds at [`enclos_protocol::supervisor_link::WIRE_PATH`].
    pub wire: Option<PathBuf>,
}

/// A piece of what a container wrote.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// On stdout: frames of the supervisor, cut anywhere.
    Frames(Bytes),
    /// The supervisor speaks no more; the container may not have ended yet.
    Closed,
    /// On stderr: words of the supervisor for the log.
    Log(Bytes),
}

/// Both ends of a container's attached streams.
pub struct Wires {
    /// The container's stdin; its end ends the sandbox.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    /// The container's stdout and stderr.
    pub output: BoxStream<'static, Result<Piece, EngineError>>,
}

/// What the engine is and has, as far as the agent must know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EngineFacts {
    /// Version, for people.
    pub version: String,
    /// It makes cgroups by itself (`cgroupfs`), not through systemd.
    pub cgroupfs: bool,
    /// It confines containers by AppArmor.
    pub apparmor: bool,
    /// It maps container users to ordinary users of the host.
    pub userns: bool,
    /// Runtimes by name.
    pub runtimes: Vec<String>,
}

/// Whether the engine's security options (`name=seccomp,profile=default`) have one of this name.
#[must_use]
pub fn has_option(options: &[String], name: &str) -> bool {
    options.iter().any(|option| option.split(',').any(|part| part.strip_prefix("name=") == Some(name)))
}

/// Which call to the engine failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No engine answers.
    #[error("no container engine answers")]
    Connect(#[source] Cause),
    /// The engine does not say what it is.
    #[error("the engine does not describe itself")]
    Describe(#[source] Cause),
    /// The probe image.
    #[error("the probe image cannot be made")]
    ProbeImage(#[source] Cause),
    /// Creating, for want of its image.
    #[error("the engine does not have the container's image")]
    NoImage(#[source] Cause),
    /// Creating.
    #[error("the container cannot be created")]
    Create(#[source] Cause),
    /// Attaching.
    #[error("the container's streams cannot be attached")]
    Attach(#[source] Cause),
    /// Starting.
    #[error("the container cannot be started")]
    Start(#[source] Cause),
    /// Reading what it wrote.
    #[error("the container's output cannot be read")]
    Output(#[source] Cause),
    /// Looking at it.
    #[error("the container cannot be inspected")]
    Inspect(#[source] Cause),
    /// Removing.
    #[error("the container cannot be removed")]
    Remove(#[source] Cause),
    /// Listing.
    #[error("containers cannot be listed")]
    List(#[source] Cause),
}

/// What lies under an [`EngineError`].
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An answer of the engine, on its way.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, EngineError>>;

/// A container engine. Every call ends within a bound of the engine's own.
pub trait Engine: Send + Sync + 'static {
    /// What the engine is.
    fn facts(&self) -> Answer<'_, EngineFacts>;
    /// Makes an image that holds the supervisor alone, if it is missing; gives its reference.
    fn probe_image(&self) -> Answer<'_, String>;
    /// Makes a container and does not start it.
    fn create<'a>(&'a self, spec: &'a SandboxSpec) -> Answer<'a, ContainerId>;
    /// Holds a container's streams; before the start, so that nothing it writes is missed.
    fn attach<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, Wires>;
    /// Starts it.
    fn start<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, ()>;
    /// Process id of its first process, as the host counts.
    fn init_pid<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, u32>;
    /// Kills and removes it; one that is already gone is a success.
    fn remove<'a>(&'a self, id: &'a ContainerId) -> Answer<'a, ()>;
    /// Containers in any state that carry an agent's label, whichever agent's.
    fn containers(&self) -> Answer<'_, Vec<Labelled>>;
    /// How often it has gone away so far.
    fn ends(&self) -> u64;
    /// Whether it is away, or was since [`Engine::ends`] was `then`: asked by who was failed by something on it.
    fn is_gone(&self, then: u64) -> BoxFuture<'_, bool>;
    /// Calls that failed so far, where somebody counts them.
    fn errors(&self) -> EngineErrors {
        EngineErrors::default()
    }
}
