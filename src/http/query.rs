//! Query parameters and path elements, parsed strictly.

use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use enclos_protocol::ids::JobId;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error;
use crate::admission::Refusal;

/// Longest long-poll, in milliseconds.
pub const WAIT_MS_MAX: u64 = 60_000;

/// The query as a `T` that denies unknown fields.
pub struct Strict<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Strict<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        axum::extract::Query::try_from_uri(&parts.uri).map(|axum::extract::Query(value)| Self(value)).map_err(
            |rejection| {
                let cause =
                    std::error::Error::source(&rejection).map_or_else(|| rejection.to_string(), ToString::to_string);
                match cause.split("unknown field `").nth(1).and_then(|rest| rest.split('`').next()) {
                    Some(name) => error::unknown_field(name.chars().take(64).collect::<String>()),
                    None => {
                        let detail: String = cause.chars().filter(|c| !c.is_control()).take(200).collect();
                        error::invalid_value("query", detail)
                    }
                }
            },
        )
    }
}

/// What stands in the path. What is not UTF-8 is the name of nothing.
pub struct Named<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(|axum::extract::Path(value)| Self(value)).map_err(|_| error::not_found())
    }
}

/// No parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// How long to wait for the end.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    wait_ms: Option<String>,
}

impl Wait {
    /// The time to wait, if any was asked for.
    pub(super) fn duration(&self) -> Result<Option<Duration>, Refusal> {
        let Some(text) = &self.wait_ms else { return Ok(None) };
        match whole(text) {
            Some(ms @ 0..=WAIT_MS_MAX) => Ok(Some(Duration::from_millis(ms))),
            _ => {
                let detail = format!("wait_ms is a whole number of milliseconds from 0 to {WAIT_MS_MAX}");
                Err(error::invalid_value("wait_ms", detail).with("maximum", WAIT_MS_MAX))
            }
        }
    }
}

/// A number as it is written in one way only: decimal, without sign and leading zeros.
pub(super) fn whole(text: &str) -> Option<u64> {
    let number = text.parse::<u64>().ok()?;
    (number.to_string() == text).then_some(number)
}

/// A job id in a path; what is none is unknown.
pub(super) fn job_id(text: &str) -> Result<JobId, Refusal> {
    text.parse().map_err(|_| error::not_found())
}
