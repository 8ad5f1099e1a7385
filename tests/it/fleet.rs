//! Several agents, and the deaths of agents and master: nothing is lost, nothing twice.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::cluster::{Cluster, source};
use crate::watch::first_output;

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

/// As many jobs that need only Python.
async fn submit_python(cluster: &Cluster, count: usize) -> Vec<(String, String)> {
    let mut jobs = Vec::new();
    for n in 0..count {
        let (submission, stdout) = mixed_job(n * 10);
        jobs.push((cluster.submit(&submission).await, stdout));
    }
    jobs
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

/// The master counts `jobs` finished and nothing else: none lost, none twice.
async fn check_recorded_once(cluster: &Cluster, jobs: usize) {
    let stats = cluster.get("/v1/stats").await;
    let counts = ["queued", "running", "finished"].map(|name| stats[name].as_u64());
    assert_eq!(counts, [Some(0), Some(0), Some(jobs as u64)], "{stats:#}");
    let mut seen = BTreeSet::new();
    let mut page = cluster.get("/v1/jobs").await;
    loop {
        let listed = page["jobs"].as_array().unwrap_or_else(|| panic!("a page has jobs: {page:#}"));
        for job in listed {
            assert_eq!(job["state"], "finished", "{job:#}");
            let n = job["labels"]["n"].as_str().expect("it has its label").to_owned();
            assert!(seen.insert(n), "listed twice: {job:#}");
        }
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        page = cluster.get(&format!("/v1/jobs?cursor={cursor}")).await;
    }
    assert_eq!(seen.len(), jobs, "every job is listed");
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
    let running = || async { cluster.agent(&victim).await["running"].as_u64().is_some_and(|n| n > 0) };
    cluster.eventually("the victim holds a job", running).await;
    cluster.kill_agent(0).await;
    check_answers(&cluster, &jobs).await;
    check_recorded_once(&cluster, jobs.len()).await;
    let args = ["--slots", "1", "--languages", "python"];
    cluster.start_agent_named(&victim, &args).await;
    cluster.shutdown().await; // asks the engine and the kernel for what either agent left
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_master_loses_no_job() {
    let mut cluster = Cluster::with_agents(&[SMALL]).await;
    let jobs = submit_mixed(&cluster, 100).await;
    cluster
        .eventually("some jobs run", || async {
            cluster.get("/v1/stats").await["running"].as_u64().is_some_and(|n| n > 0)
        })
        .await;
    cluster.kill_master().await;
    cluster.start_master().await;
    check_answers(&cluster, &jobs).await;
    check_recorded_once(&cluster, jobs.len()).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_is_taken_up_again_by_the_next_master() {
    let mut cluster = Cluster::with_agents(&[SMALL]).await;
    let code = "import sys\nprint('began', flush=True)\nn = 0\nfor _ in range(20_000_000): n += 1\nprint(n)\n";
    let id = cluster.submit(&source("python", code)).await;
    first_output(&cluster, &id).await;
    cluster.kill_master().await;
    cluster.start_master().await;
    let job = cluster.finished(&id).await;
    assert_eq!(job["outcome"], "ok", "{job:#}");
    assert_eq!(job["run"]["stdout"], "began\n20000000\n", "{job:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_agent_gives_its_jobs_back() {
    let mut cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python"]]).await;
    let jobs: Vec<(String, String)> = submit_python(&cluster, 12).await;
    cluster.start_agent(SMALL).await;
    let first = cluster.agents.remove(0);
    first.end(&cluster.logs()).await;
    check_answers(&cluster, &jobs).await;
    check_recorded_once(&cluster, jobs.len()).await;
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
