//! The driver's writes, whose ends it hears of, whatever comes of them: each a task, but for most ends of jobs.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use enclos_protocol::ids::{FencingToken, JobId};
use futures::FutureExt as _;
use tokio::sync::mpsc::{self, OwnedPermit};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::store::{Finish, Recorded, Requeued, Started, Store, StoreError};

/// Pause before a job's end is recorded again after the store failed.
const RECORD_AGAIN: Duration = Duration::from_secs(1);

/// What a write came to.
#[derive(Debug)]
pub(super) enum WriteEnd {
    /// There is nothing to be done about it.
    Done,
    /// These attempts are noted, or could not be.
    Noted(Vec<(JobId, FencingToken)>, bool),
    /// A job's end that the core must hear of, and what the store did.
    Ended(Arc<Finish>, Recorded),
    /// A job's end that is still to be recorded.
    Unrecorded {
        /// The end.
        finish: Arc<Finish>,
        /// The store had a place for it, and failed: at once it would fail again.
        has_failed: bool,
    },
}

/// Ends that may be on their way to the disk, or have come from it and not been heard of; others are tasks that wait.
pub(super) const ENDS_MAX: usize = 2048;

/// A job's end on its way to the disk, without a task: what comes of it is told by the store's writer.
struct OnItsWay {
    finish: Arc<Finish>,
    /// `None` once it was told.
    told: Option<OwnedPermit<WriteEnd>>,
}

impl OnItsWay {
    fn tell(mut self, recorded: Result<Recorded, StoreError>) {
        let finish = Arc::clone(&self.finish);
        let end = match recorded {
            Ok(recorded) => WriteEnd::Ended(finish, recorded),
            Err(error) => {
                let (job, error): (_, &dyn std::error::Error) = (finish.job, &error);
                tracing::error!(%job, error, "a job's end could not be recorded; trying again");
                WriteEnd::Unrecorded { finish, has_failed: true }
            }
        };
        self.told.take().map(|told| told.send(end));
    }
}

impl Drop for OnItsWay {
    /// The store had no place for it, or was closed: the driver is to know.
    fn drop(&mut self) {
        let finish = Arc::clone(&self.finish);
        self.told.take().map(|told| told.send(WriteEnd::Unrecorded { finish, has_failed: false }));
    }
}

/// Has a job's end recorded, of which `ends` hears; `false`: there is no place for it now, and nothing was done.
pub(super) fn record_now(store: &Store, finish: &Arc<Finish>, ends: &mpsc::Sender<WriteEnd>) -> bool {
    let Ok(told) = ends.clone().try_reserve_owned() else { return false };
    let end = OnItsWay { finish: Arc::clone(finish), told: Some(told) };
    // Where the store has no place, it is dropped with what was to follow, and that is heard.
    store.finish_then(Arc::clone(finish), move |recorded| end.tell(recorded));
    true
}

/// Notes that attempts were given out.
pub(super) async fn note(store: Arc<Store>, notes: Vec<Started>) -> WriteEnd {
    let told = notes.iter().map(|note| (note.job, note.attempt.token)).collect();
    noted(told, async move { store.started(notes).await }).await
}

/// Notes that a job waits again.
pub(super) async fn requeue(store: Arc<Store>, requeued: Requeued) -> WriteEnd {
    is_noted(caught(store.requeued(requeued)).await);
    WriteEnd::Done
}

async fn noted(told: Vec<(JobId, FencingToken)>, write: impl Future<Output = Result<(), StoreError>>) -> WriteEnd {
    let is_noted = is_noted(caught(write).await);
    WriteEnd::Noted(told, is_noted)
}

fn is_noted(end: Result<(), StoreError>) -> bool {
    end.inspect_err(|error| {
        tracing::warn!(error = error as &dyn std::error::Error, "an attempt could not be noted");
    })
    .is_ok()
}

/// Records a job's end, again and again while the store fails (a full disk): the agent keeps its
/// report until it is acknowledged, so nothing is lost even if this never succeeds.
pub(super) async fn record(
    store: Arc<Store>,
    finish: Arc<Finish>,
    mut has_failed: bool,
    shutdown: CancellationToken,
) -> WriteEnd {
    loop {
        if has_failed {
            tokio::select! {
                () = sleep(RECORD_AGAIN) => {}
                () = shutdown.cancelled() => return WriteEnd::Done,
            }
        }
        match caught(store.finish(Arc::clone(&finish))).await {
            Ok(recorded) => return WriteEnd::Ended(finish, recorded),
            Err(StoreError::Closed) => return WriteEnd::Done,
            Err(error) => {
                let (job, error): (_, &dyn std::error::Error) = (finish.job, &error);
                tracing::error!(%job, error, "a job's end could not be recorded; trying again");
            }
        }
        has_failed = true;
    }
}

/// A write that panics has failed as any other: what it was about is known here.
async fn caught<T>(write: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let ended = AssertUnwindSafe(write).catch_unwind().await;
    ended.unwrap_or_else(|_| Err(StoreError::Value("the write panicked".to_owned())))
}

#[cfg(test)]
mod tests {
    use enclos_protocol::outcome::Outcome;

    use super::*;
    use crate::store::{Ending, Outputs, UnixTime};

    fn end_of(job: JobId) -> Arc<Finish> {
        let ending = Ending { outcome: Outcome::Cancelled, message: None, report: None, judged: None };
        let (outputs, finished) = (Outputs::default(), UnixTime(3));
        Arc::new(Finish { job, attempt: None, attempts: 0, unnoted: None, ending, outputs, cases: vec![], finished })
    }

    #[tokio::test]
    async fn an_end_is_heard_of_whatever_becomes_of_it_and_takes_a_place_until_then() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), Arc::default()).unwrap().store;
        let (ends, mut heard) = mpsc::channel(1);
        let end = end_of(JobId::generate());
        assert!(record_now(&store, &end, &ends));
        assert!(!record_now(&store, &end, &ends), "there is no place for a second");
        assert!(matches!(heard.recv().await, Some(WriteEnd::Ended(_, Recorded::Refused))), "there is no such job");
        store.close();
        assert!(record_now(&store, &end, &ends));
        let unheard = heard.recv().await;
        assert!(matches!(unheard, Some(WriteEnd::Unrecorded { finish, has_failed: false }) if finish.job == end.job));
        assert_eq!(ends.capacity(), 1);
    }

    #[tokio::test]
    async fn an_end_that_the_store_failed_at_is_not_tried_again_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(dir.path(), Arc::default()).unwrap().store);
        let (ends, mut heard) = mpsc::channel(1);
        let finish = end_of(JobId::generate());
        let told = ends.try_reserve_owned().ok();
        OnItsWay { finish, told }.tell(Err(StoreError::Value("as a full disk would".to_owned())));
        let Some(WriteEnd::Unrecorded { finish, has_failed }) = heard.recv().await else { panic!("it is heard") };
        let ending = CancellationToken::new();
        ending.cancel();
        let again = record(Arc::clone(&store), Arc::clone(&finish), has_failed, ending.clone()).await;
        assert!(matches!(again, WriteEnd::Done), "it pauses first, and the end of the service does not wait for that");
        let first = record(store, finish, false, ending).await;
        assert!(matches!(first, WriteEnd::Ended(_, Recorded::Refused)), "what was not tried is tried even then");
    }

    #[tokio::test]
    async fn notes_whose_write_panics_are_known_to_be_unwritten() {
        let told = vec![(JobId::from_bytes([1; 16]), FencingToken { epoch: 1, counter: 2 })];
        let end = noted(told.clone(), async { panic!("as a bug would") }).await;
        assert!(matches!(end, WriteEnd::Noted(notes, false) if notes == told));
    }
}
