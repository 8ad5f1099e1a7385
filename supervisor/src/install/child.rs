//! The installer: a child that becomes another user and puts the filter before itself.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;

use enclos_protocol::install_link::{InstallRequest, PROXY_PORT, RESULT_DIR, ROOM_DIR};
use enclos_protocol::outcome::Exit;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::stat::{Mode, umask};
use nix::sys::time::TimeValLike as _;
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, mkdir, pipe2, setsid};

use crate::cell::inside::{self, Strings, end_all_others};
use crate::{filter, sys};

/// Directory of the installer, for temporary files.
const WORK_DIR: &str = "/job/tmp";

/// A running installer.
pub struct Installer {
    pid: i32,
    streams: Option<[File; 2]>,
}

impl Installer {
    /// Starts it.
    pub fn spawn(request: &InstallRequest, authorities: Option<&str>) -> io::Result<Self> {
        let (stdout, stdout_end) = pipe()?;
        let (stderr, stderr_end) = pipe()?;
        let env = environment(request, authorities);
        match sys::fork(0)? {
            sys::Fork::Child => {
                drop((stdout, stderr));
                let message = match become_installer(request, &env, &stdout_end, &stderr_end) {
                    Ok(never) => match never {},
                    Err(message) => message,
                };
                let _ = writeln!(File::from(stderr_end), "the installer cannot be started: {message}");
                sys::exit_now(127)
            }
            sys::Fork::Parent { child } => Ok(Self { pid: child, streams: Some([stdout, stderr]) }),
        }
    }

    /// Reading ends of its standard output and standard error, once.
    pub fn take_streams(&mut self) -> Option<[File; 2]> {
        self.streams.take()
    }

    /// How it ended, if it did; every other process of it is dead then, too.
    pub fn ended(&self) -> io::Result<Option<Exit>> {
        loop {
            match sys::ended_child() {
                Ok(Some((pid, exit))) if pid == self.pid => {
                    end_all_others();
                    return Ok(Some(exit));
                }
                // An orphan that came to us.
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// CPU time of all that ended, in microseconds, and the largest memory of one, in bytes.
    pub fn used(&self) -> (u64, u64) {
        let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) else { return (0, 0) };
        let cpu = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        let memory_kib = u64::try_from(usage.max_rss()).unwrap_or(0);
        (u64::try_from(cpu).unwrap_or(0), memory_kib.saturating_mul(1024))
    }
}

/// Becomes the installer's user for good, with no capability left.
pub fn become_user(uid: u32) -> nix::Result<()> {
    inside::become_user(uid)
}

/// A pipe whose reading end does not block.
fn pipe() -> io::Result<(File, OwnedFd)> {
    let (ours, theirs) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&ours, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((ours.into(), theirs))
}

/// The installer's own environment, and where it finds proxy, authorities and room.
fn environment(request: &InstallRequest, authorities: Option<&str>) -> Vec<(String, String)> {
    let proxy = format!("http://127.0.0.1:{PROXY_PORT}");
    let mut env = request.env.clone();
    let mut set = |name: &str, value: &str| env.push((name.to_owned(), value.to_owned()));
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
        set(name, &proxy);
    }
    set("HOME", WORK_DIR);
    set("TMPDIR", WORK_DIR);
    if let Some(file) = authorities {
        set("SSL_CERT_FILE", file);
    }
    env
}

/// Returns only with why it could not be executed.
fn become_installer(
    request: &InstallRequest,
    env: &[(String, String)],
    stdout: &OwnedFd,
    stderr: &OwnedFd,
) -> Result<std::convert::Infallible, String> {
    let says = |what: &'static str| move |e: io::Error| format!("{what}: {e}");
    let errno = |what: &'static str| move |e: nix::Error| format!("{what}: {e}");
    setsid().map_err(errno("cannot begin a session"))?;
    // The kernel's choice when memory ends: the installer, never the builder.
    std::fs::write("/proc/self/oom_score_adj", "1000").map_err(says("cannot raise the OOM score"))?;
    inside::become_user(request.uid).map_err(errno("cannot become the installer's user"))?;
    umask(Mode::from_bits_truncate(0o022));
    for directory in [RESULT_DIR, WORK_DIR] {
        mkdir(directory, Mode::from_bits_truncate(0o755)).map_err(errno("cannot make its directories"))?;
    }
    nix::unistd::chdir(ROOM_DIR).map_err(errno("cannot enter its room"))?;
    let nothing = File::open("/dev/null").map_err(says("cannot open /dev/null"))?;
    dup2_stdin(&nothing).map_err(errno("cannot set standard input"))?;
    dup2_stdout(stdout).map_err(errno("cannot set standard output"))?;
    dup2_stderr(stderr).map_err(errno("cannot set standard error"))?;
    let _ = sys::close_on_exec_from(3);
    inside::reset_signals().map_err(errno("cannot reset signals"))?;
    let strings = Strings::of(&request.argv, env)?;
    sys::set_no_new_privileges().map_err(says("cannot set no_new_privs"))?;
    sys::install_filter(&filter::program()).map_err(says("cannot install the filter"))?;
    let error = strings.exec();
    Err(format!("{}: {error}", strings.program))
}
