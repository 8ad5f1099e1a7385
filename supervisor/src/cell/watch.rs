//! When a running step has to end, and when to look again. Pure.

use std::time::Duration;

use enclos_protocol::limits::StepLimits;
use enclos_protocol::outcome::Stop;

use crate::locks::LOCKS_MAX;

/// Longest time between two looks: within it a killed child is noticed.
const LOOK_MAX: Duration = Duration::from_millis(50);
/// Shortest, so that the last microseconds before a limit are not spent looking.
const LOOK_MIN: Duration = Duration::from_micros(500);

/// What is known of a running step.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// CPU time that the step used.
    pub cpu: Duration,
    /// Time since its program started.
    pub wall: Duration,
    /// Processes that the kernel killed for want of memory.
    pub oom_kills: u64,
    /// Locks on files that it holds; each is memory that nothing else counts.
    pub locks: u64,
    /// What is in use where no cgroup holds the limits.
    pub sampled: Option<InUse>,
}

/// Memory and processes of all of a step.
#[derive(Clone, Copy, Debug)]
pub struct InUse {
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u64,
}

/// What follows from a [`Reading`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It ends now.
    End(Stop),
    /// It may run; no limit can be reached before this time has passed.
    LookIn(Duration),
}

/// Holds `reading` against `limits`; `cores` can run at once.
pub fn judge(limits: &StepLimits, reading: &Reading, cores: u32) -> Verdict {
    let cpu_max = Duration::from_millis(limits.cpu_ms);
    let wall_max = Duration::from_millis(limits.wall_ms);
    // Exact where it is told, and many processes look like much memory, which they share.
    if reading.sampled.is_some_and(|used| used.pids > u64::from(limits.pids)) {
        return Verdict::End(Stop::ProcessLimit);
    }
    let above = reading.sampled.is_some_and(|used| used.memory_bytes > limits.memory_bytes);
    if reading.oom_kills > 0 || above || reading.locks > LOCKS_MAX {
        return Verdict::End(Stop::MemoryLimit);
    }
    if reading.cpu > cpu_max {
        return Verdict::End(Stop::CpuLimit);
    }
    if reading.wall > wall_max {
        return Verdict::End(Stop::WallLimit);
    }
    // CPU time grows at most `cores` times as fast as the clock.
    let until_cpu = (cpu_max - reading.cpu) / cores.max(1);
    let until_wall = wall_max - reading.wall;
    let wait = until_cpu.min(until_wall);
    Verdict::LookIn((wait + Duration::from_micros(1)).clamp(LOOK_MIN, LOOK_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: StepLimits = StepLimits {
        cpu_ms: 1000,
        wall_ms: 3000,
        memory_bytes: 1 << 20,
        pids: 1,
        output_bytes: 1,
        report_bytes: 1,
        file_bytes: 1,
        stack_bytes: 1,
        cpu_millis: 1000,
    };

    fn reading(cpu_ms: u64, wall_ms: u64) -> Reading {
        let ms = Duration::from_millis;
        Reading { cpu: ms(cpu_ms), wall: ms(wall_ms), oom_kills: 0, locks: 0, sampled: None }
    }

    #[test]
    fn a_limit_that_is_reached_is_not_yet_passed() {
        assert!(matches!(judge(&LIMITS, &reading(1000, 1000), 2), Verdict::LookIn(_)));
        let over = Reading { cpu: Duration::from_micros(1_000_001), ..reading(0, 1000) };
        assert_eq!(judge(&LIMITS, &over, 2), Verdict::End(Stop::CpuLimit));
        assert_eq!(judge(&LIMITS, &reading(0, 3001), 2), Verdict::End(Stop::WallLimit));
    }

    #[test]
    fn the_next_look_comes_before_any_limit_can_be_passed_by_much() {
        for cores in [1, 2, 64] {
            for cpu_ms in [0, 500, 990, 999] {
                let Verdict::LookIn(wait) = judge(&LIMITS, &reading(cpu_ms, cpu_ms), cores) else { panic!() };
                let most = Duration::from_millis(cpu_ms) + wait * cores;
                assert!(most <= Duration::from_millis(1000) + LOOK_MIN * (cores + 1), "{cores} {cpu_ms} {wait:?}");
            }
        }
    }

    #[test]
    fn memory_comes_before_time() {
        let both = Reading { oom_kills: 1, ..reading(2000, 9000) };
        assert_eq!(judge(&LIMITS, &both, 1), Verdict::End(Stop::MemoryLimit));
        let sampled = Reading { sampled: Some(InUse { memory_bytes: 2 << 20, pids: 1 }), ..reading(0, 0) };
        assert_eq!(judge(&LIMITS, &sampled, 1), Verdict::End(Stop::MemoryLimit));
        let holding = |locks| judge(&LIMITS, &Reading { locks, ..reading(0, 0) }, 1);
        assert!(matches!(holding(LOCKS_MAX), Verdict::LookIn(_)), "all that it may hold");
        assert_eq!(holding(LOCKS_MAX + 1), Verdict::End(Stop::MemoryLimit));
    }

    #[test]
    fn processes_come_before_memory_where_both_are_only_seen() {
        let seen = |pids| Reading { sampled: Some(InUse { memory_bytes: 1, pids }), ..reading(0, 0) };
        assert!(matches!(judge(&LIMITS, &seen(1), 1), Verdict::LookIn(_)), "all that it may have");
        assert_eq!(judge(&LIMITS, &seen(2), 1), Verdict::End(Stop::ProcessLimit));
        let both = Reading { sampled: Some(InUse { memory_bytes: 2 << 20, pids: 2 }), ..reading(2000, 0) };
        assert_eq!(judge(&LIMITS, &both, 1), Verdict::End(Stop::ProcessLimit));
    }
}
