//! One attempt, from its dispatch to its end.
//!
//! ```text
//!  fetching ─▶ imaging ─▶ claiming ─▶ entering ─▶ compiling ─▶ run, cases ─▶ leaving ─▶ Finished
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
//! only engine or sandbox can fail an attempt, and an engine that has gone away is nobody's fault. An image that cannot be made, or has
//! no turn soon, hands the job back uncounted. A job with dependencies gets an image with them (`packages`);
//! where those cannot be had, it ends there as one that was not compiled.

mod bench;
mod cases;
mod files;
pub mod input;
mod interactive;
mod packages;
mod seat;
mod steps;
mod teller;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use enclos_images::{Catalogue, Language};
use enclos_protocol::agent_link::{InputSource, ReturnReason};
use enclos_protocol::cases::CaseReport;
use enclos_protocol::dependencies::Installed;
use enclos_protocol::ids::{AgentName, AttemptId};
use enclos_protocol::job::{Isolation, JobInput, JobReport, JobSpec, Reuse, Step, StepReport, Stream};
use enclos_protocol::outcome::{self, Outcome, StepFacts};
use enclos_protocol::supervisor_link::{Keep, StdinSource, StepRequest};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::builder::NotInstalled;
use crate::cache::CompileCache;
use crate::cores::{CoreSlot, Cores};
use crate::images_source::ImageSource;
use crate::live::{Intake, OutOfWindow};
use crate::pool::{ClaimError, Pool};
use crate::sandbox::{JobRoom, Listener, Sandbox, SandboxError, chain};
use crate::stop::{Cause, Stop};
use files::{Files, Sent};
use input::{FetchError, InputClient};
pub use packages::Installs;
use seat::{Place, Seat};
use steps::Program;
pub(crate) use steps::forerunners;
use teller::{Left, Sink, Teller};
use watch::Watch;

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
    /// What compile steps left.
    pub cache: CompileCache,
}

/// What an attempt tells while it runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Dependencies are being installed.
    Installing,
    /// A step began.
    Started(Step),
    /// The next bytes of a stream, at most [`enclos_protocol::frame::CHUNK_BYTES_MAX`].
    Output(Step, Stream, Vec<u8>),
    /// The run's live standard input: bytes that its pipe took in all, and whether nobody reads any more.
    Stdin {
        /// Bytes.
        taken: u64,
        /// Nobody reads.
        closed: bool,
    },
    /// A case ended.
    Case(u32, Box<CaseReport>),
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
    #[error("the job asks for an interactor, and this agent's cells are not apart from each other")]
    Interactor,
    #[error("the job's cases cannot be run: {0}")]
    Cases(&'static str),
    #[error("what a compile step left is not to be had")]
    Tree,
    #[error("the files that the run left are not understood")]
    Files,
    #[error("this agent installs no dependencies of that kind")]
    NoInstaller,
    #[error("the dependencies were lost")]
    Lost,
    #[error("the dependencies could not be installed")]
    Install(#[from] NotInstalled),
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
    /// Its live standard input, where it has one.
    pub intake: Intake,
    /// Who may end it.
    pub stop: Stop,
    /// Who hears of it.
    pub progress: ProgressSender,
}

/// What is known of a job that was entered into a sandbox.
#[derive(Default)]
struct Known {
    watch: Watch,
    sandbox_us: u64,
    dependencies: Option<Installed>,
    /// Why the job ended before its first step.
    problem: Option<String>,
    compile: Option<StepReport>,
    companion: Option<StepReport>,
    run: Option<StepReport>,
    /// What the cases come to, where that is not `ok`.
    cases: Option<Outcome>,
    files: Files,
    sent: Sent,
}

impl Attempt {
    /// Runs it to its end; what is logged meanwhile names it.
    pub async fn run_named(self, agent: AgentName, workshop: Arc<Workshop>) -> (AttemptId, End) {
        let id = self.id;
        let span = tracing::info_span!("attempt", %agent, job = %id.job, attempt = %id.token);
        (id, self.run(&workshop).instrument(span).await)
    }

    /// Runs it to its end. Never fails: every way out is an [`End`].
    pub async fn run(self, workshop: &Workshop) -> End {
        let arrived = Instant::now();
        let engine = workshop.pool.engine();
        let ends = engine.ends();
        let mut known = Known { watch: Watch::new(arrived), ..Known::default() };
        let cause = match self.try_run(workshop, arrived, &mut known).await {
            Ok(()) => None,
            Err(Broken::Stopped(cause)) => Some(cause),
            // Nothing failed: it waits, here or elsewhere.
            Err(Broken::Failed(AttemptError::Install(NotInstalled::NoRoom))) if self.stop.cause().is_none() => {
                return End::Returned(ReturnReason::NoRoom);
            }
            Err(Broken::Failed(error)) => {
                let message = chain(&error);
                tracing::warn!(error = message, "attempt failed");
                match self.stop.cause() {
                    // No job is to blame for a missing toolchain: it waits, here or elsewhere.
                    None if matches!(error, AttemptError::Image { .. }) => {
                        return End::Returned(ReturnReason::NoRoom);
                    }
                    None => {
                        let engine_gone = engine.is_gone(ends).await;
                        return End::Returned(ReturnReason::Failed { message, engine_gone });
                    }
                    // Whoever wanted its end has it, in whatever way it came.
                    cause => cause,
                }
            }
        };
        match cause {
            Some(Cause::Abandoned) => End::Nothing,
            Some(Cause::Draining) => End::Returned(ReturnReason::Draining),
            Some(Cause::OutOfWindow) => End::Returned(ReturnReason::failed(OutOfWindow.to_string())),
            None | Some(Cause::Cancelled) => End::Finished(Box::new(self.report(workshop, known, cause.is_some()))),
        }
    }

    async fn try_run(&self, workshop: &Workshop, arrived: Instant, known: &mut Known) -> Result<(), Broken> {
        let language = workshop.language(&self.spec.language)?;
        if self.spec.isolation > workshop.isolation {
            return Err(AttemptError::Isolation.into());
        }
        let fetched = self.stop.or(workshop.inputs.take(self.id, &self.input)).await.map_err(Broken::Stopped)?;
        let input = fetched?;
        let mut begun = known.watch.lap(arrived, |laps| &mut laps.input);
        let program = Program::of_job(language, &self.spec, &input);
        if !program.has_entry() {
            return Err(AttemptError::Entry.into());
        }
        let source = self.source(workshop, language, known).await?;
        begun = known.watch.lap(begun, |laps| &mut laps.image);
        let Some(source) = source else { return Ok(()) };
        // Held until the job has left its sandbox, on every way out.
        let core = workshop.cores.as_ref().map(|cores| cores.take().ok_or(AttemptError::Core)).transpose()?;
        let room = JobRoom {
            memory_bytes: self.spec.peak(language.compile.is_some()).memory_bytes,
            cpus: core.as_ref().map(CoreSlot::list),
        };
        let place = Place {
            attempt: self,
            workshop,
            program,
            binding: self.spec.binding.clone(),
            reuse: self.reuse(workshop),
            room,
            runs_often: self.spec.cases.is_some(),
        };
        let mut seat = Seat::enter_from(place, source).await?;
        known.watch.lap(begun, |laps| &mut laps.sandbox);
        known.dependencies = seat.installed();
        let installed_us = known.dependencies.as_ref().map_or(0, |d| d.install_us);
        let waited_us = u64::try_from(arrived.elapsed().as_micros()).unwrap_or(u64::MAX);
        known.sandbox_us = waited_us.saturating_sub(installed_us);
        let ended = self.inside(&mut seat, &input, known).await;
        begun = Instant::now();
        seat.leave(&ended).await;
        known.watch.claimed(seat.claims());
        drop((seat, core));
        begun = known.watch.lap(begun, |laps| &mut laps.leave);
        ended?;
        if !self.spec.keep_files.is_empty() {
            known.sent = std::mem::take(&mut known.files).send(self, workshop).await?;
            known.watch.lap(begun, |laps| &mut laps.files);
        }
        Ok(())
    }

    fn reuse(&self, workshop: &Workshop) -> Reuse {
        self.spec.reuse.max(workshop.reuse)
    }

    /// Compiles and runs in an entered sandbox.
    async fn inside<'a>(&'a self, seat: &mut Seat<'a>, input: &'a JobInput, known: &mut Known) -> Result<(), Broken> {
        let begun = Instant::now();
        known.compile = seat.compile().await?;
        if known.compile.is_some() {
            known.watch.lap(begun, |laps| &mut laps.compile);
        }
        if known.compile.as_ref().is_some_and(|report| report.outcome != Outcome::Ok) {
            return Ok(());
        }
        let begun = Instant::now();
        let ended = match &self.spec.cases {
            None => self.run_once(seat, input, known).await,
            Some(plan) => self.run_cases(plan, seat, input, known).await,
        };
        known.watch.lap(begun, |laps| &mut laps.run);
        ended
    }

    async fn run_once(&self, seat: &mut Seat<'_>, input: &JobInput, known: &mut Known) -> Result<(), Broken> {
        let spec = &self.spec;
        let mut request = seat.program().run(&spec.run_args, &spec.env, spec.run_limits);
        request.on_output_limit = spec.on_output_limit;
        request.merge_stderr = spec.merge_stderr;
        if !spec.keep_files.is_empty() {
            request.keep = Keep::Files(spec.keep_files.clone());
        }
        if spec.live_stdin {
            request.stdin = StdinSource::Live;
        } else if !input.stdin.is_empty() {
            request.stdin = StdinSource::Staged;
            seat.sandbox().await?.put_stdin(&input.stdin).await?;
        }
        if spec.keep_files.is_empty() && !seat.wants_tree() {
            seat.sandbox().await?.end_with_next_step();
        }
        let mut left_together = u64::MAX;
        let mut teller = Teller {
            attempt: self,
            step: Step::Run,
            left: Left::of_each(spec.run_limits.report_bytes),
            left_together: &mut left_together,
            sink: Sink::Nobody,
            told: None,
            sink_error: None,
        };
        let mut facts = self.step(seat.sandbox().await?, request, &mut teller).await?;
        let not_kept = facts.keep_error.take();
        let outcome = outcome::decide(Step::Run, &facts, &spec.run_limits);
        known.run = Some(StepReport { outcome, facts, cached: false });
        if !spec.keep_files.is_empty() {
            known.files = Files::take(seat, not_kept).await?;
        }
        Ok(())
    }

    /// Runs a step of the program's own, and says that it began.
    async fn step(
        &self,
        sandbox: &mut Sandbox,
        request: StepRequest,
        teller: &mut Teller<'_>,
    ) -> Result<StepFacts, Broken> {
        let step = teller.step;
        self.go_on()?;
        self.tell(Progress::Started(step)).await;
        let begun = Instant::now();
        let facts = self.unheard(sandbox, request, teller).await?;
        let around = begun.elapsed().saturating_sub(Duration::from_micros(facts.wall_us));
        tracing::debug!(?step, wall_us = facts.wall_us, around_us = around.as_micros(), "step ended");
        Ok(facts)
    }

    /// Runs a step of which nobody is told that it began.
    async fn unheard(
        &self,
        sandbox: &mut Sandbox,
        request: StepRequest,
        listener: &mut impl Listener,
    ) -> Result<StepFacts, Broken> {
        self.go_on()?;
        let facts = sandbox.run_step(request, &self.stop, listener).await?;
        self.not_cut_short(&facts)?;
        Ok(facts)
    }

    /// A step that ended by itself before the stop reached it has its true outcome.
    fn not_cut_short(&self, facts: &StepFacts) -> Result<(), Broken> {
        match (facts.stop, self.stop.cause()) {
            (Some(outcome::Stop::Cancelled), Some(cause)) if cause != Cause::Cancelled => Err(Broken::Stopped(cause)),
            _ => Ok(()),
        }
    }

    fn go_on(&self) -> Result<(), Broken> {
        self.stop.cause().map_or(Ok(()), |cause| Err(Broken::Stopped(cause)))
    }

    async fn tell(&self, progress: Progress) {
        // A session that is gone hears nothing; the attempt is stopped by its own word then.
        let _ = self.progress.send((self.id, progress)).await;
    }

    fn report(&self, workshop: &Workshop, known: Known, cancelled: bool) -> JobReport {
        let Known { watch, sandbox_us, dependencies, problem, compile, companion, run, cases, files: _, sent } = known;
        let failed = |report: &Option<StepReport>| report.as_ref().map(|r| r.outcome).filter(|o| *o != Outcome::Ok);
        let ended = run.as_ref().map(|r| r.outcome).or(cases);
        let outcome = match failed(&compile).or_else(|| failed(&companion)).or(ended) {
            Some(outcome) if !cancelled => outcome,
            _ => Outcome::Cancelled,
        };
        let last = run.as_ref().or(companion.as_ref()).or(compile.as_ref());
        let why = last.and_then(|r| r.facts.start_error.clone().or_else(|| r.facts.keep_error.clone()));
        let message = match failed(&companion) {
            Some(outcome) if !cancelled => {
                let why = why.unwrap_or_else(|| outcome.as_str().to_owned());
                Some(format!("the checker or interactor did not compile: {why}"))
            }
            _ => problem.or(why),
        };
        let Sent { files, error: files_error } = sent;
        let (isolation, reuse) = (workshop.isolation, self.reuse(workshop));
        JobReport {
            outcome,
            message,
            compile,
            companion,
            run,
            files,
            files_error,
            sandbox_us,
            isolation,
            reuse,
            dependencies,
            laps: Some(Box::new(watch.whole())),
        }
    }
}

impl Workshop {
    fn language(&self, id: &str) -> Result<&Language, AttemptError> {
        self.catalogue.by_id(id).ok_or_else(|| AttemptError::Language(id.to_owned()))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
