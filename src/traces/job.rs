//! One job's trace, from its submission to its recorded end.
//!
//! ```text
//! job ─┬─ submit                       received … durable
//!      ├─ queued                       durable … dispatched; again after each attempt that did not end it
//!      ├─ attempt ─┬─ dispatch         sent … arrived
//!      │           ├─ input, image, sandbox, compile, run (─ case …), leave, files     as the agent says
//!      │           └─ report           made … heard
//!      └─ record                       heard … in the store
//! ```
//!
//! An agent's laps count from the arrival of the dispatch. What of the attempt they leave was spent on the way, one
//! half of it there and one half back: clocks of two machines are never compared.

use std::time::{Duration, Instant};

use enclos_protocol::ids::{AgentName, AttemptId, JobId};
use enclos_protocol::measured::{Lap, Laps};
use enclos_protocol::outcome::Outcome;
use opentelemetry_proto::tonic::trace::v1::Span;

use super::Told;
use super::clock::Clock;
use super::context::Context;
use super::span::{SpanId, Stage, flag, new_id, number, text};

/// Stages of one job, at most: those of an attempt with as many cases as are told, and some attempts that failed.
const STAGES_MAX: usize = 160;
/// Spans of a job with one attempt that compiles and runs once.
pub(super) const SPANS_ORDINARY: u64 = 12;

/// Where it is.
#[derive(Debug)]
enum Now {
    Queued { since: Instant },
    Running { since: Instant, attempt: AttemptId, agent: AgentName },
    Ending { since: Instant },
}

/// A job that is traced.
#[derive(Debug)]
pub(super) struct Traced {
    context: Context,
    /// Its first span.
    id: SpanId,
    received: Instant,
    now: Now,
    stages: Vec<Stage>,
    attributes: Vec<opentelemetry_proto::tonic::common::v1::KeyValue>,
    attempts: u64,
    failed: bool,
}

impl Traced {
    /// It was received then, and is durable now.
    pub(super) fn new(
        context: Context,
        received: Instant,
        now: Instant,
        (job, language, priority): (JobId, &str, &'static str),
    ) -> Self {
        let id = new_id();
        let received = received.min(now);
        Self {
            context,
            id,
            received,
            now: Now::Queued { since: now },
            stages: vec![Stage::of(id, "submit", received, now)],
            attributes: vec![
                text("enclos.job", job.to_string()),
                text("enclos.language", language),
                text("enclos.priority", priority),
            ],
            attempts: 0,
            failed: false,
        }
    }

    pub(super) fn dispatched(&mut self, attempt: AttemptId, agent: &AgentName, now: Instant) {
        self.close(now, None);
        self.attempts += 1;
        self.now = Now::Running { since: now, attempt, agent: agent.clone() };
    }

    pub(super) fn requeued(&mut self, now: Instant) {
        self.close(now, None);
        self.now = Now::Queued { since: now };
    }

    pub(super) fn ended(&mut self, outcome: Outcome, told: &Told, now: Instant) {
        self.close(now, Some(told));
        self.attributes.push(text("enclos.outcome", outcome.as_str()));
        self.attributes.push(number("enclos.attempts", self.attempts));
        self.failed = outcome == Outcome::InternalError;
        self.now = Now::Ending { since: now };
    }

    /// All its spans, the first first.
    pub(super) fn recorded(mut self, now: Instant, clock: &Clock) -> Vec<Span> {
        self.close(now, None);
        let Self { context, id, received, stages, attributes, failed, .. } = self;
        let first = Stage { id, parent: context.parent, name: "job", from: received, to: now, attributes, failed };
        [first].into_iter().chain(stages).map(|stage| stage.span(context.trace, id, clock)).collect()
    }

    /// Ends the stage that it is in; `told`: with what the agent reported.
    fn close(&mut self, now: Instant, told: Option<&Told>) {
        let id = self.id;
        match &self.now {
            Now::Queued { since } => self.stages.push(Stage::of(id, "queued", *since, now)),
            Now::Ending { since } => self.stages.push(Stage::of(id, "record", *since, now)),
            Now::Running { since, attempt, agent } => {
                let mut stage = Stage::of(id, "attempt", *since, now)
                    .with(text("enclos.agent", agent.as_str()))
                    .with(text("enclos.attempt", attempt.token.to_string()));
                // Without a report, it was lost or handed back.
                stage.failed = told.is_none_or(|told| told.laps.is_none() && told.run.is_none());
                let within = told.and_then(|told| Some((told, told.laps.as_deref()?)));
                let inside = within.map(|(told, laps)| stages_of(stage.id, (*since, now), laps, told));
                if let Some((_, laps)) = within {
                    let claims = laps.claims;
                    let counts = [("warm", claims.warm), ("bound", claims.bound), ("waited", claims.waited)];
                    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
                    stage.attributes.extend(counts.map(|(of, n)| number(&format!("enclos.sandboxes.{of}"), n.into())));
                }
                self.stages.push(stage);
                self.stages.extend(inside.into_iter().flatten());
            }
        }
        self.stages.truncate(STAGES_MAX);
    }
}

/// What an attempt's agent did, between its dispatch and its report.
fn stages_of(attempt: SpanId, (sent, heard): (Instant, Instant), laps: &Laps, told: &Told) -> Vec<Stage> {
    let Laps { whole_us, input, image, sandbox, compile, run, cases, leave, files, claims: _ } = laps;
    let between = heard.saturating_duration_since(sent);
    let whole = Duration::from_micros(*whole_us).min(between);
    let arrived = sent + (between - whole) / 2;
    let at = |us: u64| arrived + Duration::from_micros(us).min(whole);
    let stage = |parent, name, lap: &Lap| Stage::of(parent, name, at(lap.from_us), at(lap.to_us));
    let one = |name: &'static str, lap: &Option<Lap>| lap.as_ref().map(|lap| stage(attempt, name, lap));

    let mut stages = vec![Stage::of(attempt, "dispatch", sent, arrived)];
    stages.extend([("input", input), ("image", image), ("sandbox", sandbox)].iter().filter_map(|(n, lap)| one(n, lap)));
    stages.extend(one("compile", compile).map(|stage| match told.compile {
        Some((outcome, cached)) => {
            stage.with(text("enclos.outcome", outcome.as_str())).with(flag("enclos.cached", cached))
        }
        None => stage,
    }));
    if let Some(mut stage_of_run) = one("run", run) {
        stage_of_run.attributes.extend(told.run.map(|outcome| text("enclos.outcome", outcome.as_str())));
        let id = stage_of_run.id;
        stages.push(stage_of_run);
        let case = |(number_of, lap): (u64, &Lap)| stage(id, "case", lap).with(number("enclos.case", number_of));
        stages.extend((0..).zip(cases).map(case));
    }
    stages.extend([("leave", leave), ("files", files)].iter().filter_map(|(name, lap)| one(name, lap)));
    stages.push(Stage::of(attempt, "report", arrived + whole, heard));
    stages
}
