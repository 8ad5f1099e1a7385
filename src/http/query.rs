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

/// Which page of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Page {
    /// What stands before this; `None`: the first.
    pub(super) before: Option<i64>,
    /// At most so many.
    pub(super) limit: u32,
}

/// Items on one page.
const PAGE_DEFAULT: u32 = 50;
/// Most items on one page.
pub(super) const PAGE_MAX: u32 = 200;

impl Page {
    /// The page that the parameters `cursor` and `limit` ask for.
    pub(super) fn of(cursor: Option<String>, limit: Option<String>) -> Result<Self, Refusal> {
        let before = cursor.map(|cursor| i64::try_from(whole(&cursor)?).ok().filter(|n| *n > 0));
        let before = match before {
            Some(None) => return Err(error::invalid_value("cursor", "a cursor is the 'next_cursor' of another page")),
            Some(before) => before,
            None => None,
        };
        let limit = match limit.map(|limit| whole(&limit).and_then(|n| u32::try_from(n).ok())) {
            None => PAGE_DEFAULT,
            Some(Some(limit @ 1..=PAGE_MAX)) => limit,
            Some(_) => {
                let detail = format!("a page has 1 to {PAGE_MAX} items");
                return Err(error::invalid_value("limit", detail).with("maximum", PAGE_MAX));
            }
        };
        Ok(Self { before, limit })
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
