//! Piston's API, version 2 (of Piston 3.1.1), at `/api/v2/piston`, and at `/api/v2` with `--piston-root`.
//!
//! ```text
//! POST execute ─ request ─ runtimes ─ submission ─ claim ─▶ … job … ─▶ follow ─ order ─ answer
//! GET connect ─ the same, over a WebSocket ─▶ hear (input, signals) · tell (follow ─ script ─ frames)
//! ```
//!
//! `docs/piston.md` says where it differs from Piston, and why. What it says of an error is Piston's
//! `{"message": …}`; how [`reworded`] gets there is the only thing that the rest of the API does for it.

mod answer;
mod connect;
mod execute;
mod files;
mod follow;
mod limits;
mod order;
mod request;
mod runtimes;
mod submission;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::access::Scope;
use crate::admission::Refusal;
use crate::gate::Caller;
use crate::http::Api;
use crate::http::entry::Need;

/// Where a Piston of one's own has its API.
const ROOT: &str = "/api/v2";
/// Where the public instance has it.
const PUBLIC: &str = "/api/v2/piston";
/// What this door speaks.
const SPOKEN: &str = "3.1.1";

/// Whether a path is this door's, be there something or not.
pub(in crate::http) fn has(path: &str) -> bool {
    path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The routes, each with and without a slash at its end.
pub(in crate::http) fn routes(is_root: bool) -> Router<Arc<Api>> {
    let places = if is_root { &[PUBLIC, ROOT][..] } else { &[PUBLIC] };
    let packages = get(runtimes::packages).post(runtimes::no_packages).delete(runtimes::no_packages);
    let each: [(&str, MethodRouter<Arc<Api>>); 5] = [
        ("", get(version)),
        ("/runtimes", get(runtimes::runtimes)),
        ("/packages", packages),
        ("/execute", post(execute::execute)),
        ("/connect", get(connect::connect)),
    ];
    let mut router = Router::new();
    for place in places {
        for (path, handler) in &each {
            let path = format!("{place}{path}");
            router = router.route(&format!("{path}/"), handler.clone()).route(&path, handler.clone());
        }
    }
    router
}

/// What an operation of this door needs, by its path.
pub(in crate::http) fn need(path: &str) -> Need {
    let rest = path.strip_prefix(PUBLIC).or_else(|| path.strip_prefix(ROOT)).unwrap_or(path);
    match rest.trim_end_matches('/') {
        "" => Need::Nothing,
        "/runtimes" | "/packages" => Need::Scope(Scope::Read),
        "/execute" | "/connect" => Need::Scope(Scope::Submit),
        _ => Need::Scope(Scope::Operate),
    }
}

async fn version() -> Json<Value> {
    Json(json!({ "message": format!("Piston v{SPOKEN} (Enclos {})", env!("CARGO_PKG_VERSION")) }))
}

/// Takes a body of any kind from programs, of which some name none, and from a browser JSON alone: a page
/// of another origin can send all else without asking first. A key is nothing that a browser adds by itself.
fn check_kind(headers: &HeaderMap, caller: &Caller) -> Result<(), Refusal> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json = kind
        .and_then(|kind| kind.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    let is_browser = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    if is_json || caller.key.is_some() || !is_browser {
        return Ok(());
    }
    Err(Refusal::new(415, "unsupported_media_type", "requests must be of type application/json"))
}

/// A refusal that Piston would answer in these words.
fn refused(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "invalid_value", message)
}

/// `response`, which says `refusal`, as Piston says it.
pub(in crate::http) fn reworded(refusal: &Refusal, mut response: Response) -> Response {
    let (status, message) = said(refusal);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.body_mut() = Body::from(json!({ "message": message }).to_string());
    response
}

/// Status and message. Clients know 400, 404, 429 and 500, and take others for a fault of the service.
fn said(refusal: &Refusal) -> (u16, String) {
    let status = match (refusal.status, refusal.code) {
        (404 | 405, _) => return (404, "Not Found".to_owned()),
        // Also where a body is too large, as with Piston.
        (409 | 413 | 422, _) => 400,
        // Its public instance answers so to whoever asks too much.
        (503, "overloaded") => 429,
        (status, _) => status,
    };
    let message = match &refusal.field {
        Some(field) => format!("{}: {}", field_of_piston(field), refusal.detail),
        None => refusal.detail.clone(),
    };
    (status, message)
}

/// The field of a submission as a client of Piston knows it.
fn field_of_piston(field: &str) -> String {
    let field = field.strip_prefix("run.").unwrap_or(field);
    field.replace(".path", ".name").replace(".content_base64", ".content")
}
