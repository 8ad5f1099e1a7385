//! Removes what dead agents left: containers by label, cgroups by name.
//!
//! | what is left                                   | at the start        | at the end |
//! |------------------------------------------------|---------------------|------------|
//! | everything of this agent's name                | [`begin`], [`Left`] | [`sweep`]  |
//! | any agent's sandboxes past their deadline      | [`reap`]            |            |
//! | cgroup trees of agents that are no more        | [`reap`]            |            |
//!
//! An agent that died and never came back under its name has no one else to
//! clean up after it. What may belong to one that lives is not touched: a
//! sandbox within its deadline, a tree that its agent holds.
//!
//! A start waits only a moment for removals. Where a container takes longer (a
//! process that the kernel cannot end now, gVisor with thousands of tasks), its
//! removal goes on beside the work, and new sandboxes are numbered after it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::cgroup::{CgroupError, CgroupTree};
use crate::engine::{ContainerId, Engine, EngineError, Labelled};
use crate::sandbox::{chain, unix_seconds};
use enclos_protocol::ids::AgentName;
use futures::{StreamExt, stream};
use tokio::time::{sleep, timeout};

/// Containers that are removed at once.
const REMOVALS_MAX: usize = 4;
/// Longest that a start waits for what an earlier agent left.
const START_WAIT: Duration = Duration::from_secs(3);
/// Pause between two tries to remove what did not go.
const RETRY_PAUSE: Duration = Duration::from_secs(30);

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

/// Removes everything of `agent`, when nothing of it works any more.
///
/// # Errors
/// [`SweepError`], after everything was tried.
pub async fn sweep(engine: &dyn Engine, cgroups: Option<&CgroupTree>, agent: &AgentName) -> Result<(), SweepError> {
    let failed = remove(engine, own(engine, agent).await?.into_iter().map(|c| c.id).collect()).await;
    log(&failed);
    if !failed.is_empty() {
        return Err(SweepError::Containers(failed.len()));
    }
    remove_tree(cgroups).await
}

/// Containers of an earlier agent of this name that a start did not wait for.
#[derive(Debug, Default)]
pub struct Left(Vec<Labelled>);

/// Removes what earlier agents of this name left, as far as it goes within [`START_WAIT`].
///
/// # Errors
/// [`SweepError`]; what does not go in time is none, unless nobody knows which numbers it has.
pub async fn begin(engine: &dyn Engine, cgroups: Option<&CgroupTree>, agent: &AgentName) -> Result<Left, SweepError> {
    let found = own(engine, agent).await?;
    // The engine goes on with what it was asked, and what it refuses is still listed.
    let _ = timeout(START_WAIT, remove(engine, found.iter().map(|c| c.id.clone()).collect())).await;
    let left = if found.is_empty() { Vec::new() } else { own(engine, agent).await? };
    let removed = found.len().saturating_sub(left.len());
    if removed > 0 {
        tracing::info!(containers = removed, "removed what an earlier agent of this name left");
    }
    if left.is_empty() {
        remove_tree(cgroups).await?;
    } else if left.iter().any(|container| container.number.is_none()) {
        return Err(SweepError::Containers(left.len()));
    } else {
        tracing::warn!(containers = left.len(), "what an earlier agent left is not gone yet, its removal goes on");
    }
    Ok(Left(left))
}

impl Left {
    /// The least number that no sandbox has that is still there.
    #[must_use]
    pub fn first_number(&self) -> u64 {
        self.0.iter().filter_map(|container| container.number).max().map_or(0, |number| number + 1)
    }

    /// Goes on until all is gone, cgroups too.
    pub async fn remove(self, engine: Arc<dyn Engine>, cgroups: Option<CgroupTree>, agent: AgentName) {
        let mut left = self.0;
        while !left.is_empty() {
            // Why it failed was told by the start, or will be by the sweep at the end.
            remove(engine.as_ref(), left.iter().map(|c| c.id.clone()).collect()).await;
            if let Ok(still) = own(engine.as_ref(), &agent).await {
                let (stays, gone): (Vec<_>, Vec<_>) = left.into_iter().partition(|one| still.contains(one));
                left = stays;
                for number in gone.iter().filter_map(|container| container.number) {
                    remove_branch(cgroups.as_ref(), number).await;
                }
                if left.is_empty() {
                    return tracing::info!("what an earlier agent left is gone");
                }
            }
            sleep(RETRY_PAUSE).await;
        }
    }
}

async fn own(engine: &dyn Engine, agent: &AgentName) -> Result<Vec<Labelled>, SweepError> {
    let all = engine.containers().await.map_err(SweepError::List)?;
    Ok(all.into_iter().filter(|c| c.agent == agent.as_str()).collect())
}

async fn remove_tree(cgroups: Option<&CgroupTree>) -> Result<(), SweepError> {
    match cgroups {
        Some(tree) => tree.remove_agent().await.map_err(SweepError::Cgroups),
        None => Ok(()),
    }
}

async fn remove_branch(cgroups: Option<&CgroupTree>, number: u64) {
    if let Some(tree) = cgroups
        && let Err(error) = tree.remove_sandbox(&number.to_string()).await
    {
        tracing::warn!(sandbox = number, error = chain(&error), "cgroups were not removed");
    }
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
        log(&remove(engine, overdue).await);
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

/// Removes them; gives those that could not be.
async fn remove(engine: &dyn Engine, containers: Vec<ContainerId>) -> Vec<(ContainerId, EngineError)> {
    let removals = stream::iter(containers).map(|container| async move {
        let removed = engine.remove(&container).await;
        removed.err().map(|error| (container, error))
    });
    removals.buffer_unordered(REMOVALS_MAX).filter_map(|failed| async move { failed }).collect().await
}

fn log(failed: &[(ContainerId, EngineError)]) {
    for (container, error) in failed {
        tracing::warn!(container = container.0, error = chain(error), "leftover was not removed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fake::FakeEngine;

    fn container(agent: &str, is_sandbox: bool, deadline_unix_s: Option<u64>) -> Labelled {
        let id = ContainerId(format!("{agent}-{is_sandbox}-{deadline_unix_s:?}"));
        Labelled { id, agent: agent.to_owned(), is_sandbox, number: Some(7), deadline_unix_s }
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
        sweep(&engine, None, &"mine".parse().unwrap()).await.unwrap();
        let left = engine.containers().await.unwrap();
        assert_eq!(left.len(), 4);
        assert!(left.iter().all(|c| c.agent == "other"));
    }

    /// A start waits a moment; the removal goes on, and nothing new takes a number that is not free.
    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_removed_now_keeps_no_agent_from_starting() {
        let engine = Arc::new(FakeEngine::default());
        let agent: AgentName = "mine".parse().unwrap();
        engine.adopt(container("mine", true, Some(1)));
        engine.adopt(Labelled { number: Some(3), ..container("mine", true, None) });
        engine.hold_removals(true);
        let begun = tokio::time::Instant::now();
        let left = begin(engine.as_ref(), None, &agent).await.unwrap();
        assert_eq!((begun.elapsed(), left.first_number()), (START_WAIT, 8));
        let mut removal = tokio::task::JoinSet::new();
        removal.spawn(left.remove(Arc::clone(&engine) as _, None, agent.clone()));
        tokio::time::sleep(2 * RETRY_PAUSE).await;
        assert!(engine.live() == 2 && removal.try_join_next().is_none(), "it goes on");
        engine.hold_removals(false);
        removal.join_next().await.unwrap().unwrap();
        assert_eq!(engine.live(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_start_with_nothing_left_waits_for_nothing() {
        let engine = FakeEngine::default();
        several(&engine);
        let begun = tokio::time::Instant::now();
        let left = begin(&engine, None, &"mine".parse().unwrap()).await.unwrap();
        assert_eq!((begun.elapsed(), left.first_number(), engine.live()), (Duration::ZERO, 0, 4));
    }

    #[tokio::test(start_paused = true)]
    async fn numbers_that_nobody_knows_are_waited_for() {
        let engine = FakeEngine::default();
        engine.adopt(Labelled { number: None, ..container("mine", true, None) });
        engine.hold_removals(true);
        let refused = begin(&engine, None, &"mine".parse().unwrap()).await;
        assert!(matches!(refused, Err(SweepError::Containers(1))));
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
