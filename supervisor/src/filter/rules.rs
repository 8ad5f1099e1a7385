//! What the filter refuses, as data with a reason each.

use libc::c_long;

/// `io_pgetevents`, which libc does not name everywhere.
#[cfg(target_arch = "x86_64")]
const IO_PGETEVENTS: c_long = 333;
#[cfg(target_arch = "aarch64")]
const IO_PGETEVENTS: c_long = 292;

/// Calls that answer `ENOSYS`, as an older kernel would, so that libraries fall back: `(calls, why)`.
pub const UNKNOWN: &[(&[c_long], &str)] = &[
    (
        &[
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_pivot_root,
            libc::SYS_chroot,
            libc::SYS_mount_setattr,
            libc::SYS_move_mount,
            libc::SYS_open_tree,
            libc::SYS_fsopen,
            libc::SYS_fsconfig,
            libc::SYS_fsmount,
            libc::SYS_fspick,
        ],
        "the cell's view of files is fixed",
    ),
    (&[libc::SYS_unshare, libc::SYS_setns], "namespaces would give capabilities over new kernel surface"),
    (&[libc::SYS_clone3], "its flags are behind a pointer, out of a filter's reach; libc falls back to clone"),
    (&[libc::SYS_keyctl, libc::SYS_add_key, libc::SYS_request_key], "keyrings outlive a cell"),
    (
        &[
            libc::SYS_bpf,
            libc::SYS_perf_event_open,
            libc::SYS_userfaultfd,
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_io_uring_register,
            libc::SYS_fanotify_init,
        ],
        "large kernel surface with a history of escapes",
    ),
    (
        &[
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_process_madvise,
            libc::SYS_pidfd_getfd,
            libc::SYS_kcmp,
        ],
        "reaches into other processes",
    ),
    (
        &[
            libc::SYS_kexec_load,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_delete_module,
            libc::SYS_reboot,
            libc::SYS_swapon,
            libc::SYS_swapoff,
            libc::SYS_syslog,
            libc::SYS_acct,
            libc::SYS_quotactl,
            libc::SYS_settimeofday,
            libc::SYS_clock_settime,
            libc::SYS_clock_adjtime,
            libc::SYS_adjtimex,
            libc::SYS_sethostname,
            libc::SYS_setdomainname,
            libc::SYS_vhangup,
        ],
        "administers the machine",
    ),
    (
        &[
            libc::SYS_io_setup,
            libc::SYS_io_submit,
            libc::SYS_io_getevents,
            IO_PGETEVENTS,
            libc::SYS_io_cancel,
            libc::SYS_io_destroy,
        ],
        "their number is one allowance for the whole host (fs.aio-max-nr); libraries fall back to threads",
    ),
    (&[libc::SYS_open_by_handle_at, libc::SYS_name_to_handle_at], "opens files past every mount (CVE-2014-3519)"),
    (&[libc::SYS_personality], "changes what the kernel pretends to be"),
    (
        &[libc::SYS_mbind, libc::SYS_set_mempolicy, libc::SYS_migrate_pages, libc::SYS_move_pages],
        "chooses the host's memory nodes",
    ),
    (&[libc::SYS_lookup_dcookie, libc::SYS_nfsservctl], "obsolete"),
    #[cfg(target_arch = "x86_64")]
    (
        &[
            libc::SYS_iopl,
            libc::SYS_ioperm,
            libc::SYS_modify_ldt,
            libc::SYS_uselib,
            libc::SYS_ustat,
            libc::SYS_sysfs,
            libc::SYS__sysctl,
            libc::SYS_kexec_file_load,
        ],
        "ports, segments, and calls that only old programs know",
    ),
];

/// Calls that answer as if they were done, and do nothing: `(calls, why)`.
pub const DONE: &[(&[c_long], &str)] = &[(
    &[libc::SYS_sync, libc::SYS_syncfs, libc::SYS_fsync, libc::SYS_fdatasync, libc::SYS_sync_file_range],
    "a program's files are memory; all that waits for a disk is the host's and its neighbours'",
)];

/// `setxattrat`, which libc does not name yet.
const SETXATTRAT: c_long = 463;

/// Calls that answer `EOPNOTSUPP`, as a file system would that lacks them: `(calls, why)`.
pub const UNSUPPORTED: &[(&[c_long], &str)] = &[(
    &[libc::SYS_setxattr, libc::SYS_lsetxattr, libc::SYS_fsetxattr, SETXATTRAT],
    "access lists and other attributes are 64 KiB of kernel memory a file, and no cgroup counts them",
)];

/// A call that is refused when one of its arguments has some bit.
#[derive(Clone, Copy)]
pub struct Flagged {
    pub call: c_long,
    /// Which argument, counted from 0.
    pub argument: u32,
    /// Any of these.
    pub bits: u32,
    pub errno: libc::c_int,
}

const NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

const fn flagged(call: c_long, argument: u32, bits: libc::c_int, errno: libc::c_int) -> Flagged {
    Flagged { call, argument, bits: bits.cast_unsigned(), errno }
}

/// Calls that pass but with these flags: `(calls, why)`.
pub const FLAGGED: &[(&[Flagged], &str)] = &[
    (
        &[flagged(libc::SYS_clone, 0, NAMESPACES, libc::ENOSYS)],
        "namespaces would give capabilities over new kernel surface",
    ),
    (
        &[
            flagged(libc::SYS_mmap, 3, libc::MAP_HUGETLB, libc::ENOMEM),
            flagged(libc::SYS_memfd_create, 1, libc::MFD_HUGETLB.cast_signed(), libc::ENOMEM),
        ],
        "huge pages are reserved for the whole host, and no limit of memory counts them",
    ),
];

/// Families that a socket may have, others answer `EAFNOSUPPORT`; the last two lead nowhere beyond the cell.
pub const FAMILIES: [libc::c_int; 3] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];

/// Flag of `shmget` that is refused, as those above.
pub const SHARED_HUGE_PAGES: u32 = libc::SHM_HUGETLB.cast_unsigned();

/// Options of sockets (level `SOL_SOCKET`) that answer `ENOPROTOOPT`: programs for the kernel, compiled
/// into memory of which the whole host has one allowance (net.core.bpf_jit_limit), without which no
/// other program can be filtered: `SO_ATTACH_FILTER`, `_BPF`, `_REUSEPORT_CBPF`, `_REUSEPORT_EBPF`.
pub const SOCKET_PROGRAMS: [u32; 4] = [26, 50, 51, 52];

/// Commands of `fcntl` that answer `EINVAL`, as a kernel would that does not know them: locks of open
/// file descriptions (`F_OFD_SETLK`, `F_OFD_SETLKW`), of which nothing tells whose they are (`locks`).
pub const DESCRIPTION_LOCKS: [u32; 2] = [37, 38];

/// Requests of `ptrace` whose fourth argument is a set of options.
pub const PTRACE_WITH_OPTIONS: [u32; 2] = [0x4200, 0x4206]; // PTRACE_SETOPTIONS, PTRACE_SEIZE

/// Stops a process on its way out until its tracer lets it go (`PTRACE_O_TRACEEXIT`). Two that trace
/// each other wait for each other, dead to SIGKILL: no cell, sandbox or host could be rid of them.
pub const PTRACE_TRACE_EXIT: u32 = 0x40;

/// The resource limit that nobody may set: at 0, where every other program wants it, the kernel still
/// gives the dump of a crash to the host's handler, if that is a pipe (core(5)). Setting it answers as
/// if it was done, because sanitizers give up where it is refused.
pub const FIXED_LIMIT: u32 = 4; // RLIMIT_CORE
