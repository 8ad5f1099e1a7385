//! A cgroup of a test's own, as an agent makes one for each sandbox.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use enclos_protocol::supervisor_link::{CgroupPlace, CgroupVersion};

const HIERARCHIES: &str = "/sys/fs/cgroup";
/// Of version 1.
const CONTROLLERS: [&str; 4] = ["memory", "cpu", "cpuacct", "pids"];

/// A group in each hierarchy; dropping it removes what is left of it.
pub struct Group {
    version: CgroupVersion,
    name: String,
}

impl Group {
    pub fn make() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let version =
            if Path::new(HIERARCHIES).join("memory").is_dir() { CgroupVersion::V1 } else { CgroupVersion::V2 };
        let name = format!("enclos-cells-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let group = Self { version, name };
        group.directories().iter().for_each(|directory| fs::create_dir(directory).expect("root makes cgroups"));
        group
    }

    /// As the supervisor is told of it.
    pub fn place(&self) -> CgroupPlace {
        CgroupPlace { version: self.version, path: self.name.clone() }
    }

    fn directories(&self) -> Vec<PathBuf> {
        let root = Path::new(HIERARCHIES);
        match self.version {
            CgroupVersion::V1 => CONTROLLERS.iter().map(|controller| root.join(controller).join(&self.name)).collect(),
            CgroupVersion::V2 => vec![root.join(&self.name)],
        }
    }

    /// Removes it with all groups of cells; an error where a process is left in any.
    pub fn remove(self) -> std::io::Result<()> {
        self.remove_all()
    }

    fn remove_all(&self) -> std::io::Result<()> {
        for directory in self.directories().into_iter().filter(|directory| directory.is_dir()) {
            for entry in fs::read_dir(&directory)?.filter_map(Result::ok) {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    fs::remove_dir(entry.path())?;
                }
            }
            fs::remove_dir(directory)?;
        }
        Ok(())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.remove_all();
    }
}
