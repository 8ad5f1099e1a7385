//! From what the store and the live state hold to what the API answers. Pure.

mod cases;
mod turn;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use enclos_protocol::dependencies::Installed;
use enclos_protocol::job::{Reuse, Step as WhichStep, StepReport, Stream};
use enclos_protocol::limits::StepLimits;
use enclos_protocol::outcome::{Accounting, Exit, Outcome, TimeLimit, signal_name};

use super::wire::{
    Dependencies, Job, JobState, OutcomeName, OutputEvent, Package, QueuePlace, StateEvent, Step, StepName, StreamName,
    TimeLimitName, Timing,
};
use crate::progress::{Chunk, Phase, Snapshot};
use crate::scheduler::Place;
use crate::store::{Detail, JobRecord, StoredState, UnixTime};

pub use cases::case_event;

/// What is known beside the store's record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// The live state, while there is one.
    pub live: Option<&'a Snapshot>,
    /// The place in the queue.
    pub place: Option<Place>,
    /// What only its own answer shows; `None`: left out.
    pub detail: Option<&'a Detail>,
}

/// What is told of a stream.
#[derive(Clone, Copy)]
enum Kept<'a> {
    /// These bytes of it.
    Bytes(&'a [u8]),
    /// Nothing: it is another answer's to show.
    LeftOut,
}

/// The job as clients see it.
#[must_use]
pub fn job(record: &JobRecord, beside: Beside<'_>) -> Job {
    let state = state(record, beside.live);
    let live = beside.live.filter(|_| state == JobState::Running);
    let ending = record.ending.as_ref();
    let report = ending.and_then(|e| e.report.as_ref());
    let kept =
        |which| move |stream| beside.detail.map_or(Kept::LeftOut, |d| Kept::Bytes(d.outputs.part(which, stream)));
    let step = |which, step: Option<&StepReport>, limits| step.map(|s| self::step(s, limits, kept(which)));
    let spec = &record.spec;
    let plan = spec.cases.as_ref();
    let companion = plan.and_then(|plan| plan.judging.companion());
    let summary = cases::summary(spec, ending.and_then(|e| e.judged.as_ref()));
    let detail = beside.detail.filter(|_| state == JobState::Finished);
    let running = live.and_then(running_step);
    // It knows of an attempt before the store does.
    let holder = live.and_then(|snapshot| snapshot.holder.as_deref());
    let prediction = holder.and_then(|holder| holder.expected).or(record.prediction);
    Job {
        id: record.id.to_string(),
        state,
        language: record.spec.language.clone(),
        created_at: time(record.created),
        started_at: holder
            .map(|holder| holder.started)
            .or(record.started)
            .filter(|_| state != JobState::Queued)
            .map(time),
        finished_at: record.finished.map(time),
        priority: record.turn.priority.into(),
        expires_at: record.turn.expires.filter(|_| state == JobState::Queued).map(time),
        queue: beside.place.filter(|_| state == JobState::Queued).map(queue_place),
        step: running.map(|(name, _)| name),
        case: running.and_then(|(_, case)| case),
        progress: live.and_then(|snapshot| snapshot.image.clone()),
        outcome: ending.map(|e| outcome(e.outcome)),
        message: ending.and_then(|e| e.message.clone()),
        compile: report.and_then(|r| step(WhichStep::Compile, r.compile.as_ref(), &spec.compile_limits)),
        judge_compile: report.zip(companion).and_then(|(report, companion)| {
            step(WhichStep::Companion, report.companion.as_ref(), &companion.compile_limits)
        }),
        run: report.and_then(|r| step(WhichStep::Run, r.run.as_ref(), &spec.run_limits)),
        verdict: summary.map(|(verdict, ..)| verdict),
        passed: summary.map(|(_, passed, ..)| passed),
        total: plan.map(|plan| plan.count),
        score: summary.map(|(.., score)| score),
        cases: detail.and_then(|detail| cases::all(spec, detail)),
        groups: detail.map(cases::groups).unwrap_or_default(),
        files: cases::files(spec, report),
        files_error: report.and_then(|r| r.files_error.clone()),
        timing: timing(record),
        prediction: beside.place.and_then(|place| place.expected).or(prediction).map(turn::prediction),
        agent: holder.map(|holder| holder.agent.to_string()).or_else(|| record.agent.clone()),
        attempts: holder.map_or(record.attempts, |holder| holder.attempts),
        isolation: report.map(|r| r.isolation.as_str().to_owned()),
        reuse: report.map(|r| reuse(r.reuse).to_owned()),
        dependencies: report.and_then(|r| r.dependencies.as_ref()).map(dependencies),
        labels: record.labels.clone(),
    }
}

fn dependencies(installed: &Installed) -> Dependencies {
    let Installed { installer, packages, cached, install_us } = installed;
    let packages = packages.iter().map(|p| Package { name: p.name.clone(), version: p.version.clone() });
    Dependencies {
        installed: [(installer.clone(), packages.collect())].into(),
        cached: *cached,
        install_ms: install_us.div_ceil(1000),
    }
}

/// The store's end decides; before it, the live state knows better than the store.
fn state(record: &JobRecord, live: Option<&Snapshot>) -> JobState {
    match (record.state, live.map(|s| s.phase)) {
        (StoredState::Finished, _) => JobState::Finished,
        (_, Some(Phase::Queued)) | (StoredState::Queued, None) => JobState::Queued,
        _ => JobState::Running,
    }
}

fn queue_place(place: Place) -> QueuePlace {
    QueuePlace { position: place.position, estimated_start_ms: place.estimated_start.map(millis) }
}

fn step<'a>(report: &StepReport, limits: &StepLimits, kept: impl Fn(Stream) -> Kept<'a>) -> Step {
    let facts = &report.facts;
    let kept = |stream, produced: u64| match kept(stream) {
        Kept::Bytes(bytes) => (Some(bytes), produced > bytes.len() as u64),
        Kept::LeftOut => (None, produced > limits.report_bytes),
    };
    let (stdout, stdout_less) = kept(Stream::Stdout, facts.stdout_bytes);
    let (stderr, stderr_less) = kept(Stream::Stderr, facts.stderr_bytes);
    let (stdout, stdout_base64) = text_or_base64(stdout, stdout_less);
    let (stderr, stderr_base64) = text_or_base64(stderr, stderr_less);
    let (exit_code, signal) = match facts.exit {
        Some(Exit::Code(code)) => (Some(code), None),
        Some(Exit::Signal(number)) => (None, Some(signal_name(number))),
        None => (None, None),
    };
    let limit = facts.time_limit(limits).filter(|_| report.outcome == Outcome::TimeLimit);
    Step {
        outcome: outcome(report.outcome),
        exit_code,
        signal,
        limit: limit.map(|limit| match limit {
            TimeLimit::Cpu => TimeLimitName::Cpu,
            TimeLimit::Wall => TimeLimitName::Wall,
        }),
        stdout,
        stdout_base64,
        stderr,
        stderr_base64,
        truncated: stdout_less || stderr_less,
        stdout_bytes: facts.stdout_bytes,
        stderr_bytes: facts.stderr_bytes,
        cpu_ms: facts.cpu_us.div_ceil(1000),
        wall_ms: facts.wall_us.div_ceil(1000),
        memory_peak_bytes: facts.memory_peak_bytes,
        accounting: match facts.accounting {
            Accounting::Cgroup => "cgroup",
            Accounting::Sampled => "sampled",
        }
        .to_owned(),
        cached: report.cached,
    }
}

/// Text where the bytes are UTF-8, else base64. Where the end was cut off, half a character at the
/// cut is left out, so that a text stays a text.
fn text_or_base64(bytes: Option<&[u8]>, cut: bool) -> (Option<String>, Option<String>) {
    let Some(bytes) = bytes else { return (None, None) };
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(error) if cut && error.error_len().is_none() => {
            (Some(String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned()), None)
        }
        Err(_) => (None, Some(STANDARD.encode(bytes))),
    }
}

/// Dispatch is what is left of an attempt's time after what the agent measured.
fn timing(record: &JobRecord) -> Option<Timing> {
    let finished = record.finished?;
    let given = record.started.unwrap_or(finished);
    let report = record.ending.as_ref().and_then(|e| e.report.as_ref());
    // What was remembered was measured when it was made, in another job.
    let wall = |step: Option<&StepReport>| step.filter(|s| !s.cached).map_or(0, |s| s.facts.wall_us);
    let sandbox = report.map_or(0, |r| r.sandbox_us);
    let install = report.and_then(|r| r.dependencies.as_ref()).map(|d| d.install_us);
    // Where dependencies were refused, what stands for a compile step is their installer.
    let refused = install.is_some() && report.is_some_and(|r| r.run.is_none() && r.sandbox_us == 0);
    let companion = wall(report.and_then(|r| r.companion.as_ref()));
    let compile = if refused { 0 } else { wall(report.and_then(|r| r.compile.as_ref())) }.saturating_add(companion);
    let cases = record.ending.as_ref().and_then(|e| e.judged.as_ref()).map_or(0, |judged| judged.wall_us);
    let run = wall(report.and_then(|r| r.run.as_ref())).saturating_add(cases);
    let attempt = finished.us_since(given);
    let rounded = |us: u64| (us + 500) / 1000;
    Some(Timing {
        queued_ms: rounded(given.us_since(record.created)),
        dispatch_ms: rounded(attempt.saturating_sub(install.unwrap_or(0) + sandbox + compile + run)),
        install_ms: install.map(|us| us.div_ceil(1000)),
        sandbox_ms: rounded(sandbox),
        compile_ms: compile.div_ceil(1000),
        run_ms: run.div_ceil(1000),
        total_ms: rounded(finished.us_since(record.created)),
    })
}

/// As durations stand on the wire.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// RFC 3339 in UTC, with milliseconds.
pub(super) fn time(at: UnixTime) -> String {
    match jiff::Timestamp::from_microsecond(at.0) {
        Ok(timestamp) => format!("{timestamp:.3}"),
        // Beyond the year 9999; our own clock never says so.
        Err(_) => String::new(),
    }
}

/// Data of an event `state`.
#[must_use]
pub fn state_event(snapshot: &Snapshot, place: Option<Place>) -> StateEvent {
    let state = match snapshot.phase {
        Phase::Queued => JobState::Queued,
        Phase::Given | Phase::Installing | Phase::Running(_) => JobState::Running,
        Phase::Finished => JobState::Finished,
    };
    let running = running_step(snapshot);
    StateEvent {
        state,
        position: place.filter(|_| state == JobState::Queued).map(|p| p.position),
        agent: snapshot.holder.as_ref().map(|holder| holder.agent.to_string()),
        step: running.map(|(name, _)| name),
        case: running.and_then(|(_, case)| case),
        progress: snapshot.image.clone(),
        attempt: snapshot.token.filter(|_| state == JobState::Running).map(|t| format!("{}-{}", t.epoch, t.counter)),
    }
}

/// Data of an event `output`.
#[must_use]
pub fn output_event(chunk: Chunk) -> OutputEvent {
    let (text, bytes_base64) = match String::from_utf8(chunk.bytes) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(STANDARD.encode(error.as_bytes()))),
    };
    let stream = match chunk.part.stream {
        Stream::Stdout => StreamName::Stdout,
        Stream::Stderr => StreamName::Stderr,
    };
    let Chunk { part, offset, .. } = chunk;
    OutputEvent { step: step_name(part.step), case: case_index(part.step), stream, offset, text, bytes_base64 }
}

fn running_step(snapshot: &Snapshot) -> Option<(StepName, Option<u32>)> {
    match snapshot.phase {
        Phase::Given => snapshot.image.as_ref().map(|_| (StepName::Image, None)),
        Phase::Installing => Some((StepName::Install, None)),
        Phase::Running(step) => Some((step_name(step), case_index(step))),
        Phase::Queued | Phase::Finished => None,
    }
}

fn step_name(step: WhichStep) -> StepName {
    match step {
        WhichStep::Compile => StepName::Compile,
        WhichStep::Companion => StepName::JudgeCompile,
        WhichStep::Run => StepName::Run,
        WhichStep::Case(_) => StepName::Case,
    }
}

fn case_index(step: WhichStep) -> Option<u32> {
    match step {
        WhichStep::Case(index) => Some(index),
        WhichStep::Compile | WhichStep::Companion | WhichStep::Run => None,
    }
}

fn outcome(outcome: Outcome) -> OutcomeName {
    match outcome {
        Outcome::InternalError => OutcomeName::InternalError,
        Outcome::Cancelled => OutcomeName::Cancelled,
        Outcome::CompileError => OutcomeName::CompileError,
        Outcome::OutputLimit => OutcomeName::OutputLimit,
        Outcome::MemoryLimit => OutcomeName::MemoryLimit,
        Outcome::TimeLimit => OutcomeName::TimeLimit,
        Outcome::FileLimit => OutcomeName::FileLimit,
        Outcome::ProcessLimit => OutcomeName::ProcessLimit,
        Outcome::RuntimeError => OutcomeName::RuntimeError,
        Outcome::Ok => OutcomeName::Ok,
    }
}

/// The reuse's name.
#[must_use]
pub fn reuse(reuse: Reuse) -> &'static str {
    match reuse {
        Reuse::Tenant => "tenant",
        Reuse::Never => "never",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_text_stays_a_text_and_other_bytes_are_kept() {
        let euro = "€".as_bytes();
        assert_eq!(text_or_base64(Some(&[b"a", &euro[..2]].concat()), true), (Some("a".into()), None));
        assert_eq!(text_or_base64(Some(&[b"a", &euro[..2]].concat()), false), (None, Some("YeKC".into())));
        assert_eq!(text_or_base64(Some(&[0xff, 0]), true), (None, Some("/wA=".into())));
        assert_eq!(text_or_base64(Some(b""), false), (Some(String::new()), None));
    }

    #[test]
    fn times_have_milliseconds() {
        assert_eq!(time(UnixTime(1_700_000_000_123_456)), "2023-11-14T22:13:20.123Z");
        assert_eq!(time(UnixTime(1_700_000_000_000_000)), "2023-11-14T22:13:20.000Z");
    }
}
