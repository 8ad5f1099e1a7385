//! A program that was started before its step is known: it does its start-up, says that it is ready, and waits.
//!
//! It reads and writes its standard input, a socket: one byte, whichever, says that it is ready; then it reads the
//! command line of the step to the end, each element with a NUL byte after it, and does what that would have done.

use serde::{Deserialize, Serialize};

use crate::limits::StepLimits;

/// Memory of one that waits, at most, in bytes: its agent has so much more than what jobs were promised, for each.
pub const FORERUNNER_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Processes and threads of one that waits, at most.
pub const FORERUNNER_PIDS_MAX: u32 = 48;
/// Longest command line that is handed over, in bytes: a socket takes it at once.
pub const COMMAND_LINE_BYTES_MAX: usize = 64 * 1024;

/// What is started.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Forerunner {
    /// Program and arguments; the program is looked up in `PATH` of `env`.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// As of its step; while it waits, within [`FORERUNNER_BYTES_MAX`] and [`FORERUNNER_PIDS_MAX`].
    pub limits: StepLimits,
}

impl Forerunner {
    /// Its limits while it waits.
    #[must_use]
    pub fn limits_before(&self) -> StepLimits {
        StepLimits {
            memory_bytes: self.limits.memory_bytes.min(FORERUNNER_BYTES_MAX),
            pids: self.limits.pids.min(FORERUNNER_PIDS_MAX),
            ..self.limits
        }
    }
}
