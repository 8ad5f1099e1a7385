//! What the tools are asked, and the submission that says the same. Pure.
//!
//! The comments of fields are what a model reads. Only shapes are checked here; what values mean is
//! admission's, whose words for fields become those of the tools again in [`super::refused`].

use std::collections::BTreeMap;

use enclos_protocol::cases::CASES_MAX;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::admission::bounds::{ARGS_MAX, FILES_MAX};
use crate::admission::{
    self, CheckerChoice, CompileOptions, FloatOptions, Refusal, RunOptions, StepLimitsRequest, Submission,
    SubmittedCase, SubmittedFile, TokensOptions, Whole, few_there,
};

/// Cases of one call.
const CASES: usize = CASES_MAX as usize;
/// Difference between two numbers that `float` takes for the same where none is given.
const TOLERANCE: f64 = 1e-9;

/// One file of the program: its path, and either `content` or `content_base64`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Relative path, such as `src/util.py`.
    path: String,
    /// The content as text.
    content: Option<String>,
    /// The content as base64, for bytes that are no text.
    content_base64: Option<String>,
}

/// Limits of a run. Each has a default, and a maximum that `list_languages` tells.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// CPU time, in milliseconds.
    cpu_ms: Option<u64>,
    /// Time on the clock, in milliseconds.
    wall_ms: Option<u64>,
    /// Memory, in bytes.
    memory_bytes: Option<u64>,
    /// What stdout and stderr may each produce before the program is ended, in bytes.
    output_bytes: Option<u64>,
    /// What is kept of stdout and of stderr for `read_output`, in bytes: the beginning.
    report_bytes: Option<u64>,
}

/// Arguments of `run_code`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunCode {
    /// Id or alias of a language, such as `python` or `cpp`. May be left out where the extension of `entry` tells it.
    language: Option<String>,
    /// The program, where it is one file. Give either this or `files`.
    code: Option<String>,
    /// The program and its data files, where it is several.
    #[serde(default, deserialize_with = "few_there::<_, _, FILES_MAX>")]
    files: Vec<File>,
    /// Path of the file to compile or run first; default: the language's usual name, else the first of `files`.
    entry: Option<String>,
    /// Standard input of the program; nothing can be typed while it runs.
    stdin: Option<String>,
    /// Arguments for the program.
    #[serde(default, deserialize_with = "few_there::<_, _, ARGS_MAX>")]
    args: Vec<String>,
    /// Arguments for the compiler.
    #[serde(default, deserialize_with = "few_there::<_, _, ARGS_MAX>")]
    compile_args: Vec<String>,
    /// Packages to install first, by installer (`list_languages` names it), such as `{"python": ["numpy==2.*"]}`.
    #[serde(default)]
    dependencies: BTreeMap<String, Vec<String>>,
    /// Limits of the run.
    #[serde(default)]
    limits: Limits,
}

/// One run of the program, and what it should write.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// Its name; default: its number, from 1 on.
    name: Option<String>,
    /// Standard input.
    stdin: Option<String>,
    /// Arguments for the program.
    #[serde(default, deserialize_with = "few_there::<_, _, ARGS_MAX>")]
    args: Vec<String>,
    /// What it should write to stdout; where neither this nor `checker` is given, it passes by ending well.
    expected_stdout: Option<String>,
}

/// What makes an output right.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Checker {
    /// The same bytes.
    Exact,
    /// The same but for white space at the end of lines and empty lines at the end.
    Trim,
    /// The same words.
    Tokens,
    /// The same words, numbers with `tolerance`.
    Float,
    /// The same lines in any order.
    UnorderedLines,
}

/// Arguments of `run_tests`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunTests {
    /// Id or alias of a language, such as `python` or `cpp`. May be left out where the extension of `entry` tells it.
    language: Option<String>,
    /// The program, where it is one file. Give either this or `files`.
    code: Option<String>,
    /// The program and its data files, where it is several.
    #[serde(default, deserialize_with = "few_there::<_, _, FILES_MAX>")]
    files: Vec<File>,
    /// Path of the file to compile or run first; default: the language's usual name, else the first of `files`.
    entry: Option<String>,
    /// The runs, each in a fresh sandboxed process.
    #[serde(deserialize_with = "few_there::<_, _, CASES>")]
    cases: Vec<Case>,
    /// How stdout is compared with `expected_stdout`; default `trim`.
    checker: Option<Checker>,
    /// For the checker `float`: the largest difference, absolute or relative; default 1e-9.
    tolerance: Option<f64>,
    /// Run no case after one that failed; default `false`.
    stop_on_first_failure: Option<bool>,
    /// Arguments for the compiler.
    #[serde(default, deserialize_with = "few_there::<_, _, ARGS_MAX>")]
    compile_args: Vec<String>,
    /// Packages to install first, by installer (`list_languages` names it), such as `{"python": ["numpy==2.*"]}`.
    #[serde(default)]
    dependencies: BTreeMap<String, Vec<String>>,
    /// Limits of each run.
    #[serde(default)]
    limits: Limits,
}

/// What the arguments of both have alike.
struct Program {
    language: Option<String>,
    code: Option<String>,
    files: Vec<File>,
    entry: Option<String>,
    compile_args: Vec<String>,
    dependencies: BTreeMap<String, Vec<String>>,
    limits: Limits,
}

impl Program {
    fn submission(self) -> Submission {
        let Self { language, code, files, entry, compile_args, dependencies, limits } = self;
        let file = |File { path, content, content_base64 }| SubmittedFile { path, content, content_base64, blob: None };
        let files: Vec<SubmittedFile> = files.into_iter().map(file).collect();
        Submission {
            language,
            source: code,
            files: some(files),
            entry,
            compile: some(compile_args).map(|args| CompileOptions { args: Some(args) }),
            dependencies: (!dependencies.is_empty()).then_some(dependencies),
            limits: limits.asked().map(|run| admission::Limits { compile: None, run: Some(run) }),
            ..Submission::default()
        }
    }
}

impl Limits {
    fn asked(self) -> Option<StepLimitsRequest> {
        let Self { cpu_ms, wall_ms, memory_bytes, output_bytes, report_bytes } = self;
        let asked = StepLimitsRequest {
            cpu_ms: cpu_ms.map(Whole),
            wall_ms: wall_ms.map(Whole),
            memory_bytes: memory_bytes.map(Whole),
            output_bytes: output_bytes.map(Whole),
            report_bytes: report_bytes.map(Whole),
            ..StepLimitsRequest::default()
        };
        (asked != StepLimitsRequest::default()).then_some(asked)
    }
}

impl RunCode {
    /// The submission that says the same.
    pub(super) fn submission(self) -> Submission {
        let Self { language, code, files, entry, stdin, args, compile_args, dependencies, limits } = self;
        let program = Program { language, code, files, entry, compile_args, dependencies, limits };
        let run = some(args).map(|args| RunOptions { args: Some(args), ..RunOptions::default() });
        Submission { stdin, run, ..program.submission() }
    }
}

impl RunTests {
    /// The submission that says the same.
    ///
    /// # Errors
    /// [`Refusal`] where the tolerance is one of another checker.
    pub(super) fn submission(self) -> Result<Submission, Refusal> {
        let Self {
            language,
            code,
            files,
            entry,
            cases,
            checker,
            tolerance,
            stop_on_first_failure,
            compile_args,
            dependencies,
            limits,
        } = self;
        let program = Program { language, code, files, entry, compile_args, dependencies, limits };
        let case = |Case { name, stdin, args, expected_stdout }| SubmittedCase {
            name,
            stdin,
            args: some(args),
            expected_stdout,
            ..SubmittedCase::default()
        };
        let cases = Some(cases.into_iter().map(case).collect());
        let checker = chosen(checker, tolerance)?;
        Ok(Submission { cases, checker, stop_on_first_failure, ..program.submission() })
    }
}

fn chosen(checker: Option<Checker>, tolerance: Option<f64>) -> Result<Option<CheckerChoice>, Refusal> {
    if tolerance.is_some() && !matches!(checker, Some(Checker::Float)) {
        return Err(Refusal::invalid("tolerance", "this is said of the checker 'float'"));
    }
    Ok(checker.map(|checker| match checker {
        Checker::Exact => CheckerChoice::Exact,
        Checker::Trim => CheckerChoice::Trim,
        Checker::Tokens => CheckerChoice::Tokens(TokensOptions::default()),
        Checker::Float => {
            let difference = Some(tolerance.unwrap_or(TOLERANCE));
            CheckerChoice::Float(FloatOptions { abs: difference, rel: difference, ignore_case: None })
        }
        Checker::UnorderedLines => CheckerChoice::UnorderedLines,
    }))
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}
