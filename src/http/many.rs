//! Many jobs at once: submitted together, or awaited together.
//!
//! ```text
//! POST /v1/jobs/batch: body ─ one submission after the other, some at once ─ admitted or refused, each on its own
//! POST /v1/jobs/wait:  ids ─ whichever ends first ─ a line with the job ─ … ─ end of the answer
//! ```

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use futures::stream::{self, BoxStream, FuturesUnordered};
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::query::{Nothing, Strict, job_id};
use super::room::Held;
use super::submit::{self, Kept, Wants};
use super::{Api, error, jobs, wire};
use crate::admission::{self, Refusal};
use crate::gate::Caller;

/// Submissions of a batch that are admitted at once: enough to share a commit.
const AT_ONCE: usize = 16;
/// Jobs that one request may wait for.
pub(super) const WAIT_IDS_MAX: usize = 1000;
/// Largest list of ids, in bytes.
const WAIT_BYTES_MAX: usize = 64 * 1024;
/// How often an empty line is sent where no job ends, so that nobody takes the connection for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Submit many programs; each is admitted or refused on its own.
#[utoipa::path(post, path = "/v1/jobs/batch", tag = "jobs", request_body = wire::Batch,
    params(("Idempotency-Key" = Option<String>, Header, description = "the same key and body answer the same jobs")),
    responses(
        (status = 200, body = wire::BatchAnswer, description = "what became of each, in order"),
    ))]
pub(super) async fn batch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Strict(Nothing {}): Strict<Nothing>,
    request: Request,
) -> Result<Response, Refusal> {
    let key = submit::idempotency_key(request.headers())?;
    let body = Arc::new(api.bodies.read(request, admission::BODY_BYTES_MAX).await?);
    let wire::Batch { jobs } = admission::strict_json(&body.bytes)?;
    if !(1..=api.batch_jobs_max).contains(&jobs.len()) {
        let detail = format!("a batch has 1 to {} submissions", api.batch_jobs_max);
        return Err(Refusal::above("jobs", detail, api.batch_jobs_max));
    }
    let admissions = jobs.into_iter().enumerate().map(|(index, submission)| {
        // A client's own key has no such character, so none of theirs is one of these.
        let key = key.as_ref().map(|key| format!("{key}\u{1f}{index}"));
        let (api, caller, body) = (&api, &caller, Arc::clone(&body));
        async move {
            match one((api, caller), submission, key, body).await {
                Ok(job) => wire::BatchItem::Kept { job: Box::new(job) },
                Err(refusal) => {
                    api.metrics.refusals.increment(refusal.code);
                    wire::BatchItem::Refused { problem: error::problem(refusal) }
                }
            }
        }
    });
    let admissions = stream::iter(admissions.collect::<Vec<_>>());
    let answer = wire::BatchAnswer { jobs: admissions.buffered(AT_ONCE).collect().await };
    api.room.json(&caller, StatusCode::OK, &answer)
}

async fn one(
    (api, caller): (&Arc<Api>, &Caller),
    submission: Box<RawValue>,
    key: Option<String>,
    body: Arc<super::body::Body>,
) -> Result<wire::Job, Refusal> {
    let bytes = Bytes::from(String::from(Box::<str>::from(submission)));
    let Kept { job, new } = submit::take(api, caller, (bytes, key, Wants::Place), body).await?;
    if let Some(job) = new.and_then(|new| jobs::of_new(api, &new)) {
        return Ok(job);
    }
    // One that is known by its key may have ended: the outputs of a whole batch are no single answer.
    jobs::in_brief(api, caller, job).await
}

/// Wait for many jobs: a line of JSON for each as it ends (empty lines keep the connection alive).
#[utoipa::path(post, path = "/v1/jobs/wait", tag = "jobs", request_body = wire::WaitList,
    responses(
        (status = 200, content_type = "application/x-ndjson", body = wire::WaitLine),
    ))]
pub(super) async fn wait(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Strict(Nothing {}): Strict<Nothing>,
    request: Request,
) -> Result<Response, Refusal> {
    let body = api.bodies.read(request, WAIT_BYTES_MAX).await?;
    let wire::WaitList { ids } = admission::strict_json(&body.bytes)?;
    let ids: BTreeSet<String> = ids.into_iter().collect();
    if !(1..=WAIT_IDS_MAX).contains(&ids.len()) {
        let detail = format!("give the ids of 1 to {WAIT_IDS_MAX} jobs");
        return Err(Refusal::above("ids", detail, WAIT_IDS_MAX));
    }
    let place = api.room.watcher(&caller)?;
    let ends = ids.into_iter().map(|id| end_of(Arc::clone(&api), caller.clone(), id)).collect::<FuturesUnordered<_>>();
    let waiting = Waiting { api, caller, ends: ends.boxed(), _place: place, line: None };
    let lines = stream::unfold(waiting, |mut waiting| async move {
        let line = waiting.next_line().await?;
        Some((Ok::<_, Infallible>(line), waiting))
    });
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];
    Ok((kind, Body::from_stream(lines)).into_response())
}

/// The id, when its job has ended or there is none.
async fn end_of(api: Arc<Api>, caller: Caller, id: String) -> String {
    if let Some(live) = job_id(&id).ok().and_then(|job| api.progress.find_of(caller.tenant.as_str(), job)) {
        live.ended().await;
    }
    id
}

struct Waiting {
    api: Arc<Api>,
    caller: Caller,
    ends: BoxStream<'static, String>,
    _place: Held,
    /// The memory of the line that the client takes.
    line: Option<Held>,
}

impl Waiting {
    /// The next line; `None`: all were told, or the service is ending.
    async fn next_line(&mut self) -> Option<Bytes> {
        self.line = None;
        let ended = self.api.shutdown.run_until_cancelled(timeout(KEEP_ALIVE, self.ends.next())).await?;
        let Ok(ended) = ended else { return Some(Bytes::from_static(b"\n")) };
        let id = ended?;
        // Read one by one as the client takes the lines: together they could be larger than memory.
        let _turn = self.api.room.reading().await.ok()?;
        let found = match job_id(&id) {
            Ok(job) => jobs::job(&self.api, &self.caller, job).await,
            Err(refusal) => Err(refusal),
        };
        let refused = |id, refusal| wire::WaitLine { id, job: None, problem: Some(error::problem(refusal)) };
        let line = match found {
            Ok(job) => wire::WaitLine { id: id.clone(), job: Some(job), problem: None },
            Err(refusal) => refused(id.clone(), refusal),
        };
        let mut text = serde_json::to_vec(&line).ok()?;
        match self.api.room.answer(&self.caller, text.len()) {
            Ok(held) => self.line = held,
            // The job can be asked for by itself later.
            Err(refusal) => text = serde_json::to_vec(&refused(id, refusal)).ok()?,
        }
        text.push(b'\n');
        Some(text.into())
    }
}
