//! What jobs use: learnt when they end, told while they wait.
//!
//! Where the policy has no prediction, nothing is learnt and nothing is told.

use enclos_protocol::ids::JobId;
use enclos_protocol::job::{JobReport, StepReport};

use super::Core;
use crate::scheduler::predict::{Estimate, Row, Subject, Usage};

impl Core {
    /// What a job that has not ended is expected to use, by what is known now.
    #[must_use]
    pub fn expected(&self, job: JobId) -> Option<Estimate> {
        // Most jobs are given out as they come, and are asked about again at once.
        if let Some((_, estimate)) = self.estimated.filter(|(of, _)| *of == job) {
            return estimate;
        }
        let job = self.jobs.get(&job)?;
        let (tenant, language) = (&*job.demand.tenant, &*job.demand.language);
        self.estimate(Subject { tenant, language, source: job.traits.source })
    }

    /// What a job like this is expected to use.
    #[must_use]
    pub fn estimate(&self, subject: Subject<'_>) -> Option<Estimate> {
        if self.policy.prediction { self.predictor.estimate(subject) } else { None }
    }

    /// A job without cases ended with this report. What those with cases have used is not in it:
    /// [`Self::learn_of_cases`].
    pub(super) fn learn_of(&mut self, job: JobId, report: &JobReport) {
        if self.jobs.get(&job).is_some_and(|job| job.cases_time.is_zero()) {
            self.learn_of_cases(job, report, []);
        }
    }

    /// A job ended with this report, and its cases with these.
    pub fn learn_of_cases<'a>(
        &mut self,
        job: JobId,
        report: &'a JobReport,
        cases: impl IntoIterator<Item = &'a StepReport>,
    ) {
        let Some(job) = self.jobs.get(&job).filter(|_| self.policy.prediction) else { return };
        let JobReport { outcome, compile, companion, run, .. } = report;
        let steps = [compile, companion, run].into_iter().flatten();
        let Some(usage) = Usage::of(*outcome, steps.chain(cases)) else { return };
        self.estimated = None;
        let (tenant, language) = (&*job.demand.tenant, &*job.demand.language);
        self.predictor.observe(Subject { tenant, language, source: job.traits.source }, usage);
    }

    /// Rows of what was learnt since they were last taken, at most so many.
    pub fn learnt(&mut self, rows_max: usize) -> Vec<Row> {
        self.predictor.changes(rows_max)
    }

    /// Rows that were not kept, to be taken again.
    pub fn not_kept(&mut self, rows: Vec<Row>) {
        self.predictor.not_written(rows);
    }
}
