//! `GET /v1/jobs/{id}/files/{path}`: a file that a job gives back.
//!
//! A program wrote it, and it comes from the origin of our own pages: it is
//! always something to save, never something that a browser shows or runs.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use super::query::{Named, Nothing, Strict, job_id};
use super::{Api, error, room};
use crate::admission::Refusal;
use crate::gate::Caller;

/// A file that a job gives back.
#[utoipa::path(get, path = "/v1/jobs/{id}/files/{path}", tag = "jobs",
    params(("id" = String, Path), ("path" = String, Path, description = "as `files` of the job names it")),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>),
    ))]
pub(super) async fn file(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Named((id, path)): Named<(String, String)>,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Response, Refusal> {
    let id = job_id(&id)?;
    let _turn = api.room.reading().await?;
    let bytes = api.store.file(caller.owner(), id, path.clone()).await?.ok_or_else(error::not_found)?;
    let held = api.room.answer(&caller, bytes.len())?;
    let mut response = (to_save(&path)?, bytes).into_response();
    if let Some(held) = held {
        room::hold(&mut response, held);
    }
    Ok(response)
}

/// Headers of bytes that are to be saved under the last name of `path`, and nothing else.
pub(super) fn to_save(path: &str) -> Result<[(HeaderName, HeaderValue); 5], Refusal> {
    let saved_as = HeaderValue::try_from(disposition(path)).map_err(|_| error::internal())?;
    Ok([
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_DISPOSITION, saved_as),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
    ])
}

/// The file's name as RFC 6266 and 8187 write it, whatever characters it has.
fn disposition(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    let mut text = "attachment; filename*=UTF-8''".to_owned();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_never_leaves_its_header() {
        assert_eq!(disposition("out/a b\"\r\nx: y.txt"), "attachment; filename*=UTF-8''a%20b%22%0D%0Ax%3A%20y.txt");
        assert_eq!(disposition("żółć"), "attachment; filename*=UTF-8''%C5%BC%C3%B3%C5%82%C4%87");
    }
}
