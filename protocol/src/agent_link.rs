//! Master and agent: messages on the WebSocket that the agent opens.
//!
//! Each message is one CBOR body (`frame::encode_body`) in one binary WebSocket
//! message. The first from the agent is `Hello`, the first from the master
//! `Welcome`; fields may be added, so neighbouring versions work together.
//!
//! An attempt's way: `Dispatch` → `Installing`? → (`Started` → `Output`* → `CaseDone`?)* → `Finished` →
//! `Acknowledge`. An agent keeps output and report until the acknowledgement
//! and sends them again after a reconnect; offsets make that harmless.
//!
//! Where standard input is live, the agent says `StdinTaken` when the program runs, and again as the
//! program's pipe takes more; the master sends `Stdin` up to [`crate::live::STDIN_WINDOW_BYTES`] beyond
//! that. It says too what came to it, and whether the end did: there the master goes on after a
//! reconnect, be it another master that does not know what was sent.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use uuid::Uuid;

use crate::cases::CaseReport;
use crate::ids::{AgentName, AttemptId};
use crate::job::{Isolation, JobInput, JobReport, JobSpec, Reuse, Step, Stream};
use crate::live::Signal;
use crate::measured::{EngineReport, ImageStock};

/// Version of these messages.
pub const LINK_VERSION: u16 = 3;
/// Oldest version that this build speaks with: an older agent would run a job with live standard input as one
/// with none, and break off at the first byte of it.
pub const LINK_VERSION_MIN: u16 = 3;

/// Path of the WebSocket on the link port.
pub const LINK_PATH: &str = "/v1/link";
/// Path of large inputs on the link port: `<this>/{job}?epoch=N&counter=N`, body: CBOR [`JobInput`].
pub const INPUTS_PATH: &str = "/v1/inputs";

/// Path of cases on the link port: `<this>/{job}?epoch=N&counter=N&from=N`, answer: CBOR [`crate::cases::CasePage`].
pub const CASES_PATH: &str = "/v1/cases";
/// Path of files that a job left, on the link port: `PUT <this>/{job}?epoch=N&counter=N&path=P`, body: the file's bytes.
pub const FILES_PATH: &str = "/v1/files";

/// Inputs up to this size travel inside `Dispatch`, in bytes; it leaves room for the rest of a frame.
pub const INLINE_INPUT_BYTES_MAX: usize = 64 * 1024;

/// Images of whose stock an agent tells, at most.
pub const STOCK_MAX: usize = 256;
/// Compile steps that an agent names in its load, at most.
pub const COMPILED_MAX: usize = 1024;

/// What an agent offers in all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Capacity {
    /// Processor share, in thousandths of a core.
    pub cpu_millis: u32,
    /// Memory for all sandboxes together, in bytes.
    pub memory_bytes: u64,
    /// Processes and threads of all sandboxes together.
    pub pids: u32,
    /// Jobs at once.
    pub slots: u32,
}

/// How far an agent is with the image of a language.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageState {
    /// It will be made when a job first needs it.
    Absent,
    /// It is being pulled or built.
    Preparing {
        /// What is being done, for a person.
        progress: String,
    },
    /// Jobs can start at once.
    Ready,
    /// It could not be made; it is tried again later.
    Failed {
        /// Why.
        reason: String,
    },
}

/// One language as an agent offers it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OfferedLanguage {
    /// Its id.
    pub id: String,
    /// What its toolchain says of its version; empty until the image is ready.
    pub version: String,
    /// Its image.
    pub image: ImageState,
    /// Sandboxes that wait unbound for a job in it.
    pub warm: u32,
}

/// How many sandboxes an agent's process has destroyed, by reason.
///
/// Each count only grows while the process lives. A closed set: a reason becomes a label.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClosedSandboxes {
    /// One job was all it was for.
    pub single_use: u64,
    /// A job left it unclean, or its stream could not be trusted any more.
    pub unfit: u64,
    /// It served the most jobs that one may.
    pub jobs_max: u64,
    /// It lived as long as one may.
    pub age_max: u64,
    /// No job came for it.
    pub idle: u64,
    /// Its place was needed.
    pub evicted: u64,
    /// The agent ends.
    pub shutdown: u64,
    /// It ended by itself.
    pub lost: u64,
}

impl ClosedSandboxes {
    /// How many reasons there are.
    pub const REASONS: usize = 8;

    /// Every reason by its name, with its count.
    #[must_use]
    pub fn by_reason(&self) -> [(&'static str, u64); Self::REASONS] {
        let Self { single_use, unfit, jobs_max, age_max, idle, evicted, shutdown, lost } = *self;
        [
            ("single_use", single_use),
            ("unfit", unfit),
            ("jobs_max", jobs_max),
            ("age_max", age_max),
            ("idle", idle),
            ("evicted", evicted),
            ("shutdown", shutdown),
            ("lost", lost),
        ]
    }

    /// Each count as `change` makes it of both.
    #[must_use]
    pub fn zip(&self, other: &Self, change: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            single_use: change(self.single_use, other.single_use),
            unfit: change(self.unfit, other.unfit),
            jobs_max: change(self.jobs_max, other.jobs_max),
            age_max: change(self.age_max, other.age_max),
            idle: change(self.idle, other.idle),
            evicted: change(self.evicted, other.evicted),
            shutdown: change(self.shutdown, other.shutdown),
            lost: change(self.lost, other.lost),
        }
    }
}

/// How loaded an agent is; by default not at all, with no languages.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LoadReport {
    /// Busy part of the processors it may use, in thousandths (0 to 1000).
    pub cpu_busy_permille: u16,
    /// Memory in use against what it may use, in thousandths (0 to 1000).
    pub memory_busy_permille: u16,
    /// Memory promised to running jobs, in bytes.
    pub memory_promised_bytes: u64,
    /// Attempts it holds.
    pub running: u32,
    /// Sandboxes that live, of any kind.
    pub sandboxes: u32,
    /// Its languages, always all.
    pub languages: Vec<OfferedLanguage>,
    /// It takes no more jobs.
    pub draining: bool,
    /// Jobs after which something was left in their sandbox, since the agent's process started.
    #[serde(default)]
    pub unclean_jobs: u64,
    /// Sandboxes destroyed since the agent's process started.
    #[serde(default)]
    pub sandboxes_closed: ClosedSandboxes,
    /// Compile steps whose result it remembers, at most [`COMPILED_MAX`], the last used first:
    /// the first bytes of `enclos_images::compile_key`. Only a hint for whom to give a job to.
    #[serde(default)]
    pub compiled: Vec<u64>,
    /// Images with installed packages that it keeps.
    #[serde(default)]
    pub derived_images: u32,
    /// What those take beside their bases, in bytes.
    #[serde(default)]
    pub derived_bytes: u64,
    /// What its engine took, and where it failed.
    #[serde(default)]
    pub engine: Box<EngineReport>,
    /// What its pool keeps unbound, at most [`STOCK_MAX`] images.
    #[serde(default)]
    pub stock: Vec<ImageStock>,
}

/// Reason of the close frame of an agent that drained and ends: it holds nothing and has told all. What
/// it was given since its last word, it never saw.
pub const DRAINED: &str = "drained";

/// Who the agent is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// [`LINK_VERSION`] of the agent.
    pub version: u16,
    /// Its name.
    pub name: AgentName,
    /// New at each start of the agent's process.
    pub instance: Uuid,
    /// Version of its build, for people.
    pub build: String,
    /// What it offers.
    pub capacity: Capacity,
    /// The isolation its sandboxes have.
    pub isolation: Isolation,
    /// The weakest reuse that its operator allows.
    pub reuse: Reuse,
    /// The master's own agent: placed on only when no other has room.
    pub embedded: bool,
    /// It installs dependencies of jobs.
    #[serde(default)]
    pub installs: bool,
    /// Attempts that it still holds: running, or finished and not acknowledged.
    pub holding: Vec<AttemptId>,
    /// Its load.
    pub load: LoadReport,
}

/// The master's answer to `Hello`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Welcome {
    /// [`LINK_VERSION`] that both will use.
    pub version: u16,
    /// An attempt not renewed for this long is over, in milliseconds.
    pub lease_ms: u64,
    /// The agent sends a heartbeat this often, in milliseconds.
    pub heartbeat_ms: u64,
    /// Which of `holding` the master still wants; the agent ends the others.
    pub keep: Vec<AttemptId>,
}

/// How a dispatched job's bytes reach the agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputSource {
    /// They are here.
    Inline(JobInput),
    /// They are fetched from [`INPUTS_PATH`].
    Fetch {
        /// Bytes that will come, at most.
        size_bytes: u64,
    },
}

/// Why an agent hands a job back without a report.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReturnReason {
    /// It is draining; the attempt does not count.
    Draining,
    /// It has no room after all, no image (its load report says why), or no builder soon; the attempt
    /// does not count.
    NoRoom,
    /// Engine or sandbox failed; the attempt counts.
    Failed {
        /// What failed.
        message: String,
        /// The engine did not answer then, and whatever ran on it is lost: the attempt counts only for a job that
        /// sees this often. A master that does not know the word counts it.
        #[serde(default)]
        engine_gone: bool,
    },
}

impl ReturnReason {
    /// Engine or sandbox failed, with an engine that answers.
    #[must_use]
    pub fn failed(message: String) -> Self {
        Self::Failed { message, engine_gone: false }
    }
}

/// From the agent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromAgent {
    /// First, once.
    Hello(Box<Hello>),
    /// Every `heartbeat_ms`.
    Heartbeat {
        /// Grows by one; the master's `Renew` names it.
        sequence: u64,
        /// The load now.
        load: LoadReport,
    },
    /// The dependencies of an attempt's job are being installed.
    Installing {
        /// Which attempt.
        attempt: AttemptId,
    },
    /// A step of an attempt began.
    Started {
        /// Which attempt.
        attempt: AttemptId,
        /// Which step.
        step: Step,
    },
    /// What a step wrote.
    Output {
        /// Which attempt.
        attempt: AttemptId,
        /// Which step.
        step: Step,
        /// Which stream.
        stream: Stream,
        /// Where in the reported part of the stream these bytes begin.
        offset: u64,
        /// At most [`crate::frame::CHUNK_BYTES_MAX`].
        bytes: ByteBuf,
    },
    /// The program runs, and so far its live standard input has come.
    StdinTaken {
        /// Which attempt.
        attempt: AttemptId,
        /// Bytes in all that its pipe took.
        taken: u64,
        /// Bytes in all that came to the agent, a window beyond those at most: the next begin here.
        /// The first agents of version 3 do not say it, which is as many as were taken.
        #[serde(default)]
        received: u64,
        /// Their end came to the agent; not said by those either.
        #[serde(default)]
        ended: bool,
        /// It reads no more.
        closed: bool,
    },
    /// A case of an attempt ended; all its output was sent.
    CaseDone {
        /// Which attempt.
        attempt: AttemptId,
        /// Which case.
        case: u32,
        /// How it ended.
        report: Box<CaseReport>,
    },
    /// The attempt is over; all its output and all cases that were run were sent.
    Finished {
        /// Which attempt.
        attempt: AttemptId,
        /// How it ended.
        report: Box<JobReport>,
    },
    /// The job goes back to the queue.
    Returned {
        /// Which attempt.
        attempt: AttemptId,
        /// Why.
        reason: ReturnReason,
    },
}

/// From the master.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromMaster {
    /// Answer to `Hello`.
    Welcome(Welcome),
    /// Answer to a heartbeat: every attempt's lease begins anew at the time the agent sent that heartbeat.
    Renew {
        /// Of the heartbeat.
        sequence: u64,
    },
    /// A job to run.
    Dispatch {
        /// Its attempt.
        attempt: AttemptId,
        /// What to do.
        spec: Box<JobSpec>,
        /// Its bytes.
        input: InputSource,
    },
    /// The next of an attempt's live standard input; one that is over takes none.
    Stdin {
        /// Which.
        attempt: AttemptId,
        /// Where these bytes begin in it.
        offset: u64,
        /// At most [`crate::frame::CHUNK_BYTES_MAX`].
        bytes: ByteBuf,
        /// It ends after them.
        last: bool,
    },
    /// A signal for the program of an attempt, if it runs.
    Signal {
        /// Which.
        attempt: AttemptId,
        /// Of which kind.
        signal: Signal,
    },
    /// End the attempt and report it as cancelled.
    Cancel {
        /// Which.
        attempt: AttemptId,
    },
    /// The report (or return) is safe; the agent forgets the attempt.
    Acknowledge {
        /// Which.
        attempt: AttemptId,
    },
    /// The attempt is not the master's any more: end it, send nothing.
    Abandon {
        /// Which.
        attempt: AttemptId,
    },
    /// Take no more jobs, finish what runs, then leave.
    Drain,
}

#[cfg(test)]
#[path = "agent_link_tests.rs"]
mod tests;
