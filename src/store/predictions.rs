//! What jobs were expected to use, and what was learnt of those before, as rows that only the predictor reads.

use std::sync::Arc;

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};

use super::writer::Operation;
use super::{Store, StoreError};

/// Rows that a start reads: more than a predictor remembers.
const ROWS_MAX: i64 = 200_000;

/// What an estimate comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Runs of any tenant in the language.
    Language,
    /// Runs of the tenant in the language.
    Tenant,
    /// Runs of the same program of the tenant.
    Source,
}

/// What a job was expected to use, when it was given to an agent: medians.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Prediction {
    /// CPU time of all its steps, in microseconds.
    pub cpu_us: u64,
    /// Time on the clock of all its steps, in microseconds.
    pub wall_us: u64,
    /// Most memory of any of its steps, in bytes.
    pub memory_bytes: u64,
    /// What it came from.
    pub level: Level,
    /// Runs at that level, however old.
    pub observations: u64,
}

/// What was learnt of a tenant's programs in a language (`source` 0), or of one of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PredictionRow {
    /// Whose.
    pub tenant: Arc<str>,
    /// Id of the language.
    pub language: Arc<str>,
    /// Which program; 0: all of them.
    pub source: u64,
    /// What is known; `None`: the row goes.
    pub state: Option<Vec<u8>>,
}

impl Store {
    /// Keeps what has been learnt, in one transaction with whatever else waits.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of it is then kept.
    pub async fn keep_predictions(&self, rows: Arc<[PredictionRow]>) -> Result<(), StoreError> {
        self.writer.write(Keep(rows)).await
    }
}

struct Keep(Arc<[PredictionRow]>);

impl Operation for Keep {
    type Answer = ();

    fn apply(&self, c: &Connection) -> rusqlite::Result<()> {
        let mut keep = c.prepare_cached("INSERT OR REPLACE INTO predictions VALUES (?,?,?,?)")?;
        let mut forget =
            c.prepare_cached("DELETE FROM predictions WHERE tenant = ? AND language = ? AND source = ?")?;
        for PredictionRow { tenant, language, source, state } in &*self.0 {
            let source = source.cast_signed();
            match state {
                Some(state) => keep.execute(params![tenant, language, source, state])?,
                None => forget.execute(params![tenant, language, source])?,
            };
        }
        Ok(())
    }
}

/// All rows, those of whole groups first. A row that is none is left out: it is a hint, and no start
/// may fail for it.
pub(super) fn all(c: &Connection) -> rusqlite::Result<Vec<PredictionRow>> {
    let sql = "SELECT tenant, language, source, state FROM predictions ORDER BY source != 0 LIMIT ?";
    let mut select = c.prepare(sql)?;
    let rows = select.query_map([ROWS_MAX], |row| {
        Ok(PredictionRow {
            tenant: row.get::<_, String>(0)?.into(),
            language: row.get::<_, String>(1)?.into(),
            source: row.get::<_, i64>(2)?.cast_unsigned(),
            state: Some(row.get(3)?),
        })
    })?;
    Ok(rows.filter_map(Result::ok).collect())
}
