//! What is known of jobs while they are not finished, for whoever watches.
//!
//! ```text
//! scheduler ─ queued / running ─┐                      ┌─ watcher (cursor) ─ waits for a change, reads beyond it
//! agents ─ step, output ────────┼─▶ Live (one a job) ──┼─ watcher
//! scheduler ─ finished ─────────┘   bounded            └─ …
//! ```
//!
//! A job's live state is a phase and some byte strings, none longer than its
//! step's `report_bytes`, and the ends of its cases; there is no queue per
//! watcher, so a slow one costs nothing. The fencing token decides whose output is taken. After the end the
//! entry is gone and the store answers. It must not decide anything.

mod cursor;
mod holder;
mod live;
mod names;
mod seen;
mod stdin;
#[cfg(test)]
mod tests;
mod told;
mod watcher;
mod wish;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use enclos_protocol::agent_link::{ImageState, OfferedLanguage};
use enclos_protocol::cases::CaseReport;
use enclos_protocol::ids::{AgentName, AttemptId, FencingToken, JobId};
use enclos_protocol::job::{JobSpec, Step};
use enclos_protocol::outcome::Outcome;

use tokio::sync::broadcast;

use self::names::Names;
use crate::scoring::Scoring;
use crate::store::{Finish, Part};

pub use cursor::{Cursor, NotACursor, Phase};
pub use holder::Holder;
pub use live::{Live, Results, Snapshot};
pub use seen::{Chunk, Seen, Written};
pub use stdin::{Client, Given, Heard, Refused, Stage, Stdin, Unfit};
pub use told::Told;
pub use watcher::Watcher;
pub use wish::EndWish;

/// Changes that are kept for who watches them all.
const CHANGES_MAX: usize = 4096;

/// The live state of every job that has not finished.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    jobs: Arc<Mutex<HashMap<JobId, Arc<Live>>>>,
    /// Those that an agent was given and may wait for an image at: a few, where `jobs` can be a great many.
    given: Arc<Mutex<HashMap<JobId, Arc<Live>>>>,
    names: Arc<Mutex<Names>>,
    changed: Changed,
}

/// A job that changed, and whose it is.
pub type Change = (Arc<str>, JobId);
/// The jobs that change from here on, of all tenants; who reads them slowly misses some and hears of it.
pub type Changes = broadcast::Receiver<Change>;

#[derive(Clone, Debug)]
struct Changed(broadcast::Sender<Change>);

impl Default for Changed {
    fn default() -> Self {
        Self(broadcast::Sender::new(CHANGES_MAX))
    }
}

/// What an agent said about an output that cannot be so.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    /// Bytes before it are missing.
    #[error("output begins at {offset}, where only {known} bytes are known")]
    Gap {
        /// Where it begins.
        offset: u64,
        /// What there is.
        known: usize,
    },
    /// Of a case that the job has not.
    #[error("the job has no case {0}")]
    NoSuchCase(u32),
    /// More than the job's submission lets it report.
    #[error("output goes beyond the {0} bytes that this stream may report")]
    TooMuch(u64),
}

impl Progress {
    /// Makes the live state of a job, waiting. To be called before the job can be found in the
    /// store, so that an unfinished job always has one.
    pub fn register(&self, job: JobId, spec: &JobSpec, scoring: Scoring) {
        let live = Live::new(spec, scoring, &mut self.names.lock().unwrap_or_else(PoisonError::into_inner));
        self.lock().insert(job, Arc::new(live));
    }

    /// The jobs that change from here on.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.changed.0.subscribe()
    }

    /// A job can be found in the store.
    pub fn added(&self, job: JobId, tenant: &Arc<str>) {
        self.told(job, || Arc::clone(tenant));
    }

    /// Forgets a job that was not kept after all.
    pub fn forget(&self, job: JobId) {
        self.lock().remove(&job);
    }

    /// The live state of a job; `None`: it has finished, or there is none such.
    #[must_use]
    pub fn find(&self, job: JobId) -> Option<Arc<Live>> {
        self.lock().get(&job).cloned()
    }

    /// The same, of a job of this tenant only.
    #[must_use]
    pub fn find_of(&self, tenant: &str, job: JobId) -> Option<Arc<Live>> {
        self.find(job).filter(|live| live.is_of(tenant))
    }

    /// The job waits (again).
    pub fn queued(&self, job: JobId) {
        if let Some(live) = self.find(job) {
            live.queued();
            self.told(job, || live.tenant().into());
        }
    }

    /// An attempt was given to an agent; from here on only its output is taken.
    pub fn running(&self, attempt: AttemptId, holder: Holder) {
        if let Some(live) = self.find(attempt.job) {
            live.running(attempt.token, holder);
            self.told(attempt.job, || live.tenant().into());
            self.given().insert(attempt.job, live);
        }
    }

    /// How far an agent is with its images: told to the jobs that wait there.
    pub fn images(&self, agent: &AgentName, languages: &[OfferedLanguage]) {
        let mut given = self.given();
        if given.is_empty() {
            return;
        }
        let preparing = languages.iter().filter_map(|language| match &language.image {
            ImageState::Preparing { progress } => Some((language.id.as_str(), progress.as_str())),
            ImageState::Absent | ImageState::Ready | ImageState::Failed { .. } => None,
        });
        let told: BTreeMap<&str, &str> = preparing.collect();
        // A job that has gone on, or ended, is found out here: nobody has to tell this list.
        given.retain(|_, live| live.imaging(agent, &told));
    }

    /// An attempt's dependencies are being installed. Nothing happens if the attempt is not current.
    pub fn installing(&self, attempt: AttemptId, agent: &AgentName) {
        self.with(attempt.job, |live| live.advance(attempt.token, agent, Phase::Installing));
    }

    /// A step of an attempt began. Nothing happens if the attempt is not current.
    pub fn step(&self, attempt: AttemptId, agent: &AgentName, step: Step) {
        self.with(attempt.job, |live| live.advance(attempt.token, agent, Phase::Running(step)));
    }

    /// What a step wrote. Bytes that are known already are passed over, and nothing happens if the
    /// attempt is not current.
    ///
    /// # Errors
    /// [`OutputError`] where the agent broke the link's rules.
    pub fn output(
        &self,
        attempt: AttemptId,
        agent: &AgentName,
        part: Part,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), OutputError> {
        match self.find(attempt.job) {
            Some(live) => live.output((attempt.token, agent), part, offset, bytes),
            None => Ok(()),
        }
    }

    /// The program of an attempt runs, and so far its live standard input has come. Nothing happens if
    /// the attempt is not current.
    ///
    /// # Errors
    /// [`Unfit`] where that cannot be so; the attempt is not to go on then.
    pub fn stdin_taken(&self, attempt: AttemptId, agent: &AgentName, heard: Heard) -> Result<(), Unfit> {
        match self.find(attempt.job) {
            Some(live) => live.stdin_taken((attempt.token, agent), heard),
            None => Ok(()),
        }
    }

    /// A case of an attempt ended. What is known already is passed over, and nothing happens if the
    /// attempt is not current.
    ///
    /// # Errors
    /// [`OutputError`] where the agent broke the link's rules.
    pub fn case_done(
        &self,
        attempt: AttemptId,
        agent: &AgentName,
        case: u32,
        report: CaseReport,
    ) -> Result<(), OutputError> {
        match self.find(attempt.job) {
            Some(live) => live.case_done((attempt.token, agent), case, report),
            None => Ok(()),
        }
    }

    /// What a job comes to that ends with `outcome` by the attempt with this token, or without any.
    #[must_use]
    pub fn results(&self, job: JobId, token: Option<FencingToken>, outcome: Outcome) -> Results {
        self.find(job).map(|live| live.results(token, outcome)).unwrap_or_default()
    }

    /// The job's end is in the store: watchers are sent there. Who only waits is told it here, where it is given.
    pub fn finished(&self, job: JobId, end: Option<Arc<Finish>>) {
        // Out of the table first: who finds no entry looks in the store, where the end is by now.
        if let Some(live) = self.lock().remove(&job) {
            live.finished(end);
            self.told(job, || live.tenant().into());
        }
    }

    fn with(&self, job: JobId, change: impl FnOnce(&Live)) {
        if let Some(live) = self.find(job) {
            change(&live);
        }
    }

    fn told(&self, job: JobId, tenant: impl FnOnce() -> Arc<str>) {
        if self.changed.0.receiver_count() > 0 {
            // Who watched may have gone just now.
            let _ = self.changed.0.send((tenant(), job));
        }
    }

    fn given(&self) -> MutexGuard<'_, HashMap<JobId, Arc<Live>>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Arc<Live>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
