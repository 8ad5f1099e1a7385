//! Several agents, and the deaths of agents and master: nothing is lost, nothing twice.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::cluster::Cluster;

/// Requests in flight at once while many jobs are submitted or awaited.
const CONCURRENCY: usize = 32;

/// The `n`th of the mixed jobs, and the stdout it must have.
fn mixed_job(n: usize) -> (Value, String) {
    let labels = json!({ "n": n.to_string() });
    match n % 10 {
        0..=5 => {
            let source = format!("import time\ntime.sleep(0.05)\nprint({n} * {n})");
            (json!({ "language": "python", "source": source, "labels": labels }), format!("{}\n", n * n))
        }
        6..=8 => {
            let source = format!("#include <stdio.h>\nint main(void) {{ printf(\"%d\\n\", {n} + 1); return 0; }}");
            (json!({ "language": "c", "source": source, "labels": labels }), format!("{}\n", n + 1))
        }
        _ => {
            let source = format!("#include <iostream>\nint main() {{ std::cout << {n} * 2 << '\\n'; }}");
            (json!({ "language": "cpp", "source": source, "labels": labels }), format!("{}\n", n * 2))
        }
    }
}

async fn submit_mixed(cluster: &Cluster, count: usize) -> Vec<(String, String)> {
    futures::stream::iter(0..count)
        .map(|n| async move {
            let (submission, stdout) = mixed_job(n);
            (cluster.submit(&submission).await, stdout)
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await
}

/// Waits for all, checks every answer, and counts the jobs of each agent.
async fn check_answers(cluster: &Cluster, jobs: &[(String, String)]) -> BTreeMap<String, usize> {
    let finished: Vec<(Value, &String)> = futures::stream::iter(jobs)
        .map(|(id, stdout)| async move { (cluster.finished(id).await, stdout) })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    let mut by_agent = BTreeMap::new();
    for (job, stdout) in finished {
        assert_eq!(job["outcome"], "ok", "{job:#}");
        assert_eq!(job["run"]["stdout"].as_str(), Some(stdout.as_str()), "{job:#}");
        *by_agent.entry(job["agent"].as_str().unwrap_or("?").to_owned()).or_insert(0) += 1;
    }
    by_agent
}

const SMALL: &[&str] = &["--slots", "2", "--languages", "c,cpp,python"];

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_share_two_hundred_jobs() {
    let cluster = Cluster::with_agents(&[SMALL, SMALL]).await;
    let jobs = submit_mixed(&cluster, 200).await;
    let by_agent = check_answers(&cluster, &jobs).await;
    assert_eq!(by_agent.len(), 2, "both agents ran some: {by_agent:?}");
    assert!(by_agent.values().all(|&n| n >= 40), "spread by load: {by_agent:?}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agent_loses_no_job() {
    let mut cluster = Cluster::with_agents(&[SMALL, SMALL]).await;
    let jobs = submit_mixed(&cluster, 60).await;
    let victim = cluster.agents[0].name.clone();
    cluster
        .eventually("the victim holds a job", || async {
            let agents = cluster.get("/v1/agents").await;
            agents["agents"].as_array().is_some_and(|all| all.iter().any(|a| a["name"] == *victim && a["running"] != 0))
        })
        .await;
    cluster.kill_agent(0).await;
    check_answers(&cluster, &jobs).await;
    let listed = cluster.get("/v1/stats").await;
    assert_eq!(listed["finished"].as_u64(), Some(60), "each job was recorded once: {listed:#}");
    cluster.eventually("the engine removed the dead agent's containers", || async {
        crate::engine::containers_of(&victim).await.is_empty()
    })
    .await;
    cluster.agents.remove(0);
    let args = ["--slots", "1", "--languages", "python"];
    cluster.start_agent_named(&victim, &args).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_loses_no_job() {
    let mut cluster = Cluster::with_agents(&[SMALL]).await;
    let jobs = submit_mixed(&cluster, 100).await;
    cluster
        .eventually("some jobs run", || async { cluster.get("/v1/stats").await["running"].as_u64().is_some_and(|n| n > 0) })
        .await;
    cluster.kill_master().await;
    cluster.start_master().await;
    check_answers(&cluster, &jobs).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_without_an_agent_waits_in_sight() {
    let mut cluster = Cluster::master_only().await;
    let (submission, stdout) = mixed_job(0);
    let id = cluster.submit(&submission).await;
    let waiting = cluster.get(&format!("/v1/jobs/{id}")).await;
    assert_eq!(waiting["state"], "queued", "{waiting:#}");
    assert_eq!(waiting["queue"]["position"], 1, "{waiting:#}");
    cluster.start_agent(SMALL).await;
    check_answers(&cluster, &[(id, stdout)]).await;
    cluster.shutdown().await;
}
