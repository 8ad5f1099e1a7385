//! What a job that ended has used, and what that says.

use enclos_protocol::job::StepReport;
use enclos_protocol::outcome::Outcome;

use super::MEASURES;

/// What a job has used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// CPU time of all its steps, in microseconds.
    pub cpu_us: u64,
    /// Time on the clock of all its steps, in microseconds.
    pub wall_us: u64,
    /// Most memory of any of its steps, in bytes.
    pub memory_bytes: u64,
    /// A limit ended it: it would have used at least as much.
    pub is_cut: bool,
}

impl Usage {
    /// That of a job with this outcome and these steps, those of its cases among them; `None` where
    /// it says nothing of the next run: it was cancelled, failed by our fault, or nothing was run.
    #[must_use]
    pub fn of<'a>(outcome: Outcome, steps: impl IntoIterator<Item = &'a StepReport>) -> Option<Self> {
        let is_cut = match outcome {
            Outcome::InternalError | Outcome::Cancelled => return None,
            Outcome::OutputLimit
            | Outcome::MemoryLimit
            | Outcome::TimeLimit
            | Outcome::FileLimit
            | Outcome::ProcessLimit => true,
            Outcome::CompileError | Outcome::RuntimeError | Outcome::Ok => false,
        };
        let mut steps = steps.into_iter().peekable();
        steps.peek()?;
        // What was remembered was paid for before, and will be again.
        let usage = Self { cpu_us: 0, wall_us: 0, memory_bytes: 0, is_cut };
        Some(steps.filter(|step| !step.cached).fold(usage, |sum, step| Self {
            cpu_us: sum.cpu_us.saturating_add(step.facts.cpu_us),
            wall_us: sum.wall_us.saturating_add(step.facts.wall_us),
            memory_bytes: sum.memory_bytes.max(step.facts.memory_peak_bytes),
            is_cut,
        }))
    }

    /// The logarithms (base 2) of its measures.
    pub(super) fn logs(&self) -> [f64; MEASURES] {
        [self.cpu_us, self.wall_us, self.memory_bytes].map(|value| (value.max(1) as f64).log2())
    }
}
