//! From what a client asks for to the submission that says the same.

use axum::body::Bytes;
use enclos_images::Language;

use super::limits::{Stage, of_stage};
use super::request::Asked;
use super::{files, refused};
use crate::admission::{Limits, Refusal, RunOptions, Submission};

/// Where the program's input comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Input {
    /// The request.
    Given,
    /// Whoever is connected.
    Live,
}

/// The submission.
///
/// # Errors
/// [`Refusal`] in Piston's words, where it has some.
pub(super) fn of(asked: Asked<'_>, language: &Language, input: Input) -> Result<Submission, Refusal> {
    let Asked { language: _, version: _, files, mut stdin, args, limits } = asked;
    let (files, entry) = files::of_job(language, files)?;
    let compile = of_stage(Stage::Compile, limits.compile, &language.compile_bounds)?;
    let run = of_stage(Stage::Run, limits.run, &language.run_bounds)?;
    if !stdin.ends_with('\n') {
        // As Piston does: an empty input is an empty line.
        stdin.push('\n');
    }
    let is_live = input == Input::Live;
    Ok(Submission {
        language: Some(language.id.clone()),
        files: Some(files),
        entry: Some(entry),
        run: Some(RunOptions { args: Some(args), env: None, attach: is_live.then_some(true) }),
        stdin: (!is_live).then_some(stdin),
        limits: Some(Limits { compile: language.compile.is_some().then_some(compile), run: Some(run) }),
        ..Submission::default()
    })
}

/// The submission as `POST /v1/jobs` takes it.
pub(super) fn encoded(submission: &Submission) -> Result<Bytes, Refusal> {
    let json = serde_json::to_vec(submission).map_err(|_| refused("the request cannot be written as a submission"))?;
    Ok(json.into())
}
