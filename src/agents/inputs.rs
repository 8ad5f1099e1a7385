//! What is too large for a message, for the holder of an attempt: a job's bytes and cases to it,
//! the files that the job left from it.

use axum::Extension;
use axum::body::{HttpBody as _, to_bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use enclos_protocol::glob::KEEP_FILES_BYTES_MAX;
use enclos_protocol::ids::{AttemptId, FencingToken, JobId};
use enclos_protocol::job::JobPath;
use serde::Deserialize;

use super::Link;
use super::members::Member;
use crate::listen::hold;
use crate::store::{FileKept, LeftFile, StoreError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    epoch: u64,
    counter: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CasesFrom {
    epoch: u64,
    counter: u64,
    from: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileAt {
    epoch: u64,
    counter: u64,
    path: JobPath,
}

/// The bytes of a job.
pub(super) async fn fetch(
    State(link): State<Link>,
    Extension(member): Extension<Option<Member>>,
    Path(job): Path<String>,
    Query(Token { epoch, counter }): Query<Token>,
) -> Response {
    let attempt = match current(&link, member, &job, (epoch, counter)).await {
        Ok(attempt) => attempt,
        Err(status) => return status.into_response(),
    };
    let size = link.store.work(attempt.job).await.map(|work| work.map(|work| work.input_bytes));
    answer(&link, attempt, size, link.store.input(attempt.job)).await
}

/// A page of its cases.
pub(super) async fn cases(
    State(link): State<Link>,
    Extension(member): Extension<Option<Member>>,
    Path(job): Path<String>,
    Query(CasesFrom { epoch, counter, from }): Query<CasesFrom>,
) -> Response {
    let attempt = match current(&link, member, &job, (epoch, counter)).await {
        Ok(attempt) => attempt,
        Err(status) => return status.into_response(),
    };
    let size = link.store.case_page_bytes(attempt.job, from).await;
    answer(&link, attempt, size, link.store.case_page(attempt.job, from)).await
}

/// A file that the job left.
pub(super) async fn leave(
    State(link): State<Link>,
    Extension(member): Extension<Option<Member>>,
    Path(job): Path<String>,
    Query(FileAt { epoch, counter, path }): Query<FileAt>,
    request: Request,
) -> Response {
    let attempt = match current(&link, member, &job, (epoch, counter)).await {
        Ok(attempt) => attempt,
        Err(status) => return status.into_response(),
    };
    let length = request.body().size_hint().upper().unwrap_or(u64::MAX);
    let _share = match link.room.take(length.min(KEEP_FILES_BYTES_MAX as u64)).await {
        Ok(share) => share,
        Err(busy) => return busy,
    };
    let Ok(bytes) = to_bytes(request.into_body(), KEEP_FILES_BYTES_MAX).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    match link.store.keep_file(LeftFile { attempt, path, bytes: bytes.into() }).await {
        Ok(FileKept::Kept) => StatusCode::NO_CONTENT.into_response(),
        Ok(FileKept::TooMuch) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Ok(FileKept::Over) => StatusCode::GONE.into_response(),
        Err(error) => failed(attempt, &error),
    }
}

async fn current(
    link: &Link,
    member: Option<Member>,
    job: &str,
    (epoch, counter): (u64, u64),
) -> Result<AttemptId, StatusCode> {
    let job = job.parse::<JobId>().map_err(|_| StatusCode::NOT_FOUND)?;
    let attempt = AttemptId { job, token: FencingToken { epoch, counter } };
    match link.scheduler.is_current(attempt, member.map(|member| member.name)).await {
        Ok(true) => Ok(attempt),
        // The attempt is over, or another agent's: whoever asks is told so on the link, too.
        Ok(false) => Err(StatusCode::GONE),
        Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// What `read` gives, once there is memory for its size.
async fn answer(
    link: &Link,
    attempt: AttemptId,
    size_bytes: Result<Option<u64>, StoreError>,
    read: impl Future<Output = Result<Option<Vec<u8>>, StoreError>>,
) -> Response {
    let size_bytes = match size_bytes {
        Ok(Some(size_bytes)) => size_bytes,
        Ok(None) => return StatusCode::GONE.into_response(),
        Err(error) => return failed(attempt, &error),
    };
    let mut share = match link.room.take(size_bytes).await {
        Ok(share) => share,
        Err(busy) => return busy,
    };
    match read.await {
        Ok(Some(bytes)) => {
            share.shrink(bytes.len());
            let mut response = ([(header::CONTENT_TYPE, "application/cbor")], bytes).into_response();
            hold(&mut response, share);
            response
        }
        Ok(None) => StatusCode::GONE.into_response(),
        Err(error) => failed(attempt, &error),
    }
}

fn failed(attempt: AttemptId, error: &StoreError) -> Response {
    tracing::error!(job = %attempt.job, error = error as &dyn std::error::Error, "the bytes of a job were not had");
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}
