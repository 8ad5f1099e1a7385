//! The job's files, its entry and its standard input.
//!
//! Files come before the language: when none is named, the entry's extension
//! tells it. So there are two halves, [`gather`] and [`Sources::resolve`].

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use enclos_images::Language;
use enclos_protocol::glob::{Glob, KEEP_GLOBS_MAX};
use enclos_protocol::job::{JobFile, JobInput, JobPath};
use enclos_protocol::supervisor_link::INPUT_BYTES_MAX;

use super::refusal::{Refusal, SHOWN_CHARS_MAX};
use super::submission::SubmittedFile;

/// Files of one job.
pub const FILES_MAX: usize = 256;
/// Bytes of all paths together: a compiler's command line carries them, in one message of the
/// supervisor's link.
pub(super) const PATHS_BYTES_MAX: usize = 32 * 1024;

/// Standard alphabet; clients differ in whether they pad.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A job's sources, checked, before its language is known.
#[derive(Debug)]
pub(super) enum Sources {
    /// `source`: one file, named by `entry` or by the language.
    Single { content: Vec<u8>, entry: Option<JobPath> },
    /// `files`: at least one; `entry` is one of them.
    Files { files: Vec<JobFile>, entry: Option<JobPath> },
}

/// The files that a submission brings.
pub(super) fn gather(
    files: Option<Vec<SubmittedFile>>,
    source: Option<String>,
    entry: Option<String>,
) -> Result<Sources, Refusal> {
    let entry = entry.map(|text| path("entry", text)).transpose()?;
    match (files, source) {
        (Some(_), Some(_)) => Err(Refusal::invalid("source", "give either 'source' or 'files', not both")),
        (None, Some(source)) => Ok(Sources::Single { content: source.into_bytes(), entry }),
        (Some(files), None) if !files.is_empty() => {
            let files = checked(files)?;
            match &entry {
                Some(entry) if !files.iter().any(|f| f.path == *entry) => {
                    Err(Refusal::invalid("entry", "the entry is not one of 'files'"))
                }
                _ => Ok(Sources::Files { files, entry }),
            }
        }
        _ => Err(Refusal::new(422, "no_source", "give the program as 'source', or as 'files'").at("files")),
    }
}

impl Sources {
    /// The path whose extension tells the language: the entry, else the first file.
    pub(super) fn leading_path(&self) -> Option<&JobPath> {
        match self {
            Self::Single { entry, .. } => entry.as_ref(),
            Self::Files { files, entry } => entry.as_ref().or_else(|| files.first().map(|f| &f.path)),
        }
    }

    /// The field that [`Sources::leading_path`] came from.
    pub(super) fn leading_field(&self) -> &'static str {
        match self {
            Self::Files { entry: None, .. } => "files[0].path",
            Self::Single { .. } | Self::Files { .. } => "entry",
        }
    }

    /// Files and entry of a job in `language`.
    pub(super) fn resolve(self, language: &Language) -> Result<(Vec<JobFile>, JobPath), Refusal> {
        match self {
            Self::Single { content, entry } => {
                let entry = match entry {
                    Some(entry) => entry,
                    None => path("entry", language.entry.clone())?,
                };
                Ok((vec![JobFile { path: entry.clone(), content: content.into() }], entry))
            }
            Self::Files { files, entry } => {
                let entry = entry.unwrap_or_else(|| default_entry(language, &files));
                Ok((files, entry))
            }
        }
    }
}

/// The language's usual name where it is there, else the first of its sources, else the first file.
fn default_entry(language: &Language, files: &[JobFile]) -> JobPath {
    let usual = files.iter().find(|f| f.path.as_str() == language.entry);
    let is_source =
        |f: &&JobFile| f.path.extension().is_some_and(|e| language.extensions.iter().any(|known| known == e));
    let chosen = usual.or_else(|| files.iter().find(is_source)).or(files.first());
    chosen.expect("a job of 'files' has at least one").path.clone()
}

fn checked(files: Vec<SubmittedFile>) -> Result<Vec<JobFile>, Refusal> {
    let mut checked = Vec::with_capacity(files.len());
    for (index, file) in files.into_iter().enumerate() {
        checked.push(JobFile {
            path: path(&format!("files[{index}].path"), file.path)?,
            content: content(index, file.content, file.content_base64)?.into(),
        });
    }
    refuse_collisions(&checked)?;
    let paths_bytes: usize = checked.iter().map(|f| f.path.as_str().len()).sum();
    if paths_bytes > PATHS_BYTES_MAX {
        let detail = format!("all paths together may have {PATHS_BYTES_MAX} bytes");
        return Err(Refusal::above("files", detail, PATHS_BYTES_MAX));
    }
    Ok(checked)
}

fn path(field: &str, text: String) -> Result<JobPath, Refusal> {
    let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    JobPath::try_from(text).map_err(|e| Refusal::invalid(field, format!("'{}': {e}", shown.escape_debug())))
}

fn content(index: usize, text: Option<String>, encoded: Option<String>) -> Result<Vec<u8>, Refusal> {
    match (text, encoded) {
        (Some(text), None) => Ok(text.into_bytes()),
        (None, Some(encoded)) => decoded(&format!("files[{index}].content_base64"), &encoded),
        (None, None) => {
            Err(Refusal::invalid(format!("files[{index}]"), "give the file's 'content' or 'content_base64'"))
        }
        (Some(_), Some(_)) => {
            Err(Refusal::invalid(format!("files[{index}]"), "give either 'content' or 'content_base64', not both"))
        }
    }
}

/// Two files cannot have one path, nor can a file stand where another needs a directory.
fn refuse_collisions(files: &[JobFile]) -> Result<(), Refusal> {
    let mut paths = BTreeSet::new();
    for (index, file) in files.iter().enumerate() {
        if !paths.insert(file.path.as_str()) {
            return Err(Refusal::invalid(format!("files[{index}].path"), "another file has this path"));
        }
    }
    for (index, file) in files.iter().enumerate() {
        let text = file.path.as_str();
        let mut parents = text.match_indices('/').map(|(end, _)| &text[..end]);
        if parents.any(|parent| paths.contains(parent)) {
            let detail = "another file stands where this one needs a directory";
            return Err(Refusal::invalid(format!("files[{index}].path"), detail));
        }
    }
    Ok(())
}

/// The bytes that `name` or `name_base64` gives, if one does.
pub(super) fn bytes(name: &str, text: Option<String>, encoded: Option<String>) -> Result<Option<Vec<u8>>, Refusal> {
    match (text, encoded) {
        (Some(_), Some(_)) => Err(Refusal::invalid(name, format!("give either '{name}' or '{name}_base64', not both"))),
        (Some(text), None) => Ok(Some(text.into_bytes())),
        (None, Some(encoded)) => decoded(&format!("{name}_base64"), &encoded).map(Some),
        (None, None) => Ok(None),
    }
}

fn decoded(field: &str, text: &str) -> Result<Vec<u8>, Refusal> {
    BASE64.decode(text).map_err(|e| Refusal::invalid(field, format!("not base64 (RFC 4648): {e}").to_lowercase()))
}

/// The patterns of files to give back.
pub(super) fn kept(patterns: Option<Vec<String>>) -> Result<Vec<Glob>, Refusal> {
    let patterns = patterns.unwrap_or_default();
    if patterns.len() > KEEP_GLOBS_MAX {
        let detail = format!("a job gives files back by at most {KEEP_GLOBS_MAX} patterns");
        return Err(Refusal::above("keep_files", detail, KEEP_GLOBS_MAX));
    }
    let glob = |(index, text): (usize, String)| {
        Glob::try_from(text).map_err(|e| Refusal::invalid(format!("keep_files[{index}]"), e.to_string()))
    };
    patterns.into_iter().enumerate().map(glob).collect()
}

/// Refuses more bytes than a supervisor holds.
pub(super) fn within_size(input: &JobInput) -> Result<(), Refusal> {
    let size_bytes = input.size_bytes();
    if size_bytes <= INPUT_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("files and stdin have {size_bytes} bytes together; a job may bring {INPUT_BYTES_MAX}");
    Err(Refusal::new(413, "too_large", detail).with("maximum", INPUT_BYTES_MAX))
}
