//! A program that fails costs no container: a third of real submissions do.

use serde_json::{Value, json};

use crate::cluster::{Cluster, source};
use crate::watch::first_output;

/// Jobs of each kind of failure.
const JOBS: usize = 20;
/// Of each of two images one that is bound and one that is kept ready.
const SANDBOXES: u64 = 4;
const METRIC: &str = "enclos_sandbox_start_seconds_count ";

/// Submissions that fail, each with the outcome it has to come to.
fn failures() -> Vec<(&'static str, Value)> {
    let with = |language, text, limits: Value| {
        let mut submission = source(language, text);
        submission["limits"] = json!({ "run": limits });
        submission
    };
    vec![
        ("runtime_error", source("python", "raise SystemExit(3)")),
        ("runtime_error", source("python", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")),
        ("time_limit", with("python", "while True: pass", json!({ "cpu_ms": 100, "wall_ms": 5000 }))),
        ("time_limit", with("python", "import time; time.sleep(60)", json!({ "wall_ms": 200 }))),
        ("memory_limit", with("python", "x = bytearray(1 << 29)", json!({ "memory_bytes": 64 << 20 }))),
        ("output_limit", with("python", "while True: print('x' * 1000)", json!({ "output_bytes": 100_000 }))),
        ("compile_error", source("c", "int main(void) { return nothing; }")),
    ]
}

/// Starts of sandboxes so far, as the page of metrics has them.
async fn starts(cluster: &Cluster) -> u64 {
    let page = cluster.http.get(format!("{}/metrics", cluster.url)).send().await.expect("an answer");
    let page = page.text().await.expect("it is text");
    let line = page.lines().find_map(|line| line.strip_prefix(METRIC)).expect("the page has it");
    line.parse().expect("it is a number")
}

#[tokio::test(flavor = "multi_thread")]
async fn failing_jobs_cost_no_container() {
    let args = ["--slots", "1", "--languages", "c,python", "--warm", "1"];
    let cluster = Cluster::with_agents(&[&args]).await;
    let agent = cluster.agents[0].name.clone();
    // Of each image one is bound now, and another is made in its place.
    for (outcome, submission) in failures() {
        assert_eq!(cluster.run(&submission).await["outcome"], outcome);
    }
    let full = || async { cluster.agent(&agent).await["sandboxes"] == SANDBOXES };
    cluster.eventually("all of them are there", full).await;
    let settled = || async {
        let page = cluster.agent(&agent).await;
        let closed: u64 =
            page["sandboxes_closed"].as_object().expect("by reason").values().filter_map(Value::as_u64).sum();
        starts(&cluster).await == closed + SANDBOXES
    };
    cluster.eventually("nothing is under way", settled).await;
    let before = starts(&cluster).await;

    for (outcome, submission) in failures() {
        for _ in 0..JOBS {
            let job = cluster.run(&submission).await;
            assert_eq!(job["outcome"], outcome, "{job:#}");
        }
    }
    for _ in 0..JOBS {
        let id = cluster.submit(&source("python", "import time\nprint('runs', flush=True)\ntime.sleep(60)")).await;
        first_output(&cluster, &id).await;
        cluster.cancel(&id).await;
        assert_eq!(cluster.finished(&id).await["outcome"], "cancelled");
    }
    let canary = cluster.run(&source("python", "print('clean')")).await;
    assert_eq!(canary["run"]["stdout"], "clean\n", "{canary:#}");
    // What an agent has counted comes with its heartbeats.
    let heard = || async { cluster.agent(&agent).await["running"] == 0 };
    cluster.eventually("the agent has nothing left to do", heard).await;
    let listed = cluster.agent(&agent).await;
    assert_eq!((&listed["unclean_jobs"], &listed["sandboxes_closed"]["unfit"]), (&json!(0), &json!(0)), "{listed:#}");
    assert_eq!(starts(&cluster).await, before, "{listed:#}");
    cluster.shutdown().await;
}
