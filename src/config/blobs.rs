//! What blobs may take: bytes uploaded once that jobs refer to.

use std::time::Duration;

/// Flags of blobs.
#[derive(Clone, Debug, clap::Args)]
pub struct BlobArgs {
    /// Bytes of one blob
    #[arg(long, env = "ENCLOS_BLOB_BYTES_MAX", default_value_t = 32 << 20, value_name = "BYTES",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub blob_bytes_max: u64,
    /// Bytes of all blobs together; each takes at least 4 KiB of it
    #[arg(long, env = "ENCLOS_BLOBS_BYTES_MAX", default_value_t = 4 << 30, value_name = "BYTES",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub blobs_bytes_max: u64,
    /// Seconds that a blob is kept after it was last uploaded; jobs that refer to it keep it until they end
    #[arg(long, env = "ENCLOS_BLOB_TTL", default_value_t = 24 * 3600, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=365 * 24 * 3600))]
    pub blob_ttl: u32,
    /// Uploads at once
    #[arg(long, env = "ENCLOS_BLOB_UPLOADS_MAX", default_value_t = 16, value_name = "N",
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub blob_uploads_max: u16,
}

/// What blobs may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlobBounds {
    /// Bytes of one.
    pub blob_bytes_max: u64,
    /// Bytes of all.
    pub all_bytes_max: u64,
    /// How long one is kept.
    pub ttl: Duration,
    /// Uploads at once.
    pub uploads_max: usize,
}

impl From<&BlobArgs> for BlobBounds {
    fn from(args: &BlobArgs) -> Self {
        let BlobArgs { blob_bytes_max, blobs_bytes_max, blob_ttl, blob_uploads_max } = *args;
        Self {
            blob_bytes_max,
            all_bytes_max: blobs_bytes_max,
            ttl: Duration::from_secs(blob_ttl.into()),
            uploads_max: blob_uploads_max.into(),
        }
    }
}
