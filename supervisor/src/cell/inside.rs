//! The two processes that begin a cell, until the program replaces the second.
//!
//! Both run our code only. The first process keeps the identity of the
//! supervisor, which the program cannot signal, trace or limit, and stays
//! outside the cell's cgroup, so that no limit of the program slows or kills it.
//! It makes the cell's view and then waits for its task, for which nobody may have asked yet.
//! The second joins the cgroup, becomes the program's user, lays out its files,
//! puts the filter before itself, and executes the program.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use enclos_protocol::glob::{KEEP_FILES_BYTES_MAX, KEEP_FILES_MAX};
use enclos_protocol::job::JobPath;
use enclos_protocol::limits::StepLimits;
use enclos_protocol::outcome::Exit;
use enclos_protocol::supervisor_link::{CellKind, JOB_DIR, KEPT_BYTES_MAX, Keep, PROGRAM_UID};
use nix::fcntl::{OFlag, open, openat};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Pid, Uid, dup2_stderr, dup2_stdin, dup2_stdout, setgroups, setresgid, setresuid, setsid};

use super::control::{Control, FromCell, ToCell};
use super::handover;
use super::live;
use super::mounts::{self, Mask};
use super::task::Task;
use crate::archive::{self, ArchiveError};
use crate::{clock, filter, sys};

/// Open descriptors of a program, at most.
const DESCRIPTORS_MAX: u64 = 1024;
/// Signals that may wait for a program, at most; each costs the kernel memory.
const PENDING_SIGNALS_MAX: u64 = 1024;
/// Bytes of message queues of a program: a quarter of what the kernel lets its user have over all of its cells
/// (mq_overview(7), `RLIMIT_MSGQUEUE`). It counts those of a cell that has ended until a worker of its own has taken the
/// cell's namespace apart (ipc/namespace.c, free_ipc), which nobody can wait for, and the next cell is there by then.
const QUEUE_BYTES_MAX: u64 = 819_200 / 4;
/// Not 0, which leaves a handler that the host reads core files with by a pipe: 1 alone keeps it from
/// being started, and is too little for a file (core(5), fs/coredump.c).
const CORE_BYTES: u64 = 1;
/// Standing of a program when the kernel looks for a process to kill: before all others.
const OOM_SCORE: &[u8] = b"1000";

/// What a first process begins with; the rest comes with its task.
pub struct Waiting<'a> {
    pub kind: CellKind,
    /// Who the program is in a cell without a user namespace.
    pub host_uid: u32,
    pub masks: &'a [Mask],
    pub control: Control,
}

/// The first process of the cell; its end is the end of every process in it.
pub fn first_process(waiting: &Waiting<'_>) -> ! {
    if let Err(message) = supervise(waiting) {
        let _ = waiting.control.send(&FromCell::Failed(message));
    }
    sys::exit_now(0)
}

pub fn says(what: &'static str) -> impl Fn(io::Error) -> String {
    move |e| format!("{what}: {e}")
}

fn supervise(waiting: &Waiting<'_>) -> Result<(), String> {
    sys::set_not_dumpable().map_err(says("cannot hide the first process"))?;
    // Whatever a job before this one brought would stay in memory for as long as this process waits.
    sys::close_all_but(waiting.control.fd()).map_err(says("cannot let go what is the supervisor's"))?;
    // Without a pid namespace orphans go to this process where the kernel has the option (gVisor
    // has not), else to the supervisor, which reaps them when the cell ends.
    let _ = sys::become_subreaper();
    waiting.control.receive(ToCell::Mapped).map_err(says("the supervisor is gone"))?;
    // The container's procfs takes writes; the cell's does not.
    let proc_dir = open("/proc", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    let proc_dir = proc_dir.map_err(|e| format!("cannot open /proc: {e}"))?;
    if waiting.kind == CellKind::Namespaced {
        mounts::make(waiting.masks).map_err(|e| e.to_string())?;
        sys::raise_loopback().map_err(says("cannot raise the loopback interface"))?;
        sys::drop_bounding_set().map_err(says("cannot drop the bounding set"))?;
    }
    match Task::receive(&waiting.control).map_err(says("cannot take a task"))? {
        Some(task) if task.forerunner => handover::perform(waiting, task, &proc_dir),
        Some(task) => perform(waiting, task, proc_dir),
        None => Ok(()),
    }
}

fn perform(waiting: &Waiting<'_>, mut task: Task, proc_dir: OwnedFd) -> Result<(), String> {
    if waiting.kind == CellKind::Namespaced {
        mounts::fit(&task.request.limits).map_err(|e| e.to_string())?;
    }
    let children = task.signals.is_some().then(live::children).transpose();
    let children = children.map_err(|e| format!("cannot watch children: {e}"))?;
    let signals = task.signals.take().zip(children);
    let keep = task.keep.take().map(|into| (into, task.request.keep.clone()));
    let paired = task.paired;
    match sys::fork(0).map_err(says("cannot fork"))? {
        sys::Fork::Child => second_process(waiting, &task, &proc_dir),
        sys::Fork::Parent { child } => {
            // Ends of pipes that stay open here would hide their end from the supervisor.
            let mut held = task.into_held();
            drop(proc_dir);
            let exit = match signals {
                Some((heard, children)) => live::attend(child, heard, &children),
                None if paired => held.wait_for(child),
                None => wait_for(child),
            };
            let exit = exit.map_err(says("cannot wait"))?;
            let at = clock::now();
            drop(held);
            tell_end(waiting, exit, at, keep)
        }
    }
}

/// Ends what is left of the program, tells how it ended, and keeps what is to be kept.
pub fn tell_end(waiting: &Waiting<'_>, exit: Exit, at: Duration, keep: Option<(File, Keep)>) -> Result<(), String> {
    end_all_others();
    let _ = waiting.control.send(&FromCell::Ended { exit, at });
    let Some((into, what)) = keep else { return Ok(()) };
    let kept = match waiting.kind {
        CellKind::Plain => keep_as(waiting.host_uid, &into, &what, exit),
        CellKind::Namespaced => keep_files(&into, &what, exit),
    };
    waiting
        .control
        .send(&kept.map_or_else(FromCell::NotKept, |()| FromCell::Kept))
        .map_err(says("the supervisor is gone"))
}

/// Reaps whoever ends until `program` does.
pub fn wait_for(program: i32) -> io::Result<Exit> {
    loop {
        match sys::wait_for_child() {
            Ok((pid, exit)) if pid == program => return Ok(exit),
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
    }
}

/// Kills and reaps every process of the cell but this one.
pub fn end_all_others() {
    loop {
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        if sys::wait_for_child().is_err_and(|error| error.raw_os_error() == Some(libc::ECHILD)) {
            return;
        }
    }
}

/// Keeps files as the user who made them: in a plain cell this process is another user, who may not
/// read them. No process of that user is left that could meet the one which does it.
fn keep_as(uid: u32, into: &File, what: &Keep, exit: Exit) -> Result<(), String> {
    let (mut words, answer) = io::pipe().map_err(|e| format!("cannot make a pipe: {e}"))?;
    match sys::fork(0).map_err(|e| format!("cannot fork: {e}"))? {
        sys::Fork::Child => {
            let kept = become_user(uid).map_err(|e| format!("cannot become the program's user: {e}"));
            if let Err(message) = kept.and_then(|()| keep_files(into, what, exit)) {
                let _ = (&answer).write_all(message.as_bytes());
            }
            sys::exit_now(0)
        }
        sys::Fork::Parent { child } => {
            drop(answer);
            let mut message = String::new();
            let read = words.read_to_string(&mut message);
            wait_for(child).map_err(|e| format!("cannot wait: {e}"))?;
            read.map_err(|e| format!("cannot hear what was kept: {e}"))?;
            if message.is_empty() { Ok(()) } else { Err(message) }
        }
    }
}

fn keep_files(into: &File, what: &Keep, exit: Exit) -> Result<(), String> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let directory = open(JOB_DIR, flags, Mode::empty()).map_err(|e| format!("cannot open {JOB_DIR}: {e}"))?;
    let failed = |error: ArchiveError| format!("the files that it left: {error}");
    match what {
        Keep::Workspace if exit == Exit::Code(0) => {
            archive::Writer::new(into, KEPT_BYTES_MAX).add_tree(directory).map_err(failed)
        }
        Keep::Files(globs) => {
            let mut writer = archive::Writer::new(into, KEEP_FILES_BYTES_MAX);
            if writer.add_matching(directory, globs, KEEP_FILES_MAX).map_err(failed)? {
                Ok(())
            } else {
                Err(format!("more than {KEEP_FILES_MAX} files, or {KEEP_FILES_BYTES_MAX} bytes, were to be kept"))
            }
        }
        Keep::Workspace | Keep::Nothing => Ok(()),
    }
}

pub fn second_process(waiting: &Waiting<'_>, task: &Task, proc_dir: &OwnedFd) -> ! {
    end_with(waiting, become_program(waiting, task, proc_dir))
}

/// Ends well, or with why not.
pub fn end_with(waiting: &Waiting<'_>, done: Result<(), StartError>) -> ! {
    let message = match done {
        Ok(()) => sys::exit_now(0),
        Err(StartError::OutOfSpace) => FromCell::OutOfSpace,
        Err(StartError::Other(message)) => FromCell::Failed(message),
    };
    let _ = waiting.control.send(&message);
    sys::exit_now(127)
}

pub enum StartError {
    /// The files do not fit into the memory that the step may use.
    OutOfSpace,
    Other(String),
}

impl From<String> for StartError {
    fn from(message: String) -> Self {
        Self::Other(message)
    }
}

/// Becomes who the program is, where and under what it runs, and lays out its files.
pub fn enter(waiting: &Waiting<'_>, task: &Task, proc_dir: &OwnedFd) -> Result<(), StartError> {
    let errno = |what: &'static str| move |e: nix::Error| format!("{what}: {e}");
    setsid().map_err(errno("cannot begin a session"))?;
    let score = openat(proc_dir, "self/oom_score_adj", OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty());
    let mut score = score.map(File::from).map_err(errno("cannot open the OOM score"))?;
    score.write_all(OOM_SCORE).map_err(says("cannot raise the OOM score"))?;
    for mut group in &task.members {
        group.write_all(b"0").map_err(says("cannot join the cell's cgroup"))?;
    }
    // One more than it may have, so that this one can be seen.
    let processes_max = task.members.is_empty().then_some(task.request.limits.pids.saturating_add(1));
    limit_resources(&task.request.limits, processes_max).map_err(errno("cannot set a resource limit"))?;
    become_user(match waiting.kind {
        CellKind::Namespaced => PROGRAM_UID,
        CellKind::Plain => waiting.host_uid,
    })
    .map_err(errno("cannot become the program's user"))?;
    umask(Mode::from_bits_truncate(0o022));
    lay_out_files(&task.files, &task.request.directories)
}

/// Returns only after a rehearsal, or with why the program could not be executed.
fn become_program(waiting: &Waiting<'_>, task: &Task, proc_dir: &OwnedFd) -> Result<(), StartError> {
    let errno = |what: &'static str| move |e: nix::Error| format!("{what}: {e}");
    enter(waiting, task, proc_dir)?;
    // Only now: it bounds what the program writes, not what it was given.
    limit(Resource::RLIMIT_FSIZE, task.request.limits.file_bytes).map_err(errno("cannot limit the size of files"))?;
    dup2_stdin(&task.stdin).map_err(errno("cannot set standard input"))?;
    dup2_stdout(&task.stdout).map_err(errno("cannot set standard output"))?;
    dup2_stderr(&task.stderr).map_err(errno("cannot set standard error"))?;
    // Every descriptor is made close-on-exec; this is the net, which old kernels lack.
    let _ = sys::close_on_exec_from(3);
    reset_signals().map_err(errno("cannot reset signals"))?;
    let strings = Strings::of(&task.request.argv, &task.request.env)?;
    if !task.forerunner {
        waiting.control.send(&FromCell::Ready).map_err(says("the supervisor is gone"))?;
        waiting.control.receive(ToCell::Go).map_err(says("the supervisor is gone"))?;
    }
    sys::set_no_new_privileges().map_err(says("cannot set no_new_privs"))?;
    sys::install_filter(&filter::program()).map_err(says("cannot install the filter"))?;
    if task.rehearsal {
        return Ok(());
    }
    let error = strings.exec();
    // The program's failure, not ours: a compiler that made no program, or a file that is none.
    // Told as a shell tells it, where its user looks first.
    let _ = writeln!(io::stderr(), "cannot execute {}: {error}", strings.program);
    sys::exit_now(if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
}

/// `processes_max` where no cgroup holds them: the kernel then counts by user, of which a sandbox has its own.
fn limit_resources(limits: &StepLimits, processes_max: Option<u32>) -> nix::Result<()> {
    let mut wanted = vec![
        (Resource::RLIMIT_STACK, limits.stack_bytes),
        (Resource::RLIMIT_CORE, CORE_BYTES),
        (Resource::RLIMIT_NOFILE, DESCRIPTORS_MAX),
        (Resource::RLIMIT_SIGPENDING, PENDING_SIGNALS_MAX),
        (Resource::RLIMIT_MSGQUEUE, QUEUE_BYTES_MAX),
    ];
    wanted.extend(processes_max.map(|max| (Resource::RLIMIT_NPROC, u64::from(max))));
    for (resource, value) in wanted {
        match limit(resource, value) {
            // gVisor lets nobody set them; there both are memory of the sandbox's own kernel.
            Err(nix::Error::EPERM) if matches!(resource, Resource::RLIMIT_SIGPENDING | Resource::RLIMIT_MSGQUEUE) => {}
            other => other?,
        }
    }
    Ok(())
}

/// As hard and as soft limit. One that the container already has cannot be raised again.
fn limit(resource: Resource, value: u64) -> nix::Result<()> {
    let (_, hard) = getrlimit(resource)?;
    let value = value.min(hard);
    setrlimit(resource, value, value)
}

pub fn become_user(id: u32) -> nix::Result<()> {
    let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
    setgroups(&[])?;
    setresgid(group, group, group)?;
    setresuid(user, user, user)
}

fn lay_out_files(archives: &[File], directories: &[JobPath]) -> Result<(), StartError> {
    nix::unistd::chdir(JOB_DIR).map_err(|e| format!("cannot enter {JOB_DIR}: {e}"))?;
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open(JOB_DIR, flags, Mode::empty()).map_err(|e| format!("cannot open {JOB_DIR}: {e}"))?;
    let failed = |error: ArchiveError| match error {
        e if e.is_out_of_space() => StartError::OutOfSpace,
        e => StartError::Other(format!("cannot lay out the files: {e}")),
    };
    for file in archives {
        let mut reader = io::BufReader::with_capacity(64 * 1024, FromStart { file, at: 0 });
        archive::extract(&mut reader, root.as_fd()).map_err(failed)?;
    }
    directories.iter().try_for_each(|path| archive::make_directory(root.as_fd(), path)).map_err(failed)
}

/// Reads a file from its start, whatever the shared offset of its descriptor is.
struct FromStart<'a> {
    file: &'a File,
    at: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Every signal as a fresh program expects it; our runtime ignores SIGPIPE.
pub fn reset_signals() -> nix::Result<()> {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator().filter(|s| !matches!(s, Signal::SIGKILL | Signal::SIGSTOP)) {
        sys::set_signal_action(signal, &default)?;
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}

/// Arguments and environment as exec takes them.
pub struct Strings {
    pub program: String,
    path: String,
    argv: Vec<CString>,
    env: Vec<CString>,
}

impl Strings {
    pub fn of(argv: &[String], env: &[(String, String)]) -> Result<Self, String> {
        let c = |text: String| CString::new(text).map_err(|_| "an argument holds a NUL byte".to_owned());
        Ok(Self {
            program: argv.first().ok_or("no program is named")?.clone(),
            path: env.iter().find(|(name, _)| name == "PATH").map_or_else(String::new, |(_, v)| v.clone()),
            argv: argv.iter().map(|a| c(a.clone())).collect::<Result<_, _>>()?,
            env: env.iter().map(|(name, value)| c(format!("{name}={value}"))).collect::<Result<_, _>>()?,
        })
    }

    /// Returns only with why no candidate could be executed.
    pub fn exec(&self) -> io::Error {
        let mut last = io::Error::from_raw_os_error(libc::ENOENT);
        for candidate in self.candidates() {
            let Ok(path) = CString::new(candidate) else { continue };
            let error = sys::exec(&path, &self.argv, &self.env);
            match error.raw_os_error() {
                Some(libc::ENOENT | libc::ENOTDIR) => {}
                _ => last = error,
            }
        }
        last
    }

    fn candidates(&self) -> Vec<String> {
        if self.program.contains('/') {
            return vec![self.program.clone()];
        }
        self.path.split(':').filter(|d| d.starts_with('/')).map(|d| format!("{d}/{}", self.program)).collect()
    }
}
