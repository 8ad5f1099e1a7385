//! What others do: jobs bound to an agent when they come, each agent with a queue of its own; and
//! one queue for all.
//!
//! They are told of everything at once and without error (a death, too, which
//! ours has to find out), so nothing here is worse than it has to be. Agents
//! are weighted by their slots.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::policy::{Attempt, Happening, Order, Policy};
use crate::chance::Chance;

/// Every number of slots up to 8 divides it, so loads of agents of different sizes compare exactly.
const COMMON_SLOTS: u32 = 840;

/// How an agent is found for a job that comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    /// Any.
    Random,
    /// One after the other.
    RoundRobin,
    /// The one with the fewest jobs, running and waiting, by its slots.
    LeastConnections,
    /// The better of two (Mitzenmacher 2001).
    TwoChoices,
}

#[derive(Clone, Default, Debug)]
struct Worker {
    slots: u32,
    is_up: bool,
    running: Vec<Attempt>,
    waiting: VecDeque<u32>,
}

impl Worker {
    /// Jobs for each slot, in parts of [`COMMON_SLOTS`].
    fn load(&self) -> u64 {
        let jobs = (self.running.len() + self.waiting.len()) as u64;
        jobs * u64::from(COMMON_SLOTS) / u64::from(self.slots.max(1))
    }

    fn has_room(&self) -> bool {
        self.is_up && self.running.len() < self.slots as usize
    }

    /// Takes out an attempt; `false`: it is not here any more.
    fn take_out(&mut self, attempt: Attempt) -> bool {
        let before = self.running.len();
        self.running.retain(|running| *running != attempt);
        self.running.len() < before
    }
}

/// The agent `agent`, made where it is new.
fn worker(workers: &mut Vec<Worker>, agent: usize) -> &mut Worker {
    if workers.len() <= agent {
        workers.resize_with(agent + 1, Worker::default);
    }
    &mut workers[agent]
}

/// Jobs are bound when they come.
#[derive(Debug)]
pub struct Bound {
    choice: Choice,
    workers: Vec<Worker>,
    /// Agents that are up, each as often as it has slots.
    places: Vec<usize>,
    by_load: BTreeSet<(u64, usize)>,
    /// Jobs that came while no agent was up.
    homeless: VecDeque<u32>,
    turn: usize,
    attempts: u64,
    chance: Chance,
}

impl Bound {
    /// Without agents yet.
    pub fn new(choice: Choice, seed: u64) -> Self {
        Self {
            choice,
            workers: Vec::new(),
            places: Vec::new(),
            by_load: BTreeSet::new(),
            homeless: VecDeque::new(),
            turn: 0,
            attempts: 0,
            chance: Chance::of(seed, 4),
        }
    }

    fn choose(&mut self) -> Option<usize> {
        if self.places.is_empty() {
            return None;
        }
        let mut any = || self.places[self.chance.index(self.places.len())];
        Some(match self.choice {
            Choice::Random => any(),
            Choice::TwoChoices => {
                let (one, other) = (any(), any());
                if self.workers[other].load() < self.workers[one].load() { other } else { one }
            }
            Choice::RoundRobin => {
                self.turn = (self.turn + 1) % self.places.len();
                self.places[self.turn]
            }
            Choice::LeastConnections => self.by_load.first()?.1,
        })
    }

    /// Changes an agent, and keeps the order by load.
    fn change<T>(&mut self, agent: usize, change: impl FnOnce(&mut Worker) -> T) -> T {
        let worker = worker(&mut self.workers, agent);
        self.by_load.remove(&(worker.load(), agent));
        let changed = change(worker);
        if worker.is_up {
            self.by_load.insert((worker.load(), agent));
        }
        changed
    }

    fn bind(&mut self, job: u32, orders: &mut Vec<Order>) {
        let Some(agent) = self.choose() else { return self.homeless.push_back(job) };
        self.change(agent, |worker| worker.waiting.push_back(job));
        self.start(agent, orders);
    }

    fn start(&mut self, agent: usize, orders: &mut Vec<Order>) {
        while self.workers[agent].has_room() {
            self.attempts += 1;
            let number = self.attempts;
            let started = self.change(agent, |worker| {
                let attempt = Attempt { job: worker.waiting.pop_front()?, number };
                worker.running.push(attempt);
                Some(attempt)
            });
            let Some(attempt) = started else { return };
            orders.push(Order::Start { agent, attempt });
        }
    }

    fn count_places(&mut self) {
        let up = self.workers.iter().enumerate().filter(|(_, worker)| worker.is_up);
        self.places = up.flat_map(|(agent, worker)| std::iter::repeat_n(agent, worker.slots as usize)).collect();
        // One agent's places apart from each other, or taking turns would fill it first.
        Chance::of(self.places.len() as u64, 5).shuffle(&mut self.places);
    }
}

impl Policy for Bound {
    fn handle(&mut self, happening: Happening<'_>, _: Duration, orders: &mut Vec<Order>) {
        match happening {
            Happening::Joined { agent, slots, restarted, .. } if restarted => {
                self.change(agent, |worker| (worker.slots, worker.is_up) = (slots, true));
                self.count_places();
                for job in std::mem::take(&mut self.homeless) {
                    self.bind(job, orders);
                }
            }
            Happening::Died { agent } => {
                let (running, waiting) = self.change(agent, |worker| {
                    worker.is_up = false;
                    (std::mem::take(&mut worker.running), std::mem::take(&mut worker.waiting))
                });
                self.count_places();
                for job in running.iter().map(|attempt| attempt.job).chain(waiting) {
                    self.bind(job, orders);
                }
            }
            Happening::Arrived(work) => self.bind(work.number, orders),
            Happening::Done { agent, attempt, .. } => {
                if self.change(agent, |worker| worker.take_out(attempt)) {
                    orders.push(Order::End { job: attempt.job, given_up: false });
                    self.start(agent, orders);
                }
            }
            Happening::Failed { agent, attempt } => {
                if self.change(agent, |worker| worker.take_out(attempt)) {
                    self.start(agent, orders);
                    self.bind(attempt.job, orders);
                }
            }
            Happening::Joined { .. } | Happening::Cut { .. } | Happening::Beat { .. } | Happening::Tick => {}
        }
    }
}

/// One queue for all; first come, first served.
#[derive(Default, Debug)]
pub struct Central {
    workers: Vec<Worker>,
    free: BTreeSet<usize>,
    waiting: VecDeque<u32>,
    /// The first tenant's jobs, where the others' go before them.
    last: VecDeque<u32>,
    others_first: bool,
    attempts: u64,
}

impl Central {
    /// Whoever is not the first tenant goes before it.
    pub fn others_first() -> Self {
        Self { others_first: true, ..Self::default() }
    }

    fn change<T>(&mut self, agent: usize, change: impl FnOnce(&mut Worker) -> T) -> T {
        let worker = worker(&mut self.workers, agent);
        let changed = change(worker);
        if worker.has_room() {
            self.free.insert(agent);
        } else {
            self.free.remove(&agent);
        }
        changed
    }

    fn start(&mut self, orders: &mut Vec<Order>) {
        while let Some(agent) = self.free.first().copied() {
            let Some(job) = self.waiting.pop_front().or_else(|| self.last.pop_front()) else { return };
            self.attempts += 1;
            let attempt = Attempt { job, number: self.attempts };
            self.change(agent, |worker| worker.running.push(attempt));
            orders.push(Order::Start { agent, attempt });
        }
    }
}

impl Policy for Central {
    fn handle(&mut self, happening: Happening<'_>, _: Duration, orders: &mut Vec<Order>) {
        match happening {
            Happening::Joined { agent, slots, restarted, .. } if restarted => {
                self.change(agent, |worker| (worker.slots, worker.is_up) = (slots, true));
            }
            Happening::Died { agent } => {
                let lost = self.change(agent, |worker| {
                    worker.is_up = false;
                    std::mem::take(&mut worker.running)
                });
                for attempt in lost {
                    self.waiting.push_front(attempt.job);
                }
            }
            Happening::Arrived(work) if self.others_first && work.tenant == 0 => self.last.push_back(work.number),
            Happening::Arrived(work) => self.waiting.push_back(work.number),
            Happening::Done { agent, attempt, .. } => {
                if self.change(agent, |worker| worker.take_out(attempt)) {
                    orders.push(Order::End { job: attempt.job, given_up: false });
                }
            }
            Happening::Failed { agent, attempt } => {
                if self.change(agent, |worker| worker.take_out(attempt)) {
                    self.waiting.push_front(attempt.job);
                }
            }
            Happening::Joined { .. } | Happening::Cut { .. } | Happening::Beat { .. } | Happening::Tick => {}
        }
        self.start(orders);
    }
}
