//! Attempts: given out, reported, handed back, lost; and the end of jobs.

use std::sync::Arc;
use std::time::Duration;

use enclos_protocol::agent_link::{FromMaster, ReturnReason};
use enclos_protocol::ids::{AttemptId, JobId};
use enclos_protocol::job::JobReport;
use enclos_protocol::outcome::Outcome;

use super::{Core, Job, Policy, Run, State};
use crate::metrics::AttemptEnd;
use crate::scheduler::event::{Action, Finishing, Moment, SessionId};
use crate::store::{Ending, Recorded};

/// Longest reason of a failed attempt that is kept, in characters.
const REASON_CHARS_MAX: usize = 300;

/// How an attempt ended without a report.
pub(super) enum Over {
    /// It counts.
    Failed(String),
    /// Its agent does not go on with it. It is as if it had not been, unless it had begun: then it
    /// counts, or a job could run again and again for ever.
    GivenUp,
    /// Its agent is drained: an operator's doing, never the job's, so it does not count.
    Drained,
    /// Its agent's engine went away, with all that ran there. No job is to blame for that, but one that
    /// sees it again and again may be.
    EngineGone(String),
}

impl Job {
    /// It is at an agent that has not begun it, and may never have seen it.
    fn is_unseen(&self) -> bool {
        matches!(&self.state, State::Running(run) if !run.begun && !run.fed && run.cancel_asked.is_none())
    }

    /// Counts an attempt that is over as far as it is to be counted. How long the job waits for the next,
    /// `None`: it takes its old place at once; and whether it failed, which its agent may be to blame for.
    fn count(&mut self, over: Over, run: &Run, policy: &Policy) -> (Option<Duration>, bool) {
        let over = match over {
            Over::EngineGone(_) if !run.begun && !run.fed => Over::GivenUp,
            Over::GivenUp if run.begun => Over::Failed(format!("agent {} began it and gave it up", run.agent)),
            Over::Drained if run.fed => Over::Failed(format!("agent {} was drained", run.agent)),
            over => over,
        };
        match over {
            Over::GivenUp | Over::Drained => {
                self.attempts = self.attempts.saturating_sub(1);
                (None, false)
            }
            Over::Failed(why) => {
                self.failures.push(why);
                (Some(policy.retry_delay * self.attempts), true)
            }
            Over::EngineGone(why) => {
                // Every other failure counts as an attempt, and this one is not yet among them.
                let losses = (self.failures.len() + 1).saturating_sub(self.attempts as usize);
                if losses < policy.engine_losses_max as usize {
                    self.attempts = self.attempts.saturating_sub(1);
                }
                self.failures.push(why);
                (Some(policy.retry_delay), false)
            }
        }
    }
}

impl Core {
    /// Makes a job running; it stands in no part of the queue any more.
    pub(super) fn set_running(&mut self, id: JobId, run: Run) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        self.report_bytes += job.demand.report_bytes;
        *self.running.entry(Arc::clone(&job.demand.tenant)).or_default() += 1;
        self.fleet.take(&run.agent, &job.demand, job.cpu_millis.into());
        self.overdue.insert((run.since + self.policy.attempt_max + job.cases_time, id));
        self.held.entry(run.agent.clone()).or_default().insert(id);
        job.token = Some(run.token);
        job.state = State::Running(Box::new(run));
    }

    /// From here on the attempt counts, however it ends.
    pub(super) fn started(&mut self, session: SessionId, attempt: AttemptId) {
        let Some(name) = self.fleet.speaker(session).map(|agent| agent.name.clone()) else { return };
        match self.jobs.get_mut(&attempt.job).map(|job| &mut job.state) {
            Some(State::Running(run)) if run.token == attempt.token && run.agent == name => run.begun = true,
            // A late word of an attempt that is over; what its end says is answered.
            _ => {}
        }
    }

    /// From here on the job ends with this attempt, whatever comes of it.
    pub(super) fn fed(&mut self, attempt: AttemptId) {
        match self.jobs.get_mut(&attempt.job).map(|job| &mut job.state) {
            Some(State::Running(run)) if run.token == attempt.token => run.fed = true,
            _ => {}
        }
    }

    pub(super) fn finished(&mut self, session: SessionId, attempt: AttemptId, report: JobReport, now: Moment) {
        let Some(name) = self.fleet.speaker(session).map(|agent| agent.name.clone()) else { return };
        let state = self.jobs.get(&attempt.job).map(|job| &job.state);
        match state {
            Some(State::Running(run)) if run.token == attempt.token && run.agent == name => {
                let started = run.started;
                self.learn_of(attempt.job, &report);
                let says_something = !matches!(report.outcome, Outcome::InternalError | Outcome::Cancelled);
                let (_, attempts) = self.release(attempt.job, says_something, now).expect("it runs");
                let job = self.jobs.get_mut(&attempt.job).expect("it runs");
                if report.outcome != Outcome::InternalError {
                    self.fleet.ended(&name);
                }
                if says_something {
                    // It was the agent that failed it before, not the job.
                    job.avoid.iter().filter(|before| **before != name).for_each(|before| self.fleet.blame(before));
                }
                job.state = State::Ending { holder: Some(Box::new((attempt, name.clone()))) };
                self.report_bytes += job.demand.report_bytes;
                // What its cases came to, its live state knows; it is asked when this is recorded.
                let (outcome, message) = (report.outcome, report.message.clone());
                let ending = Ending { outcome, message, report: Some(report), judged: None };
                let finishing =
                    Finishing { job: attempt.job, attempt: Some((attempt, name, started)), attempts, ending };
                self.actions.push(Action::Ended(AttemptEnd::Reported));
                self.actions.push(Action::Finish(Box::new(finishing)));
            }
            // Sent again after a reconnect; the acknowledgement comes when it is recorded.
            Some(State::Ending { holder: Some(holder) }) if holder.0 == attempt && holder.1 == name => {}
            _ => {
                self.actions.push(Action::Ended(AttemptEnd::Late));
                self.send(session, FromMaster::Abandon { attempt });
            }
        }
    }

    pub(super) fn returned(&mut self, session: SessionId, attempt: AttemptId, reason: ReturnReason, now: Moment) {
        let Some(name) = self.fleet.speaker(session).map(|agent| agent.name.clone()) else { return };
        let current = |job: &&mut Box<Job>| matches!(&job.state, State::Running(run) if run.token == attempt.token && run.agent == name);
        let Some(job) = self.jobs.get_mut(&attempt.job).filter(current) else {
            return self.send(session, FromMaster::Abandon { attempt });
        };
        let over = match reason {
            ReturnReason::Draining => {
                self.fleet.drains(&name);
                Over::Drained
            }
            ReturnReason::NoRoom => {
                self.fleet.pause(&name, &job.demand);
                Over::GivenUp
            }
            ReturnReason::Failed { message, engine_gone } => {
                job.avoid = Some(name.clone());
                let message: String = message.chars().take(REASON_CHARS_MAX).collect();
                let why = format!("agent {name}: {message}");
                if engine_gone {
                    self.fleet.stand_still(&name);
                    Over::EngineGone(why)
                } else {
                    Over::Failed(why)
                }
            }
        };
        self.actions.push(Action::Ended(AttemptEnd::Returned));
        // The store may still say that it runs: after a crash now, it is awaited and then waits again.
        self.send(session, FromMaster::Acknowledge { attempt });
        self.attempt_over(attempt.job, over, now);
    }

    /// What its agent said of an attempt cannot be so. It costs the agent this attempt and no other,
    /// and the next is better run elsewhere.
    pub(super) fn unfit(&mut self, session: SessionId, attempt: AttemptId, why: &str, now: Moment) {
        let Some(name) = self.fleet.speaker(session).map(|agent| agent.name.clone()) else { return };
        let Some(job) = self.jobs.get_mut(&attempt.job) else { return };
        if matches!(&job.state, State::Running(run) if run.token == attempt.token && run.agent == name) {
            job.avoid = Some(name.clone());
            self.take_away(Some(session), attempt, format!("agent {name}: {why}"), now);
        }
    }

    /// A running attempt counts as failed, whatever its agent still says of it.
    pub(super) fn take_away(&mut self, session: Option<SessionId>, attempt: AttemptId, why: String, now: Moment) {
        self.actions.extend(session.map(|s| Action::Send(s, FromMaster::Abandon { attempt })));
        self.actions.push(Action::Ended(AttemptEnd::Lost));
        self.attempt_over(attempt.job, Over::Failed(why), now);
    }

    /// A running job's attempt is over without a report: it waits again, or ends.
    pub(super) fn attempt_over(&mut self, id: JobId, over: Over, now: Moment) {
        let Some((run, _)) = self.release(id, false, now) else { return };
        let policy = self.policy;
        let job = self.jobs.get_mut(&id).expect("it was just released");
        let (delay, is_failure) = job.count(over, &run, &policy);
        if is_failure {
            self.fleet.failed(&run.agent);
        }
        if job.cancelled {
            return self.end_without_report(id, Outcome::Cancelled, "cancelled".to_owned());
        }
        if run.fed {
            // What a client said is gone, and another program would wait for it: never run again in silence.
            let message =
                format!("{}; its live input was given out and cannot be given again", job.failures.join("; "));
            return self.end_without_report(id, Outcome::InternalError, message);
        }
        if delay.is_some() && job.attempts >= policy.attempts_max {
            let message = format!("given up after {} attempts: {}", job.attempts, job.failures.join("; "));
            return self.end_without_report(id, Outcome::InternalError, message);
        }
        job.waiting_since = now.instant;
        match delay {
            None => {
                self.make_ready(id);
            }
            Some(delay) => {
                let until = now.instant + delay;
                job.state = State::Delayed { until };
                self.delayed.insert((until, job.order), id);
            }
        }
        self.waits(id);
        let job = self.jobs.get(&id).expect("it was just released");
        self.expiring.extend(job.expires.map(|at| (at, id)));
        self.actions.push(Action::Entered(Arc::clone(&job.demand.tenant), job.input_bytes));
        self.actions.push(Action::Requeue {
            job: id,
            token: run.token,
            attempts: job.attempts,
            failures: job.failures.clone(),
        });
    }

    /// The end of this master: what no agent has begun goes back uncounted, since the message that gave it
    /// may not have been delivered. What has begun is its agent's until the next master asks.
    pub fn hand_back(&mut self, now: Moment) -> Vec<Action> {
        let unseen = self.jobs.iter().filter(|(_, job)| job.is_unseen()).map(|(id, _)| *id).collect();
        self.never_seen(unseen, now);
        std::mem::take(&mut self.actions)
    }

    /// An agent has drained and ends; what it was given after its last word goes back uncounted.
    pub(super) fn drained(&mut self, session: SessionId, now: Moment) {
        let Some(name) = self.fleet.speaker(session).map(|agent| agent.name.clone()) else { return };
        self.fleet.leave(session);
        let held = self.held.get(&name).into_iter().flatten().copied();
        let unseen = held.filter(|id| self.jobs.get(id).is_some_and(|job| job.is_unseen())).collect();
        self.never_seen(unseen, now);
    }

    fn never_seen(&mut self, jobs: Vec<JobId>, now: Moment) {
        for id in jobs {
            self.attempt_over(id, Over::GivenUp, now);
        }
    }

    /// Takes a running job from its agent; its state is the caller's to set. Its run, and attempts.
    /// Its tenant is charged for what it took; `learn`: that says what the tenant's jobs take.
    fn release(&mut self, id: JobId, learn: bool, now: Moment) -> Option<(Run, u32)> {
        let job = self.jobs.get(&id)?;
        let State::Running(run) = &job.state else { return None };
        if let Some(charge) = run.charge {
            let took = now.instant.saturating_duration_since(run.since).as_micros();
            let took = took.saturating_mul(run.size_permille.into()) / 1000;
            self.queue.settle(charge, u64::try_from(took).unwrap_or(u64::MAX), learn);
        }
        self.report_bytes -= job.demand.report_bytes;
        if let Some(running) = self.running.get_mut(&job.demand.tenant) {
            *running -= 1;
            self.turns.freed.insert(Arc::clone(&job.demand.tenant));
            if *running == 0 {
                self.running.remove(&job.demand.tenant);
            }
        }
        self.fleet.give_back(&run.agent, &job.demand, job.cpu_millis.into());
        if let Some(held) = self.held.get_mut(&run.agent) {
            held.remove(&id);
            if held.is_empty() {
                self.held.remove(&run.agent);
            }
        }
        Some(((**run).clone(), job.attempts))
    }

    pub(super) fn recorded(&mut self, id: JobId, recorded: Recorded) {
        let Some(job) = self.jobs.remove(&id) else { return };
        let State::Ending { holder } = job.state else {
            // Only what ends is recorded; anything else stays as it was.
            self.jobs.insert(id, job);
            return;
        };
        self.report_bytes -= job.demand.report_bytes;
        let Some((attempt, agent)) = holder.map(|holder| *holder) else { return };
        let Some(session) = self.fleet.get(&agent).and_then(|a| a.session) else { return };
        self.send(
            session,
            match recorded {
                Recorded::Now | Recorded::Erased => FromMaster::Acknowledge { attempt },
                Recorded::Refused => FromMaster::Abandon { attempt },
            },
        );
    }
}
