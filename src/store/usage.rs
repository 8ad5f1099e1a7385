//! What tenants have used, by day: written with the end of each job, so it is right after any crash.

use std::collections::BTreeMap;

use enclos_protocol::job::{JobReport, StepReport};
use rusqlite::{Connection, params};

use super::record::{CaseResult, UnixTime};
use super::write::{Finish, to_i64};
use super::{Store, StoreError};

/// Days that are kept.
const DAYS_KEPT: i64 = 90;
/// Microseconds of a day.
const DAY_US: i64 = 86_400_000_000;

/// What a tenant has used on one day (UTC), and keeps.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// CPU time of the jobs that ended, in microseconds.
    pub cpu_us: u64,
    /// Jobs that ended, by outcome.
    pub jobs: BTreeMap<String, u64>,
    /// Bytes of its blobs, those among them that only a job still needs.
    pub blob_bytes: u64,
}

/// The day of a time, counted from 1970.
#[must_use]
pub fn day_of(time: UnixTime) -> i64 {
    time.0.div_euclid(DAY_US)
}

/// When the day of `now` is over.
#[must_use]
pub fn day_ends(now: UnixTime) -> UnixTime {
    UnixTime((day_of(now) + 1).saturating_mul(DAY_US))
}

impl Store {
    /// What was used on the day of `now`, by tenant; of one tenant, or of all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn usage(&self, tenant: Option<String>, now: UnixTime) -> Result<BTreeMap<String, Usage>, StoreError> {
        self.readers.run(move |c| usage(c, tenant.as_deref(), now)).await
    }

    /// CPU time of a tenant's jobs that ended on the day of `now`, in microseconds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn cpu_used(&self, tenant: String, now: UnixTime) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(sum(cpu_us), 0) FROM usage WHERE tenant = ? AND day = ?";
        let read = move |c: &Connection| {
            c.prepare_cached(sql)?.query_row(params![tenant, day_of(now)], |row| row.get::<_, i64>(0))
        };
        Ok(self.readers.run_promptly(read).await?.unsigned_abs())
    }
}

fn usage(c: &Connection, tenant: Option<&str>, now: UnixTime) -> rusqlite::Result<BTreeMap<String, Usage>> {
    let mut all: BTreeMap<String, Usage> = BTreeMap::new();
    let sql = "SELECT tenant, outcome, jobs, cpu_us FROM usage WHERE day = ?1 AND (?2 IS NULL OR tenant = ?2)";
    let mut select = c.prepare_cached(sql)?;
    let mut rows = select.query(params![day_of(now), tenant])?;
    while let Some(row) = rows.next()? {
        let of = all.entry(row.get(0)?).or_default();
        of.jobs.insert(row.get(1)?, row.get::<_, i64>(2)?.unsigned_abs());
        of.cpu_us += row.get::<_, i64>(3)?.unsigned_abs();
    }
    let sql = "SELECT tenant, sum(size_bytes) FROM blobs WHERE ?1 IS NULL OR tenant = ?1 GROUP BY tenant";
    let mut select = c.prepare_cached(sql)?;
    let mut rows = select.query([tenant])?;
    while let Some(row) = rows.next()? {
        all.entry(row.get(0)?).or_default().blob_bytes = row.get::<_, i64>(1)?.unsigned_abs();
    }
    Ok(all)
}

/// Bytes of a tenant's blobs.
pub(super) fn blob_bytes(c: &Connection, tenant: &str) -> rusqlite::Result<u64> {
    let sql = "SELECT coalesce(sum(size_bytes), 0) FROM blobs WHERE tenant = ?";
    c.prepare_cached(sql)?.query_row([tenant], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)
}

/// What was used by a job that ended.
#[derive(Debug)]
pub(super) struct Used {
    tenant: String,
    day: i64,
    outcome: &'static str,
    cpu_us: u64,
}

impl Used {
    pub(super) fn by(tenant: String, finish: &Finish) -> Self {
        let cpu_us = cpu_us(finish.ending.report.as_ref(), &finish.cases);
        Self { tenant, day: day_of(finish.finished), outcome: finish.ending.outcome.as_str(), cpu_us }
    }
}

/// Counts jobs that end, in the transaction in which they do.
pub(super) fn count<'a>(c: &Connection, uses: impl Iterator<Item = &'a Used>) -> rusqlite::Result<()> {
    let mut sums: BTreeMap<(&str, i64, &str), (i64, u64)> = BTreeMap::new();
    for Used { tenant, day, outcome, cpu_us } in uses {
        let (jobs, sum) = sums.entry((tenant, *day, outcome)).or_default();
        (*jobs, *sum) = (*jobs + 1, sum.saturating_add(*cpu_us));
    }
    let sql = "INSERT INTO usage (tenant, day, outcome, jobs, cpu_us) VALUES (?,?,?,?,?)
               ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs, cpu_us = cpu_us + excluded.cpu_us";
    for ((tenant, day, outcome), (jobs, cpu_us)) in sums {
        c.prepare_cached(sql)?.execute(params![tenant, day, outcome, jobs, to_i64(cpu_us)])?;
    }
    Ok(())
}

pub(super) fn forget_old(c: &Connection, now: UnixTime) -> rusqlite::Result<()> {
    c.prepare_cached("DELETE FROM usage WHERE day < ?")?.execute([day_of(now) - DAYS_KEPT]).map(|_| ())
}

/// CPU time of everything that was run for a job.
fn cpu_us(report: Option<&JobReport>, cases: &[CaseResult]) -> u64 {
    // What was remembered was paid before.
    let of = |step: &StepReport| if step.cached { 0 } else { step.facts.cpu_us };
    let steps = report.into_iter().flat_map(|r| [r.compile.as_ref(), r.companion.as_ref(), r.run.as_ref()]).flatten();
    let cases = cases.iter().filter_map(|case| case.report.as_ref()).map(|case| &case.run);
    steps.map(of).chain(cases.map(of)).fold(0, u64::saturating_add)
}
