//! How busy the agent's machine is, sampled at each heartbeat.

use std::time::{Duration, Instant};

use sysinfo::System;

use crate::machine::OwnCgroup;

/// Two looks at the processors nearer than this say nothing.
const CPU_SAMPLE_MIN: Duration = sysinfo::MINIMUM_CPU_UPDATE_INTERVAL;

/// Looks at the machine from time to time.
pub struct Sampler {
    system: System,
    own: OwnCgroup,
    looked: Instant,
    cpu_busy_permille: u16,
}

/// What a look found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Busy {
    /// Busy part of the processors, in thousandths.
    pub cpu_permille: u16,
    /// Memory in use, in thousandths.
    pub memory_permille: u16,
}

impl Sampler {
    /// A sampler for an agent that lives in `own`.
    #[must_use]
    pub fn new(own: OwnCgroup) -> Self {
        let mut system = System::new();
        system.refresh_cpu_usage();
        Self { system, own, looked: Instant::now(), cpu_busy_permille: 0 }
    }

    /// How busy it is.
    pub fn look(&mut self) -> Busy {
        if self.looked.elapsed() >= CPU_SAMPLE_MIN {
            self.system.refresh_cpu_usage();
            self.cpu_busy_permille = permille_of_percent(self.system.global_cpu_usage());
            self.looked = Instant::now();
        }
        self.system.refresh_memory();
        let machine =
            (self.system.total_memory().saturating_sub(self.system.available_memory()), self.system.total_memory());
        // A limit above the agent binds earlier than the machine's memory.
        let limited = self.own.memory_limit_bytes().filter(|limit| *limit < self.system.total_memory());
        let (used, total) = match (self.own.memory_used_bytes(), limited) {
            (Some(used), Some(limit)) => (used, limit),
            _ => machine,
        };
        Busy { cpu_permille: self.cpu_busy_permille, memory_permille: permille(used, total) }
    }
}

/// `part` of `whole` in thousandths, at most 1000.
#[must_use]
pub fn permille(part: u64, whole: u64) -> u16 {
    let thousandths = u128::from(part) * 1000 / u128::from(whole.max(1));
    u16::try_from(thousandths.min(1000)).unwrap_or(1000)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is clamped to 0 to 1000 before")]
fn permille_of_percent(percent: f32) -> u16 {
    if percent.is_finite() { (percent * 10.0).clamp(0.0, 1000.0) as u16 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stay_within_a_thousand() {
        assert_eq!(permille(1, 2), 500);
        assert_eq!(permille(u64::MAX, 1), 1000);
        assert_eq!(permille(5, 0), 1000);
        assert_eq!(permille_of_percent(f32::NAN), 0);
        assert_eq!(permille_of_percent(250.0), 1000);
        assert_eq!(permille_of_percent(12.34), 123);
    }
}
