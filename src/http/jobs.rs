//! Jobs: shown, awaited, listed, cancelled.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use enclos_protocol::ids::JobId;
use serde::Deserialize;
use tokio::time::timeout;

use super::query::{Named, Nothing, Page, Strict, Wait, job_id};
use super::render::{self, Beside};
use super::submit::New;
use super::{Api, error, wire};
use crate::admission::{self, Refusal};
use crate::gate::Caller;
use crate::progress::{EndWish, Phase, Snapshot};
use crate::scheduler::{Event, Place};
use crate::store::{Erasure, Filter, StoredState};

/// How long a cancellation waits for the end, so that most answers show it.
const CANCEL_WAIT: Duration = Duration::from_secs(1);

/// Show a job, perhaps after its end.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs",
    params(
        ("id" = String, Path),
        ("wait_ms" = Option<u64>, Query, description = "wait up to so long for the end"),
    ),
    responses(
        (status = 200, body = wire::Job),
    ))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<String>,
    Strict(wait): Strict<Wait>,
) -> Result<Response, Refusal> {
    let id = job_id(&id)?;
    if let Some(wait) = wait.duration()? {
        let _place = api.room.wait(&caller)?;
        self::wait(&api, &caller, id, wait).await;
    }
    answer(&api, &caller, id, StatusCode::OK).await
}

/// Waits for a job's end: 200, or 202 where it did not come in time or the service is ending.
pub(super) async fn wait(api: &Api, caller: &Caller, id: JobId, wait: Duration) -> StatusCode {
    let Some(live) = api.progress.find_of(caller.tenant.as_str(), id) else { return StatusCode::OK };
    let ended = api.shutdown.run_until_cancelled(timeout(wait, live.ended())).await;
    if matches!(ended, Some(Ok(()))) { StatusCode::OK } else { StatusCode::ACCEPTED }
}

/// A job that was submitted, as an answer when it has ended, or when that takes too long.
pub(super) async fn answer_at_its_end(
    api: &Api,
    caller: &Caller,
    (id, new): (JobId, Option<Box<New>>),
    wait: Duration,
) -> Result<Response, Refusal> {
    let wish = new.and_then(|new| {
        let live = api.progress.find_of(caller.tenant.as_str(), id)?;
        Some((new, live.wish_for_end()))
    });
    let status = self::wait(api, caller, id, wait).await;
    match wish.and_then(|(new, wish)| answer_as_told(api, caller, (*new, wish), status)) {
        Some(answer) => answer,
        None => answer(api, caller, id, status).await,
    }
}

/// A job's end as it was told, as an answer: it need not be read. `None`: it must be. Without a turn at once it is,
/// so that who waits for one holds nothing; and where anything was erased since the job was made, it may be gone.
/// Nothing is awaited between that look and the answer.
fn answer_as_told(
    api: &Api,
    caller: &Caller,
    (new, wish): (New, EndWish),
    status: StatusCode,
) -> Option<Result<Response, Refusal>> {
    let _turn = api.room.reading_now()?;
    let (end, holder) = wish.take()?;
    if api.store.erasures() != new.erasures {
        return None;
    }
    let (record, detail) = new.ended(Arc::unwrap_or_clone(end), &holder)?;
    let job = render::job(&record, Beside { live: None, place: None, detail: Some(&detail) });
    Some(api.room.json(caller, status, &job))
}

/// The job with its outputs, as an answer.
pub(super) async fn answer(api: &Api, caller: &Caller, id: JobId, status: StatusCode) -> Result<Response, Refusal> {
    let _turn = api.room.reading().await?;
    let job = job(api, caller, id).await?;
    api.room.json(caller, status, &job)
}

/// A job that has just been made, as an answer.
pub(super) async fn answer_new(api: &Api, caller: &Caller, new: New, status: StatusCode) -> Result<Response, Refusal> {
    match of_new(api, &new) {
        Some(job) => api.room.json(caller, status, &job),
        None => answer(api, caller, new.record.id, status).await,
    }
}

/// A job that has just been made; `None`: it has ended meanwhile, and the store has its end.
pub(super) fn of_new(api: &Api, New { record, place, .. }: &New) -> Option<wire::Job> {
    let live = api.progress.find(record.id)?.snapshot();
    let place = place.filter(|_| live.phase == Phase::Queued);
    let beside = Beside { live: Some(&live), place, detail: None };
    (live.phase != Phase::Finished).then(|| render::job(record, beside))
}

pub(super) async fn job(api: &Api, caller: &Caller, id: JobId) -> Result<wire::Job, Refusal> {
    // The live state first: when it is gone, the store has the end.
    let live = api.progress.find_of(caller.tenant.as_str(), id).map(|live| live.snapshot());
    let (record, detail) = api.store.job_in_detail(caller.owner(), id).await?.ok_or_else(error::not_found)?;
    let place = place(api, id, live.as_ref()).await?;
    let beside = Beside { live: live.as_ref(), place, detail: Some(&detail) };
    Ok(render::job(&record, beside))
}

/// The job without its outputs.
pub(super) async fn in_brief(api: &Api, caller: &Caller, id: JobId) -> Result<wire::Job, Refusal> {
    let live = api.progress.find_of(caller.tenant.as_str(), id).map(|live| live.snapshot());
    let record = api.store.job(caller.owner(), id).await?.ok_or_else(error::not_found)?;
    let place = place(api, id, live.as_ref()).await?;
    Ok(render::job(&record, Beside { live: live.as_ref(), place, detail: None }))
}

/// Where a waiting job stands.
pub(super) async fn place(api: &Api, id: JobId, live: Option<&Snapshot>) -> Result<Option<Place>, Refusal> {
    if live.is_none_or(|snapshot| snapshot.phase != Phase::Queued) {
        return Ok(None);
    }
    Ok(api.scheduler.places(vec![id]).await?.pop().flatten())
}

/// Which jobs to list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    state: Option<String>,
    language: Option<String>,
    label: Option<String>,
    cursor: Option<String>,
    limit: Option<String>,
}

impl ListQuery {
    fn filter(self, api: &Api, tenant: String) -> Result<Filter, Refusal> {
        let state = match self.state.as_deref() {
            None => None,
            Some("queued") => Some(StoredState::Queued),
            Some("running") => Some(StoredState::Running),
            Some("finished") => Some(StoredState::Finished),
            Some(_) => return Err(error::invalid_value("state", "a state is queued, running or finished")),
        };
        let language = self.language.map(|name| admission::language(&api.catalogue, &name).map(|l| l.id.clone()));
        let label = self.label.map(|label| match label.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(error::invalid_value("label", "a label is given as key=value")),
        });
        let Page { before, limit } = Page::of(self.cursor, self.limit)?;
        let (language, label) = (language.transpose()?, label.transpose()?);
        Ok(Filter { tenant, state, language, label, before, limit })
    }
}

/// List jobs, newest first, without outputs.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs",
    params(
        ("state" = Option<String>, Query, description = "queued, running or finished; running is listed a moment after it began"),
        ("language" = Option<String>, Query, description = "id or alias"),
        ("label" = Option<String>, Query, description = "key=value"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("limit" = Option<u32>, Query, description = "jobs on the page"),
    ),
    responses(
        (status = 200, body = wire::JobList),
    ))]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Strict(query): Strict<ListQuery>,
) -> Result<Response, Refusal> {
    let filter = query.filter(&api, caller.owner())?;
    let _turn = api.room.reading().await?;
    let listed = api.store.list(filter).await?;
    let ids: Vec<JobId> = listed.jobs.iter().filter(|j| j.state != StoredState::Finished).map(|j| j.id).collect();
    let places = if ids.is_empty() { Vec::new() } else { api.scheduler.places(ids.clone()).await? };
    let places: std::collections::HashMap<JobId, Option<Place>> = ids.into_iter().zip(places).collect();
    let jobs = listed.jobs.iter().map(|record| {
        let live = api.progress.find(record.id).map(|live| live.snapshot());
        let place = places.get(&record.id).copied().flatten();
        render::job(record, Beside { live: live.as_ref(), place, detail: None })
    });
    let page = wire::JobList { jobs: jobs.collect(), next_cursor: listed.next.map(|n| n.to_string()) };
    api.room.json(&caller, StatusCode::OK, &page)
}

/// Cancel a job in any state; again and again if you like.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", tag = "jobs",
    params(("id" = String, Path)),
    request_body = wire::Empty,
    responses(
        (status = 200, body = wire::Job, description = "it has ended"),
        (status = 202, body = wire::Job, description = "its agent was told to end it"),
    ))]
pub(super) async fn cancel(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<String>,
    Strict(Nothing {}): Strict<Nothing>,
    request: Request,
) -> Result<Response, Refusal> {
    let id = job_id(&id)?;
    api.bodies.read_nothing(request).await?;
    let status = end(&api, &caller, id).await?;
    answer(&api, &caller, id, status).await
}

/// Has a job end: 200 where it has, 202 where its end is still to come.
pub(super) async fn end(api: &Api, caller: &Caller, id: JobId) -> Result<StatusCode, Refusal> {
    // Only a job that has not ended has a live state; the others are shown as they are.
    if api.progress.find_of(caller.tenant.as_str(), id).is_some() {
        api.scheduler.tell(Event::Cancel(id)).await?;
    }
    let status = wait(api, caller, id, CANCEL_WAIT).await;
    if status == StatusCode::ACCEPTED {
        // That it will come is a promise, which a crash must not break.
        api.store.cancel_asked(caller.owner(), id).await?;
        // A job that was durable already, and not yet the scheduler's, was not known there before: what follows its
        // commit comes before this answer. If the scheduler has ended, the next start cancels it.
        let _ = api.scheduler.tell(Event::Cancel(id)).await;
    }
    Ok(status)
}

/// Erase a job, whatever its state: it is cancelled if it has not ended, and from here on no answer
/// shows it. Again and again if you like.
#[utoipa::path(delete, path = "/v1/jobs/{id}", tag = "jobs",
    params(("id" = String, Path)),
    responses(
        (status = 204, description = "it is out of sight; its sources, outputs and files go with its end"),
    ))]
pub(super) async fn erase(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<String>,
    Strict(Nothing {}): Strict<Nothing>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let id = job_id(&id)?;
    api.bodies.read_nothing(request).await?;
    match api.store.erase(caller.owner(), id).await? {
        Erasure::Unknown => return Err(error::not_found()),
        Erasure::Done | Erasure::Before => {}
        // The store knows by now: if the scheduler has ended, the next start cancels it.
        Erasure::AtItsEnd => drop(api.scheduler.tell(Event::Cancel(id)).await),
    }
    Ok(StatusCode::NO_CONTENT)
}
