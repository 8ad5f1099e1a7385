//! Callbacks as their tenant sees them.

use enclos_protocol::ids::JobId;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::CallbackProblem;
use crate::store::read::{count, wrong};
use crate::store::record::UnixTime;

const COLUMNS: &str = "sequence, id, url, state, created_us, due_us, attempts, tried_us, status, problem, dead_us";

/// How far a callback is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CallbackState {
    /// It waits for its next attempt, or is being delivered.
    Waiting,
    /// It is not tried any more.
    Dead,
}

/// A callback that was not delivered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackRecord {
    /// Its place in the order of making; the cursor of lists.
    pub sequence: i64,
    /// Whose end it tells, and by what its receiver knows it.
    pub job: JobId,
    /// Where to.
    pub url: String,
    /// How far it is.
    pub state: CallbackState,
    /// When the job ended.
    pub created: UnixTime,
    /// When it is tried next, while it waits.
    pub due: UnixTime,
    /// Attempts since it was made or tried anew.
    pub attempts: u32,
    /// When the last of them began.
    pub tried: Option<UnixTime>,
    /// What the last was answered with.
    pub status: Option<u16>,
    /// What was wrong with it.
    pub problem: Option<CallbackProblem>,
    /// Since when it is dead.
    pub dead: Option<UnixTime>,
}

/// Which callbacks a list holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackFilter {
    /// Whose.
    pub tenant: String,
    /// Only these.
    pub state: Option<CallbackState>,
    /// Only those made before this sequence.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// One page of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallbackList {
    /// Newest first.
    pub callbacks: Vec<CallbackRecord>,
    /// [`CallbackFilter::before`] of the next page, where there is one.
    pub next: Option<i64>,
}

pub(super) fn list(c: &Connection, filter: &CallbackFilter) -> rusqlite::Result<CallbackList> {
    let CallbackFilter { tenant, state, before, limit } = filter;
    let states = match state {
        None => "0, 1, 2",
        Some(CallbackState::Waiting) => "0, 1",
        Some(CallbackState::Dead) => "2",
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM callbacks WHERE tenant = ?1 AND state IN ({states}) AND sequence < ?2
         ORDER BY sequence DESC LIMIT ?3"
    );
    let mut select = c.prepare_cached(&sql)?;
    let rows = select.query_map(params![tenant, before.unwrap_or(i64::MAX), limit + 1], record)?;
    let mut callbacks = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let more = callbacks.len() > *limit as usize;
    callbacks.truncate(*limit as usize);
    let next = callbacks.last().map(|callback| callback.sequence).filter(|_| more);
    Ok(CallbackList { callbacks, next })
}

pub(super) fn one(c: &Connection, tenant: &str, job: JobId) -> rusqlite::Result<Option<CallbackRecord>> {
    let sql = format!("SELECT {COLUMNS} FROM callbacks WHERE id = ? AND tenant = ?");
    c.prepare_cached(&sql)?.query_row(params![job.as_bytes(), tenant], record).optional()
}

/// Those that wait, and those that are dead.
pub(super) fn counts(c: &Connection) -> rusqlite::Result<(u64, u64)> {
    let sql = "SELECT count(*) FILTER (WHERE state < 2), count(*) FILTER (WHERE state = 2) FROM callbacks";
    c.prepare_cached(sql)?.query_row([], |row| Ok((count(row, 0)?.unwrap_or(0), count(row, 1)?.unwrap_or(0))))
}

fn record(row: &Row<'_>) -> rusqlite::Result<CallbackRecord> {
    let problem = row.get_ref(9)?.as_str_or_null()?.map(|text| CallbackProblem::parse(text).ok_or(text.to_owned()));
    let problem = problem.transpose().map_err(|text| wrong(9, &format!("there is no problem '{text}'")))?;
    Ok(CallbackRecord {
        sequence: row.get(0)?,
        job: JobId::from_bytes(row.get(1)?),
        url: row.get(2)?,
        state: if row.get::<_, i64>(3)? == 2 { CallbackState::Dead } else { CallbackState::Waiting },
        created: UnixTime(row.get(4)?),
        due: UnixTime(row.get(5)?),
        attempts: row.get(6)?,
        tried: row.get::<_, Option<i64>>(7)?.map(UnixTime),
        status: row.get(8)?,
        problem,
        dead: row.get::<_, Option<i64>>(10)?.map(UnixTime),
    })
}
