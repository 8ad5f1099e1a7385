//! What the API answers, as types: `/openapi.json` is generated from them.

mod attach;
mod blobs;
mod callbacks;
mod cases;
mod dependencies;
mod fleet;
pub mod keys;
pub mod session;
pub mod stats;
mod turn;
mod usage;

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

pub use attach::{AttachError, AttachFrame, AttachRequest, AttachStdin, StdinStage};
pub use blobs::Blob;
pub use callbacks::{Callback, CallbackPage, CallbackStateName};
pub use cases::{Batch, BatchAnswer, BatchItem, Case, CaseEvent, Group, KeptFile, VerdictName, WaitLine, WaitList};
pub use dependencies::{Dependencies, Package};
pub use fleet::{
    Agent, AgentCapacity, AgentLanguage, AgentList, AgentLoad, AgentStock, Health, LanguageImage, LanguageImageState,
    LanguageLimits, LanguageList, LanguageView, LimitBound, Version,
};
pub use turn::{LevelName, Prediction, PriorityName};
pub use usage::{Measured, TenantUsage, UsageList};

/// An object without members: the body of a request that says all by its path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[schema(max_properties = 0)]
pub struct Empty {}

/// How far a job is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It waits.
    Queued,
    /// An agent has it.
    Running,
    /// It ended.
    Finished,
}

/// What a step or job came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are those of the protocol's Outcome, which explains them")]
pub enum OutcomeName {
    InternalError,
    Cancelled,
    CompileError,
    OutputLimit,
    MemoryLimit,
    TimeLimit,
    FileLimit,
    ProcessLimit,
    RuntimeError,
    Ok,
}

/// Which step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// The image of its language is being made.
    Image,
    /// The installer of its dependencies.
    Install,
    /// The compiler.
    Compile,
    /// The compiler of the checker or interactor.
    JudgeCompile,
    /// The program.
    Run,
    /// The program, for one of its cases.
    Case,
}

/// Which output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StreamName {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Which time limit was passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeLimitName {
    /// CPU time.
    Cpu,
    /// Time on the clock.
    Wall,
}

/// A job.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Job {
    /// UUIDv7.
    pub id: String,
    /// How far it is.
    pub state: JobState,
    /// Id of its language.
    pub language: String,
    /// When it was admitted (RFC 3339).
    pub created_at: String,
    /// When its last attempt was given to an agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
    /// How urgent it is.
    pub priority: PriorityName,
    /// When it is cancelled if it still waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// While it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueuePlace>,
    /// While a step runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<StepName>,
    /// Which case runs, by its place in `cases`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<u32>,
    /// While its image is being made: what is done now, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// When finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeName>,
    /// A sentence, where the outcome alone does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The compile step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compile: Option<Step>,
    /// The compile step of the checker or interactor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge_compile: Option<Step>,
    /// The run; a job with cases has `cases` instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Step>,
    /// Of a job with cases: accepted if all are, else what the first failing one came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictName>,
    /// Cases that were accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed: Option<u32>,
    /// Cases that there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u32>,
    /// The sum over the groups, or without any the mean over all cases (0 to 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Its cases; not in lists and events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cases: Option<Vec<Case>>,
    /// Its groups; not in lists and events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// The files that it gives back, where it was asked for some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<KeptFile>>,
    /// Why not all files that were asked for are given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files_error: Option<String>,
    /// When finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timing: Option<Timing>,
    /// What it is expected to use, where anything like it ended before; what it used is in its steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prediction: Option<Prediction>,
    /// Who has or had it last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Attempts that count.
    pub attempts: u32,
    /// Under which it ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<String>,
    /// Under which it ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reuse: Option<String>,
    /// What became of its dependencies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dependencies: Option<Dependencies>,
    /// The client's marks.
    pub labels: BTreeMap<String, String>,
}

/// A place in the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct QueuePlace {
    /// 1 is next.
    pub position: usize,
    /// When it will start, judged by how fast jobs left lately; absent where nothing left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_start_ms: Option<u64>,
}

/// A step that ended.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Step {
    /// What it came to.
    pub outcome: OutcomeName,
    /// Where it ended by itself (0 to 255).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Where a signal ended it, such as `SIGSEGV`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// Which limit, for `time_limit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<TimeLimitName>,
    /// Standard output, where it is UTF-8; not in lists and events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout: Option<String>,
    /// Standard output, where it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout_base64: Option<String>,
    /// Standard error, where it is UTF-8; not in lists and events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// Standard error, where it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr_base64: Option<String>,
    /// The answer holds less than was written.
    pub truncated: bool,
    /// Bytes written to standard output.
    pub stdout_bytes: u64,
    /// Bytes written to standard error.
    pub stderr_bytes: u64,
    /// CPU time of all its processes, rounded up.
    pub cpu_ms: u64,
    /// Time on the clock, rounded up.
    pub wall_ms: u64,
    /// Most memory in use.
    pub memory_peak_bytes: u64,
    /// `cgroup`: exact; `sampled`: a lower bound.
    pub accounting: String,
    /// The compiler was not run: an earlier job of the same tenant and scope had the same to compile.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
}

/// Where the time of a job went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Timing {
    /// From admission until it was given to an agent.
    pub queued_ms: u64,
    /// On the way to the agent and back.
    pub dispatch_ms: u64,
    /// Until its dependencies were there, where it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub install_ms: Option<u64>,
    /// Until it had its sandbox.
    pub sandbox_ms: u64,
    /// In the compiler.
    pub compile_ms: u64,
    /// In the program.
    pub run_ms: u64,
    /// From admission until its end was recorded.
    pub total_ms: u64,
}

/// A page of jobs, newest first.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct JobList {
    /// Without outputs.
    pub jobs: Vec<Job>,
    /// `cursor` of the next page, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A server-sent event of a job; `data` is JSON of the type that its name says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct ServerEvent {
    /// What `Last-Event-ID` takes to go on after it.
    pub id: String,
    /// `state`: StateEvent, `output`: OutputEvent, `case`: CaseEvent, `finished`: Job without outputs.
    pub event: String,
    /// The JSON.
    pub data: String,
}

/// Data of an event `state`.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct StateEvent {
    /// How far it is.
    pub state: JobState,
    /// Its place in the queue, while it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
    /// Who has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Which step runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<StepName>,
    /// Which case runs, by its place in `cases`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<u32>,
    /// While its image is being made: what is done now, for a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,
    /// Names the attempt: where it differs from the last, its output begins anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
}

/// Data of an event `output`: exactly one of `text` and `bytes_base64` (not UTF-8).
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct OutputEvent {
    /// Whose.
    pub step: StepName,
    /// Of which case, by its place in `cases`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub case: Option<u32>,
    /// Which.
    pub stream: StreamName,
    /// Where it begins in the stream.
    pub offset: u64,
    /// What was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_base64: Option<String>,
}

/// Why a request was refused (RFC 9457); further members depend on `code`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// A URN of the code.
    pub r#type: String,
    /// The code as a sentence.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Stable name of the rule.
    pub code: String,
    /// What is wrong and what to do.
    pub detail: String,
    /// The offending field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}
