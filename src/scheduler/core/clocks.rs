//! What happens because time passed: leases end, attempts take too long, pauses are over.

use std::time::{Duration, Instant};

use enclos_protocol::ids::{AttemptId, JobId};

use super::{Core, Run, State};
use crate::scheduler::event::{Action, Moment};

/// When an attempt is looked at again of which only its agent's return can tell more.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Core {
    pub(super) fn tick(&mut self, now: Moment) {
        self.silent_agents();
        self.ended_leases(now);
        self.overdue_attempts(now);
        while let Some(entry) = self.delayed.first_entry().filter(|e| e.key().0 <= now.instant) {
            let id = entry.remove();
            self.make_ready(id);
        }
        self.fleet.forget_gone();
    }

    /// A connection without heartbeats is as good as lost.
    fn silent_agents(&mut self) {
        for session in self.fleet.silent(self.policy.lease) {
            self.fleet.leave(session);
            self.actions.push(Action::Close(session, "no heartbeat came for as long as a lease"));
        }
    }

    /// Jobs are looked at only where their agent was silent for a lease, or was never seen.
    fn ended_leases(&mut self, now: Moment) {
        let lease = self.policy.lease;
        let is_quiet = |name| {
            let heard = self.fleet.get(name).map(|agent| agent.last_seen);
            heard.is_none_or(|heard| now.instant.saturating_duration_since(heard) > lease)
        };
        let quiet = self.held.iter().filter(|(name, _)| is_quiet(name)).flat_map(|(_, jobs)| jobs);
        for id in quiet.copied().collect::<Vec<_>>() {
            self.look_at_run(id, now);
        }
    }

    /// Looks at the running jobs whose time has come, however well their agents are.
    fn overdue_attempts(&mut self, now: Moment) {
        while let Some((_, id)) = self.overdue.first().copied().filter(|(at, _)| *at <= now.instant) {
            self.overdue.pop_first();
            if self.look_at_run(id, now)
                && let Some(at) = self.next_look(id, now.instant)
            {
                self.overdue.insert((at, id));
            }
        }
    }

    /// Takes a job away whose attempt is over by time. Whether it still runs.
    fn look_at_run(&mut self, id: JobId, now: Moment) -> bool {
        let Some(job) = self.jobs.get(&id) else { return false };
        let State::Running(run) = &job.state else { return false };
        let Some(why) = self.over_by_time(run, job.cases_time, now.instant) else { return true };
        let attempt = AttemptId { job: id, token: run.token };
        let session = self.fleet.get(&run.agent).and_then(|a| a.session);
        self.take_away(session, attempt, why, now);
        false
    }

    /// When a running job is to be looked at next.
    fn next_look(&self, id: JobId, now: Instant) -> Option<Instant> {
        let job = self.jobs.get(&id)?;
        let State::Running(run) = &job.state else { return None };
        let longest = run.since + self.policy.attempt_max + job.cases_time;
        let cancelled = run.cancel_asked.map(|asked| asked + self.policy.cancel_max);
        Some([Some(longest), cancelled].into_iter().flatten().filter(|at| *at > now).min().unwrap_or(now + LOOK_AGAIN))
    }

    fn over_by_time(&self, run: &Run, cases_time: Duration, now: Instant) -> Option<String> {
        let elapsed = |since: Instant| now.saturating_duration_since(since);
        let agent = self.fleet.get(&run.agent);
        let renewed = agent.map_or(run.joined, |a| a.last_seen.max(run.joined));
        if elapsed(renewed) > self.policy.lease {
            return Some(format!("agent {} was lost", run.agent));
        }
        if run.cancel_asked.is_some_and(|asked| elapsed(asked) > self.policy.cancel_max) {
            return Some(format!("agent {} did not end it when asked", run.agent));
        }
        let connected = agent.is_some_and(|a| a.session.is_some());
        (connected && elapsed(run.since) > self.policy.attempt_max + cases_time)
            .then(|| format!("agent {} took longer than an attempt may", run.agent))
    }
}
