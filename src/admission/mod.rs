//! From a submission to an admitted job, or to a refusal that says which rule.
//!
//! ```text
//! bytes ─▶ submission (strict JSON) ─▶ archive ─▶ program ─▶ cases, judging ─▶ words ─▶ Admitted
//!               └─────────────────────────┴──────────────┴───────────┴──▶ Refusal
//! ```
//!
//! Pure: no clock, no disk, no network. What leaves here is valid by
//! construction; nothing after it checks a client's words again. It must never
//! change what was asked for: a value outside its bounds is refused, not
//! clamped.

mod archive;
mod blobs;
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

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use enclos_images::compile_key::{Compilation, Source};
use enclos_images::{Catalogue, Language};
use enclos_protocol::ids::Binding;
use enclos_protocol::job::{Isolation, JobInput, JobSpec};
use enclos_protocol::limits::OnOutputLimit;
use sha2::{Digest as _, Sha256};

use crate::access::Priority;
use crate::outbound::Target;
use crate::scoring::Scoring;
use crate::store::{BlobUse, Digest, Place};
use blobs::Known;

pub use archive::unpack;
pub use blobs::Brought;
pub use cases::NamedCase;
pub use judging::{CheckerChoice, FloatOptions, SubmittedCase, SubmittedCompanion, SubmittedGroup, TokensOptions};
pub use program::language;
pub use refusal::Refusal;
pub use strict::few_there;
pub use submission::{
    CompileOptions, CpuShare, IsolationChoice, Limits, OutputLimitChoice, PriorityChoice, ReuseChoice, RunOptions,
    StepLimitsRequest, Submission, SubmittedArchive, SubmittedFile, Whole, strict_json,
};

/// How much a submission may bring, for who describes it.
pub mod bounds {
    pub use super::LIVE_EXCLUDES;
    pub use super::archive::{ARCHIVE_BYTES_MAX, HEADERS_MAX};
    pub use super::cases::{GROUPS_MAX, NAME_BYTES_MAX as CASE_NAME_BYTES_MAX, WEIGHT_MAX};
    pub use super::dependencies::INSTALLERS_MAX;
    pub use super::environment::{NAME_BYTES_MAX, VARIABLES_MAX};
    pub use super::files::FILES_MAX;
    pub use super::words::{ARGS_MAX, LABEL_NAME_BYTES_MAX, LABEL_VALUE_BYTES_MAX, LABELS_MAX, SCOPE_BYTES_MAX};
}

/// Largest body of a submission, in bytes: the largest cases and files as base64 and the JSON around them.
pub const BODY_BYTES_MAX: usize = 112 * 1024 * 1024;

/// Fields that a submission with live standard input has not.
pub const LIVE_EXCLUDES: [&str; 5] = ["stdin", "stdin_base64", "stdin_blob", "cases", "interactor"];

/// A job that may be stored and run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Admitted {
    /// What is to be done.
    pub spec: JobSpec,
    /// Its bytes, those of its cases left out.
    pub input: JobInput,
    /// Its cases, in order; none where it is run once.
    pub cases: Vec<NamedCase>,
    /// What of its bytes and cases is in blobs.
    pub blobs: Vec<BlobUse>,
    /// How its score is reckoned.
    pub scoring: Scoring,
    /// By what an agent knows that it has compiled the same before.
    pub compile_key: Option<u64>,
    /// How urgent it is; `None`: it leaves that to others.
    pub priority: Option<Priority>,
    /// How long it may wait; `None`: it leaves that to others.
    pub queue_ttl: Option<Duration>,
    /// Of its program, in the first bytes of a digest; never 0.
    pub source: u64,
    /// The client's own marks.
    pub labels: BTreeMap<String, String>,
    /// Where its end is told.
    pub callback: Option<Target>,
    /// SHA-256 of the submission in one canonical form: two bodies that say the
    /// same (whitespace, order of keys, `null` or absent) have the same digest.
    pub body_digest: [u8; 32],
}

impl Admitted {
    /// Bytes of all that it brings itself: blobs have a bound of their own.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        let cases = self.cases.iter().map(|c| c.case.size_bytes() + c.name.len()).sum::<usize>();
        (self.input.size_bytes() + cases) as u64
    }
}

/// A submission whose shape is right.
#[derive(Debug)]
pub struct Parsed {
    submission: Submission,
    /// As of [`Admitted`].
    pub body_digest: [u8; 32],
}

impl Parsed {
    /// The submission that `body` is.
    ///
    /// # Errors
    /// [`Refusal`] with the field that is wrong.
    pub fn of(body: &[u8]) -> Result<Self, Refusal> {
        let submission: Submission = strict_json(body)?;
        let body_digest = digest(&submission);
        Ok(Self { submission, body_digest })
    }

    /// Every blob that it names.
    #[must_use]
    pub fn blobs(&self) -> BTreeSet<Digest> {
        blobs::named(&self.submission)
    }

    /// The blob that is its archive.
    #[must_use]
    pub fn archive_blob(&self) -> Option<Digest> {
        self.submission.archive.as_ref()?.blob.as_ref()?.parse().ok()
    }

    /// The isolation that it asks for; `None`: it leaves that to others.
    #[must_use]
    pub fn isolation(&self) -> Option<Isolation> {
        self.submission.isolation.map(Into::into)
    }

    /// The job that it asks for on behalf of `tenant`, which has these blobs.
    ///
    /// # Errors
    /// As [`admit`].
    pub fn admit(self, catalogue: &Catalogue, tenant: &str, brought: Brought) -> Result<Admitted, Refusal> {
        admitted(catalogue, tenant, self, brought)
    }
}

/// The job that `body` asks for on behalf of `tenant`, which has no blobs.
///
/// # Errors
/// [`Refusal`] with the rule, the field, and the bound that was passed.
pub fn admit(catalogue: &Catalogue, tenant: &str, body: &[u8]) -> Result<Admitted, Refusal> {
    Parsed::of(body)?.admit(catalogue, tenant, Brought::default())
}

fn admitted(
    catalogue: &Catalogue,
    tenant: &str,
    Parsed { submission, body_digest }: Parsed,
    Brought { sizes, archive: archive_bytes }: Brought,
) -> Result<Admitted, Refusal> {
    refuse_contradictions(&submission)?;
    // No `..`: a new field of a submission must be considered here.
    let Submission {
        language,
        files,
        archive,
        source,
        entry,
        compile,
        run,
        stdin,
        stdin_base64,
        stdin_blob,
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
        callback_url,
        dependencies,
        priority,
        queue_ttl_ms,
    } = submission;
    let archive = files::unpacked(archive, files.as_ref().map_or(0, Vec::len), &sizes, archive_bytes)?;
    let asked = program::Asked { language, files, archive, source, entry, compile, limits };
    let program::Program { language, files, blobs: file_blobs, entry, compile_args, compile_limits, run_limits } =
        program::admitted(catalogue, asked, &sizes)?;
    let asked = cases::Asked { cases, checker, interactor, stop_on_first_failure, groups };
    let cases::Cases { plan, cases, companion, companion_blobs_bytes, mut blobs, scoring } =
        cases::admitted(catalogue, language, &run_limits, asked, &sizes)?;
    let stdin = files::bytes("stdin", stdin, stdin_base64, stdin_blob, &sizes)?;
    let (stdin, stdin_blob) = stdin.map(files::Content::parts).unwrap_or_default();
    let input = JobInput { files, stdin: stdin.into(), companion };
    let (own, own_bytes) = references(&file_blobs, stdin_blob);
    blobs.extend(own);
    files::within_size(&input, companion_blobs_bytes + own_bytes)?;

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
    let files = sources(&input, &file_blobs);
    Ok(Admitted {
        compile_key: compile_key(language, &spec, &files),
        source: source_key(&spec, &files),
        priority: priority.map(Into::into),
        queue_ttl: words::queue_ttl(queue_ttl_ms)?,
        labels: words::labels(labels)?,
        callback: words::callback(callback_url)?,
        spec,
        input,
        cases,
        blobs,
        scoring,
        body_digest,
    })
}

/// Which of its files and whether its standard input are in blobs, and the bytes of those.
fn references(files: &[(u32, Known)], stdin: Option<Known>) -> (Vec<BlobUse>, u64) {
    let of_files = files.iter().map(|(index, known)| (Place::File(*index), *known, format!("files[{index}].blob")));
    let of_input = of_files.chain(stdin.map(|known| (Place::Stdin, known, "stdin_blob".to_owned())));
    let uses =
        of_input.map(|(place, Known { digest, size_bytes }, field)| (BlobUse { place, digest, field }, size_bytes));
    let (uses, sizes): (Vec<_>, Vec<_>) = uses.unzip();
    (uses, sizes.into_iter().sum())
}

/// Fields that exclude each other, whatever their values.
fn refuse_contradictions(submission: &Submission) -> Result<(), Refusal> {
    let Submission {
        cases, interactor, stdin, stdin_base64, stdin_blob, keep_files, merge_stderr, isolation, run, ..
    } = submission;
    let (many, spoken_with) = (cases.is_some(), interactor.is_some());
    let excluded = [
        ("stdin", many && stdin.is_some(), "each of 'cases' has a stdin of its own"),
        ("stdin_base64", many && stdin_base64.is_some(), "each of 'cases' has a stdin of its own"),
        ("stdin_blob", many && stdin_blob.is_some(), "each of 'cases' has a stdin of its own"),
        ("keep_files", many && keep_files.is_some(), "a job with 'cases' gives no files back"),
        (
            "interactor",
            spoken_with && *isolation == Some(IsolationChoice::Gvisor),
            "under gVisor an interactor could not be kept apart from the program",
        ),
        ("merge_stderr", spoken_with && *merge_stderr == Some(true), "an 'interactor' reads standard output alone"),
    ];
    let live = run.as_ref().and_then(|run| run.attach).unwrap_or(false);
    let fed = [stdin.is_some(), stdin_base64.is_some(), stdin_blob.is_some(), many, spoken_with];
    let fed = LIVE_EXCLUDES.into_iter().zip(fed).map(|(field, given)| {
        (field, live && given, "with 'run.attach' standard input is what clients send while the program runs")
    });
    match excluded.into_iter().chain(fed).find(|(_, given, _)| *given) {
        Some((field, _, why)) => Err(Refusal::invalid(field, why)),
        None => Ok(()),
    }
}

/// Its files by their digests, those in blobs among them.
fn sources<'a>(input: &'a JobInput, blobs: &[(u32, Known)]) -> Vec<Source<'a>> {
    let mut files: Vec<Source<'_>> = input.files.iter().map(Source::of).collect();
    for (index, known) in blobs {
        if let Some(file) = files.get_mut(*index as usize) {
            file.digest = known.digest.0;
        }
    }
    files
}

/// The first bytes of what makes its compile step the same as another's.
fn compile_key(language: &Language, spec: &JobSpec, files: &[Source<'_>]) -> Option<u64> {
    language.compile.as_ref().filter(|_| !spec.no_cache)?;
    let compilation = Compilation {
        binding: &spec.binding,
        language,
        entry: &spec.entry,
        args: &spec.compile_args,
        limits: &spec.compile_limits,
        files,
    };
    Some(compilation.key()?.short())
}

/// The first bytes of what makes its program the same as another's: what it uses then is likely the
/// same, whatever it is given to read. Two that come to one key spoil each other's estimates, no more.
fn source_key(spec: &JobSpec, files: &[Source<'_>]) -> u64 {
    let mut hash = Sha256::new();
    let mut text = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    text(spec.entry.as_str());
    spec.compile_args.iter().chain(&spec.run_args).for_each(|arg| text(arg));
    files.iter().for_each(|file| text(file.path.as_str()));
    files.iter().for_each(|file| hash.update(file.digest));
    // Twice as many cases take about twice as long.
    hash.update(spec.cases.as_ref().map_or(0, |plan| plan.count).to_be_bytes());
    let [a, b, c, d, e, f, g, h, ..] = <[u8; 32]>::from(hash.finalize());
    u64::from_be_bytes([a, b, c, d, e, f, g, h]).max(1)
}

/// SHA-256 of the submission as its type writes it: fields in declared order, nothing for what is absent.
fn digest(submission: &Submission) -> [u8; 32] {
    let mut hash = Sha256::new();
    serde_json::to_writer(&mut hash, submission).expect("texts, numbers and maps with text keys are always JSON");
    hash.finalize().into()
}
