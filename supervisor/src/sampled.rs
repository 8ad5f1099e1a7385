//! Accounting without cgroups: the processes of the sandbox, looked at from time to time.
//!
//! A lower bound: what a process did between two looks and then died unseen
//! is lost, and memory that processes share counts for each. A cell's processes
//! are known by their user, which no other cell that runs has.

use std::fs;
use std::time::Duration;

/// What was seen in one look, and the most that was ever seen.
#[derive(Debug)]
pub struct Sampler {
    uid: u32,
    cpu_seen: Duration,
    memory_peak_bytes: u64,
}

/// One look.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// CPU time of the processes that live and of those that they waited for.
    pub cpu: Duration,
    /// Resident memory of the processes that live, in bytes.
    pub memory_bytes: u64,
}

impl Sampler {
    /// Of the processes of this user.
    pub fn of(uid: u32) -> Self {
        Self { uid, cpu_seen: Duration::ZERO, memory_peak_bytes: 0 }
    }

    /// Looks at every process.
    pub fn look(&mut self) -> Sample {
        let (mut cpu, mut memory_bytes) = (Duration::ZERO, 0);
        for pid in other_processes() {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            if real_uid(&status) != Some(self.uid) {
                continue;
            }
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if let Some((used, resident)) = parse_stat(&stat) {
                cpu += used;
                memory_bytes += resident;
            }
        }
        self.cpu_seen = self.cpu_seen.max(cpu);
        self.memory_peak_bytes = self.memory_peak_bytes.max(memory_bytes);
        Sample { cpu: self.cpu_seen, memory_bytes }
    }

    /// The largest memory that was seen, in bytes.
    pub fn memory_peak_bytes(&self) -> u64 {
        self.memory_peak_bytes
    }
}

/// Every process that the supervisor can see but itself.
pub fn other_processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).filter(|pid| *pid != 1).collect()
}

/// Whose the process is, by its `/proc/<pid>/status` (proc(5)).
fn real_uid(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_ascii_whitespace().next()?.parse().ok()
}

/// CPU time (own and of waited-for children) and resident bytes of `/proc/<pid>/stat` (proc(5)).
fn parse_stat(text: &str) -> Option<(Duration, u64)> {
    /// Clock ticks per second that the kernel shows to programs, on every architecture we build for.
    const TICKS_PER_SECOND: u64 = 100;
    const PAGE_BYTES: u64 = 4096;
    // The name may hold blanks and parentheses; fields begin after the last one.
    let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let ticks = number(11)? + number(12)? + number(13)? + number(14)?;
    Some((Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND), number(21)? * PAGE_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_of_a_process_is_found() {
        assert_eq!(real_uid("Name:\ta\nUid:\t1000\t0\t0\t0\nGid:\t7\t7\t7\t7\n"), Some(1000));
        assert_eq!(real_uid("Name:\ta\n"), None);
    }

    #[test]
    fn a_hostile_process_name_does_not_shift_the_fields() {
        let stat = "7 (a) R 1 (b) S 1 7 7 0 -1 4194304 100 0 0 0 25 5 3 2 20 0 1 0 100 2000000 50 18446744073709551615";
        assert_eq!(parse_stat(stat), Some((Duration::from_millis(350), 50 * 4096)));
        assert_eq!(parse_stat("nonsense"), None);
    }
}
