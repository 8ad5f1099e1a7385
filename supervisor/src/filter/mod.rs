//! Filter 2: what a program may not ask of the kernel.
//!
//! A deny list on top of the container's own filter, installed last, just before
//! exec, and never taken back. `rules` has what is refused, and why; this module
//! turns it into a program for the kernel (BPF, seccomp(2)).

mod rules;

use libc::{c_long, sock_filter};

use self::rules::{
    DESCRIPTION_LOCKS, DONE, FAMILIES, FIXED_LIMIT, FLAGGED, Flagged, PTRACE_TRACE_EXIT, PTRACE_WITH_OPTIONS,
    SHARED_HUGE_PAGES, SOCKET_PROGRAMS, UNKNOWN, UNSUPPORTED,
};

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xC000_003E; // AUDIT_ARCH_X86_64
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xC000_00B7; // AUDIT_ARCH_AARCH64

/// Calls of the x32 ABI carry this bit; natively no call is that great.
const X32_BIT: u32 = 0x4000_0000;

// Offsets in `struct seccomp_data`; arguments are 64 bits, low half first on both architectures.
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCHITECTURE: u32 = 4;
const OFFSET_ARGUMENTS: u32 = 16;
const ARGUMENT_BYTES: u32 = 8;
const HALF_BYTES: u32 = 4;

const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
const IF_ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

const ALLOW: sock_filter = statement(RETURN, 0x7FFF_0000); // SECCOMP_RET_ALLOW

/// Answers with an error instead of doing the call; 0 is success.
const fn answer(errno: libc::c_int) -> sock_filter {
    statement(RETURN, 0x0005_0000 | errno.cast_unsigned()) // SECCOMP_RET_ERRNO
}

const fn statement(code: u16, k: u32) -> sock_filter {
    sock_filter { code, jt: 0, jf: 0, k }
}

/// Jumps over `yes` instructions when `code` holds, else over `no`.
const fn branch(code: u16, k: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter { code, jt: yes, jf: no, k }
}

/// Loads the low half of an argument, which is all of it where the kernel takes an `int`.
const fn load(argument: u32) -> sock_filter {
    statement(LOAD, OFFSET_ARGUMENTS + argument * ARGUMENT_BYTES)
}

const fn load_high(argument: u32) -> sock_filter {
    statement(LOAD, OFFSET_ARGUMENTS + argument * ARGUMENT_BYTES + HALF_BYTES)
}

fn number(call: c_long) -> u32 {
    u32::try_from(call).expect("system call numbers are small and positive")
}

/// Decides about `call` by `code`, which ends in an answer on each of its ways.
fn decide(program: &mut Vec<sock_filter>, call: c_long, code: &[sock_filter]) {
    let length = u8::try_from(code.len()).expect("a rule is a few instructions");
    program.push(branch(IF_EQUAL, number(call), 0, length));
    program.extend_from_slice(code);
}

/// The whole program of the filter.
#[must_use]
pub fn program() -> Vec<sock_filter> {
    let mut program = vec![
        statement(LOAD, OFFSET_ARCHITECTURE),
        branch(IF_EQUAL, NATIVE, 1, 0),
        answer(libc::ENOSYS),
        statement(LOAD, OFFSET_NUMBER),
        branch(IF_AT_LEAST, X32_BIT, 0, 1),
        answer(libc::ENOSYS),
    ];
    for (list, errno) in [(UNKNOWN, libc::ENOSYS), (UNSUPPORTED, libc::EOPNOTSUPP), (DONE, 0)] {
        for call in list.iter().flat_map(|(calls, _)| *calls) {
            decide(&mut program, *call, &[answer(errno)]);
        }
    }
    for Flagged { call, argument, bits, errno } in FLAGGED.iter().flat_map(|(calls, _)| *calls).copied() {
        decide(&mut program, call, &[load(argument), branch(IF_ANY_BIT, bits, 0, 1), answer(errno), ALLOW]);
    }
    decide(&mut program, libc::SYS_ptrace, &ptrace());
    decide(&mut program, libc::SYS_shmget, &shared_memory());
    decide(&mut program, libc::SYS_setsockopt, &socket_options());
    decide(&mut program, libc::SYS_fcntl, &refuse_values(1, &DESCRIPTION_LOCKS, libc::EINVAL));
    let [set, set_or_read] = limits();
    decide(&mut program, libc::SYS_setrlimit, &set);
    decide(&mut program, libc::SYS_prlimit64, &set_or_read);
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        decide(&mut program, call, &families());
    }
    program.push(ALLOW);
    program
}

/// An unknown option, as a kernel would say that does not have it.
fn ptrace() -> [sock_filter; 7] {
    let [one, other] = PTRACE_WITH_OPTIONS;
    [
        load(0),
        branch(IF_EQUAL, one, 1, 0),
        branch(IF_EQUAL, other, 0, 3),
        load(3),
        branch(IF_ANY_BIT, PTRACE_TRACE_EXIT, 0, 1),
        answer(libc::EINVAL),
        ALLOW,
    ]
}

/// For `setrlimit`, and for `prlimit64`, which only reads where its pointer to a new value is null.
fn limits() -> [Vec<sock_filter>; 2] {
    let set = vec![load(0), branch(IF_EQUAL, FIXED_LIMIT, 0, 1), answer(0), ALLOW];
    let set_or_read = vec![
        load(1),
        branch(IF_EQUAL, FIXED_LIMIT, 0, 5),
        load(2),
        branch(IF_EQUAL, 0, 0, 2),
        load_high(2),
        branch(IF_EQUAL, 0, 1, 0),
        answer(0),
        ALLOW,
    ];
    [set, set_or_read]
}

/// Segments of 4 GiB and more are above every limit, and end the kernel of an older gVisor (2022).
fn shared_memory() -> [sock_filter; 7] {
    [
        load_high(1),
        branch(IF_EQUAL, 0, 1, 0),
        answer(libc::ENOMEM),
        load(2),
        branch(IF_ANY_BIT, SHARED_HUGE_PAGES, 0, 1),
        answer(libc::ENOMEM),
        ALLOW,
    ]
}

fn socket_options() -> Vec<sock_filter> {
    let level = [load(1), branch(IF_EQUAL, libc::SOL_SOCKET.cast_unsigned(), 1, 0), ALLOW];
    level.into_iter().chain(refuse_values(2, &SOCKET_PROGRAMS, libc::ENOPROTOOPT)).collect()
}

/// Answers with an error where an argument is one of `values`.
fn refuse_values(argument: u32, values: &[u32], errno: libc::c_int) -> Vec<sock_filter> {
    let refused = values.iter().flat_map(|value| [branch(IF_EQUAL, *value, 0, 1), answer(errno)]);
    [load(argument)].into_iter().chain(refused).chain([ALLOW]).collect()
}

fn families() -> Vec<sock_filter> {
    let passing = FAMILIES.iter().flat_map(|family| [branch(IF_EQUAL, family.cast_unsigned(), 0, 1), ALLOW]);
    [load(0)].into_iter().chain(passing).chain([answer(libc::EAFNOSUPPORT)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENIED_AS_UNKNOWN: u32 = answer(libc::ENOSYS).k;

    /// What the kernel would answer: the subset of classic BPF that the filter uses.
    fn asked(architecture: u32, call: u32, arguments: [u64; 6]) -> u32 {
        let (code, mut at, mut loaded) = (program(), 0, 0);
        loop {
            let i = &code[at];
            at += 1;
            let holds = match i.code {
                LOAD => {
                    loaded = match i.k {
                        OFFSET_NUMBER => call,
                        OFFSET_ARCHITECTURE => architecture,
                        offset => {
                            let half = (offset - OFFSET_ARGUMENTS) / HALF_BYTES;
                            let argument = arguments[usize::try_from(half / 2).unwrap()];
                            u32::try_from((argument >> (32 * (half % 2))) & u64::from(u32::MAX)).unwrap()
                        }
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

    /// What a native call is answered whose first arguments are these.
    fn native<const N: usize>(call: c_long, arguments: [u64; N]) -> u32 {
        let mut all = [0; 6];
        all[..N].copy_from_slice(&arguments);
        asked(NATIVE, number(call), all)
    }

    fn bits(flags: libc::c_int) -> u64 {
        u64::from(flags.cast_unsigned())
    }

    #[test]
    fn every_unknown_call_is_refused_as_unknown() {
        for call in UNKNOWN.iter().flat_map(|(calls, _)| *calls) {
            assert_eq!(native(*call, []), DENIED_AS_UNKNOWN, "{call}");
        }
    }

    #[test]
    fn ordinary_calls_pass() {
        for call in [libc::SYS_read, libc::SYS_execve, libc::SYS_openat, libc::SYS_futex, libc::SYS_msync] {
            assert_eq!(native(call, []), ALLOW.k, "{call}");
        }
    }

    #[test]
    fn nothing_waits_for_the_disks_of_the_host() {
        for call in DONE.iter().flat_map(|(calls, _)| *calls) {
            assert_eq!(native(*call, [3]), answer(0).k, "{call}");
        }
    }

    #[test]
    fn what_no_limit_counts_is_refused_as_a_plainer_system_would() {
        for call in UNSUPPORTED.iter().flat_map(|(calls, _)| *calls) {
            assert_eq!(native(*call, []), answer(libc::EOPNOTSUPP).k, "{call}");
        }
        let option = |level: libc::c_int, name: u32| native(libc::SYS_setsockopt, [3, bits(level), name.into()]);
        for name in SOCKET_PROGRAMS {
            assert_eq!(option(libc::SOL_SOCKET, name), answer(libc::ENOPROTOOPT).k, "{name}");
            assert_eq!(option(libc::IPPROTO_TCP, name), ALLOW.k, "{name}: another level's");
        }
        assert_eq!(option(libc::SOL_SOCKET, libc::SO_REUSEADDR.cast_unsigned()), ALLOW.k);
        for command in DESCRIPTION_LOCKS {
            assert_eq!(native(libc::SYS_fcntl, [3, command.into()]), answer(libc::EINVAL).k, "{command}");
        }
        assert_eq!(native(libc::SYS_fcntl, [3, bits(libc::F_SETLK)]), ALLOW.k);
    }

    #[test]
    fn threads_and_forks_pass_but_namespaces_do_not() {
        assert_eq!(native(libc::SYS_clone, [bits(libc::CLONE_VM | libc::CLONE_THREAD)]), ALLOW.k);
        assert_eq!(native(libc::SYS_clone, [bits(libc::CLONE_NEWUSER | libc::SIGCHLD)]), DENIED_AS_UNKNOWN);
    }

    #[test]
    fn memory_passes_but_huge_pages_do_not() {
        let (private, refused) = (bits(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS), answer(libc::ENOMEM).k);
        assert_eq!(native(libc::SYS_mmap, [0, 4096, 3, private]), ALLOW.k);
        assert_eq!(native(libc::SYS_mmap, [0, 4096, 3, private | bits(libc::MAP_HUGETLB)]), refused);
        assert_eq!(native(libc::SYS_memfd_create, [1, u64::from(libc::MFD_CLOEXEC)]), ALLOW.k);
        assert_eq!(native(libc::SYS_memfd_create, [1, u64::from(libc::MFD_HUGETLB)]), refused);
        assert_eq!(native(libc::SYS_shmget, [0, 4096, bits(libc::IPC_CREAT)]), ALLOW.k);
        assert_eq!(native(libc::SYS_shmget, [0, 4096, bits(libc::IPC_CREAT | libc::SHM_HUGETLB)]), refused);
        assert_eq!(native(libc::SYS_shmget, [0, 1 << 62, bits(libc::IPC_CREAT)]), refused, "beyond every limit");
    }

    #[test]
    fn nobody_may_be_stopped_on_the_way_out() {
        const ATTACH: u64 = 16;
        let options = |request: u64, options: u64| native(libc::SYS_ptrace, [request, 7, 0, options]);
        for request in PTRACE_WITH_OPTIONS.map(u64::from) {
            assert_eq!(options(request, PTRACE_TRACE_EXIT.into()), answer(libc::EINVAL).k, "{request:x}");
            assert_eq!(options(request, 0x7f), answer(libc::EINVAL).k, "{request:x}: among others");
            assert_eq!(options(request, 0x3f), ALLOW.k, "{request:x}: the others");
        }
        assert_eq!(options(ATTACH, PTRACE_TRACE_EXIT.into()), ALLOW.k, "there it is a signal or an address");
    }

    #[test]
    fn the_limit_of_core_files_is_read_and_never_set() {
        let (core, files) = (u64::from(FIXED_LIMIT), u64::from(libc::RLIMIT_NOFILE));
        assert_eq!(native(libc::SYS_setrlimit, [core, 0x1000]), answer(0).k);
        assert_eq!(native(libc::SYS_setrlimit, [files, 0x1000]), ALLOW.k);
        assert_eq!(native(libc::SYS_prlimit64, [0, core, 0, 0x1000]), ALLOW.k);
        assert_eq!(native(libc::SYS_prlimit64, [0, files, 0x1000, 0]), ALLOW.k);
        for new_value in [0x1000, 0x7fff_0000_0000] {
            assert_eq!(native(libc::SYS_prlimit64, [0, core, new_value, 0]), answer(0).k, "{new_value:x}");
        }
    }

    #[test]
    fn only_three_families_of_sockets_pass() {
        for call in [libc::SYS_socket, libc::SYS_socketpair] {
            for family in FAMILIES {
                assert_eq!(native(call, [bits(family)]), ALLOW.k);
            }
            for family in [libc::AF_NETLINK, libc::AF_VSOCK, libc::AF_PACKET, libc::AF_ALG] {
                assert_eq!(native(call, [bits(family)]), answer(libc::EAFNOSUPPORT).k);
            }
        }
    }

    #[test]
    fn foreign_architectures_are_refused_whole() {
        const I386: u32 = 0x4000_0003;
        assert_eq!(asked(I386, 102, [0; 6]), DENIED_AS_UNKNOWN);
        assert_eq!(asked(NATIVE, X32_BIT | 1, [0; 6]), DENIED_AS_UNKNOWN);
    }
}
