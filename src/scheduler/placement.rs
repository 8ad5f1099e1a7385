//! Which agent gets a job: of those with room, the one where it costs least. Pure.
//!
//! The least is found by branch and bound in the fleet's tree: a branch is left where none beneath it
//! could take the job, or where the cheapest that could be there is dearer than the best so far. What
//! a job costs is what the agent costs anyhow (how busy it is, what is held against it), and what
//! this job adds: an image or a sandbox that is not there, a compile step that another remembers.
//!
//! Agents that are told apart by load so late as by heartbeats would all be chosen at once by all;
//! here one task decides and counts what it promised at once, so that the least is the least (Prequal,
//! NSDI 2024, has to draw from few for the want of that).

use std::collections::BTreeSet;
use std::time::Instant;

use enclos_protocol::agent_link::ImageState;
use enclos_protocol::ids::AgentName;

use super::fleet::{Agent, Bit, Fleet, Languages, Packing, Summary, Tree};
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
/// In a larger fleet, who remembers a compile step is looked for only where it was last given.
const ASKED_ALL_MAX: usize = 64;

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
}

/// What a node must have that is worth a look.
#[derive(Clone, Copy)]
struct Query<'a> {
    demand: &'a Demand,
    needed: Languages,
    bits: [Option<Bit>; 2],
    /// What every agent adds, or nearly every.
    added: u64,
    packing: Packing,
    /// Whoever is first by name, whatever it costs.
    by_name: bool,
}

/// The best so far: cost, label, place.
type Best = Option<(u64, u64, usize)>;

/// The agent for a job, or `None` where nobody has room.
///
/// The master's own agent is chosen only when no other has room.
#[must_use]
pub fn choose<'a>(fleet: &'a Fleet, ask: Ask<'_>, now: Instant) -> Option<&'a Agent> {
    let looks_everywhere = fleet.len() <= ASKED_ALL_MAX;
    let compiles = ask.compile_key.is_some() && fleet.rules().packing == Packing::Spread;
    let query = Query::of(fleet, ask.demand, if compiles && !looks_everywhere { COMPILE } else { 0 })?;
    let accept = |place: usize| {
        let agent = fleet.at(place)?;
        let fits = agent.has_room(ask.demand, fleet.rules(), now) && !ask.held.contains(&agent.name);
        fits.then(|| fleet.leaf(place).cost + added(fleet, agent, ask))
    };
    let hinted = ask.compile_key.and_then(|key| fleet.compiled_at(key)).map(|(agent, place, _)| (agent.label(), place));
    let mut best = hinted.and_then(|(label, place)| Some((accept(place)?, label, place)));
    search(fleet, Tree::ROOT, &query, &|node| could_have(node, ask.demand), &accept, &mut best);
    fleet.at(best?.2)
}

/// Whether an agent of which this is known may have room now for a job that needs these languages:
/// `false` is certain.
#[must_use]
pub fn may_have_room(leaf: &Summary, demand: &Demand, needed: Languages) -> bool {
    could_have(leaf, demand) && could_be_under(leaf, demand, needed)
}

/// The languages that a job needs; `None`: no agent ever offered one of them. It never changes afterwards.
#[must_use]
pub fn needed(fleet: &Fleet, demand: &Demand) -> Option<Languages> {
    let mut needed = Languages::NONE;
    for id in demand.languages() {
        needed.insert(fleet.bit(id)?);
    }
    Some(needed)
}

fn could_be_under(node: &Summary, demand: &Demand, needed: Languages) -> bool {
    node.offered.holds(needed) && node.isolation >= demand.isolation && (node.interactive || !demand.interactive)
}

fn could_have(node: &Summary, demand: &Demand) -> bool {
    node.free.holds(demand.room) && (node.installs_now || !demand.installs)
}

/// The agent to be kept free until a job that needs much of one fits: always the same, so that
/// room gathers there.
#[must_use]
pub fn hold<'a>(fleet: &'a Fleet, demand: &Demand) -> Option<&'a Agent> {
    let query = Query { by_name: true, ..Query::of(fleet, demand, 0)? };
    let could_have = |node: &Summary| node.capacity.holds(demand.room) && (node.installs || !demand.installs);
    let accept = |place: usize| fleet.at(place).filter(|agent| agent.could_run(demand)).map(|_| 0);
    let mut best = None;
    search(fleet, Tree::ROOT, &query, &could_have, &accept, &mut best);
    fleet.at(best?.2)
}

impl<'a> Query<'a> {
    /// `None`: no agent ever offered its language.
    fn of(fleet: &Fleet, demand: &'a Demand, added: u64) -> Option<Self> {
        let (mut needed, mut bits) = (Languages::NONE, [None; 2]);
        for (id, place) in demand.languages().zip(&mut bits) {
            let bit = fleet.bit(id)?;
            needed.insert(bit);
            *place = Some(bit);
        }
        Some(Self { demand, needed, bits, added, packing: fleet.rules().packing, by_name: false })
    }

    fn may_be_under(&self, node: &Summary) -> bool {
        could_be_under(node, self.demand, self.needed)
    }

    /// The least that it may cost beneath a node.
    fn least(&self, node: &Summary) -> (u64, u64) {
        if self.by_name {
            return (0, node.label);
        }
        let missing = |has: &Languages, cost: u64| -> u64 {
            self.bits.iter().flatten().map(|bit| if has.has(*bit) { 0 } else { cost }).sum()
        };
        let cold = if self.packing == Packing::Spread { missing(&node.warm, COLD) } else { 0 };
        let cost = node.cost.saturating_add(missing(&node.ready, NO_IMAGE) + cold + self.added);
        (cost, node.label)
    }
}

fn search(
    fleet: &Fleet,
    node: usize,
    query: &Query<'_>,
    could_have: &impl Fn(&Summary) -> bool,
    accept: &impl Fn(usize) -> Option<u64>,
    best: &mut Best,
) {
    let summary = fleet.tree().node(node);
    if !could_have(summary) || !query.may_be_under(summary) {
        return;
    }
    if best.is_some_and(|(cost, label, _)| query.least(summary) >= (cost, label)) {
        return;
    }
    if let Some(place) = fleet.tree().leaf(node) {
        let Some(cost) = accept(place) else { return };
        let found = (cost, summary.label, place);
        if best.is_none_or(|best| (found.0, found.1) < (best.0, best.1)) {
            *best = Some(found);
        }
        return;
    }
    let (left, right) = (2 * node, 2 * node + 1);
    let is_left_first = query.least(fleet.tree().node(left)) <= query.least(fleet.tree().node(right));
    for child in if is_left_first { [left, right] } else { [right, left] } {
        search(fleet, child, query, could_have, accept, best);
    }
}

/// What this job adds to what its agent costs anyhow.
fn added(fleet: &Fleet, agent: &Agent, ask: Ask<'_>) -> u64 {
    let ready = |id: &str| agent.language(id).is_some_and(|l| l.image == ImageState::Ready);
    let image: u64 = ask.demand.languages().map(|id| if ready(id) { 0 } else { NO_IMAGE }).sum();
    let failed = if ask.avoid == Some(&agent.name) { FAILED_THERE } else { 0 };
    if fleet.rules().packing == Packing::Pack {
        return image + failed;
    }
    let cold: u64 = ask.demand.languages().map(|id| if agent.warm(id) > 0 { 0 } else { COLD }).sum();
    // What was given since its last report, it could not say yet.
    let given =
        |key| fleet.compiled_at(key).is_some_and(|(at, _, given)| at.name == agent.name && given >= agent.last_seen);
    let compile = if ask.compile_key.is_none_or(|key| agent.has_compiled(key) || given(key)) { 0 } else { COMPILE };
    image + failed + cold + compile
}

/// What a job costs on an agent, and the agent's place by name.
#[cfg(test)]
pub(super) fn cost(fleet: &Fleet, agent: &Agent, ask: Ask<'_>) -> (u64, u64) {
    (fleet.leaf_of(&agent.name).cost + added(fleet, agent, ask), agent.label())
}
