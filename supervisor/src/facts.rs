//! What the supervisor finds of its own container, for the agent to hold against the profile.

use std::fs;

use enclos_protocol::supervisor_link::SandboxFacts;

use crate::cgroup::Parent;

/// Reads the facts. What cannot be read is reported as the weaker answer.
pub fn collect(cgroup: Option<&Parent>) -> SandboxFacts {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let (memory_limit_bytes, pids_limit) = cgroup.map_or((None, None), Parent::own_limits);
    SandboxFacts {
        capabilities: field(&status, "CapBnd:").and_then(|v| u64::from_str_radix(v, 16).ok()).unwrap_or(u64::MAX),
        // Asked by call: gVisor keeps the promise without that line in its status.
        no_new_privileges: nix::sys::prctl::get_no_new_privs().unwrap_or(false),
        seccomp_mode: field(&status, "Seccomp:").and_then(|v| v.parse().ok()).unwrap_or(0),
        root_read_only: takes_no_writes(),
        pseudo_terminals: fs::metadata("/dev/ptmx").is_ok(),
        interfaces: interfaces(&fs::read_to_string("/proc/net/dev").unwrap_or_default()),
        memory_limit_bytes,
        pids_limit,
        wire: false,
    }
}

/// Tried, not read: gVisor's statvfs(2) tells no mount flags.
fn takes_no_writes() -> bool {
    const TRIAL: &str = "/.enclos-trial";
    match fs::File::create_new(TRIAL) {
        Ok(_) => {
            // The agent refuses such a sandbox, so what stays there serves nobody.
            let _ = fs::remove_file(TRIAL);
            false
        }
        Err(error) => error.raw_os_error() == Some(libc::EROFS),
    }
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// The names in `/proc/net/dev`, below its two lines of headings.
fn interfaces(text: &str) -> Vec<String> {
    text.lines().skip(2).filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_files_are_understood() {
        let status = "Name:\tsupervisor\nCapBnd:\t00000000000000c0\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        assert_eq!(field(status, "CapBnd:"), Some("00000000000000c0"));
        assert_eq!(field(status, "Seccomp:"), Some("2"));
        let dev = "Inter-|   Receive\n face |bytes    packets\n    lo:     0  0 0\n  eth0: 1 2\n";
        assert_eq!(interfaces(dev), ["lo", "eth0"]);
    }
}
