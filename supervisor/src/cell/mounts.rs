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

/// Where a program may write, and the mode: a fresh tmpfs each, which goes with the cell.
const SCRATCH: [(&str, &str); 3] = [(JOB_DIR, "0755"), ("/tmp", "1777"), ("/dev/shm", "1777")];
const WRITABLE: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);
/// Where the empty directory stands.
const EMPTY: &str = "/sys";

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

/// Makes the cell's view. The caller is the first process of the cell's namespaces. How much the
/// program may write is not known yet: [`fit`] comes after it.
pub fn make(masks: &[Mask]) -> Result {
    let closed = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    // Nothing mounted here may spread.
    one("", "/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None)?;
    // Its own processes only; read-only, so that no score, limit or mapping is written through it.
    one("proc", "/proc", Some("proc"), closed | MsFlags::MS_RDONLY, None)?;
    // The host's devices, cgroups and firmware; nothing a program needs is there.
    one("tmpfs", EMPTY, Some("tmpfs"), closed | MsFlags::MS_RDONLY, Some("size=4k,nr_inodes=2,mode=0755"))?;
    // The supervisor and the cgroups that hold this cell.
    empty("/enclos")?;
    for mask in masks {
        match mask {
            Mask::File(path) => one("/dev/null", path, None, MsFlags::MS_BIND, None)?,
            Mask::Directory(path) => empty(path)?,
        }
    }
    // Message queues of this cell's own ipc namespace, not of the container's.
    one("mqueue", "/dev/mqueue", Some("mqueue"), closed, None)?;
    for (at, mode) in SCRATCH {
        // Of one page until it is fitted.
        let options = format!("size=4k,nr_inodes={INODES_MAX},mode={mode},uid={PROGRAM_UID},gid={PROGRAM_UID}");
        one("tmpfs", at, Some("tmpfs"), WRITABLE, Some(&options))?;
    }
    Ok(())
}

/// Gives the writable places their sizes; what is in them counts as the cell's memory.
pub fn fit(limits: &StepLimits) -> Result {
    let size = format!("size={}", limits.memory_bytes / 2);
    SCRATCH.into_iter().try_for_each(|(at, _)| one("tmpfs", at, None, WRITABLE | MsFlags::MS_REMOUNT, Some(&size)))
}

/// The same empty directory everywhere: a file system of its own for each would be made and ended with each cell.
fn empty(at: &str) -> Result {
    one(EMPTY, at, None, MsFlags::MS_BIND, None)
}

fn one(what: &'static str, at: &str, kind: Option<&str>, flags: MsFlags, options: Option<&str>) -> Result {
    let source = (!what.is_empty()).then_some(what);
    mount(source, Path::new(at), kind, flags, options).map_err(|errno| MountError { what, at: at.to_owned(), errno })
}
