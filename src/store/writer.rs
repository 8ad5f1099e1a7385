//! The one writer: a thread that commits all writes that wait in one transaction.
//!
//! ```text
//! first write ─▶ whatever else waits ─▶ BEGIN · apply each · COMMIT ─▶ answer each
//!                                              │ any failed
//!                                              ▼
//!                                  each again, in a transaction of its own
//! ```
//!
//! A commit costs one `fsync`; while it lasts, the next group gathers by
//! itself, so there is no timer that would delay a lone write. Only where many came
//! at once the next are waited for a moment: they would be a commit of their own.

use std::fs::File;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{io, iter};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::open::BUSY_TIMEOUT;
use super::usage::{self, Used};
use crate::metrics::Metrics;

/// Writes that may wait for the writer; callers wait for a place.
const WAITING_MAX: usize = 1024;
/// Longest that folding the log waits for readers, who hold up all writes meanwhile.
const FOLD_TIMEOUT: Duration = Duration::from_millis(200);
/// Writes in one transaction.
const GROUP_MAX: usize = 256;
/// Where the last transaction had so many writes, the next waits for more.
const CROWD: usize = 4;
/// For so long.
const GATHERING: Duration = Duration::from_micros(500);

/// One change; applied once, or again alone when its group failed.
pub(super) trait Operation: Send + 'static {
    /// What the caller learns.
    type Answer: Send + 'static;

    /// Makes the change inside a transaction that is open.
    fn apply(&self, connection: &Connection) -> rusqlite::Result<Self::Answer>;

    /// What a tenant used by it, to be counted with that of the others in the same transaction.
    fn used(_: &Self::Answer) -> Option<&Used> {
        None
    }

    /// Whether it came to deleting something that must be gone from the log too.
    fn erased(_: &Self::Answer) -> bool {
        false
    }
}

/// An [`Operation`] with its caller, its types forgotten.
trait Write: Send {
    fn apply(&mut self, connection: &Connection) -> rusqlite::Result<()>;
    fn used(&self) -> Option<&Used>;
    fn erased(&self) -> bool;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Pending<O: Operation, F> {
    operation: O,
    answer: Option<O::Answer>,
    then: F,
}

impl<O: Operation, F: FnOnce(Result<O::Answer, StoreError>) + Send> Write for Pending<O, F> {
    fn apply(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.answer = Some(self.operation.apply(connection)?);
        Ok(())
    }

    fn used(&self) -> Option<&Used> {
        self.answer.as_ref().and_then(O::used)
    }

    fn erased(&self) -> bool {
        self.answer.as_ref().is_some_and(O::erased)
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { operation, answer, then } = *self;
        // First: who is told may want for itself what the two shared.
        drop(operation);
        let answer = committed.map(|()| answer.expect("a committed write was applied"));
        // What callers have done here must not take the writer with it.
        if panic::catch_unwind(AssertUnwindSafe(|| then(answer))).is_err() {
            tracing::error!("what follows a write panicked");
        }
    }
}

/// A handle to the writer's thread.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Box<dyn Write>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread. `lock` is held as long as it runs.
    pub(super) fn start(connection: Connection, lock: File, metrics: Arc<Metrics>) -> io::Result<Self> {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let body = move || {
            run(connection, waiting, &metrics);
            drop(lock);
        };
        let thread = thread::Builder::new().name("store-writer".to_owned()).spawn(body)?;
        Ok(Self { queue: Mutex::new(Some(queue)), thread: Mutex::new(Some(thread)) })
    }

    /// Has `operation` made, and answers after the commit.
    pub(super) async fn write<O: Operation>(&self, operation: O) -> Result<O::Answer, StoreError> {
        let (reply, answered) = oneshot::channel();
        // The caller may have gone; what it asked for is done all the same.
        self.write_then(operation, move |answer| drop(reply.send(answer))).await?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Has `operation` made, and returns when it waits for that. After the commit, or where it failed, the
    /// writer's thread does `then`, however the caller fares; all other writes wait for it. Where the store is
    /// closed before, `then` is dropped.
    pub(super) fn write_then<O: Operation>(
        &self,
        operation: O,
        then: impl FnOnce(Result<O::Answer, StoreError>) + Send + 'static,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        // Made here: what waits, and is moved about with its caller, is a pointer to it.
        let pending: Box<dyn Write> = Box::new(Pending { operation, answer: None, then });
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        async move { queue.ok_or(StoreError::Closed)?.send(pending).await.map_err(|_| StoreError::Closed) }
    }

    /// The same where there is a place at once; where there is none, nothing is done, and `then` is dropped.
    pub(super) fn try_write_then<O: Operation>(
        &self,
        operation: O,
        then: impl FnOnce(Result<O::Answer, StoreError>) + Send + 'static,
    ) -> bool {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.as_ref().is_some_and(|queue| queue.try_send(Box::new(Pending { operation, answer: None, then })).is_ok())
    }

    /// Lets the thread commit what waits and joins it, unless it is the thread that closes: what follows a write may
    /// be the last to hold the store.
    pub(super) fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let another = thread.filter(|t| t.thread().id() != thread::current().id());
        if another.is_some_and(|t| t.join().is_err()) {
            tracing::error!("the store's writer panicked");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

fn run(mut connection: Connection, mut waiting: mpsc::Receiver<Box<dyn Write>>, metrics: &Metrics) {
    let mut group: Vec<Box<dyn Write>> = Vec::with_capacity(GROUP_MAX);
    let mut is_crowded = false;
    while waiting.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
        if is_crowded && group.len() < GROUP_MAX {
            gather(&mut waiting, &mut group);
        }
        is_crowded = group.len() >= CROWD;
        let began = Instant::now();
        metrics.commit_writes.add(group.len() as u64);
        let mut erased = false;
        let end = commit(&mut connection, &mut group);
        // Without what callers have done after it.
        let mut took = began.elapsed();
        match end {
            Ok(()) => {
                erased = group.iter().any(|write| write.erased());
                group.drain(..).for_each(|write| write.answer(Ok(())));
            }
            // One bad write must not fail its neighbours.
            Err(_) if group.len() > 1 => {
                for mut write in group.drain(..) {
                    let began = Instant::now();
                    let end = commit(&mut connection, std::slice::from_mut(&mut write));
                    took += began.elapsed();
                    erased |= end.is_ok() && write.erased();
                    write.answer(end.map_err(StoreError::from));
                }
            }
            Err(error) => {
                let error = StoreError::from(error);
                group.drain(..).for_each(|write| write.answer(Err(error.clone())));
            }
        }
        metrics.commit.observe(took);
        if erased {
            fold_log(&connection);
        }
    }
    // So that the next start finds a short log; if it fails, the log is read instead.
    fold_log(&connection);
}

/// Lets a moment pass and takes what came in it.
#[expect(clippy::disallowed_methods, reason = "whoever comes meanwhile is not to wake the thread: that is the gain")]
fn gather(waiting: &mut mpsc::Receiver<Box<dyn Write>>, group: &mut Vec<Box<dyn Write>>) {
    thread::sleep(GATHERING);
    let room = GROUP_MAX - group.len();
    group.extend(iter::from_fn(|| waiting.try_recv().ok()).take(room));
}

/// Brings the write-ahead log into the database and empties it, unless a reader needs it for long.
fn fold_log(connection: &Connection) {
    let folded = connection
        .busy_timeout(FOLD_TIMEOUT)
        .and_then(|()| connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)"))
        .and(connection.busy_timeout(BUSY_TIMEOUT));
    if let Err(error) = folded {
        tracing::debug!(%error, "the write-ahead log was not folded in");
    }
}

fn commit(connection: &mut Connection, group: &mut [Box<dyn Write>]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for write in &mut *group {
        write.apply(&transaction)?;
    }
    usage::count(&transaction, group.iter().filter_map(|write| write.used()))?;
    transaction.commit()
}
