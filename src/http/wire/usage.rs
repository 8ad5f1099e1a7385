//! What tenants use, as the API shows it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// What was used today.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct UsageList {
    /// When the counts of the day begin anew.
    pub day_ends_at: String,
    /// By tenant: your own or, with the scope `operate`, all.
    pub tenants: Vec<TenantUsage>,
}

/// What one tenant uses.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct TenantUsage {
    /// Who.
    pub tenant: String,
    /// Jobs that ended today, by outcome.
    pub jobs_today: BTreeMap<String, u64>,
    /// CPU time of those jobs, in milliseconds.
    pub cpu_ms_today: Measured,
    /// Jobs that wait.
    pub queued_jobs: Measured,
    /// Jobs at agents.
    pub running_jobs: Measured,
    /// Bytes of blobs, those among them that only a job still needs.
    pub blob_bytes: Measured,
    /// Requests that may be made in a second; absent: no bound but the service's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<u64>,
}

/// A use, and its bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Measured {
    /// How much.
    pub used: u64,
    /// Of how much; absent: no bound but the service's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<u64>,
}
