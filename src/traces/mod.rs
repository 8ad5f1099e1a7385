//! One trace per job, for an OpenTelemetry collector; off unless an operator names one.
//!
//! ```text
//! submit, driver ─ what happened, when ─▶ jobs that are traced ─ the job's end is recorded ─▶ queue ─▶ exporter ─▶ collector
//! ```
//!
//! A job's spans are made here from times that the master knows and laps that the agent reports, so agents need
//! neither a collector nor its clock. They are sent when the end of the job is recorded. Attributes are ids, names of the
//! catalogue, outcomes and counts: never a program, an output, a name that a client chose, or a secret.
//!
//! Everything is bounded, and what finds no place is dropped and counted: no job waits for its trace. A job that
//! was submitted to an earlier process of the master has none.

mod clock;
mod context;
mod exporter;
mod job;
mod span;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use enclos_protocol::ids::{AgentName, AttemptId, JobId};
use enclos_protocol::job::JobReport;
use enclos_protocol::measured::Laps;
use enclos_protocol::outcome::Outcome;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::sync::mpsc;

use crate::config::TraceTarget;
use crate::metrics::Metrics;
use clock::Clock;
use job::Traced;

pub use context::{Asked, Context};
pub use exporter::{Exporter, ExporterError};

/// Jobs whose traces are kept until they end; the default bound of the queue, and what runs.
const JOBS_MAX: usize = 20_000;
/// Traces that wait for the exporter.
const WAITING_MAX: usize = 1024;

/// Why spans were dropped, as labels.
pub(crate) const DROPPED: [&str; 5] = ["jobs", "queue", "failed", "rejected", "shutdown"];
const TOO_MANY_JOBS: &str = DROPPED[0];
const QUEUE_FULL: &str = DROPPED[1];

/// How an attempt's report reads in a trace.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Told {
    /// Where the time went.
    pub laps: Option<Box<Laps>>,
    /// Of the compile step, and whether it was remembered.
    pub compile: Option<(Outcome, bool)>,
    /// Of the run.
    pub run: Option<Outcome>,
}

impl Told {
    /// What of a report is told. Takes the laps, which are kept nowhere else.
    #[must_use]
    pub fn of(report: &mut JobReport) -> Self {
        Self {
            laps: report.laps.take(),
            compile: report.compile.as_ref().map(|step| (step.outcome, step.cached)),
            run: report.run.as_ref().map(|step| step.outcome),
        }
    }
}

/// A cheap handle; by default nothing is traced.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    jobs: Mutex<HashMap<JobId, Traced>>,
    queue: mpsc::Sender<Vec<Span>>,
    clock: Clock,
    metrics: Arc<Metrics>,
    /// Part of the jobs without a context of their client's that are traced, 0 to 1.
    ratio: f64,
}

impl Traces {
    /// Traces for a collector, and what sends them.
    ///
    /// # Errors
    /// [`ExporterError`].
    pub fn new(target: TraceTarget, metrics: &Arc<Metrics>) -> Result<(Self, Exporter), ExporterError> {
        metrics.spans_dropped.begin(DROPPED);
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let ratio = target.ratio;
        let exporter = Exporter::new(target, waiting, Arc::clone(metrics))?;
        let shared = Shared { jobs: Mutex::default(), queue, clock: Clock::new(), metrics: Arc::clone(metrics), ratio };
        Ok((Self(Some(Arc::new(shared))), exporter))
    }

    /// A job is durable, and about to wait.
    pub fn admitted(&self, job: JobId, asked: &Asked, language: &str, priority: &'static str) {
        let Some(shared) = &self.0 else { return };
        let Some(context) = asked.sampled(shared.ratio) else { return };
        let mut jobs = shared.lock();
        if jobs.len() >= JOBS_MAX {
            // As many as an ordinary job's: this one's will never be known.
            return shared.metrics.spans_dropped.add(TOO_MANY_JOBS, job::SPANS_ORDINARY);
        }
        jobs.insert(job, Traced::new(context, asked.at, Instant::now(), (job, language, priority)));
    }

    /// It was given to an agent.
    pub fn dispatched(&self, attempt: AttemptId, agent: &AgentName) {
        self.change(attempt.job, |job, now| job.dispatched(attempt, agent, now));
    }

    /// It waits again.
    pub fn requeued(&self, job: JobId) {
        self.change(job, Traced::requeued);
    }

    /// It has ended, and that is to be recorded.
    pub fn ended(&self, job: JobId, outcome: Outcome, told: &Told) {
        self.change(job, |traced, now| traced.ended(outcome, told, now));
    }

    /// Its end is recorded: the trace is whole.
    pub fn recorded(&self, job: JobId) {
        let Some(shared) = &self.0 else { return };
        let Some(traced) = shared.lock().remove(&job) else { return };
        let spans = traced.recorded(Instant::now(), &shared.clock);
        if let Err(error) = shared.queue.try_send(spans) {
            let spans = error.into_inner();
            shared.metrics.spans_dropped.add(QUEUE_FULL, spans.len() as u64);
        }
    }

    fn change(&self, job: JobId, change: impl FnOnce(&mut Traced, Instant)) {
        if let Some(shared) = &self.0
            && let Some(traced) = shared.lock().get_mut(&job)
        {
            change(traced, Instant::now());
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Traced>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
