//! Reads the counters that `account` tells apart, and memory as the kernel shares it out.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::account::{Counters, ProcessTimes, busy_ticks, process_times};
use super::cluster::Cluster;

/// Where cgroups are mounted, by version and distribution; a cgroup's processor time is in the first that has it.
const CGROUPS: [&str; 3] = ["/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup"];
/// The cgroup in which an engine without systemd keeps containers that ask for none.
const CONTAINERS: &str = "docker";
/// Deepest cgroup that is looked into for processes.
const DEPTH_MAX: usize = 8;
/// Names of the engine's processes, as the kernel cuts them.
const ENGINE: [&str; 2] = ["dockerd", "containerd"];
const SHIM: &str = "containerd-shim";

/// Counters of this moment, with those of a cluster where one is measured.
pub fn read(cluster: Option<&Cluster>) -> Counters {
    let tick_us = 1_000_000 / u64::try_from(ticks_per_second()).unwrap_or(100).max(1);
    let mut counters = Counters { at_us: now_us(), ..Counters::default() };
    if let Some((busy, kernel)) = busy_ticks(&fs::read_to_string("/proc/stat").unwrap_or_default()) {
        (counters.busy, counters.kernel) = (busy * tick_us, kernel * tick_us);
    }
    for (pid, times) in processes() {
        let (own, waited) = (times.own * tick_us, times.waited * tick_us);
        if ENGINE.contains(&times.name.as_str()) {
            counters.engine += own;
            counters.reaped += waited;
        } else if times.name == SHIM {
            counters.shims.insert(pid, own + waited);
        } else if pid == 1 {
            counters.reaped += waited;
        } else if pid == std::process::id() {
            (counters.bench, counters.bench_reaped) = (own, waited);
        }
        if let Some(cluster) = cluster {
            counters.master += if pid == cluster.master { own } else { 0 };
            counters.agents += if cluster.agents.contains(&pid) { own } else { 0 };
        }
    }
    let names = cluster.map(|cluster| cluster.names.as_slice()).unwrap_or_default();
    counters.sandboxes = names.iter().map(|name| usage_us(&tree_of(name))).sum();
    counters.containers = usage_us(CONTAINERS);
    counters
}

fn ticks_per_second() -> i64 {
    nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100)
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn processes() -> impl Iterator<Item = (u32, ProcessTimes)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, process_times(&fs::read_to_string(entry.path().join("stat")).ok()?)?))
    })
}

/// The cgroup of an agent's sandboxes (`worker-agent/src/cgroup`).
fn tree_of(agent: &str) -> String {
    format!("enclos-{agent}")
}

/// Processor time of a cgroup and all below it, those that are gone among them; 0 where there is none.
fn usage_us(cgroup: &str) -> u64 {
    let read = |root: &&str| {
        let place = Path::new(root).join(cgroup);
        let text = |file: &str| fs::read_to_string(place.join(file)).ok();
        text("cpuacct.usage").and_then(|t| usage_v1(&t)).or_else(|| text("cpu.stat").and_then(|t| usage_v2(&t)))
    };
    CGROUPS.iter().find_map(read).unwrap_or(0)
}

fn usage_v1(text: &str) -> Option<u64> {
    Some(text.trim().parse::<u64>().ok()? / 1000)
}

fn usage_v2(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("usage_usec "))?.trim().parse().ok()
}

/// Memory of these processes in bytes, what they share with others divided among them; 0 of one that is gone.
pub fn shares_bytes(pids: &[u32]) -> u64 {
    let share = |pid: &u32| share_of(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default());
    pids.iter().map(share).sum()
}

fn share_of(rollup: &str) -> u64 {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Processes in the sandboxes of an agent.
pub fn processes_of(agent: &str) -> Vec<u32> {
    let place = CGROUPS.iter().map(|root| Path::new(root).join(tree_of(agent))).find(|place| place.is_dir());
    let mut found = Vec::new();
    if let Some(place) = place {
        collect(&place, 0, &mut found);
    }
    found
}

fn collect(place: &PathBuf, depth: usize, found: &mut Vec<u32>) {
    let listed = fs::read_to_string(place.join("cgroup.procs")).unwrap_or_default();
    found.extend(listed.lines().filter_map(|line| line.parse::<u32>().ok()));
    if depth < DEPTH_MAX {
        for entry in fs::read_dir(place).into_iter().flatten().flatten().filter(|entry| entry.path().is_dir()) {
            collect(&entry.path(), depth + 1, found);
        }
    }
}

/// The shims that are parents of these processes, each once.
pub fn shims_of(processes: &[u32]) -> Vec<u32> {
    let read = |pid: u32| process_times(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?);
    let mut shims: Vec<u32> = processes.iter().filter_map(|&pid| Some(read(pid)?.parent)).collect();
    shims.retain(|&parent| read(parent).is_some_and(|times| times.name == SHIM));
    shims.sort_unstable();
    shims.dedup();
    shims
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_cgroup_is_read_in_both_versions() {
        assert_eq!(usage_v1("123456789\n"), Some(123_456));
        assert_eq!(usage_v2("usage_usec 4242\nuser_usec 4000\nsystem_usec 242\n"), Some(4242));
        assert_eq!(usage_v2("nr_periods 0\n"), None);
    }

    #[test]
    fn a_recorded_rollup_is_its_share_alone() {
        let rollup = "55d0-7ffe ---p 00000000 00:00 0  [rollup]\nRss:  9000 kB\nPss:  2930 kB\nPss_Dirty: 1 kB\n";
        assert_eq!(share_of(rollup), 2930 * 1024);
        assert_eq!(share_of(""), 0);
    }

    #[test]
    fn this_process_has_times_and_memory() {
        let own = processes().find(|(pid, _)| *pid == std::process::id());
        assert!(own.is_some_and(|(_, times)| times.parent > 0));
        assert!(shares_bytes(&[std::process::id()]) > 100_000);
    }
}
