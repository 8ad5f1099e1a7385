//! A job that somebody waits for, and that is of no use to anybody else.
//!
//! The clients of a door know no job id: when one leaves, nobody can ask for its job any more. So a
//! claim that is dropped cancels its job, from the moment in which there is one.

use std::sync::Arc;

use axum::body::Bytes;
use enclos_protocol::ids::JobId;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::admission::Refusal;
use crate::gate::Caller;
use crate::http::submit::{self, Wants};
use crate::http::{Api, error};
use crate::scheduler::Event;

/// The claim on a job.
pub(super) struct Claim {
    /// Which.
    pub(super) job: JobId,
    api: Arc<Api>,
    tenant: String,
    is_held: bool,
}

impl Claim {
    /// Makes a durable job of `submission`, the JSON that `POST /v1/jobs` takes; `body`: its share of the memory.
    ///
    /// # Errors
    /// As that.
    pub(super) async fn take(
        api: &Arc<Api>,
        caller: &Caller,
        submission: Bytes,
        body: impl Send + 'static,
    ) -> Result<Self, Refusal> {
        let (sender, receiver) = oneshot::channel();
        let task = {
            let (api, caller) = (Arc::clone(api), caller.clone());
            async move {
                let kept = submit::take(&api, &caller, (submission, None, Wants::Id), body).await;
                let claim = kept.map(|kept| Self { job: kept.job, tenant: caller.owner(), api, is_held: true });
                // Where nobody waits any more, it is dropped here.
                drop(sender.send(claim));
            }
        };
        // A task of its own: a client that leaves meanwhile must not leave a job that nobody has.
        api.admissions.spawn(task);
        receiver.await.unwrap_or_else(|_| Err(error::internal()))
    }

    /// The job has ended, or may go on by itself.
    pub(super) fn release(mut self) {
        self.is_held = false;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let Some(handle) = Handle::try_current().ok().filter(|_| self.is_held) else { return };
        let (api, tenant, job) = (Arc::clone(&self.api), self.tenant.clone(), self.job);
        let cancel = async move {
            // Written down as well: that nobody waits for it holds after a restart, too. Where one of
            // both fails, the service is ending or the disk is full, and the job has its limits.
            let _ = api.scheduler.tell(Event::Cancel(job)).await;
            let _ = api.store.cancel_asked(tenant, job).await;
        };
        self.api.admissions.spawn_on(cancel, &handle);
    }
}
