//! The reads: a few connections, each used by one blocking task at a time.

use std::sync::{Arc, Mutex, PoisonError};

use enclos_protocol::ids::{FencingToken, JobId};
use enclos_protocol::job::JobSpec;
use enclos_protocol::outcome::Outcome;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::StoreError;
use super::record::{Ending, JobRecord, Outputs, StoredState, Unfinished, UnixTime};

const COLUMNS: &str = "sequence, id, spec, labels, state, created_us, started_us, finished_us, attempts, \
                       epoch, counter, agent, outcome, message, report";
/// How many [`COLUMNS`] there are: what else a statement selects comes after them.
const COLUMN_COUNT: usize = 15;

/// Which jobs a list holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Filter {
    /// Whose.
    pub tenant: String,
    /// Only in this state.
    pub state: Option<StoredState>,
    /// Only of this language.
    pub language: Option<String>,
    /// Only with this label.
    pub label: Option<(String, String)>,
    /// Only admitted before this sequence.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// One page of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Newest first.
    pub jobs: Vec<JobRecord>,
    /// [`Filter::before`] of the next page, where there is one.
    pub next: Option<i64>,
}

/// The reader connections.
#[derive(Debug)]
pub(super) struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>) -> Self {
        Self { permits: Arc::new(Semaphore::new(connections.len())), idle: Mutex::new(connections) }
    }

    /// Runs `read` on an idle connection, off the async threads.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let readers = Arc::clone(self);
        let blocking = tokio::task::spawn_blocking(move || {
            let connection = readers.lock().pop().expect("there is a connection for each permit");
            let answer = read(&connection);
            readers.lock().push(connection);
            drop(permit);
            answer
        });
        Ok(blocking.await.map_err(|_| StoreError::Closed)??)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn job(c: &Connection, id: JobId) -> rusqlite::Result<Option<JobRecord>> {
    c.prepare_cached(&format!("SELECT {COLUMNS} FROM jobs WHERE id = ?"))?.query_row([id.as_bytes()], record).optional()
}

pub(super) fn job_with_outputs(c: &Connection, id: JobId) -> rusqlite::Result<Option<(JobRecord, Outputs)>> {
    // One transaction, so that an end recorded between the two reads is not seen by half.
    let transaction = c.unchecked_transaction()?;
    let Some(record) = job(&transaction, id)? else { return Ok(None) };
    let mut outputs = Outputs::default();
    let mut select = transaction.prepare_cached("SELECT part, bytes FROM outputs WHERE job = ?")?;
    let mut rows = select.query([record.sequence])?;
    while let Some(row) = rows.next()? {
        if let Some(part) = outputs.0.get_mut(usize::try_from(row.get::<_, i64>(0)?).unwrap_or(usize::MAX)) {
            *part = row.get(1)?;
        }
    }
    Ok(Some((record, outputs)))
}

pub(super) fn work(c: &Connection, id: JobId) -> rusqlite::Result<Option<(JobSpec, Vec<u8>)>> {
    let sql = "SELECT j.spec, i.bytes FROM jobs j JOIN inputs i ON i.job = j.sequence WHERE j.id = ?";
    c.prepare_cached(sql)?.query_row([id.as_bytes()], |row| Ok((cbor(row, 0)?, row.get(1)?))).optional()
}

pub(super) fn list(c: &Connection, filter: &Filter) -> rusqlite::Result<Listed> {
    let Filter { tenant, state, language, label, before, limit } = filter;
    let (key, value) = label.as_ref().map_or((None, None), |(k, v)| (Some(k), Some(v)));
    let sql = format!(
        "SELECT {COLUMNS} FROM jobs
         WHERE tenant = ?1 AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR language = ?3)
               AND (?4 IS NULL OR EXISTS (SELECT 1 FROM labels WHERE key = ?4 AND value = ?5 AND job = sequence))
               AND sequence < ?6
         ORDER BY sequence DESC LIMIT ?7"
    );
    let mut select = c.prepare_cached(&sql)?;
    let bound =
        params![tenant, state.map(StoredState::code), language, key, value, before.unwrap_or(i64::MAX), limit + 1];
    let mut jobs = select.query_map(bound, record)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let more = jobs.len() > *limit as usize;
    jobs.truncate(*limit as usize);
    let next = jobs.last().map(|job| job.sequence).filter(|_| more);
    Ok(Listed { jobs, next })
}

pub(super) fn unfinished(c: &Connection) -> rusqlite::Result<Vec<Unfinished>> {
    let sql = format!("SELECT {COLUMNS}, input_bytes, failures FROM jobs WHERE state < 2 ORDER BY sequence");
    let mut select = c.prepare(&sql)?;
    let rows = select.query_map([], |row| {
        Ok(Unfinished {
            record: record(row)?,
            input_bytes: count(row, COLUMN_COUNT)?.unwrap_or(0),
            failures: json(row, COLUMN_COUNT + 1)?,
        })
    })?;
    rows.collect()
}

pub(super) fn finished_count(c: &Connection) -> rusqlite::Result<u64> {
    // Counted from the total and the (indexed, few) unfinished: jobs are never removed.
    c.query_row(
        "SELECT (SELECT coalesce(max(sequence), 0) FROM jobs) - (SELECT count(*) FROM jobs WHERE state < 2)",
        [],
        |row| count(row, 0).map(Option::unwrap_or_default),
    )
}

pub(super) fn probe(c: &Connection) -> rusqlite::Result<()> {
    c.query_row("SELECT value FROM meta WHERE key = 'epoch'", [], |row| row.get::<_, i64>(0)).map(|_| ())
}

fn record(row: &Row<'_>) -> rusqlite::Result<JobRecord> {
    let state = StoredState::from_code(row.get(4)?).ok_or_else(|| wrong(4, "no such state"))?;
    let token = match (count(row, 9)?, count(row, 10)?) {
        (Some(epoch), Some(counter)) => Some(FencingToken { epoch, counter }),
        _ => None,
    };
    Ok(JobRecord {
        sequence: row.get(0)?,
        id: JobId::from_bytes(row.get(1)?),
        spec: cbor(row, 2)?,
        labels: json(row, 3)?,
        state,
        created: UnixTime(row.get(5)?),
        started: row.get::<_, Option<i64>>(6)?.map(UnixTime),
        finished: row.get::<_, Option<i64>>(7)?.map(UnixTime),
        attempts: row.get(8)?,
        token,
        agent: row.get(11)?,
        ending: ending(row)?,
    })
}

fn ending(row: &Row<'_>) -> rusqlite::Result<Option<Ending>> {
    let Some(name) = row.get::<_, Option<String>>(12)? else { return Ok(None) };
    let outcome = Outcome::ALL.into_iter().find(|o| o.as_str() == name).ok_or_else(|| wrong(12, "no such outcome"))?;
    let report = if row.get_ref(14)?.as_blob_or_null()?.is_some() { Some(cbor(row, 14)?) } else { None };
    Ok(Some(Ending { outcome, message: row.get(13)?, report }))
}

fn cbor<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let bytes = row.get_ref(column)?.as_blob()?;
    ciborium::from_reader(bytes).map_err(|e| wrong(column, &e.to_string()))
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|e| wrong(column, &e.to_string()))
}

/// SQLite's integers are signed; what we write there is not.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let value: Option<i64> = row.get(column)?;
    value.map(|v| u64::try_from(v).map_err(|e| wrong(column, &e.to_string()))).transpose()
}

fn wrong(column: usize, problem: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, problem.into())
}
