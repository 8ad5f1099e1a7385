//! What others may see of the scheduler's state.

use std::time::Duration;

use enclos_protocol::agent_link::LoadReport;
use enclos_protocol::ids::AgentName;

use super::event::Offer;
use super::fleet::Agent;
use crate::queue::Room;
use crate::store::Prediction;

/// Where a job stands in the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// 1 is next.
    pub position: usize,
    /// When it will start, judged by how fast jobs left lately.
    pub estimated_start: Option<Duration>,
    /// What it is expected to use.
    pub expected: Option<Prediction>,
}

/// How an agent is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AgentState {
    /// It takes jobs.
    Connected,
    /// Its connection is lost.
    Suspect,
    /// It takes no more jobs.
    Draining,
}

/// An agent, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AgentView {
    /// Its name.
    pub name: AgentName,
    /// How it is reached.
    pub state: AgentState,
    /// What it offers.
    pub offer: Offer,
    /// What the jobs placed on it need together.
    pub promised: Room,
    /// What it last said.
    pub load: LoadReport,
    /// How long ago that was.
    pub last_seen: Duration,
}

impl AgentView {
    pub(super) fn of(agent: &Agent, now: std::time::Instant) -> Self {
        let state = match agent.session {
            None => AgentState::Suspect,
            Some(_) if agent.is_draining() => AgentState::Draining,
            Some(_) => AgentState::Connected,
        };
        Self {
            name: agent.name.clone(),
            state,
            offer: agent.offer.clone(),
            promised: agent.promised,
            load: agent.load.clone(),
            last_seen: now.saturating_duration_since(agent.last_seen),
        }
    }
}

/// What one tenant has going on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Share {
    /// Jobs that wait.
    pub queued: usize,
    /// Jobs at agents.
    pub running: usize,
}

/// Counts over all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Jobs that wait.
    pub queued: usize,
    /// Jobs at agents, or whose end is being recorded.
    pub running: usize,
    /// Agents that are connected.
    pub agents_connected: usize,
    /// Agents whose connection is lost.
    pub agents_suspect: usize,
    /// Jobs that the agents which take any take at once.
    pub slots: u64,
}
