//! `GET /v1/jobs/events`: the jobs of a tenant as they change.
//!
//! What changes within a moment is told as the last of it, so a job that comes and ends at once is one
//! event. Where more change than can be told, or a watcher reads too slowly, it is told that: it reads the
//! list again. So nothing waits for it, here or with those whose jobs change.

use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use enclos_protocol::ids::JobId;
use futures::Stream;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout, timeout_at};

use super::super::query::{Nothing, Strict};
use super::super::render::{self, Beside};
use super::super::room::Held;
use super::super::{Api, wire as whole};
use super::{alive, event, event_stream};
use crate::admission::Refusal;
use crate::gate::Caller;
use crate::progress::Changes;
use crate::store::UnixTime;

/// Changes within so long are told together.
const MOMENT: Duration = Duration::from_millis(250);
/// Jobs that are told together; where more change, the list is to be read again.
const JOBS_MAX: usize = 200;
/// Longest silence towards a watcher.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Watch your jobs: an event `job` at each change of one, and `gap` where there were too many.
#[utoipa::path(get, path = "/v1/jobs/events", operation_id = "watch_jobs", tag = "jobs",
    responses(
        (status = 200, content_type = "text/event-stream", body = whole::Job,
         description = "events `job`, each of this schema, as the list has it; `gap`: read the list again; \
                        `alive` after ten seconds without either. What changes within a quarter of a second \
                        is told as the last of it"),
    ))]
pub(in crate::http) async fn watch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Response, Refusal> {
    let places = (api.room.lister(&caller)?, api.room.watcher(&caller)?);
    let changes = api.progress.changes();
    Ok(event_stream(told(Watcher { api, caller, changes, ready: VecDeque::new(), held: None, _places: places })))
}

struct Watcher {
    api: Arc<Api>,
    caller: Caller,
    changes: Changes,
    /// Events of the last moment; those of the next are gathered when they are gone.
    ready: VecDeque<Bytes>,
    /// The memory of what is ready, where it is much.
    held: Option<Held>,
    _places: (Held, Held),
}

fn told(watcher: Watcher) -> impl Stream<Item = Bytes> + Send {
    futures::stream::unfold(watcher, |mut watcher| async move {
        // All that changed may have been erased.
        while watcher.ready.is_empty() {
            let shutdown = watcher.api.shutdown.clone();
            shutdown.run_until_cancelled(watcher.gather()).await??;
        }
        let bytes = watcher.ready.pop_front()?;
        Some((bytes, watcher))
    })
}

impl Watcher {
    /// Waits for a moment with changes, or for so long that a sign of life is due. `None`: it is over.
    async fn gather(&mut self) -> Option<()> {
        self.held = None;
        let mut changed = HashSet::new();
        let mut is_whole = match timeout(SILENCE_MAX, self.next()).await {
            Ok(Some(job)) => self.add(&mut changed, job),
            Ok(None) => return None,
            Err(_) => {
                self.ready.push_back(alive(UnixTime::now()));
                return Some(());
            }
        };
        let end = Instant::now() + MOMENT;
        while let Ok(job) = timeout_at(end, self.next()).await {
            is_whole &= match job {
                Some(job) => self.add(&mut changed, job),
                None => return None,
            };
        }
        if !is_whole {
            self.ready.push_back(event(None, "gap", "{}"));
            return Some(());
        }
        self.read(changed.into_iter().collect()).await
    }

    /// The next job of this tenant that changed; `Missed` where some were passed over.
    async fn next(&mut self) -> Option<Next> {
        loop {
            match self.changes.recv().await {
                Ok((tenant, job)) if *tenant == *self.caller.tenant.as_str() => return Some(Next::Job(job)),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => return Some(Next::Missed),
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Whether all that changed is known.
    fn add(&self, changed: &mut HashSet<JobId>, next: Next) -> bool {
        match next {
            Next::Job(job) if changed.len() < JOBS_MAX || changed.contains(&job) => {
                changed.insert(job);
                true
            }
            Next::Job(_) | Next::Missed => false,
        }
    }

    async fn read(&mut self, ids: Vec<JobId>) -> Option<()> {
        let _turn = self.api.room.reading().await.ok()?;
        // The live states first: when one is gone, the store has the end.
        let live: Vec<_> = ids.iter().map(|id| self.api.progress.find(*id).map(|live| live.snapshot())).collect();
        let places = self.api.scheduler.places(ids.clone()).await.ok()?;
        let records = self.api.store.jobs(self.caller.owner(), ids).await.ok()?;
        for ((record, live), place) in records.iter().zip(&live).zip(places) {
            // One that was erased meanwhile is nobody's.
            let Some(record) = record else { continue };
            let job = render::job(record, Beside { live: live.as_ref(), place, detail: None });
            self.ready.push_back(event(None, "job", &serde_json::to_string(&job).ok()?));
        }
        match self.api.room.answer(&self.caller, self.ready.iter().map(Bytes::len).sum()) {
            Ok(held) => self.held = held,
            // Who reads slowly holds no more than others may: they read the list anew.
            Err(_) => self.ready = [event(None, "gap", "{}")].into(),
        }
        Some(())
    }
}

enum Next {
    Job(JobId),
    /// More changed than were kept for who reads slowly.
    Missed,
}
