//! What one decision of the scheduler's core costs, by how many agents there are and how many jobs wait.
//!
//! Every slot is taken, and a job ends: what is measured is all that the core does between hearing of it
//! and having given the room to the next job. The jobs are of a thousand tenants, in twenty languages
//! and three sizes, so that they stand in thousands of lines.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use enclos::queue::{Cursor, Demand, Priority, ReadyQueue, Room, Rules, Ticket, Waiting};
use enclos::scheduler::{
    Action, Core, Event, Joining, Moment, Offer, Policy, RunningBounds, SessionId, Submitted, Traits,
};
use enclos::store::{Recorded, UnixTime};
use enclos_protocol::agent_link::{ImageState, LINK_VERSION, LoadReport, OfferedLanguage};
use enclos_protocol::ids::{AttemptId, JobId};
use enclos_protocol::job::{Isolation, JobReport, Reuse};
use enclos_protocol::outcome::Outcome;
use uuid::Uuid;

const TENANTS: u64 = 1000;
const LANGUAGES: u64 = 20;
const SLOTS: u64 = 8;
const MIB: u64 = 1 << 20;

/// Numbers by chance, the same in every run (splitmix64, Steele et al. 2014).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

fn demand(chance: &mut Chance) -> Arc<Demand> {
    let memory_bytes = [64, 128, 256][usize::try_from(chance.below(3)).expect("it is small")] * MIB;
    Arc::new(Demand {
        tenant: format!("tenant-{}", chance.below(TENANTS)).into(),
        language: format!("language-{}", chance.below(LANGUAGES)).into(),
        companion: None,
        interactive: false,
        isolation: Isolation::Runc,
        installs: false,
        live_stdin: false,
        room: Room { memory_bytes, cpu_millis: 1000, pids: 64, slots: 1 },
        report_bytes: 1,
    })
}

fn report() -> Box<JobReport> {
    Box::new(JobReport {
        outcome: Outcome::Ok,
        message: None,
        compile: None,
        companion: None,
        run: None,
        files: Vec::new(),
        files_error: None,
        sandbox_us: 0,
        isolation: Isolation::Runc,
        reuse: Reuse::Tenant,
        dependencies: None,
        laps: None,
    })
}

struct World {
    core: Core,
    now: Moment,
    chance: Chance,
    jobs: u64,
    /// What runs, and who has it.
    running: Vec<(SessionId, AttemptId)>,
}

impl World {
    fn new(agents: u64, queued: u64) -> Self {
        let now = Moment { instant: Instant::now(), unix: UnixTime(0) };
        let policy = Policy::new(1, Duration::from_secs(5), Duration::from_secs(1));
        let core = Core::new(policy, RunningBounds::default(), Vec::new(), now);
        let mut world = Self { core, now, chance: Chance(7), jobs: 0, running: Vec::new() };
        (0..agents).for_each(|agent| world.join(agent));
        for _ in 0..agents * SLOTS + queued {
            world.submit();
        }
        world
    }

    fn handle(&mut self, event: Event) {
        for action in self.core.handle(event, self.now) {
            if let Action::Dispatch { session, attempt, .. } = action {
                self.running.push((session, attempt));
            }
        }
    }

    fn join(&mut self, agent: u64) {
        let ready = |n: u64| OfferedLanguage {
            id: format!("language-{n}"),
            version: String::new(),
            image: ImageState::Ready,
            warm: u32::from(n % 3 == agent % 3),
        };
        let capacity = Room { memory_bytes: SLOTS * 128 * MIB, cpu_millis: SLOTS * 1000, pids: 4096, slots: SLOTS };
        let offer = Offer {
            capacity,
            isolation: Isolation::Runc,
            reuse: Reuse::Tenant,
            embedded: false,
            installs: false,
            build: String::new(),
        };
        self.handle(Event::Joined(Box::new(Joining {
            session: SessionId(agent),
            name: format!("agent-{agent}").parse().expect("it is a name"),
            instance: Uuid::from_u128(u128::from(agent) + 1),
            link_version: LINK_VERSION,
            offer,
            holding: Vec::new(),
            load: LoadReport { languages: (0..LANGUAGES).map(ready).collect(), ..LoadReport::default() },
        })));
    }

    fn submit(&mut self) {
        self.jobs += 1;
        let demand = demand(&mut self.chance);
        self.handle(Event::Submitted(Submitted {
            job: JobId::from_bytes(u128::from(self.jobs).to_be_bytes()),
            demand,
            input_bytes: 1000,
            compile_key: Some(self.chance.0 % 4096),
            cases_time: Duration::ZERO,
            priority: Priority::Normal,
            expires: None,
            traits: Traits { source: self.chance.0 % 4096 + 1 },
            waited: Duration::ZERO,
        }));
    }

    /// A job ends, by chance: the time that the core takes to hear of it and to give its room away.
    fn decide(&mut self) -> Duration {
        let at = usize::try_from(self.chance.below(self.running.len() as u64)).expect("it is an index");
        let (session, attempt) = self.running.swap_remove(at);
        let event = Event::Finished { session, attempt, report: report() };
        let began = Instant::now();
        let actions = self.core.handle(event, self.now);
        let took = began.elapsed();
        for action in black_box(actions) {
            if let Action::Dispatch { session, attempt, .. } = action {
                self.running.push((session, attempt));
            }
        }
        self.handle(Event::Recorded { job: attempt.job, recorded: Recorded::Now });
        self.submit();
        took
    }
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decision");
    group.sample_size(50);
    for agents in [10, 100, 1000, 10_000] {
        let mut world = World::new(agents, 100_000);
        group.bench_with_input(BenchmarkId::new("agents", agents), &agents, |bench, _| {
            bench.iter_custom(|times| (0..times).map(|_| world.decide()).sum());
        });
    }
    for jobs in [100, 10_000, 1_000_000] {
        let mut world = World::new(100, jobs);
        group.bench_with_input(BenchmarkId::new("jobs", jobs), &jobs, |bench, _| {
            bench.iter_custom(|times| (0..times).map(|_| world.decide()).sum());
        });
    }
    group.finish();
}

fn queue(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue");
    for jobs in [100, 10_000, 1_000_000u64] {
        let (now, mut chance) = (Instant::now(), Chance(7));
        let rules = Rules { ageing: Duration::from_secs(60), shortness: 10, overtaken_max: Duration::from_secs(30) };
        let mut queue = ReadyQueue::new(rules, HashMap::new(), now);
        let mut next = 0;
        let mut insert = |queue: &mut ReadyQueue| {
            next += 1;
            let job = JobId::from_bytes(u128::from(next).to_be_bytes());
            let (order, arrived) = (next, now + Duration::from_millis(next));
            let (demand, cost_us) = (demand(&mut chance), 1 + next % 5_000_000);
            (job, queue.insert(Waiting { job, order, arrived, priority: Priority::Normal, demand, cost_us }))
        };
        let mut tickets: HashMap<JobId, Ticket> = (0..jobs).map(|_| insert(&mut queue)).collect();
        group.bench_with_input(BenchmarkId::new("next, take, settle, insert", jobs), &jobs, |bench, _| {
            bench.iter(|| {
                let head = queue.next(&mut Cursor::default()).expect("there are jobs");
                let ticket = tickets.remove(&head.job).expect("it waits");
                let charge = queue.take(ticket).expect("it waits");
                queue.settle(charge, 1_000_000, true);
                tickets.extend([insert(&mut queue)]);
            });
        });
        group.bench_with_input(BenchmarkId::new("forecast", jobs), &jobs, |bench, _| {
            bench.iter(|| black_box(queue.forecast()));
        });
    }
    group.finish();
}

criterion_group!(benches, decisions, queue);
criterion_main!(benches);
