//! A core at work: every slot is taken, jobs wait, and one job ends after the other.
//!
//! The jobs are of a thousand tenants, in twenty languages and three sizes, so that they stand in
//! tens of thousands of lines of sixty shapes, and most of what waits first does not fit where room comes free. All
//! have waited for so long that agents are kept free for the large ones.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use enclos::queue::{Demand, Priority, Room};
use enclos::scheduler::{
    Action, Core, Event, Joining, Moment, Offer, Policy, RunningBounds, SessionId, Submitted, Traits,
};
use enclos::store::{Recorded, UnixTime};
use enclos_protocol::agent_link::{ImageState, LINK_VERSION, LoadReport, OfferedLanguage};
use enclos_protocol::ids::{AttemptId, JobId};
use enclos_protocol::job::{Isolation, JobReport, Reuse};
use enclos_protocol::outcome::Outcome;
use uuid::Uuid;

use crate::chance::Chance;

const TENANTS: u64 = 1000;
const LANGUAGES: u64 = 20;
const SLOTS: u64 = 8;
const MIB: u64 = 1 << 20;
/// How long every job has waited when it comes: longer than one waits before an agent is kept free for it.
const WAITED: Duration = Duration::from_secs(20);

/// What a job needs, by chance.
pub fn demand(chance: &mut Chance) -> Arc<Demand> {
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

/// The core, and what runs.
pub struct World {
    core: Core,
    now: Moment,
    chance: Chance,
    jobs: u64,
    /// What runs, and who has it.
    running: Vec<(SessionId, AttemptId)>,
}

impl World {
    /// So many agents, all of them full, and so many jobs that wait.
    pub fn new(agents: u64, queued: u64) -> Self {
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
            waited: WAITED,
        }));
    }

    /// A job ends, by chance: the time that the core takes to hear of it and to give its room away.
    pub fn decide(&mut self) -> Duration {
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
