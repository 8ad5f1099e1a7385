//! Ordinary programs through HTTP, queue, scheduler, agent and container.

use serde_json::json;

use crate::cluster::{Cluster, source};
use crate::programs;

async fn check(language: &str, extra: serde_json::Value) {
    let cluster = Cluster::with_agents(&[&[]]).await;
    let programs = programs::load(&format!("ordinary/{language}"));
    assert!(programs.len() >= 10, "at least ten programs of {language}");
    programs::check_all(&cluster, &programs, &extra).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_c_programs_come_to_what_their_files_say() {
    check("c", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_cpp_programs_come_to_what_their_files_say() {
    check("cpp", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_java_programs_come_to_what_their_files_say() {
    check("java", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_python_programs_come_to_what_their_files_say() {
    check("python", json!({})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn single_use_sandboxes_give_the_same_answers() {
    let cluster = Cluster::with_agents(&[&["--reuse", "never"]]).await;
    for language in ["c", "python"] {
        let programs = programs::load(&format!("ordinary/{language}"));
        programs::check_all(&cluster, &programs[..4], &json!({ "reuse": "never" })).await;
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_five_protections_hold() {
    let cluster = Cluster::with_agents(&[&[]]).await;
    programs::check_all(&cluster, &programs::load("limits"), &json!({})).await;
    let canary = cluster.run(&source("python", "print('clean')")).await;
    assert_eq!(canary["run"]["stdout"], "clean\n", "{canary:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_and_timing_are_reported() {
    let cluster = Cluster::with_agents(&[&[]]).await;
    let job = cluster.run(&source("c", "int main(void) { volatile long n = 0; while (n < 300000000) n++; return 7; }")).await;
    assert_eq!(job["outcome"], "runtime_error", "{job:#}");
    assert_eq!(job["run"]["exit_code"], 7);
    for step in ["compile", "run"] {
        for figure in ["cpu_ms", "wall_ms", "memory_peak_bytes"] {
            assert!(job[step][figure].as_u64().is_some_and(|n| n > 0), "{step}.{figure}: {job:#}");
        }
    }
    let timing = &job["timing"];
    let parts: u64 = ["queued_ms", "dispatch_ms", "sandbox_ms", "compile_ms", "run_ms"]
        .iter()
        .map(|part| timing[part].as_u64().unwrap_or_else(|| panic!("{part} is there: {timing}")))
        .sum();
    assert!(timing["total_ms"].as_u64().is_some_and(|total| total + 5 >= parts), "{timing}");
    cluster.shutdown().await;
}
