//! The core against a world that does its worst: agents that join, vanish, restart, lie, answer
//! late; masters that restart. Held after every step: never overcommitted, never lost, never twice.

mod lines;
mod memory;
mod ops;
mod order;
mod parts;
mod rules;
mod shapes;
mod starts;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use enclos_protocol::agent_link::FromMaster;
use enclos_protocol::ids::{AgentName, AttemptId, JobId};
use enclos_protocol::job::{Isolation, Reuse};
use enclos_protocol::outcome::Outcome;
use proptest::prelude::*;
use uuid::Uuid;

use self::ops::{Op, op, step};
use self::parts::{BOUND, TENANTS, bounds, capacity, demand, load, policy, report};
use super::{Action, Core, Event, Joining, Moment, Offer, SessionId, Submitted, Survivor, Traits};
use crate::queue::{Demand, Priority};
use crate::store::{Recorded, UnixTime};

const LEASE: Duration = Duration::from_secs(5);
const AGENTS: usize = 3;

/// What a test agent has.
#[derive(Clone, Default)]
struct Agent {
    session: Option<SessionId>,
    instance: Uuid,
    holding: BTreeSet<AttemptId>,
}

/// What the store would hold of a job.
#[derive(Clone)]
struct Row {
    demand: Arc<Demand>,
    attempts: u32,
    failures: Vec<String>,
    attempt: Option<AttemptId>,
    holder: Option<AgentName>,
    finished: bool,
    priority: Priority,
    expires: Option<Instant>,
    created: Instant,
    /// Someone was answered that it will be cancelled.
    cancelled: bool,
}

struct World {
    core: Core,
    now: Instant,
    epoch: u64,
    /// Jobs of the bounded tenant that may be at agents at once.
    bound: u64,
    next_session: u64,
    agents: Vec<Agent>,
    rows: BTreeMap<JobId, Row>,
    /// In the order in which they came.
    submitted: Vec<JobId>,
    /// Ends that the store has been asked for and has not yet answered.
    recording: Vec<(JobId, Option<AttemptId>)>,
    /// Every attempt ever given out, to send late answers of.
    given: Vec<(AttemptId, usize)>,
    /// What the store had of its job before an attempt was given out: the attempt then, and how many counted.
    before: HashMap<AttemptId, Option<(AttemptId, u32)>>,
    finished: HashMap<JobId, Outcome>,
    /// Attempts that agents were asked to end, as often as they were asked.
    cancels: Vec<AttemptId>,
    /// Jobs whose live input was given to an attempt that the store knows of.
    fed: BTreeSet<JobId>,
}

fn name(agent: usize) -> AgentName {
    format!("agent-{agent}").parse().unwrap()
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let core = Core::new(policy(1), bounds(BOUND), vec![], Moment { instant: now, unix: UnixTime(0) });
        Self {
            core,
            now,
            epoch: 1,
            bound: BOUND,
            next_session: 0,
            agents: vec![Agent::default(); AGENTS],
            rows: BTreeMap::new(),
            submitted: Vec::new(),
            recording: Vec::new(),
            given: Vec::new(),
            before: HashMap::new(),
            finished: HashMap::new(),
            cancels: Vec::new(),
            fed: BTreeSet::new(),
        }
    }

    fn moment(&self) -> Moment {
        Moment { instant: self.now, unix: UnixTime(0) }
    }

    fn handle(&mut self, event: Event) {
        for action in self.core.handle(event, self.moment()) {
            self.perform(action);
        }
    }

    fn submit(&mut self, demand: Arc<Demand>) -> JobId {
        self.submit_as(demand, Priority::Normal, None)
    }

    fn submit_as(&mut self, demand: Arc<Demand>, priority: Priority, ttl: Option<Duration>) -> JobId {
        let job = JobId::generate();
        self.submitted.push(job);
        let row = Row {
            demand: Arc::clone(&demand),
            attempts: 0,
            failures: Vec::new(),
            attempt: None,
            holder: None,
            finished: false,
            priority,
            expires: ttl.map(|ttl| self.now + ttl),
            created: self.now,
            cancelled: false,
        };
        let submitted = self.submitted_of(job, &row);
        self.rows.insert(job, row);
        self.handle(Event::Submitted(submitted));
        job
    }

    fn submitted_of(&self, job: JobId, row: &Row) -> Submitted {
        Submitted {
            job,
            demand: Arc::clone(&row.demand),
            input_bytes: 1,
            compile_key: Some(row.demand.room.memory_bytes),
            cases_time: Duration::ZERO,
            priority: row.priority,
            expires: row.expires,
            traits: Traits { source: row.demand.room.memory_bytes },
            waited: self.now - row.created,
        }
    }

    /// Jobs of a tenant that agents have, as the store knows.
    fn running_of(&self, tenant: &str) -> usize {
        self.rows.values().filter(|r| &*r.demand.tenant == tenant && r.holder.is_some() && !r.finished).count()
    }

    fn by_session(&mut self, session: SessionId) -> Option<&mut Agent> {
        self.agents.iter_mut().find(|a| a.session == Some(session))
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Dispatch { session, attempt, agent, attempts, .. } => {
                let row = self.rows.get_mut(&attempt.job).expect("only known jobs are given out");
                assert!(!row.finished, "a finished job is given out");
                assert!(!row.cancelled, "a cancelled job is given out");
                assert!(row.expires.is_none_or(|at| at > self.now), "an expired job is given out");
                assert!(!self.fed.contains(&attempt.job), "input that is gone is waited for");
                assert!(row.attempt.is_none_or(|old| old.token < attempt.token), "tokens grow");
                let before = row.attempt.map(|old| (old, row.attempts));
                self.before.insert(attempt, before);
                (row.attempt, row.attempts, row.holder) = (Some(attempt), attempts, Some(agent.clone()));
                let tenant = Arc::clone(&row.demand.tenant);
                let beyond = &*tenant == TENANTS[0] && self.running_of(&tenant) as u64 > self.bound;
                assert!(!beyond, "a tenant is given more than it may have");
                let index = (0..AGENTS).find(|i| name(*i) == agent).unwrap();
                self.given.push((attempt, index));
                if let Some(agent) = self.by_session(session) {
                    agent.holding.insert(attempt);
                }
            }
            Action::Adopt { attempt, agent, attempts } => {
                let row = self.rows.get_mut(&attempt.job).unwrap();
                assert!(!row.finished);
                assert!(
                    row.attempt.is_none_or(|old| old.token < attempt.token),
                    "an attempt that was over is taken up"
                );
                (row.attempt, row.attempts, row.holder) = (Some(attempt), attempts, Some(agent));
            }
            Action::Requeue { job, attempts, failures, .. } => {
                let row = self.rows.get_mut(&job).unwrap();
                (row.holder, row.attempts, row.failures) = (None, attempts, failures);
            }
            Action::Finish(finishing) => {
                let attempt = finishing.attempt.map(|(attempt, _, _)| attempt);
                let row = self.rows.get_mut(&finishing.job).unwrap();
                assert!(!row.finished, "a job ends twice");
                row.finished = true;
                if attempt.is_none() && finishing.ending.outcome == Outcome::Cancelled && !row.cancelled {
                    assert!(row.expires.is_some_and(|at| at <= self.now), "it is cancelled before its time");
                    let message = finishing.ending.message.unwrap_or_default();
                    assert!(message.contains("queue_ttl"), "{message}");
                }
                let before = self.finished.insert(finishing.job, finishing.ending.outcome);
                assert!(before.is_none(), "an end is recorded twice");
                self.recording.push((finishing.job, attempt));
            }
            Action::Send(session, message) => {
                let Some(agent) = self.by_session(session) else { return };
                match message {
                    FromMaster::Welcome(welcome) => agent.holding.retain(|a| welcome.keep.contains(a)),
                    FromMaster::Acknowledge { attempt } | FromMaster::Abandon { attempt } => {
                        agent.holding.remove(&attempt);
                    }
                    FromMaster::Cancel { attempt } => self.cancels.push(attempt),
                    _ => {}
                }
            }
            Action::Close(session, _) => {
                if let Some(agent) = self.by_session(session) {
                    agent.session = None;
                }
            }
            Action::Entered(..) | Action::Departed(..) | Action::Ended(_) | Action::Wear(_) => {}
        }
    }

    fn join(&mut self, index: usize) {
        let session = SessionId(self.next_session);
        self.next_session += 1;
        let agent = &mut self.agents[index];
        if agent.instance.is_nil() {
            agent.instance = Uuid::now_v7();
        }
        agent.session = Some(session);
        let offer = Offer {
            capacity: capacity(index),
            isolation: Isolation::Runc,
            reuse: Reuse::Tenant,
            embedded: index == 0,
            installs: true,
            build: String::new(),
        };
        let holding = agent.holding.iter().copied().collect();
        let instance = agent.instance;
        let joining = Joining { session, name: name(index), instance, link_version: 1, offer, holding, load: load() };
        self.handle(Event::Joined(Box::new(joining)));
    }

    fn leave(&mut self, index: usize) {
        if let Some(session) = self.agents[index].session.take() {
            self.handle(Event::Left(session));
        }
    }

    /// Cancels, as who is answered sees it: the store knows of it.
    fn cancel(&mut self, job: JobId) {
        self.rows.get_mut(&job).unwrap().cancelled = true;
        self.handle(Event::Cancel(job));
    }

    /// An agent says that it began with what it holds.
    fn started(&mut self, index: usize) {
        let Some(session) = self.agents[index].session else { return };
        for attempt in self.agents[index].holding.clone() {
            self.handle(Event::Started { session, attempt });
        }
    }

    /// Clients speak to all programs that an agent runs and that listen.
    fn feed(&mut self, index: usize) {
        for attempt in self.agents[index].holding.clone() {
            if self.rows[&attempt.job].demand.live_stdin && self.core.is_current(attempt) {
                self.fed.insert(attempt.job);
                self.handle(Event::Fed(attempt));
            }
        }
    }

    fn recorded(&mut self) {
        if let Some((job, _)) = self.recording.pop() {
            self.handle(Event::Recorded { job, recorded: Recorded::Now });
        }
    }

    fn heartbeats(&mut self) {
        for session in self.agents.iter().filter_map(|a| a.session).collect::<Vec<_>>() {
            self.handle(Event::Heartbeat { session, sequence: 0, load: load() });
        }
    }

    /// The master ends in order, and another begins on the same store.
    fn replace(&mut self) {
        for action in self.core.hand_back(self.moment()) {
            self.perform(action);
        }
        self.restart(0);
    }

    /// A new master on the same store, where the last so many dispatches were not noted.
    fn restart(&mut self, forgotten: usize) {
        self.epoch += 1;
        self.recording.clear();
        for agent in &mut self.agents {
            agent.session = None;
        }
        for (attempt, _) in self.given.iter().rev().take(forgotten) {
            if let Some(row) = self.rows.get_mut(&attempt.job)
                && row.attempt == Some(*attempt)
                && row.holder.is_some()
                && !row.finished
            {
                let before = self.before[attempt];
                (row.attempt, row.holder) = (before.map(|(old, _)| old), None);
                row.attempts = before.map_or(0, |(_, attempts)| attempts);
                self.fed.remove(&attempt.job);
            }
        }
        let survivors = self.rows.iter().filter(|(_, row)| !row.finished).map(|(job, row)| Survivor {
            submitted: self.submitted_of(*job, row),
            attempts: row.attempts,
            failures: row.failures.clone(),
            token: row.attempt.map(|a| a.token),
            holder: row.holder.clone().map(|agent| (agent, UnixTime(0))),
            cancelled: row.cancelled,
        });
        self.core = Core::new(policy(self.epoch), bounds(self.bound), survivors.collect(), self.moment());
    }

    /// What must always hold.
    fn check(&self) {
        for view in self.core.agents(self.now) {
            assert!(view.offer.capacity.holds(view.promised), "overcommitted: {view:?}");
        }
        let totals = self.core.totals();
        let survey = self.core.survey(None, usize::MAX, self.now);
        let surveyed: usize = survey.groups.iter().map(|group| group.waits.jobs).sum();
        assert_eq!(surveyed, totals.queued, "what waits is counted as it comes and leaves");
        let unfinished = self.rows.values().filter(|r| !r.finished).count();
        let running = self.core.running_by_tenant();
        for tenant in TENANTS {
            assert_eq!(running.get(tenant).copied().unwrap_or(0), self.running_of(tenant), "miscounted: {tenant}");
        }
        assert_eq!(totals.queued + totals.running, unfinished + self.recording.len(), "a job is lost or made up");
        for row in self.rows.values().filter(|row| !row.finished && row.expires.is_some_and(|at| at <= self.now)) {
            let may_be_held = row.attempt.is_none_or(|attempt| attempt.token.epoch < self.epoch) && self.epoch > 1;
            assert!(row.holder.is_some() || may_be_held, "it waits although it has expired");
        }
        let mut current: Vec<JobId> = Vec::new();
        for agent in &self.agents {
            current.extend(agent.holding.iter().filter(|a| self.core.is_current(**a)).map(|a| a.job));
        }
        let jobs: BTreeSet<_> = current.iter().collect();
        assert_eq!(jobs.len(), current.len(), "two agents hold the current attempt of one job");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn never_overcommitted_never_lost_never_twice(ops in prop::collection::vec(op(), 0..120)) {
        let mut world = World::new();
        for op in ops {
            step(&mut world, op);
            world.check();
        }
        // Then the world heals: every agent starts anew and answers all. Every job must end.
        for agent in 0..AGENTS {
            world.leave(agent);
            world.agents[agent] = Agent::default();
        }
        for _ in 0..400 {
            world.now += Duration::from_secs(1);
            for agent in 0..AGENTS {
                if world.agents[agent].session.is_none() {
                    world.join(agent);
                }
            }
            world.heartbeats();
            world.handle(Event::Tick);
            for agent in 0..AGENTS {
                while let (Some(session), Some(attempt)) =
                    (world.agents[agent].session, world.agents[agent].holding.iter().next().copied())
                {
                    world.handle(Event::Finished { session, attempt, report: Box::new(report()) });
                    while !world.recording.is_empty() {
                        world.recorded();
                    }
                    world.agents[agent].holding.remove(&attempt);
                }
            }
            while !world.recording.is_empty() {
                world.recorded();
            }
            world.check();
        }
        prop_assert!(world.rows.values().all(|row| row.finished), "a job never ended");
    }
}
