//! What a cell sees of files, as a list with a reason per line; and its making.
//!
//! The cell's mount namespace begins as a copy of the container's, whose root
//! is read-only. Everything writable is fresh and goes with the cell.

use std::path::Path;

use enclos_protocol::limits::StepLimits;
use enclos_protocol::supervisor_link::{JOB_DIR, MASKED_PATHS, PROGRAM_UID};
use nix::mount::{MsFlags, mount};

/// Most files and directories in each writable place; each costs about a KiB of the cell's memory.
const INODES_MAX: u32 = 32 * 1024;

/// A mask that this kernel needs.
#[derive(Clone, Debug)]
pub enum Mask {
    /// `/dev/null` over a file.
    File(&'static str),
    /// An empty directory over a directory.
    Directory(&'static str),
}

/// The masks of [`MASKED_PATHS`] for what exists here; looked up once, since it is the same for every cell.
pub fn masks() -> Vec<Mask> {
    let existing = MASKED_PATHS.into_iter().filter_map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some(if metadata.is_dir() { Mask::Directory(path) } else { Mask::File(path) })
    });
    existing.collect()
}

/// A mount that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot mount {what} at {at}: {errno}")]
pub struct MountError {
    what: &'static str,
    at: String,
    errno: nix::Error,
}

type Result = std::result::Result<(), MountError>;

/// Makes the cell's view. The caller is the first process of the cell's namespaces.
pub fn make(limits: &StepLimits, masks: &[Mask]) -> Result {
    let none = MsFlags::empty();
    let closed = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    // Nothing mounted here may spread.
    one("", "/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None)?;
    // Its own processes only; read-only, so that no score, limit or mapping is written through it.
    one("proc", "/proc", Some("proc"), closed | MsFlags::MS_RDONLY, None)?;
    for mask in masks {
        match mask {
            Mask::File(path) => one("/dev/null", path, None, MsFlags::MS_BIND, None)?,
            Mask::Directory(path) => empty(path)?,
        }
    }
    // The host's devices, cgroups and firmware; nothing a program needs is there.
    empty("/sys")?;
    // The supervisor and the cgroups that hold this cell.
    empty("/enclos")?;
    // Message queues of this cell's own ipc namespace, not of the container's.
    one("mqueue", "/dev/mqueue", Some("mqueue"), closed, None)?;
    let writable = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let half = limits.memory_bytes / 2;
    scratch(JOB_DIR, half, "0755", writable)?;
    scratch("/tmp", half, "1777", writable)?;
    scratch("/dev/shm", half, "1777", writable | none)
}

/// A fresh tmpfs that the program may fill up to `size_bytes`; it counts as the cell's memory.
fn scratch(at: &str, size_bytes: u64, mode: &str, flags: MsFlags) -> Result {
    let options = format!("size={size_bytes},nr_inodes={INODES_MAX},mode={mode},uid={PROGRAM_UID},gid={PROGRAM_UID}");
    one("tmpfs", at, Some("tmpfs"), flags, Some(&options))
}

fn empty(at: &str) -> Result {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_RDONLY;
    one("tmpfs", at, Some("tmpfs"), flags, Some("size=4k,nr_inodes=2,mode=0755"))
}

fn one(what: &'static str, at: &str, kind: Option<&str>, flags: MsFlags, options: Option<&str>) -> Result {
    let source = (!what.is_empty()).then_some(what);
    mount(source, Path::new(at), kind, flags, options).map_err(|errno| MountError { what, at: at.to_owned(), errno })
}
