//! From how a job ended to what Piston answers. Pure.

use std::borrow::Cow;

use enclos_protocol::job::{Step, StepReport, Stream};
use enclos_protocol::limits::StepLimits;
use enclos_protocol::outcome::{Exit, Outcome, TimeLimit, signal_name};
use serde::Serialize;

use super::order::Order;
use crate::admission::Refusal;
use crate::store::{Detail, JobRecord};

/// Number and name of the signal by which a step is ended from outside.
const KILL: (i32, &str) = (9, "SIGKILL");

/// What is answered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Answer {
    pub(super) language: String,
    pub(super) version: String,
    /// Where the compiler failed, what it said.
    pub(super) run: Stage,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) compile: Option<Stage>,
}

/// One stage.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Stage {
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// Both, in the order in which they came.
    pub(super) output: String,
    #[serde(flatten)]
    pub(super) end: End,
}

/// How a stage ended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct End {
    pub(super) code: Option<i32>,
    pub(super) signal: Option<String>,
    pub(super) message: Option<String>,
    pub(super) status: Option<&'static str>,
    /// Milliseconds.
    pub(super) cpu_time: u64,
    /// Milliseconds.
    pub(super) wall_time: u64,
    /// Bytes.
    pub(super) memory: u64,
}

/// The order of the output of both stages.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Orders {
    pub(super) compile: Order,
    pub(super) run: Order,
}

/// What became of a job, for a client that asked for `language` in some version.
///
/// # Errors
/// [`Refusal`] where it came to no run: Enclos failed, or the job was cancelled by others.
pub(super) fn of(version: String, record: &JobRecord, detail: &Detail, orders: &Orders) -> Result<Answer, Refusal> {
    let report = record.ending.as_ref().and_then(|ending| ending.report.as_ref());
    let stage = |step, order: &Order, report: Option<&StepReport>, limits| {
        let (stdout, stderr) = (detail.outputs.part(step, Stream::Stdout), detail.outputs.part(step, Stream::Stderr));
        Some(Stage {
            output: text(&order.merge(stdout, stderr)).into_owned(),
            stdout: text(stdout).into_owned(),
            stderr: text(stderr).into_owned(),
            end: end(report?, limits),
        })
    };
    let of_compile = report.and_then(|report| report.compile.as_ref());
    let of_run = report.and_then(|report| report.run.as_ref());
    let compile = stage(Step::Compile, &orders.compile, of_compile, &record.spec.compile_limits);
    let run = stage(Step::Run, &orders.run, of_run, &record.spec.run_limits);
    let Some(run) = run.or_else(|| compile.clone()) else { return Err(nothing(record)) };
    Ok(Answer { language: record.spec.language.clone(), version, run, compile })
}

/// Why a job came to nothing that could be answered.
pub(super) fn nothing(record: &JobRecord) -> Refusal {
    let ending = record.ending.as_ref();
    let outcome = ending.map_or(Outcome::InternalError, |ending| ending.outcome);
    let said = ending.and_then(|ending| ending.message.clone());
    let detail = match outcome {
        Outcome::Cancelled => "the job was cancelled".to_owned(),
        _ => said.unwrap_or_else(|| "Enclos failed; the operator's log says why".to_owned()),
    };
    Refusal::new(500, "internal_error", detail)
}

/// How a step ended. `SIGKILL` stands for every end from outside, as with Piston.
pub(super) fn end(report: &StepReport, limits: &StepLimits) -> End {
    let facts = &report.facts;
    let killed = |status, message: String| (None, Some(KILL.1.to_owned()), Some(message), Some(status));
    let (code, signal, message, status) = match report.outcome {
        Outcome::Ok => (Some(0), None, None, None),
        Outcome::TimeLimit => match facts.time_limit(limits) {
            Some(TimeLimit::Wall) => killed("TO", "Time limit exceeded (wall clock)".to_owned()),
            _ => killed("TO", "Time limit exceeded".to_owned()),
        },
        // What was read of a stream ends at the limit.
        Outcome::OutputLimit if facts.stdout_bytes < limits.output_bytes => {
            killed("EL", "stderr length exceeded".to_owned())
        }
        Outcome::OutputLimit => killed("OL", "stdout length exceeded".to_owned()),
        Outcome::Cancelled => killed("XX", "the job was cancelled".to_owned()),
        Outcome::InternalError => killed("XX", why(facts.start_error.as_ref())),
        _ => match facts.exit {
            Some(Exit::Code(0)) if facts.keep_error.is_some() => (Some(1), None, facts.keep_error.clone(), Some("RE")),
            Some(Exit::Code(0)) => (Some(0), None, None, None),
            Some(Exit::Code(code)) => (Some(code), None, Some(format!("Exited with error status {code}")), Some("RE")),
            Some(Exit::Signal(number)) => {
                (None, Some(signal_name(number)), Some(format!("Caught fatal signal {number}")), Some("SG"))
            }
            None => killed("SG", format!("Caught fatal signal {}", KILL.0)),
        },
    };
    let message = message.map(|message| match report.outcome {
        // Piston has no status for these; what it says begins so.
        Outcome::MemoryLimit => format!("{message} (memory limit exceeded)"),
        Outcome::ProcessLimit => format!("{message} (process limit exceeded)"),
        Outcome::FileLimit => format!("{message} (file size limit exceeded)"),
        _ => message,
    });
    End {
        code,
        signal,
        message,
        status,
        cpu_time: facts.cpu_us.div_ceil(1000),
        wall_time: facts.wall_us.div_ceil(1000),
        memory: facts.memory_peak_bytes,
    }
}

fn why(error: Option<&String>) -> String {
    error.cloned().unwrap_or_else(|| "Enclos failed".to_owned())
}

/// The output as text, as Piston gives it: what is no UTF-8 is replaced.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use enclos_protocol::outcome::{StepFacts, Stop, decide};

    use super::*;
    use crate::testing;

    /// Code, signal, message and status of a step of which this was measured.
    fn ended(
        step: Step,
        change: impl FnOnce(&mut StepFacts),
    ) -> (Option<i32>, Option<String>, Option<String>, Option<&'static str>) {
        let mut limits = testing::limits(10);
        (limits.cpu_ms, limits.wall_ms, limits.output_bytes) = (1000, 2000, 10);
        let mut facts = testing::step().facts;
        change(&mut facts);
        let report = StepReport { outcome: decide(step, &facts, &limits), facts, cached: false };
        let end = end(&report, &limits);
        (end.code, end.signal, end.message, end.status)
    }

    #[test]
    fn every_end_has_pistons_status_and_words() {
        let killed = |status, message: &str| (None, Some("SIGKILL".to_owned()), Some(message.to_owned()), Some(status));
        let stopped = |stop: Stop| ended(Step::Run, |f| (f.exit, f.stop) = (Some(Exit::Signal(9)), Some(stop)));
        assert_eq!(ended(Step::Run, |_| {}), (Some(0), None, None, None));
        let failed = (Some(3), None, Some("Exited with error status 3".to_owned()), Some("RE"));
        assert_eq!(ended(Step::Run, |f| f.exit = Some(Exit::Code(3))), failed);
        assert_eq!(ended(Step::Compile, |f| f.exit = Some(Exit::Code(3))), failed);
        let crashed = (None, Some("SIGSEGV".to_owned()), Some("Caught fatal signal 11".to_owned()), Some("SG"));
        assert_eq!(ended(Step::Run, |f| f.exit = Some(Exit::Signal(11))), crashed);
        assert_eq!(stopped(Stop::CpuLimit), killed("TO", "Time limit exceeded"));
        assert_eq!(stopped(Stop::WallLimit), killed("TO", "Time limit exceeded (wall clock)"));
        assert_eq!(stopped(Stop::MemoryLimit), killed("SG", "Caught fatal signal 9 (memory limit exceeded)"));
        assert_eq!(stopped(Stop::ProcessLimit), killed("SG", "Caught fatal signal 9 (process limit exceeded)"));
        assert_eq!(stopped(Stop::Cancelled), killed("XX", "the job was cancelled"));
        for (out, err, expected) in
            [(10, 0, killed("OL", "stdout length exceeded")), (3, 10, killed("EL", "stderr length exceeded"))]
        {
            let end = ended(Step::Run, |f| {
                (f.stop, f.stdout_bytes, f.stderr_bytes) = (Some(Stop::OutputLimit), out, err);
            });
            assert_eq!(end, expected);
        }
        // A program that ends well past its time has not ended well.
        assert_eq!(ended(Step::Run, |f| f.cpu_us = 1_000_001), killed("TO", "Time limit exceeded"));
        // One whose child was killed for want of memory says itself how it ended.
        let end = ended(Step::Run, |f| (f.exit, f.oom_kills) = (Some(Exit::Code(1)), 1));
        assert_eq!((end.0, end.3), (Some(1), Some("RE")), "{end:?}");
        let end = ended(Step::Run, |f| f.start_error = Some("no such file".into()));
        assert_eq!(end, killed("XX", "no such file"));
        // The compiler ended well, and what it left is too much.
        let end = ended(Step::Compile, |f| f.keep_error = Some("too many files".into()));
        assert_eq!(end, (Some(1), None, Some("too many files".into()), Some("RE")));
    }

    #[test]
    fn times_are_milliseconds_and_memory_bytes_and_no_field_is_left_out() {
        let mut report = testing::step();
        (report.facts.cpu_us, report.facts.wall_us, report.facts.memory_peak_bytes) = (1, 2_000, 4096);
        let end = serde_json::to_value(end(&report, &testing::limits(1))).unwrap();
        let expected = serde_json::json!({
            "code": 0, "signal": null, "message": null, "status": null, "cpu_time": 1, "wall_time": 2, "memory": 4096,
        });
        assert_eq!(end, expected);
    }
}
