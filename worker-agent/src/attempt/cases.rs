//! The cases of a job, one after the other, each judged.
//!
//! ```text
//!  page of cases ─▶ case: stdin in ─▶ run ─ output ─▶ judge ─▶ report
//!       ▲                                                        │
//!       └──────────────── next ◀─────────────────────────────────┘
//! ```
//!
//! How a program ends counts before what it wrote: only one that ended well is
//! asked whether it was right.

use enclos_protocol::cases::{CASE_BYTES_MAX, CHECKED_BYTES_MAX, Case, CasePage, CasePlan, CaseReport, Verdict};
use enclos_protocol::job::{Step, StepReport};
use enclos_protocol::limits::StepLimits;
use enclos_protocol::outcome::{self, Outcome};
use enclos_protocol::supervisor_link::{StdinSource, StepRequest};
use serde_bytes::ByteBuf;
use tokio::time::Instant;

use super::bench::Bench;
use super::seat::Seat;
use super::steps::Program;
use super::teller::{Left, Sink, Teller};
use super::watch::Watch;
use super::{Attempt, AttemptError, Broken, Progress, Workshop};
use crate::judge::validator::Judgement;
use crate::judge::{Judge, Judged};

/// The cases of one attempt.
pub(super) struct Cases<'a, 'b> {
    pub(super) attempt: &'a Attempt,
    pub(super) workshop: &'a Workshop,
    pub(super) plan: &'a CasePlan,
    pub(super) program: Program<'a>,
    pub(super) seat: &'b mut Seat<'a>,
    pub(super) bench: &'b mut Bench<'a, 'b>,
    /// What the answer still keeps of all output.
    pub(super) left_together: u64,
    pub(super) watch: &'b mut Watch,
}

impl Cases<'_, '_> {
    /// Runs them; whether each is the program's own doing.
    pub(super) async fn run(mut self) -> Result<Outcome, Broken> {
        let mut worst = Outcome::Ok;
        let mut from = Some(0);
        while let Some(first) = from {
            let Self { attempt, workshop, .. } = self;
            let page = attempt.stop.or(workshop.inputs.cases(attempt.id, first)).await.map_err(Broken::Stopped)??;
            let CasePage { cases, next } = page;
            let after = u32::try_from(cases.len()).ok().and_then(|count| first.checked_add(count));
            let is_last = after == Some(self.plan.count);
            if cases.is_empty() || next != after.filter(|_| !is_last) {
                return Err(AttemptError::Cases("its pages do not follow one another").into());
            }
            for (case, number) in cases.into_iter().zip(first..) {
                let begun = Instant::now();
                let report = self.case(number, case).await?;
                self.watch.case(begun);
                let outcome = report.run.outcome;
                let accepted = report.verdict == Verdict::Accepted;
                attempt.tell(Progress::Case(number, Box::new(report))).await;
                if matches!(outcome, Outcome::InternalError | Outcome::Cancelled) {
                    worst = worst.min(outcome);
                }
                if outcome == Outcome::Cancelled || (!accepted && self.plan.stop_on_first_failure) {
                    return Ok(worst);
                }
            }
            from = next;
        }
        Ok(worst)
    }

    async fn case(&mut self, number: u32, case: Case) -> Result<CaseReport, Broken> {
        let Case { stdin, args, limits, expected } = case;
        let spec = &self.attempt.spec;
        let limits = limits.unwrap_or(spec.run_limits);
        if !is_within(&limits, &self.plan.largest) {
            return Err(AttemptError::Cases("it has limits above those that room was made for").into());
        }
        if stdin.len().max(expected.as_ref().map_or(0, |e| e.len())) > CASE_BYTES_MAX {
            return Err(AttemptError::Cases("it is larger than a case may be").into());
        }
        let args = args.as_deref().unwrap_or(&spec.run_args);
        let mut request = self.program.run(args, &spec.env, limits);
        request.on_output_limit = spec.on_output_limit;
        request.merge_stderr = spec.merge_stderr;
        if !stdin.is_empty() && !matches!(self.bench, Bench::Interactor(_)) {
            request.stdin = StdinSource::Staged;
            self.seat.sandbox().await?.put_stdin(&stdin).await?;
        }
        let report = match self.bench {
            Bench::Agent(checker) => {
                let judge = expected.and_then(|expected| Judge::new(checker, expected.into_vec()));
                self.compared(number, request, judge).await
            }
            Bench::Checker(_) => self.checked(number, request, &stdin, &answer_of(expected)).await,
            Bench::Interactor(interactor) => {
                interactor
                    .run(self.seat, number, request, [&stdin, &answer_of(expected)], &mut self.left_together)
                    .await
            }
        };
        self.seat.used().await;
        report
    }

    /// Judged by the agent.
    async fn compared(
        &mut self,
        number: u32,
        mut request: StepRequest,
        mut judge: Option<Judge>,
    ) -> Result<CaseReport, Broken> {
        request.whole_stdout = judge.is_some();
        let sink = judge.as_mut().map_or(Sink::Nobody, Sink::Judge);
        let run = step(self.attempt, self.seat, number, request, sink, &mut self.left_together).await?;
        let verdict = match (run.report.outcome, judge) {
            (Outcome::Ok, Some(_)) if run.was_cut => Judged::Wrong("the output is longer than its limit".to_owned()),
            (Outcome::Ok, Some(judge)) => judge.finish(),
            (Outcome::Ok, None) => Judged::Right,
            (outcome, _) => return Ok(ended(outcome, run.report)),
        };
        let (verdict, feedback) = match verdict {
            Judged::Right => (Verdict::Accepted, None),
            Judged::Wrong(feedback) => (Verdict::WrongAnswer, Some(feedback)),
        };
        Ok(CaseReport { verdict, run: run.report, score_ppm: None, feedback })
    }

    /// Judged by a submitted checker.
    async fn checked(
        &mut self,
        number: u32,
        mut request: StepRequest,
        input: &[u8],
        answer: &[u8],
    ) -> Result<CaseReport, Broken> {
        let Bench::Checker(bench) = self.bench else { unreachable!("the caller looked") };
        request.whole_stdout = true;
        request.limits.output_bytes = request.limits.output_bytes.min(CHECKED_BYTES_MAX);
        let checker = bench.seat.sandbox().await?;
        checker.begin_stdin().await?;
        let sink = Sink::Checker(checker);
        let run = step(self.attempt, self.seat, number, request, sink, &mut self.left_together).await?;
        if run.report.outcome != Outcome::Ok {
            return Ok(ended(run.report.outcome, run.report));
        }
        let judgement = if run.was_cut {
            let feedback = Some("the output is longer than its limit".to_owned());
            Judgement { verdict: Verdict::WrongAnswer, score_ppm: None, feedback }
        } else {
            bench.judge(self.attempt, [input, answer]).await?
        };
        bench.seat.used().await;
        let Judgement { verdict, score_ppm, feedback } = judgement;
        Ok(CaseReport { verdict, run: run.report, score_ppm, feedback })
    }
}

/// A case's run.
struct Run {
    report: StepReport,
    /// The program wrote more than was passed on.
    was_cut: bool,
}

async fn step(
    attempt: &Attempt,
    seat: &mut Seat<'_>,
    number: u32,
    request: StepRequest,
    sink: Sink<'_>,
    left_together: &mut u64,
) -> Result<Run, Broken> {
    let (step, limits) = (Step::Case(number), request.limits);
    let mut teller = Teller {
        attempt,
        step,
        left: Left::of_each(limits.report_bytes),
        left_together,
        sink,
        told: None,
        sink_error: None,
    };
    let facts = attempt.step(seat.sandbox().await?, request, &mut teller).await?;
    if let Some(error) = teller.sink_error {
        return Err(error.into());
    }
    let outcome = outcome::decide(step, &facts, &limits);
    let was_cut = facts.stdout_bytes > limits.output_bytes;
    Ok(Run { report: StepReport { outcome, facts, cached: false }, was_cut })
}

/// How it ended counts before what it wrote.
pub(super) fn ended(outcome: Outcome, run: StepReport) -> CaseReport {
    CaseReport { verdict: Verdict::Ended(outcome), run, score_ppm: None, feedback: None }
}

/// The file with the answer; empty where none was given.
fn answer_of(expected: Option<ByteBuf>) -> Vec<u8> {
    expected.map(ByteBuf::into_vec).unwrap_or_default()
}

/// Whether no limit is above its largest.
fn is_within(limits: &StepLimits, largest: &StepLimits) -> bool {
    let StepLimits {
        cpu_ms,
        wall_ms,
        memory_bytes,
        pids,
        output_bytes,
        report_bytes,
        file_bytes,
        stack_bytes,
        cpu_millis,
    } = *limits;
    cpu_ms <= largest.cpu_ms
        && wall_ms <= largest.wall_ms
        && memory_bytes <= largest.memory_bytes
        && pids <= largest.pids
        && output_bytes <= largest.output_bytes
        && report_bytes <= largest.report_bytes
        && file_bytes <= largest.file_bytes
        && stack_bytes <= largest.stack_bytes
        && cpu_millis <= largest.cpu_millis
}

#[cfg(test)]
#[path = "cases_tests.rs"]
mod tests;
