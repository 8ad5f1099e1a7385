//! When a job gets its turn, and what it was expected to use.

use serde::Serialize;
use utoipa::ToSchema;

/// How urgent a job is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PriorityName {
    /// When nothing else waits.
    Low,
    /// As most jobs.
    Normal,
    /// Before the others.
    High,
}

/// What an estimate comes from; a later one is nearer to the job.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LevelName {
    /// Jobs of any tenant in the language.
    Language,
    /// Jobs of the tenant in the language.
    Tenant,
    /// Jobs of the tenant with the same program.
    Source,
}

/// What a job is expected to use, or was when it began: half of the jobs like it use at most this.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Prediction {
    /// CPU time of all its steps.
    pub cpu_ms: u64,
    /// Time on the clock of all its steps.
    pub wall_ms: u64,
    /// Most memory of any of its steps.
    pub memory_bytes: u64,
    /// What it comes from.
    pub level: LevelName,
    /// Jobs at that level that ended before.
    pub observations: u64,
}
