//! Traces of real jobs, as a collector gets them.

use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};

use super::collector::{Collector, attribute};
use crate::cluster::{Cluster, source};

const ONE: &[&str] = &["--slots", "1", "--languages", "c,python"];
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// Submits with a `traceparent` header; the id of the job.
async fn submit(cluster: &Cluster, job: &Value, flags: &str) -> String {
    let header = format!("00-{TRACE}-{PARENT}-{flags}");
    let request = cluster.http.post(format!("{}/v1/jobs", cluster.url)).header("traceparent", header).json(job);
    let answer = request.send().await.expect("the master answers");
    let answer: Value = answer.json().await.expect("the answer is JSON");
    answer["id"].as_str().unwrap_or_else(|| panic!("{answer:#}")).to_owned()
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut all = spans.iter().filter(|span| span.name == name);
    let one = all.next().unwrap_or_else(|| panic!("there is no {name}"));
    assert!(all.next().is_none(), "there is one {name}");
    one
}

fn nanos(span: &Span) -> u64 {
    span.end_time_unix_nano.checked_sub(span.start_time_unix_nano).expect("no span ends before it begins")
}

/// Children of a span in the order of their begin; they lie within it, one after the other.
fn stages<'a>(spans: &'a [Span], parent: &Span) -> Vec<&'a Span> {
    let mut children: Vec<_> = spans.iter().filter(|span| span.parent_span_id == parent.span_id).collect();
    children.sort_by_key(|span| (span.start_time_unix_nano, span.end_time_unix_nano));
    let mut at = parent.start_time_unix_nano;
    for child in &children {
        assert!(child.start_time_unix_nano >= at, "{} begins when the one before is over", child.name);
        at = child.end_time_unix_nano;
    }
    assert!(at <= parent.end_time_unix_nano, "the last ends within {}", parent.name);
    children
}

fn names(spans: &[&Span]) -> Vec<String> {
    spans.iter().map(|span| span.name.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_one_trace_whose_times_add_up() {
    let mut collector = Collector::start().await;
    let mut cluster = Cluster::master_with(&["--otlp-endpoint", &collector.url]).await;
    cluster.start_agent(ONE).await;
    let mut job = source("c", "#include <stdio.h>\nint main(void) { puts(\"seen-by-nobody\"); return 0; }");
    job["stdin"] = json!("told-to-nobody");
    job["labels"] = json!({ "label": "read-by-nobody" });
    let id = submit(&cluster, &job, "01").await;
    assert_eq!(cluster.finished(&id).await["outcome"], "ok");
    let spans = collector.trace_of(&id).await;

    assert!(spans.iter().all(|span| hex::encode(&span.trace_id) == TRACE), "it goes on with the client's");
    let whole = named(&spans, "job");
    assert_eq!(hex::encode(&whole.parent_span_id), PARENT);
    let of_job = stages(&spans, whole);
    assert_eq!(names(&of_job), ["submit", "queued", "attempt", "record"]);
    assert_eq!(of_job.iter().map(|span| nanos(span)).sum::<u64>(), nanos(whole), "its stages are all of it");
    let attempt = named(&spans, "attempt");
    let of_attempt = stages(&spans, attempt);
    let expected = ["dispatch", "input", "image", "sandbox", "compile", "run", "leave", "report"];
    assert_eq!(names(&of_attempt), expected);
    let told: u64 = of_attempt.iter().map(|span| nanos(span)).sum();
    assert!(2 * told > nanos(attempt), "most of an attempt is told: {told} of {}", nanos(attempt));
    assert_eq!(spans.len(), 1 + of_job.len() + of_attempt.len(), "there are no others");
    assert!(spans.iter().all(|span| span.status.as_ref().is_some_and(|status| status.code == 0)), "nothing failed");

    let values = ["enclos.language", "enclos.outcome", "enclos.attempts"].map(|key| attribute(whole, key));
    assert_eq!(values, ["c", "ok", "1"]);
    assert_eq!(attribute(attempt, "enclos.agent"), cluster.agents[0].name);
    assert_eq!(attribute(named(&spans, "compile"), "enclos.cached"), "false");
    let came = collector.came();
    assert!(came.resource.contains(&("service.name".to_owned(), "enclos".to_owned())), "{:?}", came.resource);
    assert!(came.headers.iter().all(|headers| headers["content-type"] == "application/x-protobuf"));
    let sent: Vec<u8> = came.bodies.concat();
    for secret in ["-by-nobody", "-to-nobody", "puts", "default"] {
        assert!(!sent.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "'{secret}' is in no trace");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_case_is_a_span_of_the_run_and_what_a_client_does_not_record_is_not_sent() {
    let mut collector = Collector::start().await;
    let mut cluster = Cluster::master_with(&["--otlp-endpoint", &collector.url]).await;
    cluster.start_agent(ONE).await;
    let silent = submit(&cluster, &source("python", "print(1)"), "00").await;
    cluster.finished(&silent).await;
    let case = |n: u32| json!({ "stdin": n.to_string(), "expected_stdout": n.to_string() });
    let mut job = source("python", "print(input())");
    job["cases"] = json!([case(1), case(2), case(3)]);
    job["checker"] = json!("tokens");
    let id = cluster.submit(&job).await;
    assert_eq!(cluster.finished(&id).await["verdict"], "accepted");
    let spans = collector.trace_of(&id).await;
    assert!(named(&spans, "job").parent_span_id.is_empty(), "without a client's trace it is one of its own");
    let cases = stages(&spans, named(&spans, "run"));
    let numbers: Vec<_> = cases.iter().map(|span| (span.name.as_str(), attribute(span, "enclos.case"))).collect();
    assert_eq!(numbers, [("case", "0".to_owned()), ("case", "1".to_owned()), ("case", "2".to_owned())]);
    let jobs = collector.came().spans.into_iter().filter(|span| span.name == "job");
    assert_eq!(jobs.map(|span| attribute(&span, "enclos.job")).collect::<Vec<_>>(), [id]);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_ends_sends_what_it_has() {
    let collector = Collector::start().await;
    let mut cluster = Cluster::master_with(&["--otlp-endpoint", &collector.url]).await;
    let ids = [cluster.submit(&source("python", "")).await, cluster.submit(&source("c", "")).await];
    for id in &ids {
        cluster.cancel(id).await;
        assert_eq!(cluster.finished(id).await["outcome"], "cancelled");
    }
    cluster.end_master().await;
    let jobs = collector.came().spans.into_iter().filter(|span| span.name == "job");
    let mut sent: Vec<_> = jobs.map(|span| attribute(&span, "enclos.job")).collect();
    sent.sort();
    let mut ids = ids.to_vec();
    ids.sort();
    assert_eq!(sent, ids);
}
