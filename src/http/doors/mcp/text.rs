//! What a tool tells of a job, as a short text: for clients that show a model only this. Pure.
//!
//! It says the same as the structured part, and what was left out with the call that shows it.

use std::fmt::Write as _;

use super::shown::Shown;
use super::told::{CaseResult, Ended, RunResult, StepResult, TestResult};

/// Cases that a text tells of one by one.
const CASES_TOLD_MAX: usize = 20;

/// Whose output it is: what `read_output` wants to be told beside the stream.
#[derive(Clone, Copy)]
enum Whose<'a> {
    Compile(&'a str),
    Run(&'a str),
    Case(&'a str, usize),
}

/// Of a run.
pub(super) fn of_run(result: &RunResult) -> String {
    let RunResult { job, state, language: _, outcome, message, compile, run } = result;
    let mut text = head(job, state, outcome.as_deref(), message.as_deref());
    if let Some(compile) = compile.as_ref().filter(|step| tells(step)) {
        step(&mut text, "compile", compile, Whose::Compile(job));
    }
    if let Some(run) = run {
        step(&mut text, "run", run, Whose::Run(job));
    }
    text
}

/// Of tests.
pub(super) fn of_tests(result: &TestResult) -> String {
    let TestResult { job, state, language: _, outcome, message, verdict, passed, total, compile, .. } = result;
    let mut text = head(job, state, outcome.as_deref(), message.as_deref());
    if let (Some(verdict), Some(passed), Some(total)) = (verdict, passed, total) {
        let _ = writeln!(text, "{verdict}: {passed} of {total} cases passed");
    }
    if let Some(compile) = compile.as_ref().filter(|step| tells(step)) {
        step(&mut text, "compile", compile, Whose::Compile(job));
    }
    for case in result.cases.iter().take(CASES_TOLD_MAX) {
        self::case(&mut text, job, case);
    }
    let more = result.cases.len().saturating_sub(CASES_TOLD_MAX) + result.cases_left_out;
    if more > 0 {
        let _ = writeln!(text, "[{more} more cases are not shown here]");
    }
    text
}

fn head(job: &str, state: &str, outcome: Option<&str>, message: Option<&str>) -> String {
    let mut text = match outcome {
        Some(outcome) => format!("{outcome} (job {job})\n"),
        None => format!("still {state}: read_output with job {job} waits for its end and shows what it wrote\n"),
    };
    if let Some(message) = message {
        let _ = writeln!(text, "{message}");
    }
    text
}

/// A compiler that was content and said nothing is not worth a line.
fn tells(step: &StepResult) -> bool {
    step.outcome != "ok" || step.ended.stdout.is_some() || step.ended.stderr.is_some()
}

fn step(text: &mut String, name: &str, step: &StepResult, whose: Whose<'_>) {
    let _ = writeln!(text, "{name}: {}, {}", step.outcome, took(&step.ended));
    outputs(text, &step.ended, whose);
}

fn case(text: &mut String, job: &str, case: &CaseResult) {
    let CaseResult { index, name, verdict, feedback, run } = case;
    let _ = write!(text, "case {index} ({name}): {verdict}");
    if let Some(run) = run {
        let _ = write!(text, ", {}", took(run));
    }
    text.push('\n');
    if let Some(feedback) = feedback {
        let _ = writeln!(text, "{feedback}");
    }
    if let Some(run) = run {
        outputs(text, run, Whose::Case(job, *index));
    }
}

fn took(ended: &Ended) -> String {
    let how = match (ended.exit_code, &ended.signal, &ended.limit) {
        (_, _, Some(limit)) => format!("{limit} time passed, "),
        (Some(code), ..) => format!("exit code {code}, "),
        (None, Some(signal), _) => format!("ended by {signal}, "),
        (None, None, None) => String::new(),
    };
    format!("{how}{} ms CPU, {} ms, {} KiB", ended.cpu_ms, ended.wall_ms, ended.memory_peak_bytes.div_ceil(1024))
}

fn outputs(text: &mut String, ended: &Ended, whose: Whose<'_>) {
    for (stream, shown) in [("stdout", &ended.stdout), ("stderr", &ended.stderr)] {
        if let Some(shown) = shown {
            output(text, stream, shown, whose);
        }
    }
}

fn output(text: &mut String, stream: &str, shown: &Shown, whose: Whose<'_>) {
    let Shown { text: begin, tail, left_out_offset, left_out_bytes, is_binary, kept_bytes, written_bytes } = shown;
    let binary = if *is_binary { ", not UTF-8" } else { "" };
    let _ = writeln!(text, "{stream} ({written_bytes} bytes{binary}):");
    line(text, begin);
    if let (Some(tail), Some(offset), Some(bytes)) = (tail, left_out_offset, left_out_bytes) {
        let (job, step) = match whose {
            Whose::Compile(job) => (job, " step=compile".to_owned()),
            Whose::Run(job) => (job, String::new()),
            Whose::Case(job, index) => (job, format!(" case={index}")),
        };
        let _ = writeln!(
            text,
            "[{bytes} bytes left out here; read_output job={job} stream={stream}{step} offset={offset} shows them]"
        );
        line(text, tail);
    }
    if written_bytes > kept_bytes {
        let _ = writeln!(text, "[only the first {kept_bytes} bytes are kept; 'limits.report_bytes' keeps more]");
    }
}

fn line(text: &mut String, output: &str) {
    text.push_str(output);
    if !output.ends_with('\n') && !output.is_empty() {
        text.push('\n');
    }
}
