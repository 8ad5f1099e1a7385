//! Accounting without cgroups: the processes of the sandbox, looked at from time to time.
//!
//! Not exact: what a process did between two looks and then died unseen is lost,
//! memory that processes share counts for each but under gVisor, and gVisor counts
//! time in which a process only waits for a core. Every process but the supervisor is
//! the cell's, where one runs at a time; of two, each knows its own by their user.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::clock;

/// What was seen in one look, and the most that was ever seen.
#[derive(Debug)]
pub struct Sampler {
    /// Whose processes count; `None`: all.
    user: Option<u32>,
    cores: u32,
    threads_max: u64,
    begun_at: Duration,
    /// What gVisor used before the cell, in bytes; `None` where the kernel is another.
    gvisor_base_bytes: Option<u64>,
    cpu_seen: Duration,
    memory_peak_bytes: u64,
}

/// One look.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// CPU time of the processes that live and of those that they waited for.
    pub cpu: Duration,
    /// Memory of the processes that live, in bytes; under gVisor, of all that is new since the cell began.
    pub memory_bytes: u64,
    /// Threads that live, of all processes: this many at one moment, where that is above what is allowed.
    pub threads: u64,
}

/// What one process comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Process {
    cpu: Duration,
    resident_bytes: u64,
    threads: u64,
    /// When it began, by the kernel's clock: tells it from another with its number.
    begun: u64,
}

impl Sampler {
    /// For a cell that begins now, on as many cores and with so many threads allowed.
    pub fn new(cores: u32, threads_max: u64) -> Self {
        Self {
            user: None,
            cores,
            threads_max,
            begun_at: clock::now(),
            gvisor_base_bytes: gvisor_bytes(),
            cpu_seen: Duration::ZERO,
            memory_peak_bytes: 0,
        }
    }

    /// Another cell runs beside it.
    pub fn look_only_at(&mut self, user: u32) {
        self.user = Some(user);
    }

    /// Looks at every process.
    pub fn look(&mut self) -> Sample {
        let counts = |pid: &i32| self.user.is_none_or(|user| user_of(*pid) == Some(user));
        let counted = other_processes().into_iter().filter(counts);
        let seen: BTreeMap<i32, Process> = counted.filter_map(|pid| Some((pid, read(pid)?))).collect();
        let cpu = seen.values().map(|process| process.cpu).sum::<Duration>();
        let memory_bytes = match (self.gvisor_base_bytes, gvisor_bytes()) {
            (Some(base), Some(now)) => now.saturating_sub(base),
            _ => seen.values().map(|process| process.resident_bytes).sum(),
        };
        let mut threads = seen.values().map(|process| process.threads).sum();
        if threads > self.threads_max {
            // One look takes a while, and who ended in it and who came after were never together. Who
            // is there still, was there with all others that are.
            threads = seen.iter().map(|(pid, before)| read(*pid).map_or(0, |now| now.threads_since(before))).sum();
        }
        // Whatever is counted, no more can have been used than there was.
        let most = clock::now().saturating_sub(self.begun_at) * self.cores;
        self.cpu_seen = self.cpu_seen.max(cpu.min(most));
        self.memory_peak_bytes = self.memory_peak_bytes.max(memory_bytes);
        Sample { cpu: self.cpu_seen, memory_bytes, threads }
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

fn user_of(pid: i32) -> Option<u32> {
    real_uid(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// Whose the process is, by its `/proc/<pid>/status` (proc(5)).
fn real_uid(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_ascii_whitespace().next()?.parse().ok()
}

/// Memory that gVisor uses for this sandbox, in bytes; `None` where the kernel is another.
fn gvisor_bytes() -> Option<u64> {
    let heap = fs::read_to_string("/proc/sentry-meminfo").ok()?;
    gvisor_used(&fs::read_to_string("/proc/meminfo").ok()?, &heap)
}

/// Its `/proc/meminfo` counts the sandbox alone: processes and files in memory, each page once. What
/// waits in sockets is in the heap of the user-space kernel itself.
fn gvisor_used(memory: &str, heap: &str) -> Option<u64> {
    let kibibytes = |text: &str, name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_ascii_whitespace().next()?.parse().ok()
    };
    let pages = kibibytes(memory, "MemTotal")?.checked_sub(kibibytes(memory, "MemFree")?)?;
    Some((pages + kibibytes(heap, "HeapAlloc")?) * 1024)
}

impl Process {
    /// Threads that it has had since it was `before`; none where it is another one.
    fn threads_since(&self, before: &Self) -> u64 {
        if self.begun == before.begun { self.threads.min(before.threads) } else { 0 }
    }
}

fn read(pid: i32) -> Option<Process> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// What `/proc/<pid>/stat` says (proc(5)); CPU time is its own and that of children it waited for.
fn parse_stat(text: &str) -> Option<Process> {
    /// Clock ticks per second that the kernel shows to programs, on every architecture we build for.
    const TICKS_PER_SECOND: u64 = 100;
    const PAGE_BYTES: u64 = 4096;
    // The name may hold blanks and parentheses; fields begin after the last one.
    let fields: Vec<&str> = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let ticks = number(11)? + number(12)? + number(13)? + number(14)?;
    Some(Process {
        cpu: Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND),
        resident_bytes: number(21)? * PAGE_BYTES,
        threads: number(17)?,
        begun: number(19)?,
    })
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
    fn a_process_that_took_the_number_of_another_was_not_there_with_it() {
        let before = Process { cpu: Duration::ZERO, resident_bytes: 0, threads: 3, begun: 5 };
        assert_eq!(Process { threads: 2, ..before }.threads_since(&before), 2);
        assert_eq!(Process { threads: 4, ..before }.threads_since(&before), 3);
        assert_eq!(Process { begun: 6, ..before }.threads_since(&before), 0);
    }

    #[test]
    fn pages_and_heap_of_gvisor_are_added_up() {
        // As runsc 20221219 writes them.
        let memory = "MemTotal:        2228224 kB\nMemFree:         2142200 kB\nMemAvailable:    2142200 kB\n";
        let heap =
            "Alloc:              2118 kB\nMallocs:           24731\nHeapAlloc:          2118 kB\nHeapSys: 7200 kB\n";
        assert_eq!(gvisor_used(memory, heap), Some((2_228_224 - 2_142_200 + 2118) * 1024));
        assert_eq!(gvisor_used(memory, ""), None);
    }

    #[test]
    fn no_more_time_is_counted_than_there_was() {
        let mut sampler = Sampler::new(0, 0);
        assert_eq!(sampler.look().cpu, Duration::ZERO, "all processes of this machine, on no core");
        let mut sampler = Sampler { begun_at: Duration::ZERO, ..Sampler::new(u32::MAX, 0) };
        assert!(sampler.look().cpu > Duration::ZERO);
    }

    #[test]
    fn a_hostile_process_name_does_not_shift_the_fields() {
        let stat = "7 (a) R 1 (b) S 1 7 7 0 -1 4194304 100 0 0 0 25 5 3 2 20 0 3 0 100 2000000 50 18446744073709551615";
        let expected = Process { cpu: Duration::from_millis(350), resident_bytes: 50 * 4096, threads: 3, begun: 100 };
        assert_eq!(parse_stat(stat), Some(expected));
        assert_eq!(parse_stat("nonsense"), None);
    }
}
