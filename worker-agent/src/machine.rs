//! What this machine lets the agent use: cores, memory, name. Parsing is pure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use enclos_protocol::ids::AgentName;

use crate::cgroup::{Layout, detect};
use crate::cores;

/// Cgroups above the agent's own that are looked at for a limit.
const ANCESTORS_MAX: usize = 32;

/// What may be used here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Machine {
    /// Processor share in thousandths of a core.
    pub cpu_millis: u32,
    /// Cores that the agent itself may run on, by number; empty where the kernel does not say.
    pub cores: BTreeSet<u32>,
    /// Memory in bytes: the machine's, or the smallest limit above the agent.
    pub memory_bytes: u64,
    /// The host's name, as the kernel has it.
    pub hostname: String,
    /// The memory is a pod's: what sandboxes need beside their jobs has to fit in, too.
    pub is_pod: bool,
}

impl Machine {
    /// This machine, as seen from the cgroup that the agent lives in.
    #[must_use]
    pub fn detect(own: &OwnCgroup) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let cores_millis = u32::try_from(cores).unwrap_or(u32::MAX).saturating_mul(1000);
        let mut system = sysinfo::System::new();
        system.refresh_memory();
        Self {
            cpu_millis: cores_millis,
            cores: allowed_cores(&std::fs::read_to_string("/proc/self/status").unwrap_or_default()),
            memory_bytes: own.memory_limit_bytes().map_or(system.total_memory(), |l| l.min(system.total_memory())),
            hostname: sysinfo::System::host_name().unwrap_or_default(),
            is_pod: false,
        }
    }

    /// A name for an agent that was given none.
    #[must_use]
    pub fn agent_name(&self) -> AgentName {
        let allowed = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-';
        let name: String = self.hostname.to_ascii_lowercase().chars().filter(allowed).take(63).collect();
        let name = name.trim_start_matches('-').to_owned();
        name.parse().unwrap_or_else(|_| "agent".parse().expect("a constant that is a valid name"))
    }
}

/// The cores in the text of `/proc/<pid>/status`: what affinity and cpuset leave of the machine.
fn allowed_cores(status: &str) -> BTreeSet<u32> {
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    list.and_then(|list| cores::parse_list(list).ok()).unwrap_or_default()
}

/// Process ids that this machine's kernel gives out (proc_sys_kernel(5)), for all users together.
#[must_use]
pub fn process_ids() -> u32 {
    /// What a kernel begins with.
    const USUAL: u32 = 32_768;
    let text = std::fs::read_to_string("/proc/sys/kernel/pid_max").unwrap_or_default();
    text.trim().parse().unwrap_or(USUAL)
}

/// The memory cgroup that this process lives in, if it can be found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OwnCgroup {
    /// Its directory, and those above it up to the hierarchy's root.
    directories: Vec<PathBuf>,
    v2: bool,
}

impl OwnCgroup {
    /// Of this process.
    #[must_use]
    pub fn detect(layout: Option<&Layout>) -> Self {
        let text = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        layout.map(|layout| Self::from_text(layout, &text)).unwrap_or_default()
    }

    /// Of the process whose `/proc/<pid>/cgroup` is `text`.
    #[must_use]
    pub fn from_text(layout: &Layout, text: &str) -> Self {
        let (mount, path, v2) = match layout {
            Layout::V1 { .. } => (layout.mount_of("memory"), detect::path_of(text, Some("memory")), false),
            Layout::V2 { mount, .. } => (Some(mount.as_path()), detect::path_of(text, None), true),
        };
        let (Some(mount), Some(path)) = (mount, path) else { return Self::default() };
        let own = mount.join(path.trim_start_matches('/'));
        let below_mount = |d: &&Path| d.starts_with(mount);
        let directories = own.ancestors().take_while(below_mount).take(ANCESTORS_MAX).map(Path::to_owned).collect();
        Self { directories, v2 }
    }

    /// The one whose memory files are in `directory`, and nothing above it.
    #[must_use]
    pub fn at(directory: PathBuf, v2: bool) -> Self {
        Self { directories: vec![directory], v2 }
    }

    /// The smallest memory limit on the way up; `None` where there is none.
    #[must_use]
    pub fn memory_limit_bytes(&self) -> Option<u64> {
        let file = if self.v2 { "memory.max" } else { "memory.limit_in_bytes" };
        let limits = self.directories.iter().filter_map(|d| std::fs::read_to_string(d.join(file)).ok());
        limits.filter_map(|text| limit(&text)).min()
    }

    /// Memory in use by the cgroup, without what the kernel can take back at once.
    #[must_use]
    pub fn memory_used_bytes(&self) -> Option<u64> {
        let directory = self.directories.first()?;
        let (file, key) = if self.v2 {
            ("memory.current", "inactive_file")
        } else {
            ("memory.usage_in_bytes", "total_inactive_file")
        };
        let used: u64 = std::fs::read_to_string(directory.join(file)).ok()?.trim().parse().ok()?;
        let stat = std::fs::read_to_string(directory.join("memory.stat")).unwrap_or_default();
        Some(used.saturating_sub(stat_value(&stat, key).unwrap_or(0)))
    }
}

/// A memory limit as cgroup files write it; v1 writes a page-rounded `i64::MAX` for "none".
fn limit(text: &str) -> Option<u64> {
    const NONE_V1: u64 = (i64::MAX as u64) & !0xffff;
    text.trim().parse().ok().filter(|bytes| *bytes < NONE_V1)
}

/// A value of a `key value` file.
fn stat_value(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cgroup::detect::tests::V1_SPLIT;

    #[test]
    fn limits_are_looked_for_on_the_whole_way_up() {
        let layout = Layout::from_texts(V1_SPLIT, "").unwrap();
        let own = OwnCgroup::from_text(&layout, "4:memory:/a/b\n0::/\n");
        let texts: Vec<_> = own.directories.iter().map(|d| d.display().to_string()).collect();
        assert_eq!(texts, ["/sys/fs/cgroup/memory/a/b", "/sys/fs/cgroup/memory/a", "/sys/fs/cgroup/memory"]);
    }

    #[test]
    fn the_cores_of_the_agents_own_affinity_are_read() {
        let status = "Name:\ta\nCpus_allowed:\t8f\nCpus_allowed_list:\t0-3,7\nMems_allowed_list:\t0\n";
        assert_eq!(allowed_cores(status), BTreeSet::from([0, 1, 2, 3, 7]));
        assert_eq!(allowed_cores(""), BTreeSet::new());
    }

    #[test]
    fn no_limit_is_read_as_none() {
        assert_eq!(limit("9223372036854771712\n"), None);
        assert_eq!(limit("max\n"), None);
        assert_eq!(limit("1073741824\n"), Some(1 << 30));
    }

    #[test]
    fn usage_is_without_what_can_be_taken_back() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("memory.current"), "1000\n").unwrap();
        std::fs::write(root.path().join("memory.stat"), "anon 5\ninactive_file 300\ninactive_file_x 9\n").unwrap();
        std::fs::write(root.path().join("memory.max"), "max\n").unwrap();
        let own = OwnCgroup { directories: vec![root.path().to_owned()], v2: true };
        assert_eq!(own.memory_used_bytes(), Some(700));
        assert_eq!(own.memory_limit_bytes(), None);
    }

    #[test]
    fn a_host_name_becomes_an_agent_name() {
        let cores = BTreeSet::new;
        let named = |hostname: &str| {
            Machine { cpu_millis: 1, cores: cores(), memory_bytes: 1, hostname: hostname.into(), is_pod: false }
                .agent_name()
        };
        assert_eq!(named("-Node_7.example").as_str(), "node7example");
        assert_eq!(named("").as_str(), "agent");
    }
}
