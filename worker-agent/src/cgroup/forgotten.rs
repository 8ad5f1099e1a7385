//! Processes that the engine forgot: found by their cgroup, and killed.
//!
//! An engine that dies between making a container and starting it leaves a process that waits for its
//! start, and when the engine is back, it may not know of it any more: the container is gone for
//! everybody who asks, and its cgroups stay. They are ours, and so is what is in them.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Kills what is in `directory` and, at most so deep, below it; how many processes were told.
pub(super) fn kill_in(directory: &Path, depth: usize) -> usize {
    let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    // A process of another pid namespace reads as 0, which would be ourselves.
    let processes = text.lines().filter_map(|line| line.parse().ok()).filter(|process| *process > 1);
    let mut told = processes.filter(|process| kill(Pid::from_raw(*process), Signal::SIGKILL).is_ok()).count();
    let below = fs::read_dir(directory).into_iter().flatten().flatten();
    for entry in below.filter(|entry| depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        told += kill_in(&entry.path(), depth - 1);
    }
    told
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_killed_by_its_cgroup_and_never_ourselves() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("7/c");
        fs::create_dir_all(&place).unwrap();
        let mut forgotten = Command::new("sleep").arg("600").spawn().unwrap();
        fs::write(place.join("cgroup.procs"), format!("0\n1\n-1\n{}\n", forgotten.id())).unwrap();
        assert_eq!(kill_in(root.path(), 1), 0, "deeper than it may look");
        assert_eq!(kill_in(root.path(), 2), 1);
        assert_eq!(forgotten.wait().unwrap().signal(), Some(9));
    }
}
