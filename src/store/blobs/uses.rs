//! What jobs refer to: kept with the job, put where it belongs when an agent asks, let go at its end.

use enclos_protocol::cases::CasePage;
use enclos_protocol::job::JobInput;
use rusqlite::{Connection, Row, params};
use serde::Serialize;
use uuid::Uuid;

use super::{BlobDir, Digest, find};
use crate::store::StoreError;
use crate::store::record::UnixTime;

/// Where in a job a blob stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Place {
    /// Standard input of the run.
    Stdin,
    /// The file of this index.
    File(u32),
    /// The file of this index of the checker or interactor.
    Companion(u32),
    /// Standard input of the case of this number.
    CaseStdin(u32),
    /// What the case of this number expects.
    CaseExpected(u32),
}

/// Most that CBOR adds to the bytes of one blob.
const HEAD_BYTES: usize = 9;
/// Most that it adds to all cases of a page.
const FRAME_BYTES: usize = 64;
/// Codes of the places of cases.
const CASE_PLACES: [i64; 2] = [3, 4];

impl Place {
    fn code(self) -> (i64, u32) {
        match self {
            Self::Stdin => (0, 0),
            Self::File(index) => (1, index),
            Self::Companion(index) => (2, index),
            Self::CaseStdin(number) => (CASE_PLACES[0], number),
            Self::CaseExpected(number) => (CASE_PLACES[1], number),
        }
    }

    fn from_code(code: i64, number: u32) -> Option<Self> {
        let places = [Self::Stdin, Self::File(number), Self::Companion(number)];
        let places = places.into_iter().chain([Self::CaseStdin(number), Self::CaseExpected(number)]);
        places.into_iter().find(|place| place.code().0 == code)
    }
}

/// A blob that a job refers to. The job's own bytes are empty at that place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlobUse {
    /// Where it stands.
    pub place: Place,
    /// Which.
    pub digest: Digest,
    /// The field that named it, for who is told that it is gone.
    pub field: String,
}

/// A use, as it is read.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Fill {
    place: Place,
    file: Uuid,
    pub(in crate::store) size_bytes: u64,
}

/// The files of these uses; the field of the first that there is none for.
pub(in crate::store) fn resolve(
    c: &Connection,
    tenant: &str,
    now: UnixTime,
    uses: &[BlobUse],
) -> rusqlite::Result<Result<Vec<Uuid>, String>> {
    let mut files = Vec::with_capacity(uses.len());
    for BlobUse { digest, field, place: _ } in uses {
        match find(c, tenant, *digest, now)? {
            Some((_, file)) => files.push(file),
            None => return Ok(Err(field.clone())),
        }
    }
    Ok(Ok(files))
}

pub(in crate::store) fn insert(c: &Connection, job: i64, uses: &[BlobUse], files: &[Uuid]) -> rusqlite::Result<()> {
    let mut insert = c.prepare_cached("INSERT INTO blob_uses (job, place, number, file) VALUES (?,?,?,?)")?;
    for (BlobUse { place, .. }, file) in uses.iter().zip(files) {
        let (code, number) = place.code();
        insert.execute(params![job, code, number, file.as_bytes()])?;
    }
    Ok(())
}

pub(in crate::store) fn finish(c: &Connection, job: i64) -> rusqlite::Result<()> {
    c.prepare_cached("DELETE FROM blob_uses WHERE job = ?")?.execute([job]).map(|_| ())
}

/// What stands in the job's own input.
pub(in crate::store) fn of_input(c: &Connection, job: i64) -> rusqlite::Result<Vec<Fill>> {
    let sql = "SELECT u.place, u.number, u.file, b.size_bytes FROM blob_uses u JOIN blobs b ON b.file = u.file
               WHERE u.job = ? AND u.place < ?";
    c.prepare_cached(sql)?.query_map(params![job, CASE_PLACES[0]], fill)?.collect()
}

/// What stands in one of its cases.
pub(in crate::store) fn of_case(c: &Connection, job: i64, number: u32) -> rusqlite::Result<Vec<Fill>> {
    let sql = "SELECT u.place, u.number, u.file, b.size_bytes FROM blob_uses u JOIN blobs b ON b.file = u.file
               WHERE u.job = ? AND u.place IN (?, ?) AND u.number = ?";
    let [stdin, expected] = CASE_PLACES;
    c.prepare_cached(sql)?.query_map(params![job, stdin, expected, number], fill)?.collect()
}

fn fill(row: &Row<'_>) -> rusqlite::Result<Fill> {
    let (code, number) = (row.get(0)?, row.get(1)?);
    let place = Place::from_code(code, number).ok_or(rusqlite::Error::IntegralValueOutOfRange(0, code))?;
    let size_bytes = row.get::<_, i64>(3)?.unsigned_abs();
    Ok(Fill { place, file: Uuid::from_bytes(row.get(2)?), size_bytes })
}

/// The input with all its bytes, as CBOR. Blocks.
pub(in crate::store) fn filled_input(dir: &BlobDir, inline: Vec<u8>, fills: &[Fill]) -> Result<Vec<u8>, StoreError> {
    let inline_bytes = inline.len() as u64;
    let mut input: JobInput = ciborium::from_reader(&inline[..]).map_err(|e| StoreError::Value(e.to_string()))?;
    // What is sent and what it is made of are in memory at once, and nothing beside them.
    drop(inline);
    for Fill { place, file, size_bytes } in fills {
        let there = match *place {
            Place::Stdin => Some(&mut input.stdin),
            Place::File(index) => input.files.get_mut(index as usize).map(|f| &mut f.content),
            Place::Companion(index) => input.companion.get_mut(index as usize).map(|f| &mut f.content),
            Place::CaseStdin(_) | Place::CaseExpected(_) => None,
        };
        *there.ok_or_else(nowhere)? = dir.read(*file, *size_bytes)?.into();
    }
    encoded_with(&input, inline_bytes, fills)
}

/// The page, which begins with the case `from`, with all its bytes, as CBOR; without what is in blobs
/// its cases have `inline_bytes`. Blocks.
pub(in crate::store) fn filled_page(
    dir: &BlobDir,
    from: u32,
    mut page: CasePage,
    inline_bytes: u64,
    fills: &[Fill],
) -> Result<Vec<u8>, StoreError> {
    for Fill { place, file, size_bytes } in fills {
        let (Place::CaseStdin(number) | Place::CaseExpected(number)) = *place else { return Err(nowhere()) };
        let index = number.checked_sub(from).ok_or_else(nowhere)?;
        let case = page.cases.get_mut(index as usize).ok_or_else(nowhere)?;
        let bytes = dir.read(*file, *size_bytes)?.into();
        if *place == Place::CaseStdin(number) {
            case.stdin = bytes;
        } else {
            case.expected = Some(bytes);
        }
    }
    encoded_with(&page, inline_bytes, fills)
}

/// As CBOR, into memory that is large enough from the start: a buffer that grows is there twice.
fn encoded_with(value: &impl Serialize, inline_bytes: u64, fills: &[Fill]) -> Result<Vec<u8>, StoreError> {
    let room = inline_bytes + size_bytes(fills) + (fills.len() * HEAD_BYTES + FRAME_BYTES) as u64;
    let mut bytes = Vec::with_capacity(usize::try_from(room).unwrap_or(0));
    ciborium::into_writer(value, &mut bytes).map_err(|e| StoreError::Value(e.to_string()))?;
    Ok(bytes)
}

fn nowhere() -> StoreError {
    StoreError::Value("a blob stands nowhere in its job".to_owned())
}

/// What all of these come to.
pub(in crate::store) fn size_bytes(fills: &[Fill]) -> u64 {
    fills.iter().map(|fill| fill.size_bytes).sum()
}
