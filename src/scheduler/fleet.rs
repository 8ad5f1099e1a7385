//! What is known of the agents. Pure.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use enclos_protocol::agent_link::{ImageState, LoadReport, OfferedLanguage};
use enclos_protocol::ids::AgentName;
use enclos_protocol::job::Isolation;
use uuid::Uuid;

use super::event::{Joining, Offer, SessionId};
use crate::metrics::Wear;
use crate::queue::{Demand, Room};

/// Agents that are known at once.
const AGENTS_MAX: usize = 2048;
/// An agent that is gone for so long, and holds nothing, is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(600);
/// An agent that had no room after all gets no job for so long.
const PAUSE: Duration = Duration::from_secs(1);

/// One agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Its name.
    pub name: AgentName,
    /// Of its process.
    pub instance: Uuid,
    /// Its connection; `None`: it is suspect.
    pub session: Option<SessionId>,
    /// What it offers.
    pub offer: Offer,
    /// What the jobs placed on it need together.
    pub promised: Room,
    /// What it last said.
    pub load: LoadReport,
    /// When it last said something.
    pub last_seen: Instant,
    /// An operator asked it to drain.
    pub drain_asked: bool,
    paused_until: Option<Instant>,
    /// The same for jobs that bring dependencies.
    installs_paused_until: Option<Instant>,
    /// Jobs placed since the last load report, by language: they have taken warm sandboxes.
    placed_since_report: HashMap<String, u32>,
}

impl Agent {
    /// Whether it takes no more jobs.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain_asked || self.load.draining
    }

    /// The language as it offers it.
    #[must_use]
    pub fn language(&self, id: &str) -> Option<&OfferedLanguage> {
        self.load.languages.iter().find(|l| l.id == id)
    }

    /// Sandboxes that wait for a job in this language, those taken since the last report left out.
    #[must_use]
    pub fn warm(&self, language: &str) -> u32 {
        let reported = self.language(language).map_or(0, |l| l.warm);
        reported.saturating_sub(self.placed_since_report.get(language).copied().unwrap_or(0))
    }

    /// Whether it may remember what this compile step came to.
    #[must_use]
    pub fn has_compiled(&self, key: u64) -> bool {
        self.load.compiled.binary_search(&key).is_ok()
    }

    /// Whether it could run such a job if it ran nothing else.
    #[must_use]
    pub fn could_run(&self, demand: &Demand) -> bool {
        let image_failed = |l: &OfferedLanguage| matches!(l.image, ImageState::Failed { .. });
        self.session.is_some()
            && !self.is_draining()
            && self.offer.isolation >= demand.isolation
            // gVisor has plain cells only.
            && !(demand.interactive && self.offer.isolation == Isolation::Gvisor)
            && (self.offer.installs || !demand.installs)
            && demand.languages().all(|id| self.language(id).is_some_and(|l| !image_failed(l)))
            && self.offer.capacity.holds(demand.room)
    }

    /// Whether it can run such a job now.
    #[must_use]
    pub fn has_room(&self, demand: &Demand, now: Instant) -> bool {
        let is_over = |pause: Option<Instant>| pause.is_none_or(|until| until <= now);
        self.could_run(demand)
            && is_over(self.paused_until)
            && (is_over(self.installs_paused_until) || !demand.installs)
            && self.offer.capacity.minus(self.promised).holds(demand.room)
    }

    /// It had no room for such a job. One with dependencies may have lacked no more than a builder,
    /// so that others go on.
    pub(super) fn pause(&mut self, demand: &Demand, now: Instant) {
        let paused = if demand.installs { &mut self.installs_paused_until } else { &mut self.paused_until };
        *paused = Some(now + PAUSE);
    }

    /// Its engine is gone, and every job would come back.
    pub(super) fn stand_still(&mut self, now: Instant) {
        self.paused_until = Some(now + PAUSE);
    }

    pub(super) fn take(&mut self, demand: &Demand) {
        self.promised = self.promised.plus(demand.room);
        let placed = self.placed_since_report.entry(demand.language.to_string()).or_default();
        *placed = placed.saturating_add(1);
    }

    pub(super) fn give_back(&mut self, demand: &Demand) {
        self.promised = self.promised.minus(demand.room);
    }

    /// Takes what it says; gives what of it is to be counted.
    pub(super) fn report(&mut self, load: LoadReport, now: Instant) -> Option<Wear> {
        let wear = wear_since(&self.load, &load);
        self.load = load;
        self.last_seen = now;
        self.placed_since_report.clear();
        wear
    }
}

/// What one process of an agent counted between two of its reports. A count that fell is an agent's
/// mistake and counts nothing.
fn wear_since(before: &LoadReport, now: &LoadReport) -> Option<Wear> {
    let wear = Wear {
        unclean_jobs: now.unclean_jobs.saturating_sub(before.unclean_jobs),
        sandboxes_closed: now.sandboxes_closed.zip(&before.sandboxes_closed, u64::saturating_sub),
    };
    (wear != Wear::default()).then_some(wear)
}

/// Why an agent may not join.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum JoinRefusal {
    NameInUse,
    TooMany,
}

impl JoinRefusal {
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::NameInUse => "another agent of this name is connected; give each agent a name of its own",
            Self::TooMany => "the master knows as many agents as it may",
        }
    }
}

/// An agent that joined: what was there before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Before {
    /// What the same process counted while it was away. A process that was not known counts from
    /// here on: what it did before, it did for another process of the master, or there is nothing.
    pub wear: Option<Wear>,
    /// A connection that it replaces.
    pub session: Option<SessionId>,
    /// It is another process than the one known under this name.
    pub restarted: bool,
}

/// All agents.
#[derive(Default, Debug)]
pub struct Fleet {
    agents: BTreeMap<AgentName, Agent>,
    sessions: HashMap<SessionId, AgentName>,
}

impl Fleet {
    /// Every agent, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Agent> {
        self.agents.values()
    }

    /// The agent with this name.
    #[must_use]
    pub fn get(&self, name: &AgentName) -> Option<&Agent> {
        self.agents.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &AgentName) -> Option<&mut Agent> {
        self.agents.get_mut(name)
    }

    /// Who speaks on this connection.
    pub(super) fn speaker(&mut self, session: SessionId) -> Option<&mut Agent> {
        self.agents.get_mut(self.sessions.get(&session)?)
    }

    /// Takes an agent in; what was promised to it stays.
    pub(super) fn join(&mut self, joining: &Joining, now: Instant) -> Result<Before, JoinRefusal> {
        let known = self.agents.get(&joining.name);
        let restarted = known.is_some_and(|a| a.instance != joining.instance);
        let old = known.and_then(|a| a.session);
        if restarted && old.is_some() {
            return Err(JoinRefusal::NameInUse);
        }
        if known.is_none() && self.agents.len() >= AGENTS_MAX {
            return Err(JoinRefusal::TooMany);
        }
        let wear = known.filter(|_| !restarted).and_then(|a| wear_since(&a.load, &joining.load));
        let agent = Agent {
            name: joining.name.clone(),
            instance: joining.instance,
            session: Some(joining.session),
            offer: joining.offer.clone(),
            promised: known.map(|a| a.promised).unwrap_or_default(),
            load: joining.load.clone(),
            last_seen: now,
            drain_asked: !restarted && known.is_some_and(|a| a.drain_asked),
            paused_until: None,
            installs_paused_until: None,
            placed_since_report: HashMap::new(),
        };
        if let Some(old) = old {
            self.sessions.remove(&old);
        }
        self.sessions.insert(joining.session, joining.name.clone());
        self.agents.insert(joining.name.clone(), agent);
        Ok(Before { wear, session: old, restarted })
    }

    /// A connection is gone: its agent is suspect.
    pub(super) fn leave(&mut self, session: SessionId) {
        if let Some(agent) = self.sessions.remove(&session).and_then(|name| self.agents.get_mut(&name)) {
            agent.session = None;
        }
    }

    /// Forgets who is gone for long.
    pub(super) fn forget_gone(&mut self, now: Instant) {
        self.agents.retain(|_, a| {
            a.session.is_some()
                || a.promised != Room::default()
                || now.saturating_duration_since(a.last_seen) < FORGET_AFTER
        });
    }
}

#[cfg(test)]
mod tests {
    use enclos_protocol::agent_link::ClosedSandboxes;
    use enclos_protocol::job::Reuse;

    use super::*;

    fn load(unclean_jobs: u64, unfit: u64) -> LoadReport {
        let sandboxes_closed = ClosedSandboxes { unfit, ..ClosedSandboxes::default() };
        LoadReport { unclean_jobs, sandboxes_closed, ..LoadReport::default() }
    }

    fn joining(session: u64, instance: u128, load: LoadReport) -> Joining {
        let offer = Offer {
            capacity: Room::default(),
            isolation: Isolation::Runc,
            reuse: Reuse::Tenant,
            embedded: false,
            installs: false,
            build: String::new(),
        };
        let instance = Uuid::from_u128(instance);
        let name = "a".parse().expect("a valid name");
        let session = SessionId(session);
        Joining { session, name, instance, link_version: 1, offer, holding: Vec::new(), load }
    }

    fn counted(wear: Option<Wear>) -> (u64, u64) {
        wear.map_or((0, 0), |w| (w.unclean_jobs, w.sandboxes_closed.unfit))
    }

    #[test]
    fn each_unclean_job_is_counted_once_whatever_the_connection_does() {
        let now = Instant::now();
        let mut fleet = Fleet::default();
        let report = |fleet: &mut Fleet, session: u64, load: LoadReport| {
            counted(fleet.speaker(SessionId(session)).expect("it joined").report(load, now))
        };
        // The master was restarted: what its predecessor counted is not counted again.
        assert_eq!(counted(fleet.join(&joining(1, 1, load(5, 7)), now).unwrap().wear), (0, 0));
        assert_eq!(report(&mut fleet, 1, load(6, 9)), (1, 2));
        assert_eq!(report(&mut fleet, 1, load(6, 9)), (0, 0));
        fleet.leave(SessionId(1));
        assert_eq!(counted(fleet.join(&joining(2, 1, load(8, 9)), now).unwrap().wear), (2, 0));
        fleet.leave(SessionId(2));
        // Another process of the agent begins with none.
        assert_eq!(counted(fleet.join(&joining(3, 2, load(0, 0)), now).unwrap().wear), (0, 0));
        assert_eq!(report(&mut fleet, 3, load(1, 1)), (1, 1));
        assert_eq!(report(&mut fleet, 3, load(0, 0)), (0, 0), "a count never falls");
    }
}
