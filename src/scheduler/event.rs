//! What happens to the scheduler, and what it wants done.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use enclos_protocol::agent_link::{FromMaster, LoadReport, ReturnReason};
use enclos_protocol::ids::{AgentName, AttemptId, FencingToken, JobId};
use enclos_protocol::job::{Isolation, JobReport, Reuse};
use uuid::Uuid;

use crate::metrics::{AttemptEnd, Wear};
use crate::queue::{Demand, Priority, Room};
use crate::store::{Ending, Recorded, UnixTime};

/// One connection of an agent; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionId(pub u64);

/// The time by both clocks: the monotonic one decides, the calendar's is recorded.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Monotonic.
    pub instant: Instant,
    /// Of the calendar.
    pub unix: UnixTime,
}

impl Moment {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        Self { instant: tokio::time::Instant::now().into_std(), unix: UnixTime::now() }
    }
}

/// What an agent offers, bounded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// In all.
    pub capacity: Room,
    /// Of its sandboxes.
    pub isolation: Isolation,
    /// The weakest that its operator allows.
    pub reuse: Reuse,
    /// The master's own agent.
    pub embedded: bool,
    /// It installs dependencies of jobs.
    pub installs: bool,
    /// Version of its build, for people.
    pub build: String,
}

/// An agent that said hello, its numbers bounded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Joining {
    /// Its connection.
    pub session: SessionId,
    /// Its name.
    pub name: AgentName,
    /// Of its process.
    pub instance: Uuid,
    /// Of the link, that both speak.
    pub link_version: u16,
    /// What it offers.
    pub offer: Offer,
    /// Attempts that it holds.
    pub holding: Vec<AttemptId>,
    /// Its load.
    pub load: LoadReport,
}

/// How many jobs of each tenant may be at agents at once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RunningBounds {
    /// Of a tenant that is not named.
    pub default: Option<u64>,
    /// Of these.
    pub tenants: HashMap<Arc<str>, Option<u64>>,
    /// Parts of the fleet that these have against one of weight 1, which is everybody else's.
    pub weights: HashMap<Arc<str>, u32>,
}

impl RunningBounds {
    /// Whether a tenant with so many may have one more.
    #[must_use]
    pub fn allow(&self, tenant: &str, running: usize) -> bool {
        let bound = self.tenants.get(tenant).copied().unwrap_or(self.default);
        bound.is_none_or(|max| (running as u64) < max)
    }
}

/// What a job is like, beside what it needs: by this its use is estimated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traits {
    /// Of its sources and arguments, in the first bytes of a digest; 0: not known.
    pub source: u64,
}

/// A job that is stored and waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Submitted {
    /// The job.
    pub job: JobId,
    /// What it needs.
    pub demand: Arc<Demand>,
    /// Bytes of its input.
    pub input_bytes: u64,
    /// By what an agent knows that it has compiled the same before.
    pub compile_key: Option<u64>,
    /// What its cases may take, beside the time that every attempt may take.
    pub cases_time: Duration,
    /// How urgent it is.
    pub priority: Priority,
    /// It ends as cancelled if it still waits then.
    pub expires: Option<Instant>,
    /// By what its use is estimated.
    pub traits: Traits,
    /// How long it has waited already: since it was stored, where the master was started after that.
    pub waited: Duration,
}

/// A job that had not finished when the master started.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Survivor {
    /// As when it was submitted.
    pub submitted: Submitted,
    /// Attempts that count.
    pub attempts: u32,
    /// Why attempts failed.
    pub failures: Vec<String>,
    /// The greatest token it has had.
    pub token: Option<FencingToken>,
    /// Who has it, and since when, if it was running.
    pub holder: Option<(AgentName, UnixTime)>,
    /// Someone was answered that it will be cancelled.
    pub cancelled: bool,
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// A job was stored.
    Submitted(Submitted),
    /// Someone wants a job to end.
    Cancel(JobId),
    /// An agent said hello.
    Joined(Box<Joining>),
    /// A connection ended.
    Left(SessionId),
    /// An agent drained, said so, and ends.
    Drained(SessionId),
    /// A heartbeat came.
    Heartbeat {
        /// From whom.
        session: SessionId,
        /// Its number.
        sequence: u64,
        /// The load now, bounded.
        load: LoadReport,
    },
    /// A step of an attempt began.
    Started {
        /// Who says so.
        session: SessionId,
        /// Which attempt.
        attempt: AttemptId,
    },
    /// An attempt is about to be given some of its live standard input, or a signal.
    Fed(AttemptId),
    /// An attempt ended with a report; its output came before.
    Finished {
        /// Who says so.
        session: SessionId,
        /// Which attempt.
        attempt: AttemptId,
        /// How, bounded.
        report: Box<JobReport>,
    },
    /// A job was handed back.
    Returned {
        /// Who says so.
        session: SessionId,
        /// Which attempt.
        attempt: AttemptId,
        /// Why.
        reason: ReturnReason,
    },
    /// What an agent said of an attempt cannot be so.
    Unfit {
        /// Who says so.
        session: SessionId,
        /// Which attempt.
        attempt: AttemptId,
        /// What is wrong with it.
        why: String,
    },
    /// The store has a job's end, or has another.
    Recorded {
        /// Which job.
        job: JobId,
        /// What the store did.
        recorded: Recorded,
    },
    /// So many jobs of each tenant may be at agents at once from now on.
    Bounds(RunningBounds),
    /// An operator wants an agent to take no more jobs.
    Drain(AgentName),
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Send a message on a connection.
    Send(SessionId, FromMaster),
    /// Send an attempt's job on a connection, and note it.
    Dispatch {
        /// Where to.
        session: SessionId,
        /// The attempt.
        attempt: AttemptId,
        /// Who gets it.
        agent: AgentName,
        /// Attempts that count, with this one.
        attempts: u32,
        /// How long the job waited.
        waited: Duration,
    },
    /// An agent still runs an attempt of before a restart: note it as running.
    Adopt {
        /// The attempt.
        attempt: AttemptId,
        /// Who has it.
        agent: AgentName,
        /// Attempts that count, with this one.
        attempts: u32,
    },
    /// Note that a job waits again.
    Requeue {
        /// The job.
        job: JobId,
        /// Of the attempt that is over.
        token: FencingToken,
        /// Attempts that count.
        attempts: u32,
        /// Why attempts failed.
        failures: Vec<String>,
    },
    /// Record a job's end, and say so with [`Event::Recorded`].
    Finish(Box<Finishing>),
    /// A job of this tenant entered the queue again, with so many bytes.
    Entered(Arc<str>, u64),
    /// A job of this tenant left the queue, with so many bytes.
    Departed(Arc<str>, u64),
    /// Close a connection, for this reason.
    Close(SessionId, &'static str),
    /// Count how an attempt ended.
    Ended(AttemptEnd),
    /// Count what became of an agent's sandboxes since it last said so.
    Wear(Wear),
}

/// A job's end, to be recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finishing {
    /// The job.
    pub job: JobId,
    /// The attempt that ended it, who had it, and since when.
    pub attempt: Option<(AttemptId, AgentName, UnixTime)>,
    /// Attempts that count.
    pub attempts: u32,
    /// How.
    pub ending: Ending,
}

/// What a session is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ToSession {
    /// Send this.
    Message(FromMaster),
    /// Send the job of this attempt.
    Dispatch(AttemptId),
    /// Say why and end.
    Close(&'static str),
}
