//! Proves at the start, with one sandbox, that this host keeps the profile's promises.
//!
//! Two witnesses: the supervisor says what it finds from inside (limits,
//! filter, capabilities, a cell that it made), and the host's own
//! `/proc/<pid>/cgroup` says where the container really is. An agent that
//! cannot prove it does not start: an option that an engine drops in silence
//! must not become a sandbox that holds nobody.

use enclos_protocol::job::Isolation;

use crate::engine::EngineError;
use crate::sandbox::{Host, SandboxError};

/// Why the host does not qualify.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// There is no image for it.
    #[error("the probe's image cannot be made")]
    Image(#[source] EngineError),
    /// It did not start, or is not what the profile says.
    #[error("a sandbox of isolation '{isolation}' does not work on this host")]
    Sandbox {
        /// Which isolation was tried.
        isolation: &'static str,
        /// What failed.
        source: SandboxError,
    },
    /// It cannot be found on the host.
    #[error("the probe cannot be found on the host")]
    Inspect(#[source] EngineError),
    /// The engine put it elsewhere.
    #[error("the engine ignored the agent's cgroup: the probe is outside of it in {}", .0.join(", "))]
    OutsideCgroup(Vec<String>),
}

/// Number of the probe; sandboxes of the pool begin with 1.
const PROBE_NUMBER: u64 = 0;

/// Makes a sandbox as the pool would, looks at it, and destroys it.
///
/// # Errors
/// [`ProbeError`] names what does not hold.
pub async fn probe(host: &Host) -> Result<(), ProbeError> {
    let image = host.engine.probe_image().await.map_err(ProbeError::Image)?;
    match host.open(PROBE_NUMBER, &image).await {
        Ok(sandbox) => {
            let remains = sandbox.remains();
            let placed = placed(host, &remains).await;
            drop(sandbox);
            host.destroy(&remains).await;
            placed
        }
        Err((source, remains)) => {
            host.destroy(&remains).await;
            Err(ProbeError::Sandbox { isolation: isolation_name(host.isolation), source })
        }
    }
}

/// The host's side: the container's first process is below the agent's cgroup.
async fn placed(host: &Host, remains: &crate::sandbox::Remains) -> Result<(), ProbeError> {
    let (Some(tree), Some(container)) = (&host.cgroups, &remains.container) else { return Ok(()) };
    let pid = host.engine.init_pid(container).await.map_err(ProbeError::Inspect)?;
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let outside = tree.outside_of(&PROBE_NUMBER.to_string(), &text);
    if outside.is_empty() { Ok(()) } else { Err(ProbeError::OutsideCgroup(outside)) }
}

/// The isolation as the operator writes it.
#[must_use]
pub fn isolation_name(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::Runc => "runc",
        Isolation::Userns => "userns",
        Isolation::Gvisor => "gvisor",
    }
}
