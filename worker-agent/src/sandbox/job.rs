//! What a job does in a sandbox: its files in, its steps run, what they left out.

use std::sync::Arc;
use std::time::Duration;

use enclos_protocol::frame::CHUNK_BYTES_MAX;
use enclos_protocol::job::{Isolation, JobFile, JobPath, Stream};
use enclos_protocol::outcome::{self, Accounting, StepFacts};
use enclos_protocol::supervisor_link::{
    HELD_BYTES_MAX, PairFacts, PairRequest, Report, Request, SANDBOX_HEADROOM_BYTES, StepRequest, Tree,
};
use serde_bytes::ByteBuf;
use tokio::time::Instant;

use super::{SEND_WAIT, Sandbox, SandboxError, Whole, out_of_turn, short};
use crate::cache::Compiled;
use crate::live::Input;
use crate::stop::Stop;

/// Longest for a job's remains to be removed and the base to be looked at.
const END_WAIT: Duration = Duration::from_secs(15);
/// What a step may take beyond its wall limit: copying the workspace, killing, reaping.
const STEP_SLACK: Duration = Duration::from_secs(15);
/// Longest from the request to cancel until the step is over.
const CANCEL_WAIT: Duration = Duration::from_secs(5);
/// Longest for a tree to come.
const TREE_WAIT: Duration = Duration::from_secs(30);
/// Processor share of a gVisor sandbox beyond its step's, in thousandths of a core: its kernel's own work.
const GVISOR_CPU_MILLIS: u32 = 100;
/// Most leftovers that are looked at of one report.
const LEFTOVERS_MAX: usize = 32;
/// What the supervisor is to do, as errors tell it.
const DOING_STEP: &str = "run a step";
const ENDING: &str = "end a job";

/// What a job has for itself in its sandbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobRoom {
    /// Memory that no step of it uses more of, in bytes.
    pub memory_bytes: u64,
    /// Cores that its cells are pinned to, as a cpuset list; `None`: any.
    pub cpus: Option<String>,
}

/// How far a job is with its end.
#[derive(Default)]
pub(super) enum Ending {
    #[default]
    Open,
    /// It is to be asked for with the next step.
    WithNextStep,
    /// It was, with the last one.
    Asked,
}

/// What a step writes, as it comes, and what is said to it.
pub trait Listener: Send {
    /// The next bytes of a stream.
    fn output(&mut self, stream: Stream, bytes: Vec<u8>) -> impl Future<Output = ()> + Send;

    /// What a step with live standard input is to be told next; cancel-safe.
    fn input(&mut self) -> impl Future<Output = Input> + Send {
        std::future::pending()
    }

    /// Such a step runs, and its pipe took so many bytes in all; `closed`: nobody reads any more.
    fn taken(&mut self, _taken: u64, _closed: bool) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// What of each stream may come at most, in bytes.
struct Allowed {
    stdout: u64,
    stderr: u64,
}

impl Allowed {
    fn take(&mut self, stream: Stream, count: usize) -> Result<(), SandboxError> {
        let left = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        *left = left.checked_sub(count as u64).ok_or(SandboxError::TooMuchOutput)?;
        Ok(())
    }
}

impl Sandbox {
    /// Begins a job and brings its files.
    ///
    /// # Errors
    /// Any: the sandbox must be destroyed.
    pub async fn begin_job(&mut self, files: &[JobFile], room: JobRoom) -> Result<(), SandboxError> {
        let JobRoom { memory_bytes, cpus } = room;
        self.weigh_as_others()?;
        // What is left there must not come on top of what the agent has promised.
        if let Some(Whole::Memory(tree)) = &self.whole {
            tree.limit_memory(&self.number.to_string(), memory_bytes + SANDBOX_HEADROOM_BYTES)?;
        }
        self.ending = Ending::Open;
        self.queue(&Request::BeginJob { cpus }).await?;
        for file in files {
            self.queue(&Request::PutFile { path: file.path.clone() }).await?;
            self.put(&file.content).await?;
        }
        // An idle sandbox may have ended unseen: told now, before any program ran, another can be taken.
        self.wires.flush(SEND_WAIT).await
    }

    /// Brings the standard input of the next steps.
    ///
    /// # Errors
    /// Any: the sandbox must be destroyed.
    pub async fn put_stdin(&mut self, bytes: &[u8]) -> Result<(), SandboxError> {
        self.begin_stdin().await?;
        self.put(bytes).await
    }

    /// Begins the standard input of the next steps, for [`Sandbox::put`].
    ///
    /// # Errors
    /// Any: the sandbox must be destroyed.
    pub async fn begin_stdin(&mut self) -> Result<(), SandboxError> {
        self.queue(&Request::PutStdin).await
    }

    /// Brings a tree.
    ///
    /// # Errors
    /// Any: the sandbox must be destroyed.
    pub async fn put_tree(&mut self, tree: Tree, archive: &[u8]) -> Result<(), SandboxError> {
        self.queue(&Request::PutTree(tree)).await?;
        self.put(archive).await
    }

    /// Brings the tree of `compiled`, which stays for the next job that wants the same.
    ///
    /// # Errors
    /// Any: the sandbox must be destroyed.
    pub async fn put_compiled(&mut self, compiled: &Arc<Compiled>) -> Result<(), SandboxError> {
        // By its very self, of which a weak pointer keeps the place: a step that was repeated left another.
        if self.held.as_ref().is_some_and(|held| held.as_ptr() == Arc::as_ptr(compiled)) {
            return self.queue(&Request::UseHeldTree).await;
        }
        self.put_tree(Tree::Kept, &compiled.tree).await?;
        // A plain sandbox serves no other job.
        if compiled.tree.len() <= HELD_BYTES_MAX && !self.is_plain() {
            self.held = Some(Arc::downgrade(compiled));
            self.queue(&Request::HoldTree).await?;
        }
        Ok(())
    }

    /// Brings a file for the next step alone.
    ///
    /// # Errors
    /// Any: the sandbox must be destroyed.
    pub async fn put_extra(&mut self, path: JobPath, bytes: &[u8]) -> Result<(), SandboxError> {
        self.queue(&Request::PutExtra { path }).await?;
        self.put(bytes).await
    }

    /// Adds to what was begun.
    ///
    /// # Errors
    /// Any: the sandbox must be destroyed.
    pub async fn put(&mut self, bytes: &[u8]) -> Result<(), SandboxError> {
        for chunk in bytes.chunks(CHUNK_BYTES_MAX) {
            self.queue(&Request::Data(ByteBuf::from(chunk))).await?;
        }
        Ok(())
    }

    /// Asks for what needs no answer.
    async fn queue(&mut self, request: &Request) -> Result<(), SandboxError> {
        self.wires.queue(request, SEND_WAIT).await
    }

    async fn ask(&mut self, request: &Request) -> Result<(), SandboxError> {
        self.wires.send(request, SEND_WAIT).await
    }

    /// A tree as an archive; `None` where it is larger than `bytes_max`. Its paths are any bytes.
    ///
    /// # Errors
    /// Any: the sandbox must be destroyed.
    pub async fn take_tree(&mut self, tree: Tree, bytes_max: usize) -> Result<Option<Vec<u8>>, SandboxError> {
        let doing = "give a tree";
        self.ask(&Request::TakeTree { tree, bytes_max: bytes_max as u64 }).await?;
        let deadline = Instant::now() + TREE_WAIT;
        let mut archive = Vec::new();
        loop {
            match self.wires.receive_until(deadline, doing).await? {
                Report::Tree(bytes) if archive.len() + bytes.len() <= bytes_max => archive.extend_from_slice(&bytes),
                Report::Tree(_) => return Err(SandboxError::TooLargeTree),
                Report::TreeDone { whole } => return Ok(whole.then_some(archive)),
                other => return Err(out_of_turn(other, doing)),
            }
        }
    }

    /// Runs a step to its end, which `stop` may bring forward.
    ///
    /// # Errors
    /// Any: the sandbox must be destroyed.
    pub async fn run_step(
        &mut self,
        request: StepRequest,
        stop: &Stop,
        listener: &mut impl Listener,
    ) -> Result<StepFacts, SandboxError> {
        let limits = request.limits;
        let stdout = if request.whole_stdout { limits.output_bytes } else { limits.report_bytes };
        let allowed = Allowed { stdout, stderr: limits.report_bytes };
        self.limit_cpu(limits.cpu_millis)?;
        let begun = Instant::now();
        let ends = matches!(self.ending, Ending::WithNextStep);
        self.queue(&Request::RunStep(Box::new(request))).await?;
        if ends {
            self.queue(&Request::EndJob).await?;
            self.ending = Ending::Asked;
        }
        self.wires.flush(SEND_WAIT).await?;
        let wait = Duration::from_millis(limits.wall_ms) + STEP_SLACK;
        match self.until_done(wait, allowed, stop, listener).await {
            Ok(Report::StepDone(facts)) => Ok(*facts),
            Ok(other) => Err(out_of_turn(other, DOING_STEP)),
            Err(SandboxError::Late { .. }) if self.isolation == Isolation::Gvisor && stop.cause().is_none() => {
                self.silent = true;
                Ok(unanswered(begun.elapsed()))
            }
            Err(error) => Err(error),
        }
    }

    fn limit_cpu(&self, cpu_millis: u32) -> Result<(), SandboxError> {
        if let Some(Whole::Cpu(tree)) = &self.whole {
            tree.limit_cpu(&self.number.to_string(), &self.container.0, cpu_millis + GVISOR_CPU_MILLIS)?;
        }
        Ok(())
    }

    /// Runs a program and an interactor to both their ends, which `stop` may bring forward.
    ///
    /// # Errors
    /// Any: the sandbox must be destroyed.
    pub async fn run_pair(
        &mut self,
        request: PairRequest,
        stop: &Stop,
        listener: &mut impl Listener,
    ) -> Result<PairFacts, SandboxError> {
        let (program, judge) = (request.program.limits, request.judge.limits);
        let allowed = Allowed { stdout: 0, stderr: program.report_bytes };
        self.limit_cpu(program.cpu_millis + judge.cpu_millis)?;
        self.ask(&Request::RunPair(Box::new(request))).await?;
        let wait = Duration::from_millis(program.wall_ms.max(judge.wall_ms)) + STEP_SLACK;
        match self.until_done(wait, allowed, stop, listener).await? {
            Report::PairDone(facts) => Ok(*facts),
            other => Err(out_of_turn(other, DOING_STEP)),
        }
    }

    /// Hands on what is written until another report comes.
    async fn until_done(
        &mut self,
        wait: Duration,
        mut allowed: Allowed,
        stop: &Stop,
        listener: &mut impl Listener,
    ) -> Result<Report, SandboxError> {
        let mut deadline = Instant::now() + wait;
        let (mut cancelled, mut hears) = (false, false);
        let mut given = 0;
        loop {
            let report = tokio::select! {
                // Cancel-safe: a report is taken out of the decoder only when it is whole.
                report = self.wires.receive_until(deadline, DOING_STEP) => report?,
                // Cancel-safe by its own word. The supervisor always reads, so this write waits for no program.
                input = listener.input(), if hears => {
                    self.ask(&match input {
                        Input::Bytes { bytes, last } => {
                            given += bytes.len() as u64;
                            Request::Stdin { bytes: ByteBuf::from(bytes), last }
                        }
                        Input::Signal(signal) => Request::Signal(signal),
                    }).await?;
                    continue;
                }
                // Cancel-safe: it only watches a value.
                _ = stop.wait(), if !cancelled => {
                    cancelled = true;
                    deadline = deadline.min(Instant::now() + CANCEL_WAIT);
                    self.ask(&Request::CancelStep).await?;
                    continue;
                }
            };
            match report {
                Report::Output { stream, bytes } => {
                    allowed.take(stream, bytes.len())?;
                    listener.output(stream, bytes.into_vec()).await;
                }
                Report::StdinTaken { taken, .. } if taken > given => return Err(SandboxError::TooMuchInput),
                Report::StdinTaken { taken, closed } => {
                    hears = true;
                    listener.taken(taken, closed).await;
                }
                Report::HandedOver => {
                    tracing::debug!(sandbox = self.number, "a forerunner took the step");
                }
                done => return Ok(done),
            }
        }
    }

    /// Lets the next step be the job's last: its end is asked for with it, and no further round trip is made.
    pub fn end_with_next_step(&mut self) {
        self.ending = Ending::WithNextStep;
    }

    /// Ends the job; gives what was not back at base. Only without leftovers may the sandbox serve on.
    ///
    /// # Errors
    /// Any: the sandbox must be destroyed.
    pub async fn end_job(&mut self) -> Result<Vec<String>, SandboxError> {
        if self.silent {
            return Err(SandboxError::Late { doing: ENDING, seconds: 0 });
        }
        if !matches!(self.ending, Ending::Asked) {
            self.ask(&Request::EndJob).await?;
        }
        match self.wires.receive(END_WAIT, ENDING).await? {
            Report::JobEnded { leftovers } => Ok(leftovers.into_iter().take(LEFTOVERS_MAX).map(short).collect()),
            other => Err(out_of_turn(other, ENDING)),
        }
    }
}

/// Facts of a step whose supervisor has said nothing long after the wall limit. Under gVisor it shares
/// one kernel with the program, which can keep that too busy to run anything else: that is its doing.
fn unanswered(after: Duration) -> StepFacts {
    StepFacts {
        exit: None,
        stop: Some(outcome::Stop::WallLimit),
        cpu_us: 0,
        wall_us: u64::try_from(after.as_micros()).unwrap_or(u64::MAX),
        memory_peak_bytes: 0,
        oom_kills: 0,
        pids_refused: 0,
        stdout_bytes: 0,
        stderr_bytes: 0,
        kill_us: None,
        accounting: Accounting::Sampled,
        start_error: None,
        keep_error: None,
    }
}
