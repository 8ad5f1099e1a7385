//! What is known of the agents. Pure.
//!
//! Whatever changes an agent changes its leaf in the [`tree`], by which it is found among ten thousand
//! for a job. What ends by itself, a pause or a silence, is looked at when its time has come.

mod agent;
mod gains;
mod hints;
mod join;
mod languages;
mod names;
#[cfg(test)]
mod tests;
mod tree;
mod trust;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use enclos_protocol::agent_link::LoadReport;
use enclos_protocol::ids::AgentName;

use super::event::{Joining, SessionId};
use crate::metrics::Wear;
use crate::queue::{Demand, Room};

pub use agent::Agent;
pub(super) use gains::Gains;
use join::wear_since;
pub(super) use join::{Before, JoinRefusal};
pub(super) use languages::{Bit, Languages};
pub(super) use tree::{Summary, Tree};

/// Agents that are known at once.
const AGENTS_MAX: usize = 16_384;
/// An agent that is gone for so long, and holds nothing, is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(600);

/// Of those connected, one in so many may be shut at once, and one at least.
const SHUT_PART: usize = 4;

/// Which of the agents that have room is preferred.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Packing {
    /// The least busy.
    #[default]
    Spread,
    /// The first by name, so that the last are free and can be taken away.
    Pack,
}

/// By what agents are judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rules {
    pub packing: Packing,
    /// CPU that may be promised, in thousandths of what is offered.
    pub cpu_promise_permille: u32,
    /// What jobs are expected to use counts, not what they may.
    pub prediction: bool,
    /// An agent that said nothing for longer may be cut off: it gets no job.
    pub silence_max: Duration,
}

/// All agents.
#[derive(Debug)]
pub struct Fleet {
    rules: Rules,
    now: Instant,
    places: Vec<Option<Agent>>,
    unused: Vec<usize>,
    by_name: HashMap<AgentName, usize>,
    names: names::Names,
    sessions: HashMap<SessionId, usize>,
    languages: languages::Table,
    tree: Tree,
    /// When an agent is to be looked at again, since something of it ends by itself.
    wakes: BTreeSet<(Instant, usize)>,
    hints: hints::Hints,
    gains: Gains,
    /// Grows whenever some agent could run what none could before, if it ran nothing else.
    reach: u64,
    /// Grows whenever some agent cannot run what it could before, whatever room it has.
    losses: u64,
    /// What all that take jobs offer together.
    total: Room,
}

impl Fleet {
    pub(super) fn new(rules: Rules, now: Instant) -> Self {
        Self {
            rules,
            now,
            places: Vec::new(),
            unused: Vec::new(),
            by_name: HashMap::new(),
            names: names::Names::default(),
            sessions: HashMap::new(),
            languages: languages::Table::default(),
            tree: Tree::default(),
            wakes: BTreeSet::new(),
            hints: hints::Hints::default(),
            gains: Gains::default(),
            reach: 0,
            losses: 0,
            total: Room::default(),
        }
    }

    /// Every agent, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Agent> {
        self.names.places().filter_map(|place| self.places[place].as_ref())
    }

    /// The agent with this name.
    #[must_use]
    pub fn get(&self, name: &AgentName) -> Option<&Agent> {
        self.at(*self.by_name.get(name)?)
    }

    /// How many are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub(super) fn place_of(&self, name: &AgentName) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(super) fn at(&self, place: usize) -> Option<&Agent> {
        self.places.get(place)?.as_ref()
    }

    /// What stands in the tree for the agent at a place.
    pub(super) fn leaf(&self, place: usize) -> Summary {
        self.tree.at(place)
    }

    #[cfg(test)]
    pub(super) fn leaf_of(&self, name: &AgentName) -> Summary {
        self.leaf(self.by_name[name])
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The bit of a language; `None`: no agent ever offered it.
    pub(super) fn bit(&self, language: &str) -> Option<Bit> {
        self.languages.known(language)
    }

    /// Where a job with this compile step was last given, and when.
    pub(super) fn compiled_at(&self, key: u64) -> Option<(&Agent, usize, Instant)> {
        let (place, given) = self.hints.last(key)?;
        Some((self.at(place)?, place, given))
    }

    /// Whether some agent can take what it could not when that was last asked for.
    pub(super) fn has_gained(&self) -> bool {
        !self.gains.is_empty()
    }

    /// Which agents can take what they could not when this was last asked for.
    pub(super) fn take_gains(&mut self) -> Gains {
        std::mem::take(&mut self.gains)
    }

    /// Grows whenever some agent could run what none could before, if it ran nothing else.
    pub(super) fn reach(&self) -> u64 {
        self.reach
    }

    /// Grows whenever some agent cannot run what it could before, whatever room it has.
    pub(super) fn losses(&self) -> u64 {
        self.losses
    }

    /// What all that take jobs offer together.
    pub(super) fn total(&self) -> Room {
        self.total
    }

    /// Time passed: pauses end.
    pub(super) fn advance(&mut self, now: Instant) {
        self.now = now;
        while let Some((_, place)) = self.wakes.first().copied().filter(|(at, _)| *at <= now) {
            self.wakes.pop_first();
            self.refresh(place);
        }
    }

    /// Connections of which nothing was heard for longer than `silence`. Those that missed a few
    /// heartbeats are looked at on the way: they get no job until they are heard.
    pub(super) fn silent(&mut self, silence: Duration) -> Vec<SessionId> {
        let (mut silent, mut cut) = (Vec::new(), Vec::new());
        for (place, agent) in self.places.iter().enumerate() {
            let Some((agent, session)) = agent.as_ref().and_then(|a| Some((a, a.session?))) else { continue };
            let quiet = self.now.saturating_duration_since(agent.last_seen);
            if quiet > silence {
                silent.push(session);
            } else if quiet > self.rules.silence_max && self.tree.at(place).free != Room::default() {
                cut.push(place);
            }
        }
        cut.into_iter().for_each(|place| self.refresh(place));
        silent
    }

    /// Who speaks on this connection.
    pub(super) fn speaker(&self, session: SessionId) -> Option<&Agent> {
        self.at(*self.sessions.get(&session)?)
    }

    /// Takes an agent's report; gives what of it is to be counted, or `None` if nobody speaks there.
    pub(super) fn report(&mut self, session: SessionId, load: LoadReport) -> Option<Option<Wear>> {
        let place = *self.sessions.get(&session)?;
        let agent = self.places[place].as_mut()?;
        // Until now it got no job, and the tree may not know: it is told of a silence when it is looked at.
        let was_silent = self.now.saturating_duration_since(agent.last_seen) > self.rules.silence_max;
        let wear = agent.report(load, &mut self.languages, self.now);
        self.refresh(place);
        if was_silent {
            self.gains.add(place);
        }
        Some(wear)
    }

    /// A job was placed on an agent, and is expected to use so much of its processors.
    pub(super) fn take(&mut self, name: &AgentName, demand: &Demand, cpu_millis: u64) {
        self.change(name, |agent, _| agent.take(demand, cpu_millis));
    }

    /// A job is no more at an agent.
    pub(super) fn give_back(&mut self, name: &AgentName, demand: &Demand, cpu_millis: u64) {
        self.change(name, |agent, _| agent.give_back(demand, cpu_millis));
    }

    /// What an agent's jobs need and are expected to use, reckoned anew.
    pub(super) fn promise(&mut self, name: &AgentName, promised: Room, cpu_millis: u64) {
        self.change(name, |agent, _| agent.promise(promised, cpu_millis));
    }

    /// An agent had no room for such a job.
    pub(super) fn pause(&mut self, name: &AgentName, demand: &Demand) {
        let wake = self.change(name, |agent, now| agent.pause(demand, now));
        self.wake(name, wake);
    }

    /// An agent's engine is gone, and every job would come back.
    pub(super) fn stand_still(&mut self, name: &AgentName) {
        let wake = self.change(name, |agent, now| agent.stand_still(now));
        self.wake(name, wake);
    }

    /// An agent says that it drains.
    pub(super) fn drains(&mut self, name: &AgentName) {
        self.change(name, |agent, _| agent.load.draining = true);
    }

    /// An operator wants an agent to drain; its connection.
    pub(super) fn ask_to_drain(&mut self, name: &AgentName) -> Option<SessionId> {
        self.change(name, |agent, _| {
            agent.drain_asked = true;
            agent.session
        })?
    }

    /// A job failed on an agent.
    pub(super) fn failed(&mut self, name: &AgentName) {
        let wake = self.change(name, |agent, now| agent.trust.failed(now)).flatten();
        self.wake(name, wake);
    }

    /// A job that failed on an agent ended on another.
    pub(super) fn blame(&mut self, name: &AgentName) {
        let shut = self.places.iter().flatten().filter(|agent| agent.trust.is_shut()).count();
        let may_be_shut = shut < (self.sessions.len() / SHUT_PART).max(1);
        let wake = self.change(name, |agent, now| agent.trust.blamed(may_be_shut, now)).flatten();
        self.wake(name, wake);
    }

    /// A job ended on an agent.
    pub(super) fn ended(&mut self, name: &AgentName) {
        self.change(name, |agent, now| agent.trust.ended(now));
    }

    /// A job with this compile step was given to an agent.
    pub(super) fn compiles(&mut self, name: &AgentName, key: u64) {
        if let Some(place) = self.by_name.get(name) {
            self.hints.given(key, *place, self.now);
        }
    }

    /// Takes an agent in; what was promised to it stays.
    pub(super) fn join(&mut self, joining: &Joining) -> Result<Before, JoinRefusal> {
        let known_at = self.by_name.get(&joining.name).copied();
        let known = known_at.and_then(|place| self.at(place));
        let restarted = known.is_some_and(|a| a.instance != joining.instance);
        let old = known.and_then(|a| a.session);
        if restarted && old.is_some() {
            return Err(JoinRefusal::NameInUse);
        }
        if known.is_none() && self.len() >= AGENTS_MAX {
            return Err(JoinRefusal::TooMany);
        }
        let wear = known.filter(|_| !restarted).and_then(|a| wear_since(&a.load, &joining.load));
        let mut agent = Agent::new(joining, known, self.now);
        // What it counted before was counted, or is not to be.
        let _ = agent.report(joining.load.clone(), &mut self.languages, self.now);
        if let Some(old) = old {
            self.sessions.remove(&old);
        }
        let place = known_at.unwrap_or_else(|| self.place());
        self.sessions.insert(joining.session, place);
        self.places[place] = Some(agent);
        if known_at.is_none() {
            self.name(&joining.name, place);
        }
        self.refresh(place);
        // One that was silent may stand in the tree as before, and yet have been passed over.
        self.gains.add(place);
        Ok(Before { wear, session: old, restarted })
    }

    /// A connection is gone: its agent is suspect.
    pub(super) fn leave(&mut self, session: SessionId) {
        let Some(place) = self.sessions.remove(&session) else { return };
        if let Some(agent) = &mut self.places[place] {
            agent.session = None;
        }
        self.refresh(place);
    }

    /// Forgets who is gone for long.
    pub(super) fn forget_gone(&mut self) {
        if self.sessions.len() == self.by_name.len() {
            return;
        }
        let is_gone = |a: &Agent| {
            a.session.is_none()
                && a.promised == Room::default()
                && self.now.saturating_duration_since(a.last_seen) >= FORGET_AFTER
        };
        let gone: Vec<AgentName> = self.iter().filter(|a| is_gone(a)).map(|a| a.name.clone()).collect();
        for name in gone {
            let Some(place) = self.by_name.remove(&name) else { continue };
            self.names.remove(&name);
            self.places[place] = None;
            self.unused.push(place);
            self.tree.set(place, Summary::NONE);
        }
    }

    /// How many are connected.
    pub(super) fn connected(&self) -> usize {
        self.sessions.len()
    }

    fn place(&mut self) -> usize {
        self.unused.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        })
    }

    fn name(&mut self, name: &AgentName, place: usize) {
        self.by_name.insert(name.clone(), place);
        let label = self.names.insert(name, place);
        let labels: Vec<(usize, u64)> = match label {
            Some(label) => vec![(place, label)],
            None => self.names.labels().collect(),
        };
        for (place, label) in labels {
            if let Some(agent) = &mut self.places[place] {
                agent.label = label;
            }
            self.refresh(place);
        }
    }

    fn change<T>(&mut self, name: &AgentName, change: impl FnOnce(&mut Agent, Instant) -> T) -> Option<T> {
        let place = *self.by_name.get(name)?;
        let changed = change(self.places[place].as_mut()?, self.now);
        self.refresh(place);
        Some(changed)
    }

    fn wake(&mut self, name: &AgentName, at: Option<Instant>) {
        if let (Some(at), Some(place)) = (at, self.by_name.get(name)) {
            self.wakes.insert((at, *place));
        }
    }

    /// Brings an agent's leaf up to date.
    fn refresh(&mut self, place: usize) {
        let agent = self.places.get(place).and_then(Option::as_ref);
        let summary = agent.map_or(Summary::NONE, |agent| agent.summary(&self.rules, self.now));
        let before = self.tree.at(place);
        let reaches = !summary.reaches_within(&before);
        self.reach += u64::from(reaches);
        self.losses += u64::from(!before.reaches_within(&summary));
        if reaches || !summary.is_within(&before) {
            self.gains.add(place);
        }
        self.total = self.total.minus(before.capacity).plus(summary.capacity);
        self.tree.set(place, summary);
    }
}
