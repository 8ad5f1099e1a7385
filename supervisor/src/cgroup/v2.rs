//! Files of cgroup version 2: one hierarchy for all controllers.
//!
//! A group with children may hold no processes ("no internal processes"), so
//! the supervisor moves from the container's own group to a leaf beside the cells.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use enclos_protocol::limits::StepLimits;

use super::{CgroupError, Layout, Result, Setting, bandwidth, field, write};

const HIERARCHY: &str = "unified";
const LEAF: &str = "supervisor";

/// The directory of the group at `path`.
pub fn directories(root: &Path, path: &Path) -> Vec<PathBuf> {
    vec![root.join(HIERARCHY).join(path)]
}

/// Where the memory and process limits of the group at `path` stand.
pub fn own_limits(root: &Path, path: &Path) -> (PathBuf, PathBuf) {
    let directory = root.join(HIERARCHY).join(path);
    (directory.join("memory.max"), directory.join("pids.max"))
}

/// Moves this process to a leaf and hands the controllers down.
pub fn prepare(root: &Path, path: &Path) -> Result<()> {
    let own = root.join(HIERARCHY).join(path);
    let leaf = own.join(LEAF);
    fs::create_dir(&leaf).map_err(CgroupError::of("make", &leaf))?;
    write(&leaf.join("cgroup.procs"), "0")?;
    let available = own.join("cgroup.controllers");
    let has_cpuset = fs::read_to_string(&available).map_err(CgroupError::of("read", &available))?.contains("cpuset");
    let wanted = if has_cpuset { "+cpu +memory +pids +cpuset" } else { "+cpu +memory +pids" };
    write(&own.join("cgroup.subtree_control"), wanted)
}

/// The limits of the group at `path`.
pub fn settings(root: &Path, path: &Path, limits: &StepLimits, cpus: Option<&str>) -> Vec<Setting> {
    let directory = root.join(HIERARCHY).join(path);
    let (quota, period) = bandwidth(limits.cpu_millis);
    let set = |name: &str, value: String| Setting { path: directory.join(name), value, optional: false };
    let mut settings = vec![
        set("memory.max", limits.memory_bytes.to_string()),
        // Memory and swap together are the limit, so there is none to swap to.
        Setting { path: directory.join("memory.swap.max"), value: "0".into(), optional: true },
        set("cpu.max", format!("{quota} {period}")),
        set("pids.max", limits.pids.to_string()),
    ];
    if let Some(cpus) = cpus {
        settings.push(set("cpuset.cpus", cpus.to_owned()));
    }
    settings
}

/// The group at `path`.
pub fn layout(root: &Path, path: &Path) -> Layout {
    let directory = root.join(HIERARCHY).join(path);
    Layout {
        members: vec![directory.join("cgroup.procs")],
        cpu_usage: cpu_usage(root, path),
        oom_events: directory.join("memory.events"),
        memory_peak: directory.join("memory.peak"),
        pids_events: directory.join("pids.events"),
        directories: vec![directory],
    }
}

/// Where the CPU time of the group at `path` stands.
pub fn cpu_usage(root: &Path, path: &Path) -> PathBuf {
    root.join(HIERARCHY).join(path).join("cpu.stat")
}

/// `cpu.stat`: `usage_usec` in microseconds.
pub fn cpu_time(text: &str) -> Option<Duration> {
    field(text, "usage_usec").map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from a host with version 2.
    const CPU_STAT: &str = "usage_usec 514272\nuser_usec 401002\nsystem_usec 113270\ncore_sched.force_idle_usec 0\nnr_periods 12\nnr_throttled 3\nthrottled_usec 21003\n";

    #[test]
    fn usage_is_in_microseconds() {
        assert_eq!(cpu_time(CPU_STAT), Some(Duration::from_micros(514_272)));
    }

    #[test]
    fn swap_is_refused_so_that_memory_is_the_whole_limit() {
        let limits = super::super::tests::LIMITS;
        let settings = settings(Path::new("/g"), Path::new("c/cell-1"), &limits, Some("2"));
        let value = |name: &str| {
            let wanted = Path::new("/g/unified/c/cell-1").join(name);
            settings.iter().find(|s| s.path == wanted).map(|s| s.value.as_str())
        };
        assert_eq!(value("memory.max"), Some("67108864"));
        assert_eq!(value("memory.swap.max"), Some("0"));
        assert_eq!(value("cpu.max"), Some("25000 50000"));
        assert_eq!(value("pids.max"), Some("7"));
        assert_eq!(value("cpuset.cpus"), Some("2"));
    }
}
