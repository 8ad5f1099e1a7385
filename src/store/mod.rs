//! Everything durable: jobs, their inputs, cases, outputs and files, blobs, idempotency keys, API keys,
//! quotas and use of tenants, callbacks that were not delivered, the master's epoch.
//!
//! ```text
//! callers ─▶ bounded channel ─▶ writer thread: one transaction for all that wait ─▶ every caller's answer
//! callers ─▶ reader connections (few, in blocking tasks)
//! ```
//!
//! The only module that speaks to the disk. An answer to a write comes after
//! the commit (`synchronous=EXTRA`). Writes about attempts carry the fencing
//! token and change nothing that a greater token has changed, so they may
//! arrive in any order. It must not decide anything: what a job becomes is the
//! scheduler's, who may see it is the API's.

mod backup;
mod blobs;
mod callbacks;
mod cases;
mod erase;
mod files;
mod finish;
mod fresh;
mod keys;
mod life;
mod open;
mod predictions;
mod prune;
mod read;
mod record;
mod schema;
mod usage;
mod write;
mod writer;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use enclos_protocol::ids::JobId;
use rusqlite::ffi;

use crate::metrics::Metrics;

pub use backup::{BackedUp, BackupError, back_up};
pub use blobs::{Blob, BlobUse, Digest, DigestError, Place, SWEEP_EVERY, Upload, UploadBounds, UploadError};
pub use callbacks::{
    CALLBACK_DEAD_AGE, CALLBACKS_DEAD_MAX, CALLBACKS_WAITING_MAX, CallbackEnd, CallbackFilter, CallbackList,
    CallbackProblem, CallbackRecord, CallbackState, Claimed, Due, UnderWay,
};
pub use cases::NewCase;
pub use erase::Erasure;
pub use files::{FileKept, LeftFile};
pub use fresh::FreshWork;
pub use keys::{Desk, DeskError, KEYS_MAX, KeyRecord, KeyRefusal, NewKey, Roll, SecretRecord, TENANTS_MAX, Told};
pub use open::Opened;
pub use predictions::{Level, Prediction, PredictionRow};
pub use prune::Pruned;
pub use read::{Filter, Listed, Work};
pub use record::{
    CaseRecord, CaseResult, Detail, Ending, JobRecord, Output, Outputs, PARTS, Part, StoredState, Turn, Unfinished,
    UnixTime,
};
pub use usage::{Usage, day_ends, day_of};
pub use write::{Admission, AttemptFacts, Finish, Idempotency, NewJob, Recorded, Requeued, Started};

use blobs::{Blobs, uses};
use callbacks::Outbox;
use fresh::Fresh;
use read::Readers;
use writer::Writer;

/// The file of the data directory that holds the key under which callbacks' secrets are sealed.
pub const CALLBACK_KEY_FILE: &str = "callback-key";

/// Why the store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another master has the directory.
    #[error("another master uses {}; stop it, or give this one a --data-dir of its own", path.display())]
    InUse {
        /// The lock's file.
        path: PathBuf,
    },
    /// The lock cannot be taken.
    #[error("cannot lock {}", path.display())]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database's file cannot be made or opened.
    #[error("cannot open {}", path.display())]
    File {
        /// The database.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not our database, or is damaged.
    #[error(
        "{} is damaged or not a database of Enclos: {problem}; restore a backup, or move the file away to begin empty",
        path.display()
    )]
    Corrupt {
        /// The database.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A newer version wrote it.
    #[error(
        "{} was written by a newer version (schema {found}, this build knows {known}); run that version, or give a new --data-dir",
        path.display()
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The database cannot be opened or brought up to date.
    #[error("cannot open {}", path.display())]
    Database {
        /// The database.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The files of blobs do not come to what the database says.
    #[error("cannot bring the blobs below {} in order", path.display())]
    Blobs {
        /// The data directory.
        path: PathBuf,
        /// Why.
        source: StoreError,
    },
    /// The writer's thread cannot be started.
    #[error("cannot start the thread of the store's writer")]
    Thread(#[source] io::Error),
}

/// Why a read or write failed; nothing of a failed write was kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// No space is left.
    #[error("the disk of the data directory is full")]
    Full,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The database failed.
    #[error("the database failed")]
    Database(#[source] Arc<rusqlite::Error>),
    /// A file of the data directory failed.
    #[error("a file of the data directory failed")]
    File(#[source] Arc<io::Error>),
    /// A value in the database is not what was written there, or cannot be written.
    #[error("a value of the database cannot be read or written: {0}")]
    Value(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match &error {
            // The log's index is a file, too, and grows on the same disk.
            rusqlite::Error::SqliteFailure(code, _)
                if code.code == rusqlite::ErrorCode::DiskFull || code.extended_code == ffi::SQLITE_IOERR_SHMSIZE =>
            {
                Self::Full
            }
            rusqlite::Error::FromSqlConversionFailure(_, _, cause) => Self::Value(cause.to_string()),
            _ => Self::Database(Arc::new(error)),
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::File(Arc::new(error)),
        }
    }
}

/// For so long one probe answers for all who ask.
const PROBE_EVERY: std::time::Duration = std::time::Duration::from_secs(1);

/// A handle to the store; the one who opened it closes it.
#[derive(Debug)]
pub struct Store {
    writer: Writer,
    readers: Arc<Readers>,
    blobs: Blobs,
    fresh: Fresh,
    /// When it was last tried whether it works, and whether it did.
    probed: tokio::sync::Mutex<Option<(std::time::Instant, Result<(), StoreError>)>>,
    outbox: Outbox,
    /// How often something was to be erased since the start.
    erasures: AtomicU64,
}

impl Store {
    /// Opens or makes the database below `dir`, and begins a new epoch.
    ///
    /// # Errors
    /// [`OpenError`] says what to do. Blocks: for the start of the process only.
    pub fn open(dir: &Path, metrics: Arc<Metrics>) -> Result<Opened, OpenError> {
        open::open(dir, metrics)
    }

    /// What an idempotency key that was used before answers; `None`: it is new.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn admitted_before(
        &self,
        tenant: String,
        idempotency: Idempotency,
    ) -> Result<Option<Admission>, StoreError> {
        self.readers.run(move |c| write::admitted_before(c, &tenant, &idempotency)).await
    }

    /// Notes that a job of a tenant which has not ended is to be cancelled. Durable when it returns.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn cancel_asked(&self, tenant: String, job: JobId) -> Result<(), StoreError> {
        self.writer.write(write::CancelAsked { tenant, job }).await
    }

    /// Notes that attempts were given to agents.
    ///
    /// # Errors
    /// [`StoreError`]; none of them is then noted.
    pub async fn started(&self, started: Vec<Started>) -> Result<(), StoreError> {
        self.writer.write(started).await
    }

    /// Notes that a job waits again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn requeued(&self, requeued: Requeued) -> Result<(), StoreError> {
        self.writer.write(requeued).await
    }

    /// A job of a tenant, or `None`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn job(&self, tenant: String, id: JobId) -> Result<Option<JobRecord>, StoreError> {
        self.readers.run(move |c| read::job(c, &tenant, id)).await
    }

    /// These jobs in this order, read at one moment; `None` for those that are none of the tenant's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn jobs(&self, tenant: String, ids: Vec<JobId>) -> Result<Vec<Option<JobRecord>>, StoreError> {
        self.readers.run(move |c| ids.iter().map(|id| read::job(c, &tenant, *id)).collect()).await
    }

    /// The job with all that its own answer shows, read at one moment.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn job_in_detail(&self, tenant: String, id: JobId) -> Result<Option<(JobRecord, Detail)>, StoreError> {
        self.readers.run(move |c| read::job_in_detail(c, &tenant, id)).await
    }

    /// Erases a job of a tenant, now or when it has ended; from here on no answer shows it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn erase(&self, tenant: String, job: JobId) -> Result<Erasure, StoreError> {
        self.erasures.fetch_add(1, Ordering::SeqCst);
        self.writer.write(erase::Erase { tenant, job }).await
    }

    /// Keeps a file that an attempt leaves.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn keep_file(&self, file: LeftFile) -> Result<FileKept, StoreError> {
        self.writer.write(file).await
    }

    /// A file that a job left; `None`: there is none such, or the job has not ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn file(&self, tenant: String, job: JobId, path: String) -> Result<Option<Vec<u8>>, StoreError> {
        self.readers.run(move |c| files::read(c, &tenant, job, &path)).await
    }

    /// A page of the cases of a job that has not ended: a `CasePage` as CBOR.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn case_page(&self, job: JobId, from: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(page) = self.readers.run_promptly(move |c| cases::page(c, job, from)).await? else {
            return Ok(None);
        };
        let filled = self.blobs.blocking(move |dir| page.filled(dir, from)).await;
        self.unless_ended(job, filled).await
    }

    /// Bytes of that page as it travels, near enough, without reading it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn case_page_bytes(&self, job: JobId, from: u32) -> Result<Option<u64>, StoreError> {
        self.readers.run_promptly(move |c| cases::page_bytes(c, job, from)).await
    }

    /// Names and limits of a job's cases, without their ends.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn case_heads(&self, tenant: String, job: JobId) -> Result<Vec<CaseRecord>, StoreError> {
        self.readers.run(move |c| cases::heads(c, &tenant, job)).await
    }

    /// What an agent needs of a job that has just come; it is told once. `None`: it is to be read.
    pub fn take_fresh(&self, id: JobId) -> Option<FreshWork> {
        self.fresh.take(id)
    }

    /// What an agent needs of a job that has not ended.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn work(&self, id: JobId) -> Result<Option<Work>, StoreError> {
        self.readers.run_promptly(move |c| read::work(c, id)).await
    }

    /// The input of a job as CBOR, with what of it is in blobs; `None`: it has ended meanwhile.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn input(&self, job: JobId) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((input, fills)) = self.readers.run_promptly(move |c| read::input(c, job)).await? else {
            return Ok(None);
        };
        if fills.is_empty() {
            return Ok(Some(input));
        }
        let filled = self.blobs.blocking(move |dir| uses::filled_input(dir, input, &fills)).await;
        self.unless_ended(job, filled).await
    }

    /// What was read of a job's blobs; `None` where that failed because its end let go of them.
    async fn unless_ended(&self, job: JobId, read: Result<Vec<u8>, StoreError>) -> Result<Option<Vec<u8>>, StoreError> {
        match read {
            Err(StoreError::File(_)) if self.work(job).await?.is_none() => Ok(None),
            other => other.map(Some),
        }
    }

    /// Jobs from the newest on.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list(&self, filter: Filter) -> Result<Listed, StoreError> {
        self.readers.run(move |c| read::list(c, &filter)).await
    }

    /// How many jobs have finished.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn finished_count(&self) -> Result<u64, StoreError> {
        self.readers.run(read::finished_count).await
    }

    /// Whether reading and writing work now. It costs a commit, and anybody may ask: one at a time is
    /// tried, and what it came to is the answer for a second.
    ///
    /// # Errors
    /// [`StoreError`] where not.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let mut probed = self.probed.lock().await;
        if let Some((when, found)) = probed.as_ref()
            && when.elapsed() < PROBE_EVERY
        {
            return found.clone();
        }
        let found = match self.readers.run(read::probe).await {
            Ok(()) => self.writer.write(write::Probe).await,
            Err(error) => Err(error),
        };
        *probed = Some((std::time::Instant::now(), found.clone()));
        found
    }

    /// Commits what waits and ends the writer; later writes are refused. Blocks until it is done.
    pub fn close(&self) {
        self.writer.close();
    }
}
