//! A case with an interactor, by the rules of the Kattis problem format.
//!
//! A program that did not end well is judged by that, unless the interactor had
//! already found its answer wrong: the end of the interactor closes the
//! program's pipes, and then hardly any program ends well. Of a program that
//! ended well the interactor's word counts.

use enclos_protocol::cases::{CaseReport, Companion, Verdict};
use enclos_protocol::job::{Step, StepReport};
use enclos_protocol::outcome::{self, Outcome, Stop};
use enclos_protocol::supervisor_link::{PairFacts, PairRequest, Side, StepRequest, Workspace};

use super::bench::{judging_step, put_case, words};
use super::cases::ended;
use super::seat::Seat;
use super::steps::Program;
use super::teller::{Left, Sink, Teller};
use super::{AttemptError, Broken, Progress};
use crate::judge::validator::{self, Judgement};

/// What an interactor may take on the clock beyond the program that it waits for, in milliseconds.
const MARGIN_MS: u64 = 2000;

/// A submitted interactor.
pub(super) struct Interactor<'a> {
    pub(super) program: Program<'a>,
    pub(super) companion: &'a Companion,
}

impl Interactor<'_> {
    /// Runs the `request` against it.
    pub(super) async fn run(
        &self,
        seat: &mut Seat<'_>,
        number: u32,
        request: StepRequest,
        files: [&[u8]; 2],
        left_together: &mut u64,
    ) -> Result<CaseReport, Broken> {
        let (attempt, step, limits) = (seat.attempt(), Step::Case(number), request.limits);
        let mut of_judge = self.companion.run_limits;
        of_judge.wall_ms = of_judge.wall_ms.max(limits.wall_ms + MARGIN_MS);
        of_judge.report_bytes = 0;
        let mut judge = judging_step(&self.program, self.companion, of_judge);
        judge.workspace = Workspace::Judge;
        let sandbox = seat.sandbox().await?;
        put_case(sandbox, files).await?;
        let mut teller = Teller {
            attempt,
            step,
            left: Left::of_each(limits.report_bytes),
            left_together,
            sink: Sink::Nobody,
            told: None,
            sink_error: None,
        };
        attempt.go_on()?;
        attempt.tell(Progress::Started(step)).await;
        let pair = PairRequest { program: request, judge };
        let facts = sandbox.run_pair(pair, &attempt.stop, &mut teller).await?;
        attempt.not_cut_short(&facts.program)?;
        if facts.program.stop == Some(Stop::Cancelled) && attempt.stop.cause().is_none() {
            return Err(AttemptError::Cases("its interactor does not start").into());
        }
        let PairFacts { program, judge, first } = facts;
        let outcome = outcome::decide(Step::Run, &judge, &of_judge);
        let judgement = validator::judge(outcome, &judge, words(sandbox).await?, b"");
        let outcome = outcome::decide(step, &program, &limits);
        Ok(case(StepReport { outcome, facts: program, cached: false }, first, judgement))
    }
}

/// What both ends come to.
fn case(run: StepReport, first: Side, judgement: Judgement) -> CaseReport {
    let Judgement { verdict, score_ppm, feedback } = judgement;
    let counts = match run.outcome {
        Outcome::Ok => true,
        Outcome::InternalError | Outcome::Cancelled => false,
        // Whoever was found right had all the time in the world to end well.
        _ => first == Side::Judge && verdict != Verdict::Accepted,
    };
    if counts { CaseReport { verdict, run, score_ppm, feedback } } else { ended(run.outcome, run) }
}

#[cfg(test)]
mod tests {
    use enclos_protocol::outcome::{Accounting, Exit, StepFacts};

    use super::*;

    fn of(outcome: Outcome, first: Side, verdict: Verdict) -> Verdict {
        let facts = StepFacts {
            exit: Some(Exit::Code(0)),
            stop: None,
            cpu_us: 0,
            wall_us: 0,
            memory_peak_bytes: 0,
            oom_kills: 0,
            pids_refused: 0,
            stdout_bytes: 0,
            stderr_bytes: 0,
            kill_us: None,
            accounting: Accounting::Cgroup,
            start_error: None,
            keep_error: None,
        };
        let run = StepReport { outcome, facts, cached: false };
        case(run, first, Judgement { verdict, score_ppm: None, feedback: None }).verdict
    }

    #[test]
    fn who_ended_first_decides_what_a_bad_end_means() {
        use Outcome::{Cancelled, Ok, RuntimeError, TimeLimit};
        use Side::{Judge, Program};
        use Verdict::{Accepted, CheckerError, Ended, WrongAnswer};
        let expected = [
            (Ok, Program, Accepted, Accepted),
            (Ok, Judge, WrongAnswer, WrongAnswer),
            (Ok, Program, CheckerError, CheckerError),
            (RuntimeError, Judge, WrongAnswer, WrongAnswer),
            (RuntimeError, Program, WrongAnswer, Ended(RuntimeError)),
            (RuntimeError, Judge, Accepted, Ended(RuntimeError)),
            (RuntimeError, Judge, CheckerError, CheckerError),
            (TimeLimit, Program, WrongAnswer, Ended(TimeLimit)),
            (TimeLimit, Judge, WrongAnswer, WrongAnswer),
            (Cancelled, Judge, WrongAnswer, Ended(Cancelled)),
        ];
        for (outcome, first, verdict, case) in expected {
            assert_eq!(of(outcome, first, verdict), case, "{outcome:?} {first:?} {verdict:?}");
        }
    }
}
