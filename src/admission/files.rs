//! The job's files, its entry and its standard input.
//!
//! Files come before the language: when none is named, the entry's extension
//! tells it. So there are two halves, [`gather`] and [`Sources::resolve`].

use std::collections::BTreeSet;
use std::io::Read;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use enclos_images::Language;
use enclos_protocol::glob::Glob;
use enclos_protocol::job::{JobFile, JobInput, JobPath};
use enclos_protocol::supervisor_link::INPUT_BYTES_MAX;

use super::archive;
use super::blobs::{Known, Sizes, known};
use super::refusal::{Refusal, SHOWN_CHARS_MAX};
use super::submission::{SubmittedArchive, SubmittedFile};

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
    /// Those whose content is a blob are empty here, and told by their index; `first`: the field of
    /// the first.
    Files { files: Vec<JobFile>, first: &'static str, blobs: Vec<(u32, Known)>, entry: Option<JobPath> },
}

/// Files and entry of a program.
pub(super) struct Resolved {
    pub files: Vec<JobFile>,
    pub blobs: Vec<(u32, Known)>,
    pub entry: JobPath,
}

/// Bytes that a submission brings or refers to.
pub(super) enum Content {
    Inline(Vec<u8>),
    Blob(Known),
}

impl Content {
    pub(super) fn size_bytes(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Blob(known) => known.size_bytes,
        }
    }

    /// What stands in the job, and the blob that will stand in its place.
    pub(super) fn parts(self) -> (Vec<u8>, Option<Known>) {
        match self {
            Self::Inline(bytes) => (bytes, None),
            Self::Blob(known) => (Vec::new(), Some(known)),
        }
    }
}

/// The files that a submission brings; `archive`: those of its archive.
pub(super) fn gather(
    files: Option<Vec<SubmittedFile>>,
    archive: Vec<JobFile>,
    source: Option<String>,
    entry: Option<String>,
    sizes: &Sizes,
) -> Result<Sources, Refusal> {
    let entry = entry.map(|text| path("entry", text)).transpose()?;
    match (files, source) {
        (Some(_), Some(_)) => Err(Refusal::invalid("source", "give either 'source' or 'files', not both")),
        (None, Some(_)) if !archive.is_empty() => {
            Err(Refusal::invalid("source", "give either 'source' or 'archive', not both"))
        }
        (None, Some(source)) => Ok(Sources::Single { content: source.into_bytes(), entry }),
        (files, None) if files.as_ref().map_or(!archive.is_empty(), |files| !files.is_empty()) => {
            let first = if files.is_some() { "files[0].path" } else { "archive" };
            let (files, blobs) = checked(files.unwrap_or_default(), archive, sizes)?;
            match &entry {
                Some(entry) if !files.iter().any(|f| f.path == *entry) => {
                    Err(Refusal::invalid("entry", "the entry is not one of the files"))
                }
                _ => Ok(Sources::Files { files, first, blobs, entry }),
            }
        }
        _ => Err(Refusal::new(422, "no_source", "give the program as 'source', 'files' or 'archive'").at("files")),
    }
}

impl Sources {
    /// The path whose extension tells the language: the entry, else the first file.
    pub(super) fn leading_path(&self) -> Option<&JobPath> {
        match self {
            Self::Single { entry, .. } => entry.as_ref(),
            Self::Files { files, entry, .. } => entry.as_ref().or_else(|| files.first().map(|f| &f.path)),
        }
    }

    /// The field that [`Sources::leading_path`] came from.
    pub(super) fn leading_field(&self) -> &'static str {
        match self {
            Self::Files { entry: None, first, .. } => first,
            Self::Single { .. } | Self::Files { .. } => "entry",
        }
    }

    /// Files and entry of a job in `language`.
    pub(super) fn resolve(self, language: &Language) -> Result<Resolved, Refusal> {
        match self {
            Self::Single { content, entry } => {
                let entry = match entry {
                    Some(entry) => entry,
                    None => path("entry", language.entry.clone())?,
                };
                let files = vec![JobFile { path: entry.clone(), content: content.into() }];
                Ok(Resolved { files, blobs: Vec::new(), entry })
            }
            Self::Files { files, blobs, entry, .. } => {
                let entry = entry.unwrap_or_else(|| default_entry(language, &files));
                Ok(Resolved { files, blobs, entry })
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

/// All files, those of the archive last, and the blobs among them by their index.
type Checked = (Vec<JobFile>, Vec<(u32, Known)>);

fn checked(files: Vec<SubmittedFile>, archive: Vec<JobFile>, sizes: &Sizes) -> Result<Checked, Refusal> {
    let (mut checked, mut blobs) = (Vec::with_capacity(files.len() + archive.len()), Vec::new());
    let named = files.len();
    for (index, SubmittedFile { path: text, content, content_base64, blob }) in (0u32..).zip(files) {
        let field = |name: &str| format!("files[{index}].{name}");
        let given = [content.is_some(), content_base64.is_some(), blob.is_some()];
        if given.into_iter().filter(|given| *given).count() != 1 {
            let detail = "give exactly one of 'content', 'content_base64' and 'blob'";
            return Err(Refusal::invalid(format!("files[{index}]"), detail));
        }
        let path = path(&field("path"), text)?;
        let content = match (content, content_base64, blob) {
            (_, Some(encoded), _) => decoded(&field("content_base64"), &encoded)?,
            (_, _, Some(blob)) => {
                blobs.push((index, known(sizes, &field("blob"), &blob)?));
                Vec::new()
            }
            (text, ..) => text.unwrap_or_default().into_bytes(),
        };
        checked.push(JobFile { path, content: content.into() });
    }
    checked.extend(archive);
    if checked.len() > FILES_MAX {
        return Err(Refusal::above("archive", format!("a job has at most {FILES_MAX} files"), FILES_MAX));
    }
    refuse_collisions(&checked, named)?;
    let paths_bytes: usize = checked.iter().map(|f| f.path.as_str().len()).sum();
    if paths_bytes > PATHS_BYTES_MAX {
        let detail = format!("all paths together may have {PATHS_BYTES_MAX} bytes");
        return Err(Refusal::above("files", detail, PATHS_BYTES_MAX));
    }
    Ok((checked, blobs))
}

fn path(field: &str, text: String) -> Result<JobPath, Refusal> {
    let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    JobPath::try_from(text).map_err(|e| Refusal::invalid(field, format!("'{}': {e}", shown.escape_debug())))
}

/// Two files cannot have one path, nor can a file stand where another needs a directory. From the
/// index `named` on they are the archive's.
fn refuse_collisions(files: &[JobFile], named: usize) -> Result<(), Refusal> {
    let refused = |index: usize, detail: &str| {
        if index < named {
            return Refusal::invalid(format!("files[{index}].path"), detail);
        }
        let shown: String = files[index].path.as_str().chars().take(SHOWN_CHARS_MAX).collect();
        Refusal::invalid("archive", format!("'{}': {detail}", shown.escape_debug()))
    };
    let mut paths = BTreeSet::new();
    for (index, file) in files.iter().enumerate() {
        if !paths.insert(file.path.as_str()) {
            return Err(refused(index, "another file has this path"));
        }
    }
    for (index, file) in files.iter().enumerate() {
        let text = file.path.as_str();
        let mut parents = text.match_indices('/').map(|(end, _)| &text[..end]);
        if parents.any(|parent| paths.contains(parent)) {
            return Err(refused(index, "another file stands where this one needs a directory"));
        }
    }
    Ok(())
}

/// The bytes that `name`, `name_base64` or `name_blob` gives, if one does.
pub(super) fn bytes(
    name: &str,
    text: Option<String>,
    encoded: Option<String>,
    blob: Option<String>,
    sizes: &Sizes,
) -> Result<Option<Content>, Refusal> {
    match (text, encoded, blob) {
        (Some(text), None, None) => Ok(Some(Content::Inline(text.into_bytes()))),
        (None, Some(encoded), None) => decoded(&format!("{name}_base64"), &encoded).map(Content::Inline).map(Some),
        (None, None, Some(blob)) => known(sizes, &format!("{name}_blob"), &blob).map(Content::Blob).map(Some),
        (None, None, None) => Ok(None),
        _ => {
            let detail = format!("give at most one of '{name}', '{name}_base64' and '{name}_blob'");
            Err(Refusal::invalid(name, detail))
        }
    }
}

/// The files of the archive of a submission that has `named` files beside it.
pub(super) fn unpacked(
    archive: Option<SubmittedArchive>,
    named: usize,
    sizes: &Sizes,
    brought: Option<Box<dyn Read + Send>>,
) -> Result<Vec<JobFile>, Refusal> {
    let Some(SubmittedArchive { content_base64, blob }) = archive else { return Ok(Vec::new()) };
    let room = FILES_MAX.saturating_sub(named);
    let files = match (content_base64, blob) {
        (Some(encoded), None) => archive::unpack(decoded("archive.content_base64", &encoded)?.as_slice(), room)?,
        (None, Some(blob)) => {
            known(sizes, "archive.blob", &blob)?;
            archive::unpack(brought.ok_or_else(|| Refusal::unknown_blob("archive.blob"))?, room)?
        }
        _ => return Err(Refusal::invalid("archive", "give exactly one of 'content_base64' and 'blob'")),
    };
    if files.is_empty() {
        return Err(Refusal::new(422, "invalid_archive", "it holds no file").at("archive"));
    }
    Ok(files)
}

fn decoded(field: &str, text: &str) -> Result<Vec<u8>, Refusal> {
    BASE64.decode(text).map_err(|e| Refusal::invalid(field, format!("not base64 (RFC 4648): {e}").to_lowercase()))
}

/// The patterns of files to give back.
pub(super) fn kept(patterns: Option<Vec<String>>) -> Result<Vec<Glob>, Refusal> {
    let patterns = patterns.unwrap_or_default();
    let glob = |(index, text): (usize, String)| {
        Glob::try_from(text).map_err(|e| Refusal::invalid(format!("keep_files[{index}]"), e.to_string()))
    };
    patterns.into_iter().enumerate().map(glob).collect()
}

/// Refuses more bytes than a supervisor holds, those in blobs among them.
pub(super) fn within_size(input: &JobInput, blobs_bytes: u64) -> Result<(), Refusal> {
    let size_bytes = (input.size_bytes() as u64).saturating_add(blobs_bytes);
    if size_bytes <= INPUT_BYTES_MAX as u64 {
        return Ok(());
    }
    let detail = format!("files and stdin have {size_bytes} bytes together; a job may bring {INPUT_BYTES_MAX}");
    Err(Refusal::new(413, "too_large", detail).with("maximum", INPUT_BYTES_MAX))
}
