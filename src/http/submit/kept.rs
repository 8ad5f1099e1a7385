//! What is known of a job when it has been kept: enough for its first answer, without a look at the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use enclos_protocol::ids::JobId;
use enclos_protocol::job::JobSpec;

use crate::progress::Holder;
use crate::scheduler::Place;
use crate::store::{Detail, Finish, JobRecord, StoredState, Turn, UnixTime};

/// A job that is durable.
pub(in crate::http) struct Kept {
    pub(in crate::http) job: JobId,
    /// `None`: it was durable before.
    pub(in crate::http) new: Option<Box<New>>,
}

/// A job that was made just now.
pub(in crate::http) struct New {
    /// As the store has it, but for its place there.
    pub(in crate::http) record: JobRecord,
    /// Where it stands, if it waits.
    pub(in crate::http) place: Option<Place>,
    /// How often something had been erased before it was kept.
    pub(in crate::http) erasures: u64,
}

/// What of a job its record shows.
pub(super) struct Shown {
    pub(super) spec: Arc<JobSpec>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) created: UnixTime,
    pub(super) turn: Turn,
    pub(super) erasures: u64,
}

impl New {
    /// The job when it has ended so, and what its answer shows. `None`: its cases, or what an earlier attempt
    /// left, stand in the store alone.
    pub(in crate::http) fn ended(mut self, end: Finish, holder: &Holder) -> Option<(JobRecord, Detail)> {
        let Finish { attempt, attempts, ending, outputs, cases, finished, job: _, unnoted: _ } = end;
        let attempt = attempt.filter(|_| cases.is_empty())?;
        self.record.state = StoredState::Finished;
        self.record.started = Some(attempt.started);
        self.record.token = Some(attempt.token);
        self.record.agent = Some(attempt.agent.to_string());
        self.record.attempts = attempts;
        self.record.finished = Some(finished);
        self.record.prediction = holder.expected;
        self.record.ending = Some(ending);
        Some((self.record, Detail { outputs, ..Detail::default() }))
    }
}

impl Kept {
    pub(super) fn before(job: JobId) -> Self {
        Self { job, new: None }
    }

    pub(super) fn new(job: JobId, shown: Shown, place: Option<Place>) -> Self {
        let Shown { spec, labels, created, turn, erasures } = shown;
        let record = JobRecord {
            sequence: 0,
            id: job,
            spec: Arc::unwrap_or_clone(spec),
            labels,
            state: StoredState::Queued,
            created,
            started: None,
            finished: None,
            attempts: 0,
            token: None,
            agent: None,
            turn,
            prediction: None,
            ending: None,
        };
        Self { job, new: Some(Box::new(New { record, place, erasures })) }
    }
}
