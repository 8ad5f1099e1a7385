//! Agents come, speak, drain.

use enclos_protocol::agent_link::{FromMaster, LoadReport, Welcome};
use enclos_protocol::ids::{AgentName, AttemptId, JobId};

use super::attempts::Over;
use super::{Core, Run, State};
use crate::scheduler::event::{Action, Joining, Moment, SessionId};

impl Core {
    pub(super) fn joined(&mut self, joining: &Joining, now: Moment) {
        let before = match self.fleet.join(joining) {
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
            State::Ending { holder: Some(holder) } => holder.0 == attempt && holder.1 == joining.name,
            // Nobody else can have it: only one attempt of a job is given out at a time, and those
            // that are over left their token with the job.
            State::Ready(_) | State::Delayed { .. }
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
                    charge: None,
                    size_permille: 1000,
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
        let jobs = self.held.get(name).into_iter().flatten().filter_map(|id| self.jobs.get(id));
        let none = (crate::queue::Room::default(), 0);
        let (promised, cpu_millis) =
            jobs.fold(none, |(room, cpu), job| (room.plus(job.demand.room), cpu + u64::from(job.cpu_millis)));
        self.fleet.promise(name, promised, cpu_millis);
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

    pub(super) fn heartbeat(&mut self, session: SessionId, sequence: u64, load: LoadReport) {
        if let Some(wear) = self.fleet.report(session, load) {
            self.actions.extend(wear.map(Action::Wear));
            self.send(session, FromMaster::Renew { sequence });
        }
    }

    pub(super) fn drain(&mut self, name: &AgentName) {
        let session = self.fleet.ask_to_drain(name);
        self.actions.extend(session.map(|s| Action::Send(s, FromMaster::Drain)));
    }

    pub(super) fn send(&mut self, session: SessionId, message: FromMaster) {
        self.actions.push(Action::Send(session, message));
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
