//! From a submission to an admitted job, or to a refusal that says which rule.
//!
//! ```text
//! bytes ─▶ submission (strict JSON) ─▶ language ─▶ files, entry ─▶ limits ─▶ words ─▶ Admitted
//!               └──────────────┴───────────────┴─────────────┴──────────┴──▶ Refusal
//! ```
//!
//! Pure: no clock, no disk, no network. What leaves here is valid by
//! construction; nothing after it checks a client's words again. It must never
//! change what was asked for: a value outside its bounds is refused, not
//! clamped.

mod dependencies;
mod environment;
mod files;
mod limits;
#[cfg(test)]
mod properties;
mod refusal;
mod submission;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;

use enclos_images::{Catalogue, Language};
use enclos_protocol::ids::Binding;
use enclos_protocol::job::{JobInput, JobSpec};
use enclos_protocol::limits::OnOutputLimit;
use sha2::{Digest as _, Sha256};

pub use refusal::Refusal;
pub use submission::{
    CompileOptions, CpuShare, IsolationChoice, Limits, OutputLimitChoice, ReuseChoice, RunOptions, StepLimitsRequest,
    Submission, SubmittedFile, Whole,
};

/// Largest body of a submission, in bytes: the largest input as base64 and the JSON around it.
pub const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A job that may be stored and run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admitted {
    /// What is to be done.
    pub spec: JobSpec,
    /// Its bytes.
    pub input: JobInput,
    /// The client's own marks.
    pub labels: BTreeMap<String, String>,
    /// SHA-256 of the submission in one canonical form: two bodies that say the
    /// same (whitespace, order of keys, `null` or absent) have the same digest.
    pub body_digest: [u8; 32],
}

/// The job that `body` asks for on behalf of `tenant`.
///
/// # Errors
/// [`Refusal`] with the rule, the field, and the bound that was passed.
pub fn admit(catalogue: &Catalogue, tenant: &str, body: &[u8]) -> Result<Admitted, Refusal> {
    let submission = submission::parse(body)?;
    let body_digest = digest(&submission);
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
        on_output_limit,
        merge_stderr,
        limits,
        isolation,
        reuse,
        scope,
        labels,
        dependencies,
    } = submission;
    let (compile, run, limits) = (compile.unwrap_or_default(), run.unwrap_or_default(), limits.unwrap_or_default());

    let sources = files::gather(files, source, entry)?;
    let language = choose_language(catalogue, language.as_deref(), &sources)?;
    let (files, entry) = sources.resolve(language)?;
    let input = JobInput { files, stdin: files::stdin(stdin, stdin_base64)?.into() };
    files::within_size(&input)?;

    let compile_args = words::arguments("compile.args", compile.args)?;
    if language.compile.is_none() && !compile_args.is_empty() {
        let detail = format!("{} has no compile step, so it takes no compile arguments", language.name);
        return Err(Refusal::invalid("compile.args", detail));
    }
    let spec = JobSpec {
        binding: Binding { tenant: tenant.to_owned(), scope: words::scope(scope)? },
        language: language.id.clone(),
        entry,
        compile_args,
        run_args: words::arguments("run.args", run.args)?,
        env: environment::admitted(language, run.env)?,
        compile_limits: limits::within("compile", language, &language.compile_bounds, limits.compile)?,
        run_limits: limits::within("run", language, &language.run_bounds, limits.run)?,
        on_output_limit: on_output_limit.map_or_else(OnOutputLimit::default, Into::into),
        merge_stderr: merge_stderr.unwrap_or(false),
        reuse: reuse.map(Into::into).unwrap_or_default(),
        isolation: isolation.map(Into::into).unwrap_or_default(),
        dependencies: dependencies::admitted(catalogue, language, dependencies)?,
    };
    Ok(Admitted { spec, input, labels: words::labels(labels)?, body_digest })
}

fn choose_language<'a>(
    catalogue: &'a Catalogue,
    named: Option<&str>,
    sources: &files::Sources,
) -> Result<&'a Language, Refusal> {
    if let Some(name) = named {
        return catalogue.find(name).ok_or_else(|| Refusal::unknown_language(name, &catalogue.nearest(name)));
    }
    let Some(path) = sources.leading_path() else {
        let detail = "say the 'language', or an 'entry' whose extension tells it";
        return Err(Refusal::invalid("language", detail.to_owned()));
    };
    let extension = path.extension().unwrap_or_default();
    catalogue.by_extension(extension).ok_or_else(|| Refusal::unknown_extension(sources.leading_field(), path.as_str()))
}

/// SHA-256 of the submission as its type writes it: fields in declared order, nothing for what is absent.
fn digest(submission: &Submission) -> [u8; 32] {
    let mut hash = Sha256::new();
    serde_json::to_writer(&mut hash, submission).expect("texts, numbers and maps with text keys are always JSON");
    hash.finalize().into()
}
