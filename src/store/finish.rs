//! The end of a job, written once: its row, what it wrote and left, what it no longer needs.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, named_params, params};

use super::callbacks::{self, Enqueued};
use super::cases::{self, EncodedResult};
use super::usage::Used;
use super::write::{Finish, Recorded, encoded, to_i64};
use super::writer::Operation;
use super::{StoreError, blobs::uses, erase, files};

pub(super) struct FinishJob {
    finish: Arc<Finish>,
    report: Option<Vec<u8>>,
    cases: Vec<EncodedResult>,
}

impl FinishJob {
    pub(super) fn encode(finish: Arc<Finish>) -> Result<Self, StoreError> {
        let report = finish.ending.report.as_ref().map(encoded).transpose()?;
        let cases = EncodedResult::encode_all(&finish.cases)?;
        Ok(Self { finish, report, cases })
    }
}

/// What came of a [`FinishJob`].
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) recorded: Recorded,
    pub(super) enqueued: Enqueued,
    used: Option<Used>,
}

impl Operation for FinishJob {
    type Answer = Ended;

    fn apply(&self, c: &Connection) -> rusqlite::Result<Ended> {
        let Finish { job, attempt, attempts, unnoted, ending, outputs, cases: _, finished } = &*self.finish;
        // An end that no attempt brought does not hide who had the job.
        let last = attempt.as_ref().or(unnoted.as_ref().map(|started| &started.attempt));
        let prediction = unnoted.as_ref().and_then(|started| started.prediction.as_ref());
        let judged = ending.judged.as_ref();
        let found: Option<(i64, bool, String, Option<String>, bool)> = c
            .prepare_cached(
                "UPDATE jobs SET state = 2, epoch = coalesce(:epoch, epoch), counter = coalesce(:counter, counter),
                        agent = coalesce(:agent, agent), started_us = coalesce(:started, started_us),
                        attempts = :attempts, finished_us = :finished, outcome = :outcome, message = :message,
                        report = :report, verdict = :verdict, passed = :passed, score_ppm = :score,
                        cases_us = :cases, prediction = coalesce(:prediction, prediction)
                 WHERE id = :id AND state < 2
                       AND (:epoch IS NULL OR epoch IS NULL OR (epoch, counter) <= (:epoch, :counter))
                 RETURNING sequence, erase, tenant, callback, scoring IS NOT NULL",
            )?
            .query_row(
                named_params! {
                    ":id": job.as_bytes(),
                    ":epoch": last.map(|a| to_i64(a.token.epoch)),
                    ":counter": last.map(|a| to_i64(a.token.counter)),
                    ":agent": last.map(|a| a.agent.as_str()),
                    ":started": last.map(|a| a.started.0),
                    ":attempts": attempts,
                    ":finished": finished.0,
                    ":outcome": ending.outcome.as_str(),
                    ":message": ending.message,
                    ":report": self.report,
                    ":verdict": judged.map(|j| j.verdict.as_str()),
                    ":passed": judged.map(|j| j.passed),
                    ":score": judged.map(|j| to_i64(j.score_ppm)),
                    ":cases": judged.map(|j| to_i64(j.wall_us)),
                    ":prediction": prediction.and_then(|prediction| encoded(prediction).ok()),
                },
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
            )
            .optional()?;
        let Some((sequence, erase, tenant, callback, has_cases)) = found else {
            return Ok(Ended { recorded: Recorded::Refused, enqueued: Enqueued::default(), used: None });
        };
        if erase {
            erase::remove(c, sequence)?;
            let used = Some(Used::by(tenant, &self.finish));
            return Ok(Ended { recorded: Recorded::Erased, enqueued: Enqueued::default(), used });
        }
        for (part, bytes) in outputs.0.iter().enumerate().filter(|(_, bytes)| !bytes.is_empty()) {
            let mut insert = c.prepare_cached("INSERT INTO outputs VALUES (?,?,?)")?;
            insert.execute(params![sequence, to_i64(part as u64), bytes])?;
        }
        if has_cases {
            cases::finish(c, sequence, &self.cases)?;
        }
        uses::finish(c, sequence)?;
        files::finish(c, sequence, attempt.as_ref().map(|a| a.token))?;
        // No answer shows a job's sources, and a finished job is never run again.
        c.prepare_cached("DELETE FROM inputs WHERE job = ?")?.execute([sequence])?;
        let told = callback.map(|url| callbacks::enqueue(c, sequence, &tenant, &url, *finished)).transpose()?;
        let used = Some(Used::by(tenant, &self.finish));
        Ok(Ended { recorded: Recorded::Now, enqueued: told.unwrap_or_default(), used })
    }

    fn used(ended: &Ended) -> Option<&Used> {
        ended.used.as_ref()
    }

    fn erased(ended: &Ended) -> bool {
        ended.recorded == Recorded::Erased
    }
}
