//! Files of cgroup version 1: one hierarchy per controller.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use enclos_protocol::limits::{SOCKET_MEMORY_DIVISOR, StepLimits};

use super::{CgroupError, Layout, Result, Setting, bandwidth};

const CONTROLLERS: [&str; 4] = ["memory", "cpu", "cpuacct", "pids"];

/// The directories of the group at `path`; `cpuset` only where cores are chosen.
pub fn directories(root: &Path, path: &Path, cpuset: bool) -> Vec<PathBuf> {
    let chosen = CONTROLLERS.into_iter().chain(cpuset.then_some("cpuset"));
    chosen.map(|controller| root.join(controller).join(path)).collect()
}

/// Where the memory and process limits of the group at `path` stand.
pub fn own_limits(root: &Path, path: &Path) -> (PathBuf, PathBuf) {
    (root.join("memory").join(path).join("memory.limit_in_bytes"), root.join("pids").join(path).join("pids.max"))
}

/// What a cpuset must have before it takes a process.
pub struct Pin {
    /// Cores, as a list.
    pub cpus: String,
    /// Memory nodes, as a list.
    pub mems: String,
}

/// Pins to `cpus`, with the memory nodes that the group at `parent` has: which there are differs by host.
pub fn pin(root: &Path, parent: &Path, cpus: &str) -> Result<Pin> {
    let file = root.join("cpuset").join(parent).join("cpuset.mems");
    let mems = fs::read_to_string(&file).map_err(CgroupError::of("read", &file))?;
    Ok(Pin { cpus: cpus.to_owned(), mems: mems.trim().to_owned() })
}

/// The limits of the group at `path`.
pub fn settings(root: &Path, path: &Path, limits: &StepLimits) -> Vec<Setting> {
    let file = |controller: &str, name: &str| root.join(controller).join(path).join(name);
    let (quota, period) = bandwidth(limits.cpu_millis);
    let set = |path: PathBuf, value: String| Setting { path, value, optional: false };
    let memory = limits.memory_bytes.to_string();
    let sockets = (limits.memory_bytes / SOCKET_MEMORY_DIVISOR).to_string();
    vec![
        set(file("memory", "memory.limit_in_bytes"), memory.clone()),
        Setting { path: file("memory", "memory.memsw.limit_in_bytes"), value: memory, optional: true },
        // What waits in sockets, those of a cell's own loopback too, and not only of TCP.
        Setting { path: file("memory", "memory.kmem.tcp.limit_in_bytes"), value: sockets, optional: true },
        set(file("cpu", "cpu.cfs_period_us"), period.to_string()),
        set(file("cpu", "cpu.cfs_quota_us"), quota.to_string()),
        set(file("pids", "pids.max"), limits.pids.to_string()),
    ]
}

/// The same in the order in which limits can be raised: memory is never above memory and swap together.
pub fn raised(mut settings: Vec<Setting>) -> Vec<Setting> {
    settings.sort_by_key(|setting| !setting.path.ends_with("memory.memsw.limit_in_bytes"));
    settings
}

/// The directory of a pinned group at `path` beside its others, and what is set there.
pub fn pinned(root: &Path, path: &Path, pin: &Pin) -> (PathBuf, Vec<Setting>) {
    let directory = root.join("cpuset").join(path);
    let set =
        |name: &str, value: &String| Setting { path: directory.join(name), value: value.clone(), optional: false };
    let settings = vec![set("cpuset.mems", &pin.mems), set("cpuset.cpus", &pin.cpus)];
    (directory, settings)
}

/// Where a process joins the group in `directory`.
///
/// Not `cgroup.procs`: a thread that moves itself through `tasks` takes no lock over all thread
/// groups of the host, whose writer waits for an RCU grace period: 12 ms of each step here
/// (kernel/cgroup/cgroup.c, cgroup_procs_write_start). The process has this one thread.
pub fn members(directory: &Path) -> PathBuf {
    directory.join("tasks")
}

/// The group at `path`.
pub fn layout(root: &Path, path: &Path) -> Layout {
    let file = |controller: &str, name: &str| root.join(controller).join(path).join(name);
    let directories = directories(root, path, false);
    Layout {
        members: directories.iter().map(|directory| members(directory)).collect(),
        cpu_usage: cpu_usage(root, path),
        oom_events: file("memory", "memory.oom_control"),
        memory_peak: file("memory", "memory.max_usage_in_bytes"),
        pids_events: file("pids", "pids.events"),
        directories,
    }
}

/// Where the CPU time of the group at `path` stands.
pub fn cpu_usage(root: &Path, path: &Path) -> PathBuf {
    root.join("cpuacct").join(path).join("cpuacct.usage")
}

/// `cpuacct.usage`: nanoseconds.
pub fn cpu_time(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_in_nanoseconds() {
        assert_eq!(cpu_time("1234567890\n"), Some(Duration::from_nanos(1_234_567_890)));
        assert_eq!(cpu_time(""), None);
    }

    #[test]
    fn what_waits_in_sockets_is_bounded_beside_memory() {
        let limits = super::super::tests::LIMITS;
        let settings = settings(Path::new("/g"), Path::new("c/cell-1"), &limits);
        let value = |name: &str| {
            let setting = settings.iter().find(|s| s.path.ends_with(name))?;
            setting.value.parse::<u64>().ok()
        };
        assert_eq!(value("memory.limit_in_bytes"), Some(64 << 20));
        assert_eq!(value("memory.kmem.tcp.limit_in_bytes"), Some(16 << 20));
    }

    #[test]
    fn memory_and_swap_together_are_raised_before_memory() {
        let settings = raised(settings(Path::new("/g"), Path::new("c/cell-1"), &super::super::tests::LIMITS));
        let place = |name: &str| settings.iter().position(|s| s.path.ends_with(name));
        assert!(place("memory.memsw.limit_in_bytes") < place("memory.limit_in_bytes"));
    }

    #[test]
    fn a_cpuset_is_made_only_for_pinned_cells() {
        let root = Path::new("/g");
        assert_eq!(directories(root, Path::new("c/cell-1"), false).len(), 4);
        assert!(directories(root, Path::new("c/cell-1"), true).contains(&PathBuf::from("/g/cpuset/c/cell-1")));
    }

    #[test]
    fn a_pinned_cell_has_its_core_and_the_memory_nodes_of_its_container() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("cpuset/c")).unwrap();
        fs::write(root.path().join("cpuset/c/cpuset.mems"), "0-1\n").unwrap();
        let pin = pin(root.path(), Path::new("c"), "3").unwrap();
        let (cell, settings) = pinned(root.path(), Path::new("c/cell-1"), &pin);
        assert_eq!(cell, root.path().join("cpuset/c/cell-1"));
        let value = |name: &str| settings.iter().find(|s| s.path == cell.join(name)).map(|s| s.value.as_str());
        assert_eq!((value("cpuset.cpus"), value("cpuset.mems")), (Some("3"), Some("0-1")));
    }
}
