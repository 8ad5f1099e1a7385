//! The supervisor's one loop: requests in, cells run, reports out.

mod ahead;
mod steps;

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use enclos_protocol::frame::CHUNK_BYTES_MAX;
use enclos_protocol::job::JobPath;
use enclos_protocol::limits::StepLimits;
use enclos_protocol::outcome::Exit;
use enclos_protocol::supervisor_link::{
    CellKind, Keep, Report, Request, SUPERVISOR_VERSION, Setup, StepRequest, Tree, WIRE_PATH,
};
use nix::poll::{PollFd, PollFlags};
use serde_bytes::ByteBuf;

use self::ahead::Sandbox;
use crate::cell::{CellError, Remains, Surroundings, mounts, plain};
use crate::cgroup::{CgroupError, ContainerCpu, Parent};
use crate::job::{Job, JobError};
use crate::link::{Link, LinkError};
use crate::{clock, facts};

/// File that the first cell finds in its directory, so that the proof has written there.
const PROOF_FILE: &str = "proof";
/// Nothing to watch but the link.
const IDLE: Duration = Duration::from_secs(3600);

/// The supervisor cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The agent closed the link: the ordinary end of a sandbox.
    #[error("the agent is gone")]
    AgentGone,
    /// A request that does not fit where the conversation is.
    #[error("unexpected request: {0}")]
    Unexpected(&'static str),
    /// Agent and supervisor come from different builds.
    #[error("the agent speaks version {0}, the supervisor {SUPERVISOR_VERSION}")]
    Version(u16),
    /// No cell of the kind that was asked for: the kernel refuses it, or the first one did not come to its end.
    #[error("no cell can be made here: {0}")]
    Rehearsal(String),
    /// The directories that plain cells share.
    #[error("the sandbox's own directories cannot be laid out: {0}")]
    LayOut(io::Error),
    /// A call on our own descriptors.
    #[error("cannot wait: {0}")]
    Wait(#[from] io::Error),
    /// The link.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A job's bytes.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A cell.
    #[error(transparent)]
    Cell(#[from] CellError),
}

impl From<CgroupError> for Fault {
    fn from(error: CgroupError) -> Self {
        Self::Cell(error.into())
    }
}

/// The whole state.
pub struct Server {
    link: Link,
    sandbox: Option<Sandbox>,
    job: Option<Job>,
    /// A tree that is there for the next jobs, too.
    held: Option<File>,
    /// The job ends with the step that runs.
    ends: bool,
    /// Of the last step's cells.
    remains: Vec<Remains>,
}

impl Server {
    /// A supervisor that waits for `Setup`.
    pub fn new(link: Link) -> Self {
        Self { link, sandbox: None, job: None, held: None, ends: false, remains: Vec::new() }
    }

    /// Serves until the agent is gone or something fails; a failure is reported as well as it can be.
    pub fn run(&mut self) -> Fault {
        let fault = match self.serve() {
            Ok(never) => match never {},
            Err(fault) => fault,
        };
        let message = fault.to_string();
        let last = match fault {
            Fault::AgentGone => return fault,
            Fault::Rehearsal(_) => Report::NoCell { message },
            _ => Report::Fault { message },
        };
        let _ = self.link.send(&last);
        let _ = self.flush_all();
        fault
    }

    fn serve(&mut self) -> Result<std::convert::Infallible, Fault> {
        self.link.send(&Report::Ready { version: SUPERVISOR_VERSION })?;
        loop {
            while let Some(request) = self.link.next()? {
                self.handle(request)?;
            }
            self.do_chores()?;
            self.wait_for_link(IDLE)?;
        }
    }

    /// What no answer has to wait for, while no request waits for it either.
    fn do_chores(&mut self) -> Result<(), Fault> {
        if self.link.has_pending() {
            return Ok(());
        }
        let asked = |link: &Link| -> io::Result<bool> {
            Ok(poll_those([(Some(link.input()), PollFlags::POLLIN)], Duration::ZERO)?[0])
        };
        if !self.remains.is_empty() && !asked(&self.link)? {
            ahead::clear(&mut self.remains);
        }
        if let Some(sandbox) = self.sandbox.as_mut().filter(|sandbox| sandbox.wants_cell())
            && !asked(&self.link)?
        {
            sandbox.make_ahead();
        }
        Ok(())
    }

    fn handle(&mut self, request: Request) -> Result<(), Fault> {
        match request {
            Request::Setup(setup) if self.sandbox.is_none() => self.set_up(&setup),
            Request::Setup(_) => Err(Fault::Unexpected("setup twice")),
            Request::StartForerunner(program) if self.job.is_none() => {
                self.sandbox.as_mut().ok_or(Fault::Unexpected("a forerunner before setup"))?.start_forerunner(*program);
                Ok(())
            }
            Request::StartForerunner(_) => Err(Fault::Unexpected("a forerunner in a job")),
            Request::EndForerunner => {
                self.sandbox.iter_mut().for_each(Sandbox::end_forerunner);
                Ok(())
            }
            Request::BeginJob { cpus } if self.sandbox.is_some() && self.job.is_none() => {
                (self.job, self.ends) = (Some(Job::new(cpus)?), false);
                Ok(())
            }
            Request::BeginJob { .. } => Err(Fault::Unexpected("a job before setup or inside another")),
            Request::PutFile { path } => Ok(self.job()?.begin_file(&path)?),
            Request::PutStdin => Ok(self.job()?.begin_stdin()?),
            Request::PutTree(which) => Ok(self.job()?.begin_tree(which)?),
            Request::HoldTree => {
                self.held = Some(self.job()?.hold_kept()?);
                Ok(())
            }
            Request::UseHeldTree => {
                let held = self.held.as_ref().ok_or(Fault::Unexpected("no tree is held"))?.try_clone()?;
                self.job()?.use_kept(held);
                Ok(())
            }
            Request::PutExtra { path } => Ok(self.job()?.begin_extra(&path)?),
            Request::Data(bytes) => Ok(self.job()?.add(&bytes)?),
            Request::RunStep(step) => self.run_step(&step),
            Request::RunPair(pair) => self.run_pair(&pair),
            Request::TakeTree { tree, bytes_max } => self.give_tree(tree, bytes_max),
            // The step ended while the request was on its way.
            Request::CancelStep | Request::Stdin { .. } | Request::Signal(_) => Ok(()),
            Request::EndJob => self.end_job(),
        }
    }

    fn job(&mut self) -> Result<&mut Job, Fault> {
        self.job.as_mut().ok_or(Fault::Unexpected("no job was begun"))
    }

    fn set_up(&mut self, setup: &Setup) -> Result<(), Fault> {
        if setup.version != SUPERVISOR_VERSION {
            return Err(Fault::Version(setup.version));
        }
        let cgroup = setup.cgroup.as_ref().map(Parent::open).transpose()?;
        if setup.cells == CellKind::Plain {
            plain::lay_out().map_err(Fault::LayOut)?;
            cgroup.as_ref().map_or(Ok(()), Parent::close_to_others)?;
        }
        let online = nix::unistd::sysconf(nix::unistd::SysconfVar::_NPROCESSORS_ONLN).ok().flatten().unwrap_or(1);
        let masks = match setup.cells {
            CellKind::Namespaced => mounts::masks(),
            CellKind::Plain => Vec::new(),
        };
        let surroundings = Surroundings {
            kind: setup.cells,
            host_uid: setup.host_uid,
            judge_uid: setup.judge_uid,
            masks,
            cores: u32::try_from(online).unwrap_or(1),
            container_cpu: setup.container_cpu.as_ref().and_then(ContainerCpu::find),
        };
        self.sandbox = Some(Sandbox::new(surroundings, cgroup));
        self.rehearse(setup.cpus.clone())?;
        let cgroup = self.sandbox.as_ref().and_then(|s| s.cgroup.as_ref());
        let mut found = facts::collect(cgroup);
        // One that cannot be reached (gVisor has none of the host's) is no loss but of time.
        let told = |error: &io::Error| eprintln!("cannot connect to {WIRE_PATH}: {error}");
        let wire = if setup.wire { UnixStream::connect(WIRE_PATH).inspect_err(told).ok() } else { None };
        found.wire = wire.is_some();
        self.link.send(&Report::SetUp(found))?;
        if let Some(wire) = wire {
            self.flush_all()?;
            self.link.move_to(&wire)?;
        }
        Ok(())
    }

    /// Makes one cell as a job's would be, up to the program itself.
    fn rehearse(&mut self, cpus: Option<String>) -> Result<(), Fault> {
        let mut job = Job::new(cpus)?;
        job.begin_file(&JobPath::try_from(PROOF_FILE.to_owned()).expect("a constant that is a valid path"))?;
        self.job = Some(job);
        let finished = self.run_one(&rehearsal_step(), true).map_err(|fault| match fault {
            Fault::Cell(error @ CellError::Namespaces(..)) => Fault::Rehearsal(error.to_string()),
            other => other,
        })?;
        self.job = None;
        let plain = self.sandbox.as_ref().is_some_and(|s| s.surroundings.kind == CellKind::Plain);
        if plain {
            plain::remove_proof(PROOF_FILE).map_err(Fault::LayOut)?;
        }
        let facts = finished.facts;
        match (facts.exit, facts.start_error) {
            (Some(Exit::Code(0)), None) => Ok(()),
            (exit, error) => Err(Fault::Rehearsal(error.unwrap_or_else(|| format!("it ended with {exit:?}")))),
        }
    }

    fn give_tree(&mut self, which: Tree, bytes_max: u64) -> Result<(), Fault> {
        let tree = self.job()?.tree(which).map(File::try_clone).transpose()?;
        let size = tree.as_ref().map(File::metadata).transpose()?.map_or(0, |metadata| metadata.len());
        let whole = size <= bytes_max;
        let mut at = 0;
        while let Some(file) = tree.as_ref().filter(|_| whole && at < size) {
            let mut bytes = vec![0; CHUNK_BYTES_MAX];
            let count = file.read_at(&mut bytes, at)?;
            at += count as u64;
            bytes.truncate(count);
            self.link.send(&Report::Tree(ByteBuf::from(bytes)))?;
            while !self.link.has_room() {
                self.wait_for_link(IDLE)?;
            }
        }
        self.link.send(&Report::TreeDone { whole })?;
        Ok(())
    }

    fn wait_for_link(&mut self, timeout: Duration) -> Result<(), Fault> {
        let output = self.link.has_pending().then(|| self.link.output());
        let wanted = [(Some(self.link.input()), PollFlags::POLLIN), (output, PollFlags::POLLOUT)];
        let ready = poll_those(wanted, timeout)?;
        if ready[0] && !self.link.read()? {
            return Err(Fault::AgentGone);
        }
        if ready[1] {
            self.link.flush()?;
        }
        Ok(())
    }

    fn end_job(&mut self) -> Result<(), Fault> {
        self.ends = false;
        self.job.take().ok_or(Fault::Unexpected("no job to end"))?;
        ahead::clear(&mut self.remains);
        let held = usize::from(self.held.is_some());
        let sandbox = self.sandbox.as_mut().ok_or(Fault::Unexpected("no setup"))?;
        // Of a job that had no step.
        sandbox.end_forerunner();
        let leftovers = sandbox.leftovers(held);
        self.link.send(&Report::JobEnded { leftovers })?;
        Ok(())
    }

    /// Writes out what is pending, for a last message.
    fn flush_all(&mut self) -> Result<(), Fault> {
        /// For an agent that takes nothing any more.
        const LAST_WAIT: Duration = Duration::from_secs(2);
        while self.link.has_pending() {
            let ready = poll_those([(Some(self.link.output()), PollFlags::POLLOUT)], LAST_WAIT)?;
            if !ready[0] {
                break;
            }
            self.link.flush()?;
        }
        Ok(())
    }
}

/// Which of the descriptors are ready, in their order; absent ones never are.
pub fn poll_those<'fd>(
    wanted: impl IntoIterator<Item = (Option<BorrowedFd<'fd>>, PollFlags)>,
    timeout: Duration,
) -> io::Result<Vec<bool>> {
    let wanted: Vec<_> = wanted.into_iter().collect();
    let mut fds: Vec<PollFd<'_>> =
        wanted.iter().filter_map(|(fd, flags)| fd.map(|fd| PollFd::new(fd, *flags))).collect();
    match clock::poll(&mut fds, timeout) {
        Ok(_) | Err(nix::Error::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let mut answered = fds.iter().map(|fd| fd.any().unwrap_or(false));
    Ok(wanted.iter().map(|(fd, _)| fd.is_some() && answered.next().unwrap_or(false)).collect())
}

/// A step that asks for little and never executes anything.
pub fn rehearsal_step() -> StepRequest {
    let limits = StepLimits {
        cpu_ms: 10_000,
        wall_ms: 10_000,
        memory_bytes: 16 << 20,
        pids: 4,
        output_bytes: 1024,
        report_bytes: 1024,
        file_bytes: 1024,
        stack_bytes: 8 << 20,
        cpu_millis: 1000,
    };
    StepRequest { keep: Keep::Workspace, ..StepRequest::plain(vec!["rehearsal".into()], Vec::new(), limits) }
}
