//! Trees of agents that are no more: found, and removed.
//!
//! An agent holds its tree by a lock (flock(2)) on its directory for as long as
//! it lives: an idle agent's tree has no processes either, and must stay. The
//! kernel lets go of a lock when its holder dies, however it dies.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use enclos_protocol::ids::AgentName;

use super::{CgroupTree, PREFIX, REMOVE_DEPTH_MAX};

/// Age of a tree below which its agent may still be starting.
const YOUNG_MAX: Duration = Duration::from_secs(60);

/// Keeps a tree from being taken for abandoned.
#[derive(Debug)]
pub struct Hold(#[expect(dead_code, reason = "the lock ends with it")] File);

impl CgroupTree {
    /// Holds the agent's tree, once it is made; shared, so that it never waits.
    ///
    /// # Errors
    /// The directory cannot be locked: another agent may take the tree for abandoned while it is empty.
    pub fn hold(&self) -> io::Result<Hold> {
        let directory = File::open(self.lock_of(&self.root))?;
        directory.try_lock_shared().map_err(io::Error::from)?;
        Ok(Hold(directory))
    }

    /// Removes trees of other agents that have no container (`kept` has the names of those that do),
    /// no process, and nobody who holds them. Gives what was removed; failures are logged.
    pub async fn remove_abandoned(&self, kept: &BTreeSet<String>) -> Vec<String> {
        let mut removed = Vec::new();
        for root in self.trees() {
            let Some(agent) = root.strip_prefix(PREFIX) else { continue };
            if root == self.root || agent.parse::<AgentName>().is_err() || kept.contains(agent) {
                continue;
            }
            // Held while it is removed: an agent that starts under this name just now is seen, or sees an error.
            let Some(_lock) = self.seize(&root) else { continue };
            let places: Vec<PathBuf> =
                self.layout.mounts().iter().map(|mount| self.seat.at(mount).join(&root)).collect();
            if places.iter().any(|place| is_young(place) || has_process(place, REMOVE_DEPTH_MAX)) {
                continue;
            }
            match self.remove(Path::new(&root)).await {
                Ok(()) => removed.push(root),
                Err(error) => {
                    tracing::warn!(error = crate::sandbox::chain(&error), "abandoned cgroups were not removed")
                }
            }
        }
        removed
    }

    /// Names of all agents' trees, in any hierarchy.
    fn trees(&self) -> BTreeSet<String> {
        let mounts = self.layout.mounts().into_iter();
        let entries = mounts.filter_map(|mount| fs::read_dir(self.seat.at(mount)).ok()).flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.filter_map(|e| e.file_name().into_string().ok()).filter(|name| name.starts_with(PREFIX)).collect()
    }

    /// The directory of a tree that carries its lock: in a hierarchy that every agent of the host has.
    fn lock_of(&self, root: &str) -> PathBuf {
        self.layout.mount_of("memory").map(|mount| self.seat.at(mount).join(root)).unwrap_or_default()
    }

    /// The lock of a tree that nobody holds; `Some(None)` where there is nothing left to lock.
    fn seize(&self, root: &str) -> Option<Option<File>> {
        match File::open(self.lock_of(root)) {
            Ok(directory) => directory.try_lock().is_ok().then_some(Some(directory)),
            Err(e) if e.kind() == ErrorKind::NotFound => Some(None),
            Err(_) => None,
        }
    }
}

/// Whether `directory` was changed a moment ago: its agent may be about to hold it.
fn is_young(directory: &Path) -> bool {
    let changed = fs::metadata(directory).and_then(|found| found.modified());
    changed.is_ok_and(|at| at.elapsed().is_ok_and(|age| age < YOUNG_MAX))
}

/// Whether a process is in `directory` or below it; also when that cannot be read.
fn has_process(directory: &Path, depth: usize) -> bool {
    let processes = match fs::read_to_string(directory.join("cgroup.procs")) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => String::new(),
        Err(_) => return true,
    };
    if !processes.trim().is_empty() || depth == 0 {
        return true;
    }
    let below = fs::read_dir(directory).into_iter().flatten().flatten();
    below.filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir())).any(|e| has_process(&e.path(), depth - 1))
}

#[cfg(test)]
mod tests {
    use super::super::Layout;
    use super::super::detect::Hierarchy;
    use super::*;

    fn tree(root: &Path, agent: &str) -> CgroupTree {
        let hierarchy = Hierarchy::unified(root, "cpu memory pids");
        CgroupTree::new(Layout::V2 { mount: root.to_owned(), hierarchy }, &agent.parse().expect("a valid name"))
    }

    /// Makes every tree look old.
    fn age(root: &Path) {
        let old = std::time::SystemTime::now() - 2 * YOUNG_MAX;
        for entry in fs::read_dir(root).unwrap().flatten() {
            File::open(entry.path()).unwrap().set_modified(old).unwrap();
        }
    }

    #[tokio::test]
    async fn only_trees_that_nobody_can_want_are_removed() {
        let root = tempfile::tempdir().unwrap();
        for name in ["enclos-me", "enclos-dead/1/c", "enclos-idle", "enclos-kept/1", "enclos-busy/1/c", "system.slice"]
        {
            fs::create_dir_all(root.path().join(name)).unwrap();
        }
        age(root.path());
        fs::create_dir(root.path().join("enclos-young")).unwrap();
        let _held = tree(root.path(), "idle").hold().unwrap();
        let busy = root.path().join("enclos-busy/1/c/cgroup.procs");
        fs::write(&busy, "12\n").unwrap();
        let kept = BTreeSet::from(["kept".to_owned()]);
        assert_eq!(tree(root.path(), "me").remove_abandoned(&kept).await, ["enclos-dead"]);
        assert!(!root.path().join("enclos-dead").exists());
        for name in ["enclos-me", "enclos-idle", "enclos-kept/1", "enclos-busy/1/c", "enclos-young", "system.slice"] {
            assert!(root.path().join(name).exists(), "{name}");
        }
    }

    #[tokio::test]
    async fn a_tree_is_abandoned_once_its_holder_is_gone() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("enclos-a")).unwrap();
        age(root.path());
        let held = tree(root.path(), "a").hold().unwrap();
        assert!(tree(root.path(), "me").remove_abandoned(&BTreeSet::new()).await.is_empty());
        drop(held);
        assert_eq!(tree(root.path(), "me").remove_abandoned(&BTreeSet::new()).await, ["enclos-a"]);
    }
}
