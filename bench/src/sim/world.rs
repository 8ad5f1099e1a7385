//! The world: a virtual clock, agents that run jobs for as long as they take, and what goes wrong.
//!
//! ```text
//! workload ─ next arrival ┐
//!                         ├─ the earlier ─▶ what happens ─▶ policy ─▶ orders ─▶ agents ─▶ more to come ─┐
//! heap of what is to come ┘                                                                             │
//!            ▲──────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Only jobs that have not ended are held, so memory is bounded by how many wait. Held after every
//! order: no agent runs more than it has slots, no job ends twice, none is lost.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::time::{Duration, Instant};

use super::faults::{Faults, Luck};
use super::measure::{Figures, Seen};
use super::policy::{Attempt, Happening, Order, Policy};
use super::workload::Work;

/// How often agents say that they live, as real ones do.
pub const HEARTBEAT: Duration = Duration::from_secs(1);
/// How often a policy hears that time passed.
const TICK: Duration = Duration::from_millis(500);
/// Until an agent whose connection was closed is there again.
const REJOIN_AFTER: Duration = Duration::from_secs(1);
/// Longest that a run may go on after its last arrival: what has not ended then is lost.
const DRAIN_MAX: Duration = Duration::from_secs(24 * 3600);

/// What is to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    /// An attempt is over at its agent, unless that has died since this life.
    Over {
        agent: usize,
        attempt: Attempt,
        life: u32,
    },
    /// The answer is at the master.
    Answered {
        agent: usize,
        attempt: Attempt,
        life: u32,
    },
    /// An agent says that it lives.
    Beat {
        agent: usize,
        life: u32,
    },
    /// That is at the master.
    BeatCame {
        agent: usize,
        life: u32,
        busy_permille: u16,
    },
    Fault {
        agent: usize,
    },
    Back {
        agent: usize,
    },
    Tick,
}

#[derive(PartialEq, Eq)]
struct Entry {
    at: Duration,
    /// What was foreseen first comes first.
    order: u64,
    next: Next,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives its greatest.
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Clone, Default)]
struct Agent {
    slots: u32,
    running: Vec<Attempt>,
    /// Over, and not answered yet.
    unanswered: Vec<Attempt>,
    is_alive: bool,
    is_connected: bool,
    /// Counts its processes.
    life: u32,
}

/// A job that has not ended.
#[derive(Clone, Copy)]
struct Live {
    came: Duration,
    service: Duration,
    tenant: u16,
}

/// One run of one policy.
pub struct World<'a> {
    policy: &'a mut dyn Policy,
    faults: Faults,
    at: Duration,
    heap: BinaryHeap<Entry>,
    foreseen: u64,
    agents: Vec<Agent>,
    live: HashMap<u32, Live>,
    seen: Seen,
    /// Time that the policy took, by the real clock.
    spent: Duration,
    decisions: u64,
    orders: Vec<Order>,
    last_arrival: Duration,
}

impl<'a> World<'a> {
    /// A world with an agent for each of `slots`; the first `warm_up` jobs are not counted.
    pub fn new(policy: &'a mut dyn Policy, slots: &[u32], faults: Faults, warm_up: u32) -> Self {
        let agents = slots.iter().map(|&slots| Agent { slots, ..Agent::default() }).collect();
        Self {
            policy,
            faults,
            at: Duration::ZERO,
            heap: BinaryHeap::new(),
            foreseen: 0,
            agents,
            live: HashMap::new(),
            seen: Seen::new(warm_up, slots.iter().sum()),
            spent: Duration::ZERO,
            decisions: 0,
            orders: Vec::new(),
            last_arrival: Duration::ZERO,
        }
    }

    /// Runs until every job has ended.
    pub fn run(mut self, workload: impl Iterator<Item = Work>) -> Figures {
        let count = u32::try_from(self.agents.len()).unwrap_or(u32::MAX);
        for agent in 0..self.agents.len() {
            self.comes(agent);
            // Agents did not start in the same moment.
            let first = HEARTBEAT.mul_f64((agent + 1) as f64 / f64::from(count));
            self.foresee(first, Next::Beat { agent, life: self.agents[agent].life });
            if let Some(until) = self.faults.until_next() {
                self.foresee(until, Next::Fault { agent });
            }
        }
        self.foresee(TICK, Next::Tick);
        for work in workload {
            while self.heap.peek().is_some_and(|entry| entry.at <= work.at) {
                self.step();
            }
            self.at = work.at;
            self.last_arrival = work.at;
            self.live.insert(work.number, Live { came: work.at, service: work.service, tenant: work.tenant });
            self.tell(Happening::Arrived(&work));
        }
        self.seen.arrivals_ended(self.at);
        while !self.live.is_empty() {
            assert!(self.at < self.last_arrival + DRAIN_MAX, "{} jobs never ended", self.live.len());
            self.step();
        }
        self.seen.figures(self.spent, self.decisions)
    }

    fn foresee(&mut self, after: Duration, next: Next) {
        self.foreseen += 1;
        self.heap.push(Entry { at: self.at + after, order: self.foreseen, next });
    }

    fn tell(&mut self, happening: Happening<'_>) {
        let begun = Instant::now();
        self.policy.handle(happening, self.at, &mut self.orders);
        self.spent += begun.elapsed();
        let mut orders = std::mem::take(&mut self.orders);
        orders.drain(..).for_each(|order| self.obey(order));
        self.orders = orders;
    }

    fn step(&mut self) {
        let entry = self.heap.pop().expect("the clock always ticks");
        self.at = entry.at;
        match entry.next {
            Next::Over { agent, attempt, life } => self.over(agent, attempt, life),
            Next::Answered { agent, attempt, life } => self.answered(agent, attempt, life),
            Next::Beat { agent, life } if self.agents[agent].life == life && self.agents[agent].is_alive => {
                let state = &self.agents[agent];
                let busy = u16::try_from(1000 * state.running.len() / state.slots.max(1) as usize).unwrap_or(1000);
                let busy_permille = self.faults.reported(agent, busy);
                let late = self.faults.lateness();
                self.foresee(late, Next::BeatCame { agent, life, busy_permille });
                self.foresee(HEARTBEAT, Next::Beat { agent, life });
            }
            Next::BeatCame { agent, life, busy_permille } => {
                if self.agents[agent].life == life && self.agents[agent].is_connected {
                    self.tell(Happening::Beat { agent, busy_permille });
                }
            }
            Next::Beat { .. } => {}
            Next::Fault { agent } => self.fault(agent),
            Next::Back { agent } => self.comes(agent),
            Next::Tick => {
                self.tell(Happening::Tick);
                self.foresee(TICK, Next::Tick);
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Start { agent, attempt } => {
                self.decisions += 1;
                let state = &mut self.agents[agent];
                if !state.is_alive {
                    // Sent to nobody: whoever sent it has to find out.
                    return;
                }
                let life = state.life;
                state.running.push(attempt);
                assert!(
                    state.running.len() <= state.slots as usize,
                    "agent {agent} was given more than it has room for"
                );
                let live = self.live.get(&attempt.job).expect("only jobs that have not ended are given out");
                self.foresee(live.service, Next::Over { agent, attempt, life });
            }
            Order::End { job, given_up } => {
                let Live { came, service, tenant } = self.live.remove(&job).expect("no job ends twice");
                self.seen.ended(job, tenant, self.at - came, service, given_up);
            }
            Order::Abandon { agent, attempt } => {
                let state = &mut self.agents[agent];
                let before = state.running.len();
                state.running.retain(|running| *running != attempt);
                if state.running.len() < before {
                    self.seen.wasted();
                }
                state.unanswered.retain(|kept| *kept != attempt);
            }
            Order::Close { agent } => {
                if std::mem::take(&mut self.agents[agent].is_connected) {
                    self.foresee(REJOIN_AFTER, Next::Back { agent });
                }
            }
        }
    }

    fn over(&mut self, agent: usize, attempt: Attempt, life: u32) {
        let state = &mut self.agents[agent];
        let at_agent = state.life == life && state.running.contains(&attempt);
        if !at_agent {
            return;
        }
        state.running.retain(|running| *running != attempt);
        state.unanswered.push(attempt);
        if let Some(live) = self.live.get(&attempt.job) {
            self.seen.busy(live.service, self.at);
        }
        let late = self.faults.lateness();
        if late.is_zero() {
            self.answered(agent, attempt, life);
        } else {
            self.foresee(late, Next::Answered { agent, attempt, life });
        }
    }

    fn answered(&mut self, agent: usize, attempt: Attempt, life: u32) {
        let state = &mut self.agents[agent];
        if state.life != life || !state.is_connected {
            return;
        }
        let before = state.unanswered.len();
        state.unanswered.retain(|kept| *kept != attempt);
        if state.unanswered.len() == before {
            return;
        }
        let took = self.live.get(&attempt.job).map_or(Duration::ZERO, |live| live.service);
        if self.faults.fails(agent) {
            self.tell(Happening::Failed { agent, attempt });
        } else {
            self.tell(Happening::Done { agent, attempt, took });
        }
    }

    fn fault(&mut self, agent: usize) {
        if let Some(until) = self.faults.until_next() {
            self.foresee(until, Next::Fault { agent });
        }
        let state = &mut self.agents[agent];
        if !state.is_connected {
            return;
        }
        state.is_connected = false;
        let (luck, away) = self.faults.strike();
        match luck {
            Luck::Dies => {
                state.is_alive = false;
                let lost = std::mem::take(&mut state.running).len();
                state.unanswered.clear();
                (0..lost).for_each(|_| self.seen.wasted());
                self.tell(Happening::Died { agent });
            }
            Luck::IsCut => self.tell(Happening::Cut { agent }),
        }
        self.foresee(away, Next::Back { agent });
    }

    fn comes(&mut self, agent: usize) {
        let state = &mut self.agents[agent];
        if state.is_connected {
            return;
        }
        let restarted = !state.is_alive;
        state.is_connected = true;
        if restarted {
            state.is_alive = true;
            state.life += 1;
        }
        let (slots, life) = (state.slots, state.life);
        let unanswered = state.unanswered.clone();
        let holding: Vec<Attempt> = state.running.iter().chain(&unanswered).copied().collect();
        if restarted && life > 1 {
            self.foresee(HEARTBEAT, Next::Beat { agent, life });
        }
        self.tell(Happening::Joined { agent, slots, life, restarted, holding: &holding });
        for attempt in unanswered {
            self.answered(agent, attempt, life);
        }
    }
}
