//! What the API answers of cases, files, and many jobs at once.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{Job, Problem, Step};
use crate::admission::few_there;
use crate::config::BATCH_JOBS_MAX;
use crate::http::many::WAIT_IDS_MAX;

/// What a case, a group or a whole job with cases came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are those of the protocol's Verdict and Outcome, which explain them")]
pub enum VerdictName {
    Accepted,
    WrongAnswer,
    CheckerError,
    Skipped,
    InternalError,
    Cancelled,
    CompileError,
    OutputLimit,
    MemoryLimit,
    TimeLimit,
    FileLimit,
    ProcessLimit,
    RuntimeError,
}

/// One case of a job.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// What it came to.
    pub verdict: VerdictName,
    /// Its part of the full score, where it is accepted and the checker gave it one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// What checker or interactor say of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feedback: Option<String>,
    /// Its run; absent where it was not run.
    #[serde(flatten)]
    pub run: Option<Step>,
}

/// A group of cases.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Points where every case has the full score.
    pub weight: u32,
    /// Accepted, or what its first failing case came to.
    pub verdict: VerdictName,
    /// Its points.
    pub score: f64,
}

/// Data of an event `case`: a case ended.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct CaseEvent {
    /// Its place in `cases`, from 0 on.
    pub index: u32,
    /// How it ended, without outputs.
    #[serde(flatten)]
    pub case: Case,
}

/// A file that a job gives back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct KeptFile {
    /// Where it stood; `GET /v1/jobs/{id}/files/{path}` answers its bytes.
    pub path: String,
    /// Its size.
    pub size_bytes: u64,
}

/// Many submissions at once.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Each is admitted or refused on its own.
    #[serde(deserialize_with = "few_there::<_, _, BATCH_JOBS_MAX>")]
    #[schema(value_type = Vec<crate::admission::Submission>)]
    pub jobs: Vec<Box<RawValue>>,
}

/// What became of many submissions.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct BatchAnswer {
    /// In the order in which they came.
    pub jobs: Vec<BatchItem>,
}

/// What became of one submission: exactly one member.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum BatchItem {
    /// It is kept.
    Kept {
        /// As it is now, without outputs.
        job: Box<Job>,
    },
    /// It was refused.
    Refused {
        /// Why.
        #[schema(value_type = Problem)]
        problem: serde_json::Map<String, serde_json::Value>,
    },
}

/// Which jobs to wait for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitList {
    /// Their ids.
    #[serde(deserialize_with = "few_there::<_, _, WAIT_IDS_MAX>")]
    pub ids: Vec<String>,
}

/// One line of the answer to a wait for many: the id, and exactly one further member.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct WaitLine {
    /// As it was given.
    pub id: String,
    /// The job, finished.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
    /// Why there is no such answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Problem>)]
    pub problem: Option<serde_json::Map<String, serde_json::Value>>,
}
