//! The pass over the queue: what fits, goes.
//!
//! ```text
//! lines set aside ── some, in turn ── one that an agent could run now ──▶ back among the lines
//! lines ── the oldest, then some of the others in turn ── fits: given out
//!                                                      ├─ could run somewhere: stays, counts as stuck
//!                                                      ├─ no agent could run it: set aside
//!                                                      └─ its tenant has as many at agents as it may: held
//! ```
//!
//! A pass looks at a bounded number of lines, and every line is looked at after
//! a bounded number of passes, whatever stands before it.

use std::collections::BTreeSet;

use enclos_protocol::ids::{AgentName, AttemptId, FencingToken, JobId};

use super::{Core, Run, State};
use crate::queue::{Demand, Order};
use crate::scheduler::event::{Action, Moment};
use crate::scheduler::placement::{self, Ask};

/// Stuck lines that one pass looks at from the oldest on, and as many of the others in turn.
pub(in crate::scheduler) const LINES_MAX: usize = 128;
/// Lines that one pass sets aside.
pub(in crate::scheduler) const SET_ASIDE_MAX: usize = 128;
/// Lines set aside that one pass looks at again.
pub(in crate::scheduler) const ASIDE_LOOKED_AT: usize = 64;

/// Lines that one pass holds.
pub(in crate::scheduler) const HELD_MAX: usize = 128;
/// Lines that one pass lets go of each tenant that may have more jobs at agents.
pub(in crate::scheduler) const LET_GO_MAX: usize = 32;
/// Heartbeats that an agent may miss and be given a job all the same: a silent cut is noticed by
/// nothing else before its lease ends, and a job given into it costs an attempt.
const MISSED_MAX: u32 = 3;

/// Where the last pass ended among the lines that it takes in turn; `None`: at their end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turns {
    others: Option<Order>,
    aside: Option<Order>,
}

/// One pass on its way.
#[derive(Default)]
struct Pass {
    /// The line looked at last.
    after: Option<Order>,
    /// Agents that are kept free for an older job.
    kept_free: BTreeSet<AgentName>,
    set_aside: usize,
    held: usize,
}

/// Why a part of a pass ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stopped {
    NoMoreLines,
    EnoughLooked,
}

impl Core {
    /// Gives out every job that fits, oldest first. Younger ones may pass an older one that fits
    /// nowhere, until that has waited for `hold_after`: then an agent is kept free for it.
    pub(super) fn place(&mut self, now: Moment) {
        if !self.someone_is_free() {
            return;
        }
        self.take_back();
        self.let_go();
        let mut pass = Pass::default();
        self.turns.others = match self.place_from(&mut pass, now, true) {
            Stopped::NoMoreLines => None,
            Stopped::EnoughLooked => {
                pass.after = pass.after.max(self.turns.others);
                let others = self.place_from(&mut pass, now, false);
                pass.after.filter(|_| others == Stopped::EnoughLooked)
            }
        };
    }

    /// Goes on with a pass until it has met [`LINES_MAX`] lines that are stuck. Agents are kept
    /// free for the `oldest` only: for one that is met now and then, none would stay free.
    fn place_from(&mut self, pass: &mut Pass, now: Moment, oldest: bool) -> Stopped {
        let mut stuck = 0;
        let heard_since = now.instant.checked_sub(self.policy.heartbeat * MISSED_MAX).unwrap_or(now.instant);
        while self.someone_is_free() {
            let Some((order, id, demand)) = self.queue.next_head(pass.after) else { break };
            if stuck == LINES_MAX || pass.set_aside == SET_ASIDE_MAX || pass.held == HELD_MAX {
                return Stopped::EnoughLooked;
            }
            // The next head of the same line is younger, so going on from here meets it in order.
            pass.after = Some(order);
            if !self.may_have_more(&demand.tenant) {
                self.queue.hold(&demand);
                pass.held += 1;
                continue;
            }
            let job = self.jobs.get(&id).expect("a ready job is known");
            let (avoid, compile_key) = (job.avoid.as_ref(), job.compile_key);
            let ask = Ask { demand: &demand, avoid, held: &pass.kept_free, compile_key, heard_since };
            let fits_here = self.report_bytes + demand.report_bytes <= self.policy.report_bytes_max;
            let chosen = placement::choose(self.fleet.iter(), ask, now.instant).filter(|_| fits_here);
            if let Some(agent) = chosen {
                let name = agent.name.clone();
                self.give(id, name, now);
                continue;
            }
            if !self.someone_could_run(&demand) {
                self.queue.set_aside(&demand, true);
                pass.set_aside += 1;
                continue;
            }
            stuck += 1;
            if oldest && now.instant.saturating_duration_since(job.waiting_since) >= self.policy.hold_after {
                pass.kept_free.extend(placement::hold(self.fleet.iter(), &demand).map(|a| a.name.clone()));
            }
        }
        Stopped::NoMoreLines
    }

    /// Looks at some of the lines that were set aside, each in its turn: agents come, and their
    /// languages become ready.
    fn take_back(&mut self) {
        for _ in 0..ASIDE_LOOKED_AT {
            let Some((order, _, demand)) = self.queue.next_aside(self.turns.aside) else {
                self.turns.aside = None;
                return;
            };
            self.turns.aside = Some(order);
            if self.someone_could_run(&demand) {
                self.queue.set_aside(&demand, false);
            }
        }
    }

    /// Offers some of the held lines of every tenant that may have more jobs at agents: those that
    /// are met after its bound is reached again are held again.
    fn let_go(&mut self) {
        let tenants: Vec<_> = self.queue.held_tenants().filter(|t| self.may_have_more(t)).cloned().collect();
        for tenant in tenants {
            self.queue.let_go(&tenant, LET_GO_MAX);
        }
    }

    fn may_have_more(&self, tenant: &str) -> bool {
        self.bounds.allow(tenant, self.running.get(tenant).copied().unwrap_or(0))
    }

    fn someone_could_run(&self, demand: &Demand) -> bool {
        self.fleet.iter().any(|agent| agent.could_run(demand))
    }

    fn someone_is_free(&self) -> bool {
        let free = |a: &crate::scheduler::fleet::Agent| a.offer.capacity.slots > a.promised.slots;
        self.fleet.iter().any(|a| a.session.is_some() && !a.is_draining() && free(a))
    }

    fn give(&mut self, id: JobId, agent: AgentName, now: Moment) {
        let Some(session) = self.fleet.get(&agent).and_then(|a| a.session) else { return };
        self.leave_queue(id);
        self.counter += 1;
        let token = FencingToken { epoch: self.policy.epoch, counter: self.counter };
        let job = self.jobs.get_mut(&id).expect("a ready job is known");
        job.attempts += 1;
        let attempts = job.attempts;
        let waited = now.instant.saturating_duration_since(job.waiting_since);
        let run = Run {
            token,
            agent: agent.clone(),
            since: now.instant,
            joined: now.instant,
            started: now.unix,
            begun: false,
            fed: false,
            cancel_asked: None,
        };
        self.set_running(id, run);
        debug_assert!(matches!(self.jobs.get(&id).map(|j| &j.state), Some(State::Running(_))));
        let attempt = AttemptId { job: id, token };
        self.actions.push(Action::Dispatch { session, attempt, agent, attempts, waited });
    }
}
