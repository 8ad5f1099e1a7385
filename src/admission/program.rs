//! A program as a job or its judge brings it: language, files, entry, and the limits of both steps.

use enclos_images::{Catalogue, Language};
use enclos_protocol::job::{JobFile, JobPath};
use enclos_protocol::limits::StepLimits;

use super::blobs::{Known, Sizes};
use super::refusal::Refusal;
use super::submission::{CompileOptions, Limits, SubmittedFile};
use super::{files, limits, words};

/// What is said of a program.
pub(super) struct Asked {
    pub language: Option<String>,
    pub files: Option<Vec<SubmittedFile>>,
    /// Files of its archive.
    pub archive: Vec<JobFile>,
    pub source: Option<String>,
    pub entry: Option<String>,
    pub compile: Option<CompileOptions>,
    pub limits: Option<Limits>,
}

/// A program, checked.
pub(super) struct Program<'a> {
    pub language: &'a Language,
    pub files: Vec<JobFile>,
    /// Files whose content is in blobs, by their index.
    pub blobs: Vec<(u32, Known)>,
    pub entry: JobPath,
    pub compile_args: Vec<String>,
    pub compile_limits: StepLimits,
    pub run_limits: StepLimits,
}

/// The program that `asked` means.
pub(super) fn admitted<'a>(catalogue: &'a Catalogue, asked: Asked, sizes: &Sizes) -> Result<Program<'a>, Refusal> {
    let Asked { language, files, archive, source, entry, compile, limits } = asked;
    let (compile, limits) = (compile.unwrap_or_default(), limits.unwrap_or_default());
    let sources = files::gather(files, archive, source, entry, sizes)?;
    let language = choose_language(catalogue, language.as_deref(), &sources)?;
    let files::Resolved { files, blobs, entry } = sources.resolve(language)?;
    let compile_args = words::arguments("compile.args", compile.args)?;
    if language.compile.is_none() && !compile_args.is_empty() {
        let detail = format!("{} has no compile step, so it takes no compile arguments", language.name);
        return Err(Refusal::invalid("compile.args", detail));
    }
    Ok(Program {
        language,
        files,
        blobs,
        entry,
        compile_args,
        compile_limits: limits::within("limits.compile", language, &language.compile_bounds, limits.compile)?,
        run_limits: limits::within("limits.run", language, &language.run_bounds, limits.run)?,
    })
}

/// The language that a client names.
///
/// # Errors
/// [`Refusal`] with the names most like it.
pub fn language<'a>(catalogue: &'a Catalogue, name: &str) -> Result<&'a Language, Refusal> {
    catalogue.find(name).ok_or_else(|| {
        // What is like a name of megabytes is not worth the search.
        let shown: String = name.chars().take(super::refusal::SHOWN_CHARS_MAX).collect();
        Refusal::unknown_language(&shown, &catalogue.nearest(&shown))
    })
}

fn choose_language<'a>(
    catalogue: &'a Catalogue,
    named: Option<&str>,
    sources: &files::Sources,
) -> Result<&'a Language, Refusal> {
    if let Some(name) = named {
        return language(catalogue, name);
    }
    let Some(path) = sources.leading_path() else {
        let detail = "say the 'language', or an 'entry' whose extension tells it";
        return Err(Refusal::invalid("language", detail.to_owned()));
    };
    let extension = path.extension().unwrap_or_default();
    catalogue.by_extension(extension).ok_or_else(|| Refusal::unknown_extension(sources.leading_field(), path.as_str()))
}
