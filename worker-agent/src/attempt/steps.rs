//! The steps of a program as the supervisor is asked for them. Pure.

use std::collections::BTreeMap;

use enclos_images::command::{ENVIRONMENT, JobWords, expand, expand_ahead};
use enclos_images::compile_key::{Compilation, CompileKey, Source};
use enclos_images::language::Command;
use enclos_images::{Catalogue, Language};
use enclos_protocol::cases::Companion;
use enclos_protocol::forerunner::Forerunner;
use enclos_protocol::ids::Binding;
use enclos_protocol::job::{JobFile, JobInput, JobPath, JobSpec, Step};
use enclos_protocol::limits::{OnOutputLimit, StepLimits};
use enclos_protocol::supervisor_link::{Keep, StepRequest, Workspace};

/// A program as it is compiled and run: the job's own, or its companion.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program<'a> {
    pub(super) language: &'a Language,
    /// What its compile step is called.
    pub(super) step: Step,
    pub(super) compile_limits: StepLimits,
    pub(super) files: &'a [JobFile],
    entry: &'a JobPath,
    compile_args: &'a [String],
}

impl<'a> Program<'a> {
    /// The job's own.
    pub(super) fn of_job(language: &'a Language, spec: &'a JobSpec, input: &'a JobInput) -> Self {
        Self {
            language,
            step: Step::Compile,
            compile_limits: spec.compile_limits,
            files: &input.files,
            entry: &spec.entry,
            compile_args: &spec.compile_args,
        }
    }

    /// The checker or interactor.
    pub(super) fn of_companion(language: &'a Language, companion: &'a Companion, input: &'a JobInput) -> Self {
        Self {
            language,
            step: Step::Companion,
            compile_limits: companion.compile_limits,
            files: &input.companion,
            entry: &companion.entry,
            compile_args: &companion.compile_args,
        }
    }

    /// Whether its entry is among its files.
    pub(super) fn has_entry(&self) -> bool {
        self.files.iter().any(|file| file.path == *self.entry)
    }

    /// What makes its compile step the same as another.
    pub(super) fn key(&self, binding: &Binding) -> Option<CompileKey> {
        let Self { language, compile_limits, files, entry, compile_args, step: _ } = *self;
        let files: Vec<Source<'_>> = files.iter().map(Source::of).collect();
        Compilation { binding, language, entry, args: compile_args, limits: &compile_limits, files: &files }.key()
    }

    /// The compile step, where the language has one.
    pub(super) fn compile(&self) -> Option<StepRequest> {
        let command = self.language.compile.as_ref()?;
        let limits = self.compile_limits;
        Some(StepRequest {
            // An avalanche of warnings is cut, not a crime: the program may compile all the same.
            on_output_limit: OnOutputLimit::Truncate,
            workspace: Workspace::Inputs,
            keep: Keep::Workspace,
            forerunner: self.forerunner(command),
            ..self.request(command, self.compile_args, &[], limits)
        })
    }

    /// A run with nothing on its standard input, of which nothing is kept.
    pub(super) fn run(&self, args: &[String], env: &[(String, String)], limits: StepLimits) -> StepRequest {
        self.request(&self.language.run, args, env, limits)
    }

    fn request(&self, command: &Command, args: &[String], env: &[(String, String)], limits: StepLimits) -> StepRequest {
        StepRequest {
            workspace: if self.language.compile.is_some() { Workspace::Kept } else { Workspace::Inputs },
            ..StepRequest::plain(self.argv(command, args, &limits), environment(command, env), limits)
        }
    }

    /// Who may take the compile step: a word of the job's own could be an option that counts at a start alone.
    fn forerunner(&self, command: &Command) -> Option<Vec<String>> {
        let is_usual = self.compile_args.is_empty() && self.files.iter().all(|f| !f.path.as_str().starts_with('-'));
        let ahead = command.ahead.as_ref().filter(|_| is_usual)?;
        Some(expand_ahead(self.language, ahead, self.compile_limits.memory_bytes))
    }

    fn argv(&self, command: &Command, args: &[String], limits: &StepLimits) -> Vec<String> {
        let files: Vec<JobPath> = self.files.iter().map(|f| f.path.clone()).collect();
        let entry = self.files.iter().find(|f| f.path == *self.entry);
        let words = JobWords {
            args,
            files: &files,
            entry: self.entry,
            entry_content: entry.map_or(&[], |f| f.content.as_ref()),
            memory_bytes: limits.memory_bytes,
        };
        expand(self.language, &command.command, &words)
    }
}

/// The whole environment: ours, the language's, the job's; a later one replaces an earlier of its name.
fn environment(command: &Command, of_job: &[(String, String)]) -> Vec<(String, String)> {
    let ours = ENVIRONMENT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let language = command.env.iter().map(|(name, value)| (name.clone(), value.clone()));
    let all: BTreeMap<String, String> = ours.chain(language).chain(of_job.iter().cloned()).collect();
    all.into_iter().collect()
}

/// What may be started in an image's idle sandboxes, by its name: for the first of its offered languages that has it,
/// as a submission that names no limits has it compiled.
pub(crate) fn forerunners(catalogue: &Catalogue, is_offered: impl Fn(&str) -> bool) -> BTreeMap<String, Forerunner> {
    let mut forerunners = BTreeMap::new();
    for language in catalogue.languages().iter().filter(|language| is_offered(&language.id)) {
        let Some(command) = &language.compile else { continue };
        let Some(ahead) = &command.ahead else { continue };
        let limits = language.compile_bounds.defaults();
        let argv = expand_ahead(language, ahead, limits.memory_bytes);
        let forerunner = Forerunner { argv, env: environment(command, &[]), limits };
        forerunners.entry(language.image.clone()).or_insert(forerunner);
    }
    forerunners
}
