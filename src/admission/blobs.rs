//! What a submission refers to by digest: found before it is admitted, and checked with it.
//!
//! Admission looks nothing up: who asks for it brings the sizes of all blobs
//! that [`named`] finds in the submission. What is not among them is unknown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Read;

use super::judging::{CheckerChoice, SubmittedCase, SubmittedCompanion};
use super::refusal::Refusal;
use super::submission::{Submission, SubmittedArchive, SubmittedFile};
use crate::store::Digest;

/// What the store has of the blobs that a submission names.
#[derive(Default)]
pub struct Brought {
    /// Sizes, in bytes, of those that there are.
    pub sizes: BTreeMap<Digest, u64>,
    /// The bytes of the archive, where that is a blob.
    pub archive: Option<Box<dyn Read + Send>>,
}

impl fmt::Debug for Brought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Brought").field("sizes", &self.sizes).finish_non_exhaustive()
    }
}

/// Blobs that there are, by digest.
pub(super) type Sizes = BTreeMap<Digest, u64>;

/// A blob that there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Known {
    pub digest: Digest,
    pub size_bytes: u64,
}

/// The blob that `field` names.
pub(super) fn known(sizes: &Sizes, field: &str, text: &str) -> Result<Known, Refusal> {
    let digest: Digest = text.parse().map_err(|e| Refusal::invalid(field, format!("{e}")))?;
    match sizes.get(&digest) {
        Some(size_bytes) => Ok(Known { digest, size_bytes: *size_bytes }),
        None => Err(Refusal::unknown_blob(field)),
    }
}

/// Every blob that a submission names.
pub(super) fn named(submission: &Submission) -> BTreeSet<Digest> {
    let Submission { files, archive, stdin_blob, cases, checker, interactor, .. } = submission;
    let checker = match checker {
        Some(CheckerChoice::Program(program)) => Some(&**program),
        _ => None,
    };
    let judges = [checker, interactor.as_ref()].into_iter().flatten();
    let files = of_files(files.as_deref())
        .chain(judges.flat_map(|SubmittedCompanion { files, .. }| of_files(files.as_deref())));
    let cases = cases.iter().flatten().flat_map(of_case).flatten();
    let archive = archive.as_ref().and_then(|SubmittedArchive { blob, .. }| blob.as_ref());
    let texts = files.chain(cases).chain(archive).chain(stdin_blob);
    // What is no digest is refused where its field is checked.
    texts.filter_map(|text| text.parse().ok()).collect()
}

fn of_case(case: &SubmittedCase) -> [&Option<String>; 2] {
    [&case.stdin_blob, &case.expected_stdout_blob]
}

fn of_files(files: Option<&[SubmittedFile]>) -> impl Iterator<Item = &String> {
    files.into_iter().flatten().filter_map(|SubmittedFile { blob, .. }| blob.as_ref())
}
