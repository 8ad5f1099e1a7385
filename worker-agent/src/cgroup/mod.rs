//! The host's side of cgroups: one tree per agent, one branch per sandbox.
//!
//! ```text
//! <hierarchy>/enclos-<agent>            limits: what the agent offers, and headroom
//!                └─ <sandbox>           made here; the engine's parent of one container
//!                      └─ <container>   made by the engine: limits of the container
//!                            ├─ …       made by the supervisor: itself, and one per cell
//! ```
//!
//! `detect` reads what the host has (pure), `writes` says what is written
//! (pure), this module writes it. It must not follow a path that comes from a
//! sandbox: every name here is the agent's own.

mod abandoned;
pub mod detect;
mod forgotten;
pub mod seat;
pub mod writes;

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use enclos_protocol::ids::AgentName;
use enclos_protocol::supervisor_link::CGROUP_DIR;

pub use abandoned::Hold;
pub use detect::{DetectError, Layout};
pub use seat::Seat;
pub use writes::TreeLimits;

use crate::engine::CgroupMount;

/// Begin of the names of all agents' trees.
const PREFIX: &str = "enclos-";
/// Times that a directory is tried to be removed: the kernel needs a moment after the last process.
const REMOVE_TRIES_MAX: u32 = 50;
/// Every so many tries what is still in there is killed. By then nobody else knows of it.
const KILL_EVERY: u32 = 15;
/// Pause between two tries.
const REMOVE_PAUSE: Duration = Duration::from_millis(20);
/// Deepest tree that removal walks; ours has five levels.
const REMOVE_DEPTH_MAX: usize = 8;

/// Which step with a cgroup failed.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// A directory cannot be made.
    #[error("cgroup {} cannot be made", path.display())]
    Make {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A limit cannot be written.
    #[error("'{value}' cannot be written to {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What was to be written.
        value: String,
        /// Why.
        source: io::Error,
    },
    /// A directory cannot be removed.
    #[error("cgroup {} cannot be removed", path.display())]
    Remove {
        /// Which.
        path: PathBuf,
        /// Why, the last time.
        source: io::Error,
    },
}

/// The cgroups of one agent.
#[derive(Clone, Debug)]
pub struct CgroupTree {
    layout: Layout,
    root: String,
    seat: Seat,
}

impl CgroupTree {
    /// The tree of `agent`; nothing is made yet.
    #[must_use]
    pub fn new(layout: Layout, agent: &AgentName) -> Self {
        Self { layout, root: format!("{PREFIX}{agent}"), seat: Seat::host() }
    }

    /// The same of an engine that has its cgroups elsewhere.
    #[must_use]
    pub fn seated(self, seat: Seat) -> Self {
        Self { seat, ..self }
    }

    /// What the host has.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Makes the agent's own cgroup with `limits`.
    ///
    /// # Errors
    /// [`CgroupError`] names the file.
    pub fn make_agent(&self, limits: &TreeLimits) -> Result<(), CgroupError> {
        if let Layout::V2 { mount, hierarchy } = &self.layout {
            enable_controllers(&self.seat.at(mount), &hierarchy.controllers)?;
        }
        for hierarchy in self.layout.used() {
            let directory = self.place(&hierarchy.mount);
            make(&directory)?;
            for write in writes::agent(&self.layout, &hierarchy.controllers, limits) {
                write_value(&directory, &write)?;
            }
            self.inherit_cpuset(&directory, &hierarchy.controllers)?;
        }
        if let Layout::V2 { mount, hierarchy } = &self.layout {
            enable_controllers(&self.place(mount), &hierarchy.controllers)?;
        }
        Ok(())
    }

    /// Whether cells can be pinned to cores.
    #[must_use]
    pub fn can_pin(&self) -> bool {
        self.layout.mount_of("cpuset").is_some()
    }

    /// Makes the parent of one sandbox's container; `name` is a single component of the agent's choice.
    ///
    /// # Errors
    /// [`CgroupError`] names the file.
    pub fn make_sandbox(&self, name: &str) -> Result<CgroupMount, CgroupError> {
        let mut binds = Vec::new();
        for hierarchy in self.layout.used() {
            let directory = self.place(&hierarchy.mount).join(name);
            make(&directory)?;
            self.inherit_cpuset(&directory, &hierarchy.controllers)?;
            // The engine binds what it sees.
            let seen = hierarchy.mount.join(&self.root).join(name);
            match &self.layout {
                Layout::V1 { .. } => {
                    binds.extend(hierarchy.controllers.iter().map(|c| (seen.clone(), format!("{CGROUP_DIR}/{c}"))));
                }
                Layout::V2 { .. } => {
                    enable_controllers(&directory, &hierarchy.controllers)?;
                    binds.push((seen, format!("{CGROUP_DIR}/unified")));
                }
            }
        }
        Ok(CgroupMount { parent: format!("/{}/{name}", self.root), binds })
    }

    /// Lets nobody but root look into a sandbox's cgroups, where a container shows them to its programs:
    /// they list processes of the host.
    ///
    /// # Errors
    /// [`CgroupError::Write`] names the directory.
    pub fn close_sandbox(&self, name: &str) -> Result<(), CgroupError> {
        self.layout.used().into_iter().try_for_each(|hierarchy| {
            let path = self.place(&hierarchy.mount).join(name);
            let closed = fs::set_permissions(&path, fs::Permissions::from_mode(0o700));
            closed.map_err(|source| CgroupError::Write { path, value: "mode 0700".to_owned(), source })
        })
    }

    /// Limits the memory of one sandbox as a whole, for as long as it lives.
    ///
    /// # Errors
    /// [`CgroupError::Write`] names the file.
    pub fn limit_memory(&self, name: &str, memory_bytes: u64) -> Result<(), CgroupError> {
        self.limit(Path::new(name), "memory", &writes::memory(&self.layout, memory_bytes))
    }

    /// Limits the processor share of the container of one sandbox, in thousandths of a core, until it is
    /// set anew. Not of the sandbox's own group: under version 1 no group may have less than one beneath it.
    ///
    /// # Errors
    /// [`CgroupError::Write`] names the file.
    pub fn limit_cpu(&self, name: &str, container: &str, cpu_millis: u32) -> Result<(), CgroupError> {
        self.limit(&Path::new(name).join(container), "cpu", &writes::cpu(&self.layout, cpu_millis))
    }

    /// Gives one sandbox the least weight among all where cores are short.
    ///
    /// # Errors
    /// [`CgroupError::Write`] names the file.
    pub fn weigh_least(&self, name: &str) -> Result<(), CgroupError> {
        self.limit(Path::new(name), "cpu", &[writes::weight(&self.layout, writes::Weight::Least)])
    }

    /// Gives it the weight that it had.
    ///
    /// # Errors
    /// [`CgroupError::Write`] names the file.
    pub fn weigh_as_others(&self, name: &str) -> Result<(), CgroupError> {
        self.limit(Path::new(name), "cpu", &[writes::weight(&self.layout, writes::Weight::Usual)])
    }

    fn limit(&self, name: &Path, controller: &str, writes: &[writes::Write]) -> Result<(), CgroupError> {
        let Some(mount) = self.layout.mount_of(controller) else { return Ok(()) };
        let directory = self.place(mount).join(name);
        writes.iter().try_for_each(|write| write_value(&directory, write))
    }

    /// v1: a new cpuset is empty and takes no process until it is given what its parent has.
    fn inherit_cpuset(&self, directory: &Path, controllers: &[String]) -> Result<(), CgroupError> {
        let is_empty = matches!(self.layout, Layout::V1 { .. }) && controllers.iter().any(|c| c == "cpuset");
        let Some(parent) = directory.parent().filter(|_| is_empty) else { return Ok(()) };
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let value = fs::read_to_string(parent.join(file)).unwrap_or_default().trim().to_owned();
            write_value(directory, &writes::Write { file, value, optional: true })?;
        }
        Ok(())
    }

    /// Gives the container's own cgroup to `uid`, the user of the host that its uid 0 is mapped to.
    ///
    /// # Errors
    /// [`CgroupError::Write`].
    pub fn give_to(&self, sandbox: &str, container: &str, uid: u32) -> Result<(), CgroupError> {
        for hierarchy in self.layout.used() {
            let directory = self.place(&hierarchy.mount).join(sandbox).join(container);
            let entries = fs::read_dir(&directory).into_iter().flatten().flatten().map(|e| e.path());
            for path in [directory.clone()].into_iter().chain(entries) {
                std::os::unix::fs::chown(&path, Some(uid), Some(uid)).map_err(|source| CgroupError::Write {
                    path: path.clone(),
                    value: format!("owner {uid}"),
                    source,
                })?;
            }
        }
        Ok(())
    }

    /// Removes a sandbox's cgroups in every hierarchy: the engine made some in those we do not use.
    ///
    /// # Errors
    /// [`CgroupError::Remove`] when they are still busy after a bounded number of tries.
    pub async fn remove_sandbox(&self, name: &str) -> Result<(), CgroupError> {
        self.remove(&Path::new(&self.root).join(name)).await
    }

    /// Removes the agent's whole tree.
    ///
    /// # Errors
    /// As [`CgroupTree::remove_sandbox`].
    pub async fn remove_agent(&self) -> Result<(), CgroupError> {
        self.remove(Path::new(&self.root)).await
    }

    async fn remove(&self, below: &Path) -> Result<(), CgroupError> {
        for mount in self.layout.mounts() {
            let path = self.seat.at(mount).join(below);
            let mut tries = 0;
            while let Err(source) = remove_tree(&path, REMOVE_DEPTH_MAX) {
                tries += 1;
                if tries >= REMOVE_TRIES_MAX {
                    return Err(CgroupError::Remove { path, source });
                }
                if tries % KILL_EVERY == 0 {
                    let killed = forgotten::kill_in(&path, REMOVE_DEPTH_MAX);
                    tracing::warn!(killed, cgroup = %path.display(), "the engine forgot what ran there, it was killed");
                }
                tokio::time::sleep(REMOVE_PAUSE).await;
            }
        }
        Ok(())
    }

    /// The agent's directory in the hierarchy at `mount`.
    fn place(&self, mount: &Path) -> PathBuf {
        self.seat.at(mount).join(&self.root)
    }

    /// Whether `proc_cgroup` (the text of `/proc/<pid>/cgroup`) puts the process below `sandbox`
    /// of this agent, and in a pod below the pod, in every hierarchy that carries limits; else the
    /// controllers where it does not.
    #[must_use]
    pub fn outside_of(&self, sandbox: &str, proc_cgroup: &str) -> Vec<String> {
        let inside = format!("/{}/{sandbox}/", self.root);
        let is_inside = |controller: Option<&str>| {
            let path = detect::path_of(proc_cgroup, controller);
            path.is_some_and(|path| path.contains(&inside) && self.seat.holds(controller, path))
        };
        let mut outside = Vec::new();
        for hierarchy in self.layout.used() {
            match &self.layout {
                Layout::V1 { .. } => {
                    outside.extend(hierarchy.controllers.iter().filter(|c| !is_inside(Some(c))).cloned());
                }
                Layout::V2 { .. } if is_inside(None) => {}
                Layout::V2 { .. } => outside.push("unified".to_owned()),
            }
        }
        outside
    }
}

fn make(directory: &Path) -> Result<(), CgroupError> {
    match fs::create_dir(directory) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other.map_err(|source| CgroupError::Make { path: directory.to_owned(), source }),
    }
}

fn write_value(directory: &Path, write: &writes::Write) -> Result<(), CgroupError> {
    let path = directory.join(write.file);
    match fs::write(&path, &write.value) {
        Err(e) if write.optional && e.kind() == ErrorKind::NotFound => Ok(()),
        other => other.map_err(|source| CgroupError::Write { path, value: write.value.clone(), source }),
    }
}

/// v2: lets the children of `directory` have `controllers`.
fn enable_controllers(directory: &Path, controllers: &[String]) -> Result<(), CgroupError> {
    writes::subtree(controllers).iter().try_for_each(|write| write_value(directory, write))
}

/// Removes `directory` and what is below it, leaves first. One that is not there is a success.
fn remove_tree(directory: &Path, depth: usize) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if depth == 0 {
        return Err(io::Error::other("deeper than any cgroup of ours"));
    }
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path(), depth - 1)?;
        }
    }
    match fs::remove_dir(directory) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_outside_of_its_sandbox_is_noticed_by_controller() {
        let tree = CgroupTree::new(
            Layout::from_texts(detect::tests::V1_SPLIT, "").unwrap(),
            &"a".parse().expect("a valid name"),
        );
        let inside = "8:pids:/enclos-a/7/abc\n4:memory:/enclos-a/7/abc/self\n3:cpuset:/enclos-a/7/abc\n\
                      2:cpuacct:/enclos-a/7/abc\n1:cpu:/enclos-a/7/abc\n0::/\n";
        assert!(tree.outside_of("7", inside).is_empty());
        let outside = inside.replace("4:memory:/enclos-a/7/abc/self", "4:memory:/docker/abc");
        assert_eq!(tree.outside_of("7", &outside), ["memory"]);
        assert!(!tree.outside_of("8", inside).is_empty());
    }

    #[test]
    fn one_sandbox_is_limited_without_its_neighbours() {
        let root = tempfile::tempdir().unwrap();
        let hierarchy = detect::Hierarchy::unified(root.path(), "cpu memory pids");
        let layout = Layout::V2 { mount: root.path().to_owned(), hierarchy };
        let tree = CgroupTree::new(layout, &"a".parse().unwrap());
        let limit = |sandbox: &str| root.path().join("enclos-a").join(sandbox).join("memory.max");
        for sandbox in ["1", "2"] {
            fs::create_dir_all(limit(sandbox).parent().unwrap()).unwrap();
        }
        tree.limit_memory("1", 4096).unwrap();
        fs::create_dir_all(limit("1").with_file_name("c")).unwrap();
        tree.limit_cpu("1", "c", 250).unwrap();
        assert_eq!(fs::read_to_string(limit("1")).unwrap(), "4096");
        assert!(!limit("2").exists());
        assert_eq!(fs::read_to_string(limit("1").with_file_name("c/cpu.max")).unwrap(), "25000 100000");
        assert!(tree.limit_memory("3", 4096).is_err());
        let weight = || fs::read_to_string(limit("1").with_file_name("cpu.weight")).unwrap();
        tree.weigh_least("1").unwrap();
        assert_eq!(weight(), "1");
        tree.weigh_as_others("1").unwrap();
        assert_eq!(weight(), "100");
    }

    #[tokio::test]
    async fn removal_of_what_is_not_there_is_a_success() {
        let root = tempfile::tempdir().unwrap();
        let hierarchy = detect::Hierarchy::unified(root.path(), "cpu memory pids");
        let layout = Layout::V2 { mount: root.path().to_owned(), hierarchy };
        let tree = CgroupTree::new(layout, &"a".parse().unwrap());
        fs::create_dir_all(root.path().join("enclos-a/1/c/cell")).unwrap();
        tree.remove_sandbox("1").await.unwrap();
        tree.remove_agent().await.unwrap();
        tree.remove_agent().await.unwrap();
        assert!(!root.path().join("enclos-a").exists());
    }
}
