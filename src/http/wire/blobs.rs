//! Blobs as the API shows them.

use serde::Serialize;
use utoipa::ToSchema;

/// Bytes that submissions may refer to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Blob {
    /// SHA-256 of the bytes, as 64 lower-case hexadecimal digits: what submissions call it.
    #[schema(example = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    pub sha256: String,
    /// How many bytes it has.
    pub size_bytes: u64,
    /// When it goes, unless it is uploaded again; jobs that refer to it keep it until they end.
    #[schema(example = "2026-11-28T12:00:00.000Z")]
    pub expires_at: String,
}
