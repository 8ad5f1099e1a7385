//! How urgent a job is; declared where quotas name it.

pub use crate::access::Priority;
