//! Many runs of one program, and how each is judged.
//!
//! What is the same for all cases travels in the job's description
//! ([`CasePlan`]); the cases themselves are fetched in pages, so that neither
//! side holds all of them. What a case expects never leaves the agent for the
//! sandbox that runs the program.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::job::{JobPath, StepReport};
use crate::limits::StepLimits;
use crate::outcome::Outcome;

/// Most cases of one job.
pub const CASES_MAX: u32 = 1000;
/// Names, arguments, inputs and expected outputs of all cases of a job together, in bytes.
pub const CASES_INPUT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Input of one case, and as much again for what it expects, in bytes: a supervisor holds them in memory.
pub const CASE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of one [`CasePage`] above which no further case is added to it.
pub const CASE_PAGE_BYTES: usize = 1024 * 1024;
/// Most cases of one page.
pub const CASE_PAGE_MAX: usize = 64;
/// What the answer keeps of the output of all cases together, in bytes.
pub const CASES_REPORT_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Longest [`CaseReport::feedback`], in bytes.
pub const FEEDBACK_BYTES_MAX: usize = 1024;
/// Output of a case that a checker program reads, in bytes: it is held in memory beside its sandbox.
pub const CHECKED_BYTES_MAX: u64 = CASE_BYTES_MAX as u64;
/// The score of a case that is accepted and has no other, in millionths.
pub const SCORE_PPM_FULL: u32 = 1_000_000;

/// What all cases of a job have in common.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CasePlan {
    /// How many there are: 1 to [`CASES_MAX`].
    pub count: u32,
    /// How each is judged.
    pub judging: Judging,
    /// No case begins after one that was not accepted.
    pub stop_on_first_failure: bool,
    /// The largest of every limit over all cases: what the job's room is reckoned from.
    pub largest: StepLimits,
}

/// How a case is judged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judging {
    /// By what the program wrote. A case that expects nothing is accepted when the program ends well.
    Output(Checker),
    /// By a program that speaks with it: the interactor's output is its input, and the other way.
    Interactive(Box<Companion>),
}

impl Judging {
    /// The submitted program that takes part in the judging, if one does.
    #[must_use]
    pub fn companion(&self) -> Option<&Companion> {
        match self {
            Self::Output(Checker::Program(companion)) | Self::Interactive(companion) => Some(companion),
            Self::Output(_) => None,
        }
    }
}

/// What makes an output right.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Checker {
    /// The same bytes.
    Exact,
    /// The same bytes, but for white space at the end of lines and empty lines at the end.
    Trim,
    /// The same words, whatever white space is between them.
    Tokens {
        /// ASCII letters of either case are the same.
        ignore_case: bool,
    },
    /// The same words, where two numbers are the same if either tolerance allows their difference.
    Float {
        /// Largest difference.
        abs: Tolerance,
        /// Largest difference as a part of the expected number.
        rel: Tolerance,
        /// ASCII letters of either case are the same.
        ignore_case: bool,
    },
    /// The same lines in any order, each as often, but for white space at their ends; empty lines do not count.
    UnorderedLines,
    /// What a submitted program says, as an output validator of the Kattis problem format.
    Program(Box<Companion>),
}

/// A submitted program that judges: a checker or an interactor. Its files are in `JobInput::companion`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Companion {
    /// Id of its language (never an alias).
    pub language: String,
    /// The file that is compiled or run first.
    pub entry: JobPath,
    /// Arguments for its compiler.
    pub compile_args: Vec<String>,
    /// Arguments after those that the format prescribes.
    pub args: Vec<String>,
    /// Limits of its compile step; ignored by languages without one.
    pub compile_limits: StepLimits,
    /// Limits of each of its runs.
    pub run_limits: StepLimits,
}

/// A number that a difference may be: finite, and not below zero.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Tolerance(f64);

/// The number is no tolerance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tolerance is a finite number that is not negative")]
pub struct NotATolerance;

// A tolerance is never NaN.
impl Eq for Tolerance {}

impl Tolerance {
    /// The number.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Tolerance {
    type Error = NotATolerance;

    fn try_from(number: f64) -> Result<Self, NotATolerance> {
        if number.is_finite() && number >= 0.0 { Ok(Self(number.abs())) } else { Err(NotATolerance) }
    }
}

impl From<Tolerance> for f64 {
    fn from(tolerance: Tolerance) -> Self {
        tolerance.0
    }
}

/// One case.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Case {
    /// Standard input of the program, or the file that the interactor is given.
    pub stdin: ByteBuf,
    /// Arguments of the program, in place of `JobSpec::run_args`.
    pub args: Option<Vec<String>>,
    /// Limits of the program, in place of `JobSpec::run_limits`; none above [`CasePlan::largest`].
    pub limits: Option<StepLimits>,
    /// What it should write, or the file with the answer that checker or interactor are given.
    pub expected: Option<ByteBuf>,
}

impl Case {
    /// Bytes of what it brings.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let args = self.args.iter().flatten().map(String::len).sum::<usize>();
        self.stdin.len() + self.expected.as_ref().map_or(0, |e| e.len()) + args
    }
}

/// Some cases, in order, from the number that was asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CasePage {
    /// At least one, unless there are no more.
    pub cases: Vec<Case>,
    /// The number of the case after the last of these; `None`: that was the last.
    pub next: Option<u32>,
}

/// What a case comes to. Written as [`Verdict::as_str`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Verdict {
    /// The program ended well, and what it wrote is right.
    Accepted,
    /// It ended well, and what it wrote is wrong.
    WrongAnswer,
    /// The submitted checker or interactor did not come to a verdict.
    CheckerError,
    /// It was not run, because an earlier case was not accepted.
    Skipped,
    /// It did not end well. Never `ok`.
    Ended(Outcome),
}

impl Verdict {
    /// The verdict as API and store write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::WrongAnswer => "wrong_answer",
            Self::CheckerError => "checker_error",
            Self::Skipped => "skipped",
            Self::Ended(outcome) => outcome.as_str(),
        }
    }
}

/// The text names no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a verdict")]
pub struct NotAVerdict;

impl FromStr for Verdict {
    type Err = NotAVerdict;

    fn from_str(text: &str) -> Result<Self, NotAVerdict> {
        let plain = [Self::Accepted, Self::WrongAnswer, Self::CheckerError, Self::Skipped];
        let ended = Outcome::ALL.into_iter().filter(|o| *o != Outcome::Ok).map(Self::Ended);
        plain.into_iter().chain(ended).find(|verdict| verdict.as_str() == text).ok_or(NotAVerdict)
    }
}

impl TryFrom<String> for Verdict {
    type Error = NotAVerdict;

    fn try_from(text: String) -> Result<Self, NotAVerdict> {
        text.parse()
    }
}

impl From<Verdict> for &'static str {
    fn from(verdict: Verdict) -> Self {
        verdict.as_str()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How one case ended; its output travelled before.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CaseReport {
    /// What it comes to.
    pub verdict: Verdict,
    /// The program's run.
    pub run: StepReport,
    /// The score that a checker gave, in millionths; `None`: it gave none.
    pub score_ppm: Option<u32>,
    /// What the judge says of it, for a person: at most [`FEEDBACK_BYTES_MAX`].
    pub feedback: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{decode_body, encode_body};

    #[test]
    fn a_verdict_survives_its_text_and_ok_is_none() {
        let ended = Outcome::ALL.into_iter().filter(|o| *o != Outcome::Ok).map(Verdict::Ended);
        let plain = [Verdict::Accepted, Verdict::WrongAnswer, Verdict::CheckerError, Verdict::Skipped];
        for verdict in plain.into_iter().chain(ended) {
            assert_eq!(verdict.as_str().parse(), Ok(verdict));
            assert_eq!(decode_body::<Verdict>(&encode_body(&verdict).unwrap()).unwrap(), verdict);
        }
        assert_eq!("ok".parse::<Verdict>(), Err(NotAVerdict));
    }

    #[test]
    fn what_is_no_tolerance_is_refused_on_the_wire_too() {
        for bad in [f64::NAN, f64::INFINITY, -1e-9] {
            assert!(decode_body::<Tolerance>(&encode_body(&bad).unwrap()).is_err(), "{bad}");
        }
        let zero = Tolerance::try_from(-0.0).unwrap();
        assert_eq!(zero, Tolerance::default());
        assert!(zero.value().is_sign_positive());
    }
}
