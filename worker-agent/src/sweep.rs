//! Removes what dead agents left: containers by label, cgroups by name.
//!
//! | what is left                                   | at the start | at the end |
//! |------------------------------------------------|--------------|------------|
//! | everything of this agent's name                | [`sweep`]    | [`sweep`]  |
//! | any agent's sandboxes past their deadline      | [`reap`]     |            |
//! | cgroup trees of agents that are no more        | [`reap`]     |            |
//!
//! An agent that died and never came back under its name has no one else to
//! clean up after it. What may belong to one that lives is not touched: a
//! sandbox within its deadline, a tree that its agent holds.

use std::collections::BTreeSet;

use crate::cgroup::{CgroupError, CgroupTree};
use crate::engine::{ContainerId, Engine, EngineError, Labelled};
use crate::sandbox::{chain, unix_seconds};
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
    let all = engine.containers().await.map_err(SweepError::List)?;
    let own: Vec<ContainerId> = all.into_iter().filter(|c| c.agent == agent.as_str()).map(|c| c.id).collect();
    let found = own.len();
    let failed = remove(engine, own).await;
    if failed > 0 {
        return Err(SweepError::Containers(failed));
    }
    if let Some(tree) = cgroups {
        tree.remove_agent().await.map_err(SweepError::Cgroups)?;
    }
    Ok(found)
}

/// Removes what other agents left behind for good. What cannot be removed is logged: it is no reason
/// for this agent not to start.
pub async fn reap(engine: &dyn Engine, cgroups: Option<&CgroupTree>) {
    let all = match engine.containers().await {
        Ok(all) => all,
        Err(error) => return tracing::warn!(error = chain(&error), "other agents' leftovers were not looked for"),
    };
    let (overdue, kept) = overdue(all, unix_seconds());
    if !overdue.is_empty() {
        tracing::info!(containers = overdue.len(), "removing sandboxes past their deadline");
        remove(engine, overdue).await;
    }
    if let Some(tree) = cgroups {
        for name in tree.remove_abandoned(&kept).await {
            tracing::info!(cgroup = name, "removed the cgroups of an agent that is no more");
        }
    }
}

/// Sandboxes that anyone may remove at `now`, and the agents that have others. Pure.
fn overdue(all: Vec<Labelled>, now_unix_s: u64) -> (Vec<ContainerId>, BTreeSet<String>) {
    let is_overdue = |c: &Labelled| c.is_sandbox && c.deadline_unix_s.is_some_and(|at| at < now_unix_s);
    let (overdue, others): (Vec<Labelled>, Vec<Labelled>) = all.into_iter().partition(is_overdue);
    (overdue.into_iter().map(|c| c.id).collect(), others.into_iter().map(|c| c.agent).collect())
}

/// Removes them; gives how many could not be.
async fn remove(engine: &dyn Engine, containers: Vec<ContainerId>) -> usize {
    let removals = stream::iter(containers).map(|container| async move {
        match engine.remove(&container).await {
            Ok(()) => 0,
            Err(error) => {
                tracing::warn!(container = container.0, error = chain(&error), "leftover was not removed");
                1
            }
        }
    });
    removals.buffer_unordered(REMOVALS_MAX).fold(0, |sum, one| async move { sum + one }).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fake::FakeEngine;

    fn container(agent: &str, is_sandbox: bool, deadline_unix_s: Option<u64>) -> Labelled {
        let id = ContainerId(format!("{agent}-{is_sandbox}-{deadline_unix_s:?}"));
        Labelled { id, agent: agent.to_owned(), is_sandbox, deadline_unix_s }
    }

    fn several(engine: &FakeEngine) {
        for agent in ["mine", "other"] {
            engine.adopt(container(agent, true, Some(1)));
            engine.adopt(container(agent, true, Some(u64::MAX)));
            engine.adopt(container(agent, true, None));
            engine.adopt(container(agent, false, Some(1)));
        }
    }

    #[tokio::test]
    async fn a_sweep_removes_all_of_its_agent_and_nothing_of_another() {
        let engine = FakeEngine::default();
        several(&engine);
        assert_eq!(sweep(&engine, None, &"mine".parse().unwrap()).await.unwrap(), 4);
        let left = engine.containers().await.unwrap();
        assert_eq!(left.len(), 4);
        assert!(left.iter().all(|c| c.agent == "other"));
    }

    #[tokio::test]
    async fn only_sandboxes_past_their_deadline_are_reaped_whoever_made_them() {
        let engine = FakeEngine::default();
        several(&engine);
        reap(&engine, None).await;
        let left = engine.containers().await.unwrap();
        assert_eq!(left.len(), 6);
        assert!(!left.iter().any(|c| c.is_sandbox && c.deadline_unix_s == Some(1)));
    }

    #[test]
    fn an_agent_whose_sandboxes_are_all_overdue_has_none() {
        let all = vec![container("a", true, Some(9)), container("b", true, Some(9)), container("b", true, Some(10))];
        let (overdue, kept) = overdue(all, 10);
        assert_eq!(overdue.len(), 2);
        assert_eq!(kept, BTreeSet::from(["b".to_owned()]));
    }
}
