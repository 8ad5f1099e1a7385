//! `POST /v1/jobs`: from a body to a durable job that waits, and perhaps to its end.
//!
//! ```text
//! body ─ admit ─ place in the queue? ─ live state ─┬─ store (durable) ─ scheduler ─┬─ answer
//!                                                  └─ though the client leaves ────┘
//! ```

mod entering;
mod grants;
mod kept;

use std::io::{BufReader, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::body::{Bytes, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use enclos_protocol::ids::JobId;
use enclos_protocol::supervisor_link::INPUT_BYTES_MAX;
use futures::FutureExt as _;
use futures::future::{Either, ready};

pub(super) use self::entering::Wants;
use self::entering::{Entering, Told};
use self::kept::Shown;
pub(super) use self::kept::{Kept, New};
use super::query::{Strict, Wait};
use super::share::Held;
use super::{Api, error, jobs, render, wire};
use crate::admission::{self, Admitted, Brought, NamedCase, Parsed, Refusal};
use crate::config::Scheduling;
use crate::gate::Caller;
use crate::queue::{self, Demand, Overloaded, Priority, Wanted};
use crate::scheduler::{Reservation, Submitted, Traits};
use crate::store::{Admission, Digest, Idempotency, NewCase, NewJob, StoreError, Turn, UnixTime, day_ends};
use crate::traces::Asked;

/// Bodies above this are parsed off the async threads, in bytes.
pub(super) const PARSE_HERE_MAX: usize = 64 * 1024;
/// What was unpacked of an archive is in memory once as files, and once encoded.
const UNPACKED_COPIES: usize = 2;
/// Longest idempotency key, in characters.
pub(super) const KEY_CHARS_MAX: usize = 255;
/// Header of the idempotency key.
const KEY_HEADER: &str = "idempotency-key";

/// Submit a program to compile and run.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", request_body = crate::admission::Submission,
    params(
        ("wait_ms" = Option<u64>, Query, description = "wait up to so long for the end"),
        ("Idempotency-Key" = Option<String>, Header, description = "the same key and body answer the same job"),
    ),
    responses(
        (status = 200, body = wire::Job, description = "finished in time, or known by its key"),
        (status = 201, body = wire::Job, description = "kept and waiting",
         headers(("Location" = String, description = "where the job is"))),
        (status = 202, body = wire::Job, description = "not finished in time"),
        (status = 409, body = wire::Problem, content_type = "application/problem+json",
         description = "the key belongs to another submission"),
    ))]
pub(super) async fn submit(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Strict(wait): Strict<Wait>,
    request: Request,
) -> Result<Response, Refusal> {
    let wait = wait.duration()?;
    let key = idempotency_key(request.headers())?;
    if key.is_none() && is_large(&request) {
        // A smaller one is read all the same: its client then has a whole answer on a connection that goes on.
        counted(&api, &caller, look_for_place(&api, &caller))?;
    }
    let body = api.bodies.read(request, admission::BODY_BYTES_MAX).await?;
    // Before the job is kept: who is refused here may ask again without having left anything.
    let place = wait.map(|_| api.room.wait(&caller)).transpose()?;
    let wants = if wait.is_some() { Wants::Id } else { Wants::Place };
    let kept = take(&api, &caller, (body.bytes.clone(), key, wants), body).await?;
    let job = kept.job;
    // The job is kept, whatever becomes of this answer: its client must be able to find it.
    let answer = match (wait, kept.new) {
        (None, None) => jobs::answer(&api, &caller, job, StatusCode::OK).await,
        (None, Some(new)) => jobs::answer_new(&api, &caller, *new, StatusCode::CREATED).await,
        (Some(wait), new) => jobs::answer_at_its_end(&api, &caller, (job, new), wait).await,
    };
    drop(place);
    let answer = answer.map_err(|refusal| refusal.with("job", job.to_string()));
    let location = format!("/v1/jobs/{job}");
    Ok(([(header::LOCATION, location)], answer).into_response())
}

pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut values = headers.get_all(KEY_HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let is_key = |text: &&str| {
        (1..=KEY_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
    };
    match value.to_str().ok().filter(is_key) {
        // Of two keys none is the right one.
        Some(key) if values.next().is_none() => Ok(Some(key.to_owned())),
        _ => {
            let detail = format!("give one Idempotency-Key of 1 to {KEY_CHARS_MAX} ASCII characters without controls");
            Err(error::invalid_value("Idempotency-Key", detail))
        }
    }
}

/// Admits the submission in these bytes, with its key, and makes it durable, as [`keep`] does.
pub(super) async fn take(
    api: &Arc<Api>,
    caller: &Caller,
    submission: (Bytes, Option<String>, Wants),
    body: impl Send + 'static,
) -> Result<Kept, Refusal> {
    let taken = taken(api, caller, submission, body).await;
    counted(api, caller, taken)
}

/// Counts a submission that is refused.
fn counted<T>(api: &Api, caller: &Caller, result: Result<T, Refusal>) -> Result<T, Refusal> {
    result.inspect_err(|refusal| api.metrics.pulse.refused(caller.tenant.as_str(), refusal.code))
}

async fn taken(
    api: &Arc<Api>,
    caller: &Caller,
    (bytes, key, wants): (Bytes, Option<String>, Wants),
    body: impl Send + 'static,
) -> Result<Kept, Refusal> {
    // Of those that a full queue refuses, nothing is looked at; a job that is known by its key needs no place.
    if key.is_none() {
        look_for_place(api, caller)?;
    }
    match admit(api, caller, bytes.clone()).await {
        Ok((admitted, memory)) => keep(api, caller, admitted, (key, wants), (body, memory)).await,
        // What a job of before referred to may have gone since; its answer is the same.
        Err(refusal) if refusal.code == "unknown_blob" => {
            let known = known_before(api, caller, key, bytes).await?;
            known.map(Kept::before).ok_or(refusal)
        }
        Err(refusal) => Err(refusal),
    }
}

/// Memory of what was made of an archive that came as a blob.
type Unpacked = Option<Held>;

/// The job, valid, with its share of the memory beside that of its body.
async fn admit(api: &Arc<Api>, caller: &Caller, bytes: Bytes) -> Result<(Box<Admitted>, Unpacked), Refusal> {
    let is_large = bytes.len() > PARSE_HERE_MAX;
    let parsed = perhaps_elsewhere(is_large, move || Parsed::of(&bytes)).await?;
    // Most bring none: what looks for them is not moved about with those.
    let (brought, memory) = match parsed.blobs() {
        named if named.is_empty() => Default::default(),
        named => Box::pin(bring(api, caller, named.into_iter().collect(), parsed.archive_blob())).await?,
    };
    let catalogue = Arc::clone(&api.catalogue);
    let unpacks = brought.archive.is_some();
    let (owner, asked) = (caller.owner(), parsed.isolation());
    let admitting = move || parsed.admit(&catalogue, &owner, brought);
    let mut admitted = perhaps_elsewhere(is_large || unpacks, move || admitting().map(Box::new)).await?;
    if admitted.spec.dependencies.is_some() && !api.installs {
        return Err(error::dependencies_denied());
    }
    grants::check(&caller.quota, &mut admitted.spec, asked)?;
    grants::callback(api.callbacks.as_ref(), admitted.callback.as_ref())?;
    admitted.priority = Some(grants::priority(&caller.quota, admitted.priority)?);
    admitted.queue_ttl = queue_ttl(&api.scheduling, admitted.queue_ttl)?;
    Ok((admitted, memory))
}

/// What the caller has of these blobs, with the archive among them.
async fn bring(
    api: &Api,
    caller: &Caller,
    named: Vec<Digest>,
    archive: Option<Digest>,
) -> Result<(Brought, Unpacked), Refusal> {
    let (mut brought, mut memory, now) = (Brought::default(), None, UnixTime::now());
    brought.sizes = api.store.blob_sizes(caller.owner(), named, now).await?;
    if let Some(digest) = archive {
        memory = Some(api.bodies.room(caller, UNPACKED_COPIES * INPUT_BYTES_MAX).await?);
        let found = api.store.blob(caller.owner(), digest, now).await?;
        brought.archive = found.map(|(_, file)| Box::new(BufReader::new(file)) as Box<dyn Read + Send>);
    }
    Ok((brought, memory))
}

/// How long the job may wait, where it asks for this or leaves it to others.
fn queue_ttl(scheduling: &Scheduling, asked: Option<Duration>) -> Result<Option<Duration>, Refusal> {
    let maximum = scheduling.queue_ttl_max;
    match asked {
        Some(asked) if asked > maximum => {
            let maximum = render::millis(maximum);
            let detail = format!("jobs may wait for {maximum} milliseconds here");
            Err(Refusal::invalid("queue_ttl_ms", detail).with("maximum", maximum))
        }
        asked => Ok(asked.or(scheduling.queue_ttl)),
    }
}

fn is_large(request: &Request) -> bool {
    request.body().size_hint().upper().is_none_or(|bytes| bytes > PARSE_HERE_MAX as u64)
}

/// Refuses where no job of the caller's would have a place, whatever it is: costs next to nothing, so
/// that who floods a full queue takes nothing from those that are in it.
fn look_for_place(api: &Api, caller: &Caller) -> Result<(), Refusal> {
    let priority = caller.quota.priority_max.unwrap_or(Priority::High);
    let wanted = wanted(caller, priority, 0);
    api.scheduler.look_for_place(&wanted).map_err(|refused| no_place(api, &refused))
}

fn no_place(api: &Api, refused: &Overloaded) -> Refusal {
    api.metrics.refused_by(refused.rule.as_str());
    error::no_place(refused)
}

fn wanted(caller: &Caller, priority: Priority, bytes: u64) -> Wanted {
    Wanted { tenant: caller.tenant.shared(), tenant_max: caller.quota.queued_jobs, bytes, priority }
}

/// Does what takes long off the async threads.
pub(super) fn perhaps_elsewhere<T: Send + 'static>(
    takes_long: bool,
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> impl Future<Output = Result<T, Refusal>> + Send {
    if takes_long {
        let done = tokio::task::spawn_blocking(work);
        Either::Left(done.map(|done| done.unwrap_or_else(|_| Err(error::internal()))))
    } else {
        Either::Right(ready(work()))
    }
}

/// The job that this submission made before under this key.
async fn known_before(
    api: &Arc<Api>,
    caller: &Caller,
    key: Option<String>,
    body: Bytes,
) -> Result<Option<JobId>, Refusal> {
    let Some(key) = key else { return Ok(None) };
    let digest = perhaps_elsewhere(body.len() > PARSE_HERE_MAX, move || Ok(Parsed::of(&body)?.body_digest)).await?;
    match api.store.admitted_before(caller.owner(), Idempotency { key, digest }).await? {
        Some(Admission::Existing(job)) => Ok(Some(job)),
        Some(Admission::Conflict) => Err(error::idempotency_conflict()),
        _ => Ok(None),
    }
}

/// Makes the job durable and has it wait. The store's writer does what follows the commit: a client that leaves in
/// between must not leave a job that the store has and the scheduler does not know. `body` is its share of the memory,
/// which is needed until the input is written.
async fn keep(
    api: &Arc<Api>,
    caller: &Caller,
    admitted: Box<Admitted>,
    (key, wants): (Option<String>, Wants),
    body: impl Send + 'static,
) -> Result<Kept, Refusal> {
    let idempotency = key.map(|key| Idempotency { key, digest: admitted.body_digest });
    let wanted = wanted(caller, admitted.priority.unwrap_or_default(), admitted.size_bytes());
    match place(api, caller, wanted).await {
        Ok(reservation) => {
            let Begun { job, shown, told, writing } =
                begin(api, (admitted, body), idempotency, (reservation, caller.asked), wants);
            writing.await?;
            let (admission, place) = told.heard().await;
            match admission? {
                Admission::New => Ok(Kept::new(job, shown, place)),
                Admission::Existing(job) => Ok(Kept::before(job)),
                Admission::Conflict => Err(error::idempotency_conflict()),
                Admission::UnknownBlob(field) => Err(Refusal::unknown_blob(field)),
            }
        }
        Err(refusal) => Box::pin(known(api, caller, idempotency, refusal)).await,
    }
}

/// A job on its way into the store.
struct Begun<W> {
    job: JobId,
    shown: Shown,
    told: Told,
    writing: W,
}

/// A place in the queue, where the tenant's quotas and the service's bounds have one.
async fn place(api: &Api, caller: &Caller, wanted: Wanted) -> Result<Reservation, Refusal> {
    if let Some(maximum) = caller.quota.cpu_seconds_per_day {
        let now = UnixTime::now();
        let used = api.store.cpu_used(caller.owner(), now).await?;
        if used >= maximum.saturating_mul(1_000_000) {
            let rest = Duration::from_micros(day_ends(now).us_since(now));
            return Err(error::quota_exceeded("cpu_seconds_per_day", maximum, rest));
        }
    }
    api.scheduler.reserve(wanted).map_err(|refused| no_place(api, &refused))
}

/// A full queue refuses new jobs only: a job that is known by its key needs no place.
async fn known(
    api: &Api,
    caller: &Caller,
    idempotency: Option<Idempotency>,
    refusal: Refusal,
) -> Result<Kept, Refusal> {
    let before = match idempotency {
        Some(idempotency) => api.store.admitted_before(caller.owner(), idempotency).await?,
        None => None,
    };
    match before {
        Some(Admission::Existing(job)) => Ok(Kept::before(job)),
        Some(Admission::Conflict) => Err(error::idempotency_conflict()),
        Some(Admission::New | Admission::UnknownBlob(_)) | None => Err(refusal),
    }
}

fn begin(
    api: &Arc<Api>,
    (admitted, body): (Box<Admitted>, impl Send + 'static),
    idempotency: Option<Idempotency>,
    reserved: (Reservation, Asked),
    wants: Wants,
) -> Begun<impl Future<Output = Result<(), StoreError>>> {
    let input_bytes = admitted.size_bytes();
    let Admitted {
        spec, input, cases, blobs, scoring, compile_key, priority, queue_ttl, source, labels, callback, ..
    } = *admitted;
    let callback = callback.map(|target| target.as_str().to_owned());
    let compiles = api.catalogue.by_id(&spec.language).is_some_and(|l| l.compile.is_some());
    let job = JobId::generate();
    let (demand, cases_time) = (Arc::new(Demand::of(&spec, compiles)), queue::cases_time(&spec));
    let created = UnixTime::now();
    let expires = queue_ttl.map(|ttl| created.after(ttl));
    let turn = Turn { priority: priority.unwrap_or_default(), expires, source };
    let submitted = Submitted {
        job,
        demand,
        input_bytes,
        compile_key,
        cases_time,
        priority: turn.priority,
        expires: queue_ttl.map(|ttl| Instant::now() + ttl),
        traits: Traits { source },
        waited: Duration::ZERO,
    };
    let spec = Arc::new(spec);
    // Before the job can be found in the store: an unfinished job always has a live state.
    api.progress.register(job, &spec, scoring.clone());
    let (entering, told) = Entering::new(api, reserved, submitted, wants);
    let cases = cases.into_iter().map(|NamedCase { name, case }| NewCase { name, case }).collect();
    let created = UnixTime::now();
    let erasures = api.store.erasures();
    let shown = Shown { spec: Arc::clone(&spec), labels: labels.clone(), created, turn, erasures };
    let new = NewJob {
        id: job,
        spec,
        input,
        cases,
        blobs,
        scoring,
        compile_key,
        turn,
        labels,
        created,
        idempotency,
        callback,
    };
    let then = move |admission| {
        drop(body);
        entering.enter(admission);
    };
    Begun { job, shown, told, writing: api.store.admit_then(new, then) }
}
