//! Attempts that were given out and of which the store does not know yet. Pure.
//!
//! A dispatch waits for no write. What is given out while notes are written gathers for the next write, and a job that
//! ends before that needs no note: its end says all that it would have said. What a crash takes is a note: the job
//! then waits at the next start, and its agent's word that it has it counts before that.

use std::collections::HashMap;

use enclos_protocol::ids::{FencingToken, JobId};

use crate::store::Started;

/// Notes in one write: all other writes of its transaction wait for them.
pub(super) const WRITE_MAX: usize = 256;

/// The notes: one of each job at most, so never more than jobs run.
#[derive(Debug, Default)]
pub(super) struct Notes {
    unwritten: HashMap<JobId, Started>,
    /// On their way to the disk; they may fail, or come there after the job's end.
    flying: HashMap<JobId, Started>,
}

impl Notes {
    /// Notes that an attempt was given out; the last of a job counts.
    pub(super) fn add(&mut self, started: Started) {
        self.flying.remove(&started.job);
        self.unwritten.insert(started.job, started);
    }

    /// The job's attempt is over, which is written by itself. What is not known to be written of it.
    pub(super) fn over(&mut self, job: JobId) -> Option<Started> {
        let flying = self.flying.remove(&job);
        self.unwritten.remove(&job).or(flying)
    }

    /// Those that are to be written together now.
    pub(super) fn take(&mut self) -> Vec<Started> {
        let jobs: Vec<JobId> = self.unwritten.keys().take(WRITE_MAX).copied().collect();
        jobs.into_iter().filter_map(|job| self.take_of(job)).collect()
    }

    /// That of one job, to be written now.
    pub(super) fn take_of(&mut self, job: JobId) -> Option<Started> {
        let started = self.unwritten.remove(&job)?;
        self.flying.insert(job, started.clone());
        Some(started)
    }

    /// A write ended. What of it failed and still goes on is to be written again.
    pub(super) fn written(&mut self, notes: Vec<(JobId, FencingToken)>, is_written: bool) {
        for (job, token) in notes {
            if self.flying.get(&job).is_none_or(|flying| flying.attempt.token != token) {
                continue;
            }
            let flown = self.flying.remove(&job);
            self.unwritten.extend(flown.filter(|_| !is_written).map(|started| (job, started)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{AttemptFacts, Level, Prediction, UnixTime};

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

    fn told(notes: &[Started]) -> Vec<(JobId, FencingToken)> {
        notes.iter().map(|started| (started.job, started.attempt.token)).collect()
    }

    #[test]
    fn what_ends_before_it_is_written_needs_no_note_and_is_told_whole() {
        let mut notes = Notes::default();
        notes.add(started(1, 1));
        notes.add(started(2, 2));
        assert_eq!(notes.over(started(1, 1).job), Some(started(1, 1)));
        let taken = notes.take();
        assert_eq!(taken, [started(2, 2)]);
        assert!(notes.take().is_empty());
        notes.written(told(&taken), true);
        assert_eq!(notes.over(started(2, 2).job), None, "it was written");
    }

    #[test]
    fn what_ends_while_it_is_written_is_told_whole_and_not_written_again() {
        let mut notes = Notes::default();
        notes.add(started(1, 1));
        let taken = notes.take();
        assert_eq!(notes.over(started(1, 1).job), Some(started(1, 1)), "the write may fail or come too late");
        notes.written(told(&taken), false);
        assert!(notes.take().is_empty());
    }

    #[test]
    fn of_two_attempts_of_a_job_the_last_is_noted() {
        let mut notes = Notes::default();
        notes.add(started(1, 1));
        let first = notes.take();
        notes.add(started(1, 2));
        notes.written(told(&first), false);
        assert_eq!(notes.take(), [started(1, 2)]);
        notes.written(told(&first), true);
        assert_eq!(notes.over(started(1, 2).job), Some(started(1, 2)), "another attempt was written");
    }

    #[test]
    fn many_notes_are_several_writes_and_those_that_failed_are_written_again() {
        let mut notes = Notes::default();
        let count = 2 * WRITE_MAX + 1;
        for number in 0..count {
            let job = JobId::from_bytes((number as u128).to_be_bytes());
            notes.add(Started { job, ..started(0, number as u64) });
        }
        let failed = notes.take();
        assert_eq!(failed.len(), WRITE_MAX);
        notes.written(told(&failed), false);
        let mut writes = Vec::new();
        loop {
            let taken = notes.take();
            if taken.is_empty() {
                break;
            }
            notes.written(told(&taken), true);
            writes.push(taken.len());
        }
        assert_eq!(writes, [WRITE_MAX, WRITE_MAX, 1]);
    }
}
