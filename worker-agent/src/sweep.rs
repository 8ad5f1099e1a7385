//! Removes what an agent of this name left: containers by label, cgroups by name.
//!
//! Runs at the start, for what a killed predecessor left, and at the end, for
//! what could not be removed in its time. It must not touch another agent's.

use crate::cgroup::{CgroupError, CgroupTree};
use crate::engine::{Engine, EngineError};
use crate::sandbox::chain;
use enclos_protocol::ids::AgentName;
use futures::{StreamExt, stream};

/// Containers that are removed at once.
const REMOVALS_MAX: usize = 4;

/// Which step of a sweep failed.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// Listing.
    #[error("leftovers of this agent cannot be listed")]
    List(#[source] EngineError),
    /// Removing containers.
    #[error("{0} containers of this agent cannot be removed")]
    Containers(usize),
    /// Removing cgroups.
    #[error("cgroups of this agent cannot be removed")]
    Cgroups(#[source] CgroupError),
}

/// Removes everything of `agent`; gives how many containers there were.
///
/// # Errors
/// [`SweepError`], after everything was tried.
pub async fn sweep(engine: &dyn Engine, cgroups: Option<&CgroupTree>, agent: &AgentName) -> Result<usize, SweepError> {
    let containers = engine.containers_of(agent).await.map_err(SweepError::List)?;
    let found = containers.len();
    let removals = stream::iter(containers).map(|container| async move {
        match engine.remove(&container).await {
            Ok(()) => 0,
            Err(error) => {
                tracing::warn!(container = container.0, error = chain(&error), "leftover was not removed");
                1
            }
        }
    });
    let failed: usize = removals.buffer_unordered(REMOVALS_MAX).fold(0, |sum, one| async move { sum + one }).await;
    if failed > 0 {
        return Err(SweepError::Containers(failed));
    }
    if let Some(tree) = cgroups {
        tree.remove_agent().await.map_err(SweepError::Cgroups)?;
    }
    Ok(found)
}
