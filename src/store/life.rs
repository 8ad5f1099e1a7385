//! A job's beginning and its end, durable; each can be followed by something that waits for no task.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::finish::{Ended, FinishJob};
use super::write::Admit;
use super::{Admission, Finish, NewJob, Recorded, Store, StoreError};

impl Store {
    /// Keeps a new job, unless its idempotency key is known. Durable when it returns.
    ///
    /// # Errors
    /// [`StoreError`]; the job then is not kept.
    pub async fn admit(&self, job: NewJob) -> Result<Admission, StoreError> {
        let (reply, admission) = oneshot::channel();
        self.admit_then(job, move |admission| drop(reply.send(admission))).await?;
        admission.await.map_err(|_| StoreError::Closed)?
    }

    /// The same, where `then` goes on whatever becomes of the caller, who is not waited for: in the writer's thread
    /// once the job is durable, or is not kept. It is to be short, and is dropped where the store is closed before.
    ///
    /// # Errors
    /// [`StoreError`]; the job then is not kept.
    pub fn admit_then(
        &self,
        job: NewJob,
        then: impl FnOnce(Result<Admission, StoreError>) + Send + 'static,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        let id = job.id;
        let writing = Admit::encode(job).map(|admit| {
            let (work, fresh) = (admit.work(), self.fresh.clone());
            let then = move |admission| {
                if let (Ok(Admission::New), Some(work)) = (&admission, work) {
                    fresh.keep(id, work);
                }
                then(admission);
            };
            self.writer.write_then(admit, then)
        });
        async move { writing?.await }
    }

    /// Records how a job ended, once: report and outputs in one transaction, fenced by the token.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is then recorded.
    pub async fn finish(&self, finish: Arc<Finish>) -> Result<Recorded, StoreError> {
        self.fresh.take(finish.job);
        let ended = self.writer.write(FinishJob::encode(finish)?).await?;
        self.outbox.enqueued(ended.enqueued);
        Ok(ended.recorded)
    }

    /// The same where the writer has a place for it at once, whose thread does `then`, which is to be short. `false`:
    /// nothing is recorded, and `then` is dropped.
    pub fn finish_then(
        &self,
        finish: Arc<Finish>,
        then: impl FnOnce(Result<Recorded, StoreError>) + Send + 'static,
    ) -> bool {
        self.fresh.take(finish.job);
        // The caller is the scheduler, which a panic would end; whoever tries again is told of it.
        let encoded = panic::catch_unwind(AssertUnwindSafe(|| FinishJob::encode(finish)));
        let Ok(Ok(job)) = encoded else { return false };
        let outbox = self.outbox.clone();
        let then = move |ended: Result<Ended, StoreError>| {
            then(ended.map(|ended| {
                outbox.enqueued(ended.enqueued);
                ended.recorded
            }));
        };
        self.writer.try_write_then(job, then)
    }
}
