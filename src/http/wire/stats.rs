//! How it goes: what waits, how fast, how long, and by whom it is done.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{AgentCapacity, AgentLoad, PriorityName};

/// How it goes: of all with the scope `operate`, else of your tenant.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Stats {
    /// When it was so.
    pub at: String,
    /// Jobs that wait.
    pub queued: usize,
    /// Jobs at agents.
    pub running: usize,
    /// Jobs that ended, ever; of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished: Option<u64>,
    /// Agents that are connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agents: Option<usize>,
    /// Agents whose connection is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agents_suspect: Option<usize>,
    /// What waits, the longest first; all that has no row of its own is the last, without names.
    pub queue: Vec<QueueRow>,
    /// In the last ten seconds.
    pub rates: StatsRates,
    /// From admission to an agent, in the last minute.
    pub waits: StatsQuantiles,
    /// From an agent to the end, in the last minute.
    pub runs: StatsQuantiles,
    /// Jobs that ended in the last hour, by outcome.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Submissions that were refused in the last hour, by code.
    pub refusals: BTreeMap<&'static str, u64>,
    /// What changes of the agents; the rest is at `/v1/agents`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agents_detail: Option<Vec<LiveAgent>>,
}

/// Jobs of one tenant, language and class that wait.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct QueueRow {
    /// Whose; absent: the rest.
    pub tenant: Option<String>,
    /// Id of the language; absent: the rest.
    pub language: Option<String>,
    /// Their class; absent: the rest.
    pub priority: Option<PriorityName>,
    /// How many.
    pub count: usize,
    /// How long ago the oldest of them came, in steps of 100.
    pub oldest_ms: u64,
}

/// In a second.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, ToSchema)]
pub struct StatsRates {
    /// Jobs that came.
    pub accepted_per_s: f64,
    /// Jobs that ended.
    pub ended_per_s: f64,
    /// Submissions that were refused.
    pub refused_per_s: f64,
}

/// Of durations, as near as an eighth; absent: there were none.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, ToSchema)]
pub struct StatsQuantiles {
    /// Half take no longer.
    pub p50_ms: Option<f64>,
    /// All but one of a hundred take no longer.
    pub p99_ms: Option<f64>,
}

/// What changes of an agent.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct LiveAgent {
    /// Its name.
    pub name: String,
    /// `connected`, `suspect` or `draining`.
    pub state: String,
    /// The master's own.
    pub embedded: bool,
    /// Of its sandboxes.
    pub isolation: String,
    /// The weakest that its operator allows.
    pub reuse: String,
    /// Version of its build.
    pub build: String,
    /// What it offers.
    pub capacity: AgentCapacity,
    /// How busy it is.
    pub load: AgentLoad,
    /// Jobs that it holds.
    pub running: u32,
    /// Sandboxes that live.
    pub sandboxes: u32,
    /// Sandboxes that wait for a job.
    pub warm: u32,
    /// Languages that can start at once.
    pub languages_ready: usize,
    /// Languages of which sandboxes wait, or whose image is being made or could not be.
    pub languages: Vec<LiveLanguage>,
    /// Jobs that left something in their sandbox.
    pub unclean_jobs: u64,
    /// What the jobs placed on it may use together.
    pub memory_promised_bytes: u64,
    /// How long ago it last spoke, in steps of 1000.
    pub last_seen_ms: u64,
}

/// What changes of a language of an agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct LiveLanguage {
    /// Its id.
    pub id: String,
    /// `preparing`, `ready` or `failed`.
    pub image: String,
    /// Sandboxes that wait for a job.
    pub warm: u32,
    /// While preparing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// When failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The last hour, by steps; `null` where nothing is known. The newest is the last.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct StatsHistory {
    /// `hour`.
    pub of: &'static str,
    /// Length of a step.
    pub step_ms: u64,
    /// When the last step ended.
    pub ends: String,
    /// Jobs that waited at its end.
    pub queued: Vec<Option<u32>>,
    /// Jobs at agents.
    pub running: Vec<Option<u32>>,
    /// Jobs that all agents take at once; of all.
    pub capacity: Vec<Option<u32>>,
    /// Agents that were connected; of all.
    pub agents: Vec<Option<u32>>,
    /// Jobs that came in it.
    pub accepted: Vec<Option<u32>>,
    /// Jobs that ended in it.
    pub ended: Vec<Option<u32>>,
    /// Submissions that were refused in it.
    pub refused: Vec<Option<u32>>,
    /// Half of the jobs that went to an agent had waited no longer.
    pub wait_p50_ms: Vec<Option<f64>>,
    /// All but one of a hundred had waited no longer.
    pub wait_p99_ms: Vec<Option<f64>>,
}

/// A sign of life where nothing changes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct AliveEvent {
    /// When it was made.
    pub at: String,
}
