//! What is too large for a message, for the holder of an attempt: a job's bytes and cases to it,
//! the files that the job left from it.

use std::time::Duration;

use axum::Extension;
use axum::body::{HttpBody as _, to_bytes};
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use enclos_protocol::glob::KEEP_FILES_BYTES_MAX;
use enclos_protocol::ids::{AttemptId, FencingToken, JobId};
use enclos_protocol::job::JobPath;
use serde::Deserialize;
use tokio::time::timeout;

use super::Link;
use super::members::{Member, membership_ends, refused};
use crate::listen::hold;
use crate::store::{FileKept, LeftFile, StoreError};

/// What a file may take beyond the time that its bytes need at [`BODY_BYTES_PER_SECOND_MIN`].
const BODY_GRACE: Duration = Duration::from_secs(15);
/// Slowest that a file may come.
const BODY_BYTES_PER_SECOND_MIN: u64 = 64 * 1024;

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
    let attempt = match current(&link, member.as_ref(), &job, (epoch, counter)).await {
        Ok(attempt) => attempt,
        Err(status) => return status.into_response(),
    };
    let size = link.store.work(attempt.job).await.map(|work| work.map(|work| work.input_bytes));
    answer(&link, (attempt, member), size, link.store.input(attempt.job)).await
}

/// A page of its cases.
pub(super) async fn cases(
    State(link): State<Link>,
    Extension(member): Extension<Option<Member>>,
    Path(job): Path<String>,
    Query(CasesFrom { epoch, counter, from }): Query<CasesFrom>,
) -> Response {
    let attempt = match current(&link, member.as_ref(), &job, (epoch, counter)).await {
        Ok(attempt) => attempt,
        Err(status) => return status.into_response(),
    };
    let size = link.store.case_page_bytes(attempt.job, from).await;
    answer(&link, (attempt, member), size, link.store.case_page(attempt.job, from)).await
}

/// A file that the job left.
pub(super) async fn leave(
    State(link): State<Link>,
    Extension(member): Extension<Option<Member>>,
    Path(job): Path<String>,
    Query(FileAt { epoch, counter, path }): Query<FileAt>,
    request: Request,
) -> Response {
    let attempt = match current(&link, member.as_ref(), &job, (epoch, counter)).await {
        Ok(attempt) => attempt,
        Err(status) => return status.into_response(),
    };
    let length = request.body().size_hint().upper().unwrap_or(u64::MAX).min(KEEP_FILES_BYTES_MAX as u64);
    let _share = match link.room.take(member.as_ref().map(|member| &member.name), length).await {
        Ok(share) => share,
        Err(busy) => return busy,
    };
    let body = timeout(body_wait(length), to_bytes(request.into_body(), KEEP_FILES_BYTES_MAX));
    // Whichever is first: neither leaves anything half done.
    let bytes = tokio::select! {
        body = body => match body {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(_)) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
            Err(_) => return StatusCode::REQUEST_TIMEOUT.into_response(),
        },
        ended = membership_ends(&link.entry, member.as_ref()) => return refused(&link, &ended),
    };
    match link.store.keep_file(LeftFile { attempt, path, bytes: bytes.into() }).await {
        Ok(FileKept::Kept) => StatusCode::NO_CONTENT.into_response(),
        Ok(FileKept::TooMuch) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Ok(FileKept::Over) => StatusCode::GONE.into_response(),
        Err(error) => failed(attempt, &error),
    }
}

/// Longest that a file of `bytes` may take to come: while it does, it holds memory that others wait for.
fn body_wait(bytes: u64) -> Duration {
    BODY_GRACE + Duration::from_secs(bytes / BODY_BYTES_PER_SECOND_MIN)
}

async fn current(
    link: &Link,
    member: Option<&Member>,
    job: &str,
    (epoch, counter): (u64, u64),
) -> Result<AttemptId, StatusCode> {
    let job = job.parse::<JobId>().map_err(|_| StatusCode::NOT_FOUND)?;
    let attempt = AttemptId { job, token: FencingToken { epoch, counter } };
    match link.scheduler.is_current(attempt, member.map(|member| member.name.clone())).await {
        Ok(true) => Ok(attempt),
        // The attempt is over, or another agent's: whoever asks is told so on the link, too.
        Ok(false) => Err(StatusCode::GONE),
        Err(_) => Err(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// What `read` gives, once there is memory for its size.
async fn answer(
    link: &Link,
    (attempt, member): (AttemptId, Option<Member>),
    size_bytes: Result<Option<u64>, StoreError>,
    read: impl Future<Output = Result<Option<Vec<u8>>, StoreError>>,
) -> Response {
    let size_bytes = match size_bytes {
        Ok(Some(size_bytes)) => size_bytes,
        Ok(None) => return StatusCode::GONE.into_response(),
        Err(error) => return failed(attempt, &error),
    };
    let mut share = match link.room.take(member.as_ref().map(|member| &member.name), size_bytes).await {
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
