//! A cgroup for each cell: made, limited when its step is known, read and removed.
//!
//! Beneath the container's own cgroup, with the supervisor outside of it: a
//! supervisor in the same group as sixty busy processes wakes 200 ms late, and
//! then neither kill times nor limits hold. `v1` and `v2` know the file names of
//! their interface (Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst);
//! this module knows the order of things.

mod v1;
mod v2;

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use enclos_protocol::limits::StepLimits;
use enclos_protocol::supervisor_link::{CGROUP_DIR, CgroupPlace, CgroupVersion};

/// Length of a period of CPU bandwidth control.
const CPU_PERIOD: Duration = Duration::from_millis(50);
/// Attempts to remove a group whose last process is still on its way out.
const REMOVE_ATTEMPTS_MAX: u32 = 200;
const REMOVE_PAUSE: Duration = Duration::from_millis(1);
/// Largest of the small files read here.
const VALUE_BYTES_MAX: u64 = 4096;

/// A call on a cgroup file that failed.
#[derive(Debug, thiserror::Error)]
#[error("cgroup: cannot {action} {}", path.display())]
pub struct CgroupError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl CgroupError {
    fn of(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { action, path: path.to_owned(), source }
    }
}

type Result<T> = std::result::Result<T, CgroupError>;

/// A file to write when a group is limited.
struct Setting {
    path: PathBuf,
    value: String,
    /// Absent where the kernel was built without the feature (swap accounting).
    optional: bool,
}

/// What an interface says of one group: where its files are.
struct Layout {
    directories: Vec<PathBuf>,
    members: Vec<PathBuf>,
    cpu_usage: PathBuf,
    oom_events: PathBuf,
    memory_peak: PathBuf,
    pids_events: PathBuf,
}

/// The container's cgroup, in which cells get theirs.
#[derive(Debug)]
pub struct Parent {
    version: CgroupVersion,
    root: PathBuf,
    path: PathBuf,
    cells_made: u64,
}

impl Parent {
    /// Takes over the container's cgroup; under version 2 the supervisor first moves to a leaf.
    pub fn open(place: &CgroupPlace) -> Result<Self> {
        let path = PathBuf::from(place.path.trim_start_matches('/'));
        let parent = Self { version: place.version, root: PathBuf::from(CGROUP_DIR), path, cells_made: 0 };
        if place.version == CgroupVersion::V2 {
            v2::prepare(&parent.root, &parent.path)?;
        }
        for directory in parent.directories() {
            fs::metadata(&directory).map_err(CgroupError::of("find", &directory))?;
        }
        Ok(parent)
    }

    fn directories(&self) -> Vec<PathBuf> {
        match self.version {
            CgroupVersion::V1 => v1::directories(&self.root, &self.path, false),
            CgroupVersion::V2 => v2::directories(&self.root, &self.path),
        }
    }

    /// The same, and where cells that are pinned to cores have theirs.
    fn all_directories(&self) -> Vec<PathBuf> {
        let all = match self.version {
            CgroupVersion::V1 => v1::directories(&self.root, &self.path, true),
            CgroupVersion::V2 => self.directories(),
        };
        all.into_iter().filter(|directory| directory.exists()).collect()
    }

    /// Lets nobody but the supervisor's user look into it. Plain cells see the container's files,
    /// and version 1 has a file in each group that everyone may write (`cgroup.event_control`).
    pub fn close_to_others(&self) -> Result<()> {
        for directory in self.all_directories() {
            let closed = fs::set_permissions(&directory, fs::Permissions::from_mode(0o700));
            closed.map_err(CgroupError::of("close", &directory))?;
        }
        Ok(())
    }

    /// The container's memory and process limits, in bytes and processes.
    pub fn own_limits(&self) -> (Option<u64>, Option<u64>) {
        let (memory, pids) = match self.version {
            CgroupVersion::V1 => v1::own_limits(&self.root, &self.path),
            CgroupVersion::V2 => v2::own_limits(&self.root, &self.path),
        };
        let number = |path: &Path| fs::read_to_string(path).ok()?.trim().parse().ok();
        (number(&memory), number(&pids))
    }

    /// Groups of cells that still exist, but `known`.
    pub fn leftover_cells(&self, known: Option<&CellGroup>) -> Vec<String> {
        let mut names = Vec::new();
        for directory in self.all_directories() {
            for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                if name.starts_with("cell-") && known.is_none_or(|known| !known.path.ends_with(&name)) {
                    names.push(name);
                }
            }
        }
        names.sort();
        names.dedup();
        names
    }

    /// A new group, without limits yet.
    pub fn make_cell(&mut self) -> Result<CellGroup> {
        self.cells_made += 1;
        let path = self.path.join(format!("cell-{}", self.cells_made));
        CellGroup::make(self.version, &self.root, path)
    }
}

/// The CPU time of the container as a whole, for who makes no cells in its cgroup.
#[derive(Clone, Debug)]
pub struct ContainerCpu {
    version: CgroupVersion,
    path: PathBuf,
}

impl ContainerCpu {
    /// The counter of the container at `place`; `None` where it counts nothing: a runtime may have
    /// put the container elsewhere.
    pub fn find(place: &CgroupPlace) -> Option<Self> {
        let (root, path) = (Path::new(CGROUP_DIR), Path::new(place.path.trim_start_matches('/')));
        let path = match place.version {
            CgroupVersion::V1 => v1::cpu_usage(root, path),
            CgroupVersion::V2 => v2::cpu_usage(root, path),
        };
        let found = Self { version: place.version, path };
        found.time().filter(|used| !used.is_zero()).map(|_| found)
    }

    /// So far.
    pub fn time(&self) -> Option<Duration> {
        cpu_time(self.version, &fs::read_to_string(&self.path).ok()?)
    }
}

fn cpu_time(version: CgroupVersion, text: &str) -> Option<Duration> {
    match version {
        CgroupVersion::V1 => v1::cpu_time(text),
        CgroupVersion::V2 => v2::cpu_time(text),
    }
}

/// The cgroup of one cell. Dropping it removes what [`CellGroup::remove`] did not.
pub struct CellGroup {
    version: CgroupVersion,
    root: PathBuf,
    path: PathBuf,
    directories: Vec<PathBuf>,
    /// Open for writing; a process that writes `0` joins.
    pub members: Vec<File>,
    cpu_usage: File,
    oom_events: File,
    memory_peak: PathBuf,
    pids_events: PathBuf,
}

impl CellGroup {
    fn make(version: CgroupVersion, root: &Path, path: PathBuf) -> Result<Self> {
        let Layout { directories, members, cpu_usage, oom_events, memory_peak, pids_events } = match version {
            CgroupVersion::V1 => v1::layout(root, &path),
            CgroupVersion::V2 => v2::layout(root, &path),
        };
        let made = Made(&directories);
        directories.iter().try_for_each(|directory| make_directory(directory))?;
        let open = |path: &Path| File::open(path).map_err(CgroupError::of("open", path));
        let members = members.iter().map(|path| writable(path)).collect::<Result<_>>()?;
        let (cpu_usage, oom_events) = (open(&cpu_usage)?, open(&oom_events)?);
        std::mem::forget(made);
        let root = root.to_owned();
        Ok(Self { version, root, path, directories, members, cpu_usage, oom_events, memory_peak, pids_events })
    }

    /// Holds it to the limits of a step, and to cores where they are chosen. Once, before anybody joins.
    pub fn limit(&mut self, limits: &StepLimits, cpus: Option<&str>) -> Result<()> {
        match self.version {
            CgroupVersion::V1 => {
                set(&v1::settings(&self.root, &self.path, limits))?;
                cpus.map_or(Ok(()), |cpus| self.pin(cpus))
            }
            CgroupVersion::V2 => set(&v2::settings(&self.root, &self.path, limits, cpus)),
        }
    }

    /// Holds it to limits that are nowhere lower than those that it has, while somebody is in it.
    pub fn raise(&self, limits: &StepLimits) -> Result<()> {
        match self.version {
            CgroupVersion::V1 => set(&v1::raised(v1::settings(&self.root, &self.path, limits))),
            CgroupVersion::V2 => set(&v2::settings(&self.root, &self.path, limits, None)),
        }
    }

    /// Under version 1 cores are another hierarchy, in which only cells have groups that are pinned.
    fn pin(&mut self, cpus: &str) -> Result<()> {
        let parent = self.path.parent().unwrap_or(Path::new(""));
        let pin = v1::pin(&self.root, parent, cpus)?;
        let (directory, settings) = v1::pinned(&self.root, &self.path, &pin);
        self.directories.push(directory.clone());
        make_directory(&directory)?;
        set(&settings)?;
        self.members.push(writable(&v1::members(&directory))?);
        Ok(())
    }

    /// Descriptors that it holds.
    pub fn descriptors(&self) -> usize {
        self.members.len() + 2
    }

    /// CPU time of every process that is or was in the group.
    pub fn cpu_time(&mut self) -> Result<Duration> {
        let text = reread(&mut self.cpu_usage).map_err(CgroupError::of("read", Path::new("cpu usage")))?;
        cpu_time(self.version, &text)
            .ok_or_else(|| CgroupError::of("understand", Path::new("cpu usage"))(io::Error::other(text)))
    }

    /// Processes that the kernel killed for want of memory.
    pub fn oom_kills(&mut self) -> u64 {
        reread(&mut self.oom_events).ok().and_then(|text| field(&text, "oom_kill")).unwrap_or(0)
    }

    /// Largest memory in use so far, in bytes.
    pub fn memory_peak_bytes(&self) -> u64 {
        fs::read_to_string(&self.memory_peak).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// Times that a process was refused.
    pub fn pids_refused(&self) -> u64 {
        fs::read_to_string(&self.pids_events).ok().and_then(|text| field(&text, "max")).unwrap_or(0)
    }

    /// Removes the group; its processes must be gone.
    pub fn remove(self) -> Result<()> {
        let mut attempts = 0;
        loop {
            match remove_all(&self.directories) {
                Ok(()) => return Ok(()),
                Err(e) if attempts >= REMOVE_ATTEMPTS_MAX || e.source.raw_os_error() != Some(libc::EBUSY) => {
                    return Err(e);
                }
                Err(_) => attempts += 1,
            }
            crate::clock::pause(REMOVE_PAUSE);
        }
    }
}

impl Drop for CellGroup {
    fn drop(&mut self) {
        let _ = remove_all(&self.directories);
    }
}

/// Removes half-made groups when making one fails in the middle.
struct Made<'a>(&'a [PathBuf]);

impl Drop for Made<'_> {
    fn drop(&mut self) {
        let _ = remove_all(self.0);
    }
}

fn make_directory(directory: &Path) -> Result<()> {
    match fs::create_dir(directory) {
        // Controllers mounted together share one directory.
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(CgroupError::of("make", directory)(e)),
        _ => Ok(()),
    }
}

fn writable(path: &Path) -> Result<File> {
    File::options().write(true).open(path).map_err(CgroupError::of("open", path))
}

fn set(settings: &[Setting]) -> Result<()> {
    for setting in settings {
        match write(&setting.path, &setting.value) {
            Err(e) if !(setting.optional && e.source.kind() == io::ErrorKind::NotFound) => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

fn remove_all(directories: &[PathBuf]) -> Result<()> {
    for directory in directories {
        match fs::remove_dir(directory) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(CgroupError::of("remove", directory)(e)),
            _ => {}
        }
    }
    Ok(())
}

/// Writes `value` in one call: the kernel takes each write as a whole command.
fn write(path: &Path, value: &str) -> Result<()> {
    writable(path)?.write_all(value.as_bytes()).map_err(CgroupError::of("write", path))
}

fn reread(file: &mut File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut text = String::new();
    file.take(VALUE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// The number behind `name` in lines of `name number`.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

/// CPU bandwidth for a share in thousandths of a core, in microseconds: `(quota, period)`.
fn bandwidth(cpu_millis: u32) -> (u64, u64) {
    /// Least quota that the kernel takes.
    const QUOTA_US_MIN: u64 = 1000;
    let period = u64::try_from(CPU_PERIOD.as_micros()).unwrap_or(u64::MAX);
    ((period * u64::from(cpu_millis) / 1000).max(QUOTA_US_MIN), period)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub const LIMITS: StepLimits = StepLimits {
        cpu_ms: 1,
        wall_ms: 1,
        memory_bytes: 64 << 20,
        pids: 7,
        output_bytes: 1,
        report_bytes: 1,
        file_bytes: 1,
        stack_bytes: 1,
        cpu_millis: 500,
    };

    #[test]
    fn event_files_of_both_versions_are_read() {
        let v1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n";
        let v2 = "low 0\nhigh 0\nmax 17\noom 1\noom_kill 3\noom_group_kill 0\n";
        assert_eq!(field(v1, "oom_kill"), Some(2));
        assert_eq!(field(v2, "oom_kill"), Some(3));
        assert_eq!(field("max 5\n", "max"), Some(5));
        assert_eq!(field("", "max"), None);
    }

    #[test]
    fn a_core_is_its_whole_period_and_no_share_is_below_the_kernels_least() {
        assert_eq!(bandwidth(1000), (50_000, 50_000));
        assert_eq!(bandwidth(100), (5000, 50_000));
        assert_eq!(bandwidth(1), (1000, 50_000));
    }
}
