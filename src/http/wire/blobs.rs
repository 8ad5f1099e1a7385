//! Blobs as the API shows them.

use serde::Serialize;
use utoipa::ToSchema;

/// Bytes that submissions may refer to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Blob {
    /// SHA-256 of the bytes, as 64 lower-case hexadecimal digits: what submissions call it.
    #[schema(example = "1def07dbe06eeb097aafec8a40329937cd20c93a83634b8221ea2b41a894310c")]
    pub sha256: String,
    /// How many bytes it has.
    #[schema(example = 6)]
    pub size_bytes: u64,
    /// When it goes, unless it is uploaded again; jobs that refer to it keep it until they end.
    #[schema(example = "2026-11-28T12:00:00.000Z")]
    pub expires_at: String,
}
