//! The pure core: state + event + now → actions.
//!
//! Jobs live here from their storage until their end is recorded. Everything
//! an agent says is held against the attempt that is current: what is late is
//! answered with `Abandon` and changes nothing.

mod agents;
mod attempts;
#[cfg(test)]
mod by_hand;
mod clocks;
mod learning;
pub(super) mod placing;
mod stuck;
mod waiting;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use enclos_protocol::ids::{AgentName, AttemptId, FencingToken, JobId};

use super::event::{Action, Event, Finishing, Moment, RunningBounds, Survivor, Traits};
use super::fleet::{self, Fleet, Packing};
use super::predict::{self, Estimate, Predictor};
use super::view::{AgentView, Totals};
use crate::queue::{self, Charge, Demand, Order, Priority, ReadyQueue, Ticket};
use crate::store::UnixTime;

/// Heartbeats that an agent may miss and be given a job all the same: a silent cut is noticed by
/// nothing else before its lease ends, and a job given into it costs an attempt.
const MISSED_MAX: u32 = 3;

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
    /// A tenant's jobs of one class rise to the next every so long that none of them had a turn.
    pub ageing: Duration,
    /// Which of the agents that have room is preferred.
    pub packing: Packing,
    /// CPU that may be promised on an agent, in thousandths of what it offers. Beyond 1000 it is
    /// promised only while what its jobs are expected to use stays within what it offers.
    pub cpu_promise_permille: u32,
    /// What jobs use is learnt and gone by.
    pub prediction: bool,
    /// With prediction, a job may be overtaken by what came so many times its expected duration after it,
    pub shortness: u32,
    /// and by nothing that came so long after it: the most that a wrong prediction can cost.
    pub overtaken_max: Duration,
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
            ageing: Duration::from_secs(60),
            packing: Packing::Spread,
            cpu_promise_permille: 1000,
            prediction: true,
            shortness: 10,
            overtaken_max: Duration::from_secs(30),
        }
    }
}

#[derive(Debug)]
struct Job {
    order: Order,
    arrived: Instant,
    priority: Priority,
    expires: Option<Instant>,
    demand: Arc<Demand>,
    input_bytes: u64,
    compile_key: Option<u64>,
    cases_time: Duration,
    traits: Traits,
    /// What it is expected to take, in microseconds of a slot; 0: not known. Said once, so that it
    /// keeps its place.
    cost_us: u64,
    /// Processor share that it is expected to use, in thousandths of a core.
    cpu_millis: u32,
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
    Ready(Ticket),
    Delayed {
        until: Instant,
    },
    /// Boxed: a million jobs may wait, and few run.
    Running(Box<Run>),
    Ending {
        holder: Option<Box<(AttemptId, AgentName)>>,
    },
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
    /// What its tenant was charged for it; `None`: it was given by an earlier master.
    charge: Option<Charge>,
    /// Slots that it takes as much room as, in thousandths.
    size_permille: u64,
}

/// Jobs of before the start.
#[derive(Debug)]
struct Restored {
    /// They have places before this.
    before: Order,
    /// Agents that go on with some have had a lease's time to say so.
    heard_by: Instant,
}

/// All that the scheduler knows.
#[derive(Debug)]
pub struct Core {
    policy: Policy,
    counter: u64,
    next_order: Order,
    /// Boxed: a table that grows has twice the places that it needs.
    jobs: HashMap<JobId, Box<Job>>,
    queue: ReadyQueue,
    turns: placing::Turns,
    delayed: BTreeMap<(Instant, Order), JobId>,
    /// Jobs that end if they still wait then.
    expiring: BTreeSet<(Instant, JobId)>,
    /// When a running job is to be looked at, since it may have taken too long.
    overdue: BTreeSet<(Instant, JobId)>,
    fleet: Fleet,
    /// Jobs that each agent holds, agents not seen since the start among them.
    held: BTreeMap<AgentName, BTreeSet<JobId>>,
    /// What waits, counted.
    waiting: queue::Counts,
    /// Jobs at agents by tenant; only those that have any.
    running: HashMap<Arc<str>, usize>,
    bounds: RunningBounds,
    predictor: Predictor,
    /// The last estimate, of this job, while nothing was learnt since.
    estimated: Option<(JobId, Option<Estimate>)>,
    forecast: Option<(Instant, queue::Forecast)>,
    restored: Restored,
    /// Output that running and ending jobs may have the master hold.
    report_bytes: u64,
    actions: Vec<Action>,
}

impl Core {
    /// A core that knows the jobs of before, with bounds for tenants.
    #[must_use]
    pub fn new(policy: Policy, bounds: RunningBounds, survivors: Vec<Survivor>, now: Moment) -> Self {
        Self::taught(policy, bounds, Predictor::new(predict::Bounds::default()), survivors, now)
    }

    /// The same, with what was learnt of jobs before.
    #[must_use]
    pub fn taught(
        policy: Policy,
        bounds: RunningBounds,
        predictor: Predictor,
        survivors: Vec<Survivor>,
        now: Moment,
    ) -> Self {
        let of_fleet = fleet::Rules {
            packing: policy.packing,
            cpu_promise_permille: policy.cpu_promise_permille,
            prediction: policy.prediction,
            silence_max: policy.heartbeat * MISSED_MAX,
        };
        let Policy { ageing, shortness, overtaken_max, .. } = policy;
        let of_queue = queue::Rules { ageing, shortness, overtaken_max };
        let mut core = Self {
            policy,
            counter: 0,
            next_order: 0,
            jobs: HashMap::new(),
            queue: ReadyQueue::new(of_queue, bounds.weights.clone(), now.instant),
            turns: placing::Turns::default(),
            delayed: BTreeMap::new(),
            expiring: BTreeSet::new(),
            overdue: BTreeSet::new(),
            fleet: Fleet::new(of_fleet, now.instant),
            held: BTreeMap::new(),
            waiting: queue::Counts::new(now.instant),
            running: HashMap::new(),
            bounds,
            predictor,
            estimated: None,
            forecast: None,
            restored: Restored { before: 0, heard_by: now.instant + policy.lease },
            report_bytes: 0,
            actions: Vec::new(),
        };
        for survivor in survivors {
            core.restore(survivor, now);
        }
        core.restored.before = core.next_order;
        core
    }

    /// What `event` leads to.
    pub fn handle(&mut self, event: Event, now: Moment) -> Vec<Action> {
        self.queue.advance(now.instant);
        self.fleet.advance(now.instant);
        self.turns.is_stirred |= stirs(&event);
        match event {
            Event::Submitted(submitted) => self.submitted(submitted, now),
            Event::Cancel(job) => self.cancel(job, now),
            Event::Joined(joining) => self.joined(&joining, now),
            Event::Left(session) => self.fleet.leave(session),
            Event::Drained(session) => self.drained(session, now),
            Event::Heartbeat { session, sequence, load } => self.heartbeat(session, sequence, load),
            Event::Started { session, attempt } => self.started(session, attempt),
            Event::Fed(attempt) => self.fed(attempt),
            Event::Finished { session, attempt, report } => self.finished(session, attempt, *report, now),
            Event::Returned { session, attempt, reason } => self.returned(session, attempt, reason, now),
            Event::Unfit { session, attempt, why } => self.unfit(session, attempt, &why, now),
            Event::Recorded { job, recorded } => self.recorded(job, recorded),
            Event::Bounds(bounds) => {
                self.queue.weigh(bounds.weights.clone());
                self.bounds = bounds;
                self.turns.bounds_changed = true;
            }
            Event::Drain(name) => self.drain(&name),
            Event::Tick => self.tick(now),
        }
        self.expire(now);
        self.place(now);
        std::mem::take(&mut self.actions)
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

    /// What waits, of one tenant or of all; so many groups of it one by one.
    #[must_use]
    pub fn survey(&self, of: Option<&str>, groups_max: usize, now: Instant) -> queue::Survey {
        self.waiting.survey(of, groups_max, now)
    }

    /// What a job needs, and whose it is; `None`: it is none of ours, or has ended.
    #[must_use]
    pub fn demand(&self, job: JobId) -> Option<&Demand> {
        self.jobs.get(&job).map(|job| &*job.demand)
    }

    /// How many of each.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let queued = self.queue.len() + self.delayed.len();
        let connected = self.fleet.connected();
        Totals {
            queued,
            running: self.jobs.len() - queued,
            agents_connected: connected,
            agents_suspect: self.fleet.len() - connected,
            slots: self.fleet.total().slots,
        }
    }
}

/// Whether an event may let a job go that had to wait, whatever else has changed. What agents gain
/// by it is seen from the fleet.
fn stirs(event: &Event) -> bool {
    match event {
        Event::Submitted(_)
        | Event::Joined(_)
        | Event::Left(_)
        | Event::Heartbeat { .. }
        | Event::Started { .. }
        | Event::Fed(_)
        | Event::Drain(_) => false,
        // A tenant has fewer jobs at agents, or the master less output to hold.
        Event::Finished { .. }
        | Event::Returned { .. }
        | Event::Drained(_)
        | Event::Unfit { .. }
        | Event::Recorded { .. }
        | Event::Bounds(_)
        | Event::Cancel(_)
        | Event::Tick => true,
    }
}
