//! Filter 2: what a program may not ask of the kernel.
//!
//! A deny list on top of the container's own filter, as data with a reason per
//! group. It is installed last, just before exec, and cannot be taken back.
//! Denied calls answer `ENOSYS`, as an older kernel would, so that libraries
//! fall back (`EPERM` on `clone3` breaks glibc). Socket families other than
//! local and internet ones answer `EAFNOSUPPORT`. Tracing is allowed, but for
//! the one option by which processes hold each other against every SIGKILL.

use libc::{c_long, sock_filter};

/// `(calls, why)`.
const DENIED: &[(&[c_long], &str)] = &[
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

/// Families that a socket may have; the last two lead nowhere beyond the cell.
const FAMILIES: [libc::c_int; 3] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];

/// Flags with which `clone` would make a namespace.
const CLONE_NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

/// Requests of `ptrace` whose fourth argument is a set of options.
const PTRACE_WITH_OPTIONS: [u32; 2] = [0x4200, 0x4206]; // PTRACE_SETOPTIONS, PTRACE_SEIZE

/// Stops a process on its way out until its tracer lets it go (`PTRACE_O_TRACEEXIT`). Two that trace
/// each other wait for each other, dead to SIGKILL: no cell, sandbox or host could be rid of them.
const PTRACE_TRACE_EXIT: u32 = 0x40;

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xC000_003E; // AUDIT_ARCH_X86_64
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xC000_00B7; // AUDIT_ARCH_AARCH64

/// Calls of the x32 ABI carry this bit; natively no call is that great.
const X32_BIT: u32 = 0x4000_0000;

// Offsets in `struct seccomp_data`; arguments are 64 bits, low half first on both architectures.
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCHITECTURE: u32 = 4;
const OFFSET_FIRST_ARGUMENT: u32 = 16;
const OFFSET_FOURTH_ARGUMENT: u32 = 40;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const IF_ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

const ALLOW: u32 = 0x7FFF_0000; // SECCOMP_RET_ALLOW

const fn refuse_with(errno: libc::c_int) -> u32 {
    0x0005_0000 | errno as u32 // SECCOMP_RET_ERRNO
}

const fn statement(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

/// Goes on with the next instruction when `code` holds, else jumps over `otherwise`.
const fn branch(code: u16, k: u32, otherwise: u8) -> sock_filter {
    sock_filter { code, jt: 0, jf: otherwise, k }
}

fn number(call: c_long) -> u32 {
    u32::try_from(call).expect("system call numbers are small and positive")
}

/// The program of the filter (BPF, seccomp(2)).
#[must_use]
pub fn program() -> Vec<sock_filter> {
    let enosys = statement(RETURN, refuse_with(libc::ENOSYS));
    let mut code = vec![
        statement(LOAD, OFFSET_ARCHITECTURE),
        sock_filter { code: IF_EQUAL, jt: 1, jf: 0, k: NATIVE },
        enosys,
        statement(LOAD, OFFSET_NUMBER),
        branch(IF_AT_LEAST, X32_BIT, 1),
        enosys,
    ];
    for call in DENIED.iter().flat_map(|(calls, _)| *calls) {
        code.extend([branch(IF_EQUAL, number(*call), 1), enosys]);
    }
    code.extend([
        branch(IF_EQUAL, number(libc::SYS_clone), 4),
        statement(LOAD, OFFSET_FIRST_ARGUMENT),
        branch(IF_ANY_BIT, CLONE_NAMESPACES.cast_unsigned(), 1),
        enosys,
        statement(RETURN, ALLOW),
    ]);
    // An unknown option, as a kernel would say that does not have it.
    let einval = statement(RETURN, refuse_with(libc::EINVAL));
    code.extend([
        branch(IF_EQUAL, number(libc::SYS_ptrace), 7),
        statement(LOAD, OFFSET_FIRST_ARGUMENT),
        sock_filter { code: IF_EQUAL, jt: 1, jf: 0, k: PTRACE_WITH_OPTIONS[0] },
        branch(IF_EQUAL, PTRACE_WITH_OPTIONS[1], 3),
        statement(LOAD, OFFSET_FOURTH_ARGUMENT),
        branch(IF_ANY_BIT, PTRACE_TRACE_EXIT, 1),
        einval,
        statement(RETURN, ALLOW),
    ]);
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        let refusal = statement(RETURN, refuse_with(libc::EAFNOSUPPORT));
        code.push(branch(IF_EQUAL, number(call), u8::try_from(FAMILIES.len() * 2 + 2).expect("three families")));
        code.push(statement(LOAD, OFFSET_FIRST_ARGUMENT));
        for family in FAMILIES {
            code.extend([branch(IF_EQUAL, family.cast_unsigned(), 1), statement(RETURN, ALLOW)]);
        }
        code.push(refusal);
    }
    code.push(statement(RETURN, ALLOW));
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would answer: the subset of classic BPF that the filter uses.
    fn answer(architecture: u32, call: u32, arguments: [u32; 6]) -> u32 {
        let (code, mut at, mut loaded) = (program(), 0, 0);
        loop {
            let i = &code[at];
            at += 1;
            let holds = match i.code {
                LOAD => {
                    loaded = match i.k {
                        OFFSET_NUMBER => call,
                        OFFSET_ARCHITECTURE => architecture,
                        offset => arguments[usize::try_from((offset - OFFSET_FIRST_ARGUMENT) / 8).unwrap()],
                    };
                    continue;
                }
                RETURN => return i.k,
                IF_EQUAL => loaded == i.k,
                IF_AT_LEAST => loaded >= i.k,
                IF_ANY_BIT => loaded & i.k != 0,
                other => panic!("code {other}"),
            };
            at += usize::from(if holds { i.jt } else { i.jf });
        }
    }

    fn native(call: c_long, first_argument: libc::c_int) -> u32 {
        answer(NATIVE, number(call), [first_argument.cast_unsigned(), 0, 0, 0, 0, 0])
    }

    #[test]
    fn every_denied_call_is_refused_as_unknown() {
        for call in DENIED.iter().flat_map(|(calls, _)| *calls) {
            assert_eq!(native(*call, 0), refuse_with(libc::ENOSYS), "{call}");
        }
    }

    #[test]
    fn ordinary_calls_pass() {
        for call in [libc::SYS_read, libc::SYS_execve, libc::SYS_openat, libc::SYS_futex, libc::SYS_ptrace] {
            assert_eq!(native(call, 0), ALLOW, "{call}");
        }
    }

    #[test]
    fn threads_and_forks_pass_but_namespaces_do_not() {
        assert_eq!(native(libc::SYS_clone, libc::CLONE_VM | libc::CLONE_THREAD), ALLOW);
        assert_eq!(native(libc::SYS_clone, libc::CLONE_NEWUSER | libc::SIGCHLD), refuse_with(libc::ENOSYS));
    }

    #[test]
    fn nobody_may_be_stopped_on_the_way_out() {
        const ATTACH: u32 = 16;
        let options = |request, options| answer(NATIVE, number(libc::SYS_ptrace), [request, 7, 0, options, 0, 0]);
        for request in PTRACE_WITH_OPTIONS {
            assert_eq!(options(request, PTRACE_TRACE_EXIT), refuse_with(libc::EINVAL), "{request:x}");
            assert_eq!(options(request, 0x7f), refuse_with(libc::EINVAL), "{request:x}: among others");
            assert_eq!(options(request, 0x3f), ALLOW, "{request:x}: the others");
        }
        assert_eq!(options(ATTACH, PTRACE_TRACE_EXIT), ALLOW, "there it is a signal or an address");
    }

    #[test]
    fn only_three_families_of_sockets_pass() {
        for call in [libc::SYS_socket, libc::SYS_socketpair] {
            for family in FAMILIES {
                assert_eq!(native(call, family), ALLOW);
            }
            for family in [libc::AF_NETLINK, libc::AF_VSOCK, libc::AF_PACKET, libc::AF_ALG] {
                assert_eq!(native(call, family), refuse_with(libc::EAFNOSUPPORT));
            }
        }
    }

    #[test]
    fn foreign_architectures_are_refused_whole() {
        const I386: u32 = 0x4000_0003;
        assert_eq!(answer(I386, 102, [0; 6]), refuse_with(libc::ENOSYS));
        assert_eq!(answer(NATIVE, X32_BIT | 1, [0; 6]), refuse_with(libc::ENOSYS));
    }
}
