//! Agent and supervisor: [`Request`]s in on the container's stdin, [`Report`]s out on its stdout; after `SetUp` in both
//! directions on a socket, where the supervisor could connect to one ([`WIRE_PATH`]).
//!
//! One job after the other:
//!
//! ```text
//! Ready ─ Setup ─ SetUp ─┬─ (StartForerunner │ EndForerunner)* ───────────────────────┐
//!                        ├─ BeginJob ─ (PutFile Data*)* ──────────────────────────────┤
//!                        │      ┌ (PutStdin Data*)? (PutTree Data* HoldTree?)? (PutExtra Data*)* │
//!                        │      ├ RunStep ─ Output* ─ HandedOver? ─ StepDone           │
//!                        │      ├ RunPair ─ Output* ─ PairDone                         │
//!                        │      └ TakeTree ─ Tree* ─ TreeDone     (any, as often as wanted)
//!                        └───────────────── JobEnded ─ EndJob ─────────────────────────┘
//! ```
//!
//! `EndJob` may be asked for while a step runs: then the job ends with it, and nothing else of it may be asked for.
//!
//! A forerunner ([`crate::forerunner`]) is used once: by the first step of the next job where it fits that, which
//! `HandedOver` says before its `StepDone`; otherwise it ends unused.
//!
//! While a step with live standard input runs, `Stdin` and `Signal` may be asked for, and `StdinTaken` says from its
//! start on how much of it the program's pipe took; at most a window beyond that may be on its way.
//!
//! `NoCell` may come instead of `SetUp`, and `Fault` at any time; nothing comes after them. The end of what it
//! hears the agent on ends the supervisor and with it the sandbox.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::forerunner::Forerunner;
use crate::glob::Glob;
use crate::job::{JobPath, Stream};
use crate::limits::{OnOutputLimit, StepLimits};
use crate::live::Signal;
use crate::outcome::StepFacts;

/// Version of these messages; agent and supervisor are built together, so they must be equal.
pub const SUPERVISOR_VERSION: u16 = 4;

/// Directory of the job inside a cell, and its working directory.
pub const JOB_DIR: &str = "/job";
/// Directory where the container's cgroup hierarchies are mounted for the supervisor: `<this>/<controller>` (v1) or `<this>/unified` (v2).
pub const CGROUP_DIR: &str = "/enclos/cgroup";
/// Where the agent's socket stands in a sandbox that has one. It takes one connection, before any program runs there.
pub const WIRE_PATH: &str = "/enclos/wire";
/// Where the supervisor stands in a sandbox; the image layer that puts it there is ours.
pub const SUPERVISOR_PATH: &str = "/enclos/supervisor";
/// What a job may bring in all (files and standard input), in bytes; the supervisor holds it in memory.
pub const INPUT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a compile step may leave for the run in all, in bytes; held in memory too.
pub const KEPT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Largest tree that stays in a sandbox from one job to the next, in bytes; each idle one may hold that much.
pub const HELD_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Output that waits in the supervisor for the agent above which a step that is passed on whole is
/// made to wait, in bytes.
pub const OUTPUT_WAITING_BYTES_MAX: usize = 1024 * 1024;
/// Memory of a sandbox beyond its largest cell, in bytes: the supervisor, a job's input, a case's
/// input and answer, what compile steps left, and output on its way to the agent.
pub const SANDBOX_HEADROOM_BYTES: u64 = 192 * 1024 * 1024;
/// Processes of a sandbox beyond its largest cell: the supervisor, and the first processes of the cell and of
/// the one that waits.
pub const SANDBOX_HEADROOM_PIDS: u32 = 8;
/// User and group id that a program sees as its own.
pub const PROGRAM_UID: u32 = 1000;

/// Paths of `/proc` that no program reads or lists: they tell of the host (how it was booted, its
/// devices and disks, where its kernel lies) and of its other users' keys and timers. A kernel has
/// some of them.
pub const MASKED_PATHS: [&str; 24] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/bus",
    "/proc/cmdline",
    "/proc/diskstats",
    "/proc/driver",
    "/proc/fs",
    "/proc/interrupts",
    "/proc/iomem",
    "/proc/ioports",
    "/proc/irq",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/key-users",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/modules",
    "/proc/partitions",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/slabinfo",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/timer_stats",
];

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

/// How much a cell is apart from its sandbox.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellKind {
    /// In user, pid, mount, ipc, net and uts namespaces of its own.
    Namespaced,
    /// In the sandbox's own namespaces, as another user. Nothing then stands between two jobs, so
    /// such a sandbox serves one job. For hosts that allow no user namespaces, and for gVisor.
    Plain,
}

/// What holds for the whole life of a sandbox.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// [`SUPERVISOR_VERSION`] of the agent.
    pub version: u16,
    /// User and group id of the programs as the sandbox's container knows them, unique among live
    /// sandboxes. In namespaced cells they see themselves as [`PROGRAM_UID`].
    pub host_uid: u32,
    /// The same for an interactor, which runs beside a program that must not reach it.
    pub judge_uid: u32,
    /// How cells are made.
    pub cells: CellKind,
    /// Where cells get their cgroups; `None`: they have none, and accounting is sampled.
    pub cgroup: Option<CgroupPlace>,
    /// Where they have none: the container's own, of which its CPU time alone can be read.
    pub container_cpu: Option<CgroupPlace>,
    /// Cores that the cell of the proof is pinned to, as in [`Request::BeginJob`].
    pub cpus: Option<String>,
    /// The agent listens at [`WIRE_PATH`].
    pub wire: bool,
}

/// What the supervisor finds of its own container; the agent holds it against the profile.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SandboxFacts {
    /// Bounding capability set (`CapBnd`, a bit each, capabilities(7)).
    pub capabilities: u64,
    /// `no_new_privs` is set.
    pub no_new_privileges: bool,
    /// Seccomp mode (`Seccomp` in proc(5)): 2 is a filter.
    pub seccomp_mode: u8,
    /// The root file system takes no writes.
    pub root_read_only: bool,
    /// A pseudo terminal can be had, of which there is one allowance for the whole host.
    pub pseudo_terminals: bool,
    /// Network interfaces, by name.
    pub interfaces: Vec<String>,
    /// Memory limit read from the container's own cgroup, in bytes; `None` without cgroups.
    pub memory_limit_bytes: Option<u64>,
    /// Process limit read from the container's own cgroup; `None` without cgroups.
    pub pids_limit: Option<u64>,
    /// It is connected to [`WIRE_PATH`], and all that follows is said there.
    pub wire: bool,
}

/// A tree of files that the supervisor holds for a job.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tree {
    /// What the last step with [`Keep::Workspace`] left, or the agent brought in its place.
    Kept,
    /// Of the interactor; only the agent brings it.
    Judge,
    /// What the last step with [`Keep::Files`] left; only the agent takes it.
    Files,
}

/// Where a step finds its working directory's files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Workspace {
    /// A copy of the job's files.
    Inputs,
    /// A copy of [`Tree::Kept`].
    Kept,
    /// A copy of [`Tree::Judge`].
    Judge,
}

/// What of a step's directory is kept when it is over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// All of it, as [`Tree::Kept`], if the step ended well.
    Workspace,
    /// The files that any of these means, as [`Tree::Files`], if the step ended by itself, well or not.
    Files(Vec<Glob>),
}

/// Where a step's standard input comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StdinSource {
    /// It is at its end at once.
    Empty,
    /// What the last `PutStdin` brought.
    Staged,
    /// What `Stdin` brings while it runs.
    Live,
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
    /// Standard input; of a pair, it is the other's standard output whatever is said here.
    pub stdin: StdinSource,
    /// Files that the step finds.
    pub workspace: Workspace,
    /// Whether it also finds what `PutExtra` brought since the last step.
    pub extras: bool,
    /// Empty directories that it finds besides.
    pub directories: Vec<JobPath>,
    /// What of its directory is kept.
    pub keep: Keep,
    /// Standard output is passed on up to `output_bytes`, not `report_bytes`; the step waits where
    /// the agent does not take it.
    pub whole_stdout: bool,
    /// Command line of the forerunner that does the same when `argv` is handed to it; `None`: there is none.
    pub forerunner: Option<Vec<String>>,
}

impl StepRequest {
    /// A step that begins with the job's files and nothing on its standard input, and of which nothing is kept.
    #[must_use]
    pub fn plain(argv: Vec<String>, env: Vec<(String, String)>, limits: StepLimits) -> Self {
        Self {
            argv,
            env,
            limits,
            on_output_limit: OnOutputLimit::Kill,
            merge_stderr: false,
            stdin: StdinSource::Empty,
            workspace: Workspace::Inputs,
            extras: false,
            directories: Vec::new(),
            keep: Keep::Nothing,
            whole_stdout: false,
            forerunner: None,
        }
    }
}

/// A program and an interactor, each the other's standard input and output, which are not reported.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PairRequest {
    /// The program; its standard error is reported.
    pub program: StepRequest,
    /// The interactor; its standard error is not reported.
    pub judge: StepRequest,
}

/// One of a pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The program.
    Program,
    /// The interactor.
    Judge,
}

/// What was measured of a pair.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PairFacts {
    /// The program.
    pub program: StepFacts,
    /// The interactor.
    pub judge: StepFacts,
    /// Whose end came first.
    pub first: Side,
}

/// From the agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// First, once.
    Setup(Setup),
    /// Start a forerunner, between two jobs, unless one waits. Where none can be started nothing is said.
    StartForerunner(Box<Forerunner>),
    /// End the one that waits, between two jobs, if one does.
    EndForerunner,
    /// A job begins: nothing is there of an earlier one.
    BeginJob {
        /// Cores its cells are pinned to, as a cpuset list (`"2"`, `"0-1"`); `None`: any.
        cpus: Option<String>,
    },
    /// A file of the job begins; `Data` follows.
    PutFile {
        /// Where it will stand.
        path: JobPath,
    },
    /// Standard input of the next steps begins, in place of what there was; `Data` follows.
    PutStdin,
    /// A tree begins, in place of what there was; `Data` follows: an archive ([`crate::archive`]).
    PutTree(Tree),
    /// [`Tree::Kept`] stays in the sandbox when the job ends, in place of what stayed before; of at most [`HELD_BYTES_MAX`].
    HoldTree,
    /// What stays in the sandbox is [`Tree::Kept`] of this job, as if it had been brought.
    UseHeldTree,
    /// A file that only the next step finds, beside its workspace; `Data` follows.
    PutExtra {
        /// Where it will stand.
        path: JobPath,
    },
    /// The next bytes of what was begun, at most [`crate::frame::CHUNK_BYTES_MAX`].
    Data(ByteBuf),
    /// Run a step.
    RunStep(Box<StepRequest>),
    /// Run two steps at once.
    RunPair(Box<PairRequest>),
    /// Give a tree, unless it is larger than that.
    TakeTree {
        /// Which.
        tree: Tree,
        /// Its size at most, in bytes.
        bytes_max: u64,
    },
    /// More live standard input of the step that runs, if one does.
    Stdin {
        /// With what is on its way already at most [`crate::live::STDIN_WINDOW_BYTES`].
        bytes: ByteBuf,
        /// It ends after them.
        last: bool,
    },
    /// Send a signal to the process group of the program that runs, if one does whose standard input is live.
    Signal(Signal),
    /// End the step that runs, if one does; its `StepDone` or `PairDone` comes as always.
    CancelStep,
    /// The job is over, or will be with the step that runs: remove all of it and look whether the base state is back.
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
    /// `Setup` was taken and proven: a cell as asked for was made and ran to its end.
    SetUp(SandboxFacts),
    /// What the step wrote, within what is reported of its stream.
    Output {
        /// Which stream.
        stream: Stream,
        /// Its next bytes.
        bytes: ByteBuf,
    },
    /// The program runs, and so much of its live standard input its pipe has taken.
    StdinTaken {
        /// Bytes in all.
        taken: u64,
        /// Nobody reads from it any more.
        closed: bool,
    },
    /// The forerunner has taken the step that ends next.
    HandedOver,
    /// The step is over, every process of it is gone, and all its output was sent.
    StepDone(Box<StepFacts>),
    /// The same of both.
    PairDone(Box<PairFacts>),
    /// The next bytes of the tree that was asked for.
    Tree(ByteBuf),
    /// No more of it comes; a tree that does not exist is empty.
    TreeDone {
        /// That was all of it. Otherwise it is too large, and nothing of it came.
        whole: bool,
    },
    /// The job is gone.
    JobEnded {
        /// What was not back at base; the sandbox may serve on only when empty.
        leftovers: Vec<String>,
    },
    /// Answer to `Setup`, instead of `SetUp`: no cell of the kind that was asked for can be made
    /// here. Nothing comes after it.
    NoCell {
        /// What failed.
        message: String,
    },
    /// The supervisor cannot go on; the sandbox must be destroyed.
    Fault {
        /// What failed.
        message: String,
    },
}
