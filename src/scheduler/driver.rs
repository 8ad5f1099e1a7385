//! The task around the core: feeds it, does what it says, awaits what it started.
//!
//! ```text
//! messages ─┐                     ┌─▶ sessions (bounded senders; a full one is closed)
//! ticks ────┼─▶ core ─▶ actions ──┼─▶ progress (live state)
//! writes ───┘  ▲                  └─▶ writes: one task each, joined here; most ends of jobs without one
//!              └──────────── their ends are events
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use enclos_protocol::ids::{AgentName, AttemptId, JobId};
use enclos_protocol::job::JobReport;
use enclos_protocol::outcome::StepFacts;
use tokio::sync::mpsc;
use tokio::task::{self, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::core::{Core, Policy};
use super::event::{Action, Event, Finishing, Moment, RunningBounds, SessionId, Survivor, ToSession};
use super::handle::{Message, Scheduler};
use super::learnt::{Keeping, taught};
use super::notes::Notes;
use super::view::{Place, Share};
use super::writes::{self, WriteEnd};
use crate::config::QueueBounds;
use crate::metrics::{Metrics, OfLanguage};
use crate::progress::{Holder, Progress, Results};
use crate::queue::Backlog;
use crate::store::{AttemptFacts, Ending, Finish, PredictionRow, Recorded, Requeued, Started, Store, UnixTime};
use crate::traces::{Told, Traces};

/// How often leases and delays are looked at, and notes that failed are written again.
const TICK: Duration = Duration::from_millis(100);
/// Messages that are taken one after the other before anything else is looked at.
const AT_ONCE: usize = 64;
/// Longest that writes may take at shutdown.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// What the driver needs.
#[derive(Debug)]
pub struct Parts {
    /// Where ends and attempts are written.
    pub store: Arc<Store>,
    /// Live state.
    pub progress: Progress,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Where a job's time goes.
    pub traces: Traces,
    /// Rules.
    pub policy: Policy,
    /// What may wait.
    pub bounds: QueueBounds,
    /// How many jobs of each tenant may be at agents at once, until an event says otherwise.
    pub running: RunningBounds,
    /// Jobs of before.
    pub survivors: Vec<Survivor>,
    /// What was learnt of jobs before.
    pub predictions: Vec<PredictionRow>,
}

/// The scheduler's task, before it runs.
#[derive(Debug)]
pub struct Driver {
    core: Core,
    messages: mpsc::Receiver<Message>,
    backlog: Arc<Mutex<Backlog>>,
    sessions: HashMap<SessionId, mpsc::Sender<ToSession>>,
    writes: JoinSet<WriteEnd>,
    /// Ends of jobs, as the store's writer tells them.
    ends: (mpsc::Sender<WriteEnd>, mpsc::Receiver<WriteEnd>),
    notes: Notes,
    /// The write of notes that gathered, while it goes on; what is urgent is written beside it.
    noting: Option<task::Id>,
    /// A write of notes failed; none is begun until the next tick.
    holds_notes: bool,
    keeping: Keeping,
    store: Arc<Store>,
    progress: Progress,
    metrics: Arc<Metrics>,
    traces: Traces,
    shutdown: CancellationToken,
}

impl Driver {
    /// A driver, and the handle to it.
    #[must_use]
    pub fn new(parts: Parts, shutdown: CancellationToken) -> (Self, Scheduler) {
        let Parts { store, progress, metrics, traces, policy, bounds, running, survivors, predictions } = parts;
        let mut backlog = Backlog::new(bounds);
        let waiting = survivors.iter().filter(|s| s.holder.is_none()).map(|s| &s.submitted);
        waiting.for_each(|s| backlog.enter(&s.demand.tenant, s.input_bytes));
        let backlog = Arc::new(Mutex::new(backlog));
        let (handle, messages) = Scheduler::new(Arc::clone(&backlog));
        let predictor = taught(policy, predictions);
        let core = Core::taught(policy, running, predictor, survivors, Moment::now());
        let keeping = Keeping::new(Arc::clone(&store));
        let (sessions, writes) = (HashMap::new(), JoinSet::new());
        let (notes, noting) = (Notes::default(), None);
        let driver = Self {
            core,
            messages,
            backlog,
            sessions,
            writes,
            ends: mpsc::channel(writes::ENDS_MAX),
            notes,
            noting,
            holds_notes: false,
            keeping,
            store,
            progress,
            metrics,
            traces,
            shutdown,
        };
        (driver, handle)
    }

    /// Runs until shutdown, then waits (bounded) for the writes that were begun.
    pub async fn run(mut self) {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let shutdown = self.shutdown.clone();
        loop {
            // Every arm is cancel-safe: receiving, joining and ticking lose nothing when dropped.
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(end) = self.writes.join_next_with_id() => self.written(end),
                Some(end) = self.ends.1.recv() => {
                    self.heard(end);
                    // What has come together is taken together: a look at everything else costs as much as a message.
                    for _ in 1..AT_ONCE {
                        let Ok(end) = self.ends.1.try_recv() else { break };
                        self.heard(end);
                    }
                }
                message = self.messages.recv() => {
                    let Some(message) = message else { break };
                    self.take(message);
                    for _ in 1..AT_ONCE {
                        let Ok(message) = self.messages.try_recv() else { break };
                        self.take(message);
                    }
                }
                _ = ticks.tick() => {
                    self.holds_notes = false;
                    self.event(Event::Tick);
                    self.keeping.tick(&mut self.core);
                }
            }
        }
        let rest = async {
            // What agents have said before now counts; what comes later is told to the next master.
            // Nobody is told that it was heard and is not.
            self.messages.close();
            while let Ok(message) = self.messages.try_recv() {
                self.take(message);
            }
            self.write_notes();
            self.wait_for_writes().await;
            for action in self.core.hand_back(Moment::now()) {
                self.perform(action);
            }
            self.wait_for_writes().await;
            self.keeping.end(&mut self.core).await;
        };
        if timeout(END_TIMEOUT, rest).await.is_err() {
            tracing::warn!("writes were given up at shutdown; their jobs are taken up at the next start");
            self.writes.shutdown().await;
        }
    }

    async fn wait_for_writes(&mut self) {
        // A place that is not free is that of an end which is still to be heard of.
        while !self.writes.is_empty() || self.ends.0.capacity() < writes::ENDS_MAX {
            tokio::select! {
                Some(end) = self.writes.join_next_with_id() => self.written(end),
                Some(end) = self.ends.1.recv() => self.heard(end),
            }
        }
    }

    fn take(&mut self, message: Message) {
        // Whoever asked may have gone: then nobody needs the answer.
        match message {
            Message::Event(event) => self.event(event),
            Message::Submitted(submitted, reply) => {
                let job = submitted.job;
                self.event(Event::Submitted(*submitted));
                if let Some(reply) = reply.filter(|reply| !reply.is_closed()) {
                    let _ = reply.send(self.place(job));
                }
            }
            Message::Join(joining, sender) => {
                self.sessions.insert(joining.session, sender);
                self.event(Event::Joined(joining));
            }
            Message::Places(jobs, reply) => {
                let _ = reply.send(jobs.into_iter().map(|job| self.place(job)).collect());
            }
            Message::Agents(reply) => drop(reply.send(self.core.agents(Moment::now().instant))),
            Message::Shares(reply) => drop(reply.send(self.shares())),
            Message::Totals(reply) => drop(reply.send(self.core.totals())),
            Message::Survey(of, groups_max, reply) => {
                let _ = reply.send(self.core.survey(of.as_deref(), groups_max, Moment::now().instant));
            }
            Message::IsCurrent(attempt, agent, reply) => {
                let _ = reply.send(self.core.is_current_at(attempt, agent.as_ref()));
            }
        }
    }

    fn shares(&self) -> HashMap<Arc<str>, Share> {
        let mut shares: HashMap<Arc<str>, Share> = HashMap::new();
        for (tenant, queued) in self.backlog().by_tenant() {
            shares.entry(tenant).or_default().queued = queued;
        }
        for (tenant, running) in self.core.running_by_tenant() {
            shares.entry(tenant).or_default().running = running;
        }
        shares
    }

    fn place(&mut self, job: JobId) -> Option<Place> {
        let now = Moment::now().instant;
        let ahead = self.core.ahead(job, now)?;
        let position = ahead.jobs + 1;
        let expected = self.core.expected(job).map(|estimate| estimate.told());
        let by_work = self.core.time_for(ahead.work_us);
        let estimated_start = by_work.or_else(|| self.backlog().time_for(position, now));
        Some(Place { position, expected, estimated_start })
    }

    fn event(&mut self, event: Event) {
        if let Event::Left(session) | Event::Drained(session) = &event {
            self.sessions.remove(session);
        }
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for action in self.core.handle(event, Moment::now()) {
                events.extend(self.perform(action));
            }
        }
        if self.noting.is_none() && !self.holds_notes {
            self.write_notes();
        }
    }

    /// Does what the core wants; an event where that failed at once.
    fn perform(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Send(session, message) => return self.send(session, ToSession::Message(message)),
            Action::Close(session, reason) => {
                let closed = self.send(session, ToSession::Close(reason));
                self.sessions.remove(&session);
                return closed;
            }
            Action::Dispatch { session, attempt, agent, attempts, waited } => {
                if let Some(demand) = self.core.demand(attempt.job) {
                    let counts = self.metrics.language(&demand.language);
                    counts.dispatches.increment();
                    counts.queue_wait.observe(waited);
                    self.metrics.pulse.dispatched(&demand.tenant, waited);
                }
                tracing::debug!(job = %attempt.job, attempt = %attempt.token, %agent, attempts, "a job was given out");
                self.traces.dispatched(attempt, &agent);
                self.note_running(attempt, agent, attempts);
                return self.send(session, ToSession::Dispatch(attempt));
            }
            Action::Adopt { attempt, agent, attempts } => {
                self.note_running(attempt, agent, attempts);
                self.write_note_of(attempt.job);
            }
            Action::Requeue { job, token, attempts, failures } => {
                self.progress.queued(job);
                let why = failures.last().map_or("", String::as_str);
                tracing::info!(%job, attempts, why, "a job goes back to the queue");
                self.traces.requeued(job);
                self.notes.over(job);
                let (store, requeued) = (Arc::clone(&self.store), Requeued { job, token, attempts, failures });
                self.writes.spawn(writes::requeue(store, requeued));
            }
            Action::Finish(finishing) => self.record(*finishing),
            Action::Entered(tenant, bytes) => self.backlog().enter(&tenant, bytes),
            Action::Departed(tenant, bytes) => self.backlog().depart(&tenant, bytes, Moment::now().instant),
            Action::Ended(end) => self.metrics.attempt_ended(end),
            Action::Wear(wear) => self.metrics.sandboxes_worn(&wear),
        }
        None
    }

    fn backlog(&self) -> std::sync::MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_running(&mut self, attempt: AttemptId, agent: AgentName, attempts: u32) {
        let (job, started) = (attempt.job, UnixTime::now());
        let expected = self.core.expected(job).map(|estimate| estimate.told());
        self.progress.running(attempt, Holder { agent: agent.clone(), started, attempts, expected });
        let facts = AttemptFacts { token: attempt.token, agent, started };
        self.notes.add(Started { job, attempt: facts, attempts, prediction: expected });
        // What may be spoken with is not run again, and the next master must know that it was given out; and what
        // failed before may be what takes the master down, so that it must count.
        if attempts > 1 || self.core.demand(job).is_some_and(|demand| demand.live_stdin) {
            self.write_note_of(job);
        }
    }

    /// Jobs do not wait for this: what of it is lost with the master, their agents' words replace.
    fn write_notes(&mut self) {
        let notes = self.notes.take();
        self.noting = self.write(notes).or(self.noting);
    }

    fn write_note_of(&mut self, job: JobId) {
        let note = self.notes.take_of(job);
        self.write(note.into_iter().collect());
    }

    fn write(&mut self, notes: Vec<Started>) -> Option<task::Id> {
        if notes.is_empty() {
            return None;
        }
        Some(self.writes.spawn(writes::note(Arc::clone(&self.store), notes)).id())
    }

    fn record(&mut self, finishing: Finishing) {
        let Finishing { job, attempt, attempts, mut ending } = finishing;
        let told = ending.report.as_mut().map(Told::of).unwrap_or_default();
        self.traces.ended(job, ending.outcome, &told);
        let attempt = attempt.map(|(id, agent, started)| AttemptFacts { token: id.token, agent, started });
        let token = attempt.as_ref().map(|a| a.token);
        let Results { outputs, cases, judged } = self.progress.results(job, token, ending.outcome);
        let runs = cases.iter().filter_map(|case| Some(&case.report.as_ref()?.run.facts));
        if let Some(report) = &ending.report {
            let counts = self.metrics.language(self.core.demand(job).map_or("", |demand| &demand.language));
            let started = attempt.as_ref().map(|a| a.started);
            measure(counts, report, started, &told, runs);
        }
        if let Some(report) = ending.report.as_ref().filter(|_| !cases.is_empty()) {
            let ran = cases.iter().filter_map(|case| case.report.as_ref()).map(|case| &case.run);
            self.core.learn_of_cases(job, report, ran);
        }
        let (ending, unnoted) = (Ending { judged, ..ending }, self.notes.over(job));
        let finished = UnixTime::now();
        let finish = Finish { job, attempt, attempts, unnoted, ending, outputs, cases, finished };
        let finish = Arc::new(finish);
        // Cases are up to megabytes to encode, which nothing here may wait for.
        if !finish.cases.is_empty() || !writes::record_now(&self.store, &finish, &self.ends.0) {
            self.record_in_time(finish, false);
        }
    }

    fn record_in_time(&mut self, finish: Arc<Finish>, has_failed: bool) {
        self.writes.spawn(writes::record(Arc::clone(&self.store), finish, has_failed, self.shutdown.clone()));
    }

    fn written(&mut self, end: Result<(task::Id, WriteEnd), task::JoinError>) {
        let ended = end.as_ref().map_or_else(task::JoinError::id, |(id, _)| *id);
        self.noting.take_if(|noting| *noting == ended);
        match end {
            Ok((_, end)) => self.heard(end),
            Err(error) => tracing::error!(%error, "a write's task failed"),
        }
    }

    fn heard(&mut self, end: WriteEnd) {
        match end {
            WriteEnd::Done => {}
            WriteEnd::Unrecorded { finish, has_failed } => self.record_in_time(finish, has_failed),
            WriteEnd::Noted(notes, is_noted) => {
                self.notes.written(notes, is_noted);
                // Where the store fails, the next tick is soon enough.
                self.holds_notes |= !is_noted;
                if self.noting.is_none() && !self.holds_notes {
                    self.write_notes();
                }
            }
            WriteEnd::Ended(finish, recorded) => {
                let (job, outcome) = (finish.job, finish.ending.outcome);
                let demand = self.core.demand(job);
                self.metrics.language(demand.map_or("", |demand| &demand.language)).finished(outcome);
                if let Some(demand) = demand {
                    let started = finish.attempt.as_ref().map(|attempt| attempt.started);
                    let ran = started.map(|at| Duration::from_micros(finish.finished.us_since(at)));
                    self.metrics.pulse.ended(&demand.tenant, outcome, ran);
                }
                self.progress.finished(job, Some(finish).filter(|_| recorded == Recorded::Now));
                self.traces.recorded(job);
                tracing::debug!(%job, outcome = outcome.as_str(), "a job ended");
                self.event(Event::Recorded { job, recorded });
            }
        }
    }

    /// A session that does not take its messages is closed, so it never holds up the others.
    fn send(&mut self, session: SessionId, message: ToSession) -> Option<Event> {
        match self.sessions.get(&session)?.try_send(message) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => None,
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::warn!(session = session.0, "an agent does not take its messages; its connection is closed");
                self.sessions.remove(&session);
                Some(Event::Left(session))
            }
        }
    }
}

/// Counts where the time of an attempt went that was reported.
fn measure<'a>(
    counts: &OfLanguage,
    report: &'a JobReport,
    started: Option<UnixTime>,
    told: &Told,
    cases: impl Iterator<Item = &'a StepFacts>,
) {
    if let Some(started) = started {
        counts.attempt.observe_us(UnixTime::now().us_since(started));
    }
    counts.sandbox_wait.observe_us(report.sandbox_us);
    if let Some(step) = report.compile.as_ref().filter(|step| !step.cached) {
        counts.compile.observe_us(step.facts.wall_us);
    }
    report.run.iter().map(|step| &step.facts).chain(cases).for_each(|facts| counts.run.observe_us(facts.wall_us));
    told.laps.iter().for_each(|laps| counts.claimed(laps.claims));
}
