//! Limits of a step, with units in their names.

use serde::{Deserialize, Serialize};

/// What one step (compile, or one run) may use. Zero is zero, never "unlimited".
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StepLimits {
    /// CPU time of the whole process tree, in milliseconds.
    pub cpu_ms: u64,
    /// Time on the clock from the start of the program, in milliseconds.
    pub wall_ms: u64,
    /// Memory and swap together, tmpfs and page cache included, in bytes.
    pub memory_bytes: u64,
    /// Processes and threads alive at once.
    pub pids: u32,
    /// What each of stdout and stderr may produce, in bytes.
    pub output_bytes: u64,
    /// What the answer keeps of each of stdout and stderr, in bytes.
    pub report_bytes: u64,
    /// Largest single file, in bytes (`RLIMIT_FSIZE`).
    pub file_bytes: u64,
    /// Stack of the main thread, in bytes (`RLIMIT_STACK`).
    pub stack_bytes: u64,
    /// Processor share in thousandths of a core: 1000 is one core.
    pub cpu_millis: u32,
}

/// Under cgroup version 1, which counts what waits in internet sockets apart: the part of a memory
/// limit that comes on top for it. An agent offers three quarters of its machine, if it is not told
/// otherwise, and so much more still fits there.
pub const SOCKET_MEMORY_DIVISOR: u64 = 4;

/// What happens to a program that produces more than `output_bytes`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnOutputLimit {
    /// It is killed, and the outcome is `output_limit`.
    #[default]
    Kill,
    /// It runs on; what is above the limit is thrown away.
    Truncate,
}
