//! `/v1/blobs`: bytes that are uploaded once and that submissions refer to by their digest.
//!
//! ```text
//! POST: a place? ─ body ─ piece by piece ─▶ file, hashed ─ whole? as announced? ─▶ kept ─▶ 201, or 200 where it was there
//! ```
//!
//! A blob is never in memory as a whole, on its way in or out. What goes out is
//! something to save, as any file that a client or program wrote.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::time::Instant;
use tokio_util::io::ReaderStream;

use super::query::{Named, Nothing, Strict};
use super::room;
use super::share::Shared;
use super::uploads::Places;
use super::{Api, error, files, render, wire};
use crate::admission::Refusal;
use crate::config::BlobBounds;
use crate::gate::Caller;
use crate::listen::Peer;
use crate::store::{Blob, Digest, UnixTime, UploadBounds, UploadError};

/// Downloads at once: each has a file open.
const DOWNLOADS_MAX: usize = 64;
/// Bytes of a blob that are in memory while it goes out.
const PIECE_BYTES: usize = 64 * 1024;
/// When to come back where uploads or downloads are too many.
const RETRY: Duration = Duration::from_secs(2);
/// When to come back where there is no space: blobs end and are swept.
const RETRY_QUOTA: Duration = Duration::from_secs(60);

/// What blobs may take, and what of it is taken.
#[derive(Debug)]
pub struct Blobs {
    bounds: BlobBounds,
    uploads: Arc<Places>,
    downloads: Shared,
}

impl Blobs {
    /// Within `bounds`.
    #[must_use]
    pub fn new(bounds: BlobBounds) -> Self {
        let uploads = Places::new(bounds.uploads_max);
        Self { bounds, uploads, downloads: Shared::new(DOWNLOADS_MAX, DOWNLOADS_MAX / 2) }
    }
}

/// What the body should be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Announced {
    sha256: Option<String>,
}

/// Upload bytes once, for any number of submissions to refer to by their digest.
#[utoipa::path(post, path = "/v1/blobs", operation_id = "upload_blob", tag = "blobs",
    params(("sha256" = Option<String>, Query, description = "what the body's digest should be; another is refused")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses(
        (status = 200, body = wire::Blob, description = "it was there, and is kept for longer"),
        (status = 201, body = wire::Blob, description = "kept",
         headers(("Location" = String, description = "where it is"))),
    ))]
pub(super) async fn upload(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Strict(Announced { sha256 }): Strict<Announced>,
    request: Request,
) -> Result<Response, Refusal> {
    let announced = sha256.map(|text| text.parse::<Digest>()).transpose();
    let announced = announced.map_err(|e| error::invalid_value("sha256", e.to_string()))?;
    let BlobBounds { blob_bytes_max, all_bytes_max, ttl, .. } = api.blobs.bounds;
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > blob_bytes_max) {
        return Err(refused(&api, UploadError::TooLarge));
    }
    let tenant_max = caller.quota.blob_bytes;
    if let (Some(length), Some(maximum)) = (length, tenant_max)
        && length > maximum
    {
        return Err(error::quota_exceeded("blob_bytes", maximum, RETRY_QUOTA));
    }
    // A connection whose other end is gone tells no address; its upload will not come to an end.
    let from = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.network());
    let place = api.blobs.uploads.take(from, Instant::now());
    let place = place.ok_or_else(|| error::unavailable("too many uploads at once", RETRY))?;
    let mut upload = api.store.upload(UploadBounds { blob_bytes_max, all_bytes_max }).await?;
    let (mut pieces, mut pace) = (request.into_body().into_data_stream(), api.bodies.pace());
    let slow = || error::unavailable("others wait for the place of this upload, which is slow", RETRY);
    while let Some(piece) = place.evicted.run_until_cancelled(pace.next(&mut pieces)).await.ok_or_else(slow)?? {
        let piece = piece.map_err(|_| Refusal::new(400, "incomplete_body", "the body broke off"))?;
        place.came(piece.len());
        upload = upload.write(piece).await.map_err(|e| refused(&api, e))?;
    }
    place.is_whole();
    let found = upload.digest();
    if announced.is_some_and(|announced| announced != found) {
        let detail = format!("the body's SHA-256 is {found}");
        return Err(Refusal::new(422, "digest_mismatch", detail).at("sha256").with("sha256", found.to_string()));
    }
    // In a task of its own: a client that leaves must not leave a file that has a row behind.
    let keeping = {
        let (api, owner) = (Arc::clone(&api), caller.owner());
        api.admissions.clone().spawn(async move {
            let kept = api.store.keep_blob(upload, owner, UnixTime::now(), ttl, tenant_max).await;
            drop(place);
            kept
        })
    };
    let kept = keeping.await.map_err(|_| error::internal())?;
    let (blob, is_new) = kept.map_err(|e| match (e, tenant_max) {
        (UploadError::TenantQuota, Some(maximum)) => error::quota_exceeded("blob_bytes", maximum, RETRY_QUOTA),
        (e, _) => refused(&api, e),
    })?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let location = [(header::LOCATION, format!("/v1/blobs/{}", blob.digest))];
    Ok((location, api.room.json(&caller, status, &shown(blob))?).into_response())
}

fn refused(api: &Api, failure: UploadError) -> Refusal {
    let BlobBounds { blob_bytes_max, all_bytes_max, .. } = api.blobs.bounds;
    match failure {
        UploadError::TooLarge => {
            let detail = format!("a blob may have {blob_bytes_max} bytes");
            Refusal::new(413, "too_large", detail).with("maximum", blob_bytes_max)
        }
        UploadError::Quota | UploadError::TenantQuota => {
            api.store.sweep_soon();
            let detail =
                format!("all blobs may have {all_bytes_max} bytes together; delete some, or wait until they expire");
            let mut refusal = Refusal::new(429, "quota_exceeded", detail).with("maximum", all_bytes_max);
            refusal.retry_after = Some(RETRY_QUOTA);
            refusal
        }
        UploadError::Store(failure) => failure.into(),
    }
}

fn shown(blob: Blob) -> wire::Blob {
    let Blob { digest, size_bytes, expires } = blob;
    wire::Blob { sha256: digest.to_string(), size_bytes, expires_at: render::time(expires) }
}

/// What is no digest names no blob.
fn digest(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|_| error::not_found())
}

/// The bytes of a blob.
#[utoipa::path(get, path = "/v1/blobs/{sha256}", operation_id = "blob", tag = "blobs",
    params(("sha256" = String, Path)),
    responses(
        (status = 200, content_type = "application/octet-stream", body = Vec<u8>),
    ))]
pub(super) async fn download(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Named(sha256): Named<String>,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Response, Refusal> {
    let digest = digest(&sha256)?;
    let held = room::place(&api.blobs.downloads, &caller, "too many downloads at once")?;
    let found = api.store.blob(caller.owner(), digest, UnixTime::now()).await?;
    let (blob, file) = found.ok_or_else(error::not_found)?;
    let pieces = ReaderStream::with_capacity(tokio::fs::File::from_std(file).take(blob.size_bytes), PIECE_BYTES);
    let mut response = (files::to_save(&sha256)?, Body::from_stream(pieces)).into_response();
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(blob.size_bytes));
    room::hold(&mut response, held);
    Ok(response)
}

/// Whether there is a blob, and its size.
#[utoipa::path(head, path = "/v1/blobs/{sha256}", operation_id = "find_blob", tag = "blobs",
    params(("sha256" = String, Path)),
    responses(
        (status = 200, headers(("Content-Length" = u64, description = "its size"))),
    ))]
pub(super) async fn head(
    api: State<Arc<Api>>,
    caller: Extension<Caller>,
    path: Named<String>,
    nothing: Strict<Nothing>,
) -> Result<Response, Refusal> {
    Ok(download(api, caller, path, nothing).await?.map(|_| Body::empty()))
}

/// Delete a blob; again and again if you like. Jobs that refer to it keep it until they end.
#[utoipa::path(delete, path = "/v1/blobs/{sha256}", operation_id = "delete_blob", tag = "blobs",
    params(("sha256" = String, Path)),
    responses(
        (status = 204, description = "there is no such blob now"),
    ))]
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Named(sha256): Named<String>,
    Strict(Nothing {}): Strict<Nothing>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let digest = digest(&sha256)?;
    api.bodies.read_nothing(request).await?;
    api.store.delete_blob(caller.owner(), digest).await?;
    Ok(StatusCode::NO_CONTENT)
}
