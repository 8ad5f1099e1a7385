//! Answers that are asked for and never read.

use enclos_protocol::outcome::Outcome;
use serde_json::json;
use tokio::time::timeout;

use super::fake_agent::report;
use super::raw::{LONG, asked, get, http2, status};
use super::{agent, counted, memory_bytes, strict};
use crate::cluster::Cluster;

/// Bytes of the job's output; each is written as six characters in JSON.
const OUTPUT_BYTES: usize = 2 << 20;
/// Memory of large answers together, a reading and what else there is.
const MEMORY_BYTES_MAX: u64 = 700 << 20;
const STALLED: &str = "enclos_connections_ended_total{why=\"stalled\"}";

/// A finished job whose answer is larger than all buffers on the way.
async fn large_job(cluster: &Cluster) -> String {
    let mut agent = agent(cluster, "talkative").await;
    let submission = json!({
        "language": "python", "source": "", "limits": { "run": { "report_bytes": OUTPUT_BYTES } },
    });
    let id = cluster.submit(&submission).await;
    let (attempt, _, _) = agent.job().await;
    agent.started(attempt).await;
    for (n, piece) in vec![1; OUTPUT_BYTES].chunks(1 << 16).enumerate() {
        agent.output(attempt, (n << 16) as u64, piece).await;
    }
    agent.finish(attempt, report(Outcome::Ok, OUTPUT_BYTES as u64)).await;
    assert!(agent.verdict(attempt).await);
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_never_read_are_given_up_over_both_protocols() {
    let cluster = strict().await;
    let id = large_job(&cluster).await;
    let path = format!("/v1/jobs/{id}");
    let (mut unread, mut served, mut refused) = (Vec::new(), 0, 0);
    for _ in 0..20 {
        let mut stream = asked(&cluster.url, &path).await;
        match status(&mut stream).await {
            Some(200) => served += 1,
            Some(503) => refused += 1,
            other => panic!("{other:?}"),
        }
        unread.push(stream);
    }
    assert!(served > 0);
    let memory = memory_bytes(&cluster);
    assert!(memory < MEMORY_BYTES_MAX, "{memory} bytes for {served} answers, {refused} refused");
    cluster.eventually("all are given up", || async { counted(&cluster, STALLED).await >= served }).await;

    // As many as the connection lives for: it asks on while the first of them waits to be read.
    let (mut client, mut driver) = http2(&cluster.url).await;
    let (mut bodies, before) = (Vec::new(), counted(&cluster, STALLED).await);
    while let Ok(ready) = client.clone().ready().await
        && bodies.len() < 5
    {
        client = ready;
        let Ok((answer, _)) = client.send_request(get(&path), true) else { break };
        let Ok(answer) = answer.await else { break };
        assert_eq!(answer.status(), 200, "the memory of the others is free again");
        bodies.push(answer.into_body());
    }
    assert!(!bodies.is_empty());
    timeout(LONG, driver.join_next()).await.expect("the connection is ended");
    assert_eq!(counted(&cluster, STALLED).await, before + 1);
    drop((client, bodies, unread));

    let whole = cluster.get(&path).await;
    assert_eq!(whole["run"]["stdout"].as_str().map(str::len), Some(OUTPUT_BYTES), "who reads it gets it");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_are_never_read_are_given_up() {
    let cluster = strict().await;
    let id = large_job(&cluster).await;
    let mut unread = Vec::new();
    for _ in 0..10 {
        let mut stream = asked(&cluster.url, &format!("/v1/jobs/{id}/events")).await;
        assert_eq!(status(&mut stream).await, Some(200));
        unread.push(stream);
    }
    cluster.eventually("all are given up", || async { counted(&cluster, STALLED).await >= 10 }).await;
    let events = cluster.http.get(format!("{}/v1/jobs/{id}/events", cluster.url)).send().await.unwrap();
    let events = events.text().await.expect("who reads them gets them");
    assert_eq!(events.matches("\\u0001").count(), OUTPUT_BYTES);
    assert!(events.contains("event: finished"));
    drop(unread);
    cluster.shutdown().await;
}
