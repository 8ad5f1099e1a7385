//! The hardening of a sandbox's container: one list, a reason on each line.
//!
//! Pure: a [`SandboxSpec`] in, the engine's configuration out. Nothing else in
//! the agent sets an option of a container, and a snapshot test holds the whole
//! of it, so a loosened line shows in review. What cells add on top (their own
//! namespaces, cgroup, uid and a stricter filter) is the supervisor's.

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount, MountType,
    ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use enclos_protocol::install_link::{INSTALL_ARGUMENT, ROOM_DIR};
use enclos_protocol::job::Isolation;
use enclos_protocol::supervisor_link::{CellKind, MASKED_PATHS, SUPERVISOR_PATH, WIRE_PATH};

use super::{Purpose, SandboxSpec};

/// Filter 1: the engine's default, and what the supervisor needs to make cells.
pub const SECCOMP: &str = include_str!("../../profile/seccomp.json");
/// AppArmor profile that hosts with AppArmor must have loaded.
pub const APPARMOR: &str = "enclos-sandbox";
/// Runtime that gVisor is registered under.
pub const GVISOR_RUNTIME: &str = "runsc";

/// Capabilities of every supervisor: to map a cell's user, or to become it.
const CAPABILITIES: [&str; 2] = ["SETUID", "SETGID"];
/// Length of a period of the processor quota, in microseconds: the kernel's default.
const CPU_PERIOD_US: i64 = 100_000;
/// Open files of the supervisor and, through it, of a program.
const FILES_MAX: i64 = 1024;
/// Too little for a core file. At 0 a handler at the end of a pipe would be started all the same (core(5)).
const CORE_BYTES: i64 = 1;
/// `/dev/shm` of the container; cells have one of their own. The engine takes 0 for its default.
const SHM_BYTES: i64 = 4096;
/// What plain cells may write below each of their directories, in bytes.
const PLAIN_TMPFS_BYTES: u64 = 256 * 1024 * 1024;
/// Most files and directories in each of them; each costs about a KiB of memory.
const PLAIN_INODES_MAX: u32 = 32 * 1024;

/// Most files and directories of a builder's room: twice what an installer may leave.
const ROOM_INODES_MAX: u32 = 64 * 1024;
/// Weight of a builder's processors against 1024 of a sandbox.
const INSTALL_CPU_SHARES: i64 = 128;
/// What engines mask of `/sys`; namespaced cells have none of it.
const MASKED_OF_SYS: [&str; 2] = ["/sys/firmware", "/sys/devices/virtual/powercap"];

/// One line of the profile.
type Rule = fn(&SandboxSpec, &mut ContainerCreateBody, &mut HostConfig);

/// The reason is for who reads the line, or wants to change it.
const fn rule(_reason: &'static str, set: Rule) -> Rule {
    set
}

/// The profile. Order does not matter.
const RULES: &[Rule] = &[
    rule("the supervisor is the first process, whatever the image says", |spec, body, _| {
        body.entrypoint = Some(vec![SUPERVISOR_PATH.to_owned()]);
        body.cmd = Some(match spec.purpose {
            Purpose::Jobs => Vec::new(),
            Purpose::Install { .. } => vec![INSTALL_ARGUMENT.to_owned()],
        });
    }),
    rule("uid 0 of the container maps cells' users; a program is never uid 0", |_, body, _| {
        body.user = Some("0:0".to_owned());
    }),
    rule("frames travel over stdin and stdout; a terminal would change bytes", |_, body, _| {
        body.tty = Some(false);
        body.attach_stdin = Some(true);
        body.attach_stdout = Some(true);
        body.attach_stderr = Some(true);
    }),
    rule("stdin ends with the agent that held it, and the supervisor ends with its stdin", |_, body, _| {
        body.open_stdin = Some(true);
        body.stdin_once = Some(true);
    }),
    rule("an image's environment is nobody's choice for a job", |_, body, _| {
        body.env = Some(vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()]);
    }),
    rule("the same name everywhere, so that a program learns nothing of its host", |_, body, _| {
        body.hostname = Some("sandbox".to_owned());
    }),
    rule("a reaper finds what a dead agent left, and knows since when", |spec, body, _| {
        body.labels = Some(spec.labels.clone().into_iter().collect());
    }),
    rule("no network at all; each cell's own namespace has not even this one's loopback", |_, _, host| {
        host.network_mode = Some("none".to_owned());
    }),
    rule(
        "nor does the engine set one up: for `none`, too, it starts itself anew, which costs as much as the rest",
        |_, body, _| {
            body.network_disabled = Some(true);
        },
    ),
    rule("nothing of the image can be changed for the next job", |_, _, host| host.readonly_rootfs = Some(true)),
    rule(
        "every capability away, then those that map (or become) a cell's user, and that kill plain cells",
        |spec, _, host| {
            host.cap_drop = Some(vec!["ALL".to_owned()]);
            host.cap_add = Some(capabilities(spec.cells).map(str::to_owned).collect());
        },
    ),
    rule("set-uid programs of the image raise nobody", |_, _, host| {
        host.security_opt.get_or_insert_default().push("no-new-privileges".to_owned());
        host.privileged = Some(false);
    }),
    rule("filter 1: the engine's default and the calls that make cells", |_, _, host| {
        host.security_opt.get_or_insert_default().push(format!("seccomp={SECCOMP}"));
    }),
    rule("docker-default denies the mounts of cells; ours allows those and no more", |spec, _, host| {
        if spec.apparmor {
            host.security_opt.get_or_insert_default().push(format!("apparmor={APPARMOR}"));
        }
    }),
    rule(
        "the kernel refuses a fresh procfs in a cell while the container's is masked; cells mask their own",
        |spec, _, host| {
            if spec.cells == CellKind::Namespaced {
                host.masked_paths = Some(Vec::new());
                host.readonly_paths = Some(Vec::new());
            }
        },
    ),
    rule("plain cells see the container's /proc, in which a named list replaces the engine's own", |spec, _, host| {
        if spec.cells == CellKind::Plain {
            host.masked_paths = Some(MASKED_PATHS.into_iter().chain(MASKED_OF_SYS).map(str::to_owned).collect());
        }
    }),
    rule("pseudo terminals are one allowance for the whole host, and nothing in a sandbox needs one", |_, _, host| {
        let mounts = host.tmpfs.get_or_insert_default();
        mounts.insert("/dev/pts".to_owned(), "ro,noexec,nosuid,nodev,size=4k,nr_inodes=2".to_owned());
    }),
    rule("memory and swap together: a program in swap is slow for everyone", |spec, _, host| {
        let bytes = i64::try_from(spec.limits.memory_bytes).unwrap_or(i64::MAX);
        host.memory = Some(bytes);
        host.memory_swap = Some(bytes);
    }),
    rule("the supervisor is never the victim of a program's memory by the engine's choice", |_, _, host| {
        host.oom_kill_disable = Some(false);
    }),
    rule("a quota is a limit, shares are a wish", |spec, _, host| {
        host.cpu_period = Some(CPU_PERIOD_US);
        host.cpu_quota = Some(i64::from(spec.limits.cpu_millis) * CPU_PERIOD_US / 1000);
    }),
    rule("a fork bomb stays inside", |spec, _, host| host.pids_limit = Some(i64::from(spec.limits.pids))),
    rule("no core file, and no start of a handler that the host reads them with by a pipe", |_, _, host| {
        host.ulimits.get_or_insert_default().push(ulimit("core", CORE_BYTES));
    }),
    rule("descriptors are the kernel's memory", |_, _, host| {
        host.ulimits.get_or_insert_default().push(ulimit("nofile", FILES_MAX));
    }),
    rule("shared memory of its own, and almost none: cells bring theirs", |_, _, host| {
        host.ipc_mode = Some("private".to_owned());
        host.shm_size = Some(SHM_BYTES);
    }),
    rule("its cgroup below the agent's, so that all sandboxes together stay within the offer", |spec, _, host| {
        if let Some(cgroup) = &spec.cgroup {
            host.cgroup_parent = Some(cgroup.parent.clone());
            // gVisor's supervisor only reads there what the host counts.
            let mode = if spec.isolation == Isolation::Gvisor { "ro" } else { "rw" };
            let bind = |(from, to): &(std::path::PathBuf, String)| format!("{}:{to}:{mode}", from.display());
            host.binds = (!cgroup.binds.is_empty()).then(|| cgroup.binds.iter().map(bind).collect());
        }
    }),
    rule(
        "cgroup paths mean the same to agent and supervisor; no cell reads or writes what they lead to",
        |spec, _, host| {
            if spec.cgroup.as_ref().is_some_and(|cgroup| !cgroup.binds.is_empty()) {
                host.cgroupns_mode = Some(HostConfigCgroupnsModeEnum::HOST);
            }
        },
    ),
    rule("the agent's socket: it takes one connection, the supervisor's, before any program runs", |spec, _, host| {
        let mount = |path: &std::path::PathBuf| Mount {
            // Not among the binds, for which an engine that does not see the path makes a directory there.
            typ: Some(MountType::BIND),
            source: Some(path.display().to_string()),
            target: Some(WIRE_PATH.to_owned()),
            read_only: Some(true),
            ..Default::default()
        };
        host.mounts = spec.wire.as_ref().map(|path| vec![mount(path)]);
    }),
    rule("plain cells have no file systems of their own to write to", |spec, _, host| {
        if spec.cells == CellKind::Plain && spec.purpose == Purpose::Jobs {
            let room = format!("size={PLAIN_TMPFS_BYTES},nr_inodes={PLAIN_INODES_MAX}");
            // The supervisor's own: it opens them to the program's user, whom nobody knows yet.
            let options = format!("rw,exec,nosuid,nodev,{room},mode=1777,uid=0,gid=0");
            let mounts = ["/job", "/tmp"].map(|path| (path.to_owned(), options.clone()));
            host.tmpfs.get_or_insert_default().extend(mounts);
        }
    }),
    rule("an installer writes to memory of a bounded size and nowhere else", |spec, _, host| {
        if let Purpose::Install { room_bytes } = spec.purpose {
            let options = format!("rw,noexec,nosuid,nodev,size={room_bytes},nr_inodes={ROOM_INODES_MAX},mode=1777");
            host.tmpfs.get_or_insert_default().insert(ROOM_DIR.to_owned(), options);
        }
    }),
    rule("an installation gives way to jobs", |spec, _, host| {
        if spec.purpose != Purpose::Jobs {
            host.cpu_shares = Some(INSTALL_CPU_SHARES);
        }
    }),
    rule("output goes to the agent alone; a log file would fill the host's disk", |_, _, host| {
        host.log_config = Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None });
    }),
    rule("a sandbox that ended has ended", |_, _, host| {
        host.restart_policy = Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None });
    }),
    rule("the supervisor reaps; a second init between would hide its children", |_, _, host| host.init = Some(false)),
    rule("gVisor answers system calls instead of the host's kernel", |spec, _, host| {
        if spec.isolation == Isolation::Gvisor {
            host.runtime = Some(GVISOR_RUNTIME.to_owned());
        }
    }),
];

/// Capabilities that a sandbox's supervisor holds.
pub fn capabilities(cells: CellKind) -> impl Iterator<Item = &'static str> {
    // Plain cells have no pid namespace whose first process could be killed by its parent's right.
    let kill = (cells == CellKind::Plain).then_some("KILL");
    CAPABILITIES.into_iter().chain(kill)
}

/// The same as a bounding set (capabilities(7)): a bit for each.
#[must_use]
pub fn capability_bits(cells: CellKind) -> u64 {
    let bit = |name: &str| match name {
        "KILL" => 1 << 5,
        "SETGID" => 1 << 6,
        "SETUID" => 1 << 7,
        _ => 0,
    };
    capabilities(cells).map(bit).sum()
}

fn ulimit(name: &str, limit: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(limit), hard: Some(limit) }
}

/// The engine's configuration of the container that `spec` describes.
#[must_use]
pub fn container(spec: &SandboxSpec) -> ContainerCreateBody {
    let mut body = ContainerCreateBody { image: Some(spec.image.clone()), ..Default::default() };
    let mut host = HostConfig::default();
    for set in RULES {
        set(spec, &mut body, &mut host);
    }
    body.host_config = Some(host);
    body
}

#[cfg(test)]
#[path = "profile_tests.rs"]
mod tests;
