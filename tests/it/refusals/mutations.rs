//! Submissions changed in one place, over HTTP: each is refused with its rule, or accepted and then a job.

use std::time::Duration;

use proptest::test_runner::{Config, TestCaseError, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::hostile_json::{Mutated, mutated, valid};
use crate::cluster::Cluster;

/// Submissions that are tried.
const CASES: u32 = 500;
/// Longest that an answer may take.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
/// Longest refusal, in bytes: it may repeat a little of what was sent.
const PROBLEM_BYTES_MAX: usize = 4096;
/// What may be said of a submission: status and code.
const CODES: [(u16, &str); 9] = [
    (400, "malformed_json"),
    (400, "unknown_field"),
    (413, "too_large"),
    (422, "invalid_value"),
    (422, "unknown_language"),
    (422, "unknown_extension"),
    (422, "no_source"),
    (422, "limit_too_high"),
    (422, "limit_too_low"),
];

/// Status, media type and body of the answer to a submission of these bytes.
async fn answer(cluster: &Cluster, body: String) -> Result<(u16, String, String), TestCaseError> {
    let request = cluster.http.post(format!("{}/v1/jobs", cluster.url)).header("content-type", "application/json");
    let failed = |what: &str| TestCaseError::fail(format!("{what}\n{}", cluster.logs()));
    let sent = timeout(ANSWER_WAIT, request.body(body).send()).await.map_err(|_| failed("no answer in time"))?;
    let answer = sent.map_err(|e| failed(&e.to_string()))?;
    let kind = answer.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let status = answer.status().as_u16();
    Ok((status, kind, answer.text().await.map_err(|e| failed(&e.to_string()))?))
}

async fn check(cluster: &Cluster, mutation: Mutated) -> Result<bool, TestCaseError> {
    let Mutated { at, misshapen, body } = mutation;
    let (status, kind, text) = answer(cluster, body).await?;
    let told: Value = serde_json::from_str(&text).map_err(|e| TestCaseError::fail(format!("{e}: {text}")))?;
    if status == 201 {
        prop_assert!(!misshapen, "{at} takes anything");
        let id = told["id"].as_str().unwrap_or_default();
        let job = cluster.get(&format!("/v1/jobs/{id}")).await;
        prop_assert_eq!(&job["state"], "queued", "what was accepted is a job");
        return Ok(true);
    }
    prop_assert_eq!(kind, "application/problem+json");
    prop_assert!(text.len() <= PROBLEM_BYTES_MAX, "{} bytes", text.len());
    let code = told["code"].as_str().unwrap_or_default();
    prop_assert!(CODES.contains(&(status, code)), "{status} {text}");
    let field = told["field"].as_str();
    let names_none = matches!(code, "malformed_json" | "too_large") || at.is_empty();
    prop_assert!(field.is_some() || names_none, "{text}");
    if let Some(field) = field.filter(|_| misshapen) {
        prop_assert!(field.starts_with(&at) || at.starts_with(field), "{at} was changed: {text}");
    }
    Ok(false)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_submission_changed_in_one_place_is_refused_by_name_or_is_a_job() {
    let cluster = Cluster::master_only().await;
    let (status, _, text) = answer(&cluster, valid().to_string()).await.unwrap();
    assert_eq!(status, 201, "unchanged it is right: {text}");
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let accepted = std::cell::Cell::new(1);
    let tried = tokio::task::block_in_place(|| {
        runner.run(&mutated(), |mutation| {
            let is_job = Handle::current().block_on(check(&cluster, mutation))?;
            accepted.set(accepted.get() + u64::from(is_job));
            Ok(())
        })
    });
    tried.unwrap_or_else(|failure| panic!("{failure}"));
    let accepted = accepted.get();
    assert!(accepted > u64::from(CASES) / 50, "too few are accepted for a test of that: {accepted}");
    assert_eq!(cluster.get("/v1/stats").await["queued"], accepted, "nothing refused was taken");
    cluster.shutdown().await;
}
