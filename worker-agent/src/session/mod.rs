//! The agent's side of its link to the master: the one task that owns what it was given.
//!
//! ```text
//!   pausing ──▶ dialling ──▶ linked ──┐        attempts (a task each) ── progress, end ──▶ outbox
//!      ▲            │ failed          │ broken       ▲
//!      └────────────┴─────────────────┘              │ Dispatch, Cancel, Abandon; lease over; drain
//! ```
//!
//! Attempts go on while the connection is down, until the lease ends
//! (`lease`). What they tell is kept until the master has it (`outbox`). The
//! connection's own bytes are `link`'s. This task never waits for an attempt,
//! nor for the network.

pub mod backoff;
pub mod held;
pub mod lease;
pub mod link;
pub mod outbox;
mod report;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use enclos_protocol::agent_link::{DRAINED, FromAgent, FromMaster, InputSource, ReturnReason, Welcome};
use enclos_protocol::ids::AttemptId;
use enclos_protocol::job::JobSpec;
use futures::future::{BoxFuture, OptionFuture};
use tokio::sync::{mpsc, watch};
use tokio::task::{self, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::attempt::{Attempt, End, Progress, ProgressSender, Workshop};
use crate::config::Config;
use crate::live;
use crate::load::Sampler;
use crate::member::Access;
use crate::sandbox::chain;
use crate::stop::{self, Cause};
use backoff::Backoff;
use held::{Held, Promise};
use lease::LeaseClock;
use link::{Greeted, Link, LinkError};
use outbox::Outbox;

/// Pieces of progress that may wait for the session.
const PROGRESS_MAX: usize = 256;
/// Longest that a master may ask an agent to be silent between two heartbeats.
const HEARTBEAT_MAX: Duration = Duration::from_secs(10);
/// Shortest pause between two heartbeats.
const HEARTBEAT_MIN: Duration = Duration::from_millis(100);
/// Longest lease that is believed.
const LEASE_MAX: Duration = Duration::from_secs(300);
/// How long a draining agent without a connection waits for one: nobody may be there any more.
const DRAIN_OFFLINE_MAX: Duration = Duration::from_secs(3);
/// How long attempts that were stopped at the end of a drain have to leave.
const STOPPED_WAIT: Duration = Duration::from_secs(8);

/// How the agent is asked to leave.
#[derive(Clone, Debug)]
pub struct Leave {
    /// Takes no more jobs, finishes what runs within the drain's time.
    pub drain: CancellationToken,
    /// Stops what runs, now.
    pub now: CancellationToken,
}

/// Everything that a session is made of.
pub struct Session {
    config: Arc<Config>,
    access: watch::Receiver<Access>,
    workshop: Arc<Workshop>,
    instance: uuid::Uuid,
    sampler: Sampler,
    held: Held,
    outbox: Outbox,
    lease: LeaseClock,
    lease_over: Option<Instant>,
    tasks: JoinSet<(AttemptId, End)>,
    task_of: HashMap<task::Id, AttemptId>,
    progress: ProgressSender,
    inbox: mpsc::Receiver<(AttemptId, Progress)>,
    heartbeat: Duration,
    next_heartbeat: Instant,
    sequence: u64,
    backoff: Backoff,
    was_linked: bool,
    /// It takes no more jobs, whoever said so.
    draining: bool,
    /// Its own process was told to leave.
    asked_to_leave: bool,
    leave_at: Option<Instant>,
    stopped: bool,
}

/// Where the connection is.
enum Connection {
    Pausing(Instant),
    Dialling(BoxFuture<'static, Result<Greeted, LinkError>>),
    Linked(Box<Link>),
}

/// What the loop woke up for.
enum Event {
    Pause,
    Renewed,
    Dialled(Result<Greeted, LinkError>),
    Message(Result<FromMaster, LinkError>),
    Place(Result<mpsc::OwnedPermit<FromAgent>, LinkError>),
    Heartbeat,
    Progress(AttemptId, Progress),
    Ended(task::Id, Option<(AttemptId, End)>),
    LeaseOver(Instant),
    Drain,
    LeaveNow,
    LeaveAt,
}

impl Session {
    /// A session that is not connected yet.
    #[must_use]
    pub fn new(
        config: Arc<Config>,
        workshop: Arc<Workshop>,
        instance: uuid::Uuid,
        sampler: Sampler,
        access: watch::Receiver<Access>,
    ) -> Self {
        let (progress, inbox) = mpsc::channel(PROGRESS_MAX);
        Self {
            config,
            access,
            workshop,
            instance,
            sampler,
            held: Held::default(),
            outbox: Outbox::default(),
            lease: LeaseClock::default(),
            lease_over: None,
            tasks: JoinSet::new(),
            task_of: HashMap::new(),
            progress,
            inbox,
            heartbeat: HEARTBEAT_MAX,
            next_heartbeat: Instant::now(),
            sequence: 0,
            backoff: Backoff::default(),
            was_linked: false,
            draining: false,
            asked_to_leave: false,
            leave_at: None,
            stopped: false,
        }
    }

    /// Runs until the agent was asked to leave and has.
    ///
    /// # Errors
    /// [`LinkError::Refused`] when the master refuses the first connection.
    pub async fn run(mut self, leave: Leave) -> Result<(), LinkError> {
        let mut connection = Connection::Pausing(Instant::now());
        while !self.may_leave(&connection) {
            let event = self.next_event(&mut connection, &leave).await;
            connection = match self.handle(event, connection) {
                Ok(connection) => connection,
                Err(error @ LinkError::Refused(_)) if !self.was_linked => return Err(error),
                Err(error) => self.pause(&error),
            };
        }
        if let Connection::Linked(link) = connection {
            link.close(if self.held.is_empty() && self.outbox.is_empty() { DRAINED } else { "" }).await;
        }
        // Dropping the tasks would drop sandboxes mid-job; they were stopped and have had their time.
        self.tasks.shutdown().await;
        Ok(())
    }

    /// Draining, and all is done and told; or all is done and nobody is there to be told; or its time is over.
    fn may_leave(&self, connection: &Connection) -> bool {
        let done = self.draining && self.held.is_empty();
        let nobody = self.stopped && !matches!(connection, Connection::Linked(_));
        let late = self.stopped && self.leave_at.is_some_and(|at| Instant::now() >= at);
        done && (self.outbox.is_empty() || nobody) || late
    }

    async fn next_event(&mut self, connection: &mut Connection, leave: &Leave) -> Event {
        let unsent = self.outbox.has_unsent();
        let lease_ends = self.lease.deadline().filter(|at| Some(*at) != self.lease_over);
        let next_heartbeat = self.next_heartbeat;
        let leave_at = self.leave_at;
        // Every arm only waits or takes out what is whole, so all are cancel-safe.
        tokio::select! {
            biased;
            () = leave.now.cancelled(), if !self.stopped => Event::LeaveNow,
            () = leave.drain.cancelled(), if !self.asked_to_leave => Event::Drain,
            Some(()) = OptionFuture::from(leave_at.map(sleep_until)) => Event::LeaveAt,
            Some(()) = OptionFuture::from(lease_ends.map(sleep_until)) => Event::LeaseOver(lease_ends.unwrap_or(next_heartbeat)),
            Ok(()) = self.access.changed() => Event::Renewed,
            event = connected(connection, next_heartbeat, unsent) => event,
            Some((attempt, progress)) = self.inbox.recv() => Event::Progress(attempt, progress),
            Some(ended) = self.tasks.join_next_with_id() => match ended {
                Ok((task, (attempt, end))) => Event::Ended(task, Some((attempt, end))),
                Err(error) => {
                    tracing::error!(%error, "an attempt's task failed");
                    Event::Ended(error.id(), None)
                }
            },
        }
    }

    fn handle(&mut self, event: Event, connection: Connection) -> Result<Connection, LinkError> {
        match (event, connection) {
            (Event::Pause, _) => {
                let (hello, access) = (self.hello(), self.access.borrow_and_update().clone());
                Ok(Connection::Dialling(Box::pin(async move { Link::open(&access, hello).await })))
            }
            // The connection of the old certificate ends with it; attempts go on meanwhile.
            (Event::Renewed, Connection::Linked(_)) => Ok(Connection::Pausing(Instant::now())),
            (Event::Dialled(greeted), _) => self.linked(greeted?),
            (Event::Message(message), Connection::Linked(link)) => {
                let message = message?;
                self.take(message, &link)?;
                Ok(Connection::Linked(link))
            }
            (Event::Place(place), connection) => {
                if let Some(message) = self.outbox.take_next() {
                    place?.send(message);
                }
                Ok(connection)
            }
            (Event::Heartbeat, Connection::Linked(link)) => {
                self.beat(&link)?;
                Ok(Connection::Linked(link))
            }
            (Event::Progress(attempt, progress), connection) => {
                self.outbox.record(attempt, progress);
                Ok(connection)
            }
            (Event::Ended(task, end), connection) => {
                self.ended(task, end);
                Ok(connection)
            }
            (Event::LeaseOver(at), connection) => self.lease_ended(at, connection),
            (Event::Drain, connection) => {
                self.drain(Some(self.config.drain), &connection)?;
                Ok(connection)
            }
            (Event::LeaveNow, connection) => {
                self.drain(None, &connection)?;
                self.stop_all();
                Ok(connection)
            }
            (Event::LeaveAt, connection) => {
                self.stop_all();
                Ok(connection)
            }
            (Event::Message(_) | Event::Heartbeat | Event::Renewed, connection) => Ok(connection),
        }
    }

    fn linked(&mut self, greeted: Greeted) -> Result<Connection, LinkError> {
        let Greeted { link, welcome, hello_sent } = greeted;
        let Welcome { version: _, lease_ms, heartbeat_ms, keep } = welcome;
        let lease = Duration::from_millis(lease_ms).min(LEASE_MAX);
        self.heartbeat = Duration::from_millis(heartbeat_ms).clamp(HEARTBEAT_MIN, HEARTBEAT_MAX).min(lease / 2);
        self.next_heartbeat = Instant::now() + self.heartbeat;
        self.lease.welcomed(lease, hello_sent);
        self.backoff.reset();
        self.was_linked = true;
        tracing::info!(master = self.config.master, "connected to the master");
        let holding: Vec<AttemptId> = self.outbox.holding().collect();
        for attempt in holding.iter().filter(|a| !keep.contains(a)) {
            self.abandon(*attempt);
        }
        for attempt in keep.into_iter().filter(|a| !holding.contains(a)) {
            // Its lease ended while the greeting was on its way.
            let reason = ReturnReason::failed("the attempt's lease had ended".to_owned());
            link.control(FromAgent::Returned { attempt, reason })?;
        }
        self.outbox.rewind();
        if self.draining {
            self.beat(&link)?;
        }
        Ok(Connection::Linked(Box::new(link)))
    }

    fn pause(&mut self, error: &LinkError) -> Connection {
        let pause = self.backoff.next(rand::random_range(0.0..1.0));
        tracing::warn!(error = chain(error), pause_ms = pause.as_millis(), "not connected to the master");
        if self.draining {
            let offline = Instant::now() + DRAIN_OFFLINE_MAX;
            self.leave_at = Some(self.leave_at.map_or(offline, |at| at.min(offline)));
        }
        Connection::Pausing(Instant::now() + pause)
    }

    fn take(&mut self, message: FromMaster, link: &Link) -> Result<(), LinkError> {
        match message {
            // A second welcome says nothing new.
            FromMaster::Welcome(_) => {}
            FromMaster::Renew { sequence } => self.lease.answered(sequence),
            FromMaster::Dispatch { attempt, spec, input } => self.dispatch(attempt, *spec, input),
            FromMaster::Stdin { attempt, offset, bytes, last } => {
                let received = self.held.stdin(attempt, offset, &bytes, last);
                received.into_iter().for_each(|received| self.outbox.received(attempt, received));
            }
            FromMaster::Signal { attempt, signal } => {
                self.held.feed(attempt).into_iter().for_each(|feed| feed.signal(signal));
            }
            FromMaster::Cancel { attempt } => self.held.stop(attempt, Cause::Cancelled),
            FromMaster::Acknowledge { attempt } if self.held.contains(attempt) => {}
            FromMaster::Acknowledge { attempt } => self.outbox.forget(attempt),
            FromMaster::Abandon { attempt } => self.abandon(attempt),
            FromMaster::Drain if self.draining => {}
            FromMaster::Drain => {
                tracing::info!("the master asked the agent to drain");
                self.draining = true;
                self.beat(link)?;
            }
        }
        Ok(())
    }

    fn dispatch(&mut self, id: AttemptId, spec: JobSpec, input: InputSource) {
        // The same dispatch twice is the same attempt.
        if self.outbox.holding().any(|held| held == id) {
            return;
        }
        self.outbox.begin(id);
        let promise = Promise::of(&spec, &self.workshop.catalogue);
        if self.draining {
            return self.outbox.end(id, End::Returned(ReturnReason::Draining));
        }
        if !self.held.has_room(promise, &self.config.capacity) {
            return self.outbox.end(id, End::Returned(ReturnReason::NoRoom));
        }
        if !self.config.offers(&spec.language) {
            let message = format!("this agent does not offer language '{}'", spec.language);
            return self.outbox.end(id, End::Returned(ReturnReason::failed(message)));
        }
        let (stopper, stop) = stop::pair();
        let (feed, intake) = live::pair();
        self.held.begin(id, stopper, feed, promise);
        let attempt = Attempt { id, spec, input, intake, stop, progress: self.progress.clone() };
        let task = self.tasks.spawn(attempt.run_named(self.config.name.clone(), Arc::clone(&self.workshop)));
        self.task_of.insert(task.id(), id);
    }

    fn ended(&mut self, task: task::Id, end: Option<(AttemptId, End)>) {
        let Some(attempt) = self.task_of.remove(&task) else { return };
        // Only a panic of ours ends a task without a word; the job goes back, and that is counted.
        let lost = || End::Returned(ReturnReason::failed("the agent lost the attempt".to_owned()));
        let end = end.map_or_else(lost, |(_, end)| end);
        // All that it told was sent before it ended, and may still wait here.
        while let Ok((id, progress)) = self.inbox.try_recv() {
            self.outbox.record(id, progress);
        }
        self.held.end(attempt);
        if end == End::Returned(ReturnReason::NoRoom) {
            // The master must know why (an image failed) before it gives the job out again.
            self.next_heartbeat = Instant::now();
        }
        self.outbox.end(attempt, end);
    }

    fn abandon(&mut self, attempt: AttemptId) {
        self.held.stop(attempt, Cause::Abandoned);
        self.outbox.forget(attempt);
    }

    /// The lease is over: whoever runs is killed, because the master may give the job to another.
    /// What has ended is kept: its token decides whether the master still wants it.
    fn lease_ended(&mut self, at: Instant, connection: Connection) -> Result<Connection, LinkError> {
        self.lease_over = Some(at);
        let running: Vec<AttemptId> = self.held.ids().collect();
        if !running.is_empty() {
            tracing::warn!(attempts = running.len(), "lease ended, attempts are killed");
        }
        for attempt in running {
            self.abandon(attempt);
        }
        match connection {
            // Connected, and yet no answer for a whole lease.
            Connection::Linked(_) => Err(LinkError::Stalled),
            other => Ok(other),
        }
    }

    fn drain(&mut self, within: Option<Duration>, connection: &Connection) -> Result<(), LinkError> {
        if !self.draining {
            tracing::info!(running = self.held.len(), "draining");
        }
        self.draining = true;
        self.asked_to_leave = true;
        let offline = !matches!(connection, Connection::Linked(_));
        let wait = within.map(|w| if offline { w.min(DRAIN_OFFLINE_MAX) } else { w });
        self.leave_at = wait.map(|w| Instant::now() + w).or(self.leave_at);
        if let Connection::Linked(link) = connection {
            self.beat(link)?;
        }
        Ok(())
    }

    /// The drain's time is over: jobs go back to the master.
    fn stop_all(&mut self) {
        if self.stopped {
            return;
        }
        self.stopped = true;
        self.held.stop_all(Cause::Draining);
        self.leave_at = Some(Instant::now() + STOPPED_WAIT);
    }

    fn beat(&mut self, link: &Link) -> Result<(), LinkError> {
        self.sequence += 1;
        let now = Instant::now();
        self.next_heartbeat = now + self.heartbeat;
        // Noted before it is queued: a lease may be counted from too early, never from too late.
        self.lease.sent(self.sequence, now);
        link.control(FromAgent::Heartbeat { sequence: self.sequence, load: self.load() })
    }
}

/// What the connection has to say next, wherever it is. Cancel-safe.
async fn connected(connection: &mut Connection, next_heartbeat: Instant, unsent: bool) -> Event {
    match connection {
        Connection::Pausing(until) => {
            sleep_until(*until).await;
            Event::Pause
        }
        Connection::Dialling(dial) => Event::Dialled(dial.await),
        // A timer's first look would let what is ready pass before it.
        Connection::Linked(_) if next_heartbeat <= Instant::now() => Event::Heartbeat,
        Connection::Linked(link) => {
            let data = link.data();
            tokio::select! {
                biased;
                () = sleep_until(next_heartbeat) => Event::Heartbeat,
                message = link.receive() => Event::Message(message),
                place = data.reserve_owned(), if unsent => Event::Place(place.map_err(|_| LinkError::Closed)),
            }
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
