//! One call that runs a program: a job from its admission to its end, or to where its client left.
//!
//! ```text
//! take ─ kept ─┬─ its end ───────────────▶ the job
//!              ├─ the client left ─ cancel ─▶ the job, cancelled
//!              ├─ the service ends, or an hour passed ─▶ the job as it is; it goes on
//!              └─ meanwhile: progress, to who asked for it
//! ```
//!
//! A task of its own does it: what was taken is awaited or cancelled, wherever its client leaves.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use enclos_protocol::ids::JobId;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RoleServer};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::PATH;
use crate::admission::{Refusal, Submission};
use crate::gate::{Caller, Deed, Kept as Book};
use crate::http::body::COPIES;
use crate::http::submit::{self, Wants};
use crate::http::wire::{Job, JobState, StateEvent, StepName};
use crate::http::{Api, error, jobs, render};
use crate::progress::{Cursor, Live};

/// Longest that a call waits for the end of its job. The job goes on, and is read later.
const CALL_WAIT: Duration = Duration::from_secs(3600);
/// Shortest time between two tellings of progress.
const TELL_GAP: Duration = Duration::from_millis(250);
/// How often it is looked whether a waiting job has moved up.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A call of a client.
pub(super) struct Call {
    pub(super) api: Arc<Api>,
    pub(super) caller: Caller,
    pub(super) from: Option<IpAddr>,
    /// Cancelled when the client does not want it any more.
    pub(super) left: CancellationToken,
    /// Who is told how it goes; `None`: nobody asked.
    pub(super) teller: Option<Teller>,
}

impl Call {
    /// What `tell` makes of the job that the submission makes, after its end where that is awaited.
    pub(super) async fn run<T>(self, submission: Submission, tell: fn(&Job) -> T) -> Result<T, Refusal> {
        let Self { api, caller, from, left, teller } = self;
        // Before the job is kept: who is refused here may ask again without having left anything.
        let _place = api.room.wait(&caller)?;
        let bytes = serde_json::to_vec(&submission).map_err(|_| error::internal())?;
        drop(submission);
        let memory = api.bodies.room(&caller, bytes.len() * COPIES).await?;
        let kept = submit::take(&api, &caller, (bytes.into(), None, Wants::Id), memory).await;
        note(&api, &caller, from, &kept).await;
        let id = kept?.job;
        if !ends(&api, &caller, id, &left, teller).await {
            jobs::end(&api, &caller, id).await?;
        }
        // Its outputs are megabytes, and what is told of them is not: both within one turn.
        let _turn = api.room.reading().await?;
        jobs::job(&api, &caller, id).await.map(|job| tell(&job))
    }
}

/// Waits for the end of a job: `false` where its client left before.
async fn ends(api: &Api, caller: &Caller, id: JobId, left: &CancellationToken, teller: Option<Teller>) -> bool {
    let Some(live) = api.progress.find_of(caller.tenant.as_str(), id) else { return true };
    tokio::select! {
        biased;
        () = live.ended() => true,
        // Its end is no wish of the client's: the job outlives a restart, as all do.
        () = api.shutdown.cancelled() => true,
        () = left.cancelled() => false,
        () = sleep(CALL_WAIT) => true,
        () = tell(api, &live, id, teller) => true,
    }
}

/// Tells how a job goes for as long as it is polled. Nothing waits for it: a client that does not
/// read what it asked for is told the next time.
async fn tell(api: &Api, live: &Arc<Live>, id: JobId, teller: Option<Teller>) {
    let Some(mut teller) = teller else { return std::future::pending().await };
    let mut watcher = live.watch(Cursor::default());
    loop {
        let snapshot = live.snapshot();
        let place = jobs::place(api, id, Some(&snapshot)).await.unwrap_or(None);
        let estimate = place.and_then(|place| place.estimated_start);
        teller.tell(words(&render::state_event(&snapshot, place), estimate)).await;
        sleep(TELL_GAP).await;
        let _ = timeout(LOOK_EVERY, watcher.changed()).await;
    }
}

/// How a job goes, in words.
pub(super) fn words(event: &StateEvent, estimate: Option<Duration>) -> String {
    let StateEvent { state, position, step, case, .. } = event;
    match (state, position, step) {
        (JobState::Queued, Some(position), _) => match estimate {
            Some(estimate) => format!("waiting at place {position}, about {} s", estimate.as_secs_f64().ceil()),
            None => format!("waiting at place {position}"),
        },
        (JobState::Queued, None, _) => "waiting".to_owned(),
        (JobState::Running, _, None) => "starting".to_owned(),
        (JobState::Running, _, Some(StepName::Image)) => "making the image of its language".to_owned(),
        (JobState::Running, _, Some(StepName::Install)) => "installing dependencies".to_owned(),
        (JobState::Running, _, Some(StepName::Compile | StepName::JudgeCompile)) => "compiling".to_owned(),
        (JobState::Running, _, Some(StepName::Run)) => "running".to_owned(),
        (JobState::Running, _, Some(StepName::Case)) => format!("running case {}", case.unwrap_or_default()),
        (JobState::Finished, ..) => "finished".to_owned(),
    }
}

/// Tells a client how its call goes.
pub(super) struct Teller {
    peer: Peer<RoleServer>,
    token: ProgressToken,
    /// Tellings so far: what a client sees must grow, and nobody knows the end of a program.
    count: u32,
    last: String,
}

impl Teller {
    pub(super) fn new(peer: Peer<RoleServer>, token: ProgressToken) -> Self {
        Self { peer, token, count: 0, last: String::new() }
    }

    /// Says it where it is new.
    async fn tell(&mut self, words: String) {
        if words == self.last {
            return;
        }
        self.count += 1;
        let progress = ProgressNotificationParam::new(self.token.clone(), self.count.into()).with_message(&words);
        self.last = words;
        // Who is gone is noticed elsewhere.
        let _ = self.peer.notify_progress(progress).await;
    }
}

/// Writes down that a job was made or refused, as of `POST /v1/jobs`.
async fn note(api: &Api, caller: &Caller, from: Option<IpAddr>, kept: &Result<submit::Kept, Refusal>) {
    let deed = Deed { kept: Book::Jobs, what: format!("POST {PATH}"), from, ..Deed::default() };
    let deed = match kept {
        Ok(kept) => Deed { outcome: "201".to_owned(), ..deed.about(&format!("/v1/jobs/{}", kept.job)) },
        // Who had no place or no room has done nothing, and can do so a million times: it is counted.
        Err(refusal) if matches!(refusal.status, 429 | 503) => return,
        Err(refusal) => Deed { outcome: refusal.status.to_string(), ..deed.about(PATH) },
    };
    api.audit.note(&deed.by(&caller.tenant, caller.key.as_ref())).await;
}

/// Writes down that a key was refused for want of a scope, as the gate does.
pub(super) async fn note_refusal(api: &Api, caller: &Caller, from: Option<IpAddr>) {
    let deed =
        Deed { kept: Book::Jobs, what: format!("POST {PATH}"), from, outcome: "403".to_owned(), ..Deed::default() };
    api.audit.note_refusal(&deed.about(PATH).by(&caller.tenant, caller.key.as_ref())).await;
}
