//! What a job needs of an agent.

use std::sync::Arc;

use enclos_protocol::job::{Isolation, JobSpec};

/// An amount of what agents offer. Adding and taking never overflow: agents' numbers are bounded
/// when they come in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Room {
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Processor share, in thousandths of a core.
    pub cpu_millis: u64,
    /// Processes and threads.
    pub pids: u64,
    /// Jobs at once.
    pub slots: u64,
}

impl Room {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
            cpu_millis: self.cpu_millis.saturating_add(other.cpu_millis),
            pids: self.pids.saturating_add(other.pids),
            slots: self.slots.saturating_add(other.slots),
        }
    }

    /// What is left of this after `other` is taken.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            memory_bytes: self.memory_bytes.saturating_sub(other.memory_bytes),
            cpu_millis: self.cpu_millis.saturating_sub(other.cpu_millis),
            pids: self.pids.saturating_sub(other.pids),
            slots: self.slots.saturating_sub(other.slots),
        }
    }

    /// Whether `other` fits in this.
    #[must_use]
    pub fn holds(self, other: Self) -> bool {
        self.memory_bytes >= other.memory_bytes
            && self.cpu_millis >= other.cpu_millis
            && self.pids >= other.pids
            && self.slots >= other.slots
    }
}

/// What a job needs of an agent. Jobs with equal demands can be placed on the same agents, so where
/// the first of them finds none, the others need not be tried.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Demand {
    /// Id of the language.
    pub language: Arc<str>,
    /// The weakest isolation.
    pub isolation: Isolation,
    /// It brings dependencies.
    pub installs: bool,
    /// Room for its largest step.
    pub room: Room,
    /// Bytes of output that the master may have to hold while it runs.
    pub report_bytes: u64,
}

impl Demand {
    /// The demand of `spec`; `compiles`: its language has a compile step.
    #[must_use]
    pub fn of(spec: &JobSpec, compiles: bool) -> Self {
        let run = &spec.run_limits;
        let compile = if compiles { &spec.compile_limits } else { run };
        // One step runs at a time, so the larger of both is what the job takes.
        let room = Room {
            memory_bytes: run.memory_bytes.max(compile.memory_bytes),
            cpu_millis: u64::from(run.cpu_millis.max(compile.cpu_millis)),
            pids: u64::from(run.pids.max(compile.pids)),
            slots: 1,
        };
        Self {
            language: Arc::from(spec.language.as_str()),
            isolation: spec.isolation,
            installs: spec.dependencies.is_some(),
            room,
            report_bytes: 2 * run.report_bytes.saturating_add(spec.compile_limits.report_bytes),
        }
    }
}
