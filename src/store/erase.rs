//! Erasing a job: at once where it has ended, else when it does; it is out of sight from the first.
//!
//! Deleted bytes are overwritten (`secure_delete`), in the database and, by a
//! checkpoint after the commit, in the write-ahead log.

use std::sync::atomic::Ordering;

use enclos_protocol::ids::JobId;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::Store;
use super::writer::Operation;

/// What became of the wish to erase a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Erasure {
    /// It is gone.
    Done,
    /// It was gone before.
    Before,
    /// It is out of sight, and gone when it has ended.
    AtItsEnd,
    /// There is no such job.
    Unknown,
}

pub(super) struct Erase {
    pub(super) tenant: String,
    pub(super) job: JobId,
}

impl Operation for Erase {
    type Answer = Erasure;

    fn apply(&self, c: &Connection) -> rusqlite::Result<Erasure> {
        let id = self.job.as_bytes();
        let sql = "SELECT sequence, state FROM jobs WHERE id = ? AND tenant = ?";
        let found = c
            .prepare_cached(sql)?
            .query_row(params![id, self.tenant], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
            .optional()?;
        match found {
            Some((sequence, 2)) => {
                remove(c, sequence)?;
                Ok(Erasure::Done)
            }
            Some((sequence, _)) => {
                c.prepare_cached("UPDATE jobs SET erase = 1, cancelled = 1 WHERE sequence = ?")?.execute([sequence])?;
                // The key is free again: whoever uses it now means another job.
                c.prepare_cached("DELETE FROM idempotency WHERE job = ?")?.execute([sequence])?;
                Ok(Erasure::AtItsEnd)
            }
            None => {
                let sql = "SELECT 1 FROM erased WHERE id = ? AND tenant = ?";
                let before = c.prepare_cached(sql)?.query_row(params![id, self.tenant], |_| Ok(())).optional()?;
                Ok(if before.is_some() { Erasure::Before } else { Erasure::Unknown })
            }
        }
    }

    fn erased(answer: &Erasure) -> bool {
        *answer == Erasure::Done
    }
}

impl Store {
    /// How often somebody wanted a job erased since the start. While it stays the same, what was shown may be shown.
    #[must_use]
    pub fn erasures(&self) -> u64 {
        self.erasures.load(Ordering::SeqCst)
    }
}

/// Removes all of a job but the fact that there was one.
pub(super) fn remove(c: &Connection, sequence: i64) -> rusqlite::Result<()> {
    c.prepare_cached("INSERT OR IGNORE INTO erased SELECT id, tenant FROM jobs WHERE sequence = ?")?
        .execute([sequence])?;
    remove_rows(c, sequence)
}

/// Removes all of a job, and the fact that there was one.
pub(super) fn remove_rows(c: &Connection, sequence: i64) -> rusqlite::Result<()> {
    for table in
        ["inputs", "outputs", "cases", "case_inputs", "files", "labels", "idempotency", "blob_uses", "callbacks"]
    {
        c.prepare_cached(&format!("DELETE FROM {table} WHERE job = ?"))?.execute([sequence])?;
    }
    c.prepare_cached("DELETE FROM jobs WHERE sequence = ?")?.execute([sequence]).map(|_| ())
}
