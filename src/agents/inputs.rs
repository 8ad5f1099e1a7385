//! Large inputs: CBOR of the job's bytes, for the holder of the attempt.

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use enclos_protocol::ids::{AttemptId, FencingToken, JobId};
use serde::Deserialize;

use super::Link;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    epoch: u64,
    counter: u64,
}

pub(super) async fn fetch(
    State(link): State<Link>,
    Path(job): Path<String>,
    Query(Token { epoch, counter }): Query<Token>,
) -> Response {
    let Ok(job) = job.parse::<JobId>() else { return StatusCode::NOT_FOUND.into_response() };
    let attempt = AttemptId { job, token: FencingToken { epoch, counter } };
    match link.scheduler.is_current(attempt).await {
        Ok(true) => {}
        // The attempt is over: whoever asks is told so on the link, too.
        Ok(false) => return StatusCode::GONE.into_response(),
        Err(_) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
    match link.store.work(job).await {
        Ok(Some((_, input))) => ([(header::CONTENT_TYPE, "application/cbor")], input).into_response(),
        Ok(None) => StatusCode::GONE.into_response(),
        Err(error) => {
            tracing::error!(%job, error = &error as &dyn std::error::Error, "an input could not be read");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
