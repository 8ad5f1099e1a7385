//! One attempt, from its dispatch to its end.
//!
//! ```text
//!  fetching ─▶ imaging ─▶ claiming ─▶ entering ─▶ compiling ─▶ running ─▶ leaving ─▶ Finished
//!     │           │           │        │   │          │           │          │
//!     │           │           │        │   └──────────┴── sandbox ┴─ failed ─┴──▶ Returned (failed)
//!     │           └── no image ──────────────────────────────────────────────────▶ Returned (no room)
//!     └───────────────────────┴────────┴── failed ─────────────────────────────▶ Returned (failed)
//!
//!  stopped anywhere: cancelled ─▶ Finished (cancelled) │ draining ─▶ Returned (draining) │ abandoned ─▶ nothing
//! ```
//!
//! Before a sandbox is claimed a stop drops the work where it stands. Once
//! entered, a stop ends the running step and leaves by the ordinary way, so
//! that the sandbox can serve on. What the program did is never a failure here:
//! only engine or sandbox can fail an attempt. An image that cannot be made
//! hands the job back uncounted. A job with dependencies gets an image with them (`packages`);
//! where those cannot be had, it ends there as one that was not compiled.

pub mod input;
mod packages;
mod steps;

use std::sync::Arc;
use std::time::Duration;

use enclos_images::{Catalogue, Language};
use enclos_protocol::agent_link::{InputSource, ReturnReason};
use enclos_protocol::dependencies::Installed;
use enclos_protocol::frame::CHUNK_BYTES_MAX;
use enclos_protocol::ids::AttemptId;
use enclos_protocol::job::{Isolation, JobInput, JobReport, JobSpec, Reuse, Step, StepReport, Stream};
use enclos_protocol::outcome::{self, Outcome, StepFacts};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::builder;
use crate::cores::{CoreSlot, Cores};
use crate::images_source::ImageSource;
use crate::pool::{ClaimError, Claimed, Condition, Pool};
use crate::sandbox::{JobRoom, Listener, SandboxError, chain};
use crate::stop::{Cause, Stop};
use input::{FetchError, InputClient};
pub use packages::Installs;
use packages::Source;

/// Sandboxes that are tried before an attempt fails: an idle one can have ended unnoticed.
const ENTER_TRIES_MAX: u32 = 3;

/// Times that an attempt has an image made anew that the engine turned out not to have.
const REMAKES_MAX: u32 = 2;

/// What all attempts of an agent share.
pub struct Workshop {
    /// Languages and their commands.
    pub catalogue: Arc<Catalogue>,
    /// Where images come from.
    pub images: Arc<dyn ImageSource>,
    /// Where dependencies come from; `None`: jobs of this agent have none.
    pub installs: Option<Installs>,
    /// Where sandboxes come from.
    pub pool: Pool,
    /// Where large inputs come from.
    pub inputs: InputClient,
    /// What the agent's sandboxes offer.
    pub isolation: Isolation,
    /// The weakest reuse that is allowed here.
    pub reuse: Reuse,
    /// Cores that jobs are pinned to, one each; `None`: they are not.
    pub cores: Option<Cores>,
}

/// What an attempt tells while it runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Dependencies are being installed.
    Installing,
    /// A step began.
    Started(Step),
    /// The next bytes of a stream, at most [`CHUNK_BYTES_MAX`].
    Output(Step, Stream, Vec<u8>),
}

/// How an attempt ended, as far as the master is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum End {
    /// With a report.
    Finished(Box<JobReport>),
    /// Without; the job goes back.
    Returned(ReturnReason),
    /// The master is told nothing.
    Nothing,
}

/// Progress of one attempt, tagged with whose it is.
pub type ProgressSender = mpsc::Sender<(AttemptId, Progress)>;

/// Which step of an attempt failed, for no fault of the program.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error("the job's input could not be fetched")]
    Fetch(#[from] FetchError),
    #[error("this agent does not know language '{0}'")]
    Language(String),
    #[error("the job asks for isolation that this agent does not offer")]
    Isolation,
    #[error("the job's entry file is not among its files")]
    Entry,
    #[error("image '{image}' could not be made: {reason}")]
    Image { image: String, reason: String },
    #[error("this agent installs no dependencies of that kind")]
    NoInstaller,
    #[error("the dependencies could not be installed")]
    Install(#[from] builder::NotInstalled),
    #[error("every core has its job already")]
    Core,
    #[error("no sandbox was to be had")]
    Claim(#[from] ClaimError),
    #[error("the sandbox failed")]
    Sandbox(#[from] SandboxError),
}

/// Why an attempt does not go on.
enum Broken {
    Stopped(Cause),
    Failed(AttemptError),
}

impl<E: Into<AttemptError>> From<E> for Broken {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// One attempt.
pub struct Attempt {
    /// Which.
    pub id: AttemptId,
    /// What is to be done.
    pub spec: JobSpec,
    /// Its bytes.
    pub input: InputSource,
    /// Who may end it.
    pub stop: Stop,
    /// Who hears of it.
    pub progress: ProgressSender,
}

/// What is known of a job that was entered into a sandbox.
#[derive(Default)]
struct Steps {
    dependencies: Option<Installed>,
    /// Why the job ended before its first step.
    problem: Option<String>,
    compile: Option<StepReport>,
    run: Option<StepReport>,
}

impl Attempt {
    /// Runs it to its end. Never fails: every way out is an [`End`].
    pub async fn run(self, workshop: &Workshop) -> End {
        let arrived = Instant::now();
        let mut sandbox_us = 0;
        let mut steps = Steps::default();
        let reuse = self.spec.reuse.max(workshop.reuse);
        let cause = match self.try_run(workshop, arrived, &mut sandbox_us, &mut steps).await {
            Ok(()) => None,
            Err(Broken::Stopped(cause)) => Some(cause),
            Err(Broken::Failed(error)) => {
                let message = chain(&error);
                tracing::warn!(job = %self.id.job, error = message, "attempt failed");
                match self.stop.cause() {
                    // No job is to blame for a missing toolchain: it waits, here or elsewhere.
                    None if matches!(error, AttemptError::Image { .. }) => {
                        return End::Returned(ReturnReason::NoRoom);
                    }
                    None => return End::Returned(ReturnReason::Failed { message }),
                    // Whoever wanted its end has it, in whatever way it came.
                    cause => cause,
                }
            }
        };
        match cause {
            Some(Cause::Abandoned) => End::Nothing,
            Some(Cause::Draining) => End::Returned(ReturnReason::Draining),
            None | Some(Cause::Cancelled) => {
                End::Finished(Box::new(self.report(workshop, reuse, sandbox_us, steps, cause.is_some())))
            }
        }
    }

    async fn try_run(
        &self,
        workshop: &Workshop,
        arrived: Instant,
        sandbox_us: &mut u64,
        steps: &mut Steps,
    ) -> Result<(), Broken> {
        let stopped = Broken::Stopped;
        let language = workshop.catalogue.by_id(&self.spec.language);
        let language = language.ok_or_else(|| AttemptError::Language(self.spec.language.clone()))?;
        if self.spec.isolation > workshop.isolation {
            return Err(AttemptError::Isolation.into());
        }
        let fetched = self.stop.or(workshop.inputs.take(self.id, &self.input)).await.map_err(stopped)?;
        let input = fetched?;
        if !input.files.iter().any(|f| f.path == self.spec.entry) {
            return Err(AttemptError::Entry.into());
        }
        let Some(mut source) = self.image(workshop, language, steps).await? else { return Ok(()) };
        let reuse = self.spec.reuse.max(workshop.reuse);
        // Held until the job has left its sandbox, on every way out.
        let core = workshop.cores.as_ref().map(|cores| cores.take().ok_or(AttemptError::Core)).transpose()?;
        let room = JobRoom {
            memory_bytes: steps::memory_bytes_max(language, &self.spec),
            cpus: core.as_ref().map(CoreSlot::list),
        };
        let mut tries = 0;
        let mut claimed = loop {
            tries += 1;
            let claimed = self.claim(workshop, language, &mut source, reuse, steps).await?;
            let Some(mut claimed) = claimed else { return Ok(()) };
            let installed_us = steps.dependencies.as_ref().map_or(0, |d| d.install_us);
            let waited_us = u64::try_from(arrived.elapsed().as_micros()).unwrap_or(u64::MAX);
            *sandbox_us = waited_us.saturating_sub(installed_us);
            // Not raced with the stop: a request cut short would cost the sandbox, and it takes moments.
            match claimed.sandbox().begin_job(&input, room.clone()).await {
                Ok(()) => break claimed,
                Err(error) => {
                    claimed.give_back(Condition::Broken);
                    // No program has run yet, so another sandbox may be tried.
                    if tries >= ENTER_TRIES_MAX {
                        return Err(error.into());
                    }
                    tracing::debug!(error = chain(&error), "sandbox could not be entered");
                }
            }
        };
        let ended = self.inside(&mut claimed, language, &input, steps).await;
        let left = leave(claimed, ended).await;
        drop(core);
        left
    }

    /// A sandbox of `source`. An image that the engine has lost (someone pruned it) is made anew;
    /// `None`: its dependencies cannot be had any more.
    async fn claim(
        &self,
        workshop: &Workshop,
        language: &Language,
        source: &mut Source,
        reuse: Reuse,
        steps: &mut Steps,
    ) -> Result<Option<Claimed>, Broken> {
        let mut remakes = 0;
        loop {
            let claim = workshop.pool.claim(source.image.clone(), self.spec.binding.clone(), reuse);
            match self.stop.or(claim).await.map_err(Broken::Stopped)? {
                Err(ClaimError::NoImage(reason)) if remakes < REMAKES_MAX => {
                    remakes += 1;
                    tracing::warn!(image = source.image.name, reason, "image is gone, it is made anew");
                    source.vanished(workshop);
                    let Some(again) = self.image(workshop, language, steps).await? else { return Ok(None) };
                    *source = again;
                }
                claimed => return Ok(Some(claimed?)),
            }
        }
    }

    /// Compiles and runs in an entered sandbox.
    async fn inside(
        &self,
        claimed: &mut Claimed,
        language: &Language,
        input: &JobInput,
        steps: &mut Steps,
    ) -> Result<(), Broken> {
        if let Some(request) = steps::compile(language, &self.spec, input) {
            let limits = self.spec.compile_limits;
            let facts = self.step(claimed, Step::Compile, request).await?;
            let outcome = outcome::decide(Step::Compile, &facts, &limits);
            steps.compile = Some(StepReport { outcome, facts });
            if outcome != Outcome::Ok {
                return Ok(());
            }
        }
        let facts = self.step(claimed, Step::Run, steps::run(language, &self.spec, input)).await?;
        let outcome = outcome::decide(Step::Run, &facts, &self.spec.run_limits);
        steps.run = Some(StepReport { outcome, facts });
        Ok(())
    }

    async fn step(
        &self,
        claimed: &mut Claimed,
        step: Step,
        request: enclos_protocol::supervisor_link::StepRequest,
    ) -> Result<StepFacts, Broken> {
        if let Some(cause) = self.stop.cause() {
            return Err(Broken::Stopped(cause));
        }
        self.tell(Progress::Started(step)).await;
        let mut listener = Teller { attempt: self, step };
        let begun = Instant::now();
        let facts = claimed.sandbox().run_step(request, &self.stop, &mut listener).await?;
        let around = begun.elapsed().saturating_sub(Duration::from_micros(facts.wall_us));
        tracing::debug!(job = %self.id.job, ?step, wall_us = facts.wall_us, around_us = around.as_micros(), "step ended");
        // A step that ended by itself before the stop reached it has its true outcome.
        match (facts.stop, self.stop.cause()) {
            (Some(outcome::Stop::Cancelled), Some(cause @ (Cause::Abandoned | Cause::Draining))) => {
                Err(Broken::Stopped(cause))
            }
            _ => Ok(facts),
        }
    }

    async fn tell(&self, progress: Progress) {
        // A session that is gone hears nothing; the attempt is stopped by its own word then.
        let _ = self.progress.send((self.id, progress)).await;
    }

    fn report(&self, workshop: &Workshop, reuse: Reuse, sandbox_us: u64, steps: Steps, cancelled: bool) -> JobReport {
        let Steps { dependencies, problem, compile, run } = steps;
        let last = run.as_ref().or(compile.as_ref());
        let outcome = match last {
            Some(report) if !cancelled => report.outcome,
            _ => Outcome::Cancelled,
        };
        let said = last.and_then(|r| r.facts.start_error.clone().or_else(|| r.facts.keep_error.clone()));
        let (message, isolation) = (problem.or(said), workshop.isolation);
        JobReport { outcome, message, compile, run, sandbox_us, isolation, reuse, dependencies }
    }
}

/// Ends the job in its sandbox and gives the sandbox back as it is.
async fn leave(mut claimed: Claimed, ended: Result<(), Broken>) -> Result<(), Broken> {
    if let Err(Broken::Failed(_)) = &ended {
        claimed.give_back(Condition::Broken);
        return ended;
    }
    let begun = Instant::now();
    let left = claimed.sandbox().end_job().await;
    tracing::debug!(
        sandbox = claimed.sandbox().number(),
        took_us = begun.elapsed().as_micros(),
        "job left its sandbox"
    );
    let condition = match left {
        Ok(leftovers) if leftovers.is_empty() => Condition::Clean,
        Ok(leftovers) => Condition::Leftovers(leftovers),
        Err(error) => {
            // The job's answer is whole; only the sandbox is lost.
            tracing::warn!(sandbox = claimed.sandbox().number(), error = chain(&error), "job could not be ended");
            Condition::Broken
        }
    };
    claimed.give_back(condition);
    ended
}

struct Teller<'a> {
    attempt: &'a Attempt,
    step: Step,
}

impl Listener for Teller<'_> {
    async fn output(&mut self, stream: Stream, bytes: Vec<u8>) {
        if bytes.len() <= CHUNK_BYTES_MAX {
            self.attempt.tell(Progress::Output(self.step, stream, bytes)).await;
            return;
        }
        for chunk in bytes.chunks(CHUNK_BYTES_MAX) {
            self.attempt.tell(Progress::Output(self.step, stream, chunk.to_vec())).await;
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
