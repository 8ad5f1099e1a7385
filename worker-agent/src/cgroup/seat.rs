//! From where an agent sees its engine's cgroups. Pure.
//!
//! On a host both see the same files. In a pod the engine is a container of its own, with its own
//! mounts and, as they begin at that container's cgroup, with everything that it makes beneath it. The agent
//! reaches them through the engine's process; the engine is told the paths as it sees them.

use std::path::{Path, PathBuf};

use super::detect;

/// Where paths of the engine begin for the agent, and which pod everything has to be beneath.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seat {
    reach: PathBuf,
    /// The agent's own `/proc/self/cgroup`; `None`: no pod holds its sandboxes.
    own: Option<String>,
}

impl Seat {
    /// On the engine's host.
    #[must_use]
    pub fn host() -> Self {
        Self { reach: PathBuf::from("/"), own: None }
    }

    /// In a pod: the engine's root is at `reach`, and the agent's own `/proc/self/cgroup` is `own`.
    #[must_use]
    pub fn pod(reach: PathBuf, own: String) -> Self {
        Self { reach, own: Some(own) }
    }

    /// Where the agent finds what the engine has at `path`.
    #[must_use]
    pub fn at(&self, path: &Path) -> PathBuf {
        self.reach.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Whether a cgroup `path` of a controller (`None`: version 2) is beneath the agent's pod: containers of a
    /// pod are the children of its cgroup. Paths are as the agent reads them; in a cgroup namespace of its own it
    /// is `/`, and its siblings are `/../<name>`.
    #[must_use]
    pub fn holds(&self, controller: Option<&str>, path: &str) -> bool {
        let Some(own) = &self.own else { return true };
        match detect::path_of(own, controller) {
            Some("/") => path.strip_prefix("/../").is_some_and(|rest| !rest.starts_with("..")),
            Some(own) => {
                let pod = own.rsplit_once('/').map_or("", |(pod, _)| pod);
                !pod.is_empty() && path.strip_prefix(pod).is_some_and(|rest| rest.starts_with('/'))
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_engine_are_reached_through_its_process() {
        let seat = Seat::pod("/proc/7/root".into(), String::new());
        assert_eq!(seat.at(Path::new("/sys/fs/cgroup/memory")), Path::new("/proc/7/root/sys/fs/cgroup/memory"));
        assert_eq!(Seat::host().at(Path::new("/sys/fs/cgroup")), Path::new("/sys/fs/cgroup"));
    }

    #[test]
    fn only_what_is_beneath_the_pod_is_held_by_it() {
        let seat = Seat::pod("/".into(), "4:memory:/kubepods/pod1/agent\n0::/\n".to_owned());
        for (controller, path, holds) in [
            (Some("memory"), "/kubepods/pod1/engine/enclos-a/1/c", true),
            (Some("memory"), "/kubepods/pod2/engine/enclos-a/1/c", false),
            (Some("memory"), "/kubepods/pod11/engine/enclos-a/1/c", false),
            (Some("memory"), "/enclos-a/1/c", false),
            (Some("pids"), "/kubepods/pod1/engine/enclos-a/1/c", false),
            (None, "/../engine/enclos-a/1/c", true),
            (None, "/../../pod2/engine/enclos-a/1/c", false),
            (None, "/enclos-a/1/c", false),
        ] {
            assert_eq!(seat.holds(controller, path), holds, "{controller:?} {path}");
        }
    }

    #[test]
    fn a_container_beneath_no_pod_proves_nothing() {
        let seat = Seat::pod("/".into(), "4:memory:/agent\n".to_owned());
        assert!(!seat.holds(Some("memory"), "/enclos-a/1/c"));
        assert!(Seat::host().holds(Some("memory"), "/enclos-a/1/c"));
    }
}
