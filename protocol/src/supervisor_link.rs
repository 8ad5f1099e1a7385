//! Agent and supervisor: [`Request`]s in on the container's stdin, [`Report`]s out on its stdout.
//!
//! One job after the other:
//!
//! ```text
//! Ready ─ Setup ─ SetUp ─┬─ BeginJob ─ (PutFile Data*)* ─ (PutStdin Data*)? ─┐
//!                        │      RunStep ─ Output* ─ StepDone   (once or more) │
//!                        └───────────────── JobEnded ─ EndJob ────────────────┘
//! ```
//!
//! `Fault` may come at any time; nothing comes after it. The end of stdin ends
//! the supervisor and with it the sandbox.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::job::{JobPath, Stream};
use crate::limits::{OnOutputLimit, StepLimits};
use crate::outcome::StepFacts;

/// Version of these messages; agent and supervisor are built together, so they must be equal.
pub const SUPERVISOR_VERSION: u16 = 1;

/// Directory of the job inside a cell, and its working directory.
pub const JOB_DIR: &str = "/job";
/// Directory where the container's cgroup hierarchies are mounted for the supervisor: `<this>/<controller>` (v1) or `<this>/unified` (v2).
pub const CGROUP_DIR: &str = "/enclos/cgroup";
/// Directory in which the supervisor keeps the job's input; a tmpfs of its own.
pub const STAGE_DIR: &str = "/stage";
/// User and group id that a program sees as its own.
pub const PROGRAM_UID: u32 = 1000;

/// Which cgroup interface the host has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupVersion {
    /// One hierarchy per controller.
    V1,
    /// One hierarchy for all.
    V2,
}

/// Where cells get their cgroups.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CgroupPlace {
    /// The host's interface.
    pub version: CgroupVersion,
    /// The container's own cgroup, below the mounted hierarchy ([`CGROUP_DIR`]).
    pub path: String,
}

/// What holds for the whole life of a sandbox.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// [`SUPERVISOR_VERSION`] of the agent.
    pub version: u16,
    /// Host user and group id of the programs, unique among live sandboxes.
    pub host_uid: u32,
    /// Where cells get their cgroups.
    pub cgroup: CgroupPlace,
}

/// Where a step finds its working directory's files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workspace {
    /// A copy of the job's files.
    Inputs,
    /// A copy of what the last step with `keep_workspace` left.
    Kept,
}

/// Where a step's standard input comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StdinSource {
    /// It is at its end at once.
    Empty,
    /// What `PutStdin` brought.
    Staged,
}

/// One step to run in a cell of its own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StepRequest {
    /// Program and arguments; the program is looked up in `PATH` of `env`.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Limits, held by the cell's cgroup, rlimits and the supervisor's clock.
    pub limits: StepLimits,
    /// What happens above `output_bytes`.
    pub on_output_limit: OnOutputLimit,
    /// Standard error is standard output.
    pub merge_stderr: bool,
    /// Standard input.
    pub stdin: StdinSource,
    /// Files that the step finds.
    pub workspace: Workspace,
    /// Whether what it leaves is kept for later steps of the job.
    pub keep_workspace: bool,
}

/// From the agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// First, once.
    Setup(Setup),
    /// A job begins: nothing is there of an earlier one.
    BeginJob,
    /// A file of the job begins; `Data` follows.
    PutFile {
        /// Where it will stand.
        path: JobPath,
    },
    /// Standard input of the job begins; `Data` follows.
    PutStdin,
    /// The next bytes of what was begun, at most [`crate::frame::CHUNK_BYTES_MAX`].
    Data(ByteBuf),
    /// Run a step.
    RunStep(Box<StepRequest>),
    /// End the step that runs, if one does; its `StepDone` comes as always.
    CancelStep,
    /// The job is over: remove all of it and look whether the base state is back.
    EndJob,
}

/// From the supervisor.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// It lives and waits for `Setup`.
    Ready {
        /// [`SUPERVISOR_VERSION`] of the supervisor.
        version: u16,
    },
    /// `Setup` was taken and proven: a cell can be made and has its own cgroup.
    SetUp,
    /// What the step wrote, within `report_bytes` of its stream.
    Output {
        /// Which stream.
        stream: Stream,
        /// Its next bytes.
        bytes: ByteBuf,
    },
    /// The step is over, every process of it is gone, and all its output was sent.
    StepDone(Box<StepFacts>),
    /// The job is gone.
    JobEnded {
        /// What was not back at base; the sandbox may serve on only when empty.
        leftovers: Vec<String>,
    },
    /// The supervisor cannot go on; the sandbox must be destroyed.
    Fault {
        /// What failed.
        message: String,
    },
}
