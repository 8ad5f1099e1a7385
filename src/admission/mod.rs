//! From a submission to an admitted job, or to a refusal that says which rule.
//!
//! ```text
//! bytes ─▶ submission (strict JSON) ─▶ program ─▶ cases, judging ─▶ words ─▶ Admitted
//!               └─────────────────────────┴──────────────┴───────────┴──▶ Refusal
//! ```
//!
//! Pure: no clock, no disk, no network. What leaves here is valid by
//! construction; nothing after it checks a client's words again. It must never
//! change what was asked for: a value outside its bounds is refused, not
//! clamped.

mod cases;
mod dependencies;
mod environment;
mod files;
mod judging;
mod limits;
mod program;
#[cfg(test)]
mod properties;
mod refusal;
mod strict;
mod submission;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;

use enclos_images::compile_key::Compilation;
use enclos_images::{Catalogue, Language};
use enclos_protocol::ids::Binding;
use enclos_protocol::job::{JobInput, JobSpec};
use enclos_protocol::limits::OnOutputLimit;
use sha2::{Digest as _, Sha256};

use crate::scoring::Scoring;

pub use cases::NamedCase;
pub use judging::{CheckerChoice, FloatOptions, SubmittedCase, SubmittedCompanion, SubmittedGroup, TokensOptions};
pub use program::language;
pub use refusal::Refusal;
pub use strict::few_there;
pub use submission::{
    CompileOptions, CpuShare, IsolationChoice, Limits, OutputLimitChoice, ReuseChoice, RunOptions, StepLimitsRequest,
    Submission, SubmittedFile, Whole, strict_json,
};

/// How much a submission may bring, for who describes it.
pub mod bounds {
    pub use super::LIVE_EXCLUDES;
    pub use super::cases::{GROUPS_MAX, NAME_BYTES_MAX as CASE_NAME_BYTES_MAX, WEIGHT_MAX};
    pub use super::dependencies::INSTALLERS_MAX;
    pub use super::environment::{NAME_BYTES_MAX, VARIABLES_MAX};
    pub use super::files::FILES_MAX;
    pub use super::words::{ARGS_MAX, LABEL_NAME_BYTES_MAX, LABEL_VALUE_BYTES_MAX, LABELS_MAX, SCOPE_BYTES_MAX};
}

/// Largest body of a submission, in bytes: the largest cases and files as base64 and the JSON around them.
pub const BODY_BYTES_MAX: usize = 112 * 1024 * 1024;

/// Fields that a submission with live standard input has not.
pub const LIVE_EXCLUDES: [&str; 4] = ["stdin", "stdin_base64", "cases", "interactor"];

/// A job that may be stored and run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admitted {
    /// What is to be done.
    pub spec: JobSpec,
    /// Its bytes, those of its cases left out.
    pub input: JobInput,
    /// Its cases, in order; none where it is run once.
    pub cases: Vec<NamedCase>,
    /// How its score is reckoned.
    pub scoring: Scoring,
    /// By what an agent knows that it has compiled the same before.
    pub compile_key: Option<u64>,
    /// The client's own marks.
    pub labels: BTreeMap<String, String>,
    /// SHA-256 of the submission in one canonical form: two bodies that say the
    /// same (whitespace, order of keys, `null` or absent) have the same digest.
    pub body_digest: [u8; 32],
}

impl Admitted {
    /// Bytes of all that it brings.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        let cases = self.cases.iter().map(|c| c.case.size_bytes() + c.name.len()).sum::<usize>();
        (self.input.size_bytes() + cases) as u64
    }
}

/// The job that `body` asks for on behalf of `tenant`.
///
/// # Errors
/// [`Refusal`] with the rule, the field, and the bound that was passed.
pub fn admit(catalogue: &Catalogue, tenant: &str, body: &[u8]) -> Result<Admitted, Refusal> {
    let submission: Submission = strict_json(body)?;
    let body_digest = digest(&submission);
    refuse_contradictions(&submission)?;
    // No `..`: a new field of a submission must be considered here.
    let Submission {
        language,
        files,
        source,
        entry,
        compile,
        run,
        stdin,
        stdin_base64,
        cases,
        checker,
        interactor,
        stop_on_first_failure,
        groups,
        keep_files,
        no_cache,
        on_output_limit,
        merge_stderr,
        limits,
        isolation,
        reuse,
        scope,
        labels,
        dependencies,
    } = submission;
    let asked = program::Asked { language, files, source, entry, compile, limits };
    let program::Program { language, files, entry, compile_args, compile_limits, run_limits } =
        program::admitted(catalogue, asked)?;
    let asked = cases::Asked { cases, checker, interactor, stop_on_first_failure, groups };
    let cases::Cases { plan, cases, companion, scoring } = cases::admitted(catalogue, language, &run_limits, asked)?;
    let stdin = files::bytes("stdin", stdin, stdin_base64)?.unwrap_or_default().into();
    let input = JobInput { files, stdin, companion };
    files::within_size(&input)?;

    let RunOptions { args: run_args, env, attach } = run.unwrap_or_default();
    let spec = JobSpec {
        binding: Binding { tenant: tenant.to_owned(), scope: words::scope(scope)? },
        language: language.id.clone(),
        entry,
        compile_args,
        run_args: words::arguments("run.args", run_args)?,
        env: environment::admitted(language, env)?,
        compile_limits,
        run_limits,
        on_output_limit: on_output_limit.map_or_else(OnOutputLimit::default, Into::into),
        merge_stderr: merge_stderr.unwrap_or(false),
        reuse: reuse.map(Into::into).unwrap_or_default(),
        isolation: isolation.map(Into::into).unwrap_or_default(),
        cases: plan,
        keep_files: files::kept(keep_files)?,
        no_cache: no_cache.unwrap_or(false),
        live_stdin: attach.unwrap_or(false),
        dependencies: dependencies::admitted(catalogue, language, dependencies)?,
    };
    let compile_key = compile_key(language, &spec, &input);
    Ok(Admitted { spec, input, cases, scoring, compile_key, labels: words::labels(labels)?, body_digest })
}

/// Fields that exclude each other, whatever their values.
fn refuse_contradictions(submission: &Submission) -> Result<(), Refusal> {
    let Submission { cases, interactor, stdin, stdin_base64, keep_files, merge_stderr, isolation, run, .. } =
        submission;
    let (many, spoken_with) = (cases.is_some(), interactor.is_some());
    let excluded = [
        ("stdin", many && stdin.is_some(), "each of 'cases' has a stdin of its own"),
        ("stdin_base64", many && stdin_base64.is_some(), "each of 'cases' has a stdin of its own"),
        ("keep_files", many && keep_files.is_some(), "a job with 'cases' gives no files back"),
        (
            "interactor",
            spoken_with && *isolation == Some(IsolationChoice::Gvisor),
            "under gVisor an interactor could not be kept apart from the program",
        ),
        ("merge_stderr", spoken_with && *merge_stderr == Some(true), "an 'interactor' reads standard output alone"),
    ];
    let live = run.as_ref().and_then(|run| run.attach).unwrap_or(false);
    let fed = [stdin.is_some(), stdin_base64.is_some(), many, spoken_with];
    let fed = LIVE_EXCLUDES.into_iter().zip(fed).map(|(field, given)| {
        (field, live && given, "with 'run.attach' standard input is what clients send while the program runs")
    });
    match excluded.into_iter().chain(fed).find(|(_, given, _)| *given) {
        Some((field, _, why)) => Err(Refusal::invalid(field, why)),
        None => Ok(()),
    }
}

/// The first bytes of what makes its compile step the same as another's.
fn compile_key(language: &Language, spec: &JobSpec, input: &JobInput) -> Option<u64> {
    let compilation = Compilation {
        binding: &spec.binding,
        language,
        entry: &spec.entry,
        args: &spec.compile_args,
        limits: &spec.compile_limits,
        files: &input.files,
    };
    let key = compilation.key().filter(|_| !spec.no_cache)?;
    Some(key.short())
}

/// SHA-256 of the submission as its type writes it: fields in declared order, nothing for what is absent.
fn digest(submission: &Submission) -> [u8; 32] {
    let mut hash = Sha256::new();
    serde_json::to_writer(&mut hash, submission).expect("texts, numbers and maps with text keys are always JSON");
    hash.finalize().into()
}
