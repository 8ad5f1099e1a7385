//! The calls that no safe wrapper offers. The only `unsafe` of the repository.
//!
//! Each function does one system call and turns its result into `io::Result`.
//! The process has one thread, so what forks may run any code in the child.

#![expect(unsafe_code, reason = "raw system calls; every block says why it is sound")]

use std::ffi::CString;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

use enclos_protocol::outcome::Exit;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use nix::unistd::{Uid, setresuid};

/// Descriptors that come with one packet, at most; a step needs fewer.
const DESCRIPTORS_MAX: usize = 16;

/// Namespaces that a cell has for itself.
pub const CELL_NAMESPACES: libc::c_int = libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWUTS
    // A program reads no path of the host in /proc/self/cgroup.
    | libc::CLONE_NEWCGROUP;

/// Who a process is after [`fork`].
pub enum Fork {
    /// The one that called.
    Parent {
        /// Process id of the child, in the caller's pid namespace.
        child: i32,
    },
    /// The new one.
    Child,
}

/// Forks, and puts the child into new namespaces (`clone(2)` without a stack of its own).
pub fn fork(namespaces: libc::c_int) -> io::Result<Fork> {
    let flags = libc::c_long::from(namespaces | libc::SIGCHLD);
    // SAFETY: without CLONE_VM the child gets a copy of the address space, as by fork(2); null
    // pointers are allowed for stack and tids. This process has a single thread, so no lock is
    // held by a thread that does not exist in the child.
    let result = unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, 0usize, 0usize, 0usize) };
    match result {
        0 => Ok(Fork::Child),
        child if child > 0 => Ok(Fork::Parent { child: i32::try_from(child).unwrap_or(i32::MAX) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Acts as another user from here on: effective uid `uid`, with every capability that is permitted.
///
/// Real and saved uid stay, so that acting as 0 again is allowed. Files are still opened as uid 0.
pub fn act_as(uid: u32) -> io::Result<()> {
    /// Leaves an id as it is (setresuid(2)).
    const KEEP: Uid = Uid::from_raw(u32::MAX);
    setresuid(KEEP, Uid::from_raw(uid), KEEP)?;
    nix::unistd::setfsuid(Uid::from_raw(0));
    // Another effective user makes the process what `fs.suid_dumpable` says.
    set_not_dumpable()?;
    raise_permitted_capabilities()
}

/// Waits until some child ends: which, and how.
pub fn wait_for_child() -> io::Result<(i32, Exit)> {
    wait(0)?.ok_or_else(|| io::ErrorKind::Interrupted.into())
}

/// A child that ended and was not waited for yet.
pub fn ended_child() -> io::Result<Option<(i32, Exit)>> {
    wait(libc::WNOHANG)
}

/// Decoded here, because a real-time signal is none of those that `nix` can name.
fn wait(options: libc::c_int) -> io::Result<Option<(i32, Exit)>> {
    let mut status = 0;
    // SAFETY: the kernel writes one integer to `status`, which outlives the call.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, options) };
    if pid < 0 {
        return Err(io::Error::last_os_error());
    }
    // Without further options no other change of a child is told.
    let exit = if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        Exit::Code(libc::WEXITSTATUS(status))
    };
    Ok((pid > 0).then_some((pid, exit)))
}

/// A descriptor that is ready to be read when the process has ended (`pidfd_open(2)`).
pub fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes integers only.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0 as libc::c_uint) };
    let fd = i32::try_from(result).ok().filter(|fd| *fd >= 0).ok_or_else(io::Error::last_os_error)?;
    // SAFETY: the descriptor was just opened and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `struct __user_cap_header_struct` of linux/capability.h.
#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`; two of them hold 64 capabilities.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilityData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Makes every permitted capability effective (capset(2)).
fn raise_permitted_capabilities() -> io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    let mut header = CapabilityHeader { version: VERSION_3, pid: 0 };
    let mut data = [CapabilityData::default(); 2];
    // SAFETY: version 3 reads one header and writes two data structs; both outlive the call.
    let got = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) };
    if got != 0 {
        return Err(io::Error::last_os_error());
    }
    for half in &mut data {
        half.effective = half.permitted;
    }
    // SAFETY: as above; the kernel only reads the data.
    let set = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, data.as_ptr()) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Takes over a descriptor that this process was started with.
///
/// Only for 0 and 1, once each, at the start of `main`.
pub fn inherited_fd(fd: RawFd) -> OwnedFd {
    // SAFETY: the caller owns descriptors 0 and 1 from its start and nothing else closes them.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Sends one packet over a socket, and descriptors with it (`SCM_RIGHTS` of unix(7)).
pub fn send_with_descriptors(socket: BorrowedFd<'_>, packet: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let descriptors: Vec<RawFd> = descriptors.iter().map(std::os::fd::AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&descriptors)];
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(packet)], &rights, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Waits for one packet, which is cut at the end of `packet`, and for what comes with it.
pub fn receive_with_descriptors(socket: BorrowedFd<'_>, packet: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut room = nix::cmsg_space!([RawFd; DESCRIPTORS_MAX]);
    let mut into = [IoSliceMut::new(packet)];
    let got = recvmsg::<()>(socket.as_raw_fd(), &mut into, Some(&mut room), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let mut descriptors = Vec::new();
    for message in got.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = message {
            // SAFETY: the kernel has just put them into this process's table, and nothing else owns them.
            descriptors.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    Ok((got.bytes, descriptors))
}

/// Closes every descriptor above standard error but `kept`. Only for a process that never returns to who
/// owns the others, as none that was forked here does.
pub fn close_all_but(kept: BorrowedFd<'_>) -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    let kept = kept.as_raw_fd();
    let number = libc::c_uint::try_from(kept).map_err(io::Error::other)?;
    for (first, last) in [(FIRST, number.saturating_sub(1)), (number + 1, libc::c_uint::MAX)] {
        if first > last {
            continue;
        }
        // SAFETY: takes integers only; nothing in this process uses what it closes any more, see above.
        if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0 as libc::c_uint) } != 0 {
            return close_each_but(kept);
        }
    }
    Ok(())
}

/// The same where the kernel has no `close_range` (before 5.9).
fn close_each_but(kept: RawFd) -> io::Result<()> {
    let names = std::fs::read_dir("/proc/self/fd")?.map(|entry| Ok(entry?.file_name()));
    let names = names.collect::<io::Result<Vec<_>>>()?;
    for fd in names.iter().filter_map(|name| name.to_str()?.parse::<RawFd>().ok()) {
        if fd > 2 && fd != kept {
            // SAFETY: as above. The list's own descriptor is closed already, which is no harm.
            unsafe { libc::close(fd) };
        }
    }
    Ok(())
}

/// Ends the process at once: no destructor and no exit handler of the parent's copy runs.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit(2) is always sound.
    unsafe { libc::_exit(code) }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn prctl(option: libc::c_int, argument: libc::c_ulong) -> io::Result<()> {
    // SAFETY: every option used below takes one integer and no pointer; the others must be zero.
    check(unsafe { libc::prctl(option, argument, 0 as libc::c_ulong, 0 as libc::c_ulong, 0 as libc::c_ulong) })
}

/// No other user may read this process's memory or trace it (`PR_SET_DUMPABLE`).
pub fn set_not_dumpable() -> io::Result<()> {
    prctl(libc::PR_SET_DUMPABLE, 0)
}

/// Orphans below this process become its children (`PR_SET_CHILD_SUBREAPER`).
pub fn become_subreaper() -> io::Result<()> {
    prctl(libc::PR_SET_CHILD_SUBREAPER, 1)
}

/// No exec can add a privilege any more (`PR_SET_NO_NEW_PRIVS`).
pub fn set_no_new_privileges() -> io::Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// Takes every capability out of the bounding set.
///
/// # Errors
/// Where the process has no `CAP_SETPCAP` in its user namespace.
pub fn drop_bounding_set() -> io::Result<()> {
    const CAPABILITIES_MAX: libc::c_ulong = 64;
    for capability in 0..CAPABILITIES_MAX {
        match prctl(libc::PR_CAPBSET_DROP, capability) {
            Ok(()) => {}
            // The first number that the kernel does not know.
            Err(e) if e.raw_os_error() == Some(libc::EINVAL) => return Ok(()),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Puts a seccomp filter before every later system call of this process and its children.
pub fn install_filter(program: &[libc::sock_filter]) -> io::Result<()> {
    let length = libc::c_ushort::try_from(program.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel copies `len` instructions from `filter`, which outlives the call, and
    // never writes to them.
    check(unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER as libc::c_ulong,
            &raw const program,
            0usize,
            0usize,
        )
    })
}

/// Replaces this process by the program at `path`; returns only when that failed.
pub fn exec(path: &CString, argv: &[CString], env: &[CString]) -> io::Error {
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, env) = (pointers(argv), pointers(env));
    // SAFETY: both arrays end with a null pointer and point to strings that outlive the call.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

/// Lets programs of this network namespace talk to themselves: sets its `lo` up (netdevice(7)).
pub fn raise_loopback() -> io::Result<()> {
    // SAFETY: socket(2) takes no pointer; the result is checked before it is owned.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just opened and nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: all-zero is a valid `ifreq`: integers and byte arrays only.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    request.ifr_ifru.ifru_flags = libc::c_short::try_from(libc::IFF_UP).unwrap_or(1);
    // SAFETY: SIOCSIFFLAGS reads one `ifreq`, which outlives the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as libc::Ioctl, &raw const request) })
}

/// Sets close-on-exec for every descriptor from `first` on (`close_range(2)`).
pub fn close_on_exec_from(first: libc::c_uint) -> io::Result<()> {
    // SAFETY: takes integers only.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sets what a signal does.
pub fn set_signal_action(signal: nix::sys::signal::Signal, action: &nix::sys::signal::SigAction) -> nix::Result<()> {
    // SAFETY: callers pass `SIG_DFL` only, so no handler can run in a wrong context.
    unsafe { nix::sys::signal::sigaction(signal, action) }.map(drop)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    #[expect(clippy::zombie_processes, reason = "the call under test waits for them")]
    fn every_end_of_a_child_is_understood() {
        let ends =
            [("exit 0", Exit::Code(0)), ("exit 255", Exit::Code(255))].map(|(code, exit)| (code.to_owned(), exit));
        let signals = [9, 34, 37, 64].map(|number| (format!("kill -{number} $$"), Exit::Signal(number)));
        for (code, exit) in ends.into_iter().chain(signals) {
            let child = Command::new("sh").args(["-c", &code]).spawn().unwrap();
            assert_eq!(wait_for_child().unwrap(), (i32::try_from(child.id()).unwrap(), exit), "{code}");
        }
        assert_eq!(wait_for_child().unwrap_err().raw_os_error(), Some(libc::ECHILD));
    }
}
