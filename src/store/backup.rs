//! A backup while the master runs: one archive that is, unpacked, a data directory.
//!
//! ```text
//! enclos.db ── SQLite's backup, one snapshot ─▶ FILE.db-part ── looked through for damage ─┐
//! blobs/    ── those of the snapshot's rows ───────────────────────────────────────────────┼─▶ FILE.part ─ fsync ─▶ FILE
//! join-token ──────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! It reads and never writes the data directory, and takes no lock that a
//! writer waits for. `--to` comes into being whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::CALLBACK_KEY_FILE;
use super::OpenError;
use super::open;

/// Snapshots that are tried: a job may end, and its blob go, while the blobs are copied.
const SNAPSHOTS_MAX: usize = 5;
/// Pages that are copied in one step: all, so that no write of the master begins it anew.
const ALL_PAGES: i32 = -1;

/// What a backup holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BackedUp {
    /// Jobs, in every state.
    pub jobs: u64,
    /// Blobs.
    pub blobs: usize,
    /// Bytes of the archive.
    pub size_bytes: u64,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file is there already.
    #[error("{} is there already; give another --to, or move it away", path.display())]
    Exists {
        /// The archive.
        path: PathBuf,
    },
    /// There is nothing to back up.
    #[error("there is no database at {}; --data-dir is that of the master", path.display())]
    Nothing {
        /// Where one was looked for.
        path: PathBuf,
    },
    /// The database, or its copy, is not to be trusted.
    #[error("the database cannot be backed up")]
    Unsound(#[from] OpenError),
    /// The copy failed.
    #[error("the database cannot be copied")]
    Copy(#[from] rusqlite::Error),
    /// A file cannot be read or written.
    #[error("the backup cannot be written")]
    File(#[from] io::Error),
    /// Blobs that jobs need went in each attempt.
    #[error("blobs that jobs need were removed while they were copied, {SNAPSHOTS_MAX} times; try again")]
    Moving,
    /// The database cannot be had at this moment.
    #[error("another program holds the database; try again")]
    Busy,
}

/// Backs up the data directory `dir` to the archive `to`. Blocks.
///
/// # Errors
/// [`BackupError`]; nothing is left at `to` then.
pub fn back_up(dir: &Path, to: &Path) -> Result<BackedUp, BackupError> {
    if to.exists() {
        return Err(BackupError::Exists { path: to.to_owned() });
    }
    let source = dir.join("enclos.db");
    if !source.is_file() {
        return Err(BackupError::Nothing { path: source });
    }
    let (copy, archive) = (Part::of(to, ".db-part")?, Part::of(to, ".part")?);
    for _ in 0..SNAPSHOTS_MAX {
        let jobs = snapshot(&source, &copy.0)?;
        if let Some(blobs) = pack(dir, &copy.0, &archive.0)? {
            let size_bytes = fs::metadata(&archive.0)?.len();
            // Not over what came there meanwhile.
            renameat2(AT_FDCWD, &archive.0, AT_FDCWD, to, RenameFlags::RENAME_NOREPLACE).map_err(
                |errno| match errno {
                    Errno::EEXIST => BackupError::Exists { path: to.to_owned() },
                    errno => BackupError::File(errno.into()),
                },
            )?;
            let parent = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(parent)?.sync_all()?;
            return Ok(BackedUp { jobs, blobs, size_bytes });
        }
    }
    Err(BackupError::Moving)
}

/// A file on its way; dropped, it is gone.
struct Part(PathBuf);

impl Part {
    fn of(to: &Path, suffix: &str) -> io::Result<Self> {
        let mut path = to.as_os_str().to_owned();
        path.push(suffix);
        let path = PathBuf::from(path);
        // What a backup that was killed has left.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Self(path)),
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After the renaming there is none.
        let _ = fs::remove_file(&self.0);
    }
}

/// A file that was not there: neither somebody else's, nor behind a link, which the directory may have
/// got meanwhile.
fn make_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Copies the database as it is at one moment, and looks whether the copy is sound; its jobs.
fn snapshot(source: &Path, copy: &Path) -> Result<u64, BackupError> {
    let from = open::connect(source, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    open::identify(&from, source)?;
    let _ = fs::remove_file(copy);
    make_new(copy)?;
    let mut into = open::connect(copy, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    match Backup::new(&from, &mut into)?.step(ALL_PAGES)? {
        StepResult::Done => {}
        _ => return Err(BackupError::Busy),
    }
    // One file: a log beside it would not be in the archive.
    into.pragma_update(None, "journal_mode", "DELETE")?;
    open::check(&into, copy)?;
    let jobs: i64 = into.query_row("SELECT count(*) FROM jobs", [], |row| row.get(0))?;
    into.close().map_err(|(_, error)| error)?;
    Ok(jobs.unsigned_abs())
}

/// Writes the archive; how many blobs are in it, `None` where one is gone that a job needs.
fn pack(dir: &Path, copy: &Path, archive: &Path) -> Result<Option<usize>, BackupError> {
    let _ = fs::remove_file(archive);
    let file = make_new(archive)?;
    let mut tar = tar::Builder::new(BufWriter::new(file));
    put(&mut tar, "enclos.db", File::open(copy)?)?;
    let mut blobs = 0;
    for (name, size_bytes, needed) in blobs_of(copy)? {
        match File::open(dir.join("blobs").join(&name)) {
            Ok(file) if file.metadata()?.len() == size_bytes => {
                put(&mut tar, &format!("blobs/{name}"), file)?;
                blobs += 1;
            }
            // It ended since the snapshot; the start of a master forgets its row.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !needed => {}
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => return Ok(None),
        }
    }
    for name in ["join-token", CALLBACK_KEY_FILE] {
        match File::open(dir.join(name)) {
            Ok(file) => put(&mut tar, name, file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut written = tar.into_inner()?;
    written.flush()?;
    written.get_ref().sync_all()?;
    Ok(Some(blobs))
}

/// Files of blobs with their sizes, and whether a job needs them.
fn blobs_of(copy: &Path) -> rusqlite::Result<Vec<(String, u64, bool)>> {
    let c: Connection = open::connect(copy, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    if !c.table_exists(None, "blobs")? {
        return Ok(Vec::new());
    }
    let sql = "SELECT file, size_bytes, EXISTS (SELECT 1 FROM blob_uses u WHERE u.file = b.file) FROM blobs b";
    let mut select = c.prepare(sql)?;
    let blob = |row: &rusqlite::Row<'_>| {
        let name = Uuid::from_bytes(row.get(0)?).simple().to_string();
        Ok((name, row.get::<_, i64>(1)?.unsigned_abs(), row.get(2)?))
    };
    select.query_map([], blob)?.collect()
}

/// Adds a file that only its owner may read.
fn put(tar: &mut tar::Builder<BufWriter<File>>, name: &str, file: File) -> io::Result<()> {
    let size = file.metadata()?.len();
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o600);
    header.set_mtime(0);
    tar.append_data(&mut header, name, file.take(size))
}
