//! One live sandbox: from its container to its end, and the job it serves.
//!
//! ```text
//!           create, attach, start            Setup                    EndJob
//!  (nothing) ──────────────────▶ Ready ─────────────────▶ idle ◀──────────────────┐
//!                                        facts are held      │ BeginJob, files      │
//!                                        against the profile └──▶ job ── RunStep ───┘
//! ```
//!
//! Whoever holds a [`Sandbox`] is its only user. Every wait has a deadline; any
//! error means that the stream can no longer be trusted, and the sandbox must
//! be destroyed. What comes out of it is untrusted: sizes are held here too.
//! Destroying the container and its cgroups is the pool's ([`Host::destroy`]). What a job
//! does in it is `job`'s.

mod ahead;
mod error;
pub mod facts;
mod job;
mod uids;
pub mod wire;
mod wires;

use std::sync::{Arc, Weak};
use std::time::Duration;

use enclos_protocol::ids::AgentName;
use enclos_protocol::job::Isolation;
use enclos_protocol::supervisor_link::{
    CGROUP_DIR, CellKind, CgroupPlace, Report, Request, SUPERVISOR_VERSION, SandboxFacts, Setup,
};

use crate::cache::Compiled;
use crate::cgroup::CgroupTree;
use crate::engine::{ContainerId, Engine, Purpose, SandboxLimits, SandboxSpec, docker};
pub use error::SandboxError;
pub use job::{JobRoom, Listener};
pub use uids::UidRange;
use wire::{Listening, WireDir};
use wires::SupervisorWires;

/// Longest from the container's start until its supervisor is ready; gVisor needs seconds.
const READY_WAIT: Duration = Duration::from_secs(30);
/// Longest for the supervisor to prove a cell.
const SETUP_WAIT: Duration = Duration::from_secs(30);
/// Longest for one message to be taken by the supervisor while no program runs.
const SEND_WAIT: Duration = Duration::from_secs(15);
/// Longest that a sandbox may take to end by itself before the engine is to kill it.
const END_WAIT: Duration = Duration::from_secs(2);
/// Places below [`CGROUP_DIR`] where CPU time is counted, of either version: all that gVisor's sandboxes see.
const CPU_COUNTERS: [&str; 2] = ["/cpuacct", "/unified"];
/// Longest text that is taken from a supervisor's words, in characters.
const TEXT_CHARS_MAX: usize = 300;

/// What sandboxes are made of on this agent; the same for all.
pub struct Host {
    /// The engine.
    pub engine: Arc<dyn Engine>,
    /// Where cgroups are made; `None`: accounting is sampled.
    pub cgroups: Option<CgroupTree>,
    /// Where sockets to supervisors stand; `None`: what is said to them goes by way of the engine.
    pub wires: Option<WireDir>,
    /// The agent's name.
    pub agent: AgentName,
    /// Identity of this process.
    pub instance: uuid::Uuid,
    /// What keeps sandboxes from the host.
    pub isolation: Isolation,
    /// How cells are made.
    pub cells: CellKind,
    /// A core that each sandbox proves it can pin to, as a list; `None`: jobs are not pinned.
    pub proof_cpus: Option<String>,
    /// The host has AppArmor.
    pub apparmor: bool,
    /// Limits of each sandbox.
    pub limits: SandboxLimits,
    /// User ids for programs.
    pub uids: UidRange,
    /// How long a sandbox may live before anyone may remove it.
    pub lifetime: Duration,
}

/// What the pool must know of a sandbox in order to destroy it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remains {
    /// Its number.
    pub number: u64,
    /// Its container, if it was made.
    pub container: Option<ContainerId>,
}

/// A sandbox that is ready for jobs, or in the middle of one.
pub struct Sandbox {
    number: u64,
    container: ContainerId,
    facts: SandboxFacts,
    wires: SupervisorWires,
    cells: CellKind,
    /// What of it as a whole is held to a job's limits, if anything has to be.
    whole: Option<Whole>,
    /// Where it has its weight among others; `None`: none of ours.
    weights: Option<CgroupTree>,
    /// It has the least weight: nothing but a forerunner is in it.
    is_last: bool,
    isolation: Isolation,
    /// It did not answer in time, and will not be asked again.
    silent: bool,
    ending: job::Ending,
    /// Of which compile step it holds what was left.
    held: Option<Weak<Compiled>>,
}

/// Limits that no cell holds.
enum Whole {
    /// What a plain cell leaves in the sandbox's files outlives its own limit.
    Memory(CgroupTree),
    /// gVisor's cells have no cgroups. Their memory is watched from inside: the kernel would end the sandbox.
    Cpu(CgroupTree),
}

impl Host {
    /// Makes sandbox `number` of `image` and proves it. On failure the remains tell what is to be destroyed.
    ///
    /// # Errors
    /// The step that failed, with what is left of it.
    pub async fn open(&self, number: u64, image: &str) -> Result<Sandbox, (SandboxError, Remains)> {
        let mut remains = Remains { number, container: None };
        match self.try_open(number, image, &mut remains).await {
            Ok(sandbox) => Ok(sandbox),
            Err(error) => Err((error, remains)),
        }
    }

    async fn try_open(&self, number: u64, image: &str, remains: &mut Remains) -> Result<Sandbox, SandboxError> {
        let branch = number.to_string();
        let mut cgroup = self.cgroups.as_ref().map(|tree| tree.make_sandbox(&branch)).transpose()?;
        if let Some(place) = cgroup.as_mut().filter(|_| !self.has_cell_cgroups()) {
            place.binds.retain(|(_, to)| CPU_COUNTERS.iter().any(|name| to.strip_prefix(CGROUP_DIR) == Some(*name)));
            self.cgroups.as_ref().map_or(Ok(()), |tree| tree.close_sandbox(&branch))?;
        }
        let listening = self.listen(number);
        let spec = SandboxSpec {
            name: format!("enclos-{}-{number}", self.agent),
            image: image.to_owned(),
            purpose: Purpose::Jobs,
            labels: docker::labels(&self.agent, self.instance, number, unix_seconds() + self.lifetime.as_secs()),
            limits: self.limits,
            cells: self.cells,
            isolation: self.isolation,
            apparmor: self.apparmor,
            cgroup,
            wire: listening.as_ref().map(|listening| listening.path().to_owned()),
        };
        let container = self.engine.create(&spec).await?;
        remains.container = Some(container.clone());
        let wires = self.engine.attach(&container).await?;
        self.engine.start(&container).await?;
        self.give_cgroup(&branch, &container).await?;
        let setup = self.setup(number, &container, listening.is_some());
        let (wires, facts) = handshake(SupervisorWires::new(wires), setup, listening).await?;
        let violations = facts::violations(&facts, &facts::Expected::of(self));
        if !violations.is_empty() {
            return Err(SandboxError::Violations(violations));
        }
        let whole = match (self.cells, self.isolation) {
            (CellKind::Namespaced, _) => None,
            (CellKind::Plain, Isolation::Gvisor) => self.cgroups.clone().map(Whole::Cpu),
            (CellKind::Plain, _) => self.cgroups.clone().map(Whole::Memory),
        };
        let (cells, isolation) = (self.cells, self.isolation);
        let weights = self.cgroups.clone().filter(|_| self.has_cell_cgroups());
        Ok(Sandbox {
            number,
            container,
            facts,
            wires,
            cells,
            whole,
            weights,
            is_last: false,
            isolation,
            silent: false,
            ending: job::Ending::default(),
            held: None,
        })
    }

    /// A socket for it, where they are had; one that cannot be made is no loss but of time. Programs in plain cells
    /// would read its path and with it the agent's name (proc(5), `/proc/net/unix`).
    fn listen(&self, number: u64) -> Option<Listening> {
        let listening = self.wires.as_ref().filter(|_| self.cells == CellKind::Namespaced)?.listen(number);
        let told = |error: &std::io::Error| tracing::warn!(sandbox = number, %error, "it has no socket");
        listening.inspect_err(told).ok()
    }

    /// In an engine that maps its containers' root to a user of the host, gives that one the container's cgroup.
    async fn give_cgroup(&self, branch: &str, container: &ContainerId) -> Result<(), SandboxError> {
        if let (Isolation::Userns, Some(tree)) = (self.isolation, &self.cgroups) {
            let pid = self.engine.init_pid(container).await?;
            let map = std::fs::read_to_string(format!("/proc/{pid}/uid_map")).unwrap_or_default();
            if let Some(uid) = facts::mapped_root(&map) {
                tree.give_to(branch, &container.0, uid)?;
            }
        }
        Ok(())
    }

    fn setup(&self, number: u64, container: &ContainerId, wire: bool) -> Setup {
        let place = self.cgroups.as_ref();
        let place = place.map(|tree| CgroupPlace { version: tree.layout().version(), path: container.0.clone() });
        let (cgroup, container_cpu) = if self.has_cell_cgroups() { (place, None) } else { (None, place) };
        Setup {
            version: SUPERVISOR_VERSION,
            host_uid: self.uids.program(number),
            judge_uid: self.uids.judge(number),
            cells: self.cells,
            cgroup,
            container_cpu,
            cpus: self.proof_cpus.clone(),
            wire,
        }
    }

    /// Whether cells get cgroups of their own: gVisor shows its sandboxes none of the host's.
    #[must_use]
    pub fn has_cell_cgroups(&self) -> bool {
        self.cgroups.is_some() && self.isolation != Isolation::Gvisor
    }

    /// Destroys what is left of a sandbox; gives whether all is gone. Failures are logged: the sweep at
    /// the agent's end tries again.
    pub async fn destroy(&self, remains: &Remains) -> bool {
        let mut gone = true;
        if let Some(container) = &remains.container
            && let Err(error) = self.engine.remove(container).await
        {
            gone = false;
            tracing::warn!(sandbox = remains.number, error = chain(&error), "container was not removed");
        }
        if let Some(tree) = &self.cgroups
            && let Err(error) = tree.remove_sandbox(&remains.number.to_string()).await
        {
            gone = false;
            tracing::warn!(sandbox = remains.number, error = chain(&error), "cgroups were not removed");
        }
        gone
    }
}

/// Greets the supervisor and lets it prove a cell; what is said after that goes over its socket, if it has one.
async fn handshake(
    mut wires: SupervisorWires,
    setup: Setup,
    listening: Option<Listening>,
) -> Result<(SupervisorWires, SandboxFacts), SandboxError> {
    let doing = "get ready";
    match wires.receive(READY_WAIT, doing).await? {
        Report::Ready { version: SUPERVISOR_VERSION } => {}
        Report::Ready { version } => return Err(SandboxError::Version(version)),
        other => return Err(out_of_turn(other, doing)),
    }
    wires.send(&Request::Setup(setup), SEND_WAIT).await?;
    let doing = "prove a cell";
    let facts = match wires.receive(SETUP_WAIT, doing).await? {
        Report::SetUp(facts) => facts,
        other => return Err(out_of_turn(other, doing)),
    };
    match listening {
        Some(listening) if facts.wire => {
            let socket = listening.take().await.map_err(SandboxError::Wire)?;
            Ok((wires.over(socket), facts))
        }
        None if facts.wire => Err(SandboxError::OutOfTurn { doing }),
        _ => Ok((wires, facts)),
    }
}

/// The error that `report` is where another was expected.
fn out_of_turn(report: Report, doing: &'static str) -> SandboxError {
    match report {
        Report::Fault { message } => SandboxError::Fault(short(message)),
        Report::NoCell { message } => SandboxError::NoCell(short(message)),
        _ => SandboxError::OutOfTurn { doing },
    }
}

/// `text` within [`TEXT_CHARS_MAX`], without control characters: it goes to logs and messages.
fn short(text: impl AsRef<str>) -> String {
    text.as_ref().chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect()
}

/// Seconds since 1970, as deadlines of containers count.
pub(crate) fn unix_seconds() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// An error and its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let words = source.to_string();
        // Some libraries' errors repeat their cause already.
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = source.source();
    }
    text
}

impl Sandbox {
    /// Its number on this agent.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What is to be destroyed in the end.
    #[must_use]
    pub fn remains(&self) -> Remains {
        Remains { number: self.number, container: Some(self.container.clone()) }
    }

    /// Whether it ended, or spoke although nothing was asked of it. For idle sandboxes.
    pub fn has_ended(&mut self) -> bool {
        self.wires.has_ended()
    }

    /// Ends it, for who then destroys what remains. An engine kills a container that still runs by a process of
    /// its runtime's, which costs a tenth of the whole container.
    pub async fn end(mut self) {
        // The last of all would take long to end on a busy machine. A cgroup that cannot be written is going anyway.
        let _ = self.weigh_as_others();
        self.wires.end(END_WAIT).await;
    }

    /// What its supervisor found of it.
    #[must_use]
    pub fn facts(&self) -> &SandboxFacts {
        &self.facts
    }

    /// Its cells are plain: what one leaves the next finds, and nothing hides an interactor.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.cells == CellKind::Plain
    }
}

#[cfg(test)]
mod tests;
