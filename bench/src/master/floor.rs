//! What a database asks for alone: rows of a job's size that are written, changed and read once, in groups, by
//! one thread, with every commit on the disk.

use std::path::Path;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use rusqlite::{Connection, params};

use super::Outcome;

/// Bytes of one row: what the master keeps of a small job.
const ROW_BYTES: usize = 800;
/// Rows that one transaction writes, and as many that it changes.
const GROUP: i64 = 64;

/// What was reached.
pub struct Floor {
    pub rows_per_second: f64,
    pub cpu_us: f64,
}

/// Writes for `time` to a database below `dir`.
pub fn measure(dir: &Path, time: Duration) -> Outcome<Floor> {
    let path = dir.join("floor.db");
    let mut connection = Connection::open(&path)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.execute_batch(
        "CREATE TABLE jobs (sequence INTEGER PRIMARY KEY, id BLOB UNIQUE, state INTEGER, bytes BLOB);
         CREATE INDEX unfinished ON jobs (sequence) WHERE state < 2;",
    )?;
    let (begun, cpu, mut rows) = (Instant::now(), thread_cpu()?, 0);
    while begun.elapsed() < time {
        let transaction = connection.transaction()?;
        for n in rows..rows + GROUP {
            let id = uuid::Uuid::now_v7();
            transaction.prepare_cached("INSERT INTO jobs VALUES (?, ?, 0, ?)")?.execute(params![
                n,
                id.as_bytes().as_slice(),
                vec![7_u8; ROW_BYTES]
            ])?;
        }
        for n in rows - GROUP..rows {
            transaction.prepare_cached("UPDATE jobs SET state = 2 WHERE sequence = ?")?.execute([n])?;
        }
        transaction.commit()?;
        rows += GROUP;
    }
    let (took, cpu) = (begun.elapsed(), thread_cpu()? - cpu);
    drop(connection);
    for ending in ["", "-wal", "-shm"] {
        // Closing takes the log and its index away where it can.
        let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
    }
    Ok(Floor { rows_per_second: rows as f64 / took.as_secs_f64(), cpu_us: cpu.as_secs_f64() * 1e6 / rows as f64 })
}

fn thread_cpu() -> Outcome<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
