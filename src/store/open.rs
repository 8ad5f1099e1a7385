//! From a directory to a store: the lock, the checks, the migrations, the epoch.
//!
//! Refuses what it cannot trust: a damaged file, a file of another program, a
//! schema of a newer version. It never repairs and never deletes.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::blobs::{BlobDir, Blobs};
use super::callbacks::{self, Outbox};
use super::fresh::Fresh;
use super::read::{self, Readers};
use super::record::{Unfinished, UnixTime};
use super::schema::{APPLICATION_ID, MIGRATIONS};
use super::writer::Writer;
use super::{OpenError, PredictionRow, Store, predictions, usage};
use crate::metrics::Metrics;

/// The database's file.
const DATABASE: &str = "enclos.db";
/// Longest that one connection waits for another's lock.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Reader connections, so reads at once.
const READERS: usize = 4;
/// Prepared statements that a connection keeps.
const STATEMENTS_MAX: usize = 64;
/// The write-ahead log is cut to this after a checkpoint, in bytes.
const LOG_BYTES_MAX: i64 = 64 * 1024 * 1024;

/// A store that is open, and what it held.
#[derive(Debug)]
pub struct Opened {
    /// The store.
    pub store: Store,
    /// Count of starts, this one included.
    pub epoch: u64,
    /// Jobs that have not finished, in the order of their admission.
    pub unfinished: Vec<Unfinished>,
    /// What was learnt of jobs, those of whole groups first.
    pub predictions: Vec<PredictionRow>,
}

/// The database below `dir`, checked and up to date, for whoever has its lock.
pub(super) fn prepared(dir: &Path) -> Result<(Connection, File), OpenError> {
    let lock = lock(&dir.join("lock"))?;
    let path = dir.join(DATABASE);
    make_private(&path).map_err(|source| OpenError::File { path: path.clone(), source })?;
    let mut connection = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)
        .map_err(|e| failure(&path, e))?;
    // First whose it is: not even the kind of its log is changed in a file that is not ours to write.
    identify(&connection, &path)?;
    writable(&connection).map_err(|e| failure(&path, e))?;
    check(&connection, &path)?;
    migrate(&mut connection, &path)?;
    Ok((connection, lock))
}

/// The database of a master that runs, with its schema's version and ours: never changed in shape
/// beneath it.
pub(super) fn beside(dir: &Path) -> Result<(Connection, PathBuf, i64, i64), OpenError> {
    let path = dir.join(DATABASE);
    let opened = connect(&path, OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|c| writable(&c).map(|()| c));
    let version = |c: &Connection| c.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
    let found = opened.and_then(|c| Ok((version(&c)?, c)));
    let (found, connection) = found.map_err(|source| failure(&path, source))?;
    Ok((connection, path, found, migrations_known()))
}

pub(super) fn open(dir: &Path, metrics: Arc<Metrics>) -> Result<Opened, OpenError> {
    let (connection, lock) = prepared(dir)?;
    let path = dir.join(DATABASE);
    let fail = |source: rusqlite::Error| failure(&path, source);
    let epoch = next_epoch(&connection).map_err(fail)?;
    usage::forget_old(&connection, UnixTime::now()).map_err(fail)?;
    callbacks::release(&connection).map_err(fail)?;
    let unfinished = read::unfinished(&connection).map_err(fail)?;
    let predictions = predictions::all(&connection).map_err(fail)?;
    let blobs = BlobDir::open(dir, &connection).map_err(|source| OpenError::Blobs { path: dir.to_owned(), source })?;
    let mut readers = Vec::with_capacity(READERS);
    for _ in 0..READERS {
        readers.push(connect(&path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(fail)?);
    }
    let outbox = Outbox::new(Arc::clone(&metrics));
    let writer = Writer::start(connection, lock, Arc::clone(&metrics)).map_err(OpenError::Thread)?;
    Ok(Opened {
        store: Store {
            writer,
            readers: Arc::new(Readers::new(readers, metrics)),
            blobs: Blobs::new(blobs),
            outbox,
            fresh: Fresh::default(),
            erasures: AtomicU64::default(),
            probed: tokio::sync::Mutex::default(),
        },
        epoch,
        unfinished,
        predictions,
    })
}

/// Two masters on one directory would each give out the other's jobs.
fn lock(path: &Path) -> Result<File, OpenError> {
    let fail = |source| OpenError::Lock { path: path.to_owned(), source };
    let file = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).map_err(fail)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(fail(source)),
    }
}

/// Sources and outputs are nobody else's to read; SQLite's other files take after this one.
pub(super) fn make_private(path: &Path) -> std::io::Result<()> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(|_| ())
}

pub(super) fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

fn writable(connection: &Connection) -> rusqlite::Result<()> {
    // First, and EXTRA: a new file is made with a rollback journal, whose removal must be durable
    // before anything is told. Were it back after a loss of power, it would undo all that came since.
    connection.pragma_update(None, "synchronous", "EXTRA")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // What is erased is overwritten. A job's sources go at its end, long before it may be erased,
    // so this holds always.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)
}

/// Looks for damage, in all of the file.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let first = connection.pragma_query_value(None, "quick_check", |row| row.get::<_, String>(0));
    match first.map_err(|e| failure(path, e))?.as_str() {
        "ok" => Ok(()),
        problem => Err(OpenError::Corrupt { path: path.to_owned(), problem: problem.to_owned() }),
    }
}

/// A database of ours, of a version that this build knows, or an empty file.
pub(super) fn identify(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = number("application_id").map_err(|e| failure(path, e))?;
    let version = number("user_version").map_err(|e| failure(path, e))?;
    let known = migrations_known();
    // Most programs set neither number: only a file without tables is nobody's.
    let tables = "SELECT count(*) FROM sqlite_schema";
    let tables: i64 = connection.query_row(tables, [], |row| row.get(0)).map_err(|e| failure(path, e))?;
    if application != APPLICATION_ID && (application, version, tables) != (0, 0, 0) {
        return Err(OpenError::Corrupt { path: path.to_owned(), problem: "another program wrote it".to_owned() });
    }
    if version > known { Err(OpenError::Newer { path: path.to_owned(), found: version, known }) } else { Ok(()) }
}

fn migrations_known() -> i64 {
    i64::try_from(MIGRATIONS.len()).expect("there are few migrations")
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), OpenError> {
    let run = |connection: &mut Connection| -> rusqlite::Result<()> {
        let done: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let steps = MIGRATIONS.iter().zip(1i64..).filter(|(_, version)| *version > done);
        for (sql, version) in steps {
            let transaction = connection.transaction()?;
            transaction.execute_batch(sql)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", version)?;
            transaction.commit()?;
        }
        Ok(())
    };
    run(connection).map_err(|e| failure(path, e))
}

fn next_epoch(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "UPDATE meta SET value = value + 1 WHERE key = 'epoch' RETURNING value";
    connection.query_row(sql, [], |row| read::count(row, 0).map(Option::unwrap_or_default))
}

fn failure(path: &Path, source: rusqlite::Error) -> OpenError {
    let path: PathBuf = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            OpenError::Corrupt { path, problem: source.to_string() }
        }
        _ => OpenError::Database { path, source },
    }
}
