//! What plain cells have instead of mounts of their own: the directories of their container.
//!
//! Only before a program has run here: afterwards no path below them is opened any more.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use enclos_protocol::supervisor_link::JOB_DIR;

/// Where programs may write, which are neither owner nor group there.
const WRITABLE: [&str; 2] = [JOB_DIR, "/tmp"];

/// Opens the writable directories to every user. They are the supervisor's own tmpfs; runtimes do
/// not agree whether the mode in its mount options counts, or that of the directory beneath.
pub fn lay_out() -> io::Result<()> {
    WRITABLE.into_iter().try_for_each(|path| fs::set_permissions(path, Permissions::from_mode(0o1777)))
}

/// Removes what the proof wrote.
pub fn remove_proof(name: &str) -> io::Result<()> {
    match fs::remove_file(Path::new(JOB_DIR).join(name)) {
        // The proof did not come so far, and says why itself.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
