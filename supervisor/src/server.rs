//! The supervisor's one loop: requests in, cells run, reports out.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use enclos_protocol::frame::CHUNK_BYTES_MAX;
use enclos_protocol::job::{JobPath, Stream};
use enclos_protocol::limits::{OnOutputLimit, StepLimits};
use enclos_protocol::outcome::{Exit, Stop};
use enclos_protocol::supervisor_link::{
    CellKind, Report, Request, SUPERVISOR_VERSION, Setup, StdinSource, StepRequest, Workspace,
};
use nix::poll::{PollFd, PollFlags};
use serde_bytes::ByteBuf;

use crate::base::Base;
use crate::capture::Capture;
use crate::cell::{Beginning, Cell, CellError, Finished, Surroundings, mounts, plain};
use crate::cgroup::{CgroupError, Parent};
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

/// What was set up.
struct Sandbox {
    surroundings: Surroundings,
    cgroup: Option<Parent>,
    base: Base,
}

/// The whole state.
pub struct Server {
    link: Link,
    sandbox: Option<Sandbox>,
    job: Option<Job>,
}

impl Server {
    /// A supervisor that waits for `Setup`.
    pub fn new(link: Link) -> Self {
        Self { link, sandbox: None, job: None }
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
            self.wait_for_link(IDLE)?;
        }
    }

    fn handle(&mut self, request: Request) -> Result<(), Fault> {
        match request {
            Request::Setup(setup) if self.sandbox.is_none() => self.set_up(&setup),
            Request::Setup(_) => Err(Fault::Unexpected("setup twice")),
            Request::BeginJob { cpus } if self.sandbox.is_some() && self.job.is_none() => {
                self.job = Some(Job::new(cpus)?);
                Ok(())
            }
            Request::BeginJob { .. } => Err(Fault::Unexpected("a job before setup or inside another")),
            Request::PutFile { path } => Ok(self.job()?.begin_file(&path)?),
            Request::PutStdin => {
                self.job()?.begin_stdin();
                Ok(())
            }
            Request::Data(bytes) => Ok(self.job()?.add(&bytes)?),
            Request::RunStep(step) => self.run_step(&step),
            // The step ended while the request was on its way.
            Request::CancelStep => Ok(()),
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
            masks,
            cores: u32::try_from(online).unwrap_or(1),
        };
        self.sandbox = Some(Sandbox { surroundings, cgroup, base: Base::look() });
        self.rehearse(setup.cpus.clone())?;
        let cgroup = self.sandbox.as_ref().and_then(|s| s.cgroup.as_ref());
        let found = facts::collect(cgroup);
        self.link.send(&Report::SetUp(found))?;
        Ok(())
    }

    /// Makes one cell as a job's would be, up to the program itself.
    fn rehearse(&mut self, cpus: Option<String>) -> Result<(), Fault> {
        let mut job = Job::new(cpus)?;
        job.begin_file(&JobPath::try_from(PROOF_FILE.to_owned()).expect("a constant that is a valid path"))?;
        self.job = Some(job);
        let finished = self.run_cell(&rehearsal_step(), true).map_err(|fault| match fault {
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

    fn run_step(&mut self, step: &StepRequest) -> Result<(), Fault> {
        let Finished { facts, mut stdout, mut stderr } = self.run_cell(step, false)?;
        loop {
            self.pump(&mut stdout, &mut stderr)?;
            if !self.link.has_pending() {
                break;
            }
            self.wait_for_link(IDLE)?;
        }
        self.link.send(&Report::StepDone(Box::new(facts)))?;
        Ok(())
    }

    /// Runs a step to its end; its output goes on its way meanwhile.
    fn run_cell(&mut self, step: &StepRequest, rehearsal: bool) -> Result<Finished, Fault> {
        let job = self.job.as_mut().ok_or(Fault::Unexpected("a step without a job"))?;
        let sandbox = self.sandbox.as_mut().ok_or(Fault::Unexpected("a step before setup"))?;
        job.seal()?;
        let plain = sandbox.surroundings.kind == CellKind::Plain;
        // A plain cell's directory is the sandbox's own: what a step leaves is simply there.
        let files = if plain && step.workspace == Workspace::Kept { None } else { job.workspace(step.workspace)? };
        let beginning = Beginning {
            request: step,
            stdin: job.open_stdin(step.stdin)?,
            files,
            keep: if step.keep_workspace && !plain { Some(job.keep()?) } else { None },
            group: match &mut sandbox.cgroup {
                Some(parent) => Some(parent.make_cell(&step.limits, job.cpus.as_deref())?),
                None => None,
            },
            rehearsal,
        };
        let mut cell = Cell::spawn(&sandbox.surroundings, beginning)?;
        while !cell.is_over() {
            let wait = cell.look()?;
            self.wait_for_cell(&mut cell, wait)?;
            while let Some(request) = self.link.next()? {
                match request {
                    Request::CancelStep => cell.end(Stop::Cancelled),
                    _ => return Err(Fault::Unexpected("a request during a step")),
                }
            }
            let (stdout, stderr) = (&mut cell.stdout_capture, &mut cell.stderr_capture);
            pump(&mut self.link, stdout, stderr)?;
        }
        Ok(cell.finish()?)
    }

    /// Waits for the cell and the link together, and takes what came.
    fn wait_for_cell(&mut self, cell: &mut Cell, timeout: Duration) -> Result<(), Fault> {
        let [control, stdout, stderr] = cell.descriptors();
        let output = self.link.has_pending().then(|| self.link.output());
        let wanted = [(Some(self.link.input()), PollFlags::POLLIN), (output, PollFlags::POLLOUT)];
        let streams = [control, stdout, stderr].map(|fd| (fd, PollFlags::POLLIN));
        let ready = poll_those(wanted.into_iter().chain(streams), timeout)?;
        if ready[0] && !self.link.read()? {
            return Err(Fault::AgentGone);
        }
        if ready[1] {
            self.link.flush()?;
        }
        if ready[3] {
            cell.take_output(Stream::Stdout)?;
        }
        if ready[4] {
            cell.take_output(Stream::Stderr)?;
        }
        if ready[2] {
            cell.take_message()?;
        }
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

    fn pump(&mut self, stdout: &mut Capture, stderr: &mut Capture) -> Result<(), Fault> {
        pump(&mut self.link, stdout, stderr)
    }

    fn end_job(&mut self) -> Result<(), Fault> {
        self.job.take().ok_or(Fault::Unexpected("no job to end"))?;
        let sandbox = self.sandbox.as_ref().ok_or(Fault::Unexpected("no setup"))?;
        let mut leftovers = sandbox.base.differences();
        leftovers.extend(sandbox.cgroup.as_ref().map(Parent::leftover_cells).unwrap_or_default());
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

/// Puts captured output on its way while the link has room.
fn pump(link: &mut Link, stdout: &mut Capture, stderr: &mut Capture) -> Result<(), Fault> {
    for (stream, capture) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
        while link.has_room() {
            let bytes = capture.drain(CHUNK_BYTES_MAX);
            if bytes.is_empty() {
                break;
            }
            link.send(&Report::Output { stream, bytes: ByteBuf::from(bytes) })?;
        }
    }
    Ok(())
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
fn rehearsal_step() -> StepRequest {
    StepRequest {
        argv: vec!["rehearsal".into()],
        env: Vec::new(),
        limits: StepLimits {
            cpu_ms: 10_000,
            wall_ms: 10_000,
            memory_bytes: 16 << 20,
            pids: 4,
            output_bytes: 1024,
            report_bytes: 1024,
            file_bytes: 1024,
            stack_bytes: 8 << 20,
            cpu_millis: 1000,
        },
        on_output_limit: OnOutputLimit::Kill,
        merge_stderr: false,
        stdin: StdinSource::Empty,
        workspace: Workspace::Inputs,
        keep_workspace: true,
    }
}
