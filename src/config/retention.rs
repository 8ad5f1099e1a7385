//! How long jobs that have ended are kept, and how much room they may take.

use std::time::Duration;

/// Flags of retention.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct RetentionArgs {
    /// Days that a job is kept after its end, with its output, files and idempotency key
    #[arg(long, env = "ENCLOS_KEEP_JOBS_DAYS", default_value_t = 30, value_name = "DAYS",
          value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub keep_jobs_days: u32,
    /// Bytes that the database may hold; beyond, the jobs that ended first go before their time, never one that has not ended
    #[arg(long, env = "ENCLOS_KEEP_JOBS_BYTES", default_value_t = 16 << 30, value_name = "BYTES",
          value_parser = clap::value_parser!(u64).range(1 << 20..))]
    pub keep_jobs_bytes: u64,
}

/// What is kept of jobs that have ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// How long after its end a job is kept.
    pub age: Duration,
    /// Bytes that the database may hold, jobs that have not ended among them.
    pub bytes_max: u64,
}

impl From<&RetentionArgs> for Retention {
    fn from(args: &RetentionArgs) -> Self {
        let RetentionArgs { keep_jobs_days, keep_jobs_bytes } = *args;
        Self { age: Duration::from_secs(u64::from(keep_jobs_days) * 24 * 3600), bytes_max: keep_jobs_bytes }
    }
}
