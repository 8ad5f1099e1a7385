//! Where the agent runs: on its engine's host, or beside it in a pod.
//!
//! ```text
//!  pod ── cgroup ─┬─ agent                          one process namespace, one volume with the engine's socket
//!                 └─ engine ── enclos-<agent> ── …  made by the agent through /proc/<engine>/root
//! ```
//!
//! Containers of a pod share neither mounts nor cgroups. The kernel says who listens on the engine's
//! socket (unix(7), `SO_PEERCRED`), and that process's root is where the engine sees its cgroups. They begin at the
//! engine's own container, so whatever is made there is held by the pod.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use enclos_protocol::ids::AgentName;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;

use crate::cgroup::{CgroupTree, DetectError, Layout, Seat};
use crate::headroom::HEADROOM_CPU_MILLIS;
use crate::machine::{Machine, OwnCgroup};

/// Where an engine listens when nothing else is said.
const SOCKET_DEFAULT: &str = "/var/run/docker.sock";
/// Memory of the engine's own processes, in bytes: dockerd, containerd, and a shim for each sandbox.
const ENGINE_MEMORY_BYTES: u64 = 512 * 1024 * 1024;
/// Least processor share that is worth offering, in thousandths of a core.
const CPU_MILLIS_MIN: u32 = 100;
/// Pause between two looks whether the engine lives.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Flags of an agent in a pod.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "In a pod")]
pub struct PodFlags {
    /// The engine is another container of this agent's pod, in the same process namespace: every sandbox must
    /// then be beneath the pod's cgroup.
    #[arg(long, env = "ENCLOS_POD")]
    pub pod: bool,
    /// Processor limit of the engine's container, in thousandths of a core [default: that of its cgroup].
    #[arg(long, env = "ENCLOS_POD_CPU_MILLIS", requires = "pod", value_name = "MILLIS")]
    pub pod_cpu_millis: Option<u32>,
    /// Memory limit of the engine's container, in bytes [default: that of its cgroup].
    #[arg(long, env = "ENCLOS_POD_MEMORY_BYTES", requires = "pod", value_name = "BYTES")]
    pub pod_memory_bytes: Option<u64>,
}

/// Why the engine of the pod cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PodError {
    /// Nobody to ask.
    #[error("in a pod the engine is reached by a socket: DOCKER_HOST must be unix:///PATH, not '{0}'")]
    NoSocket(String),
    /// It does not answer.
    #[error("no engine listens on {}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is in another process namespace.
    #[error("the engine's process cannot be seen from here: the pod needs shareProcessNamespace: true")]
    Unseen,
    /// It is seen and not reached.
    #[error("the engine's process {pid} cannot be reached: the agent's container needs the capability SYS_PTRACE")]
    Reach {
        /// Its id.
        pid: i32,
        /// Why.
        source: io::Error,
    },
    /// Its cgroups will not do.
    #[error("the cgroups of the engine's container will not do")]
    Cgroups(#[source] DetectError),
    /// Nothing holds the pod.
    #[error("the engine's container has no {0} limit: the pod's manifest has to set one")]
    Unlimited(&'static str),
}

/// Where the agent runs.
#[derive(Debug)]
pub enum Place {
    /// On the engine's host.
    Host,
    /// Beside it in a pod.
    Pod(PodEngine),
}

/// The engine in the agent's pod.
#[derive(Debug)]
pub struct PodEngine {
    /// Its `/proc/<pid>/stat`; reading fails once the process is gone, whoever has its id then.
    stat: File,
    layout: Layout,
    seat: Seat,
    cpu_millis: u32,
    memory_bytes: u64,
}

impl Place {
    /// The place that `flags` name.
    ///
    /// # Errors
    /// [`PodError`] says what the pod lacks.
    pub fn find(flags: &PodFlags) -> Result<Self, PodError> {
        if flags.pod { PodEngine::find(flags).map(Self::Pod) } else { Ok(Self::Host) }
    }

    /// What may be used here.
    #[must_use]
    pub fn machine(&self) -> Machine {
        let machine = Machine::detect(&self.own_cgroup());
        match self {
            Self::Host => machine,
            Self::Pod(pod) => Machine {
                cpu_millis: pod.cpu_millis.saturating_sub(HEADROOM_CPU_MILLIS).max(CPU_MILLIS_MIN),
                memory_bytes: pod.memory_bytes.min(machine.memory_bytes).saturating_sub(ENGINE_MEMORY_BYTES),
                is_pod: true,
                ..machine
            },
        }
    }

    /// The cgroup whose memory is what jobs have.
    #[must_use]
    pub fn own_cgroup(&self) -> OwnCgroup {
        match self {
            Self::Host => OwnCgroup::detect(Layout::of_host().ok().as_ref()),
            Self::Pod(pod) => pod.own_cgroup().unwrap_or_default(),
        }
    }

    /// The cgroups of `agent` here; nothing is made yet.
    ///
    /// # Errors
    /// [`DetectError`] where the host's will not do.
    pub fn tree(&self, agent: &AgentName) -> Result<CgroupTree, DetectError> {
        match self {
            Self::Host => Layout::of_host().map(|layout| CgroupTree::new(layout, agent)),
            Self::Pod(pod) => Ok(CgroupTree::new(pod.layout.clone(), agent).seated(pod.seat.clone())),
        }
    }

    /// Most that a cgroup may be given here, in thousandths of a core.
    #[must_use]
    pub fn cpu_millis_max(&self) -> u32 {
        match self {
            Self::Host => u32::MAX,
            Self::Pod(pod) => pod.cpu_millis,
        }
    }

    /// Waits for the end of the engine in the pod; elsewhere for ever: a host's engine comes back to the same cgroups.
    pub async fn engine_ended(&self) {
        match self {
            Self::Host => std::future::pending().await,
            Self::Pod(pod) => {
                while pod.is_alive() {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        }
    }
}

impl PodEngine {
    fn find(flags: &PodFlags) -> Result<Self, PodError> {
        let path = socket(std::env::var("DOCKER_HOST").ok().as_deref())?;
        let connect = |source| PodError::Connect { path: path.clone(), source };
        let stream = UnixStream::connect(&path).map_err(connect)?;
        let pid = getsockopt(&stream, PeerCredentials).map_err(|e| connect(e.into()))?.pid();
        if pid <= 0 {
            return Err(PodError::Unseen);
        }
        let process = PathBuf::from(format!("/proc/{pid}"));
        let reach = |source| PodError::Reach { pid, source };
        let stat = File::open(process.join("stat")).map_err(reach)?;
        fs::read_dir(process.join("root")).map_err(reach)?;
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let seat = Seat::pod(process.join("root"), own);
        let layout = Layout::seen(&process.join("mountinfo"), &seat).map_err(PodError::Cgroups)?;
        let mut engine = Self { stat, layout, seat, cpu_millis: 0, memory_bytes: 0 };
        let cpu = least(engine.cpu_limit_millis(), flags.pod_cpu_millis);
        let limit = engine.own_cgroup().and_then(|own| own.memory_limit_bytes());
        let memory = least(limit, flags.pod_memory_bytes);
        engine.cpu_millis = cpu.ok_or(PodError::Unlimited("cpu"))?;
        engine.memory_bytes = memory.ok_or(PodError::Unlimited("memory"))?;
        Ok(engine)
    }

    fn own_cgroup(&self) -> Option<OwnCgroup> {
        self.directory("memory").map(|directory| OwnCgroup::at(directory, self.is_v2()))
    }

    fn is_v2(&self) -> bool {
        matches!(self.layout, Layout::V2 { .. })
    }

    /// The engine's own cgroup of a controller, for the agent.
    fn directory(&self, controller: &str) -> Option<PathBuf> {
        self.layout.mount_of(controller).map(|mount| self.seat.at(mount))
    }

    fn cpu_limit_millis(&self) -> Option<u32> {
        let directory = self.directory("cpu")?;
        let read = |name: &str| fs::read_to_string(directory.join(name)).ok();
        if self.is_v2() {
            return cpu_millis(&read("cpu.max")?);
        }
        cpu_millis(&format!("{} {}", read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?.trim()))
    }

    fn is_alive(&self) -> bool {
        let mut stat = &self.stat;
        let mut text = String::new();
        let read = stat.rewind().and_then(|()| stat.read_to_string(&mut text));
        // The state stands behind the name, which may hold anything; a zombie serves nobody.
        read.is_ok() && text.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z"))
    }
}

/// The path in a `DOCKER_HOST`.
fn socket(variable: Option<&str>) -> Result<PathBuf, PodError> {
    match variable {
        None => Ok(PathBuf::from(SOCKET_DEFAULT)),
        Some(text) => match text.strip_prefix("unix://").map(Path::new) {
            Some(path) if path.is_absolute() => Ok(path.to_owned()),
            _ => Err(PodError::NoSocket(text.to_owned())),
        },
    }
}

fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}

/// A quota and its period as cgroups write them, in thousandths of a core; `None` for none.
fn cpu_millis(text: &str) -> Option<u32> {
    let (quota, period) = text.trim().split_once(' ')?;
    let (quota, period): (u64, u64) = (quota.parse().ok()?, period.parse().ok()?);
    u32::try_from((quota * 1000).checked_div(period)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_read_in_the_words_of_both_versions() {
        assert_eq!(cpu_millis("150000 100000\n"), Some(1500));
        assert_eq!(cpu_millis("max 100000\n"), None);
        assert_eq!(cpu_millis("-1 100000"), None);
        assert_eq!(cpu_millis(""), None);
    }

    #[test]
    fn an_engine_elsewhere_than_behind_a_socket_is_no_pods() {
        assert_eq!(socket(None).unwrap(), Path::new(SOCKET_DEFAULT));
        assert_eq!(socket(Some("unix:///run/e/docker.sock")).unwrap(), Path::new("/run/e/docker.sock"));
        assert!(socket(Some("tcp://h:2375")).is_err() && socket(Some("unix://x")).is_err());
    }

    #[test]
    fn the_narrower_limit_counts() {
        assert_eq!(least(Some(3), Some(2)), Some(2));
        assert_eq!((least(None, Some(2)), least::<u32>(None, None)), (Some(2), None));
    }
}
