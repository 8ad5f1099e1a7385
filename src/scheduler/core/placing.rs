//! The pass over the queue: what fits, goes.
//!
//! ```text
//! lines set aside ── some, in turn ── one that an agent could run now ──▶ back among the lines
//! lines ── the first in fair order that may fit, then some of the others in turn
//!            ├─ fits: given out
//!            ├─ its tenant has as many at agents as it may: held
//!            └─ fits nowhere: all of its shape are passed over until some agent gains what they need
//!                 └─ its number is shared with other shapes (there are too many): the line alone
//!                      ├─ could run somewhere: stays, counts as stuck
//!                      └─ no agent could run it: set aside
//! ```
//!
//! A pass looks at a bounded number of lines, and every line is looked at, or its shape, after
//! a bounded number of passes, whatever stands before it. There is a pass only where
//! something changed by which a job could go; a job that has just come is looked at alone.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use enclos_protocol::ids::{AgentName, AttemptId, FencingToken, JobId};

use super::stuck::{Opened, Stuck};
use super::{Core, Run, State};
use crate::queue::{Cursor, Demand, Head, LineId, Shapes};
use crate::scheduler::event::{Action, Moment};
use crate::scheduler::fleet::Tree;
use crate::scheduler::placement::{self, Ask};

/// Stuck lines that one pass looks at from the first on, and as many of the others in turn; and
/// lines before one that fits that are asked whether an agent is kept free for them.
pub(in crate::scheduler) const LINES_MAX: usize = 128;
/// Lines that one pass sets aside.
pub(in crate::scheduler) const SET_ASIDE_MAX: usize = 128;
/// Lines set aside that one pass looks at again.
pub(in crate::scheduler) const ASIDE_LOOKED_AT: usize = 64;
/// Lines that one pass holds.
pub(in crate::scheduler) const HELD_MAX: usize = 128;
/// Lines that one pass lets go of each tenant that may have more jobs at agents.
pub(in crate::scheduler) const LET_GO_MAX: usize = 32;

/// What is kept from pass to pass.
#[derive(Default, Debug)]
pub(super) struct Turns {
    /// Something happened by which a job could go.
    pub(super) is_stirred: bool,
    /// A job that has just come.
    pub(super) fresh: Option<JobId>,
    /// Tenants that have fewer jobs at agents than before.
    pub(super) freed: BTreeSet<Arc<str>>,
    /// Tenants may have more jobs at agents than before, or fewer.
    pub(super) bounds_changed: bool,
    pub(super) stuck: Stuck,
    /// Where the last pass ended among the lines that it takes in turn; `None`: at their end.
    others: Option<LineId>,
    aside: Option<LineId>,
    /// What the fleet could run when the lines set aside were last looked at from their beginning, and
    /// whether all of them were looked at since.
    reach: (u64, bool),
    /// Agents that are kept free for the oldest job that fits nowhere, where that is known.
    kept_free: BTreeSet<AgentName>,
}

/// One pass on its way.
#[derive(Default)]
struct Pass {
    cursor: Cursor,
    opened: Opened,
    /// Lines that are stuck.
    stuck: HashSet<LineId>,
    set_aside: usize,
    held: usize,
}

impl Pass {
    fn has_looked_enough(&self, stuck_before: usize) -> bool {
        self.stuck.len() - stuck_before >= LINES_MAX || self.set_aside >= SET_ASIDE_MAX || self.held >= HELD_MAX
    }
}

/// What became of the first job of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looked {
    Given,
    /// The line is not offered any more.
    Away,
    Stuck,
}

impl Core {
    /// Gives out every job that fits, in fair order. Later ones may pass an earlier one that fits
    /// nowhere, until that has waited for `hold_after`: then an agent is kept free for it.
    pub(super) fn place(&mut self, now: Moment) {
        let fresh = self.turns.fresh.take();
        if !self.someone_is_free() || self.queue.is_empty() {
            return;
        }
        self.turns.stuck.forget(self.queue.take_begun());
        if !std::mem::take(&mut self.turns.is_stirred) && !self.fleet.has_gained() {
            return self.look_at_fresh(fresh, now);
        }
        self.take_back();
        self.let_go();
        self.turns.kept_free.clear();
        let gains = self.fleet.take_gains();
        let mut opened = self.turns.stuck.open(&self.queue, &self.fleet, gains);
        opened.close(self.too_much_to_hold());
        self.look_at_kept(&opened, now);
        let mut pass = Pass { opened, ..Pass::default() };
        if self.place_in_order(&mut pass, now) {
            self.place_in_turn(&mut pass, now);
        } else {
            self.turns.others = None;
        }
    }

    /// A job that has just come, while those before it found nothing and nothing has changed since.
    fn look_at_fresh(&mut self, fresh: Option<JobId>, now: Moment) {
        let Some(State::Ready(ticket)) = fresh.and_then(|id| self.jobs.get(&id)).map(|job| &job.state) else { return };
        if let Some(head) = self.queue.head_of(*ticket) {
            self.look(&head, &mut Pass::default(), now, false);
        }
    }

    /// Looks at lines from the first on. Whether it ended for having looked at enough.
    fn place_in_order(&mut self, pass: &mut Pass, now: Moment) -> bool {
        while self.someone_is_free() {
            if pass.has_looked_enough(0) {
                return true;
            }
            let shapes = self.turns.stuck.others(&pass.opened);
            let Some(head) = self.queue.next_among(&mut pass.cursor, &shapes) else { return false };
            let is_new = !pass.stuck.contains(&head.line);
            if is_new && self.look(&head, pass, now, true) == Looked::Stuck && !head.shape.is_own() {
                pass.stuck.insert(head.line);
            }
        }
        false
    }

    /// Looks at some of the others, each in its turn.
    fn place_in_turn(&mut self, pass: &mut Pass, now: Moment) {
        let before = pass.stuck.len();
        (pass.set_aside, pass.held) = (0, 0);
        while self.someone_is_free() && !pass.has_looked_enough(before) {
            let Some(head) = self.queue.next_line(self.turns.others) else {
                self.turns.others = None;
                return;
            };
            if pass.stuck.contains(&head.line) {
                self.turns.others = Some(head.line);
                continue;
            }
            match self.look(&head, pass, now, false) {
                // The next of the line may fit as well.
                Looked::Given => continue,
                Looked::Away => {}
                Looked::Stuck => drop(pass.stuck.insert(head.line)),
            }
            self.turns.others = Some(head.line);
        }
    }

    /// Looks at the first job of a line. Agents are kept free only where it is looked at `in_order`:
    /// for one that is met now and then, none would stay free.
    fn look(&mut self, head: &Head, pass: &mut Pass, now: Moment, in_order: bool) -> Looked {
        let Head { line, job: id, demand, shape } = head;
        if !self.may_have_more(&demand.tenant) {
            self.queue.hold(*line);
            pass.held += 1;
            return Looked::Away;
        }
        if !self.turns.stuck.others(&pass.opened).has(*shape) {
            return Looked::Stuck;
        }
        let fits_here = demand.report_bytes <= self.report_bytes_left();
        let (agent, kept_by) = if fits_here { self.agent_for(head, pass, now, in_order) } else { Default::default() };
        if let Some(agent) = agent {
            #[cfg(test)]
            if in_order && self.turns.kept_free.is_empty() {
                self.is_as_by_hand(*id, &agent, now);
            }
            self.give(*id, agent, now);
            self.turns.stuck.given(&mut pass.opened, &self.queue, &self.fleet);
            return Looked::Given;
        }
        if shape.is_own() {
            if fits_here {
                self.turns.stuck.is_stuck(*shape, &kept_by);
            } else {
                pass.opened.close(Shapes::of(*shape));
            }
            return Looked::Stuck;
        }
        let holder = placement::hold(&self.fleet, demand).map(|agent| agent.name.clone());
        let Some(holder) = holder else {
            self.queue.set_aside(*line, true);
            pass.set_aside += 1;
            return Looked::Away;
        };
        if in_order && self.waits_for_long(*id, now) {
            self.turns.kept_free.insert(holder);
        }
        Looked::Stuck
    }

    /// Whether a ready job waits for so long that an agent is to be kept free for it.
    pub(super) fn waits_for_long(&self, id: JobId, now: Moment) -> bool {
        let job = self.jobs.get(&id).expect("a ready job is known");
        now.instant.saturating_duration_since(job.waiting_since) >= self.policy.hold_after
    }

    /// Bytes of output that the master can still promise to hold.
    fn report_bytes_left(&self) -> u64 {
        self.policy.report_bytes_max.saturating_sub(self.report_bytes)
    }

    /// Shapes that may print more than that.
    fn too_much_to_hold(&self) -> Shapes {
        let (left, mut shapes) = (self.report_bytes_left(), Shapes::NONE);
        for shape in self.queue.shapes().iter() {
            if self.queue.demand_of(shape).is_some_and(|demand| demand.report_bytes > left) {
                shapes.insert(shape);
            }
        }
        shapes
    }

    /// The agent for a ready job, and the agents that are kept from it.
    fn agent_for(
        &mut self,
        head: &Head,
        pass: &mut Pass,
        now: Moment,
        in_order: bool,
    ) -> (Option<AgentName>, BTreeSet<AgentName>) {
        let mut held = self.turns.kept_free.clone();
        let agent = loop {
            let job = self.jobs.get(&head.job).expect("a ready job is known");
            let (avoid, compile_key) = (job.avoid.as_ref(), job.compile_key);
            let ask = Ask { demand: &head.demand, avoid, held: &held, compile_key };
            let chosen = placement::choose(&self.fleet, ask, now.instant).map(|agent| agent.name.clone());
            let Some(chosen) = chosen else { break None };
            if !self.is_kept_from(head.line, &chosen, &pass.opened, now) {
                break Some(chosen);
            }
            if in_order {
                // Who comes later is after the same older jobs.
                self.turns.kept_free.insert(chosen.clone());
                self.turns.stuck.keep(&mut pass.opened, &self.queue, &self.fleet, chosen.clone());
            }
            held.insert(chosen);
        };
        (agent, held)
    }

    /// Looks at some of the lines that were set aside, each in its turn, where agents have come or
    /// their languages have become ready since all were looked at.
    fn take_back(&mut self) {
        let reach = self.fleet.reach();
        if self.turns.reach.0 != reach {
            (self.turns.reach, self.turns.aside) = ((reach, false), None);
        }
        if self.turns.reach.1 {
            return;
        }
        for _ in 0..ASIDE_LOOKED_AT {
            let Some(head) = self.queue.next_aside(self.turns.aside) else {
                self.turns.aside = None;
                self.turns.reach.1 = true;
                return;
            };
            self.turns.aside = Some(head.line);
            if self.someone_could_run(&head.demand) {
                self.queue.set_aside(head.line, false);
            }
        }
    }

    /// Offers some of the held lines of the tenants that may have more jobs at agents since the last
    /// pass: those that are met after its bound is reached again are held again.
    fn let_go(&mut self) {
        if std::mem::take(&mut self.turns.bounds_changed) {
            self.turns.freed = self.queue.held_tenants().cloned().collect();
        }
        for tenant in std::mem::take(&mut self.turns.freed) {
            if self.may_have_more(&tenant) && self.queue.let_go(&tenant, LET_GO_MAX) {
                self.turns.freed.insert(tenant);
            }
        }
    }

    pub(super) fn may_have_more(&self, tenant: &str) -> bool {
        self.bounds.allow(tenant, self.running.get(tenant).copied().unwrap_or(0))
    }

    fn someone_could_run(&self, demand: &Demand) -> bool {
        placement::hold(&self.fleet, demand).is_some()
    }

    fn someone_is_free(&self) -> bool {
        self.fleet.tree().node(Tree::ROOT).free.slots > 0
    }

    fn give(&mut self, id: JobId, agent: AgentName, now: Moment) {
        let Some(session) = self.fleet.get(&agent).and_then(|a| a.session) else { return };
        let job = self.jobs.get(&id).expect("a ready job is known");
        let State::Ready(ticket) = job.state else { return };
        let charge = self.queue.take(ticket);
        let size_permille = self.size_permille(job.demand.room);
        if let Some(key) = job.compile_key {
            self.fleet.compiles(&agent, key);
        }
        self.left_queue(id);
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
            charge,
            size_permille,
        };
        self.set_running(id, run);
        debug_assert!(matches!(self.jobs.get(&id).map(|j| &j.state), Some(State::Running(_))));
        let attempt = AttemptId { job: id, token };
        self.actions.push(Action::Dispatch { session, attempt, agent, attempts, waited });
    }
}
