//! Retention: jobs that ended long ago go, and when there are too many bytes, those that ended first
//! of the tenant that holds most: what one tenant leaves takes no other's results.
//!
//! ```text
//! every minute ─▶ a few of the oldest, in one small transaction ─▶ as long a rest ─▶ … until nothing is due
//! ```
//!
//! A job that has not ended is never looked at. Unlike an erasure this is no
//! promise that nothing is left: freed pages are overwritten, the log is folded
//! in when it is full.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _, Params, params};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::record::UnixTime;
use super::writer::Operation;
use super::{Store, StoreError, erase};
use crate::config::Retention;
use crate::metrics::Metrics;

/// How often is looked for what is due.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// Jobs of one transaction, so that no other write waits for long.
const PRUNE_JOBS_MAX: i64 = 32;
/// Bytes of one transaction; one job may have more.
const PRUNE_BYTES_MAX: i64 = 16 * 1024 * 1024;
/// Ids of erased jobs that are forgotten in one transaction.
const FORGET_MAX: u16 = 256;

/// For so long the tenant that held most is taken for that: finding it looks at every job that has ended.
const LARGEST_FOR: Duration = Duration::from_secs(60);

/// What one transaction removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pruned {
    /// Jobs.
    pub jobs: u64,
    /// More may be due.
    pub more: bool,
}

impl Store {
    /// Removes some of the jobs that are due at `now`, the one that ended first before the others.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is removed then.
    pub async fn prune(&self, now: UnixTime, retention: Retention) -> Result<Pruned, StoreError> {
        self.prune_again(now, retention, &mut None).await
    }

    /// Who holds most, where all hold more than this.
    async fn largest(&self, bytes_max: u64) -> Result<Option<String>, StoreError> {
        self.readers.run(move |c| if held_bytes(c)? > bytes_max { largest(c) } else { Ok(None) }).await
    }

    /// [`Self::prune`], where it may be known already who holds most, and since when.
    async fn prune_again(
        &self,
        now: UnixTime,
        retention: Retention,
        known: &mut Option<(Instant, String)>,
    ) -> Result<Pruned, StoreError> {
        let (found, largest) = match known.take().filter(|(found, _)| found.elapsed() < LARGEST_FOR) {
            Some((found, tenant)) => (found, Some(tenant)),
            None => {
                let largest = self.largest(retention.bytes_max).await?;
                (Instant::now(), largest)
            }
        };
        let pruned = self.writer.write(Prune { now, retention, largest: largest.clone() }).await?;
        *known = largest.filter(|_| pruned.jobs > 0).map(|tenant| (found, tenant));
        Ok(pruned)
    }

    /// Bytes that the database holds, without the pages that are free.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn held_bytes(&self) -> Result<u64, StoreError> {
        self.readers.run(held_bytes).await
    }

    /// Prunes from time to time until `stop`.
    pub async fn keep_pruned(self: Arc<Self>, retention: Retention, metrics: Arc<Metrics>, stop: CancellationToken) {
        let mut largest = None;
        while !stop.is_cancelled() {
            let began = Instant::now();
            let more = match self.prune_again(UnixTime::now(), retention, &mut largest).await {
                Ok(Pruned { jobs, more }) => {
                    metrics.jobs_pruned.add(jobs);
                    more
                }
                Err(StoreError::Closed) => return,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "old jobs were not removed");
                    false
                }
            };
            // Half of the writer's time at most, however much is due.
            let rest = if more { began.elapsed() } else { PRUNE_EVERY };
            // Cancel-safe: a stop stays with its token.
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(rest) => {}
            }
        }
    }
}

struct Prune {
    now: UnixTime,
    retention: Retention,
    /// Who holds most, where all hold too much.
    largest: Option<String>,
}

impl Operation for Prune {
    type Answer = Pruned;

    fn apply(&self, c: &Connection) -> rusqlite::Result<Pruned> {
        let Retention { age, bytes_max } = self.retention;
        let kept_from = UnixTime(self.now.0.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX)));
        let (mut jobs, mut bytes, mut more) = (0, 0, false);
        let old = "SELECT sequence FROM jobs WHERE state = 2 AND finished_us < ? ORDER BY finished_us LIMIT ?";
        let of_largest = "SELECT sequence FROM jobs WHERE state = 2 AND tenant = ? ORDER BY finished_us LIMIT ?";
        let mut due = first(c, old, params![kept_from.0, PRUNE_JOBS_MAX])?;
        let by_age = due.len();
        if let (0, Some(largest)) = (by_age, &self.largest) {
            due = first(c, of_largest, params![largest, PRUNE_JOBS_MAX])?;
        }
        for sequence in due {
            if by_age == 0 && held_bytes(c)? <= bytes_max {
                more = false;
                break;
            }
            more = true;
            if bytes >= PRUNE_BYTES_MAX {
                break;
            }
            bytes += size_bytes(c, sequence)?;
            erase::remove_rows(c, sequence)?;
            jobs += 1;
        }
        let forgotten = forget(c, kept_from)?;
        Ok(Pruned { jobs, more: more || forgotten == usize::from(FORGET_MAX) })
    }
}

/// Forgets ids of erased jobs that would be due by now; the time of an id's making is in it.
fn forget(c: &Connection, kept_from: UnixTime) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM erased WHERE id IN (SELECT id FROM erased WHERE id < ? ORDER BY id LIMIT ?)";
    c.prepare_cached(sql)?.execute(params![first_id_of(kept_from), FORGET_MAX])
}

/// The least id that can be made at this time: version 7 begins with 48 bits of milliseconds.
fn first_id_of(time: UnixTime) -> [u8; 16] {
    let ms = u64::try_from(time.0 / 1000).unwrap_or(0);
    let mut id = [0; 16];
    id[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    id
}

/// What a job that has ended takes, near enough; lengths are read, not bytes.
const SIZE: &str = "length(spec) + coalesce(length(report), 0)
    + (SELECT coalesce(sum(length(bytes)), 0) FROM outputs WHERE job = sequence)
    + (SELECT coalesce(sum(length(bytes)), 0) FROM files WHERE job = sequence)
    + (SELECT coalesce(sum(coalesce(length(stdout), 0) + coalesce(length(stderr), 0)), 0)
       FROM cases WHERE job = sequence)";

fn size_bytes(c: &Connection, sequence: i64) -> rusqlite::Result<i64> {
    let sql = format!("SELECT {SIZE} FROM jobs WHERE sequence = ?");
    c.prepare_cached(&sql)?.query_row([sequence], |row| row.get(0))
}

/// Whose jobs that have ended take most; `None` where there are none.
fn largest(c: &Connection) -> rusqlite::Result<Option<String>> {
    let sql = format!("SELECT tenant FROM jobs WHERE state = 2 GROUP BY tenant ORDER BY sum({SIZE}) DESC LIMIT 1");
    c.prepare_cached(&sql)?.query_row([], |row| row.get(0)).optional()
}

fn first(c: &Connection, sql: &str, values: impl Params) -> rusqlite::Result<Vec<i64>> {
    c.prepare_cached(sql)?.query_map(values, |row| row.get(0))?.collect()
}

/// The file never shrinks: pages of what is gone are free, and used before it grows.
pub(super) fn held_bytes(c: &Connection) -> rusqlite::Result<u64> {
    let number = |name: &str| c.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = number("page_count")? - number("freelist_count")?;
    Ok((pages * number("page_size")?).unsigned_abs())
}
