//! A job as master and agent speak of it: already checked, valid by construction.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::cases::{CasePlan, Judging};
use crate::dependencies::{Installed, Wanted};
use crate::glob::Glob;
use crate::ids::Binding;
use crate::limits::{OnOutputLimit, StepLimits};
use crate::measured::Laps;
use crate::outcome::{Outcome, StepFacts};

/// Longest path of a file, in bytes.
pub const PATH_BYTES_MAX: usize = 512;
/// Deepest path of a file, in components.
pub const PATH_DEPTH_MAX: usize = 16;
/// Longest component of a path, in bytes (`NAME_MAX` of Linux).
const NAME_BYTES_MAX: usize = 255;

/// A path below the job's directory that cannot leave it.
///
/// Relative, `/` between components, no empty component, no `.` or `..`, no
/// control character, and no `-` in front (a compiler would read an option).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobPath(String);

/// Why a text is not a [`JobPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JobPathError {
    /// Empty, or longer than a limit.
    #[error("a path has 1 to {PATH_BYTES_MAX} bytes, at most {PATH_DEPTH_MAX} components of at most 255 bytes")]
    Size,
    /// It would leave the job's directory, or name it.
    #[error("a path is relative and has no empty, '.' or '..' component")]
    Escapes,
    /// It holds a character that a file name should not.
    #[error("a path has no control characters and does not begin with '-'")]
    Characters,
}

impl JobPath {
    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text after the last dot of the file's name, if it has one.
    #[must_use]
    pub fn extension(&self) -> Option<&str> {
        let name = self.0.rsplit('/').next()?;
        name.rsplit_once('.').map(|(_, extension)| extension)
    }
}

impl TryFrom<String> for JobPath {
    type Error = JobPathError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let components = || text.split('/');
        if text.is_empty()
            || text.len() > PATH_BYTES_MAX
            || components().count() > PATH_DEPTH_MAX
            || components().any(|c| c.len() > NAME_BYTES_MAX)
        {
            return Err(JobPathError::Size);
        }
        if components().any(|c| matches!(c, "" | "." | "..")) {
            return Err(JobPathError::Escapes);
        }
        if text.starts_with('-') || text.chars().any(char::is_control) {
            return Err(JobPathError::Characters);
        }
        Ok(Self(text))
    }
}

impl From<JobPath> for String {
    fn from(path: JobPath) -> Self {
        path.0
    }
}

impl fmt::Display for JobPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One file of a job.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobFile {
    /// Where it stands below the job's directory.
    pub path: JobPath,
    /// Its bytes.
    pub content: ByteBuf,
}

/// The bytes that a job brings.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct JobInput {
    /// Sources and data; no two have the same path.
    pub files: Vec<JobFile>,
    /// Standard input of the run.
    pub stdin: ByteBuf,
    /// Sources and data of the checker or interactor; the program never sees them.
    #[serde(default)]
    pub companion: Vec<JobFile>,
}

impl JobInput {
    /// Bytes of all files and of standard input.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let files = self.files.iter().chain(&self.companion);
        self.stdin.len() + files.map(|f| f.content.len() + f.path.as_str().len()).sum::<usize>()
    }
}

/// How many jobs a sandbox may serve.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reuse {
    /// Many jobs of one binding, one at a time, each step in a cell.
    #[default]
    Tenant,
    /// One job, then it is destroyed.
    Never,
}

/// What keeps a sandbox from its host, as the operator chose for an agent; a later one is stronger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// The host's kernel behind namespaces, cgroups, seccomp and no capabilities.
    #[default]
    Runc,
    /// As `runc`, in an engine that maps container users to ordinary users of the host (`userns-remap`).
    Userns,
    /// gVisor: a kernel in user space for each sandbox.
    Gvisor,
}

impl Isolation {
    /// Its name, as operators and clients write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Runc => "runc",
            Self::Userns => "userns",
            Self::Gvisor => "gvisor",
        }
    }
}

/// What is to be done, without its bytes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobSpec {
    /// Whose job it is.
    pub binding: Binding,
    /// Id of the language (never an alias).
    pub language: String,
    /// The file that is compiled or run first.
    pub entry: JobPath,
    /// Arguments for the compiler.
    pub compile_args: Vec<String>,
    /// Arguments for the program.
    pub run_args: Vec<String>,
    /// Environment of the program, beside what the language sets.
    pub env: Vec<(String, String)>,
    /// Limits of the compile step; ignored by languages without one.
    pub compile_limits: StepLimits,
    /// Limits of the run.
    pub run_limits: StepLimits,
    /// What happens above `output_bytes`.
    pub on_output_limit: OnOutputLimit,
    /// Standard error goes where standard output goes, in the order written.
    pub merge_stderr: bool,
    /// The weakest reuse that the job accepts.
    pub reuse: Reuse,
    /// The weakest isolation that the job accepts.
    pub isolation: Isolation,
    /// Packages that it needs, if any.
    #[serde(default)]
    pub dependencies: Option<Wanted>,
    /// Its cases; `None`: it is run once.
    #[serde(default)]
    pub cases: Option<CasePlan>,
    /// Files that are given back after the run.
    #[serde(default)]
    pub keep_files: Vec<Glob>,
    /// It is compiled even where an agent remembers the result.
    #[serde(default)]
    pub no_cache: bool,
    /// Standard input of the run is what clients send while it runs.
    #[serde(default)]
    pub live_stdin: bool,
}

/// The largest that a job takes at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peak {
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Processor share, in thousandths of a core.
    pub cpu_millis: u32,
    /// Processes and threads.
    pub pids: u32,
}

impl Peak {
    fn of(limits: &StepLimits) -> Self {
        let StepLimits { memory_bytes, cpu_millis, pids, .. } = *limits;
        Self { memory_bytes, cpu_millis, pids }
    }

    fn max(self, other: Self) -> Self {
        Self {
            memory_bytes: self.memory_bytes.max(other.memory_bytes),
            cpu_millis: self.cpu_millis.max(other.cpu_millis),
            pids: self.pids.max(other.pids),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
            cpu_millis: self.cpu_millis.saturating_add(other.cpu_millis),
            pids: self.pids.saturating_add(other.pids),
        }
    }
}

impl JobSpec {
    /// The largest that it takes at once; `compiles`: its language has a compile step.
    ///
    /// Its steps run one after the other, but an interactor runs beside the program.
    #[must_use]
    pub fn peak(&self, compiles: bool) -> Peak {
        let mut run = Peak::of(self.cases.as_ref().map_or(&self.run_limits, |plan| &plan.largest));
        let mut largest = if compiles { Peak::of(&self.compile_limits) } else { run };
        if let Some(plan) = &self.cases
            && let Some(companion) = plan.judging.companion()
        {
            let judge = Peak::of(&companion.run_limits);
            let compiler = Peak::of(&companion.compile_limits);
            run = match plan.judging {
                Judging::Interactive(_) => run.plus(judge),
                Judging::Output(_) => run.max(judge),
            };
            largest = largest.max(compiler);
        }
        largest.max(run)
    }
}

/// Which step of a job.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The compiler.
    Compile,
    /// The compiler of the checker or interactor.
    Companion,
    /// The program.
    Run,
    /// The program, for the case of this number; numbers begin at 0.
    Case(u32),
}

impl Step {
    /// It is a compiler's.
    #[must_use]
    pub const fn compiles(self) -> bool {
        matches!(self, Self::Compile | Self::Companion)
    }
}

/// Which output of a step.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// File descriptor 1.
    Stdout,
    /// File descriptor 2.
    Stderr,
}

/// How one step ended; its output travelled before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StepReport {
    /// What it comes to.
    pub outcome: Outcome,
    /// What was measured.
    pub facts: StepFacts,
    /// It was not done anew: an earlier step of the same tenant and scope had the same to do.
    #[serde(default)]
    pub cached: bool,
}

/// A file that the agent gave to the master.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeptFile {
    /// Where it stood below the job's directory.
    pub path: JobPath,
    /// Its size.
    pub size_bytes: u64,
}

/// How one attempt ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JobReport {
    /// Of the whole job.
    pub outcome: Outcome,
    /// One sentence for a person, where the outcome alone does not tell.
    pub message: Option<String>,
    /// The compile step, where the language has one and it was begun.
    pub compile: Option<StepReport>,
    /// The compile step of the checker or interactor, where that has one and it was begun.
    #[serde(default)]
    pub companion: Option<StepReport>,
    /// The run, where it was begun; a job with cases has a report for each of them instead.
    pub run: Option<StepReport>,
    /// Files that were asked for and are with the master now.
    #[serde(default)]
    pub files: Vec<KeptFile>,
    /// Why not all files that were asked for were given back, if so.
    #[serde(default)]
    pub files_error: Option<String>,
    /// From the job's arrival at the agent until its sandbox was its own, in microseconds.
    pub sandbox_us: u64,
    /// Isolation under which it ran.
    pub isolation: Isolation,
    /// Reuse under which it ran.
    pub reuse: Reuse,
    /// What became of its dependencies, where it has any and they were looked at.
    #[serde(default)]
    pub dependencies: Option<Installed>,
    /// What its time at the agent went to; never kept with the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub laps: Option<Box<Laps>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Result<JobPath, JobPathError> {
        JobPath::try_from(text.to_owned())
    }

    #[test]
    fn an_isolation_is_written_as_it_is_named() {
        for isolation in [Isolation::Runc, Isolation::Userns, Isolation::Gvisor] {
            let mut body = Vec::new();
            ciborium::into_writer(&isolation, &mut body).unwrap();
            let written: String = ciborium::from_reader(body.as_slice()).unwrap();
            assert_eq!(written, isolation.as_str());
        }
    }

    #[test]
    fn paths_that_leave_the_directory_are_refused() {
        for bad in ["/etc/passwd", "../a", "a/../b", "a//b", ".", "a/", "./a"] {
            assert_eq!(path(bad), Err(JobPathError::Escapes), "{bad}");
        }
    }

    #[test]
    fn paths_that_look_like_options_or_carry_controls_are_refused() {
        for bad in ["-o", "a\nb", "a\0b"] {
            assert_eq!(path(bad), Err(JobPathError::Characters), "{bad:?}");
        }
    }

    #[test]
    fn paths_above_their_sizes_are_refused() {
        for bad in ["", &"a".repeat(256), &"a/".repeat(20), &"ab/".repeat(300)] {
            assert_eq!(path(bad), Err(JobPathError::Size), "{bad}");
        }
    }

    #[test]
    fn ordinary_and_unicode_names_are_taken() {
        for good in ["main.c", "com/acme/Main.java", "é/données %s.txt", "a b"] {
            assert!(path(good).is_ok(), "{good}");
        }
        assert_eq!(path("a.b/c.tar.gz").unwrap().extension(), Some("gz"));
        assert_eq!(path("a.b/c").unwrap().extension(), None);
    }
}
