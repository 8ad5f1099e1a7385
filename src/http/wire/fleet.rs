//! Languages, agents, counts: the part of the wire that is not a job's.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// The languages.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct LanguageList {
    /// By id.
    pub languages: Vec<LanguageView>,
}

/// A language.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct LanguageView {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Other ids.
    pub aliases: Vec<String>,
    /// Extensions of its files.
    pub extensions: Vec<String>,
    /// File name of a submission that names none.
    pub entry: String,
    /// What its toolchain says; empty until an agent has its image.
    pub version: String,
    /// Bounds of what may be asked for.
    pub limits: LanguageLimits,
    /// Its image.
    pub image: LanguageImage,
    /// Name of its installer, where jobs may have dependencies: the key in a submission's `dependencies`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub installer: Option<String>,
}

/// Bounds of limits.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct LanguageLimits {
    /// Of the compile step, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compile: Option<BTreeMap<&'static str, LimitBound>>,
    /// Of the run.
    pub run: BTreeMap<&'static str, LimitBound>,
}

/// Bounds of one limit.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct LimitBound {
    /// Where a submission says nothing.
    #[schema(value_type = f64)]
    pub default: serde_json::Number,
    /// Smallest.
    #[schema(value_type = f64)]
    pub min: serde_json::Number,
    /// Largest.
    #[schema(value_type = f64)]
    pub max: serde_json::Number,
}

/// Whether a language can start at once.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct LanguageImage {
    /// Its name.
    pub name: String,
    /// How far the agent is that is farthest with it.
    pub state: LanguageImageState,
    /// What is done for it now, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// Why it could not be made; it is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Some agent has it.
    pub ready: bool,
    /// How many agents have it.
    pub agents: usize,
}

/// How far an image is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LanguageImageState {
    /// It is made when a job first needs it.
    Absent,
    /// It is being made.
    Building,
    /// Jobs can start.
    Ready,
    /// It could not be made.
    Failed,
}

/// The agents.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AgentList {
    /// By name.
    pub agents: Vec<Agent>,
}

/// An agent.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Agent {
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
    /// Sandboxes destroyed since the agent's process started, by reason.
    pub sandboxes_closed: BTreeMap<&'static str, u64>,
    /// Jobs that left something in their sandbox, since then. More than none needs a look at the agent's log.
    pub unclean_jobs: u64,
    /// It installs dependencies of jobs.
    pub installs: bool,
    /// Images with installed packages that it keeps.
    pub derived_images: u32,
    /// What those take beside their bases.
    pub derived_bytes: u64,
    /// What the jobs placed on it may use together.
    pub memory_promised_bytes: u64,
    /// Its languages.
    pub languages: Vec<AgentLanguage>,
    /// What it keeps ready, by image.
    pub stock: Vec<AgentStock>,
    /// How long ago it last spoke.
    pub last_seen_ms: u64,
}

/// What an agent offers.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, ToSchema)]
pub struct AgentCapacity {
    /// Cores.
    pub cpus: f64,
    /// Memory.
    pub memory_bytes: u64,
    /// Processes.
    pub pids: u64,
    /// Jobs at once.
    pub slots: u64,
}

/// How busy an agent is, 0 to 1.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, ToSchema)]
pub struct AgentLoad {
    /// Its processors.
    pub cpu_busy: f64,
    /// Its memory.
    pub memory_busy: f64,
}

/// A language of an agent.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AgentLanguage {
    /// Its id.
    pub id: String,
    /// What its toolchain says.
    pub version: String,
    /// `absent`, `preparing`, `ready` or `failed`.
    pub image: String,
    /// While preparing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// When failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Sandboxes that wait for a job.
    pub warm: u32,
}

/// What an agent keeps ready of an image.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct AgentStock {
    /// Its name.
    pub image: String,
    /// Sandboxes that wait for a tenant's first job.
    pub warm: u32,
    /// As many as there should be: what `--warm` says, or demand where that is more.
    pub wanted: u32,
    /// Jobs that found no sandbox of their own tenant and scope, as of late.
    pub fresh_per_minute: f64,
}

/// All is well.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: &'static str,
}

/// This build.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Version {
    /// Of the build.
    pub version: &'static str,
    /// Of the API.
    pub api: &'static str,
}
