//! Agents come, speak, fall silent, drain.

use std::time::{Duration, Instant};

use enclos_protocol::agent_link::{FromMaster, LoadReport, Welcome};
use enclos_protocol::ids::{AgentName, AttemptId, JobId};

use super::attempts::Over;
use super::{Core, Run, State};
use crate::scheduler::event::{Action, Joining, Moment, SessionId};

impl Core {
    pub(super) fn joined(&mut self, joining: &Joining, now: Moment) {
        let before = match self.fleet.join(joining, now.instant) {
            Ok(before) => before,
            Err(refusal) => return self.actions.push(Action::Close(joining.session, refusal.reason())),
        };
        self.actions.extend(before.wear.map(Action::Wear));
        if let Some(old) = before.session {
            self.actions.push(Action::Close(old, "the agent has a newer connection"));
        }
        let keep: Vec<AttemptId> =
            joining.holding.iter().copied().filter(|attempt| self.keeps(*attempt, joining, now)).collect();
        let cancel: Vec<AttemptId> = keep.iter().copied().filter(|attempt| self.cancel_is_asked(*attempt)).collect();
        let welcome = Welcome {
            version: joining.link_version,
            lease_ms: millis(self.policy.lease),
            heartbeat_ms: millis(self.policy.heartbeat),
            keep: keep.clone(),
        };
        self.send(joining.session, FromMaster::Welcome(welcome));
        for attempt in cancel {
            self.send(joining.session, FromMaster::Cancel { attempt });
        }
        if self.fleet.get(&joining.name).is_some_and(|a| a.drain_asked) {
            self.send(joining.session, FromMaster::Drain);
        }
        self.settle_promises(&joining.name);
        self.drop_what_it_lost(&joining.name, &keep, before.restarted, now);
    }

    /// Whether the master still wants an attempt that an agent holds. Takes up one that the store
    /// did not know of before a restart: a dispatch does not wait for its write.
    fn keeps(&mut self, attempt: AttemptId, joining: &Joining, now: Moment) -> bool {
        let epoch = self.policy.epoch;
        let Some(job) = self.jobs.get_mut(&attempt.job) else { return false };
        match &mut job.state {
            State::Running(run) if run.token == attempt.token && run.agent == joining.name => {
                // The agent's next heartbeat renews it; until then it has the time of a lease. How long it
                // may take stays, or who comes again and again could hold it for ever.
                run.joined = now.instant;
                true
            }
            State::Ending { holder: Some((ending, agent)) } => *ending == attempt && *agent == joining.name,
            // Nobody else can have it: only one attempt of a job is given out at a time, and those
            // that are over left their token with the job.
            State::Ready | State::Delayed { .. }
                if attempt.token.epoch < epoch && job.token.is_none_or(|known| known < attempt.token) =>
            {
                job.attempts += 1;
                let (agent, attempts, fed) = (joining.name.clone(), job.attempts, job.demand.live_stdin);
                self.leave_queue(attempt.job);
                let run = Run {
                    token: attempt.token,
                    agent: agent.clone(),
                    since: now.instant,
                    joined: now.instant,
                    started: now.unix,
                    begun: true,
                    fed,
                    cancel_asked: None,
                };
                self.set_running(attempt.job, run);
                self.actions.push(Action::Adopt { attempt, agent, attempts });
                true
            }
            _ => false,
        }
    }

    fn cancel_is_asked(&self, attempt: AttemptId) -> bool {
        let state = self.jobs.get(&attempt.job).map(|job| &job.state);
        matches!(state, Some(State::Running(run)) if run.cancel_asked.is_some())
    }

    /// What is promised to an agent is what the jobs it holds need.
    fn settle_promises(&mut self, name: &AgentName) {
        let jobs = self.held.get(name).into_iter().flatten();
        let rooms = jobs.filter_map(|id| self.jobs.get(id)).map(|job| job.demand.room);
        let promised = rooms.fold(crate::queue::Room::default(), crate::queue::Room::plus);
        if let Some(agent) = self.fleet.get_mut(name) {
            agent.promised = promised;
        }
    }

    /// Jobs that we gave it and that it does not hold go back. They count where its process died,
    /// since a job may have killed it, and where they began; where the message that gave them was
    /// lost with the connection they do not.
    fn drop_what_it_lost(&mut self, name: &AgentName, keep: &[AttemptId], restarted: bool, now: Moment) {
        let held: Vec<JobId> = self.held.get(name).into_iter().flatten().copied().collect();
        let lost = held.into_iter().filter(|id| !keep.iter().any(|attempt| attempt.job == *id));
        for id in lost.collect::<Vec<_>>() {
            let why = if restarted { Over::Failed(format!("agent {name} was restarted")) } else { Over::GivenUp };
            self.attempt_over(id, why, now);
        }
    }

    pub(super) fn heartbeat(&mut self, session: SessionId, sequence: u64, load: LoadReport, now: Moment) {
        if let Some(agent) = self.fleet.speaker(session) {
            let wear = agent.report(load, now.instant);
            self.actions.extend(wear.map(Action::Wear));
            self.send(session, FromMaster::Renew { sequence });
        }
    }

    pub(super) fn drain(&mut self, name: &AgentName) {
        if let Some(agent) = self.fleet.get_mut(name) {
            agent.drain_asked = true;
            let session = agent.session;
            self.actions.extend(session.map(|s| Action::Send(s, FromMaster::Drain)));
        }
    }

    pub(super) fn tick(&mut self, now: Moment) {
        self.silent_agents(now.instant);
        self.ended_leases(now);
        while let Some(entry) = self.delayed.first_entry().filter(|e| e.key().0 <= now.instant) {
            let id = entry.remove();
            let job = self.jobs.get_mut(&id).expect("a delayed job is known");
            job.state = State::Ready;
            self.queue.insert(job.order, id, std::sync::Arc::clone(&job.demand));
        }
        self.fleet.forget_gone(now.instant);
    }

    /// A connection without heartbeats is as good as lost.
    fn silent_agents(&mut self, now: Instant) {
        let lease = self.policy.lease;
        let silent = self.fleet.iter().filter(|a| now.saturating_duration_since(a.last_seen) > lease);
        for session in silent.filter_map(|a| a.session).collect::<Vec<_>>() {
            self.fleet.leave(session);
            self.actions.push(Action::Close(session, "no heartbeat came for as long as a lease"));
        }
    }

    fn ended_leases(&mut self, now: Moment) {
        let running = self.held.values().flatten().copied().collect::<Vec<_>>();
        for id in running {
            let Some(job) = self.jobs.get(&id) else { continue };
            let State::Running(run) = &job.state else { continue };
            if let Some(why) = self.over_by_time(run, job.cases_time, now.instant) {
                let attempt = AttemptId { job: id, token: run.token };
                let session = self.fleet.get(&run.agent).and_then(|a| a.session);
                self.take_away(session, attempt, why, now);
            }
        }
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

    pub(super) fn send(&mut self, session: SessionId, message: FromMaster) {
        self.actions.push(Action::Send(session, message));
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
