//! Cases in the store: kept with their job, given out in pages, and their ends beside them.

use enclos_protocol::cases::{CASE_PAGE_BYTES, CASE_PAGE_MAX, Case, CasePage, CaseReport};
use enclos_protocol::ids::JobId;
use enclos_protocol::limits::StepLimits;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::StoreError;
use super::blobs::BlobDir;
use super::blobs::uses::{self, Fill};
use super::read::{cbor, optional_cbor};
use super::record::{CaseRecord, CaseResult};
use super::write::encoded;

/// A case to keep.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewCase {
    /// Its name.
    pub name: String,
    /// What is to be run.
    pub case: Case,
}

/// A case as it is written.
#[derive(Debug)]
pub(super) struct EncodedCase {
    name: String,
    limits: Option<Vec<u8>>,
    bytes: Vec<u8>,
}

impl EncodedCase {
    pub(super) fn encode(new: NewCase) -> Result<Self, StoreError> {
        let NewCase { name, case } = new;
        let limits = case.limits.as_ref().map(encoded::<StepLimits>).transpose()?;
        Ok(Self { name, limits, bytes: encoded(&case)? })
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.bytes.len()
    }
}

pub(super) fn insert(c: &Connection, job: i64, cases: &[EncodedCase]) -> rusqlite::Result<()> {
    for (number, EncodedCase { name, limits, bytes }) in (0i64..).zip(cases) {
        c.prepare_cached("INSERT INTO cases (job, number, name, limits) VALUES (?,?,?,?)")?
            .execute(params![job, number, name, limits])?;
        c.prepare_cached("INSERT INTO case_inputs VALUES (?,?,?)")?.execute(params![job, number, bytes])?;
    }
    Ok(())
}

/// A case's end, as it is written.
#[derive(Debug)]
pub(super) struct EncodedResult {
    number: i64,
    report: Option<Vec<u8>>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl EncodedResult {
    /// Those that hold something.
    pub(super) fn encode_all(results: &[CaseResult]) -> Result<Vec<Self>, StoreError> {
        let run = (0i64..).zip(results).filter(|(_, result)| **result != CaseResult::default());
        let encode = |(number, result): (i64, &CaseResult)| {
            let CaseResult { report, stdout, stderr } = result;
            let report = report.as_ref().map(encoded::<CaseReport>).transpose()?;
            Ok(Self { number, report, stdout: stdout.clone(), stderr: stderr.clone() })
        };
        run.map(encode).collect()
    }
}

pub(super) fn finish(c: &Connection, job: i64, results: &[EncodedResult]) -> rusqlite::Result<()> {
    for EncodedResult { number, report, stdout, stderr } in results {
        c.prepare_cached("UPDATE cases SET report = ?, stdout = ?, stderr = ? WHERE job = ? AND number = ?")?
            .execute(params![report, stdout, stderr, job, number])?;
    }
    // As with a job's sources: no answer shows what a case brought.
    c.prepare_cached("DELETE FROM case_inputs WHERE job = ?")?.execute([job])?;
    Ok(())
}

/// A page without what of it is in blobs.
#[derive(Debug)]
pub(super) struct Page {
    page: CasePage,
    inline_bytes: u64,
    fills: Vec<Fill>,
}

impl Page {
    /// With all its bytes, as CBOR; it begins with the case `from`. Blocks.
    pub(super) fn filled(self, dir: &BlobDir, from: u32) -> Result<Vec<u8>, StoreError> {
        uses::filled_page(dir, from, self.page, self.inline_bytes, &self.fills)
    }
}

/// Which cases a page holds, as sizes tell it.
struct Extent {
    count: u32,
    inline_bytes: u64,
    fills: Vec<Fill>,
    next: Option<u32>,
}

/// The cases from number `from` on, as many as fit a page; `None`: the job has ended, or there is none.
pub(super) fn page(c: &Connection, job: JobId, from: u32) -> rusqlite::Result<Option<Page>> {
    let Some(sequence) = unfinished(c, job)? else { return Ok(None) };
    let Extent { count, inline_bytes, fills, next } = extent(c, sequence, from)?;
    let sql = "SELECT bytes FROM case_inputs WHERE job = ? AND number >= ? ORDER BY number LIMIT ?";
    let cases = c
        .prepare_cached(sql)?
        .query_map(params![sequence, from, count], |row| cbor(row, 0))?
        .collect::<rusqlite::Result<_>>()?;
    let page = CasePage { cases, next };
    Ok(Some(Page { page, inline_bytes, fills }))
}

/// Bytes of [`page`] with what of it is in blobs.
pub(super) fn page_bytes(c: &Connection, job: JobId, from: u32) -> rusqlite::Result<Option<u64>> {
    let Some(sequence) = unfinished(c, job)? else { return Ok(None) };
    let Extent { inline_bytes, fills, .. } = extent(c, sequence, from)?;
    Ok(Some(inline_bytes + uses::size_bytes(&fills)))
}

fn unfinished(c: &Connection, job: JobId) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT sequence FROM jobs WHERE id = ? AND state < 2";
    c.prepare_cached(sql)?.query_row([job.as_bytes()], |row| row.get(0)).optional()
}

fn extent(c: &Connection, sequence: i64, from: u32) -> rusqlite::Result<Extent> {
    let sql = "SELECT length(bytes) FROM case_inputs WHERE job = ? AND number >= ? ORDER BY number";
    let mut select = c.prepare_cached(sql)?;
    let mut rows = select.query(params![sequence, from])?;
    let mut extent = Extent { count: 0, inline_bytes: 0, fills: Vec::new(), next: None };
    let (mut size_bytes, mut number) = (0, from);
    while let Some(row) = rows.next()? {
        if extent.count as usize == CASE_PAGE_MAX || size_bytes >= CASE_PAGE_BYTES as u64 {
            extent.next = Some(number);
            break;
        }
        let (inline, of_case) = (row.get::<_, i64>(0)?.unsigned_abs(), uses::of_case(c, sequence, number)?);
        size_bytes += inline + uses::size_bytes(&of_case);
        extent.inline_bytes += inline;
        extent.fills.extend(of_case);
        extent.count += 1;
        number = number.saturating_add(1);
    }
    Ok(extent)
}

/// All cases of a job with their ends.
pub(super) fn all(c: &Connection, job: i64) -> rusqlite::Result<Vec<CaseRecord>> {
    let mut select =
        c.prepare_cached("SELECT name, limits, report, stdout, stderr FROM cases WHERE job = ? ORDER BY number")?;
    let rows = select.query_map([job], |row| {
        let bytes = |column| row.get::<_, Option<Vec<u8>>>(column).map(Option::unwrap_or_default);
        Ok(CaseRecord {
            name: row.get(0)?,
            limits: optional_cbor(row, 1)?,
            result: CaseResult { report: optional_cbor(row, 2)?, stdout: bytes(3)?, stderr: bytes(4)? },
        })
    })?;
    rows.collect()
}

/// All cases of a job without their ends.
pub(super) fn heads(c: &Connection, tenant: &str, job: JobId) -> rusqlite::Result<Vec<CaseRecord>> {
    let mut select = c.prepare_cached(
        "SELECT c.name, c.limits FROM cases c JOIN jobs j ON j.sequence = c.job WHERE j.id = ? AND j.tenant = ? ORDER BY c.number",
    )?;
    let rows = select.query_map(params![job.as_bytes(), tenant], |row| {
        Ok(CaseRecord { name: row.get(0)?, limits: optional_cbor(row, 1)?, result: CaseResult::default() })
    })?;
    rows.collect()
}
