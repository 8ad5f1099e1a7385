//! Where the bytes of blobs are: one file each, named by chance, beside the database.
//!
//! ```text
//! <id>.part ─ written, hashed ─ fsync ─ rename ─▶ <id> ─ fsync of the directory ─ row committed
//! ```
//!
//! A file's name is never used twice, so that removing an old one can never
//! meet a new one of the same content. The database says which files count:
//! the start removes all others, whenever the process was killed.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::Digest;
use crate::store::StoreError;

/// What even the smallest blob counts as, in bytes: files and rows are not free.
const BLOB_UNIT_BYTES: u64 = 4096;

/// What a blob of this size counts as.
pub(super) fn charge(size_bytes: u64) -> u64 {
    size_bytes.max(1).div_ceil(BLOB_UNIT_BYTES).saturating_mul(BLOB_UNIT_BYTES)
}

/// What all files count as.
#[derive(Clone, Copy, Default, Debug)]
struct Usage {
    stored: u64,
    incoming: u64,
}

/// The directory.
#[derive(Debug)]
pub struct BlobDir {
    path: PathBuf,
    usage: Mutex<Usage>,
}

/// How much may be uploaded, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UploadBounds {
    /// One blob.
    pub blob_bytes_max: u64,
    /// All blobs, those on their way among them; each counts as whole units of 4 KiB.
    pub all_bytes_max: u64,
}

/// Why an upload does not go on.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It is larger than a blob may be.
    #[error("larger than a blob may be")]
    TooLarge,
    /// All blobs together would be.
    #[error("all blobs together would be larger than they may be")]
    Quota,
    /// Its tenant would have more than it may.
    #[error("the tenant's blobs have no space for it")]
    TenantQuota,
    /// The disk failed.
    #[error("the upload cannot be written")]
    Store(#[from] StoreError),
}

impl BlobDir {
    /// The directory below `dir`, with the files that the database knows and no other.
    pub(in crate::store) fn open(dir: &Path, c: &Connection) -> Result<Self, StoreError> {
        let path = dir.join("blobs");
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        let mut known = known(c)?;
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                continue;
            }
            let id = entry.file_name().to_str().and_then(|name| Uuid::try_parse(name).ok());
            let whole = id.and_then(|id| known.get(&id)).is_some_and(|size| {
                entry.file_name().to_str() == id.map(file_name).as_deref()
                    && entry.metadata().is_ok_and(|m| m.is_file() && m.len() == *size)
            });
            if let Some(id) = id.filter(|_| whole) {
                known.remove(&id);
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        // What is still in `known` has no file: somebody else's hand, or a broken disk.
        for id in known.keys() {
            let sql = "DELETE FROM blobs WHERE file = ?1 AND NOT EXISTS (SELECT 1 FROM blob_uses WHERE file = ?1)";
            let removed = c.execute(sql, params![id.as_bytes()])?;
            // No further job is to need it; an upload puts it right.
            c.execute("UPDATE blobs SET expires_us = 0 WHERE file = ?", params![id.as_bytes()])?;
            tracing::error!(file = %id, job_needs_it = removed == 0, "the file of a blob is lost");
        }
        let stored = self::known(c)?.values().map(|size| charge(*size)).sum();
        Ok(Self { path, usage: Mutex::new(Usage { stored, incoming: 0 }) })
    }

    fn path_of(&self, id: Uuid) -> PathBuf {
        self.path.join(file_name(id))
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A blob's file, to be read.
    pub(super) fn file(&self, id: Uuid) -> io::Result<File> {
        File::open(self.path_of(id))
    }

    /// Whether the file of a blob is there, whole. Blocks.
    pub(super) fn has(&self, id: Uuid, size_bytes: u64) -> bool {
        fs::metadata(self.path_of(id)).is_ok_and(|m| m.is_file() && m.len() == size_bytes)
    }

    /// The bytes of a blob, whose size is known.
    pub(super) fn read(&self, id: Uuid, size_bytes: u64) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or(0));
        self.file(id)?.take(size_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == size_bytes {
            Ok(bytes)
        } else {
            Err(StoreError::Value(format!("a blob has {} bytes, not {size_bytes}", bytes.len())))
        }
    }

    /// Removes files whose rows are gone.
    pub(super) fn remove(&self, files: &[(Uuid, u64)]) {
        for (id, size_bytes) in files {
            match fs::remove_file(self.path_of(*id)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    // The next start tries again.
                    tracing::warn!(file = %id, %error, "the file of a blob could not be removed");
                }
                _ => {}
            }
            let mut usage = self.usage();
            usage.stored = usage.stored.saturating_sub(charge(*size_bytes));
        }
    }
}

fn known(c: &Connection) -> Result<HashMap<Uuid, u64>, StoreError> {
    let mut select = c.prepare("SELECT file, size_bytes FROM blobs")?;
    let rows = select.query_map([], |row| Ok((Uuid::from_bytes(row.get(0)?), row.get::<_, i64>(1)?)))?;
    let sized = rows.map(|row| row.map(|(id, size)| (id, size.unsigned_abs())));
    Ok(sized.collect::<rusqlite::Result<_>>()?)
}

fn file_name(id: Uuid) -> String {
    id.simple().to_string()
}

/// A blob on its way in. Dropped before it is kept, it leaves nothing.
#[derive(Debug)]
pub struct Upload {
    dir: Arc<BlobDir>,
    bounds: UploadBounds,
    pub(super) id: Uuid,
    file: File,
    path: PathBuf,
    hash: Sha256,
    pub(super) size_bytes: u64,
    charged: u64,
    kept: bool,
}

impl Upload {
    /// An empty one. Blocks.
    pub(super) fn begin(dir: Arc<BlobDir>, bounds: UploadBounds) -> Result<Self, StoreError> {
        let id = Uuid::now_v7();
        let path = dir.path_of(id).with_extension("part");
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let hash = Sha256::new();
        Ok(Self { dir, bounds, id, file, path, hash, size_bytes: 0, charged: 0, kept: false })
    }

    /// Adds `bytes`, off the async threads.
    ///
    /// # Errors
    /// [`UploadError`]; nothing is left of the upload then.
    pub async fn write(mut self, bytes: impl AsRef<[u8]> + Send + 'static) -> Result<Self, UploadError> {
        let blocking = tokio::task::spawn_blocking(move || self.append(bytes.as_ref()).map(|()| self));
        blocking.await.unwrap_or(Err(UploadError::Store(StoreError::Closed)))
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        let size_bytes = self.size_bytes.saturating_add(bytes.len() as u64);
        if size_bytes > self.bounds.blob_bytes_max {
            return Err(UploadError::TooLarge);
        }
        self.claim(charge(size_bytes))?;
        self.size_bytes = size_bytes;
        self.hash.update(bytes);
        self.file.write_all(bytes).map_err(StoreError::from)?;
        Ok(())
    }

    /// Counts as `charged` from here on.
    fn claim(&mut self, charged: u64) -> Result<(), UploadError> {
        let more = charged.saturating_sub(self.charged);
        let mut usage = self.dir.usage();
        if usage.stored.saturating_add(usage.incoming).saturating_add(more) > self.bounds.all_bytes_max {
            return Err(UploadError::Quota);
        }
        usage.incoming += more;
        drop(usage);
        self.charged += more;
        Ok(())
    }

    /// What was written so far.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(self.hash.clone().finalize().into())
    }

    /// Makes it outlast a loss of power, under its own name. Blocks.
    pub(super) fn settle(&mut self) -> Result<(), UploadError> {
        self.claim(charge(self.size_bytes))?;
        self.file.sync_all().map_err(StoreError::from)?;
        let path = self.dir.path_of(self.id);
        fs::rename(&self.path, &path).map_err(StoreError::from)?;
        self.path = path;
        File::open(&self.dir.path).and_then(|dir| dir.sync_all()).map_err(StoreError::from)?;
        Ok(())
    }

    /// The database has its row.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.kept {
            // Where it fails, the next start does it.
            let _ = fs::remove_file(&self.path);
        }
        let mut usage = self.dir.usage();
        usage.incoming = usage.incoming.saturating_sub(self.charged);
        if self.kept {
            usage.stored += self.charged;
        }
    }
}
