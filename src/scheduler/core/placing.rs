//! The pass over the queue: what fits, goes.

use std::collections::BTreeSet;

use enclos_protocol::ids::{AttemptId, FencingToken, JobId};

use super::{Core, Run, State};
use crate::queue::Order;
use crate::scheduler::event::{Action, Moment};
use crate::scheduler::placement::{self, Ask};

/// Lines of the queue that one pass looks at; the others are looked at when these have moved on.
const LINES_MAX: usize = 128;

impl Core {
    /// Gives out every job that fits, oldest first. Younger ones may pass an older one that fits
    /// nowhere, until that has waited for `hold_after`: then an agent is kept free for it.
    pub(super) fn place(&mut self, now: Moment) {
        let mut kept_free = BTreeSet::new();
        let mut after: Option<Order> = None;
        let mut stuck = 0;
        while let Some((order, id, demand)) = self.queue.next_head(after) {
            if stuck == LINES_MAX || !self.someone_is_free() {
                break;
            }
            // The next head of the same line is younger, so going on from here meets it in order.
            after = Some(order);
            let job = self.jobs.get(&id).expect("a ready job is known");
            let ask = Ask { demand: &demand, avoid: job.avoid.as_ref(), held: &kept_free };
            let fits_here = self.report_bytes + demand.report_bytes <= self.policy.report_bytes_max;
            let chosen = placement::choose(self.fleet.iter(), ask, now.instant).filter(|_| fits_here);
            if let Some(agent) = chosen {
                let name = agent.name.clone();
                self.give(id, name, now);
                continue;
            }
            stuck += 1;
            if now.instant.saturating_duration_since(job.waiting_since) >= self.policy.hold_after {
                kept_free.extend(placement::hold(self.fleet.iter(), &demand).map(|a| a.name.clone()));
            }
        }
    }

    fn someone_is_free(&self) -> bool {
        let free = |a: &crate::scheduler::fleet::Agent| a.offer.capacity.slots > a.promised.slots;
        self.fleet.iter().any(|a| a.session.is_some() && !a.is_draining() && free(a))
    }

    fn give(&mut self, id: JobId, agent: enclos_protocol::ids::AgentName, now: Moment) {
        let Some(session) = self.fleet.get(&agent).and_then(|a| a.session) else { return };
        self.leave_queue(id);
        self.counter += 1;
        let token = FencingToken { epoch: self.policy.epoch, counter: self.counter };
        let job = self.jobs.get_mut(&id).expect("a ready job is known");
        job.attempts += 1;
        let attempts = job.attempts;
        let waited = now.instant.saturating_duration_since(job.waiting_since);
        let run = Run { token, agent: agent.clone(), since: now.instant, started: now.unix, cancel_asked: None };
        self.set_running(id, run);
        debug_assert!(matches!(self.jobs.get(&id).map(|j| &j.state), Some(State::Running(_))));
        let attempt = AttemptId { job: id, token };
        self.actions.push(Action::Dispatch { session, attempt, agent, attempts, waited });
    }
}
