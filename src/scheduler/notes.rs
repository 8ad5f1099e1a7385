//! Attempts that were given out and of which the store does not know yet. Pure.
//!
//! A dispatch waits for no write, so a note of it may come late, and that of a job which ends before says nothing
//! that its end does not: most jobs end within a moment and are written once for it. What a crash takes is a note:
//! the job then waits at the next start, and its agent's word that it has it counts before that, as it does
//! where a note was on its way.

use std::collections::HashMap;

use enclos_protocol::ids::JobId;

use crate::store::{Prediction, Started};

/// The notes, one of each job that was given out since the last were taken; never more than jobs run.
#[derive(Debug, Default)]
pub(super) struct Notes(HashMap<JobId, Started>);

impl Notes {
    /// Notes that an attempt was given out; the last of a job counts.
    pub(super) fn add(&mut self, started: Started) {
        self.0.insert(started.job, started);
    }

    /// The job's attempt is over, which is written by itself. What the job was expected to use, where that was
    /// not written yet.
    pub(super) fn over(&mut self, job: JobId) -> Option<Prediction> {
        self.0.remove(&job)?.prediction
    }

    /// All that are to be written.
    pub(super) fn take(&mut self) -> Vec<Started> {
        self.0.drain().map(|(_, started)| started).collect()
    }
}

#[cfg(test)]
mod tests {
    use enclos_protocol::ids::FencingToken;

    use super::*;
    use crate::store::{AttemptFacts, Level, UnixTime};

    fn started(job: u8, counter: u64) -> Started {
        let token = FencingToken { epoch: 1, counter };
        let prediction =
            Prediction { cpu_us: counter, wall_us: 0, memory_bytes: 0, level: Level::Tenant, observations: 9 };
        Started {
            job: JobId::from_bytes([job; 16]),
            attempt: AttemptFacts { token, agent: "a".parse().unwrap(), started: UnixTime(1) },
            attempts: 1,
            prediction: Some(prediction),
        }
    }

    #[test]
    fn what_ends_before_it_is_written_needs_no_note_and_keeps_what_was_expected() {
        let mut notes = Notes::default();
        notes.add(started(1, 1));
        notes.add(started(2, 2));
        assert_eq!(notes.over(started(1, 1).job).map(|expected| expected.cpu_us), Some(1));
        assert_eq!(notes.take(), [started(2, 2)]);
        assert!(notes.take().is_empty());
        assert_eq!(notes.over(started(2, 2).job), None, "it was written");
    }

    #[test]
    fn of_two_attempts_of_a_job_the_last_is_noted() {
        let mut notes = Notes::default();
        notes.add(started(1, 1));
        notes.add(started(1, 2));
        assert_eq!(notes.take(), [started(1, 2)]);
    }
}
