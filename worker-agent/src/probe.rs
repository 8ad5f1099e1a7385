//! Proves at the start, with one sandbox, that this host keeps the profile's promises.
//!
//! Two witnesses: the supervisor says what it finds from inside (limits,
//! filter, capabilities, a cell that it made), and the host's own
//! `/proc/<pid>/cgroup` says where the container really is. An agent that
//! cannot prove it does not start: an option that an engine drops in silence
//! must not become a sandbox that holds nobody.
//!
//! ```text
//!  namespaced cells ── hold ──▶ start
//!        │ the supervisor can make none, and the operator leaves the choice (auto)
//!        ▼
//!  plain cells ─────── hold ──▶ start, one job for each sandbox
//! ```
//! Whatever else fails refuses the start: a probe that was ill for a moment must not weaken an agent for its life.

use enclos_protocol::job::Isolation;
use enclos_protocol::supervisor_link::CellKind;

use crate::config::Cells;
use crate::engine::EngineError;
use crate::sandbox::wire::WireDir;
use crate::sandbox::{Host, SandboxError, chain};

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

/// Proves `host` with sandbox `number`; where it can have no namespaced cells and `cells` leaves the choice, makes it one of plain cells.
///
/// # Errors
/// [`ProbeError`] names what does not hold.
pub async fn prove(host: &mut Host, cells: Cells, number: u64) -> Result<(), ProbeError> {
    match prove_cells(host, cells, number).await {
        // An engine elsewhere does not see the agent's directory, and makes or starts no container with a socket of it.
        Err(ProbeError::Sandbox { source, .. }) if host.wires.is_some() && may_be_the_socket(&source) => {
            leave_wires(host, &source);
            prove_cells(host, cells, number).await
        }
        other => other,
    }
}

fn may_be_the_socket(error: &SandboxError) -> bool {
    use EngineError::{Create, Start};
    matches!(error, SandboxError::Engine(Create(_) | Start(_)) | SandboxError::Wire(_))
}

/// What is said to sandboxes goes by way of the engine from here on.
fn leave_wires(host: &mut Host, why: &dyn std::error::Error) {
    tracing::warn!(why = chain(why), "sandboxes take no sockets here: what is said to them goes by way of the engine");
    host.wires.take().inspect(WireDir::remove);
}

async fn prove_cells(host: &mut Host, cells: Cells, number: u64) -> Result<(), ProbeError> {
    match probe(host, number).await {
        Err(ProbeError::Sandbox { source: SandboxError::NoCell(why), .. })
            if cells == Cells::Auto && host.cells == CellKind::Namespaced =>
        {
            tracing::warn!(
                why,
                "this host gives cells no namespaces: each sandbox serves one job from here on, which costs half a \
                 CPU-second a job ('enclos doctor' says how to allow them; --cells namespaced refuses such a start)"
            );
            host.cells = CellKind::Plain;
            probe(host, number).await
        }
        other => other,
    }
}

/// Makes sandbox `number` as the pool would, looks at it, and destroys it.
///
/// # Errors
/// [`ProbeError`] names what does not hold.
pub async fn probe(host: &mut Host, number: u64) -> Result<(), ProbeError> {
    let image = host.engine.probe_image().await.map_err(ProbeError::Image)?;
    match host.open(number, &image).await {
        Ok(sandbox) => {
            let (remains, connected) = (sandbox.remains(), sandbox.facts().wire);
            let placed = placed(host, &remains).await;
            sandbox.end().await;
            host.destroy(&remains).await;
            if host.wires.is_some() && !connected && host.cells == CellKind::Namespaced {
                leave_wires(host, &std::io::Error::from(std::io::ErrorKind::NotConnected));
            }
            placed
        }
        Err((source, remains)) => {
            host.destroy(&remains).await;
            Err(ProbeError::Sandbox { isolation: host.isolation.as_str(), source })
        }
    }
}

/// The host's side: the container's first process is below the agent's cgroup.
async fn placed(host: &Host, remains: &crate::sandbox::Remains) -> Result<(), ProbeError> {
    let (Some(tree), Some(container)) = (&host.cgroups, &remains.container) else { return Ok(()) };
    let pid = host.engine.init_pid(container).await.map_err(ProbeError::Inspect)?;
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let outside = tree.outside_of(&remains.number.to_string(), &text);
    if outside.is_empty() {
        Ok(())
    } else if host.isolation == Isolation::Gvisor {
        // runsc can be told to ignore cgroups, and on some hosts it must be.
        tracing::warn!(
            outside = outside.join(", "),
            "the runtime leaves its sandboxes outside of the agent's cgroup: they are not held to the agent's offer"
        );
        Ok(())
    } else {
        Err(ProbeError::OutsideCgroup(outside))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::engine::fake::{Failing, FakeEngine, good_facts};
    use crate::testing::host;

    /// What `cells` come to on a host where `script` is so.
    async fn proven(cells: Cells, script: impl FnOnce(&FakeEngine)) -> (Result<(), ProbeError>, CellKind, usize) {
        let engine = Arc::new(FakeEngine::default());
        script(&engine);
        let mut host = Arc::into_inner(host(&engine)).expect("nobody else has it");
        if let Cells::Only(kind) = cells {
            host.cells = kind;
        }
        let proof = prove(&mut host, cells, 0).await;
        assert_eq!(engine.live(), 0, "no probe is left");
        (proof, host.cells, engine.made())
    }

    const NAMESPACED: Cells = Cells::Only(CellKind::Namespaced);
    const PLAIN: Cells = Cells::Only(CellKind::Plain);

    #[tokio::test(start_paused = true)]
    async fn namespaced_cells_are_taken_where_they_hold() {
        let (proof, kind, made) = proven(Cells::Auto, |_| {}).await;
        assert!(proof.is_ok());
        assert_eq!((kind, made), (CellKind::Namespaced, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_without_namespaces_gets_plain_cells_only_by_choice() {
        let (proof, kind, made) = proven(Cells::Auto, FakeEngine::refuse_namespaces).await;
        assert!(proof.is_ok());
        assert_eq!((kind, made), (CellKind::Plain, 2));
        let (proof, kind, made) = proven(PLAIN, FakeEngine::refuse_namespaces).await;
        assert!(proof.is_ok());
        assert_eq!((kind, made), (CellKind::Plain, 1));
        let (proof, _, made) = proven(NAMESPACED, FakeEngine::refuse_namespaces).await;
        assert!(matches!(proof, Err(ProbeError::Sandbox { source: SandboxError::NoCell(_), .. })));
        assert_eq!(made, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn no_other_failure_weakens_the_cells() {
        let lax = || enclos_protocol::supervisor_link::SandboxFacts { no_new_privileges: false, ..good_facts() };
        let scripts: [&dyn Fn(&FakeEngine); 2] = [&|engine| engine.fail(Failing::Start), &|engine| engine.find(lax())];
        for script in scripts {
            let (proof, kind, made) = proven(Cells::Auto, script).await;
            assert!(proof.is_err());
            assert_eq!((kind, made), (CellKind::Namespaced, 1));
        }
    }

    /// Whether a host whose engine does `script` keeps its sockets, and containers that it made for that.
    async fn keeps_wires(script: impl FnOnce(&FakeEngine)) -> (bool, usize) {
        let engine = Arc::new(FakeEngine::default());
        script(&engine);
        let run = tempfile::tempdir().unwrap();
        let mut host = Arc::into_inner(host(&engine)).expect("nobody else has it");
        let dir = WireDir::make(run.path(), &host.agent, host.instance).unwrap();
        host.wires = Some(dir);
        prove(&mut host, Cells::Auto, 0).await.unwrap();
        let left = std::fs::read_dir(run.path().join("sandboxes")).unwrap().count();
        assert_eq!(left, usize::from(host.wires.is_some()), "the directory goes with them");
        (host.wires.is_some(), engine.made())
    }

    #[tokio::test]
    async fn where_no_supervisor_reaches_its_socket_all_goes_by_way_of_the_engine() {
        assert_eq!(keeps_wires(|_| {}).await, (false, 1), "the fake's supervisors do not connect");
        assert_eq!(keeps_wires(|engine| engine.fail(Failing::Create)).await, (false, 1));
        assert_eq!(keeps_wires(|engine| engine.fail(Failing::Start)).await, (false, 2));
        let lie = enclos_protocol::supervisor_link::SandboxFacts { wire: true, ..good_facts() };
        assert_eq!(keeps_wires_lied(lie).await, None, "one that says so and is not there");
    }

    async fn keeps_wires_lied(facts: enclos_protocol::supervisor_link::SandboxFacts) -> Option<()> {
        let engine = Arc::new(FakeEngine::default());
        engine.find(facts);
        let run = tempfile::tempdir().unwrap();
        let mut host = Arc::into_inner(host(&engine)).expect("nobody else has it");
        host.wires = Some(WireDir::make(run.path(), &host.agent, host.instance).unwrap());
        prove(&mut host, Cells::Auto, 0).await.ok()
    }
}
