//! `read_output`: more of what a job wrote, from where its reader stopped.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shown::{bytes_of, part};
use crate::admission::Refusal;
use crate::gate::Caller;
use crate::http::query::job_id;
use crate::http::wire::{self, Job, JobState};
use crate::http::{Api, jobs};

/// Bytes of one answer where none are asked for.
const BYTES_DEFAULT: u64 = 16 * 1024;
/// Most bytes of one answer.
const BYTES_MAX: u64 = 64 * 1024;
/// How long an answer waits for the end of a job that has not ended.
const END_WAIT: Duration = Duration::from_secs(30);

/// Which stream.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum StreamName {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error.
    Stderr,
}

/// Which step.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum StepName {
    /// The compiler, or the installer of dependencies that failed.
    Compile,
    /// The program.
    #[default]
    Run,
}

/// Arguments of `read_output`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadOutput {
    /// Id of a job, as `run_code` and `run_tests` tell it.
    job: String,
    /// Default `stdout`.
    #[serde(default)]
    stream: StreamName,
    /// Default `run`.
    #[serde(default)]
    step: StepName,
    /// Of a job of `run_tests`: which case, by its place from 0 on.
    case: Option<u32>,
    /// Where to begin, in bytes; default 0.
    #[serde(default)]
    offset: u64,
    /// How much to read, in bytes; default 16384, at most 65536.
    max_bytes: Option<u64>,
}

/// A part of what a job wrote to one stream: untrusted text. Exactly one of `text` and `bytes_base64`.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub(super) struct OutputPart {
    /// Id of the job.
    pub(super) job: String,
    /// `finished`; or `queued` or `running`: ask again.
    pub(super) state: JobPhase,
    /// Which stream.
    pub(super) stream: StreamName,
    /// Where this part begins, in bytes.
    pub(super) offset: u64,
    /// The part, where it is UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<String>,
    /// The part as base64, where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes_base64: Option<String>,
    /// Where the next part begins; absent where this was the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_offset: Option<u64>,
    /// Bytes that are kept of the stream.
    pub(super) kept_bytes: u64,
    /// Bytes that the program wrote.
    pub(super) written_bytes: u64,
}

/// How far a job is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum JobPhase {
    Queued,
    Running,
    Finished,
}

/// Serves the call.
pub(super) async fn read(api: &Arc<Api>, caller: &Caller, asked: ReadOutput) -> Result<OutputPart, Refusal> {
    let id = job_id(&asked.job).map_err(|refusal| refusal.at("job"))?;
    if asked.max_bytes.is_some_and(|bytes| bytes > BYTES_MAX) {
        let detail = format!("one answer has at most {BYTES_MAX} bytes; go on with 'next_offset'");
        return Err(Refusal::new(422, "limit_too_high", detail).at("max_bytes"));
    }
    if api.progress.find_of(caller.tenant.as_str(), id).is_some() {
        let _place = api.room.wait(caller)?;
        jobs::wait(api, caller, id, END_WAIT).await;
    }
    let _turn = api.room.reading().await?;
    let job = jobs::job(api, caller, id).await.map_err(|refusal| refusal.at("job"))?;
    self::part_of(&job, &asked)
}

/// The part that is asked for.
pub(super) fn part_of(job: &Job, asked: &ReadOutput) -> Result<OutputPart, Refusal> {
    let step = step(job, asked)?;
    let (kept, written_bytes) = match (step, asked.stream) {
        (None, _) => (Vec::new(), 0),
        (Some(step), StreamName::Stdout) => {
            (bytes_of(step.stdout.as_deref(), step.stdout_base64.as_deref()), step.stdout_bytes)
        }
        (Some(step), StreamName::Stderr) => {
            (bytes_of(step.stderr.as_deref(), step.stderr_base64.as_deref()), step.stderr_bytes)
        }
    };
    let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let (begin, end) = part(&kept, whole(asked.offset), whole(asked.max_bytes.unwrap_or(BYTES_DEFAULT)));
    let bytes = &kept[begin..end];
    let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
    Ok(OutputPart {
        job: job.id.clone(),
        state: match job.state {
            JobState::Queued => JobPhase::Queued,
            JobState::Running => JobPhase::Running,
            JobState::Finished => JobPhase::Finished,
        },
        stream: asked.stream,
        offset: begin as u64,
        bytes_base64: text.is_none().then(|| STANDARD.encode(bytes)),
        text,
        next_offset: (end < kept.len()).then_some(end as u64),
        kept_bytes: kept.len() as u64,
        written_bytes,
    })
}

/// Whose output it is; `None`: that step was not run (yet).
fn step<'a>(job: &'a Job, asked: &ReadOutput) -> Result<Option<&'a wire::Step>, Refusal> {
    if asked.step == StepName::Compile {
        return Ok(job.compile.as_ref());
    }
    let Some(cases) = &job.cases else {
        return match asked.case {
            Some(_) if job.total.is_none() => Err(Refusal::invalid("case", "this job was run once, without cases")),
            _ => Ok(job.run.as_ref()),
        };
    };
    let Some(index) = asked.case else {
        let detail = format!("say which 'case': this job has {}, from 0 on", cases.len());
        return Err(Refusal::invalid("case", detail));
    };
    match cases.get(index as usize) {
        Some(case) => Ok(case.run.as_ref()),
        None => Err(Refusal::invalid("case", format!("this job has {} cases, from 0 on", cases.len()))),
    }
}

/// The part as a text.
pub(super) fn text(part: &OutputPart) -> String {
    let OutputPart { job: _, state, stream, offset, text, bytes_base64, next_offset, kept_bytes, written_bytes } = part;
    if *state != JobPhase::Finished {
        return "the job has not ended; ask again".to_owned();
    }
    let stream = if *stream == StreamName::Stdout { "stdout" } else { "stderr" };
    let coding = if bytes_base64.is_some() { ", as base64" } else { "" };
    let more = match next_offset {
        Some(next) => format!("\n[go on with offset={next}]"),
        None if written_bytes > kept_bytes => {
            format!("\n[the end of what is kept; {written_bytes} bytes were written]")
        }
        None => String::new(),
    };
    let body = text.as_deref().or(bytes_base64.as_deref()).unwrap_or_default();
    format!("{stream} from byte {offset} of {kept_bytes}{coding}:\n{body}{more}")
}
