//! What happened: facts measured by the supervisor, and the outcome they come to.
//!
//! The supervisor only measures; [`decide`] is the one place where facts turn
//! into an outcome, so the order in which outcomes win is written once.

use serde::{Deserialize, Serialize};

use crate::job::Step;
use crate::limits::StepLimits;

/// What a step or a job comes to. The set is closed.
///
/// Declared in the order in which they win when several apply.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Enclos failed; never the program's fault.
    InternalError,
    /// Someone asked for the end.
    Cancelled,
    /// The compiler refused the program.
    CompileError,
    /// It produced more than `output_bytes`.
    OutputLimit,
    /// The kernel killed a process of it for want of memory.
    MemoryLimit,
    /// It used more CPU or wall time than it may.
    TimeLimit,
    /// It was ended by `SIGXFSZ`.
    FileLimit,
    /// It was refused a process and did not end well, or was ended with more processes than it may have.
    ProcessLimit,
    /// It ended with an exit code other than 0, or by a signal.
    RuntimeError,
    /// It ended with exit code 0 within its limits.
    Ok,
}

impl Outcome {
    /// All outcomes, in the order in which they win.
    pub const ALL: [Self; 10] = [
        Self::InternalError,
        Self::Cancelled,
        Self::CompileError,
        Self::OutputLimit,
        Self::MemoryLimit,
        Self::TimeLimit,
        Self::FileLimit,
        Self::ProcessLimit,
        Self::RuntimeError,
        Self::Ok,
    ];

    /// The outcome as API and store write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InternalError => "internal_error",
            Self::Cancelled => "cancelled",
            Self::CompileError => "compile_error",
            Self::OutputLimit => "output_limit",
            Self::MemoryLimit => "memory_limit",
            Self::TimeLimit => "time_limit",
            Self::FileLimit => "file_limit",
            Self::ProcessLimit => "process_limit",
            Self::RuntimeError => "runtime_error",
            Self::Ok => "ok",
        }
    }
}

/// How the main process of a step ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It called exit with this code (0 to 255).
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

/// Why the supervisor ended a step before it ended itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// CPU time was used up.
    CpuLimit,
    /// Wall time was used up.
    WallLimit,
    /// A stream produced more than it may.
    OutputLimit,
    /// The kernel killed one of its processes for want of memory, or all together used too much.
    MemoryLimit,
    /// It had more processes and threads than it may, where no cgroup refuses them.
    ProcessLimit,
    /// The agent asked for it.
    Cancelled,
}

/// How CPU time and memory were measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Accounting {
    /// By a cgroup of the cell's own: exact for the whole tree.
    Cgroup,
    /// By looking at the processes from time to time: a lower bound.
    Sampled,
}

/// What was measured of one step.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StepFacts {
    /// How the main process ended; `None` where its end was not seen (the whole cell was killed).
    pub exit: Option<Exit>,
    /// Why the supervisor ended it, if it did.
    pub stop: Option<Stop>,
    /// CPU time of the whole tree, in microseconds.
    pub cpu_us: u64,
    /// Time from the program's start to its end, in microseconds.
    pub wall_us: u64,
    /// Largest memory in use, in bytes.
    pub memory_peak_bytes: u64,
    /// Processes that the kernel killed for want of memory.
    pub oom_kills: u64,
    /// Times that a process or thread was refused for the pids limit.
    pub pids_refused: u64,
    /// Bytes written to stdout, up to where reading stopped.
    pub stdout_bytes: u64,
    /// Bytes written to stderr, up to where reading stopped.
    pub stderr_bytes: u64,
    /// From the decision to end the step until its last process was gone, in microseconds.
    pub kill_us: Option<u64>,
    /// How CPU time and memory were measured.
    pub accounting: Accounting,
    /// Why the program could not be started, if so.
    pub start_error: Option<String>,
    /// Why what the step left could not be kept for the next, if so: too much, or too many files.
    pub keep_error: Option<String>,
}

/// Which time limit was passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeLimit {
    /// CPU time.
    Cpu,
    /// Wall time.
    Wall,
}

impl StepFacts {
    /// The time limit that was passed, CPU before wall.
    #[must_use]
    pub fn time_limit(&self, limits: &StepLimits) -> Option<TimeLimit> {
        let beyond = |used_us: u64, limit_ms: u64| used_us > limit_ms.saturating_mul(1000);
        if self.stop == Some(Stop::CpuLimit) || beyond(self.cpu_us, limits.cpu_ms) {
            Some(TimeLimit::Cpu)
        } else if self.stop == Some(Stop::WallLimit) || beyond(self.wall_us, limits.wall_ms) {
            Some(TimeLimit::Wall)
        } else {
            None
        }
    }
}

const SIGXFSZ: i32 = 25;

/// The outcome that `facts` come to: the first of [`Outcome::ALL`] that applies.
#[must_use]
pub fn decide(step: Step, facts: &StepFacts, limits: &StepLimits) -> Outcome {
    let ended_well = facts.exit == Some(Exit::Code(0));
    // A compiler that was killed, even if only a part of it was, has judged nothing.
    let refused = !ended_well && facts.stop.is_none() && facts.oom_kills == 0;
    let applies = |outcome: Outcome| match outcome {
        Outcome::InternalError => facts.start_error.is_some(),
        Outcome::Cancelled => facts.stop == Some(Stop::Cancelled),
        Outcome::CompileError => step.compiles() && (refused || facts.keep_error.is_some()),
        Outcome::OutputLimit => facts.stop == Some(Stop::OutputLimit),
        Outcome::MemoryLimit => facts.oom_kills > 0 || facts.stop == Some(Stop::MemoryLimit),
        Outcome::TimeLimit => facts.time_limit(limits).is_some(),
        Outcome::FileLimit => facts.exit == Some(Exit::Signal(SIGXFSZ)),
        Outcome::ProcessLimit => facts.stop == Some(Stop::ProcessLimit) || (facts.pids_refused > 0 && !ended_well),
        Outcome::RuntimeError => !ended_well,
        Outcome::Ok => true,
    };
    Outcome::ALL.into_iter().find(|&outcome| applies(outcome)).unwrap_or(Outcome::Ok)
}

/// Name of a signal (`SIGSEGV`), or `SIG<number>` where Linux has no name for it.
#[must_use]
pub fn signal_name(number: i32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ];
    let index = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
    match index.and_then(|i| NAMES.get(i)) {
        Some(name) => format!("SIG{name}"),
        None => format!("SIG{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: StepLimits = StepLimits {
        cpu_ms: 1000,
        wall_ms: 2000,
        memory_bytes: 1 << 28,
        pids: 64,
        output_bytes: 1 << 20,
        report_bytes: 1 << 16,
        file_bytes: 1 << 26,
        stack_bytes: 1 << 26,
        cpu_millis: 1000,
    };

    fn well() -> StepFacts {
        StepFacts {
            exit: Some(Exit::Code(0)),
            stop: None,
            cpu_us: 1,
            wall_us: 1,
            memory_peak_bytes: 0,
            oom_kills: 0,
            pids_refused: 0,
            stdout_bytes: 0,
            stderr_bytes: 0,
            kill_us: None,
            accounting: Accounting::Cgroup,
            start_error: None,
            keep_error: None,
        }
    }

    fn of(step: Step, change: impl FnOnce(&mut StepFacts)) -> Outcome {
        let mut facts = well();
        change(&mut facts);
        decide(step, &facts, &LIMITS)
    }

    #[test]
    fn outcomes_win_in_the_documented_order() {
        let mut facts = well();
        facts.exit = Some(Exit::Code(1));
        let mut seen = vec![decide(Step::Run, &facts, &LIMITS)];
        facts.pids_refused = 1;
        seen.push(decide(Step::Run, &facts, &LIMITS));
        facts.exit = Some(Exit::Signal(SIGXFSZ));
        seen.push(decide(Step::Run, &facts, &LIMITS));
        facts.cpu_us = 1_000_001;
        seen.push(decide(Step::Run, &facts, &LIMITS));
        facts.oom_kills = 1;
        seen.push(decide(Step::Run, &facts, &LIMITS));
        facts.stop = Some(Stop::OutputLimit);
        seen.push(decide(Step::Run, &facts, &LIMITS));
        facts.keep_error = Some("too many files".into());
        seen.push(decide(Step::Compile, &facts, &LIMITS));
        facts.stop = Some(Stop::Cancelled);
        seen.push(decide(Step::Compile, &facts, &LIMITS));
        facts.start_error = Some("no such file".into());
        seen.push(decide(Step::Compile, &facts, &LIMITS));
        let expected: Vec<_> = Outcome::ALL.into_iter().rev().skip(1).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_compiler_that_we_ended_is_not_a_compile_error() {
        let outcome = of(Step::Compile, |f| {
            f.exit = Some(Exit::Signal(9));
            f.stop = Some(Stop::WallLimit);
        });
        assert_eq!(outcome, Outcome::TimeLimit);
    }

    #[test]
    fn a_compiler_that_lost_a_process_to_memory_has_refused_nothing() {
        let outcome = of(Step::Compile, |f| {
            f.exit = Some(Exit::Code(1));
            f.oom_kills = 1;
        });
        assert_eq!(outcome, Outcome::MemoryLimit);
    }

    #[test]
    fn a_right_answer_past_the_limit_is_a_time_limit() {
        assert_eq!(of(Step::Run, |f| f.cpu_us = 1_000_001), Outcome::TimeLimit);
        assert_eq!(of(Step::Run, |f| f.wall_us = 2_000_001), Outcome::TimeLimit);
        assert_eq!(of(Step::Run, |f| f.cpu_us = 1_000_000), Outcome::Ok);
    }

    #[test]
    fn a_refused_process_harms_only_who_ends_badly() {
        assert_eq!(of(Step::Run, |f| f.pids_refused = 3), Outcome::Ok);
    }

    #[test]
    fn more_processes_than_a_step_may_have_end_it() {
        for step in [Step::Compile, Step::Run] {
            let outcome = of(step, |f| {
                f.exit = None;
                f.stop = Some(Stop::ProcessLimit);
            });
            assert_eq!(outcome, Outcome::ProcessLimit);
        }
    }

    #[test]
    fn an_unseen_end_is_a_runtime_error() {
        assert_eq!(of(Step::Run, |f| f.exit = None), Outcome::RuntimeError);
    }

    #[test]
    fn signals_have_their_names() {
        assert_eq!(signal_name(11), "SIGSEGV");
        assert_eq!(signal_name(31), "SIGSYS");
        assert_eq!(signal_name(0), "SIG0");
        assert_eq!(signal_name(40), "SIG40");
    }
}
