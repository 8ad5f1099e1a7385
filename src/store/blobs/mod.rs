//! Blobs: bytes that a client brings once and jobs refer to, by their SHA-256.
//!
//! ```text
//!            ┌── expires in the future: clients see it, new jobs may refer to it
//! row ─ file ┤
//!            └── expired or deleted: out of sight ── no job refers to it ──▶ swept
//! ```
//!
//! A job that was admitted keeps what it refers to until it ends: its uses are
//! rows that the deletion of a blob respects. A digest resolves within its
//! tenant only. Where a file was lost, the next upload of its bytes takes its
//! place, for clients and for jobs that were admitted before.

mod digest;
mod dir;
pub(super) mod uses;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use digest::{Digest, DigestError};
pub use dir::{BlobDir, Upload, UploadBounds, UploadError};
pub use uses::{BlobUse, Place};

use super::record::UnixTime;
use super::write::to_i64;
use super::writer::Operation;
use super::{Store, StoreError, usage};

/// Longest that a file outlives its blob's end and the last job that needs it.
pub const SWEEP_EVERY: Duration = Duration::from_secs(30);

/// A blob, as clients see it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Blob {
    /// Its name.
    pub digest: Digest,
    /// Its size.
    pub size_bytes: u64,
    /// When it goes, unless it is uploaded again.
    pub expires: UnixTime,
}

/// What the store has of blobs beside their rows.
#[derive(Debug)]
pub(super) struct Blobs {
    pub(super) dir: Arc<BlobDir>,
    /// There may be something to sweep.
    swept: Notify,
}

impl Blobs {
    pub(super) fn new(dir: BlobDir) -> Self {
        Self { dir: Arc::new(dir), swept: Notify::new() }
    }

    /// Does what blocks on files.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<BlobDir>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let dir = Arc::clone(&self.dir);
        tokio::task::spawn_blocking(move || work(&dir)).await.map_err(|_| StoreError::Closed)?
    }
}

impl Store {
    /// Begins an upload.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn upload(&self, bounds: UploadBounds) -> Result<Upload, StoreError> {
        self.blobs.blocking(move |dir| Upload::begin(Arc::clone(dir), bounds)).await
    }

    /// Keeps what was uploaded from `now` for `ttl`, where its tenant then has no more than `bytes_max`,
    /// and says whether it is new. Durable when it
    /// returns. To be awaited to its end: dropped between, it may remove a file that has a row.
    ///
    /// # Errors
    /// [`UploadError`]; nothing is kept then.
    pub async fn keep_blob(
        &self,
        upload: Upload,
        tenant: String,
        now: UnixTime,
        ttl: Duration,
        bytes_max: Option<u64>,
    ) -> Result<(Blob, bool), UploadError> {
        let settling = tokio::task::spawn_blocking(move || {
            let mut upload = upload;
            upload.settle().map(|()| upload)
        });
        let upload = settling.await.unwrap_or(Err(UploadError::Store(StoreError::Closed)))?;
        let (digest, size_bytes) = (upload.digest(), upload.size_bytes);
        let dir = Arc::clone(&self.blobs.dir);
        let keep = Keep { dir, tenant, digest, size_bytes, file: upload.id, now, expires: now.after(ttl), bytes_max };
        let kept = self.writer.write(keep).await?;
        let Kept { expires, has_file, is_new, lost } = kept.ok_or(UploadError::TenantQuota)?;
        if has_file {
            upload.keep();
        }
        if let Some(lost) = lost {
            tracing::warn!(file = %lost, "the file of a blob was lost; an upload replaced it");
            let remove = move |dir: &Arc<BlobDir>| {
                dir.remove(&[(lost, size_bytes)]);
                Ok(())
            };
            self.blobs.blocking(remove).await?;
        }
        Ok((Blob { digest, size_bytes, expires }, is_new))
    }

    /// A blob and its bytes; `None`: there is none at this time.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn blob(
        &self,
        tenant: String,
        digest: Digest,
        now: UnixTime,
    ) -> Result<Option<(Blob, File)>, StoreError> {
        let Some((blob, id)) = self.readers.run(move |c| find(c, &tenant, digest, now)).await? else { return Ok(None) };
        match self.blobs.blocking(move |dir| Ok(dir.file(id)?)).await {
            Ok(file) => Ok(Some((blob, file))),
            // It was swept in between.
            Err(StoreError::File(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sizes of those of these blobs that there are.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn blob_sizes(
        &self,
        tenant: String,
        digests: Vec<Digest>,
        now: UnixTime,
    ) -> Result<BTreeMap<Digest, u64>, StoreError> {
        let sizes = move |c: &Connection| {
            let found = digests.into_iter().map(|digest| Ok(find(c, &tenant, digest, now)?.map(|(blob, _)| blob)));
            let sized = found.filter_map(|blob| blob.transpose().map(|b| b.map(|b| (b.digest, b.size_bytes))));
            sized.collect::<rusqlite::Result<BTreeMap<_, _>>>()
        };
        self.readers.run(sizes).await
    }

    /// Takes a blob out of sight; its file goes when no job needs it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_blob(&self, tenant: String, digest: Digest) -> Result<(), StoreError> {
        self.writer.write(Expire { tenant, digest }).await?;
        self.blobs.swept.notify_one();
        Ok(())
    }

    /// Has what has ended swept soon.
    pub fn sweep_soon(&self) {
        self.blobs.swept.notify_one();
    }

    /// Removes blobs that have ended and that no job needs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sweep_blobs(&self, now: UnixTime) -> Result<usize, StoreError> {
        let files = self.writer.write(Sweep(now)).await?;
        let count = files.len();
        if count > 0 {
            let remove = move |dir: &Arc<BlobDir>| {
                dir.remove(&files);
                Ok(())
            };
            self.blobs.blocking(remove).await?;
        }
        Ok(count)
    }

    /// Sweeps from time to time, and when asked to, until `stop`.
    pub async fn keep_swept(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.sweep_blobs(UnixTime::now()).await {
                Ok(0) => {}
                Ok(count) => tracing::debug!(count, "blobs were swept"),
                Err(StoreError::Closed) => return,
                Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "blobs were not swept"),
            }
            // Cancel-safe: a wish to sweep stays with the `Notify`, and a stop with its token.
            tokio::select! {
                () = stop.cancelled() => return,
                _ = timeout(SWEEP_EVERY, self.blobs.swept.notified()) => {}
            }
        }
    }
}

fn find(c: &Connection, tenant: &str, digest: Digest, now: UnixTime) -> rusqlite::Result<Option<(Blob, Uuid)>> {
    let sql = "SELECT size_bytes, expires_us, file FROM blobs WHERE tenant = ? AND digest = ? AND expires_us > ?";
    let blob = |row: &rusqlite::Row<'_>| {
        let size_bytes = row.get::<_, i64>(0)?.unsigned_abs();
        let blob = Blob { digest, size_bytes, expires: UnixTime(row.get(1)?) };
        Ok((blob, Uuid::from_bytes(row.get(2)?)))
    };
    c.prepare_cached(sql)?.query_row(params![tenant, digest.0, now.0], blob).optional()
}

struct Keep {
    dir: Arc<BlobDir>,
    tenant: String,
    digest: Digest,
    size_bytes: u64,
    file: Uuid,
    now: UnixTime,
    expires: UnixTime,
    bytes_max: Option<u64>,
}

struct Kept {
    expires: UnixTime,
    /// The row has the file that was brought, not one of before.
    has_file: bool,
    /// No client could see it before, or have its bytes.
    is_new: bool,
    /// What the row had before, and that is not there any more.
    lost: Option<Uuid>,
}

impl Operation for Keep {
    /// `None`: its tenant would have too much.
    type Answer = Option<Kept>;

    fn apply(&self, c: &Connection) -> rusqlite::Result<Self::Answer> {
        let Self { dir, tenant, digest, size_bytes, file, now, expires, bytes_max } = self;
        let sql = "SELECT expires_us, file FROM blobs WHERE tenant = ? AND digest = ?";
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, Uuid::from_bytes(row.get(1)?)));
        let Some((before, known)) = c.prepare_cached(sql)?.query_row(params![tenant, digest.0], row).optional()? else {
            if let Some(max) = bytes_max
                && usage::blob_bytes(c, tenant)?.saturating_add(*size_bytes) > *max
            {
                return Ok(None);
            }
            let sql = "INSERT INTO blobs (file, tenant, digest, size_bytes, expires_us) VALUES (?,?,?,?,?)";
            let row = params![file.as_bytes(), tenant, digest.0, to_i64(*size_bytes), expires.0];
            c.prepare_cached(sql)?.execute(row)?;
            return Ok(Some(Kept { expires: *expires, has_file: true, is_new: true, lost: None }));
        };
        // A time to live that was longer before is kept as it was promised.
        let expires = UnixTime(expires.0.max(before));
        let lost = Some(known).filter(|known| !dir.has(*known, *size_bytes));
        let now_has = if lost.is_some() { file } else { &known };
        // Jobs that need the lost file have the same bytes from the new one. Only at its end the
        // transaction has both sides of their reference.
        c.execute_batch("PRAGMA defer_foreign_keys = ON")?;
        let sql = "UPDATE blobs SET expires_us = ?, file = ? WHERE tenant = ? AND digest = ?";
        c.prepare_cached(sql)?.execute(params![expires.0, now_has.as_bytes(), tenant, digest.0])?;
        if lost.is_some() {
            let sql = "UPDATE blob_uses SET file = ? WHERE file = ?";
            c.prepare_cached(sql)?.execute(params![file.as_bytes(), known.as_bytes()])?;
        }
        Ok(Some(Kept { expires, has_file: lost.is_some(), is_new: lost.is_some() || before <= now.0, lost }))
    }
}

struct Expire {
    tenant: String,
    digest: Digest,
}

impl Operation for Expire {
    type Answer = ();

    fn apply(&self, c: &Connection) -> rusqlite::Result<()> {
        let sql = "UPDATE blobs SET expires_us = 0 WHERE tenant = ? AND digest = ?";
        c.prepare_cached(sql)?.execute(params![self.tenant, self.digest.0]).map(|_| ())
    }
}

struct Sweep(UnixTime);

impl Operation for Sweep {
    type Answer = Vec<(Uuid, u64)>;

    fn apply(&self, c: &Connection) -> rusqlite::Result<Self::Answer> {
        let sql = "DELETE FROM blobs WHERE expires_us <= ?
                          AND NOT EXISTS (SELECT 1 FROM blob_uses WHERE blob_uses.file = blobs.file)
                   RETURNING file, size_bytes";
        usage::forget_old(c, self.0)?;
        let mut delete = c.prepare_cached(sql)?;
        let gone = |row: &rusqlite::Row<'_>| Ok((Uuid::from_bytes(row.get(0)?), row.get::<_, i64>(1)?.unsigned_abs()));
        delete.query_map([self.0.0], gone)?.collect()
    }
}
