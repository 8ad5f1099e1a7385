//! The reads: a few connections, each used by one blocking task at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use enclos_protocol::ids::{FencingToken, JobId};
use enclos_protocol::job::JobSpec;
use enclos_protocol::outcome::Outcome;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;

use super::StoreError;
use super::blobs::uses::{self, Fill};
use super::cases;
use super::record::{Detail, Ending, JobRecord, StoredState, Turn, Unfinished, UnixTime};
use crate::access::Priority;
use crate::metrics::Metrics;
use crate::scoring::Judged;

const COLUMNS: &str = "sequence, id, spec, labels, state, created_us, started_us, finished_us, attempts, \
                       epoch, counter, agent, outcome, message, report, verdict, passed, score_ppm, cases_us, \
                       priority, expires_us, source, prediction";
/// How many [`COLUMNS`] there are: what else a statement selects comes after them.
const COLUMN_COUNT: usize = 23;

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

/// What an agent needs of a job.
#[derive(Clone, Debug)]
pub struct Work {
    /// What is to be done.
    pub spec: JobSpec,
    /// Bytes of the input as it travels, near enough; it is not read for that.
    pub input_bytes: u64,
}

/// Connections that only reads which a job waits for may use: no list is in their way.
const KEPT_FOR_DISPATCH: usize = 1;

/// The reader connections.
#[derive(Debug)]
pub(super) struct Readers {
    idle: Mutex<Vec<Connection>>,
    /// One for each connection.
    permits: Arc<Semaphore>,
    /// One more that reads for clients take first; fewer than connections.
    clients: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

impl Readers {
    pub(super) fn new(connections: Vec<Connection>, metrics: Arc<Metrics>) -> Self {
        let all = connections.len();
        let clients = all.saturating_sub(KEPT_FOR_DISPATCH).max(1);
        Self {
            idle: Mutex::new(connections),
            permits: Arc::new(Semaphore::new(all)),
            clients: Arc::new(Semaphore::new(clients)),
            metrics,
        }
    }

    /// Runs `read` for a client on an idle connection, off the async threads.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        let client = Arc::clone(&self.clients).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        self.run_since(begun, move |c| {
            // Moved in here: a caller that goes away leaves the read going on.
            let _client = client;
            read(c)
        })
        .await
    }

    /// Runs `read`, for which a job waits, likewise; reads for clients never take all connections.
    pub(super) async fn run_promptly<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run_since(Instant::now(), read).await
    }

    async fn run_since<T: Send + 'static>(
        self: &Arc<Self>,
        begun: Instant,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let readers = Arc::clone(self);
        let blocking = tokio::task::spawn_blocking(move || {
            let connection = readers.lock().pop().expect("there is a connection for each permit");
            let answer = read(&connection);
            readers.lock().push(connection);
            readers.metrics.read.observe(begun.elapsed());
            drop(permit);
            answer
        });
        Ok(blocking.await.map_err(|_| StoreError::Closed)??)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn job(c: &Connection, tenant: &str, id: JobId) -> rusqlite::Result<Option<JobRecord>> {
    c.prepare_cached(&format!("SELECT {COLUMNS} FROM jobs WHERE id = ? AND tenant = ? AND erase = 0"))?
        .query_row(params![id.as_bytes(), tenant], record)
        .optional()
}

pub(super) fn job_in_detail(c: &Connection, tenant: &str, id: JobId) -> rusqlite::Result<Option<(JobRecord, Detail)>> {
    // One transaction, so that an end recorded between the two reads is not seen by half.
    let transaction = c.unchecked_transaction()?;
    let Some(record) = job(&transaction, tenant, id)? else { return Ok(None) };
    let mut detail = Detail::default();
    let mut select = transaction.prepare_cached("SELECT part, bytes FROM outputs WHERE job = ?")?;
    let mut rows = select.query([record.sequence])?;
    while let Some(row) = rows.next()? {
        if let Some(part) = detail.outputs.0.get_mut(usize::try_from(row.get::<_, i64>(0)?).unwrap_or(usize::MAX)) {
            *part = row.get(1)?;
        }
    }
    if record.spec.cases.is_some() {
        detail.cases = cases::all(&transaction, record.sequence)?;
        let mut select = transaction.prepare_cached("SELECT scoring FROM jobs WHERE sequence = ?")?;
        detail.scoring = select.query_row([record.sequence], |row| optional_cbor(row, 0))?.unwrap_or_default();
    }
    Ok(Some((record, detail)))
}

pub(super) fn work(c: &Connection, id: JobId) -> rusqlite::Result<Option<Work>> {
    let sql =
        "SELECT j.spec, length(i.bytes), j.sequence FROM jobs j JOIN inputs i ON i.job = j.sequence WHERE j.id = ?";
    let row = |row: &Row<'_>| Ok((cbor(row, 0)?, row.get::<_, i64>(1)?.unsigned_abs(), row.get(2)?));
    let Some((spec, inline, sequence)) = c.prepare_cached(sql)?.query_row([id.as_bytes()], row).optional()? else {
        return Ok(None);
    };
    Ok(Some(Work { spec, input_bytes: inline + uses::size_bytes(&uses::of_input(c, sequence)?) }))
}

/// The input as CBOR without what is in blobs, and that.
pub(super) fn input(c: &Connection, id: JobId) -> rusqlite::Result<Option<(Vec<u8>, Vec<Fill>)>> {
    let sql = "SELECT i.bytes, j.sequence FROM jobs j JOIN inputs i ON i.job = j.sequence WHERE j.id = ?";
    let row = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let Some((input, sequence)) = c.prepare_cached(sql)?.query_row([id.as_bytes()], row).optional()? else {
        return Ok(None);
    };
    Ok(Some((input, uses::of_input(c, sequence)?)))
}

pub(super) fn list(c: &Connection, filter: &Filter) -> rusqlite::Result<Listed> {
    let Filter { tenant, state, language, label, before, limit } = filter;
    let (key, value) = label.as_ref().map_or((None, None), |(k, v)| (Some(k), Some(v)));
    let mut select = c.prepare_cached(&list_sql(filter))?;
    let bound =
        params![tenant, state.map(StoredState::code), language, key, value, before.unwrap_or(i64::MAX), limit + 1];
    let mut jobs = select.query_map(bound, record)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let more = jobs.len() > *limit as usize;
    jobs.truncate(*limit as usize);
    let next = jobs.last().map(|job| job.sequence).filter(|_| more);
    Ok(Listed { jobs, next })
}

/// The statement for a filter: it walks the index that leaves the fewest rows to look at, newest
/// first, so that a page costs what it holds and not what the table does. All statements take the
/// same parameters.
fn list_sql(filter: &Filter) -> String {
    let labelled = "EXISTS (SELECT 1 FROM labels WHERE tenant = ?1 AND key = ?4 AND value = ?5 AND job = sequence)";
    // A bound state is no proof for the partial index, so that the term stands for itself.
    let (from, by, and) = match filter {
        // What waits or runs is few, whatever else is asked of it.
        Filter { state: Some(StoredState::Queued | StoredState::Running), label, .. } => {
            let and = if label.is_some() { labelled } else { "TRUE" };
            ("jobs INDEXED BY jobs_unfinished", "sequence", format!("state < 2 AND {and}"))
        }
        Filter { label: Some(_), .. } => {
            let from = "labels CROSS JOIN jobs ON sequence = labels.job";
            (from, "labels.job", "labels.tenant = ?1 AND key = ?4 AND value = ?5".to_owned())
        }
        Filter { language: Some(_), .. } => ("jobs INDEXED BY jobs_tenant_language", "sequence", "TRUE".to_owned()),
        _ => ("jobs INDEXED BY jobs_tenant", "sequence", "TRUE".to_owned()),
    };
    let state = if filter.state.is_some() { "state = ?2" } else { "TRUE" };
    let language = if filter.language.is_some() { "language = ?3" } else { "TRUE" };
    format!(
        "SELECT {COLUMNS} FROM {from}
         WHERE {and} AND jobs.tenant = ?1 AND erase = 0 AND {state} AND {language} AND {by} < ?6
         ORDER BY {by} DESC LIMIT ?7"
    )
}

pub(super) fn unfinished(c: &Connection) -> rusqlite::Result<Vec<Unfinished>> {
    let sql = format!(
        "SELECT {COLUMNS}, input_bytes, failures, cancelled, scoring, compile_key FROM jobs
         WHERE state < 2 ORDER BY sequence"
    );
    let mut select = c.prepare(&sql)?;
    let rows = select.query_map([], |row| {
        Ok(Unfinished {
            record: record(row)?,
            input_bytes: count(row, COLUMN_COUNT)?.unwrap_or(0),
            failures: json(row, COLUMN_COUNT + 1)?,
            cancelled: row.get(COLUMN_COUNT + 2)?,
            scoring: optional_cbor(row, COLUMN_COUNT + 3)?.unwrap_or_default(),
            compile_key: row.get::<_, Option<i64>>(COLUMN_COUNT + 4)?.map(i64::cast_unsigned),
        })
    })?;
    rows.collect()
}

pub(super) fn finished_count(c: &Connection) -> rusqlite::Result<u64> {
    // Counted from how many there ever were, erased ones among them, and the (indexed, few) unfinished.
    c.query_row(
        "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'jobs'), 0)
                - (SELECT count(*) FROM jobs WHERE state < 2)",
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
        turn: turn(row)?,
        prediction: optional_cbor(row, 22)?,
        ending: ending(row)?,
    })
}

fn turn(row: &Row<'_>) -> rusqlite::Result<Turn> {
    let class = usize::from(row.get::<_, u8>(19)?);
    Ok(Turn {
        priority: *Priority::ALL.get(class).ok_or_else(|| wrong(19, "no such priority"))?,
        expires: row.get::<_, Option<i64>>(20)?.map(UnixTime),
        source: row.get::<_, i64>(21)?.cast_unsigned(),
    })
}

fn ending(row: &Row<'_>) -> rusqlite::Result<Option<Ending>> {
    let Some(name) = row.get::<_, Option<String>>(12)? else { return Ok(None) };
    let outcome = Outcome::ALL.into_iter().find(|o| o.as_str() == name).ok_or_else(|| wrong(12, "no such outcome"))?;
    let report = optional_cbor(row, 14)?;
    let verdict = row.get_ref(15)?.as_str_or_null()?.map(|v| v.parse().map_err(|_| wrong(15, "no such verdict")));
    let judged = verdict.transpose()?.map(|verdict| {
        let (score_ppm, wall_us) = (count(row, 17)?.unwrap_or(0), count(row, 18)?.unwrap_or(0));
        Ok::<_, rusqlite::Error>(Judged { verdict, passed: row.get(16)?, score_ppm, wall_us })
    });
    Ok(Some(Ending { outcome, message: row.get(13)?, report, judged: judged.transpose()? }))
}

pub(super) fn optional_cbor<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    if row.get_ref(column)?.as_blob_or_null()?.is_some() { cbor(row, column).map(Some) } else { Ok(None) }
}

pub(super) fn cbor<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
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

pub(super) fn wrong(column: usize, problem: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Blob, problem.into())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::schema::MIGRATIONS;
    use super::*;

    fn plan(c: &Connection, filter: &Filter) -> String {
        let mut select = c.prepare(&format!("EXPLAIN QUERY PLAN {}", list_sql(filter))).unwrap();
        let nulls = [None::<i64>; 7];
        let steps = select.query_map(rusqlite::params_from_iter(nulls), |row| row.get::<_, String>(3)).unwrap();
        steps.map(Result::unwrap).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_filtered_list_walks_an_index_newest_first() {
        let c = Connection::open_in_memory().unwrap();
        MIGRATIONS.iter().for_each(|sql| c.execute_batch(sql).unwrap());
        let label = || Some(("k".to_owned(), "v".to_owned()));
        let states = [None, Some(StoredState::Queued), Some(StoredState::Running), Some(StoredState::Finished)];
        for state in states {
            for language in [None, Some("c".to_owned())] {
                for label in [None, label()] {
                    let tenant = "t".to_owned();
                    let filter = Filter { tenant, state, language: language.clone(), label, before: None, limit: 1 };
                    let plan = plan(&c, &filter);
                    let by = match &filter {
                        Filter { state: Some(StoredState::Queued | StoredState::Running), .. } => "jobs_unfinished",
                        Filter { label: Some(_), .. } => {
                            "SEARCH labels USING PRIMARY KEY (tenant=? AND key=? AND value=? AND job<?)"
                        }
                        Filter { language: Some(_), .. } => {
                            "jobs_tenant_language (tenant=? AND language=? AND sequence<?)"
                        }
                        _ => "jobs_tenant (tenant=? AND sequence<?)",
                    };
                    assert!(plan.contains(by), "{filter:?}: {plan}");
                    assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN"), "{filter:?}: {plan}");
                }
            }
        }
    }

    #[tokio::test]
    async fn what_a_job_waits_for_is_read_while_lists_take_their_time() {
        let connections = (0..2).map(|_| Connection::open_in_memory().unwrap()).collect();
        let readers = Arc::new(Readers::new(connections, Arc::default()));
        let mut lists = tokio::task::JoinSet::new();
        let mut ends = Vec::new();
        for _ in 0..4 {
            let (end, ended) = mpsc::channel::<()>();
            ends.push(end);
            let readers = Arc::clone(&readers);
            lists.spawn(async move { readers.run(move |_| Ok(ended.recv().is_err())).await });
        }
        // They have taken all that they can get.
        while readers.clients.available_permits() > 0 || readers.permits.available_permits() > 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(readers.run_promptly(|_| Ok(5)).await.unwrap(), 5);
        drop(ends);
        while let Some(list) = lists.join_next().await {
            assert!(list.unwrap().unwrap());
        }
    }
}
