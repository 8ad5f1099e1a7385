//! What a tool tells of a job: the structured part, whose types give the output schemas. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use super::shown::{self, Shown, Window, bytes_of};
use crate::http::wire::{self, Job, VerdictName};

/// Cases of which one answer tells.
pub(super) const CASES_MAX: usize = 200;
/// Cases that were not accepted whose outputs one answer shows.
pub(super) const CASE_OUTPUTS_MAX: usize = 10;

/// A program that was compiled and run.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub(super) struct RunResult {
    /// Id of the job, for `read_output`.
    pub(super) job: String,
    /// `finished`; or `queued` or `running`, where the answer did not wait for the end.
    pub(super) state: String,
    /// Language that was run.
    pub(super) language: String,
    /// `ok`, `compile_error`, `runtime_error`, `time_limit`, `memory_limit`, `output_limit`, `process_limit`,
    /// `file_limit`, `cancelled` or `internal_error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<String>,
    /// A sentence, where the outcome alone does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    /// The compile step, of languages that have one; also what the installer of dependencies said, where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) compile: Option<StepResult>,
    /// The run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<StepResult>,
}

/// A program that was compiled and run for each of its cases.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub(super) struct TestResult {
    /// Id of the job, for `read_output`.
    pub(super) job: String,
    /// `finished`; or `queued` or `running`, where the answer did not wait for the end.
    pub(super) state: String,
    /// Language that was run.
    pub(super) language: String,
    /// `ok` where every case was run, else as of `run_code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<String>,
    /// A sentence, where the outcome alone does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    /// `accepted` where every case is, else what the first that is not came to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verdict: Option<String>,
    /// Cases that were accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) passed: Option<u32>,
    /// Cases that there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<u32>,
    /// The compile step, of languages that have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) compile: Option<StepResult>,
    /// The cases, those that were not accepted first.
    pub(super) cases: Vec<CaseResult>,
    /// Further cases, of which nothing is told here.
    pub(super) cases_left_out: usize,
}

/// How a process ended and what it took.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub(super) struct Ended {
    /// Where it ended by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) exit_code: Option<i32>,
    /// Where a signal ended it, such as `SIGSEGV`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signal: Option<String>,
    /// Which limit, for `time_limit`: `cpu` or `wall`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<String>,
    /// CPU time, in milliseconds.
    pub(super) cpu_ms: u64,
    /// Time on the clock, in milliseconds.
    pub(super) wall_ms: u64,
    /// Most memory in use, in bytes.
    pub(super) memory_peak_bytes: u64,
    /// What it wrote to standard output; absent where that is nothing, or not shown here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stdout: Option<Shown>,
    /// What it wrote to standard error; likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stderr: Option<Shown>,
}

/// One step.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub(super) struct StepResult {
    /// As of the job.
    pub(super) outcome: String,
    /// How it ended.
    #[serde(flatten)]
    pub(super) ended: Ended,
}

/// One case.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub(super) struct CaseResult {
    /// Its place among the cases, from 0 on: `case` of `read_output`.
    pub(super) index: usize,
    /// Its name.
    pub(super) name: String,
    /// `accepted`, `wrong_answer`, `skipped`, or the outcome of a run that did not end well.
    pub(super) verdict: String,
    /// What the checker says of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) feedback: Option<String>,
    /// Its run; absent where it was not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<Ended>,
}

/// The name that a value has on the wire.
fn name<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}

impl Ended {
    fn of(step: &wire::Step, window: Option<Window>) -> Self {
        let shown = |text: &Option<String>, base64: &Option<String>, written| {
            let kept = bytes_of(text.as_deref(), base64.as_deref());
            window.and_then(|window| Shown::of(&kept, written, window))
        };
        Self {
            exit_code: step.exit_code,
            signal: step.signal.clone(),
            limit: step.limit.as_ref().map(name),
            cpu_ms: step.cpu_ms,
            wall_ms: step.wall_ms,
            memory_peak_bytes: step.memory_peak_bytes,
            stdout: shown(&step.stdout, &step.stdout_base64, step.stdout_bytes),
            stderr: shown(&step.stderr, &step.stderr_base64, step.stderr_bytes),
        }
    }
}

impl StepResult {
    fn of(step: &wire::Step) -> Self {
        Self { outcome: name(&step.outcome), ended: Ended::of(step, Some(shown::STEP)) }
    }
}

impl RunResult {
    pub(super) fn of(job: &Job) -> Self {
        Self {
            job: job.id.clone(),
            state: name(&job.state),
            language: job.language.clone(),
            outcome: job.outcome.as_ref().map(name),
            message: job.message.clone(),
            compile: job.compile.as_ref().map(StepResult::of),
            run: job.run.as_ref().map(StepResult::of),
        }
    }
}

impl TestResult {
    pub(super) fn of(job: &Job) -> Self {
        let cases: Vec<(usize, &wire::Case)> = job.cases.iter().flatten().enumerate().collect();
        let (accepted, failed): (Vec<_>, Vec<_>) =
            cases.iter().partition(|(_, case)| case.verdict == VerdictName::Accepted);
        let shown = |(place, (index, case)): (usize, &(usize, &wire::Case))| {
            let window = (place < CASE_OUTPUTS_MAX && case.verdict != VerdictName::Accepted).then_some(shown::CASE);
            CaseResult {
                index: *index,
                name: case.name.clone(),
                verdict: name(&case.verdict),
                feedback: case.feedback.clone(),
                run: case.run.as_ref().map(|run| Ended::of(run, window)),
            }
        };
        Self {
            job: job.id.clone(),
            state: name(&job.state),
            language: job.language.clone(),
            outcome: job.outcome.as_ref().map(name),
            message: job.message.clone(),
            verdict: job.verdict.as_ref().map(name),
            passed: job.passed,
            total: job.total,
            compile: job.compile.as_ref().map(StepResult::of),
            cases: failed.iter().chain(&accepted).take(CASES_MAX).enumerate().map(shown).collect(),
            cases_left_out: cases.len().saturating_sub(CASES_MAX),
        }
    }
}
