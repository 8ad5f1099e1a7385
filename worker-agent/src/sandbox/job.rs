//! What a job does in a sandbox: its files in, its steps run, what they left out.

use std::time::Duration;

use enclos_protocol::frame::CHUNK_BYTES_MAX;
use enclos_protocol::job::{JobFile, JobPath, Stream};
use enclos_protocol::outcome::StepFacts;
use enclos_protocol::supervisor_link::{
    PairFacts, PairRequest, Report, Request, SANDBOX_HEADROOM_BYTES, StepRequest, Tree,
};
use serde_bytes::ByteBuf;
use tokio::time::Instant;

use super::{SEND_WAIT, Sandbox, SandboxError, out_of_turn, short};
use crate::stop::Stop;

/// Longest for a job's remains to be removed and the base to be looked at.
const END_WAIT: Duration = Duration::from_secs(15);
/// What a step may take beyond its wall limit: copying the workspace, killing, reaping.
const STEP_SLACK: Duration = Duration::from_secs(15);
/// Longest from the request to cancel until the step is over.
const CANCEL_WAIT: Duration = Duration::from_secs(5);
/// Longest for a tree to come.
const TREE_WAIT: Duration = Duration::from_secs(30);
/// Most leftovers that are looked at of one report.
const LEFTOVERS_MAX: usize = 32;
/// What the supervisor is to do, as errors tell it.
const DOING_STEP: &str = "run a step";

/// What a job has for itself in its sandbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JobRoom {
    /// Memory that no step of it uses more of, in bytes.
    pub memory_bytes: u64,
    /// Cores that its cells are pinned to, as a cpuset list; `None`: any.
    pub cpus: Option<String>,
}

/// What a step writes, as it comes.
pub trait Listener: Send {
    /// The next bytes of a stream.
    fn output(&mut self, stream: Stream, bytes: Vec<u8>) -> impl Future<Output = ()> + Send;
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
        // What a plain cell leaves in the sandbox's files outlives its own limit, and must not come
        // on top of what the agent has promised.
        if let Some(tree) = &self.whole {
            tree.limit_sandbox(&self.number.to_string(), memory_bytes + SANDBOX_HEADROOM_BYTES)?;
        }
        self.ask(&Request::BeginJob { cpus }).await?;
        for file in files {
            self.ask(&Request::PutFile { path: file.path.clone() }).await?;
            self.put(&file.content).await?;
        }
        Ok(())
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
        self.ask(&Request::PutStdin).await
    }

    /// Brings a tree.
    ///
    /// # Errors
    /// Any: the sandbox must be destroyed.
    pub async fn put_tree(&mut self, tree: Tree, archive: &[u8]) -> Result<(), SandboxError> {
        self.ask(&Request::PutTree(tree)).await?;
        self.put(archive).await
    }

    /// Brings a file for the next step alone.
    ///
    /// # Errors
    /// Any: the sandbox must be destroyed.
    pub async fn put_extra(&mut self, path: JobPath, bytes: &[u8]) -> Result<(), SandboxError> {
        self.ask(&Request::PutExtra { path }).await?;
        self.put(bytes).await
    }

    /// Adds to what was begun.
    ///
    /// # Errors
    /// Any: the sandbox must be destroyed.
    pub async fn put(&mut self, bytes: &[u8]) -> Result<(), SandboxError> {
        for chunk in bytes.chunks(CHUNK_BYTES_MAX) {
            self.ask(&Request::Data(ByteBuf::from(chunk))).await?;
        }
        Ok(())
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
        self.ask(&Request::RunStep(Box::new(request))).await?;
        let wait = Duration::from_millis(limits.wall_ms) + STEP_SLACK;
        match self.until_done(wait, allowed, stop, listener).await? {
            Report::StepDone(facts) => Ok(*facts),
            other => Err(out_of_turn(other, DOING_STEP)),
        }
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
        let mut cancelled = false;
        loop {
            let report = tokio::select! {
                // Cancel-safe: a report is taken out of the decoder only when it is whole.
                report = self.wires.receive_until(deadline, DOING_STEP) => report?,
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
                done => return Ok(done),
            }
        }
    }

    /// Ends the job; gives what was not back at base. Only without leftovers may the sandbox serve on.
    ///
    /// # Errors
    /// Any: the sandbox must be destroyed.
    pub async fn end_job(&mut self) -> Result<Vec<String>, SandboxError> {
        let doing = "end a job";
        self.ask(&Request::EndJob).await?;
        match self.wires.receive(END_WAIT, doing).await? {
            Report::JobEnded { leftovers } => Ok(leftovers.into_iter().take(LEFTOVERS_MAX).map(short).collect()),
            other => Err(out_of_turn(other, doing)),
        }
    }
}
