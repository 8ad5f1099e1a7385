//! Which agent gets a job: of those with room, the one where it costs least. Pure.

use std::collections::BTreeSet;
use std::time::Instant;

use enclos_protocol::agent_link::ImageState;
use enclos_protocol::ids::AgentName;

use super::fleet::Agent;
use crate::queue::Demand;

/// Cost of a job on an agent without a warm sandbox for it, in thousandths of a busy agent: about
/// the time to create one against that of an ordinary job.
const COLD: u64 = 300;
/// Cost where an agent would have to compile what another may remember: less than a cold sandbox
/// and a compiler of a small program take, so that a busy agent is not waited for.
const COMPILE: u64 = 400;
/// Cost where the image is not there: a build takes a minute, so any ready agent is better.
const NO_IMAGE: u64 = 10_000;
/// Cost where the job's last attempt failed.
const FAILED_THERE: u64 = 20_000;
/// Weight of busy processors: programs wait for them first.
const CPU_WEIGHT: u64 = 2;

/// What is to be placed.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// What the job needs.
    pub demand: &'a Demand,
    /// Where its last attempt failed.
    pub avoid: Option<&'a AgentName>,
    /// Agents that are kept free for an older job.
    pub held: &'a BTreeSet<AgentName>,
    /// By what an agent knows that it has compiled the same before.
    pub compile_key: Option<u64>,
    /// An agent that said nothing since then may be cut off: it gets no job.
    pub heard_since: Instant,
}

/// The agent for a job, or `None` where nobody has room.
///
/// The master's own agent is chosen only when no other has room.
#[must_use]
pub fn choose<'a>(agents: impl Iterator<Item = &'a Agent>, ask: Ask<'_>, now: Instant) -> Option<&'a Agent> {
    agents
        .filter(|agent| agent.has_room(ask.demand, now) && !ask.held.contains(&agent.name))
        .filter(|agent| agent.last_seen >= ask.heard_since)
        .min_by_key(|agent| (agent.offer.embedded, cost(agent, ask), agent.name.clone()))
}

/// The agent to be kept free until a job that needs much of one fits: always the same, so that
/// room gathers there.
#[must_use]
pub fn hold<'a>(mut agents: impl Iterator<Item = &'a Agent>, demand: &Demand) -> Option<&'a Agent> {
    agents.find(|agent| agent.could_run(demand))
}

fn cost(agent: &Agent, ask: Ask<'_>) -> u64 {
    let (offer, promised) = (agent.offer.capacity, agent.promised);
    // What was promised counts at once; what is reported is up to a heartbeat old.
    let cpu = permille(promised.cpu_millis, offer.cpu_millis).max(u64::from(agent.load.cpu_busy_permille));
    let memory = permille(promised.memory_bytes, offer.memory_bytes).max(u64::from(agent.load.memory_busy_permille));
    let ready = |id: &str| agent.language(id).is_some_and(|l| l.image == ImageState::Ready);
    let image: u64 = ask.demand.languages().map(|id| if ready(id) { 0 } else { NO_IMAGE }).sum();
    let cold: u64 = ask.demand.languages().map(|id| if agent.warm(id) > 0 { 0 } else { COLD }).sum();
    let failed = if ask.avoid == Some(&agent.name) { FAILED_THERE } else { 0 };
    let compile = if ask.compile_key.is_none_or(|key| agent.has_compiled(key)) { 0 } else { COMPILE };
    CPU_WEIGHT * cpu + memory + permille(promised.slots, offer.slots) + image + cold + compile + failed
}

fn permille(part: u64, whole: u64) -> u64 {
    (part.saturating_mul(1000) / whole.max(1)).min(1000)
}
