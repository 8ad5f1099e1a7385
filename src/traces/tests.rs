//! Spans of jobs that never were, from times that are known.

use std::time::Duration;

use enclos_protocol::ids::FencingToken;
use enclos_protocol::measured::{Claims, Lap};
use opentelemetry_proto::tonic::common::v1::any_value::Value;

use super::context::Context;
use super::job::Traced;
use super::*;

const MS: Duration = Duration::from_millis(1);

fn attempt(counter: u64) -> AttemptId {
    AttemptId { job: JobId::from_bytes([7; 16]), token: FencingToken { epoch: 2, counter } }
}

fn traced(base: Instant, context: Context) -> Traced {
    Traced::new(context, base, base + 2 * MS, (JobId::from_bytes([7; 16]), "c", "normal"))
}

fn laps() -> Laps {
    let lap = |from: u64, to: u64| Some(Lap { from_us: from * 1000, to_us: to * 1000 });
    Laps {
        whole_us: 60_000,
        input: lap(0, 1),
        sandbox: lap(1, 11),
        compile: lap(11, 31),
        run: lap(31, 56),
        cases: vec![Lap { from_us: 31_000, to_us: 40_000 }, Lap { from_us: 40_000, to_us: 56_000 }],
        leave: lap(56, 60),
        claims: Claims { warm: 1, ..Claims::default() },
        ..Laps::default()
    }
}

fn told(laps: Laps) -> Told {
    Told { laps: Some(Box::new(laps)), compile: Some((Outcome::Ok, false)), run: None }
}

/// Name, parent's name, and milliseconds from the begin of the first span.
fn shape(spans: &[Span]) -> Vec<String> {
    let begun = spans[0].start_time_unix_nano;
    let ms = |nanos: u64| (nanos - begun) / 1_000_000;
    let name = |id: &[u8]| spans.iter().find(|span| span.span_id == id).map_or("-", |span| &span.name);
    let line = |span: &Span| {
        let (from, to) = (ms(span.start_time_unix_nano), ms(span.end_time_unix_nano));
        format!("{} < {} {from}..{to}", span.name, name(&span.parent_span_id))
    };
    spans.iter().map(line).collect()
}

#[test]
fn the_laps_of_an_agent_stand_in_the_middle_of_what_the_master_saw() {
    let base = Instant::now();
    let mut job = traced(base, Context::fresh());
    job.dispatched(attempt(1), &"a".parse().unwrap(), base + 10 * MS);
    // 80 ms there and back, of which the agent knows 60.
    job.ended(Outcome::Ok, &told(laps()), base + 90 * MS);
    let spans = job.recorded(base + 100 * MS, &Clock::new());
    insta::assert_snapshot!(shape(&spans).join("\n"), @r"
    job < - 0..100
    submit < job 0..2
    queued < job 2..10
    attempt < job 10..90
    dispatch < attempt 10..20
    input < attempt 20..21
    sandbox < attempt 21..31
    compile < attempt 31..51
    run < attempt 51..76
    case < run 51..60
    case < run 60..76
    leave < attempt 76..80
    report < attempt 80..90
    record < job 90..100
    ");
    assert!(spans.iter().all(|span| span.status.as_ref().unwrap().code == 0), "nothing failed");
}

#[test]
fn an_attempt_that_was_lost_has_failed_and_its_job_waits_again() {
    let base = Instant::now();
    let mut job = traced(base, Context::fresh());
    job.dispatched(attempt(1), &"a".parse().unwrap(), base + 10 * MS);
    job.requeued(base + 20 * MS);
    job.dispatched(attempt(2), &"b".parse().unwrap(), base + 30 * MS);
    // An agent of an older version tells no laps.
    job.ended(Outcome::Ok, &Told { run: Some(Outcome::Ok), ..Told::default() }, base + 40 * MS);
    let spans = job.recorded(base + 50 * MS, &Clock::new());
    let failed: Vec<_> = spans.iter().map(|span| (span.name.as_str(), span.status.as_ref().unwrap().code)).collect();
    let expected =
        [("job", 0), ("submit", 0), ("queued", 0), ("attempt", 2), ("queued", 0), ("attempt", 0), ("record", 0)];
    assert_eq!(failed, expected);
    let agents = spans.iter().flat_map(|span| &span.attributes).filter(|attribute| attribute.key == "enclos.agent");
    let agents: Vec<_> = agents.map(|attribute| attribute.value.clone().unwrap().value.unwrap()).collect();
    assert_eq!(agents, [Value::StringValue("a".into()), Value::StringValue("b".into())]);
}

#[test]
fn a_liar_among_agents_makes_no_span_outside_of_its_attempt() {
    let base = Instant::now();
    let mut job = traced(base, Context::fresh());
    job.dispatched(attempt(1), &"a".parse().unwrap(), base + 10 * MS);
    let lap = Some(Lap { from_us: u64::MAX, to_us: u64::MAX });
    let lies = Laps { whole_us: u64::MAX, run: lap, cases: vec![Lap::default(); 100], ..Laps::default() };
    job.ended(Outcome::Ok, &told(lies.bounded(u64::MAX)), base + 20 * MS);
    let spans = job.recorded(base + 30 * MS, &Clock::new());
    let attempt = spans.iter().find(|span| span.name == "attempt").unwrap();
    for span in spans.iter().filter(|span| span.parent_span_id == attempt.span_id || span.name == "case") {
        assert!(span.start_time_unix_nano >= attempt.start_time_unix_nano, "{}", span.name);
        assert!(span.end_time_unix_nano <= attempt.end_time_unix_nano, "{}", span.name);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{}", span.name);
    }
}

#[test]
fn what_a_job_takes_is_bounded() {
    let base = Instant::now();
    let mut job = traced(base, Context::fresh());
    for n in 0..10_000 {
        job.dispatched(attempt(n), &"a".parse().unwrap(), base);
        job.requeued(base);
    }
    assert!(job.recorded(base, &Clock::new()).len() < 200);
}

#[tokio::test]
async fn what_finds_no_place_is_dropped_and_counted() {
    let metrics: Arc<Metrics> = Arc::default();
    let collector =
        TraceTarget { url: "http://127.0.0.1:9/v1/traces".parse().unwrap(), headers: Default::default(), ratio: 1.0 };
    let (traces, exporter) = Traces::new(collector, &metrics).unwrap();
    let dropped = |reason| metrics.spans_dropped.values().into_iter().find(|(of, _)| *of == reason).unwrap().1;
    for _ in 0..=WAITING_MAX {
        let job = JobId::generate();
        traces.admitted(job, &Asked::default(), "c", "low");
        traces.ended(job, Outcome::Cancelled, &Told::default());
        traces.recorded(job);
    }
    // Each has four spans: the job, its submission, its wait, and the record of its end.
    assert_eq!(dropped("queue"), 4);
    for _ in 0..=JOBS_MAX {
        traces.admitted(JobId::generate(), &Asked::default(), "c", "low");
    }
    assert_eq!(dropped("jobs"), job::SPANS_ORDINARY);
    drop(exporter);
}
