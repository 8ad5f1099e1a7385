//! Which cgroup hierarchies the host has, from the texts that the kernel gives. Pure.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use enclos_protocol::supervisor_link::CgroupVersion;

use super::seat::Seat;

/// Controllers that a sandbox cannot do without.
const NEEDED: [&str; 3] = ["cpu", "memory", "pids"];
/// v1 controllers of which cells are told.
const USED_V1: [&str; 5] = ["cpu", "cpuacct", "cpuset", "memory", "pids"];
/// v2 controllers of which cells are told; a host may be without the cpuset one.
const USED_V2: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];

/// One mounted hierarchy and what it controls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// Those of its controllers that we use, sorted; empty: the engine may use it, we do not.
    pub controllers: Vec<String>,
}

impl Hierarchy {
    /// The one hierarchy of v2, with those of the `offered` controllers that we use.
    #[must_use]
    pub fn unified(mount: &Path, offered: &str) -> Self {
        let is_offered = |name: &&str| offered.split_whitespace().any(|c| c == *name);
        let controllers = USED_V2.into_iter().filter(is_offered).map(str::to_owned).collect();
        Self { mount: mount.to_owned(), controllers }
    }
}

/// The host's cgroups.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Layout {
    /// One hierarchy per controller, or per group of controllers.
    V1 {
        /// All that are mounted, those without a controller of ours too.
        hierarchies: Vec<Hierarchy>,
    },
    /// One hierarchy.
    V2 {
        /// Where it is mounted.
        mount: PathBuf,
        /// The same as a hierarchy.
        hierarchy: Hierarchy,
    },
}

/// Why the host's cgroups cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DetectError {
    /// Neither version is mounted with what we need.
    #[error("no cgroup hierarchy offers {}", missing.join(", "))]
    Missing {
        /// Controllers that are nowhere.
        missing: Vec<String>,
    },
}

impl Layout {
    /// The layout that `/proc/self/mountinfo` and the v2 root's `cgroup.controllers` describe.
    ///
    /// v1 wins where both are mounted (hybrid): a controller is in one of them
    /// only, and a hybrid host keeps them in v1.
    ///
    /// # Errors
    /// [`DetectError::Missing`].
    pub fn from_texts(mountinfo: &str, v2_controllers: &str) -> Result<Self, DetectError> {
        let mut hierarchies: Vec<Hierarchy> = Vec::new();
        let mut unified: Option<PathBuf> = None;
        let mut seen = BTreeSet::new();
        for mount in mountinfo.lines().filter_map(Mount::parse) {
            match mount.kind {
                // The same hierarchy mounted a second time names the same cgroups.
                "cgroup" if seen.insert(mount.options.to_owned()) => {
                    hierarchies.push(Hierarchy { controllers: mount.controllers(), mount: mount.point });
                }
                "cgroup2" if unified.is_none() => unified = Some(mount.point),
                _ => {}
            }
        }
        let missing_v1 = missing(|name| hierarchies.iter().any(|h| h.controllers.iter().any(|c| c == name)));
        if missing_v1.is_empty() {
            hierarchies.extend(unified.map(|mount| Hierarchy { mount, controllers: Vec::new() }));
            return Ok(Self::V1 { hierarchies });
        }
        let missing_v2 = missing(|name| v2_controllers.split_whitespace().any(|c| c == name));
        match unified {
            Some(mount) if missing_v2.is_empty() => {
                Ok(Self::V2 { hierarchy: Hierarchy::unified(&mount, v2_controllers), mount })
            }
            Some(_) => Err(DetectError::Missing { missing: missing_v2 }),
            None => Err(DetectError::Missing { missing: missing_v1 }),
        }
    }

    /// The layout of this host.
    ///
    /// # Errors
    /// As [`Layout::from_texts`]; files that cannot be read count as empty.
    pub fn of_host() -> Result<Self, DetectError> {
        Self::seen(Path::new("/proc/self/mountinfo"), &Seat::host())
    }

    /// The layout in the mounts of `mountinfo`, whose files are reached from `seat`.
    ///
    /// # Errors
    /// As [`Layout::of_host`].
    pub fn seen(mountinfo: &Path, seat: &Seat) -> Result<Self, DetectError> {
        let mountinfo = std::fs::read_to_string(mountinfo).unwrap_or_default();
        let unified = mountinfo.lines().filter_map(Mount::parse).find(|m| m.kind == "cgroup2");
        let controllers = unified.map(|m| std::fs::read_to_string(seat.at(&m.point).join("cgroup.controllers")));
        Self::from_texts(&mountinfo, &controllers.and_then(Result::ok).unwrap_or_default())
    }

    /// Which interface it is.
    #[must_use]
    pub fn version(&self) -> CgroupVersion {
        match self {
            Self::V1 { .. } => CgroupVersion::V1,
            Self::V2 { .. } => CgroupVersion::V2,
        }
    }

    /// Hierarchies with a controller of ours.
    #[must_use]
    pub fn used(&self) -> Vec<&Hierarchy> {
        match self {
            Self::V1 { hierarchies } => hierarchies.iter().filter(|h| !h.controllers.is_empty()).collect(),
            Self::V2 { hierarchy, .. } => vec![hierarchy],
        }
    }

    /// Where every hierarchy is mounted.
    #[must_use]
    pub fn mounts(&self) -> Vec<&Path> {
        match self {
            Self::V1 { hierarchies } => hierarchies.iter().map(|h| h.mount.as_path()).collect(),
            Self::V2 { mount, .. } => vec![mount],
        }
    }

    /// Where the hierarchy with `controller` is mounted.
    #[must_use]
    pub fn mount_of(&self, controller: &str) -> Option<&Path> {
        self.used().into_iter().find(|h| h.controllers.iter().any(|c| c == controller)).map(|h| h.mount.as_path())
    }
}

fn missing(has: impl Fn(&str) -> bool) -> Vec<String> {
    NEEDED.into_iter().filter(|name| !has(name)).map(str::to_owned).collect()
}

/// A line of mountinfo, proc(5): `… root point options… - kind source super-options`.
struct Mount<'a> {
    point: PathBuf,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (mount, filesystem) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?;
        let mut filesystem = filesystem.split(' ');
        let kind = filesystem.next()?;
        let options = filesystem.nth(1).unwrap_or_default();
        Some(Self { point: unescaped(point), kind, options })
    }

    fn controllers(&self) -> Vec<String> {
        let mut found: Vec<String> =
            self.options.split(',').filter(|o| USED_V1.contains(o)).map(str::to_owned).collect();
        found.sort();
        found
    }
}

/// Spaces and their like are octal escapes in mountinfo.
fn unescaped(text: &str) -> PathBuf {
    PathBuf::from(text.replace("\\040", " ").replace("\\011", "\t").replace("\\134", "\\"))
}

/// A process's cgroup path in the hierarchy of `controller` (v1) or in v2's (`None`), from `/proc/<pid>/cgroup`.
#[must_use]
pub fn path_of<'a>(proc_cgroup: &'a str, controller: Option<&str>) -> Option<&'a str> {
    proc_cgroup.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (id, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        let matches = match controller {
            Some(wanted) => controllers.split(',').any(|c| c == wanted),
            None => id == "0",
        };
        matches.then_some(path)
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub const V1_SPLIT: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/devices rw,relatime - cgroup cgroup rw,devices
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    const V1_JOINED: &str = "\
30 25 0:26 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate
32 30 0:28 / /sys/fs/cgroup/systemd rw,nosuid shared:11 - cgroup cgroup rw,xattr,name=systemd
35 30 0:31 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:15 - cgroup cgroup rw,cpu,cpuacct
36 30 0:32 / /sys/fs/cgroup/memory rw,nosuid shared:16 - cgroup cgroup rw,memory
37 30 0:33 / /sys/fs/cgroup/net_cls,net_prio rw,nosuid shared:17 - cgroup cgroup rw,net_cls,net_prio
38 30 0:34 / /sys/fs/cgroup/pids rw,nosuid shared:18 - cgroup cgroup rw,pids
";
    const V2: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
";

    fn binds(layout: &Layout) -> Vec<String> {
        layout.used().iter().map(|h| format!("{}: {}", h.mount.display(), h.controllers.join(" "))).collect()
    }

    #[test]
    fn split_controllers_are_found_and_the_others_are_known_for_removal() {
        let layout = Layout::from_texts(V1_SPLIT, "").unwrap();
        assert_eq!(layout.version(), CgroupVersion::V1);
        assert_eq!(binds(&layout).len(), 5);
        let mounts: Vec<_> = layout.mounts().iter().map(|m| m.display().to_string()).collect();
        assert!(mounts.contains(&"/sys/fs/cgroup/devices".to_owned()));
        assert!(mounts.contains(&"/sys/fs/cgroup/systemd".to_owned()));
        assert!(mounts.contains(&"/sys/fs/cgroup/unified".to_owned()));
    }

    #[test]
    fn controllers_mounted_together_share_a_directory() {
        let layout = Layout::from_texts(V1_JOINED, "").unwrap();
        assert_eq!(
            binds(&layout),
            ["/sys/fs/cgroup/cpu,cpuacct: cpu cpuacct", "/sys/fs/cgroup/memory: memory", "/sys/fs/cgroup/pids: pids"]
        );
        assert_eq!(layout.mount_of("cpuacct"), Some(Path::new("/sys/fs/cgroup/cpu,cpuacct")));
    }

    #[test]
    fn the_unified_hierarchy_is_taken_when_it_has_the_controllers() {
        let layout = Layout::from_texts(V2, "cpuset cpu io memory hugetlb pids rdma misc\n").unwrap();
        assert_eq!(layout.version(), CgroupVersion::V2);
        assert_eq!(layout.mounts(), [Path::new("/sys/fs/cgroup")]);
        assert_eq!(binds(&layout), ["/sys/fs/cgroup: cpu cpuset memory pids"]);
        assert!(layout.mount_of("cpuset").is_some());
        assert!(Layout::from_texts(V2, "cpu memory pids").unwrap().mount_of("cpuset").is_none());
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = Layout::from_texts(V2, "cpu io").unwrap_err();
        assert_eq!(error.to_string(), "no cgroup hierarchy offers memory, pids");
        assert!(Layout::from_texts("", "").is_err());
        assert!(Layout::from_texts("garbage - \n - cgroup\n", "").is_err());
    }

    #[test]
    fn a_mount_point_with_a_space_is_read() {
        let text = V2.replace("/sys/fs/cgroup", "/sys/my\\040cgroup");
        let layout = Layout::from_texts(&text, "cpu memory pids").unwrap();
        assert_eq!(layout.mounts(), [Path::new("/sys/my cgroup")]);
    }

    #[test]
    fn a_process_is_found_in_each_hierarchy() {
        let text = "5:cpu,cpuacct:/a\n4:memory:/b:c\n0::/d\n";
        assert_eq!(path_of(text, Some("cpuacct")), Some("/a"));
        assert_eq!(path_of(text, Some("memory")), Some("/b:c"));
        assert_eq!(path_of(text, None), Some("/d"));
        assert_eq!(path_of(text, Some("pids")), None);
    }
}
