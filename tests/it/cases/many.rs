//! Many jobs at once, and jobs that are erased, with agents that really run them.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::cluster::{Cluster, source};
use crate::watch::first_output;

const AGENT: &[&str] = &["--slots", "2", "--languages", "python"];
/// Longest that a line may take to come.
const LINE_WAIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_run_and_told_as_each_of_it_ends() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let program =
        |n: u32| source("python", &format!("import time; time.sleep({}); print({n})", f64::from(5 - n) / 10.0));
    let jobs: Vec<Value> = (0..5).map(program).chain([json!({ "language": "pyton", "source": "" })]).collect();
    let request = cluster.http.post(format!("{}/v1/jobs/batch", cluster.url)).json(&json!({ "jobs": jobs }));
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let ids: Vec<&str> = answer["jobs"].as_array().unwrap().iter().filter_map(|j| j["job"]["id"].as_str()).collect();
    assert_eq!(ids.len(), 5, "{answer:#}");
    assert_eq!(answer["jobs"][5]["problem"]["code"], "unknown_language", "{answer:#}");
    let request = cluster.http.post(format!("{}/v1/jobs/wait", cluster.url)).json(&json!({ "ids": ids }));
    let text =
        timeout(LINE_WAIT, async { request.send().await.unwrap().text().await.unwrap() }).await.expect("all end");
    let lines: Vec<Value> = text.lines().filter(|l| !l.is_empty()).map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 5, "{text}");
    for (n, id) in ids.iter().enumerate() {
        let line = lines.iter().find(|line| line["id"] == **id).expect("each is told");
        assert_eq!(line["job"]["run"]["stdout"], format!("{n}\n"), "{line:#}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_a_running_job_ends_it_and_frees_its_place() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python"]]).await;
    let id = cluster.submit(&source("python", "print('on', flush=True)\nwhile True: pass\n")).await;
    first_output(&cluster, &id).await;
    let erase = async || cluster.http.delete(format!("{}/v1/jobs/{id}", cluster.url)).send().await.unwrap().status();
    assert_eq!(erase().await, 204);
    assert_eq!(cluster.get(&format!("/v1/jobs/{id}")).await["code"], "not_found");
    let next = cluster.run(&source("python", "print('free')")).await;
    assert_eq!(next["run"]["stdout"], "free\n", "{next:#}");
    assert_eq!(erase().await, 204);
    assert_eq!(cluster.get("/v1/jobs").await["jobs"].as_array().map(Vec::len), Some(1));
    cluster.shutdown().await;
}
