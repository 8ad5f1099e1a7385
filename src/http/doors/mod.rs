//! Doors: the APIs of others, so that their clients come with a changed address alone.
//!
//! A door translates to the submission that `POST /v1/jobs` takes, and from the job that it became.
//! Nothing behind a door knows of it: keys, scopes, quotas, limits, queue and sandboxes are the same.

mod claim;
pub(super) mod mcp;
pub(super) mod piston;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

use crate::admission::Refusal;

/// Has a door say a refusal in its own words. Outermost, as a request can be refused before a route is found.
pub(super) async fn reword(request: Request, next: Next) -> Response {
    let is_piston = piston::has(request.uri().path());
    let response = next.run(request).await;
    match response.extensions().get::<Refusal>().cloned() {
        Some(refusal) if is_piston => piston::reworded(&refusal, response),
        _ => response,
    }
}
