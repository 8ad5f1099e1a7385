//! The master's own process and its disk, as the system tells.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;
use nix::unistd::{SysconfVar, sysconf};

use super::gauges::Process;

impl Process {
    /// This one. Blocks for some reads of `/proc`, which are memory.
    #[must_use]
    pub fn look() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let boot = fs::read_to_string("/proc/stat").ok()?;
        let fds = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
        let (fds_max, _) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
        let of = |var| sysconf(var).ok().flatten().and_then(|value| u64::try_from(value).ok());
        parse(&stat, &boot, of(SysconfVar::CLK_TCK)?, of(SysconfVar::PAGE_SIZE)?, (fds, fds_max))
    }
}

/// What `/proc/self/stat` (after the name in parentheses, which may hold anything) and the boot time of `/proc/stat` say.
fn parse(stat: &str, boot: &str, ticks_per_s: u64, page_bytes: u64, fds: (u64, u64)) -> Option<Process> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // proc(5) counts from 1, and the first after the name is the third.
    let field = |number: usize| fields.get(number - 3).and_then(|text| text.parse::<u64>().ok());
    let ticks = |ticks: u64| Duration::from_millis(ticks.saturating_mul(1000) / ticks_per_s.max(1));
    let booted = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(Process {
        cpu: ticks(field(14)?.saturating_add(field(15)?)),
        started: Duration::from_secs(booted) + ticks(field(22)?),
        virtual_bytes: field(23)?,
        resident_bytes: field(24)?.saturating_mul(page_bytes),
        fds: fds.0,
        fds_max: fds.1,
    })
}

/// Free for who is not root, and all, of the disk that a directory is on, in bytes.
#[must_use]
pub fn disk(dir: &Path) -> Option<(u64, u64)> {
    let stat = statvfs(dir).ok()?;
    let unit = stat.fragment_size();
    Some((stat.blocks_available().saturating_mul(unit), stat.blocks().saturating_mul(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_from_what_a_kernel_wrote() {
        let stat = "4242 (a) b (c) S 1 4242 4242 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 9 0 1000 1048576 256 \
                    18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0";
        let process = parse(stat, "cpu  1 2 3\nbtime 1700000000\nprocesses 5\n", 100, 4096, (7, 1024)).unwrap();
        let expected = Process {
            cpu: Duration::from_secs(2),
            resident_bytes: 256 * 4096,
            virtual_bytes: 1_048_576,
            fds: 7,
            fds_max: 1024,
            started: Duration::from_secs(1_700_000_010),
        };
        assert_eq!(process, expected);
        assert_eq!(parse("nonsense", "", 100, 4096, (0, 0)), None);
    }

    #[test]
    fn this_process_and_its_disk_are_found() {
        let process = Process::look().unwrap();
        assert!(process.resident_bytes > 0 && process.fds >= 1 && process.fds <= process.fds_max);
        let (free, all) = disk(Path::new("/")).unwrap();
        assert!(free <= all && all > 0);
    }
}
