//! How others reach the scheduler.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use enclos_protocol::ids::{AgentName, AttemptId, JobId};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::event::{Event, Joining, SessionId, Submitted, ToSession};
use super::view::{AgentView, Place, Share, Totals};
use crate::queue::{Backlog, Overloaded, Survey, Wanted};

/// Messages that may wait for the scheduler; senders wait for a place.
const WAITING_MAX: usize = 4096;

/// The scheduler has ended: the master is shutting down.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the scheduler has ended")]
pub struct SchedulerGone;

/// Who is told where a job stands; `None`: it does not wait.
pub type PlaceReply = oneshot::Sender<Option<Place>>;

/// What the driver is sent.
pub(super) enum Message {
    Event(Event),
    Submitted(Box<Submitted>, Option<PlaceReply>),
    Join(Box<Joining>, mpsc::Sender<ToSession>),
    Places(Vec<JobId>, oneshot::Sender<Vec<Option<Place>>>),
    Agents(oneshot::Sender<Vec<AgentView>>),
    Shares(oneshot::Sender<HashMap<Arc<str>, Share>>),
    Totals(oneshot::Sender<Totals>),
    Survey(Option<Arc<str>>, usize, oneshot::Sender<Survey>),
    IsCurrent(AttemptId, Option<AgentName>, oneshot::Sender<bool>),
}

/// A handle to the scheduler.
#[derive(Clone, Debug)]
pub struct Scheduler {
    messages: mpsc::Sender<Message>,
    backlog: Arc<Mutex<Backlog>>,
    sessions: Arc<AtomicU64>,
}

/// A place in the queue, given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    /// `None` once the place belongs to a job.
    backlog: Option<Arc<Mutex<Backlog>>>,
    tenant: Arc<str>,
    bytes: u64,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(backlog) = &self.backlog {
            backlog.lock().unwrap_or_else(PoisonError::into_inner).release(&self.tenant, self.bytes);
        }
    }
}

impl Scheduler {
    pub(super) fn new(backlog: Arc<Mutex<Backlog>>) -> (Self, mpsc::Receiver<Message>) {
        let (messages, waiting) = mpsc::channel(WAITING_MAX);
        (Self { messages, backlog, sessions: Arc::default() }, waiting)
    }

    /// A place in the queue for a job.
    ///
    /// # Errors
    /// [`Overloaded`] where there is none.
    pub fn reserve(&self, wanted: Wanted) -> Result<Reservation, Overloaded> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner).reserve(&wanted, Instant::now())?;
        let Wanted { tenant, bytes, .. } = wanted;
        Ok(Reservation { backlog: Some(Arc::clone(&self.backlog)), tenant, bytes })
    }

    /// Whether there would be a place now.
    ///
    /// # Errors
    /// [`Overloaded`] where there is none.
    pub fn look_for_place(&self, wanted: &Wanted) -> Result<(), Overloaded> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner).look(wanted, Instant::now())
    }

    /// A stored job takes its place, which `place` is told if somebody wants to know. If the scheduler has ended, it
    /// waits for the next start. Blocks while too many messages wait: for threads, not for tasks.
    ///
    /// # Errors
    /// [`SchedulerGone`].
    ///
    /// # Panics
    /// In a task, where it would have to wait.
    pub fn submit(
        &self,
        mut reservation: Reservation,
        submitted: Submitted,
        place: Option<PlaceReply>,
    ) -> Result<(), SchedulerGone> {
        let message = Message::Submitted(Box::new(submitted), place);
        let sent = self.messages.try_send(message).or_else(|error| match error {
            TrySendError::Full(message) => self.messages.blocking_send(message).map_err(|_| SchedulerGone),
            TrySendError::Closed(_) => Err(SchedulerGone),
        });
        if sent.is_ok() {
            // It is the job's from here on.
            reservation.backlog = None;
        }
        sent
    }

    /// Tells what happened.
    ///
    /// # Errors
    /// [`SchedulerGone`].
    pub async fn tell(&self, event: Event) -> Result<(), SchedulerGone> {
        self.messages.send(Message::Event(event)).await.map_err(|_| SchedulerGone)
    }

    /// An id for a new connection.
    #[must_use]
    pub fn new_session(&self) -> SessionId {
        SessionId(self.sessions.fetch_add(1, Ordering::Relaxed))
    }

    /// An agent joins; `sender` takes what is meant for it.
    ///
    /// # Errors
    /// [`SchedulerGone`].
    pub async fn join(&self, joining: Joining, sender: mpsc::Sender<ToSession>) -> Result<(), SchedulerGone> {
        self.messages.send(Message::Join(Box::new(joining), sender)).await.map_err(|_| SchedulerGone)
    }

    /// Where these jobs stand in the queue; `None` for those that do not wait.
    ///
    /// # Errors
    /// [`SchedulerGone`].
    pub async fn places(&self, jobs: Vec<JobId>) -> Result<Vec<Option<Place>>, SchedulerGone> {
        self.ask(|reply| Message::Places(jobs, reply)).await
    }

    /// Every agent, by name.
    ///
    /// # Errors
    /// [`SchedulerGone`].
    pub async fn agents(&self) -> Result<Vec<AgentView>, SchedulerGone> {
        self.ask(Message::Agents).await
    }

    /// What each tenant has going on; those that have nothing are left out.
    ///
    /// # Errors
    /// [`SchedulerGone`].
    pub async fn shares(&self) -> Result<HashMap<Arc<str>, Share>, SchedulerGone> {
        self.ask(Message::Shares).await
    }

    /// How many of each.
    ///
    /// # Errors
    /// [`SchedulerGone`].
    pub async fn totals(&self) -> Result<Totals, SchedulerGone> {
        self.ask(Message::Totals).await
    }

    /// What waits, of one tenant or of all; its `groups_max` longest groups one by one.
    ///
    /// # Errors
    /// [`SchedulerGone`].
    pub async fn survey(&self, of: Option<Arc<str>>, groups_max: usize) -> Result<Survey, SchedulerGone> {
        self.ask(|reply| Message::Survey(of, groups_max, reply)).await
    }

    /// Whether an attempt is current and, where an agent is named, its own.
    ///
    /// # Errors
    /// [`SchedulerGone`].
    pub async fn is_current(&self, attempt: AttemptId, agent: Option<AgentName>) -> Result<bool, SchedulerGone> {
        self.ask(|reply| Message::IsCurrent(attempt, agent, reply)).await
    }

    async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Result<T, SchedulerGone> {
        let (reply, answer) = oneshot::channel();
        self.messages.send(message(reply)).await.map_err(|_| SchedulerGone)?;
        answer.await.map_err(|_| SchedulerGone)
    }
}
