//! Files: their names and encodings, and which of them is the program.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use enclos_images::Language;
use enclos_protocol::job::JobPath;

use super::refused;
use super::request::{Encoding, File};
use crate::admission::{Refusal, SubmittedFile};

/// The files of a job, in the order of the client, and the path of the main one.
///
/// The first that is text is the main one, as with Piston. A client cannot rely on its name there, as
/// Piston adds an extension to it; here it gets one only where a compiler would not know it otherwise.
///
/// # Errors
/// [`Refusal`], where none is text or one cannot be decoded.
pub(super) fn of_job(language: &Language, files: Vec<File>) -> Result<(Vec<SubmittedFile>, String), Refusal> {
    let Some(main) = files.iter().position(|file| file.encoding == Encoding::Utf8) else {
        return Err(refused("files must include at least one utf8 encoded file"));
    };
    let mut submitted = Vec::with_capacity(files.len());
    let mut entry = String::new();
    for (index, File { name, content, encoding }) in files.into_iter().enumerate() {
        let path = match name {
            Some(name) if index == main => with_extension(language, name),
            None if index == main => language.entry.clone(),
            Some(name) => name,
            // Piston gives every text to the compiler.
            None if encoding == Encoding::Utf8 && language.compile.is_some() => {
                with_extension(language, format!("file{index}.code"))
            }
            None => format!("file{index}.code"),
        };
        if let Err(wrong) = JobPath::try_from(path.clone()) {
            return Err(refused(format!("files[{index}].name: {wrong}")));
        }
        if encoding != Encoding::Utf8 && language.compile.is_some() && is_source(language, &path) {
            let detail = format!(
                "the compiler of {} would take it for a source; send it as utf8, or by another name",
                language.name
            );
            return Err(refused(format!("files[{index}].name: {detail}")));
        }
        let (content, content_base64) = match encoding {
            Encoding::Utf8 => (Some(content), None),
            Encoding::Base64 => (None, Some(plain_base64(&content))),
            Encoding::Hex => {
                let bytes = hex::decode(content.trim());
                let bytes =
                    bytes.map_err(|e| refused(format!("files[{index}].content: not hex: {e}").to_lowercase()))?;
                (None, Some(STANDARD.encode(bytes)))
            }
        };
        if index == main {
            entry.clone_from(&path);
        }
        submitted.push(SubmittedFile { path, content, content_base64, blob: None });
    }
    Ok((submitted, entry))
}

fn is_source(language: &Language, path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|extension| language.extensions.iter().any(|known| known == extension))
}

/// `name`, with the language's usual extension where it has none of the language's.
fn with_extension(language: &Language, name: String) -> String {
    match language.extensions.first() {
        Some(usual) if !is_source(language, &name) => format!("{name}.{usual}"),
        _ => name,
    }
}

/// Base64 in the one form that a submission takes: Piston's reader takes lines, and the alphabet of URLs too.
fn plain_base64(text: &str) -> String {
    let plain = text.chars().filter(|c| !c.is_ascii_whitespace() && *c != '=').map(|c| match c {
        '-' => '+',
        '_' => '/',
        c => c,
    });
    plain.collect()
}
