//! The writes: each a value, applied inside the writer's transaction.
//!
//! A write about an attempt changes a row only where the row's token is not
//! greater and the job has not finished. That makes them safe in any order and
//! any number: the last word is the greatest token's, and the end's.

use std::collections::BTreeMap;
use std::sync::Arc;

use enclos_protocol::ids::{AgentName, FencingToken, JobId};
use enclos_protocol::job::{JobInput, JobSpec};
use rusqlite::{Connection, OptionalExtension as _, named_params, params};

use super::cases::{self, EncodedCase, NewCase};
use super::fresh::{self, FreshWork};
use super::predictions::Prediction;
use super::record::{CaseResult, Ending, Outputs, Turn, UnixTime};
use super::writer::Operation;
use super::{BlobUse, StoreError, blobs::uses};
use crate::scoring::Scoring;

/// An idempotency key and the digest of the body it came with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Idempotency {
    /// The client's key.
    pub key: String,
    /// SHA-256 of the submission.
    pub digest: [u8; 32],
}

/// A job to keep.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// What is to be done.
    pub spec: Arc<JobSpec>,
    /// Its bytes.
    pub input: JobInput,
    /// Its cases.
    pub cases: Vec<NewCase>,
    /// What of its input and cases is in blobs.
    pub blobs: Vec<BlobUse>,
    /// How its score is reckoned.
    pub scoring: Scoring,
    /// By what an agent knows that it has compiled the same before.
    pub compile_key: Option<u64>,
    /// By what it gets its turn.
    pub turn: Turn,
    /// The client's marks.
    pub labels: BTreeMap<String, String>,
    /// When it came.
    pub created: UnixTime,
    /// The key under which it may come again.
    pub idempotency: Option<Idempotency>,
    /// The URL to which its end is told.
    pub callback: Option<String>,
}

/// What became of a [`NewJob`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It is kept.
    New,
    /// Its key belongs to this job, of the same submission.
    Existing(JobId),
    /// Its key belongs to another submission.
    Conflict,
    /// A blob that it refers to is gone; by the field that named it.
    UnknownBlob(String),
}

/// An attempt as the store keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AttemptFacts {
    /// Its token.
    pub token: FencingToken,
    /// Who has it.
    pub agent: AgentName,
    /// When it was given.
    pub started: UnixTime,
}

/// An attempt was given to an agent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Started {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: AttemptFacts,
    /// Attempts that count, with this one.
    pub attempts: u32,
    /// What the job is expected to use; `None`: what was known before stays.
    pub prediction: Option<Prediction>,
}

/// A job waits again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Requeued {
    /// The job.
    pub job: JobId,
    /// Of the attempt that is over.
    pub token: FencingToken,
    /// Attempts that count.
    pub attempts: u32,
    /// Why attempts failed.
    pub failures: Vec<String>,
}

/// How a job ended, to be recorded.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The job.
    pub job: JobId,
    /// The attempt that ended it; `None` where it ended without one.
    pub attempt: Option<AttemptFacts>,
    /// Attempts that count.
    pub attempts: u32,
    /// What was not noted of the attempt that was given out last; `None`: what was known before stays.
    pub unnoted: Option<Started>,
    /// How it ended.
    pub ending: Ending,
    /// What it wrote.
    pub outputs: Outputs,
    /// What became of its cases, by number.
    pub cases: Vec<CaseResult>,
    /// When it ended.
    pub finished: UnixTime,
}

/// What became of a [`Finish`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recorded {
    /// It is the job's end.
    Now,
    /// It is the job's end, and the end of all that was kept of it.
    Erased,
    /// The job had ended, or a greater token has it; nothing was changed.
    Refused,
}

pub(super) struct Admit {
    job: NewJob,
    work: FreshWork,
    cases: Vec<EncodedCase>,
    scoring: Option<Vec<u8>>,
    labels: String,
}

impl Admit {
    /// Encoded by the caller, so that the writer only writes.
    pub(super) fn encode(mut job: NewJob) -> Result<Self, StoreError> {
        let spec = fresh::tight(encoded(&*job.spec)?);
        let work = FreshWork { spec, input: fresh::tight(encoded(&std::mem::take(&mut job.input))?) };
        let cases =
            std::mem::take(&mut job.cases).into_iter().map(EncodedCase::encode).collect::<Result<Vec<_>, _>>()?;
        let scoring = job.spec.cases.is_some().then(|| encoded(&job.scoring)).transpose()?;
        let labels = serde_json::to_string(&job.labels).map_err(|e| StoreError::Value(e.to_string()))?;
        Ok(Self { job, work, cases, scoring, labels })
    }

    /// What an agent needs of it, where nothing of that has to be read elsewhere.
    pub(super) fn work(&self) -> Option<FreshWork> {
        self.job.blobs.is_empty().then(|| self.work.clone())
    }
}

impl Operation for Admit {
    type Answer = Admission;

    fn apply(&self, c: &Connection) -> rusqlite::Result<Admission> {
        let tenant = &self.job.spec.binding.tenant;
        if let Some(asked) = &self.job.idempotency
            && let Some(known) = admitted_before(c, tenant, asked)?
        {
            return Ok(known);
        }
        // In this transaction: no deletion comes between the look and the reference.
        let files = match uses::resolve(c, tenant, self.job.created, &self.job.blobs)? {
            Ok(files) => files,
            Err(field) => return Ok(Admission::UnknownBlob(field)),
        };
        let input_bytes = self.work.input.len() + self.cases.iter().map(EncodedCase::size_bytes).sum::<usize>();
        c.prepare_cached(
            "INSERT INTO jobs (id, tenant, language, spec, labels, input_bytes, created_us, scoring, compile_key,
                               priority, expires_us, source, callback)
             VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
        )?
        .execute(params![
            self.job.id.as_bytes(),
            tenant,
            self.job.spec.language,
            &self.work.spec[..],
            self.labels,
            to_i64(input_bytes as u64),
            self.job.created.0,
            self.scoring,
            self.job.compile_key.map(u64::cast_signed),
            to_i64(self.job.turn.priority.index() as u64),
            self.job.turn.expires.map(|time| time.0),
            self.job.turn.source.cast_signed(),
            self.job.callback,
        ])?;
        let sequence = c.last_insert_rowid();
        c.prepare_cached("INSERT INTO inputs VALUES (?,?)")?.execute(params![sequence, &self.work.input[..]])?;
        cases::insert(c, sequence, &self.cases)?;
        uses::insert(c, sequence, &self.job.blobs, &files)?;
        for (key, value) in &self.job.labels {
            c.prepare_cached("INSERT INTO labels VALUES (?,?,?,?)")?.execute(params![tenant, key, value, sequence])?;
        }
        if let Some(Idempotency { key, digest }) = &self.job.idempotency {
            let mut insert = c.prepare_cached("INSERT INTO idempotency VALUES (?,?,?,?)")?;
            insert.execute(params![tenant, key, digest, sequence])?;
        }
        Ok(Admission::New)
    }
}

/// What an admission under this key would come to, were it not for a new job; `None`: the key is new.
pub(super) fn admitted_before(
    c: &Connection,
    tenant: &str,
    asked: &Idempotency,
) -> rusqlite::Result<Option<Admission>> {
    let known = known_key(c, tenant, &asked.key)?;
    Ok(known.map(|(digest, id)| if digest == asked.digest { Admission::Existing(id) } else { Admission::Conflict }))
}

fn known_key(c: &Connection, tenant: &str, key: &str) -> rusqlite::Result<Option<([u8; 32], JobId)>> {
    let sql =
        "SELECT i.digest, j.id FROM idempotency i JOIN jobs j ON j.sequence = i.job WHERE i.tenant = ? AND i.key = ?";
    c.prepare_cached(sql)?
        .query_row(params![tenant, key], |row| Ok((row.get(0)?, JobId::from_bytes(row.get(1)?))))
        .optional()
}

impl Operation for Vec<Started> {
    type Answer = ();

    fn apply(&self, c: &Connection) -> rusqlite::Result<()> {
        let mut update = c.prepare_cached(
            "UPDATE jobs SET state = 1, epoch = :epoch, counter = :counter, agent = :agent, started_us = :started,
                    attempts = :attempts, prediction = coalesce(:prediction, prediction)
             WHERE id = :id AND state < 2 AND (epoch IS NULL OR (epoch, counter) < (:epoch, :counter))",
        )?;
        for Started { job, attempt, attempts, prediction } in self {
            update.execute(named_params! {
                ":id": job.as_bytes(),
                ":epoch": to_i64(attempt.token.epoch),
                ":counter": to_i64(attempt.token.counter),
                ":agent": attempt.agent.as_str(),
                ":started": attempt.started.0,
                ":attempts": attempts,
                // Five numbers and a name are always CBOR.
                ":prediction": prediction.as_ref().and_then(|prediction| encoded(prediction).ok()),
            })?;
        }
        Ok(())
    }
}

impl Operation for Requeued {
    type Answer = ();

    fn apply(&self, c: &Connection) -> rusqlite::Result<()> {
        c.prepare_cached(
            "UPDATE jobs SET state = 0, epoch = :epoch, counter = :counter, agent = NULL, started_us = NULL,
                    attempts = :attempts, failures = :failures
             WHERE id = :id AND state < 2 AND (epoch IS NULL OR (epoch, counter) <= (:epoch, :counter))",
        )?
        .execute(named_params! {
            ":id": self.job.as_bytes(),
            ":epoch": to_i64(self.token.epoch),
            ":counter": to_i64(self.token.counter),
            ":attempts": self.attempts,
            ":failures": serde_json::to_string(&self.failures).unwrap_or_else(|_| "[]".to_owned()),
        })?;
        Ok(())
    }
}

/// Someone is to be answered that the job will be cancelled.
pub(super) struct CancelAsked {
    pub(super) tenant: String,
    pub(super) job: JobId,
}

impl Operation for CancelAsked {
    type Answer = ();

    fn apply(&self, c: &Connection) -> rusqlite::Result<()> {
        c.prepare_cached("UPDATE jobs SET cancelled = 1 WHERE id = ? AND tenant = ? AND state < 2")?
            .execute(params![self.job.as_bytes(), self.tenant])?;
        Ok(())
    }
}

/// Writes nothing new, but through all of the way to the disk.
pub(super) struct Probe;

impl Operation for Probe {
    type Answer = ();

    fn apply(&self, c: &Connection) -> rusqlite::Result<()> {
        c.prepare_cached("UPDATE meta SET value = value WHERE key = 'epoch'")?.execute([]).map(|_| ())
    }
}

pub(super) fn encoded<T: serde::Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(|e| StoreError::Value(e.to_string()))?;
    Ok(bytes)
}

/// SQLite's integers are signed; our counts never come near the edge.
pub(super) fn to_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
