//! What a job needs of an agent.

use std::sync::Arc;
use std::time::Duration;

use enclos_protocol::cases::{CASES_REPORT_BYTES_MAX, Judging};
use enclos_protocol::job::{Isolation, JobSpec, Peak};
use enclos_protocol::limits::StepLimits;

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
/// the first of them finds none, the others need not be tried. Whose it is is part of it, so that a
/// tenant whose jobs have to wait holds up its own lines only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Demand {
    /// Whose it is.
    pub tenant: Arc<str>,
    /// Id of the language.
    pub language: Arc<str>,
    /// Id of the language of its checker or interactor, where it brings one.
    pub companion: Option<Arc<str>>,
    /// It has an interactor, which needs cells that are apart from each other in one sandbox.
    pub interactive: bool,
    /// The weakest isolation.
    pub isolation: Isolation,
    /// It brings dependencies.
    pub installs: bool,
    /// Its standard input is live: what of it was given once cannot be given again.
    pub live_stdin: bool,
    /// Room for its largest step.
    pub room: Room,
    /// Bytes of output that the master may have to hold while it runs.
    pub report_bytes: u64,
}

impl Demand {
    /// Every language that it needs an image of.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        [Some(&self.language), self.companion.as_ref()].into_iter().flatten().map(AsRef::as_ref)
    }

    /// The demand of `spec`; `compiles`: its language has a compile step.
    #[must_use]
    pub fn of(spec: &JobSpec, compiles: bool) -> Self {
        let Peak { memory_bytes, cpu_millis, pids } = spec.peak(compiles);
        let room = Room { memory_bytes, cpu_millis: u64::from(cpu_millis), pids: u64::from(pids), slots: 1 };
        Self {
            tenant: Arc::from(spec.binding.tenant.as_str()),
            language: Arc::from(spec.language.as_str()),
            companion: spec
                .cases
                .as_ref()
                .and_then(|plan| plan.judging.companion())
                .map(|c| c.language.as_str().into()),
            interactive: spec.cases.as_ref().is_some_and(|p| matches!(p.judging, Judging::Interactive(_))),
            isolation: spec.isolation,
            installs: spec.dependencies.is_some(),
            live_stdin: spec.live_stdin,
            room,
            report_bytes: report_bytes(spec),
        }
    }
}

fn report_bytes(spec: &JobSpec) -> u64 {
    let both = |limits: &StepLimits| limits.report_bytes.saturating_mul(2);
    let compile = both(&spec.compile_limits);
    let Some(plan) = &spec.cases else { return compile.saturating_add(both(&spec.run_limits)) };
    let companion = plan.judging.companion().map_or(0, |c| both(&c.compile_limits));
    let cases = both(&plan.largest).saturating_mul(u64::from(plan.count)).min(CASES_REPORT_BYTES_MAX);
    compile.saturating_add(companion).saturating_add(cases)
}

/// The longest that the cases of `spec` can take one after the other, with what judges them.
#[must_use]
pub fn cases_time(spec: &JobSpec) -> Duration {
    let Some(plan) = &spec.cases else { return Duration::ZERO };
    let companion = plan.judging.companion().map_or(0, |c| c.run_limits.wall_ms);
    Duration::from_millis(plan.largest.wall_ms.saturating_add(companion)).saturating_mul(plan.count)
}
