//! Files that jobs leave: kept for the attempt that brought them, given out once its job has ended.

use enclos_protocol::glob::{KEEP_FILES_BYTES_MAX, KEEP_FILES_MAX};
use enclos_protocol::ids::{AttemptId, FencingToken, JobId};
use enclos_protocol::job::JobPath;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::write::to_i64;
use super::writer::Operation;

/// A file that an attempt leaves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeftFile {
    /// Who brings it.
    pub attempt: AttemptId,
    /// Where it stood.
    pub path: JobPath,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What became of a [`LeftFile`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKept {
    /// It is kept.
    Kept,
    /// The attempt brings more than it may.
    TooMuch,
    /// Its job has ended, or there is none.
    Over,
}

impl Operation for LeftFile {
    type Answer = FileKept;

    fn apply(&self, c: &Connection) -> rusqlite::Result<FileKept> {
        let AttemptId { job, token: FencingToken { epoch, counter } } = self.attempt;
        let sql = "SELECT sequence FROM jobs WHERE id = ? AND state < 2";
        let sequence = c.prepare_cached(sql)?.query_row([job.as_bytes()], |row| row.get::<_, i64>(0)).optional()?;
        let Some(sequence) = sequence else { return Ok(FileKept::Over) };
        let key = params![sequence, to_i64(epoch), to_i64(counter), self.path.as_str()];
        // Sent again after a broken connection, a file takes its own place.
        let others = "SELECT count(*), coalesce(sum(length(bytes)), 0) FROM files
                      WHERE job = ? AND epoch = ? AND counter = ? AND path <> ?";
        let (count, bytes): (i64, i64) =
            c.prepare_cached(others)?.query_row(key, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let too_many = count >= to_i64(KEEP_FILES_MAX as u64);
        if too_many || bytes + to_i64(self.bytes.len() as u64) > to_i64(KEEP_FILES_BYTES_MAX as u64) {
            return Ok(FileKept::TooMuch);
        }
        c.prepare_cached("INSERT OR REPLACE INTO files VALUES (?,?,?,?,?)")?.execute(params![
            sequence,
            to_i64(epoch),
            to_i64(counter),
            self.path.as_str(),
            self.bytes
        ])?;
        Ok(FileKept::Kept)
    }
}

/// Removes what attempts other than the one that ended the job have left.
pub(super) fn finish(c: &Connection, job: i64, token: Option<FencingToken>) -> rusqlite::Result<()> {
    let sql = "DELETE FROM files WHERE job = ?1 AND (?2 IS NULL OR (epoch, counter) <> (?2, ?3))";
    let (epoch, counter) = (token.map(|t| to_i64(t.epoch)), token.map(|t| to_i64(t.counter)));
    c.prepare_cached(sql)?.execute(params![job, epoch, counter]).map(|_| ())
}

/// A file of a job that has ended.
pub(super) fn read(c: &Connection, tenant: &str, job: JobId, path: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    let sql = "SELECT f.bytes FROM files f JOIN jobs j ON j.sequence = f.job
               WHERE j.id = ? AND j.tenant = ? AND j.state = 2 AND j.erase = 0 AND f.path = ?";
    c.prepare_cached(sql)?.query_row(params![job.as_bytes(), tenant, path], |row| row.get(0)).optional()
}
