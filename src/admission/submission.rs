//! The wire type of a submission, parsed strictly.
//!
//! Unknown fields are refused at every level, so a misspelt limit can never be
//! taken for its default. `null` is the same as absent. Only shapes are
//! checked here; what the values mean is checked by the modules after this one.

use std::collections::BTreeMap;
use std::fmt;

use enclos_protocol::dependencies::REQUIREMENTS_MAX;
use enclos_protocol::glob::KEEP_GLOBS_MAX;
use enclos_protocol::job::{Isolation, Reuse};
use enclos_protocol::limits::OnOutputLimit;
use serde::de::{self, DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::error::Category;
use utoipa::ToSchema;

use super::cases::{CASES, GROUPS_MAX};
use super::dependencies::INSTALLERS_MAX;
use super::environment::VARIABLES_MAX;
use super::files::FILES_MAX;
use super::judging::{CheckerChoice, SubmittedCase, SubmittedCompanion, SubmittedGroup};
use super::refusal::Refusal;
use super::strict::{few, few_lists, few_objects, few_texts, maximum, object};
use super::words::{ARGS_MAX, LABELS_MAX};
use crate::access::Priority;

/// Characters of a parser's message that an answer repeats: it may hold a client's own, endless word.
const MESSAGE_CHARS_MAX: usize = 400;
/// Characters of a field's path that an answer repeats.
const FIELD_CHARS_MAX: usize = 200;

/// What a client asks for.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// Id or alias of a language; when omitted, the entry file's extension decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "c")]
    pub language: Option<String>,
    /// Sources and data files. Either this or `source`.
    #[serde(default, deserialize_with = "few_objects::<_, _, FILES_MAX>", skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<SubmittedFile>>,
    /// A tar archive whose regular files are added to `files`, which may then be left out.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Option::is_none")]
    pub archive: Option<SubmittedArchive>,
    /// The one source file. Either this, or `files` and `archive`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "int main(void) { return 0; }")]
    pub source: Option<String>,
    /// The file that is compiled or run first; default: the language's usual file name, else its first source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// Of the compile step.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Option::is_none")]
    pub compile: Option<CompileOptions>,
    /// Of the run.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Option::is_none")]
    pub run: Option<RunOptions>,
    /// Standard input of the run, as text. At most one of this, `stdin_base64` and `stdin_blob`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Standard input of the run, as base64 of its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin_base64: Option<String>,
    /// Standard input of the run, by the SHA-256 of a blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1def07dbe06eeb097aafec8a40329937cd20c93a83634b8221ea2b41a894310c")]
    pub stdin_blob: Option<String>,
    /// Many runs of one program: it is compiled once. Excludes `stdin`.
    #[serde(default, deserialize_with = "few_objects::<_, _, CASES>", skip_serializing_if = "Option::is_none")]
    pub cases: Option<Vec<SubmittedCase>>,
    /// What makes the output of a case right; default `trim`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checker: Option<CheckerChoice>,
    /// A program that speaks with the program, and says whether it is right. Excludes `checker`.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Option::is_none")]
    pub interactor: Option<SubmittedCompanion>,
    /// No case is run after one that was not accepted; default `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_on_first_failure: Option<bool>,
    /// Groups of cases with points; without any, the score is the mean over all cases.
    #[serde(default, deserialize_with = "few_objects::<_, _, GROUPS_MAX>", skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<SubmittedGroup>>,
    /// Files to give back after the run: patterns with `*`, `?` and `**`, below the job's directory.
    #[serde(default, deserialize_with = "few::<_, _, KEEP_GLOBS_MAX>", skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["out/*.png"]))]
    pub keep_files: Option<Vec<String>>,
    /// Compile anew even where the same was compiled before; default `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_cache: Option<bool>,
    /// What happens to a program that writes more than `output_bytes`; default `kill`. Of the
    /// run alone: what a compiler writes above its own is thrown away, and it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_output_limit: Option<OutputLimitChoice>,
    /// Standard error goes into standard output, in the order written; default `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merge_stderr: Option<bool>,
    /// Limits; defaults, minima and maxima are in `GET /v1/languages`.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// At least this isolation; default: whatever the agent has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<IsolationChoice>,
    /// `never`: a sandbox of its own that is destroyed afterwards; default `tenant`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reuse: Option<ReuseChoice>,
    /// Jobs of different scopes never share a sandbox: a site passes its own user's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "user-123")]
    pub scope: Option<String>,
    /// Marks of the client's own, to find jobs again.
    #[serde(default, deserialize_with = "few_texts::<_, LABELS_MAX>", skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Packages to be installed for the program, by installer (`GET /v1/languages` names them): names of its
    /// index, with extras and versions.
    #[serde(
        default,
        deserialize_with = "few_lists::<_, INSTALLERS_MAX, REQUIREMENTS_MAX>",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(example = json!({ "python": ["numpy==2.*"] }))]
    pub dependencies: Option<BTreeMap<String, Vec<String>>>,
    /// How urgent it is; default `normal`, or what the tenant may have at most. A job that waits rises with time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<PriorityChoice>,
    /// Cancelled if it still waits after so many milliseconds; default: as the operator says, else never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, example = 60_000)]
    pub queue_ttl_ms: Option<Whole>,
}

/// One file: its path, and exactly one of `content`, `content_base64` and `blob`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmittedFile {
    /// Relative path, `/` between components, below the job's directory.
    #[schema(example = "main.c")]
    pub path: String,
    /// The content as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// The content as base64 of its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_base64: Option<String>,
    /// The content, by the SHA-256 of a blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1def07dbe06eeb097aafec8a40329937cd20c93a83634b8221ea2b41a894310c")]
    pub blob: Option<String>,
}

/// A tar archive (ustar, pax or GNU, not compressed): exactly one of `content_base64` and `blob`.
///
/// It holds regular files and directories; links, devices and sparse files are refused.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmittedArchive {
    /// The archive as base64 of its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_base64: Option<String>,
    /// The archive, by the SHA-256 of a blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blob: Option<String>,
}

/// Options of the compile step.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompileOptions {
    /// Arguments for the compiler.
    #[serde(default, deserialize_with = "few::<_, _, ARGS_MAX>", skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
}

/// Options of the run.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunOptions {
    /// Arguments for the program.
    #[serde(default, deserialize_with = "few::<_, _, ARGS_MAX>", skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Environment of the program; names that steer loaders and runtimes are refused.
    #[serde(default, deserialize_with = "few_texts::<_, VARIABLES_MAX>", skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// Standard input is live: what clients send over `GET /v1/jobs/{id}/attach` while the program runs. Excludes
    /// `stdin`, `cases` and `interactor`; default `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attach: Option<bool>,
}

/// Limits of both steps.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Of the compile step; ignored by languages without one.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Option::is_none")]
    pub compile: Option<StepLimitsRequest>,
    /// Of the run.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Option::is_none")]
    pub run: Option<StepLimitsRequest>,
}

/// Limits of one step. Each has a default, a minimum and a maximum; zero is zero, never "unlimited".
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepLimitsRequest {
    /// CPU time of all its processes, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub cpu_ms: Option<Whole>,
    /// Time on the clock, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub wall_ms: Option<Whole>,
    /// Memory, files in memory included, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub memory_bytes: Option<Whole>,
    /// Processes and threads alive at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub pids: Option<Whole>,
    /// What each of stdout and stderr may produce, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub output_bytes: Option<Whole>,
    /// What the answer keeps of each of stdout and stderr, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub report_bytes: Option<Whole>,
    /// Largest single file, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub file_bytes: Option<Whole>,
    /// Stack of the main thread, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub stack_bytes: Option<Whole>,
    /// Processor share in cores, with at most three decimals.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<f64>, example = 0.5)]
    pub cpus: Option<CpuShare>,
}

/// What happens above `output_bytes`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutputLimitChoice {
    /// The program is killed: `output_limit`.
    Kill,
    /// It runs on, and what is above is thrown away.
    Truncate,
}

impl From<OutputLimitChoice> for OnOutputLimit {
    fn from(choice: OutputLimitChoice) -> Self {
        match choice {
            OutputLimitChoice::Kill => Self::Kill,
            OutputLimitChoice::Truncate => Self::Truncate,
        }
    }
}

/// The weakest isolation that a job accepts; a later one is stronger.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum IsolationChoice {
    /// The host's kernel, hardened.
    Runc,
    /// As `runc`, with the engine's users mapped to ordinary ones.
    Userns,
    /// gVisor.
    Gvisor,
}

impl From<IsolationChoice> for Isolation {
    fn from(choice: IsolationChoice) -> Self {
        match choice {
            IsolationChoice::Runc => Self::Runc,
            IsolationChoice::Userns => Self::Userns,
            IsolationChoice::Gvisor => Self::Gvisor,
        }
    }
}

/// How urgent a job is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PriorityChoice {
    /// When nothing else waits; refused first where the queue fills.
    Low,
    /// As most jobs.
    Normal,
    /// Before the others.
    High,
}

impl From<PriorityChoice> for Priority {
    fn from(choice: PriorityChoice) -> Self {
        match choice {
            PriorityChoice::Low => Self::Low,
            PriorityChoice::Normal => Self::Normal,
            PriorityChoice::High => Self::High,
        }
    }
}

/// How many jobs the sandbox of this one may serve.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReuseChoice {
    /// Many of the same tenant and scope, one at a time.
    Tenant,
    /// This one alone.
    Never,
}

impl From<ReuseChoice> for Reuse {
    fn from(choice: ReuseChoice) -> Self {
        match choice {
            ReuseChoice::Tenant => Self::Tenant,
            ReuseChoice::Never => Self::Never,
        }
    }
}

/// A whole number from 0 on; `1.0`, `-1` and what does not fit 64 bits are refused by their shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct Whole(pub u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 0 to 18446744073709551615")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Whole, E> {
                Ok(Whole(value))
            }
        }
        deserializer.deserialize_u64(Reader)
    }
}

/// A processor share in thousandths of a core, from a decimal number of cores.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct CpuShare(pub u64);

impl<'de> Deserialize<'de> for CpuShare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = CpuShare;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of cores from 0 on, with at most three decimals")
            }

            fn visit_u64<E: de::Error>(self, cores: u64) -> Result<CpuShare, E> {
                Ok(CpuShare(cores.saturating_mul(1000)))
            }

            fn visit_f64<E: de::Error>(self, cores: f64) -> Result<CpuShare, E> {
                let millis = cores * 1000.0;
                let exact = (millis - millis.round()).abs() <= 1e-6 * millis.abs().max(1e-3);
                if !millis.is_finite() || millis < 0.0 || !exact {
                    return Err(E::invalid_value(de::Unexpected::Float(cores), &self));
                }
                #[expect(clippy::cast_possible_truncation, reason = "whole and not negative; above u64 it saturates")]
                Ok(CpuShare(millis.round() as u64))
            }
        }
        deserializer.deserialize_f64(Reader)
    }
}

/// What `body` holds, in one JSON object whose every field is known.
///
/// # Errors
/// [`Refusal`] with the field that is wrong.
pub fn strict_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    // serde reads a struct from an array too, by position; a submission has names.
    if body.iter().find(|b| !b.is_ascii_whitespace()).is_some_and(|&b| b != b'{') {
        return Err(Refusal::new(400, "malformed_json", "the body is one JSON object"));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|e| refused(&e))?;
    json.end().map_err(|e| Refusal::new(400, "malformed_json", format!("after the object: {e}")))?;
    Ok(value)
}

fn refused(error: &serde_path_to_error::Error<serde_json::Error>) -> Refusal {
    let detail: String = error.inner().to_string().chars().take(MESSAGE_CHARS_MAX).collect();
    let mut field = error.path().to_string();
    // The path of a repeated field ends at the object that repeats it.
    if let Some(name) = detail.strip_prefix("duplicate field `").and_then(|rest| rest.split('`').next()) {
        field = if field == "." { name.to_owned() } else { format!("{field}.{name}") };
    }
    let field: String = field.chars().take(FIELD_CHARS_MAX).collect();
    match error.inner().classify() {
        Category::Syntax | Category::Eof | Category::Io => Refusal::new(400, "malformed_json", detail),
        // serde tells an unknown field by its message alone; the prefix is its own text, never a client's.
        Category::Data if detail.starts_with("unknown field `") => Refusal::new(400, "unknown_field", detail).at(field),
        Category::Data if field == "." => Refusal::new(422, "invalid_value", detail),
        Category::Data => match maximum(&detail) {
            Some(maximum) => Refusal::above(field, detail, maximum),
            None => Refusal::invalid(field, detail),
        },
    }
}
