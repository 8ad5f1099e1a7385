//! Every process replaced, one after the other, under load; and how long each takes to leave.

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::cluster::{Cluster, JOB_WAIT, look_until, source};
use crate::watch::first_output;

/// Longest from SIGTERM to a master's end, as `docs/service.md` says.
const MASTER_END: Duration = Duration::from_secs(30);
/// Longest from SIGTERM to an agent's end, beyond its `--drain-ms`.
const AGENT_END: Duration = Duration::from_secs(30);
const AGENT: [&str; 4] = ["--slots", "2", "--languages", "python"];
/// One job after the other, this far apart.
const BETWEEN: Duration = Duration::from_millis(100);

/// Submits through whatever master is there, under a key: a broken answer is asked for again.
async fn submit(cluster: &reqwest::Client, url: &str, n: usize) -> String {
    let code = format!("import time\ntime.sleep({})\nprint({n} * {n})", (n % 7) as f64 / 5.0);
    let body = source("python", &code);
    let look = || async {
        let request = cluster.post(format!("{url}/v1/jobs")).header("idempotency-key", format!("n{n}")).json(&body);
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        assert!(matches!(status, 200 | 201 | 503), "{status}");
        let job: serde_json::Value = answer.json().await.ok()?;
        job["id"].as_str().map(str::to_owned)
    };
    look_until(JOB_WAIT, look).await.expect("it is accepted at last")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_upgrade_under_load_loses_nothing() {
    let mut cluster = Cluster::with_agents(&[&AGENT, &AGENT, &AGENT]).await;
    let (http, url) = (cluster.http.clone(), cluster.url.clone());
    let (over, is_over) = tokio::sync::watch::channel(false);
    let load = async {
        let (begun, mut jobs) = (Instant::now(), Vec::new());
        let mut pending = futures::stream::FuturesUnordered::new();
        let mut n = 0;
        while !*is_over.borrow() {
            pending.push({
                let (http, url) = (&http, &url);
                async move { (n, submit(http, url, n).await) }
            });
            n += 1;
            let next = begun + BETWEEN * u32::try_from(n).expect("there are few");
            // Cancel-safe: what is on its way stays in the set.
            while next > Instant::now() {
                tokio::select! {
                    () = sleep_until(next) => {}
                    Some(job) = pending.next() => jobs.push(job),
                }
            }
        }
        while let Some(job) = pending.next().await {
            jobs.push(job);
        }
        jobs
    };
    let upgrade = async {
        for _ in 0..2 {
            let took = cluster.end_master().await;
            assert!(took < MASTER_END, "{took:?}");
            cluster.start_master().await;
            // Each in turn, under its own name.
            for _ in 0..3 {
                let agent = cluster.agents.remove(0);
                let (name, begun, logs) = (agent.name.clone(), Instant::now(), cluster.logs());
                agent.end(&logs).await;
                assert!(begun.elapsed() < AGENT_END + DRAIN, "{:?}", begun.elapsed());
                cluster.start_agent_named(&name, &AGENT).await;
            }
        }
        over.send_replace(true);
    };
    let (jobs, ()) = tokio::join!(load, upgrade);
    assert!(jobs.len() > 30, "{} jobs came meanwhile", jobs.len());
    for (n, id) in &jobs {
        let job = cluster.finished(id).await;
        assert_eq!((&job["outcome"], &job["run"]["stdout"]), (&json!("ok"), &json!(format!("{}\n", n * n))), "{job:#}");
        assert_eq!(job["attempts"], 1, "an orderly end costs no attempt: {job:#}\n{}", cluster.logs());
    }
    let stats = cluster.get("/v1/stats").await;
    assert_eq!(stats["finished"].as_u64(), Some(jobs.len() as u64), "each once: {stats:#}");
    cluster.shutdown().await;
}

/// As the agent's default.
const DRAIN: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_told_to_end_does_not_wait_for_a_long_job() {
    let mut cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python", "--drain-ms", "1000"]]).await;
    let id =
        cluster.submit(&source("python", "import time\nprint('began', flush=True)\ntime.sleep(6)\nprint('end')")).await;
    first_output(&cluster, &id).await;
    let (first, begun) = (cluster.agents.remove(0), Instant::now());
    first.end(&cluster.logs()).await;
    assert!(begun.elapsed() < Duration::from_secs(1) + AGENT_END, "{:?}", begun.elapsed());
    let waiting = cluster.get(&format!("/v1/jobs/{id}")).await;
    assert_eq!(waiting["state"], "queued", "it was handed back: {waiting:#}");
    cluster.start_agent(&AGENT).await;
    let job = cluster.finished(&id).await;
    assert_eq!((&job["outcome"], &job["run"]["stdout"]), (&json!("ok"), &json!("began\nend\n")), "{job:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_is_told_to_end_does_not_wait_for_its_clients_or_agents() {
    let mut cluster = Cluster::with_agents(&[&AGENT]).await;
    let id =
        cluster.submit(&source("python", "import time\nprint('began', flush=True)\ntime.sleep(8)\nprint('end')")).await;
    first_output(&cluster, &id).await;
    // An event stream is open, and a job runs.
    let events = cluster.http.get(format!("{}/v1/jobs/{id}/events", cluster.url)).send().await.expect("it is served");
    let took = cluster.end_master().await;
    assert!(took < MASTER_END, "{took:?}");
    drop(events);
    cluster.start_master().await;
    let job = cluster.finished(&id).await;
    assert_eq!((&job["outcome"], &job["attempts"]), (&json!("ok"), &json!(1)), "it went on meanwhile: {job:#}");
    cluster.shutdown().await;
}
