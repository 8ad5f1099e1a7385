//! The wire types of cases and of how they are judged; only shapes are checked here.

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::cases::CASES;
use super::files::FILES_MAX;
use super::strict::{Object, few, few_objects, few_there, object};
use super::submission::{CompileOptions, Limits, StepLimitsRequest, SubmittedFile, Whole};
use super::words::ARGS_MAX;

/// One run of the compiled program.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmittedCase {
    /// Its name, unique in the job; default: its number, from 1 on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "sample/1")]
    pub name: Option<String>,
    /// Standard input, as text. At most one of this, `stdin_base64` and `stdin_blob`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Standard input, as base64 of its bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin_base64: Option<String>,
    /// Standard input, by the SHA-256 of a blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1def07dbe06eeb097aafec8a40329937cd20c93a83634b8221ea2b41a894310c")]
    pub stdin_blob: Option<String>,
    /// Arguments for the program, in place of `run.args`.
    #[serde(default, deserialize_with = "few::<_, _, ARGS_MAX>", skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// What it should write, as text; a case without any is accepted when the program ends well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_stdout: Option<String>,
    /// What it should write, as base64 of the bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_stdout_base64: Option<String>,
    /// What it should write, by the SHA-256 of a blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1def07dbe06eeb097aafec8a40329937cd20c93a83634b8221ea2b41a894310c")]
    pub expected_stdout_blob: Option<String>,
    /// Limits that differ from `limits.run`.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Option::is_none")]
    pub limits: Option<StepLimitsRequest>,
}

/// Cases that earn points together, as many as the worst of them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmittedGroup {
    /// Its name, unique in the job.
    pub name: String,
    /// Points where every case has the full score.
    #[schema(value_type = u32)]
    pub weight: Whole,
    /// Names of its cases.
    #[serde(deserialize_with = "few_there::<_, _, CASES>")]
    pub cases: Vec<String>,
}

/// A program that judges: a checker or an interactor.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubmittedCompanion {
    /// As of the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// As of the job.
    #[serde(default, deserialize_with = "few_objects::<_, _, FILES_MAX>", skip_serializing_if = "Option::is_none")]
    pub files: Option<Vec<SubmittedFile>>,
    /// As of the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// As of the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// Of its compile step.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Option::is_none")]
    pub compile: Option<CompileOptions>,
    /// Arguments after the three that the format prescribes: input, answer, directory for feedback.
    #[serde(default, deserialize_with = "few::<_, _, ARGS_MAX>", skip_serializing_if = "Option::is_none")]
    pub args: Option<Vec<String>>,
    /// Of its compile step and of each of its runs.
    #[serde(default, deserialize_with = "object", skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
}

/// How words are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokensOptions {
    /// ASCII letters of either case are the same; default `false`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_case: Option<bool>,
}

/// How numbers are compared: at least one tolerance.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FloatOptions {
    /// Largest difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1e-9)]
    pub abs: Option<f64>,
    /// Largest difference as a part of the expected number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1e-9)]
    pub rel: Option<f64>,
    /// As of `tokens`, for words that are no numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_case: Option<bool>,
}

/// What makes an output right: one of the names, or an object with one member.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckerChoice {
    /// The same bytes.
    Exact,
    /// The same but for white space at the end of lines and empty lines at the end; the default.
    Trim,
    /// The same words; also `"tokens"` alone.
    Tokens(TokensOptions),
    /// The same words, numbers with a tolerance.
    Float(FloatOptions),
    /// The same lines in any order.
    UnorderedLines,
    /// What a program of the client's says: an output validator of the Kattis problem format.
    Program(Box<SubmittedCompanion>),
}

/// Every way to name a checker, for who wrote another.
const CHECKERS: &str = "\"exact\", \"trim\", \"tokens\", \"unordered_lines\", or an object with one of \
                        \"tokens\", \"float\", \"program\"";

impl<'de> Deserialize<'de> for CheckerChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = CheckerChoice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(CHECKERS)
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<CheckerChoice, E> {
                match name {
                    "exact" => Ok(CheckerChoice::Exact),
                    "trim" => Ok(CheckerChoice::Trim),
                    "tokens" => Ok(CheckerChoice::Tokens(TokensOptions::default())),
                    "unordered_lines" => Ok(CheckerChoice::UnorderedLines),
                    _ => Err(E::invalid_value(de::Unexpected::Str(name), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<CheckerChoice, A::Error> {
                let Some(name) = members.next_key::<String>()? else {
                    return Err(de::Error::invalid_length(0, &self));
                };
                let chosen = match name.as_str() {
                    "tokens" => CheckerChoice::Tokens(members.next_value::<Object<_>>()?.0),
                    "float" => CheckerChoice::Float(members.next_value::<Object<_>>()?.0),
                    "program" => CheckerChoice::Program(Box::new(members.next_value::<Object<_>>()?.0)),
                    _ => return Err(de::Error::unknown_field(&name, &["tokens", "float", "program"])),
                };
                match members.next_key::<String>()? {
                    None => Ok(chosen),
                    Some(_) => Err(de::Error::custom("a checker is an object with one member")),
                }
            }
        }
        deserializer.deserialize_any(Reader)
    }
}
