//! The steps of a job as the supervisor is asked for them. Pure.

use std::collections::BTreeMap;

use enclos_images::Language;
use enclos_images::command::{ENVIRONMENT, JobWords, expand};
use enclos_images::language::Command;
use enclos_protocol::job::{JobInput, JobPath, JobSpec};
use enclos_protocol::limits::{OnOutputLimit, StepLimits};
use enclos_protocol::supervisor_link::{Keep, StdinSource, StepRequest, Workspace};

/// Memory that no step uses more of, in bytes.
pub(super) fn memory_bytes_max(language: &Language, spec: &JobSpec) -> u64 {
    let compile = language.compile.as_ref().map_or(0, |_| spec.compile_limits.memory_bytes);
    compile.max(spec.run_limits.memory_bytes)
}

/// The compile step, where the language has one.
pub(super) fn compile(language: &Language, spec: &JobSpec, input: &JobInput) -> Option<StepRequest> {
    let command = language.compile.as_ref()?;
    let limits = spec.compile_limits;
    Some(StepRequest {
        argv: argv(language, command, spec, input, (&spec.compile_args, &limits)),
        env: environment(command, &[]),
        limits,
        // An avalanche of warnings is cut, not a crime: the program may compile all the same.
        on_output_limit: OnOutputLimit::Truncate,
        merge_stderr: false,
        stdin: StdinSource::Empty,
        workspace: Workspace::Inputs,
        extras: false,
        directories: Vec::new(),
        keep: Keep::Workspace,
        whole_stdout: false,
    })
}

/// The run.
pub(super) fn run(language: &Language, spec: &JobSpec, input: &JobInput) -> StepRequest {
    let limits = spec.run_limits;
    StepRequest {
        argv: argv(language, &language.run, spec, input, (&spec.run_args, &limits)),
        env: environment(&language.run, &spec.env),
        limits,
        on_output_limit: spec.on_output_limit,
        merge_stderr: spec.merge_stderr,
        stdin: if input.stdin.is_empty() { StdinSource::Empty } else { StdinSource::Staged },
        workspace: if language.compile.is_some() { Workspace::Kept } else { Workspace::Inputs },
        extras: false,
        directories: Vec::new(),
        keep: Keep::Nothing,
        whole_stdout: false,
    }
}

fn argv(
    language: &Language,
    command: &Command,
    spec: &JobSpec,
    input: &JobInput,
    (args, limits): (&[String], &StepLimits),
) -> Vec<String> {
    let files: Vec<JobPath> = input.files.iter().map(|f| f.path.clone()).collect();
    let entry = input.files.iter().find(|f| f.path == spec.entry);
    let words = JobWords {
        args,
        files: &files,
        entry: &spec.entry,
        entry_content: entry.map_or(&[], |f| f.content.as_ref()),
        memory_bytes: limits.memory_bytes,
    };
    expand(language, &command.command, &words)
}

/// The whole environment: ours, the language's, the job's; a later one replaces an earlier of its name.
fn environment(command: &Command, of_job: &[(String, String)]) -> Vec<(String, String)> {
    let ours = ENVIRONMENT.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let language = command.env.iter().map(|(name, value)| (name.clone(), value.clone()));
    let all: BTreeMap<String, String> = ours.chain(language).chain(of_job.iter().cloned()).collect();
    all.into_iter().collect()
}
