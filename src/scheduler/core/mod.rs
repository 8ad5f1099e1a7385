//! The pure core: state + event + now → actions.
//!
//! Jobs live here from their storage until their end is recorded. Everything
//! an agent says is held against the attempt that is current: what is late is
//! answered with `Abandon` and changes nothing.

mod agents;
mod attempts;
pub(super) mod placing;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use enclos_protocol::agent_link::FromMaster;
use enclos_protocol::ids::{AgentName, AttemptId, FencingToken, JobId};
use enclos_protocol::outcome::Outcome;

use super::event::{Action, Event, Finishing, Moment, RunningBounds, Submitted, Survivor};
use super::fleet::Fleet;
use super::view::{AgentView, Totals};
use crate::queue::{Demand, Order, ReadyQueue};
use crate::store::{Ending, UnixTime};

/// Rules that do not change while it runs.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// This start's number; it begins every token.
    pub epoch: u64,
    /// How long an attempt lives without renewal.
    pub lease: Duration,
    /// How often an agent says that it lives.
    pub heartbeat: Duration,
    /// Attempts that count before a job is given up.
    pub attempts_max: u32,
    /// Attempts of a job that may be lost with their engines before such a loss counts.
    pub engine_losses_max: u32,
    /// How long a job waits after a failed attempt, times the attempts so far.
    pub retry_delay: Duration,
    /// A job that fits nowhere for so long has an agent kept free for it.
    pub hold_after: Duration,
    /// Longest that an attempt may take beside its cases, whatever the agent says.
    pub attempt_max: Duration,
    /// Longest that an agent may take to end a cancelled attempt.
    pub cancel_max: Duration,
    /// Output that all running jobs together may have the master hold, in bytes.
    pub report_bytes_max: u64,
}

impl Policy {
    /// The rules of a master that starts for the `epoch`th time.
    #[must_use]
    pub fn new(epoch: u64, lease: Duration, heartbeat: Duration) -> Self {
        Self {
            epoch,
            lease,
            heartbeat,
            attempts_max: 3,
            engine_losses_max: 10,
            retry_delay: Duration::from_secs(1),
            hold_after: Duration::from_secs(10),
            // An image may have to be built first, which takes minutes.
            attempt_max: Duration::from_secs(3600),
            cancel_max: Duration::from_secs(30),
            report_bytes_max: 1 << 30,
        }
    }
}

#[derive(Debug)]
struct Job {
    order: Order,
    demand: Arc<Demand>,
    input_bytes: u64,
    compile_key: Option<u64>,
    cases_time: Duration,
    waiting_since: Instant,
    attempts: u32,
    failures: Vec<String>,
    /// The greatest it has had.
    token: Option<FencingToken>,
    avoid: Option<AgentName>,
    cancelled: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Ready,
    Delayed { until: Instant },
    Running(Run),
    Ending { holder: Option<(AttemptId, AgentName)> },
}

#[derive(Clone, Debug)]
struct Run {
    token: FencingToken,
    agent: AgentName,
    /// When it was given, or this master began: it may take only so long from here.
    since: Instant,
    /// When its agent last joined with it: its lease is not shorter than from here.
    joined: Instant,
    started: UnixTime,
    /// It may have run something: then it counts, however it ends.
    begun: bool,
    /// It may have been given live standard input: then no other attempt can take its place.
    fed: bool,
    cancel_asked: Option<Instant>,
}

/// All that the scheduler knows.
#[derive(Debug)]
pub struct Core {
    policy: Policy,
    counter: u64,
    next_order: Order,
    jobs: HashMap<JobId, Job>,
    queue: ReadyQueue,
    turns: placing::Turns,
    delayed: BTreeMap<(Instant, Order), JobId>,
    fleet: Fleet,
    /// Jobs that each agent holds, agents not seen since the start among them.
    held: BTreeMap<AgentName, BTreeSet<JobId>>,
    /// Jobs at agents by tenant; only those that have any.
    running: HashMap<Arc<str>, usize>,
    bounds: RunningBounds,
    /// Output that running and ending jobs may have the master hold.
    report_bytes: u64,
    actions: Vec<Action>,
}

impl Core {
    /// A core that knows the jobs of before, with bounds for tenants.
    #[must_use]
    pub fn new(policy: Policy, bounds: RunningBounds, survivors: Vec<Survivor>, now: Moment) -> Self {
        let mut core = Self {
            policy,
            counter: 0,
            next_order: 0,
            jobs: HashMap::new(),
            queue: ReadyQueue::default(),
            turns: placing::Turns::default(),
            delayed: BTreeMap::new(),
            fleet: Fleet::default(),
            held: BTreeMap::new(),
            running: HashMap::new(),
            bounds,
            report_bytes: 0,
            actions: Vec::new(),
        };
        for survivor in survivors {
            core.restore(survivor, now);
        }
        core
    }

    /// What `event` leads to.
    pub fn handle(&mut self, event: Event, now: Moment) -> Vec<Action> {
        match event {
            Event::Submitted(submitted) => self.submitted(submitted, now),
            Event::Cancel(job) => self.cancel(job, now),
            Event::Joined(joining) => self.joined(&joining, now),
            Event::Left(session) => self.fleet.leave(session),
            Event::Heartbeat { session, sequence, load } => self.heartbeat(session, sequence, load, now),
            Event::Started { session, attempt } => self.started(session, attempt),
            Event::Fed(attempt) => self.fed(attempt),
            Event::Finished { session, attempt, report } => self.finished(session, attempt, *report),
            Event::Returned { session, attempt, reason } => self.returned(session, attempt, reason, now),
            Event::Unfit { session, attempt, why } => self.unfit(session, attempt, &why, now),
            Event::Recorded { job, recorded } => self.recorded(job, recorded),
            Event::Bounds(bounds) => self.bounds = bounds,
            Event::Drain(name) => self.drain(&name),
            Event::Tick => self.tick(now),
        }
        self.place(now);
        std::mem::take(&mut self.actions)
    }

    /// Ready or delayed: how many jobs are before it, plus one. `None`: it does not wait.
    #[must_use]
    pub fn position(&self, job: JobId) -> Option<usize> {
        let job = self.jobs.get(&job)?;
        matches!(job.state, State::Ready | State::Delayed { .. }).then(|| self.queue.position(job.order))
    }

    /// Whether this attempt is current.
    #[must_use]
    pub fn is_current(&self, attempt: AttemptId) -> bool {
        self.is_current_at(attempt, None)
    }

    /// Whether this attempt is current and, where an agent is named, its own.
    #[must_use]
    pub fn is_current_at(&self, attempt: AttemptId, agent: Option<&AgentName>) -> bool {
        let state = self.jobs.get(&attempt.job).map(|job| &job.state);
        matches!(state, Some(State::Running(run)) if run.token == attempt.token && agent.is_none_or(|a| *a == run.agent))
    }

    /// Every agent.
    #[must_use]
    pub fn agents(&self, now: Instant) -> Vec<AgentView> {
        self.fleet.iter().map(|agent| AgentView::of(agent, now)).collect()
    }

    /// Jobs at agents, by tenant.
    #[must_use]
    pub fn running_by_tenant(&self) -> HashMap<Arc<str>, usize> {
        self.running.clone()
    }

    /// How many of each.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let queued = self.queue.len() + self.delayed.len();
        let connected = self.fleet.iter().filter(|a| a.session.is_some()).count();
        Totals {
            queued,
            running: self.jobs.len() - queued,
            agents_connected: connected,
            agents_suspect: self.fleet.iter().count() - connected,
        }
    }

    fn restore(&mut self, survivor: Survivor, now: Moment) {
        let Survivor { submitted, attempts, failures, token, holder, cancelled } = survivor;
        let id = submitted.job;
        self.insert(submitted, now);
        let job = self.jobs.get_mut(&id).expect("it was just inserted");
        (job.attempts, job.failures, job.token, job.cancelled) = (attempts, failures, token, cancelled);
        if let (Some((agent, started)), Some(token)) = (holder, token) {
            // Its agent has a lease's time to say that it still holds it. Whether it began is not
            // stored; if it did, not to count it would let it run again and again.
            self.queue.remove(job.order);
            let (cancel_asked, fed) = (cancelled.then_some(now.instant), job.demand.live_stdin);
            let (since, joined) = (now.instant, now.instant);
            self.set_running(id, Run { token, agent, since, joined, started, begun: true, fed, cancel_asked });
        } else if cancelled {
            self.cancel(id, now);
        }
    }

    fn submitted(&mut self, submitted: Submitted, now: Moment) {
        if !self.jobs.contains_key(&submitted.job) {
            self.insert(submitted, now);
        }
    }

    fn insert(&mut self, submitted: Submitted, now: Moment) {
        let Submitted { job: id, demand, input_bytes, compile_key, cases_time } = submitted;
        let order = self.next_order;
        self.next_order += 1;
        self.queue.insert(order, id, Arc::clone(&demand));
        let job = Job {
            order,
            demand,
            input_bytes,
            compile_key,
            cases_time,
            waiting_since: now.instant,
            attempts: 0,
            failures: Vec::new(),
            token: None,
            avoid: None,
            cancelled: false,
            state: State::Ready,
        };
        self.jobs.insert(id, job);
    }

    fn cancel(&mut self, id: JobId, now: Moment) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.cancelled = true;
        match &mut job.state {
            State::Ready | State::Delayed { .. } => {
                self.leave_queue(id);
                self.end_without_report(id, Outcome::Cancelled, "cancelled while it waited".to_owned());
            }
            State::Running(run) if run.cancel_asked.is_none() => {
                run.cancel_asked = Some(now.instant);
                let attempt = AttemptId { job: id, token: run.token };
                let session = self.fleet.get(&run.agent).and_then(|agent| agent.session);
                self.actions.extend(session.map(|s| Action::Send(s, FromMaster::Cancel { attempt })));
            }
            State::Running(_) | State::Ending { .. } => {}
        }
    }

    /// Takes a waiting job out of the queue, whichever part it is in.
    fn leave_queue(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        match job.state {
            State::Ready => drop(self.queue.remove(job.order)),
            State::Delayed { until } => drop(self.delayed.remove(&(until, job.order))),
            State::Running(_) | State::Ending { .. } => return,
        }
        self.actions.push(Action::Departed(Arc::clone(&job.demand.tenant), job.input_bytes));
    }

    /// Ends a job that no agent holds.
    fn end_without_report(&mut self, id: JobId, outcome: Outcome, message: String) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.state = State::Ending { holder: None };
        self.report_bytes += job.demand.report_bytes;
        let ending = Ending { outcome, message: Some(message), report: None, judged: None };
        let finishing = Finishing { job: id, attempt: None, attempts: job.attempts, ending };
        self.actions.push(Action::Finish(Box::new(finishing)));
    }
}
