//! An agent under a virtual clock: the very plan of a real one, jobs, starts and ends that share its cores.
//!
//! What works has a share of the cores as the kernel would give it, at most one core. So a start slows the jobs
//! beside it, and they slow it. A job that finds no free slot waits at the master.

use std::collections::{BTreeMap, VecDeque};

use enclos_agent::pool::ImageKey;
use enclos_agent::pool::plan::Plan;
use enclos_agent::pool::words::{Action, After, Input, Ticket};
use enclos_protocol::ids::Binding;

use super::measure::Seen;
use super::policy::{CORES, Policy, SLOTS};
use super::workload::{Job, duration};

/// Processor time of making a sandbox, and of removing it, in seconds: 466 ms together (`docs/BENCHMARKS.md`).
pub const START_S: f64 = 0.36;
pub const STOP_S: f64 = 0.106;
/// So long after the last job what is still held is charged: as long as a place is worth a second of creation.
pub const TAIL_S: f64 = 1200.0;
/// Less work than this is done: what is left of sums of fractions.
const DONE_S: f64 = 1e-9;

enum Work {
    Job { number: u64, index: usize },
    Start(u64),
    Stop(u64),
}

/// The agent.
pub struct World<'a> {
    jobs: &'a [Job],
    plan: Plan,
    now: f64,
    /// What has a share of the cores, and how much of it is left, in seconds.
    work: Vec<(Work, f64)>,
    /// Jobs that hold a sandbox and wait for something else: until when.
    resting: Vec<(f64, u64, usize)>,
    /// Jobs that wait for a slot.
    queue: VecDeque<usize>,
    /// Jobs with a slot.
    held: usize,
    /// When claims were made that wait, by the index of their job.
    claimed: BTreeMap<usize, f64>,
    seen: Seen,
}

impl<'a> World<'a> {
    pub fn new(policy: Policy, images: u32, jobs: &'a [Job]) -> Self {
        let mut world = Self {
            jobs,
            plan: Plan::new(policy.bounds(images as usize)),
            now: 0.0,
            work: Vec::new(),
            resting: Vec::new(),
            queue: VecDeque::new(),
            held: 0,
            claimed: BTreeMap::new(),
            seen: Seen::default(),
        };
        for image in 0..images {
            world.apply(Input::Stock { image: key(image), target: policy.stock() });
        }
        world
    }

    /// Runs all jobs to their end, and [`TAIL_S`] beyond.
    pub fn run(mut self) -> Seen {
        let (mut next, mut end) = (0, f64::INFINITY);
        while self.now < end {
            let comes = self.jobs.get(next).map_or(end, |job| job.at);
            let wakes = self.resting.iter().map(|(at, ..)| *at).fold(f64::INFINITY, f64::min);
            let tick = self.plan.next_tick().map_or(f64::INFINITY, |at| at.as_secs_f64());
            let share = (CORES as f64 / self.work.len().max(1) as f64).min(1.0);
            let ends = self.work.iter().map(|(_, left)| left / share).fold(f64::INFINITY, f64::min) + self.now;
            let until = comes.min(tick).min(ends).min(wakes);
            self.pass(until, share);
            if until == comes && next < self.jobs.len() {
                self.queue.push_back(next);
                next += 1;
            } else if until == tick {
                self.apply(Input::Tick);
            }
            while let Some(woken) = self.resting.iter().position(|(at, ..)| *at <= self.now) {
                let (_, number, index) = self.resting.swap_remove(woken);
                self.work.push((Work::Job { number, index }, self.jobs[index].work));
            }
            while let Some(done) = self.work.iter().position(|(_, left)| *left <= DONE_S) {
                let (work, _) = self.work.swap_remove(done);
                self.end(work);
            }
            self.admit();
            if end.is_infinite() && next == self.jobs.len() && self.held == 0 && self.queue.is_empty() {
                end = self.now + TAIL_S;
            }
        }
        self.seen
    }

    fn pass(&mut self, until: f64, share: f64) {
        let passed = (until - self.now).max(0.0);
        self.work.iter_mut().for_each(|(_, left)| *left -= passed * share);
        self.seen.held_s += self.plan.len() as f64 * passed;
        self.now = until;
    }

    /// Gives waiting jobs the slots that are free.
    fn admit(&mut self) {
        while self.held < SLOTS
            && let Some(index) = self.queue.pop_front()
        {
            self.held += 1;
            self.claimed.insert(index, self.now);
            let Job { image, scope, reuse, .. } = self.jobs[index];
            let binding = Binding { tenant: "t".into(), scope: scope.to_string() };
            let before = self.seen.waits.len();
            self.apply(Input::Claim { ticket: Ticket(index as u64), image: key(image), binding, reuse });
            self.seen.hits += u64::from(self.seen.waits.len() > before && !self.claimed.contains_key(&index));
        }
    }

    fn end(&mut self, work: Work) {
        match work {
            Work::Start(number) => self.apply(Input::Opened(number)),
            Work::Stop(number) => self.apply(Input::Closed(number)),
            Work::Job { number, index } => {
                let Job { at, work, waits, unfit, .. } = self.jobs[index];
                self.seen.lost.push(self.now - at - work - waits);
                self.held -= 1;
                self.apply(Input::Returned(number, if unfit { After::Unfit } else { After::Clean }));
            }
        }
    }

    fn apply(&mut self, input: Input) {
        for action in self.plan.apply(duration(self.now), input) {
            match action {
                Action::Open(number, _) => {
                    self.seen.started += 1;
                    self.work.push((Work::Start(number), START_S));
                }
                Action::Close(number, _) => {
                    self.seen.stopped += 1;
                    self.work.push((Work::Stop(number), STOP_S));
                }
                Action::Assign(number, Ticket(ticket)) => {
                    let index = usize::try_from(ticket).expect("it was an index");
                    let since = self.claimed.remove(&index).expect("it was claimed");
                    self.seen.waits.push(self.now - since);
                    self.resting.push((self.now + self.jobs[index].waits, number, index));
                }
                Action::SendAhead(..) | Action::Recall(_) => unreachable!("no image has a forerunner"),
                Action::Refuse(_) => unreachable!("every start succeeds"),
            }
        }
    }
}

fn key(image: u32) -> ImageKey {
    ImageKey { name: format!("image-{image:02}"), reference: String::new() }
}
