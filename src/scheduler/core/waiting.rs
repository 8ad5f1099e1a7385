//! Jobs that wait: how they come, stand, expire and leave.

use std::sync::Arc;
use std::time::{Duration, Instant};

use enclos_protocol::agent_link::FromMaster;
use enclos_protocol::ids::{AttemptId, JobId};
use enclos_protocol::outcome::Outcome;

use super::{Core, Finishing, Job, Run, State};
use crate::queue::{Ahead, Room, Standing, Waiting};
use crate::scheduler::event::{Action, Moment, Submitted, Survivor};
use crate::scheduler::predict::Subject;
use crate::store::Ending;

/// How old a forecast may be that places are told by.
const FORECAST_AGE_MAX: Duration = Duration::from_millis(250);
/// While so few jobs wait, places are told by how they stand now.
const ALWAYS_NEW_MAX: usize = 256;

impl Core {
    pub(super) fn restore(&mut self, survivor: Survivor, now: Moment) {
        let Survivor { submitted, attempts, failures, token, holder, cancelled } = survivor;
        let id = submitted.job;
        self.insert(submitted, now);
        let job = self.jobs.get_mut(&id).expect("it was just inserted");
        (job.attempts, job.failures, job.token, job.cancelled) = (attempts, failures, token, cancelled);
        if let (Some((agent, started)), Some(token)) = (holder, token) {
            // Its agent has a lease's time to say that it still holds it. Whether it began is not
            // stored; if it did, not to count it would let it run again and again.
            let (cancel_asked, fed) = (cancelled.then_some(now.instant), job.demand.live_stdin);
            if let State::Ready(ticket) = job.state {
                self.queue.remove(ticket);
                self.waits_no_more(id);
            }
            let (since, joined, size_permille) = (now.instant, now.instant, 1000);
            let charge = None;
            let (begun, cancel_asked) = (true, cancel_asked);
            self.set_running(
                id,
                Run { token, agent, since, joined, started, begun, fed, cancel_asked, charge, size_permille },
            );
        } else if cancelled {
            self.cancel(id, now);
        }
    }

    pub(super) fn submitted(&mut self, submitted: Submitted, now: Moment) {
        if !self.jobs.contains_key(&submitted.job) {
            self.turns.fresh = Some(submitted.job);
            self.insert(submitted, now);
        }
    }

    fn insert(&mut self, submitted: Submitted, now: Moment) {
        let Submitted { job: id, demand, input_bytes, compile_key, cases_time, priority, expires, traits, waited } =
            submitted;
        let order = self.next_order;
        self.next_order += 1;
        let arrived = now.instant.checked_sub(waited).unwrap_or(now.instant);
        let (cost_us, cpu_millis) = self.expectation(id, &demand, traits.source);
        let waiting = Waiting { job: id, order, arrived, priority, demand, cost_us };
        let ticket = self.queue.insert(waiting);
        let job = Job {
            order,
            arrived,
            priority,
            expires,
            // That of its line: what is equal is kept once.
            demand: self.queue.demand(ticket),
            input_bytes,
            compile_key,
            cases_time,
            traits,
            cost_us,
            cpu_millis,
            waiting_since: arrived,
            attempts: 0,
            failures: Vec::new(),
            token: None,
            avoid: None,
            cancelled: false,
            state: State::Ready(ticket),
        };
        self.expiring.extend(expires.map(|at| (at, id)));
        self.jobs.insert(id, Box::new(job));
        self.waits(id);
    }

    /// A job is counted among those that wait.
    pub(super) fn waits(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        self.waiting.enter(&job.demand.tenant, &job.demand.language, job.priority, job.arrived);
    }

    fn waits_no_more(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        self.waiting.leave(&job.demand.tenant, &job.demand.language, job.priority, job.arrived);
    }

    /// What a job is expected to take, in microseconds of a slot (0: not known), and of the processors,
    /// in thousandths of a core.
    fn expectation(&mut self, id: JobId, demand: &crate::queue::Demand, source: u64) -> (u64, u32) {
        let limit = u32::try_from(demand.room.cpu_millis).unwrap_or(u32::MAX);
        let (tenant, language) = (&*demand.tenant, &*demand.language);
        let estimate = self.estimate(Subject { tenant, language, source });
        self.estimated = Some((id, estimate));
        let Some(estimate) = estimate else { return (0, limit) };
        let (wall_us, cpu_us) = (estimate.wall_us.mean.max(1), estimate.cpu_us.mean);
        let cost_us = wall_us.saturating_mul(self.size_permille(demand.room)) / 1000;
        let cpu_millis = cpu_us.saturating_mul(1000) / wall_us;
        (cost_us.max(1), u32::try_from(cpu_millis).unwrap_or(limit).min(limit))
    }

    /// How many slots a job takes as much room as, in thousandths: its dominant share of the fleet
    /// (Ghodsi et al., NSDI 2011), in slots.
    pub(super) fn size_permille(&self, room: Room) -> u64 {
        let total = self.fleet.total();
        let share = |part: u64, whole: u64| {
            let slots = u128::from(part) * u128::from(total.slots) * 1000;
            u64::try_from(slots / u128::from(whole.max(1))).unwrap_or(u64::MAX)
        };
        let largest = share(room.memory_bytes, total.memory_bytes).max(share(room.cpu_millis, total.cpu_millis));
        largest.clamp(1000, 1000 * total.slots.max(1))
    }

    /// A job that is no more at an agent, or whose pause is over, is ready at its old place.
    pub(super) fn make_ready(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let Job { order, arrived, priority, cost_us, .. } = **job;
        let waiting = Waiting { job: id, order, arrived, priority, demand: Arc::clone(&job.demand), cost_us };
        job.state = State::Ready(self.queue.insert(waiting));
    }

    pub(super) fn cancel(&mut self, id: JobId, now: Moment) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.cancelled = true;
        match &mut job.state {
            State::Ready(_) | State::Delayed { .. } => {
                self.leave_queue(id);
                self.end_without_report(id, Outcome::Cancelled, "cancelled while it waited".to_owned());
            }
            State::Running(run) if run.cancel_asked.is_none() => {
                run.cancel_asked = Some(now.instant);
                self.overdue.insert((now.instant + self.policy.cancel_max, id));
                let attempt = AttemptId { job: id, token: run.token };
                let session = self.fleet.get(&run.agent).and_then(|agent| agent.session);
                self.actions.extend(session.map(|s| Action::Send(s, FromMaster::Cancel { attempt })));
            }
            State::Running(_) | State::Ending { .. } => {}
        }
    }

    /// Ends what has waited for as long as it may.
    pub(super) fn expire(&mut self, now: Moment) {
        while let Some((_, id)) = self.expiring.first().copied().filter(|(at, _)| *at <= now.instant) {
            self.expiring.pop_first();
            let Some(job) = self.jobs.get(&id) else { continue };
            if self.may_be_held(job, now.instant) {
                self.await_word(id);
                continue;
            }
            // One that runs is kept in mind no more: should it wait again, it has expired then.
            if let (State::Ready(_) | State::Delayed { .. }, Some(at)) = (&job.state, job.expires) {
                let ttl = at.saturating_duration_since(job.arrived).as_millis();
                self.leave_queue(id);
                let message = format!("it still waited at the end of its queue_ttl of {ttl} ms");
                self.end_without_report(id, Outcome::Cancelled, message);
            }
        }
    }

    /// Whether an agent that has not spoken since the start may have a job which waits as far as the store knows: a
    /// crash takes the note of what was given out just before it. What this master has given out since is over, and
    /// with it all that was before.
    fn may_be_held(&self, job: &Job, now: Instant) -> bool {
        let waits = matches!(job.state, State::Ready(_) | State::Delayed { .. });
        let is_of_before = job.token.is_none_or(|token| token.epoch < self.policy.epoch);
        waits && is_of_before && job.order < self.restored.before && now < self.restored.heard_by
    }

    /// A job that has expired is given to nobody, and ends only when its agent has had the time to speak.
    fn await_word(&mut self, id: JobId) {
        let until = self.restored.heard_by;
        let Some(job) = self.jobs.get_mut(&id) else { return };
        match job.state {
            State::Ready(ticket) => drop(self.queue.remove(ticket)),
            State::Delayed { until } => drop(self.delayed.remove(&(until, job.order))),
            State::Running(_) | State::Ending { .. } => return,
        }
        job.state = State::Delayed { until };
        self.delayed.insert((until, job.order), id);
        self.expiring.insert((until, id));
    }

    /// Takes a waiting job out of the queue, whichever part it is in.
    pub(super) fn leave_queue(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else { return };
        match job.state {
            State::Ready(ticket) => drop(self.queue.remove(ticket)),
            State::Delayed { until } => drop(self.delayed.remove(&(until, job.order))),
            State::Running(_) | State::Ending { .. } => return,
        }
        self.left_queue(id);
    }

    /// A job is in no part of the queue any more.
    pub(super) fn left_queue(&mut self, id: JobId) {
        self.waits_no_more(id);
        let Some(job) = self.jobs.get(&id) else { return };
        if let Some(at) = job.expires {
            self.expiring.remove(&(at, id));
        }
        self.actions.push(Action::Departed(Arc::clone(&job.demand.tenant), job.input_bytes));
    }

    /// Ends a job that no agent holds.
    pub(super) fn end_without_report(&mut self, id: JobId, outcome: Outcome, message: String) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.state = State::Ending { holder: None };
        self.report_bytes += job.demand.report_bytes;
        let ending = Ending { outcome, message: Some(message), report: None, judged: None };
        let finishing = Finishing { job: id, attempt: None, attempts: job.attempts, ending };
        self.actions.push(Action::Finish(Box::new(finishing)));
    }

    /// Ready or delayed: how many jobs are before it, plus one. `None`: it does not wait.
    #[must_use]
    pub fn position(&self, job: JobId) -> Option<usize> {
        let standing = self.standing(job)?;
        Some(self.queue.ahead(&self.queue.forecast(), standing).jobs + 1)
    }

    /// What is before a job that waits, by a forecast that is not old. `None`: it does not wait.
    pub fn ahead(&mut self, job: JobId, now: Instant) -> Option<Ahead> {
        // Most jobs are given out at once: a forecast is not made for them.
        self.standing(job)?;
        let is_new = |made: &Instant| {
            self.queue.len() > ALWAYS_NEW_MAX && now.saturating_duration_since(*made) <= FORECAST_AGE_MAX
        };
        if !self.forecast.as_ref().is_some_and(|(made, _)| is_new(made)) {
            self.forecast = Some((now, self.queue.forecast()));
        }
        let (_, forecast) = self.forecast.as_ref().expect("it was just made");
        Some(self.queue.ahead(forecast, self.standing(job)?))
    }

    /// How long the fleet takes for so much work; `None` where no agent is connected or nothing is known
    /// of what jobs take.
    #[must_use]
    pub fn time_for(&self, work_us: u64) -> Option<Duration> {
        let slots = self.fleet.total().slots;
        (self.policy.prediction && slots > 0).then(|| Duration::from_micros(work_us / slots))
    }

    fn standing(&self, id: JobId) -> Option<Standing<'_>> {
        let Job { order, arrived, priority, cost_us, ref demand, ref state, .. } = **self.jobs.get(&id)?;
        let waits = matches!(state, State::Ready(_) | State::Delayed { .. });
        waits.then(|| Standing { tenant: &demand.tenant, priority, order, arrived, cost_us })
    }
}
