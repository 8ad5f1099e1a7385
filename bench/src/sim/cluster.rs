//! Ours: the scheduler's own core, told what a master would be told, at the times of the virtual clock.
//!
//! The store answers at once; nothing else is left out. What the core wants done is done by the
//! world, through the same orders as those of the other policies.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use enclos::queue::{Demand, Priority, Room};
use enclos::scheduler::predict::{self, Predictor, Subject, Usage};
use enclos::scheduler::{
    Action, Core, Event, Joining, Moment, Offer, Policy as Rules, RunningBounds, SessionId, Submitted, Traits,
};
use enclos::store::{Recorded, UnixTime};
use enclos_protocol::agent_link::{FromMaster, ImageState, LoadReport, OfferedLanguage, ReturnReason};
use enclos_protocol::ids::{AgentName, AttemptId, FencingToken, JobId};
use enclos_protocol::job::{Isolation, JobReport, Reuse, StepReport};
use enclos_protocol::outcome::{Accounting, Exit, Outcome, StepFacts};
use uuid::Uuid;

use super::policy::{Attempt, Happening, Order, Policy};
use super::workload::{LANGUAGES, SERVICE_S, Work};
use super::world::HEARTBEAT;

/// How long an attempt lives without renewal, as in a real master.
const LEASE: Duration = Duration::from_secs(5);
/// This start of the master.
const EPOCH: u64 = 1;
/// What a job needs of an agent, and an agent has for each of its slots, so that slots are what is short.
const SLOT: Room = Room { memory_bytes: 256 << 20, cpu_millis: 1000, pids: 64, slots: 1 };

/// Times are told apart by this ratio where the truth is known.
const BUCKET_RATIO: f64 = 1.2;
/// The time that is its own inverse, in seconds.
const MIDDLE_S: f64 = 0.3;

/// What the core may know of how long jobs take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sight {
    /// Nothing: prediction is off.
    None,
    /// What it learns from jobs that ended.
    History,
    /// The truth: jobs that take as long are of one source.
    Truth,
    /// The opposite: as the truth, and agents report short runs of long jobs and long ones of short.
    Inverse,
}

impl Sight {
    /// How long an agent says that a run took.
    fn said(self, took: Duration) -> Duration {
        match self {
            Self::Inverse => Duration::from_secs_f64(MIDDLE_S * MIDDLE_S / took.as_secs_f64().max(SERVICE_S.0)),
            _ => took,
        }
    }

    /// What is known before the first job: with the truth, and its opposite, all there is to know.
    fn predictor(self, tenants: u16) -> Predictor {
        let enough = predict::Bounds { programs_max: 1 << 20, ..predict::Bounds::default() };
        let mut predictor = Predictor::new(enough);
        if matches!(self, Self::None | Self::History) {
            return predictor;
        }
        for tenant in (0..tenants).map(tenant_name) {
            for language in LANGUAGES {
                for source in 1..=bucket(Duration::from_secs_f64(SERVICE_S.1)) {
                    let steps = report(self.said(middle_of(source))).run;
                    let usage = Usage::of(Outcome::Ok, &steps).expect("it was run");
                    predictor.observe(Subject { tenant: &tenant, language, source }, usage);
                }
            }
        }
        predictor
    }
}

fn tenant_name(number: u16) -> String {
    format!("tenant-{number}")
}

/// The core and what stands around it.
pub struct Cluster {
    core: Core,
    sight: Sight,
    base: Instant,
    demands: HashMap<(u16, usize), Arc<Demand>>,
    names: Vec<AgentName>,
    /// The newest connection of each agent.
    sessions: Vec<SessionId>,
    /// The agent of each connection there ever was.
    agent_of: Vec<usize>,
    sequence: u64,
}

fn job_id(number: u32) -> JobId {
    JobId::from_bytes(u128::from(number).to_be_bytes())
}

fn number_of(id: JobId) -> u32 {
    let [.., a, b, c, d] = *id.as_bytes();
    u32::from_be_bytes([a, b, c, d])
}

fn attempt_id(attempt: Attempt) -> AttemptId {
    AttemptId { job: job_id(attempt.job), token: FencingToken { epoch: EPOCH, counter: attempt.number } }
}

fn attempt_of(id: AttemptId) -> Attempt {
    Attempt { job: number_of(id.job), number: id.token.counter }
}

fn load(busy_permille: u16) -> LoadReport {
    let ready =
        |id: &str| OfferedLanguage { id: id.to_owned(), version: String::new(), image: ImageState::Ready, warm: 1 };
    LoadReport { cpu_busy_permille: busy_permille, languages: LANGUAGES.map(ready).to_vec(), ..LoadReport::default() }
}

/// The same for times that differ by less than [`BUCKET_RATIO`]; never 0.
fn bucket(time: Duration) -> u64 {
    let (mut number, mut bound_s) = (1, SERVICE_S.0);
    while bound_s < time.as_secs_f64() {
        bound_s *= BUCKET_RATIO;
        number += 1;
    }
    number
}

/// The time in the middle of a bucket, by its ratio to both ends.
fn middle_of(bucket: u64) -> Duration {
    let above = (1..bucket).fold(SERVICE_S.0, |bound_s, _| bound_s * BUCKET_RATIO);
    Duration::from_secs_f64(above / BUCKET_RATIO.sqrt())
}

/// A run that took so long.
fn report(took: Duration) -> Box<JobReport> {
    let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let facts = StepFacts {
        exit: Some(Exit::Code(0)),
        stop: None,
        cpu_us: took_us,
        wall_us: took_us,
        memory_peak_bytes: 16 << 20,
        oom_kills: 0,
        pids_refused: 0,
        stdout_bytes: 0,
        stderr_bytes: 0,
        kill_us: None,
        accounting: Accounting::Cgroup,
        start_error: None,
        keep_error: None,
    };
    Box::new(JobReport {
        outcome: Outcome::Ok,
        message: None,
        compile: None,
        companion: None,
        run: Some(StepReport { outcome: Outcome::Ok, facts, cached: false }),
        files: Vec::new(),
        files_error: None,
        sandbox_us: 0,
        isolation: Isolation::Runc,
        reuse: Reuse::Tenant,
        dependencies: None,
        laps: None,
    })
}

impl Cluster {
    /// A master that has just started, for jobs of so many tenants.
    pub fn new(sight: Sight, tenants: u16) -> Self {
        Self::weighted(sight, tenants, &[])
    }

    /// The same, with weights of the first of them; the others have 1.
    pub fn weighted(sight: Sight, tenants: u16, weights: &[u32]) -> Self {
        let base = Instant::now();
        let rules = Rules { prediction: sight != Sight::None, ..Rules::new(EPOCH, LEASE, HEARTBEAT) };
        let now = Moment { instant: base, unix: UnixTime(0) };
        let weights = (0..).zip(weights).map(|(tenant, weight)| (tenant_name(tenant).into(), *weight)).collect();
        let bounds = RunningBounds { weights, ..RunningBounds::default() };
        Self {
            core: Core::taught(rules, bounds, sight.predictor(tenants), Vec::new(), now),
            sight,
            base,
            demands: HashMap::new(),
            names: Vec::new(),
            sessions: Vec::new(),
            agent_of: Vec::new(),
            sequence: 0,
        }
    }

    fn submitted(&mut self, work: &Work) -> Submitted {
        let demand = self.demands.entry((work.tenant, work.language)).or_insert_with(|| {
            Arc::new(Demand {
                tenant: Arc::from(tenant_name(work.tenant)),
                language: Arc::from(LANGUAGES[work.language]),
                companion: None,
                interactive: false,
                isolation: Isolation::Runc,
                installs: false,
                live_stdin: false,
                room: SLOT,
                report_bytes: 0,
            })
        });
        Submitted {
            job: job_id(work.number),
            demand: Arc::clone(demand),
            input_bytes: 1,
            compile_key: None,
            cases_time: Duration::ZERO,
            priority: Priority::Normal,
            expires: None,
            traits: Traits { source: self.source(work) },
            waited: Duration::ZERO,
        }
    }

    /// By what the core knows a job again.
    fn source(&self, work: &Work) -> u64 {
        match self.sight {
            Sight::None | Sight::History => work.source,
            Sight::Truth | Sight::Inverse => bucket(work.service),
        }
    }

    fn joining(&mut self, agent: usize, slots: u32, life: u32, holding: &[Attempt]) -> Box<Joining> {
        while self.names.len() <= agent {
            let name = format!("agent-{}", self.names.len()).parse().expect("it is a name");
            self.names.push(name);
            self.sessions.push(SessionId(u64::MAX));
        }
        let session = SessionId(self.agent_of.len() as u64);
        self.agent_of.push(agent);
        self.sessions[agent] = session;
        let times = u64::from(slots);
        let capacity = Room {
            memory_bytes: SLOT.memory_bytes * times,
            cpu_millis: SLOT.cpu_millis * times,
            pids: SLOT.pids * times,
            slots: times,
        };
        let offer = Offer {
            capacity,
            isolation: Isolation::Runc,
            reuse: Reuse::Tenant,
            embedded: false,
            installs: false,
            build: String::new(),
        };
        Box::new(Joining {
            session,
            name: self.names[agent].clone(),
            instance: Uuid::from_u128((agent as u128) << 32 | u128::from(life)),
            link_version: enclos_protocol::agent_link::LINK_VERSION,
            offer,
            holding: holding.iter().copied().map(attempt_id).collect(),
            load: load(0),
        })
    }

    fn event(&mut self, happening: Happening<'_>) -> Option<Event> {
        Some(match happening {
            Happening::Joined { agent, slots, life, holding, .. } => {
                Event::Joined(self.joining(agent, slots, life, holding))
            }
            Happening::Cut { agent } => Event::Left(self.sessions[agent]),
            // A host that is gone says nothing.
            Happening::Died { .. } => return None,
            Happening::Beat { agent, busy_permille } => {
                self.sequence += 1;
                Event::Heartbeat { session: self.sessions[agent], sequence: self.sequence, load: load(busy_permille) }
            }
            Happening::Arrived(work) => Event::Submitted(self.submitted(work)),
            Happening::Done { agent, attempt, took } => Event::Finished {
                session: self.sessions[agent],
                attempt: attempt_id(attempt),
                report: report(self.sight.said(took)),
            },
            Happening::Failed { agent, attempt } => Event::Returned {
                session: self.sessions[agent],
                attempt: attempt_id(attempt),
                reason: ReturnReason::Failed { message: "as it was told to".to_owned(), engine_gone: false },
            },
            Happening::Tick => Event::Tick,
        })
    }

    /// What an action comes to in the world, and an event where the master would hear of it at once.
    fn perform(&mut self, action: Action, held: &[Attempt], orders: &mut Vec<Order>) -> Option<Event> {
        match action {
            Action::Dispatch { session, attempt, .. } => {
                let agent = self.agent_at(session)?;
                orders.push(Order::Start { agent, attempt: attempt_of(attempt) });
                Some(Event::Started { session, attempt })
            }
            Action::Finish(finishing) => {
                let job = finishing.job;
                let given_up = finishing.ending.report.is_none();
                orders.push(Order::End { job: number_of(job), given_up });
                Some(Event::Recorded { job, recorded: Recorded::Now })
            }
            Action::Send(session, FromMaster::Abandon { attempt }) => {
                let agent = self.agent_at(session)?;
                orders.push(Order::Abandon { agent, attempt: attempt_of(attempt) });
                None
            }
            Action::Send(session, FromMaster::Welcome(welcome)) => {
                let agent = self.agent_at(session)?;
                let unwanted = held.iter().filter(|attempt| !welcome.keep.contains(&attempt_id(**attempt)));
                orders.extend(unwanted.map(|attempt| Order::Abandon { agent, attempt: *attempt }));
                None
            }
            Action::Close(session, _) => {
                let agent = self.agent_at(session)?;
                orders.push(Order::Close { agent });
                None
            }
            // Nobody is asked to end or to drain; the rest is for the books.
            _ => None,
        }
    }

    /// The agent that speaks on a connection; `None` where it has a newer one.
    fn agent_at(&self, session: SessionId) -> Option<usize> {
        let agent = *self.agent_of.get(usize::try_from(session.0).ok()?)?;
        (self.sessions[agent] == session).then_some(agent)
    }
}

impl Policy for Cluster {
    fn handle(&mut self, happening: Happening<'_>, at: Duration, orders: &mut Vec<Order>) {
        let held: &[Attempt] = if let Happening::Joined { holding, .. } = happening { holding } else { &[] };
        let now = Moment { instant: self.base + at, unix: UnixTime(i64::try_from(at.as_millis()).unwrap_or(i64::MAX)) };
        let mut events: Vec<Event> = self.event(happening).into_iter().collect();
        while let Some(event) = events.pop() {
            for action in self.core.handle(event, now) {
                events.extend(self.perform(action, held, orders));
            }
        }
    }
}
