//! Agents' pods come and go under load, and nothing is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::pod::Pod;
use super::site::Site;

/// Jobs of the load, half of them before each pod is rolled.
const JOBS: usize = 200;

fn work(number: usize) -> (String, String) {
    let source = format!("n = {number}\nfor _ in range(1_000_000): n += 1\nprint(n)\n");
    (source, format!("{}\n", number + 1_000_000))
}

fn sleeps(seconds: u32) -> String {
    format!("import time\ntime.sleep({seconds})\nprint('slept')\n")
}

async fn roll(site: &Site, pods: &mut [Option<Pod>; 2], ordinal: usize) -> Duration {
    let (took, code) = pods[ordinal].take().expect("it runs").end().await;
    assert_eq!(code, "0", "an agent that drained ends well");
    pods[ordinal] = Some(site.agent(ordinal, &[]).await);
    took
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "two pods with an engine each, rolled under load: minutes"]
async fn agents_are_rolled_one_by_one_under_load_and_no_job_is_lost() {
    let site = Site::new().await;
    let mut pods = [Some(site.agent(0, &[]).await), Some(site.agent(1, &[]).await)];
    let mut expected = BTreeMap::new();
    for (half, ordinal) in [1, 0].into_iter().enumerate() {
        for number in half * JOBS / 2..(half + 1) * JOBS / 2 {
            let (source, stdout) = work(number);
            expected.insert(site.submit(&source, json!({})).await, stdout);
        }
        let stats = site.get("/v1/stats").await;
        assert!(stats["queued"].as_u64().is_some_and(|n| n > 0), "the pod goes under load: {stats:#}");
        roll(&site, &mut pods, ordinal).await;
    }
    let mut served: BTreeMap<String, usize> = BTreeMap::new();
    for (id, stdout) in &expected {
        let job = site.finished(id).await;
        assert_eq!((&job["outcome"], &job["run"]["stdout"]), (&json!("ok"), &json!(stdout)), "{job:#}");
        *served.entry(job["agent"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    assert_eq!(served.values().sum::<usize>(), JOBS);
    assert_eq!(served.len(), 2, "both have worked: {served:?}");
    site.end(pods.into_iter().flatten().collect()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "pods of which one waits for its job, with an engine each: minutes"]
async fn a_pod_that_leaves_finishes_what_fits_its_grace_and_hands_back_the_rest() {
    let site = Site::new().await;
    // As the manifest has it: five minutes to finish. Packing gives the job to the lowest ordinal.
    let first = site.agent(0, &[]).await;
    let limits = json!({"wall_ms": 60_000});
    let id = site.submit(&sleeps(15), limits.clone()).await;
    site.running(&id).await;
    let (took, code) = first.end().await;
    assert_eq!(code, "0");
    let job = site.finished(&id).await;
    assert_eq!((&job["outcome"], &job["attempts"]), (&json!("ok"), &json!(1)), "{job:#}");
    assert!(took < Duration::from_secs(60), "it ends when its job has, not with its grace: {took:?}");

    // The longest job fits the manifest's grace; so that one does not, this pod's is two seconds.
    let short = site.agent(0, &[("ENCLOS_DRAIN_MS", "2000")]).await;
    let id = site.submit(&sleeps(20), limits).await;
    site.running(&id).await;
    let second = site.agent(1, &[]).await;
    let (_, code) = short.end().await;
    assert_eq!(code, "0");
    let job: Value = site.finished(&id).await;
    assert_eq!((&job["outcome"], &job["agent"]), (&json!("ok"), &json!("enclos-agent-1")), "{job:#}");
    assert_eq!(job["attempts"], 1, "a drain costs no attempt: {job:#}");
    let ran = job["timing"]["run_ms"].as_u64().unwrap_or_default();
    assert!(ran >= 20_000, "it began anew: {job:#}");
    site.end(vec![second]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "pods with an engine each: minutes"]
async fn an_agent_ends_with_its_engine_and_what_ran_there_runs_elsewhere() {
    let site = Site::new().await;
    let pod = site.agent(0, &[]).await;
    let id = site.submit(&sleeps(20), json!({"wall_ms": 60_000})).await;
    site.running(&id).await;
    // Sidecars are started anew by themselves, in a cgroup that the agent knows nothing of.
    assert_eq!(pod.lose("engine", "agent").await, "1", "it ends, so that it is started anew, too");
    let log = pod.logs("agent").await;
    assert!(log.contains("the engine of this pod has ended; the agent has to be started anew"), "{log}");
    pod.gone().await;
    let other = site.agent(1, &[]).await;
    let job = site.finished(&id).await;
    assert_eq!((&job["outcome"], &job["agent"]), (&json!("ok"), &json!("enclos-agent-1")), "{job:#}");
    site.end(vec![other]).await;
}
