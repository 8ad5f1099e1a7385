//! Who judges the cases of a job: the agent, or a submitted program.
//!
//! A submitted checker runs in sandboxes of its own, where no submitted program
//! ever was. An interactor is compiled there, too, and its tree then brought to
//! the program's sandbox, where it runs as another user in a cell beside it.

use enclos_protocol::archive::pack;
use enclos_protocol::cases::{CASES_REPORT_BYTES_MAX, CasePlan, Checker, Companion, Judging};
use enclos_protocol::ids::Binding;
use enclos_protocol::job::{JobInput, Step, StepReport, Stream};
use enclos_protocol::limits::StepLimits;
use enclos_protocol::outcome::{self, Outcome};
use enclos_protocol::supervisor_link::{Keep, StdinSource, StepRequest, Tree};

use super::cases::Cases;
use super::interactive::Interactor;
use super::seat::{Place, Seat};
use super::steps::Program;
use super::{Attempt, AttemptError, Broken, Known};
use crate::judge::validator::{self, Judgement, Words};
use crate::sandbox::{Listener, Sandbox, SandboxError};

/// What of a companion's words is taken from its sandbox at most, in bytes.
const WORDS_BYTES_MAX: usize = 1024 * 1024;
/// What of a checker's standard error is looked at, in bytes.
const STDERR_BYTES_MAX: u64 = 1024;

/// Who judges.
pub(super) enum Bench<'a, 'b> {
    /// The agent.
    Agent(&'a Checker),
    /// A submitted checker, compiled.
    Checker(CheckerBench<'a, 'b>),
    /// A submitted interactor, whose tree is with the program's sandbox.
    Interactor(Interactor<'a>),
}

/// A submitted checker.
pub(super) struct CheckerBench<'a, 'b> {
    pub(super) seat: &'b mut Seat<'a>,
    companion: &'a Companion,
}

impl Attempt {
    /// Has the companion compiled, if there is one, and runs the cases.
    pub(super) async fn run_cases<'a>(
        &'a self,
        plan: &'a CasePlan,
        seat: &mut Seat<'a>,
        input: &'a JobInput,
        known: &mut Known,
    ) -> Result<(), Broken> {
        match &plan.judging {
            Judging::Output(Checker::Program(companion)) => {
                let program = self.companion(seat, companion, input)?;
                let mut theirs = Seat::enter(self.companion_place(seat.place(), program)).await?;
                let ended = self.with_checker(plan, seat, &mut theirs, companion, known).await;
                theirs.leave(&ended).await;
                known.watch.claimed(theirs.claims());
                ended
            }
            Judging::Output(checker) => self.judged(plan, seat, Bench::Agent(checker), known).await,
            Judging::Interactive(companion) => {
                if seat.sandbox().await?.is_plain() {
                    return Err(AttemptError::Interactor.into());
                }
                let program = self.companion(seat, companion, input)?;
                let Some(tree) = self.companion_tree(self.companion_place(seat.place(), program), known).await? else {
                    return Ok(());
                };
                seat.sandbox().await?.put_tree(Tree::Judge, &tree).await?;
                self.judged(plan, seat, Bench::Interactor(Interactor { program, companion }), known).await
            }
        }
    }

    async fn judged<'a>(
        &'a self,
        plan: &'a CasePlan,
        seat: &mut Seat<'a>,
        mut bench: Bench<'a, '_>,
        known: &mut Known,
    ) -> Result<(), Broken> {
        let (workshop, program) = (seat.workshop(), seat.program());
        let left_together = CASES_REPORT_BYTES_MAX;
        let watch = &mut known.watch;
        let cases = Cases { attempt: self, workshop, plan, program, seat, bench: &mut bench, left_together, watch };
        known.cases = Some(cases.run().await?);
        Ok(())
    }

    async fn with_checker<'a>(
        &'a self,
        plan: &'a CasePlan,
        seat: &mut Seat<'a>,
        theirs: &mut Seat<'a>,
        companion: &'a Companion,
        known: &mut Known,
    ) -> Result<(), Broken> {
        known.companion = theirs.compile().await?;
        if has_failed(known.companion.as_ref()) {
            return Ok(());
        }
        self.judged(plan, seat, Bench::Checker(CheckerBench { seat: theirs, companion }), known).await
    }

    /// The interactor's directory as its cell will find it; `None`: it did not compile.
    async fn companion_tree<'a>(&'a self, place: Place<'a>, known: &mut Known) -> Result<Option<Vec<u8>>, Broken> {
        if place.program.language.compile.is_none() {
            return Ok(Some(pack(place.program.files)));
        }
        let mut theirs = Seat::enter(place).await?;
        let mut tree = None;
        let ended = async {
            known.companion = theirs.compile().await?;
            if !has_failed(known.companion.as_ref()) {
                tree = Some(theirs.take_tree().await?);
            }
            Ok(())
        };
        let ended = ended.await;
        theirs.leave(&ended).await;
        known.watch.claimed(theirs.claims());
        ended.map(|()| tree)
    }

    fn companion<'a>(
        &self,
        seat: &Seat<'a>,
        companion: &'a Companion,
        input: &'a JobInput,
    ) -> Result<Program<'a>, AttemptError> {
        let language = seat.workshop().language(&companion.language)?;
        let program = Program::of_companion(language, companion, input);
        if program.has_entry() { Ok(program) } else { Err(AttemptError::Entry) }
    }

    /// Where the companion is compiled, and a checker runs.
    fn companion_place<'a>(&'a self, place: Place<'a>, program: Program<'a>) -> Place<'a> {
        let Binding { tenant, scope } = self.spec.binding.clone();
        // No client's scope has a blank in it.
        let binding = Binding { tenant, scope: format!("judge {scope}") };
        Place { program, binding, ..place }
    }
}

fn has_failed(report: Option<&StepReport>) -> bool {
    report.is_some_and(|report| report.outcome != Outcome::Ok)
}

/// A run of a checker or interactor, but for what is on its standard input. Standard error is
/// reported as far as it is looked at.
pub(super) fn judging_step(program: &Program<'_>, companion: &Companion, limits: StepLimits) -> StepRequest {
    StepRequest {
        extras: true,
        directories: vec![validator::feedback()],
        keep: Keep::Files(validator::words()),
        ..program.run(&validator::arguments(&companion.args), &[], limits)
    }
}

/// Brings what a checker or interactor is given for one case.
pub(super) async fn put_case(sandbox: &mut Sandbox, [input, answer]: [&[u8]; 2]) -> Result<(), SandboxError> {
    sandbox.put_extra(validator::input(), input).await?;
    sandbox.put_extra(validator::answer(), answer).await
}

/// What it left in words.
pub(super) async fn words(sandbox: &mut Sandbox) -> Result<Words, SandboxError> {
    let archive = sandbox.take_tree(Tree::Files, WORDS_BYTES_MAX).await?;
    Ok(Words::read(&archive.unwrap_or_default()))
}

impl CheckerBench<'_, '_> {
    /// Asks the checker of the output that it has on its standard input.
    pub(super) async fn judge(&mut self, attempt: &Attempt, files: [&[u8]; 2]) -> Result<Judgement, Broken> {
        let mut limits = self.companion.run_limits;
        limits.report_bytes = STDERR_BYTES_MAX;
        let mut request = judging_step(&self.seat.program(), self.companion, limits);
        // The output may be empty, and is its standard input all the same.
        request.stdin = StdinSource::Staged;
        let sandbox = self.seat.sandbox().await?;
        put_case(sandbox, files).await?;
        let mut stderr = Stderr::default();
        let facts = attempt.unheard(sandbox, request, &mut stderr).await?;
        let words = words(sandbox).await?;
        let outcome = outcome::decide(Step::Run, &facts, &limits);
        Ok(validator::judge(outcome, &facts, words, &stderr.0))
    }
}

/// The first bytes of a checker's standard error.
#[derive(Default)]
struct Stderr(Vec<u8>);

impl Listener for Stderr {
    async fn output(&mut self, stream: Stream, bytes: Vec<u8>) {
        if stream == Stream::Stderr {
            self.0.extend_from_slice(&bytes);
        }
    }
}
