//! A job on its way into the store, and what follows its commit: the store's writer does that, so it is done whether
//! or not the client is still there, and no task has to wait for it.

use std::sync::Arc;

use enclos_protocol::ids::JobId;
use tokio::sync::oneshot;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::Api;
use crate::scheduler::{Place, PlaceReply, Reservation, Submitted};
use crate::store::{Admission, StoreError};
use crate::traces::Asked;

/// What of a new job its caller is answered with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Wants {
    /// Where it stands in the queue.
    Place,
    /// Its end, or nothing: where it stands is not looked up.
    Id,
}

/// The job. It is forgotten where this is dropped before the store has it.
pub(super) struct Entering {
    api: Arc<Api>,
    job: JobId,
    asked: Asked,
    /// `None` once it is the scheduler's.
    waits: Option<(Reservation, Submitted)>,
    place: Option<PlaceReply>,
    reply: Option<oneshot::Sender<Result<Admission, StoreError>>>,
    /// The end of the service waits for it.
    _admission: TaskTrackerToken,
}

/// What is told of it.
pub(super) struct Told {
    admission: oneshot::Receiver<Result<Admission, StoreError>>,
    place: Option<oneshot::Receiver<Option<Place>>>,
}

impl Entering {
    pub(super) fn new(
        api: &Arc<Api>,
        (reservation, asked): (Reservation, Asked),
        submitted: Submitted,
        wants: Wants,
    ) -> (Self, Told) {
        let (reply, admission) = oneshot::channel();
        let (place, placed) = (wants == Wants::Place).then(oneshot::channel).unzip();
        let entering = Self {
            api: Arc::clone(api),
            job: submitted.job,
            asked,
            waits: Some((reservation, submitted)),
            place,
            reply: Some(reply),
            _admission: api.admissions.token(),
        };
        (entering, Told { admission, place: placed })
    }

    /// Has the job wait where it is kept, and tells what came of it.
    pub(super) fn enter(mut self, admission: Result<Admission, StoreError>) {
        let is_new = matches!(admission, Ok(Admission::New));
        let Some((reservation, submitted)) = self.waits.take_if(|_| is_new) else {
            self.forget();
            return self.tell(admission);
        };
        let place = self.place.take();
        let waits_for_place = place.is_some();
        if waits_for_place {
            // Whom its place wakes finds this there, and is not woken twice.
            self.tell(Ok(Admission::New));
        }
        let (api, tenant) = (&self.api, Arc::clone(&submitted.demand.tenant));
        api.metrics.language(&submitted.demand.language).admitted.increment();
        api.traces.admitted(self.job, &self.asked, &submitted.demand.language, submitted.priority.as_str());
        api.metrics.pulse.accepted(&tenant);
        api.progress.added(self.job, &tenant);
        // If the scheduler has ended, the job is taken up at the next start.
        let _ = api.scheduler.submit(reservation, submitted, place);
        if !waits_for_place {
            // Not before: what its caller then says of it comes behind it.
            self.tell(Ok(Admission::New));
        }
    }

    fn tell(&mut self, admission: Result<Admission, StoreError>) {
        if let Some(reply) = self.reply.take() {
            // The client may have gone.
            let _ = reply.send(admission);
        }
    }

    fn forget(&mut self) {
        if self.waits.take().is_some() {
            self.api.progress.forget(self.job);
        }
    }
}

impl Drop for Entering {
    fn drop(&mut self) {
        self.forget();
    }
}

impl Told {
    /// What the store did, and where a new job stands, if it waits and that was asked for.
    pub(super) async fn heard(self) -> (Result<Admission, StoreError>, Option<Place>) {
        // Where there is none to tell, its sender is dropped.
        let place = match self.place {
            Some(place) => place.await.unwrap_or(None),
            None => None,
        };
        (self.admission.await.unwrap_or(Err(StoreError::Closed)), place)
    }
}
