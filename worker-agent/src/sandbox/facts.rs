//! What a supervisor found of its container, held against the profile. Pure.

use enclos_protocol::job::Isolation;
use enclos_protocol::supervisor_link::{CellKind, SandboxFacts};

use super::Host;
use crate::engine::{SandboxLimits, profile};

/// `SECCOMP_MODE_FILTER` of seccomp(2).
const SECCOMP_FILTER: u8 = 2;
/// Interfaces that a kernel puts into every new network namespace by itself when their modules are
/// loaded; they are down and lead nowhere.
const INTERFACES_OF_THE_KERNEL: [&str; 11] =
    ["lo", "tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0", "teql0"];

/// What the profile promises.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected {
    /// How cells are made: decides the capabilities.
    pub cells: CellKind,
    /// gVisor shows neither filters nor cgroups to what runs in it.
    pub isolation: Isolation,
    /// Limits of the container.
    pub limits: SandboxLimits,
    /// The container has a cgroup of ours, and its supervisor sees it.
    pub cgroup: bool,
}

impl Expected {
    /// What `host` promises.
    #[must_use]
    pub fn of(host: &Host) -> Self {
        Self { cells: host.cells, isolation: host.isolation, limits: host.limits, cgroup: host.has_cell_cgroups() }
    }
}

/// Every promise that the facts do not bear out, each as a sentence.
#[must_use]
pub fn violations(facts: &SandboxFacts, expected: &Expected) -> Vec<String> {
    let mut found = Vec::new();
    let allowed = profile::capability_bits(expected.cells);
    if facts.capabilities & !allowed != 0 {
        found.push(format!("it has capabilities {:#x} beyond {allowed:#x}", facts.capabilities));
    }
    if !facts.no_new_privileges {
        found.push("set-uid programs could raise privileges (no_new_privs is not set)".to_owned());
    }
    if expected.isolation != Isolation::Gvisor && facts.seccomp_mode != SECCOMP_FILTER {
        found.push(format!("no system call filter holds (seccomp mode {})", facts.seccomp_mode));
    }
    if !facts.root_read_only {
        found.push("its root file system can be written".to_owned());
    }
    // gVisor's are its own kernel's.
    if expected.isolation != Isolation::Gvisor && facts.pseudo_terminals {
        found.push("programs could use up the host's pseudo terminals".to_owned());
    }
    for interface in facts.interfaces.iter().filter(|name| !INTERFACES_OF_THE_KERNEL.contains(&name.as_str())) {
        found.push(format!("it has the network interface '{}'", interface.escape_debug()));
    }
    if expected.cgroup {
        limit(&mut found, "memory", facts.memory_limit_bytes, expected.limits.memory_bytes);
        limit(&mut found, "process", facts.pids_limit, u64::from(expected.limits.pids));
    }
    found
}

fn limit(found: &mut Vec<String>, what: &str, actual: Option<u64>, expected: u64) {
    match actual {
        Some(actual) if (1..=expected).contains(&actual) => {}
        Some(actual) => found.push(format!("its {what} limit is {actual} instead of {expected}")),
        None => found.push(format!("its {what} limit cannot be read")),
    }
}

/// The host's user id that uid 0 of a container is mapped to, from its `uid_map` (user_namespaces(7)).
#[must_use]
pub fn mapped_root(uid_map: &str) -> Option<u32> {
    uid_map.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let (inside, outside) = (fields.next()?, fields.next()?);
        (inside == "0").then(|| outside.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Expected = Expected {
        cells: CellKind::Namespaced,
        isolation: Isolation::Runc,
        limits: SandboxLimits { memory_bytes: 1 << 30, cpu_millis: 1500, pids: 520 },
        cgroup: true,
    };

    fn good() -> SandboxFacts {
        SandboxFacts {
            capabilities: 0xc0,
            no_new_privileges: true,
            seccomp_mode: 2,
            root_read_only: true,
            pseudo_terminals: false,
            interfaces: vec!["lo".into(), "sit0".into()],
            memory_limit_bytes: Some(1 << 30),
            pids_limit: Some(520),
            wire: false,
        }
    }

    #[test]
    fn a_sandbox_as_promised_has_no_violations() {
        assert_eq!(violations(&good(), &EXPECTED), Vec::<String>::new());
    }

    #[test]
    fn a_sandbox_of_plain_cells_has_one_capability_more_and_all_else_the_same() {
        let plain = Expected { cells: CellKind::Plain, ..EXPECTED };
        let facts = SandboxFacts { capabilities: 0xe0, ..good() };
        assert_eq!(violations(&facts, &plain), Vec::<String>::new());
        assert_eq!(violations(&facts, &EXPECTED), ["it has capabilities 0xe0 beyond 0xc0"]);
        let loose = SandboxFacts { capabilities: 0x1e0, seccomp_mode: 0, memory_limit_bytes: None, ..good() };
        assert_eq!(violations(&loose, &plain).len(), 3);
    }

    #[test]
    fn every_broken_promise_is_named() {
        let bad = SandboxFacts {
            capabilities: u64::MAX,
            no_new_privileges: false,
            seccomp_mode: 0,
            root_read_only: false,
            pseudo_terminals: true,
            interfaces: vec!["lo".into(), "eth0".into()],
            memory_limit_bytes: Some(1 << 40),
            pids_limit: None,
            wire: false,
        };
        insta::assert_snapshot!(violations(&bad, &EXPECTED).join("\n"), @r"
        it has capabilities 0xffffffffffffffff beyond 0xc0
        set-uid programs could raise privileges (no_new_privs is not set)
        no system call filter holds (seccomp mode 0)
        its root file system can be written
        programs could use up the host's pseudo terminals
        it has the network interface 'eth0'
        its memory limit is 1099511627776 instead of 1073741824
        its process limit cannot be read
        ");
    }

    #[test]
    fn a_limit_of_zero_is_not_taken_for_none() {
        let facts = SandboxFacts { memory_limit_bytes: Some(0), ..good() };
        assert_eq!(violations(&facts, &EXPECTED).len(), 1);
    }

    #[test]
    fn the_mapped_root_is_read() {
        assert_eq!(mapped_root("         0     100000      65536\n"), Some(100_000));
        assert_eq!(mapped_root("5 6 7\n"), None);
        assert_eq!(mapped_root(""), None);
    }
}
