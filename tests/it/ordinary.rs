//! Ordinary programs through HTTP, queue, scheduler, agent and container.

use serde_json::{Value, json};

use crate::cluster::{Cluster, source};
use crate::programs;

/// Programs of each language at least.
const PROGRAMS_MIN: usize = 10;
/// Enough to try another way of running them.
const SAMPLE: usize = 4;

async fn check(language: &str) {
    let cluster = Cluster::with_agents(&[&["--slots", "2", "--languages", language]]).await;
    let programs = programs::load(&format!("ordinary/{language}"));
    assert!(programs.len() >= PROGRAMS_MIN, "at least ten programs of {language}");
    programs::check_all(&cluster, &programs, &json!({})).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_c_programs_come_to_what_their_files_say() {
    check("c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_cpp_programs_come_to_what_their_files_say() {
    check("cpp").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_java_programs_come_to_what_their_files_say() {
    check("java").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_python_programs_come_to_what_their_files_say() {
    check("python").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn single_use_sandboxes_give_the_same_answers() {
    let cluster = Cluster::with_agents(&[&["--slots", "2", "--languages", "c,python"]]).await;
    for language in ["c", "python"] {
        let programs = programs::load(&format!("ordinary/{language}"));
        programs::check_all(&cluster, &programs[..SAMPLE], &json!({ "reuse": "never" })).await;
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_without_reuse_says_so_in_every_answer() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python", "--reuse", "never"]]).await;
    let mut seen = Vec::new();
    for n in 0..2 {
        let job = cluster.run(&source("python", &format!("print({n})"))).await;
        assert_eq!(job["run"]["stdout"], format!("{n}\n"), "{job:#}");
        assert_eq!(job["reuse"], "never", "{job:#}");
        seen.push(job["isolation"].clone());
    }
    assert_eq!(seen, [json!("runc"), json!("runc")]);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_five_protections_hold() {
    let cluster = Cluster::with_agents(&[&["--slots", "2"]]).await;
    programs::check_all(&cluster, &programs::load("limits"), &json!({})).await;
    let canary = cluster.run(&source("python", "print('clean')")).await;
    assert_eq!(canary["run"]["stdout"], "clean\n", "{canary:#}");
    cluster.shutdown().await;
}

fn figure(step: &Value, name: &str) -> u64 {
    step[name].as_u64().unwrap_or_else(|| panic!("{name} is a whole number: {step:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_and_timing_are_reported() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "c"]]).await;
    let burn = "int main(void) { volatile long n = 0; while (n < 300000000) n++; return 7; }";
    let job = cluster.run(&source("c", burn)).await;
    assert_eq!(job["outcome"], "runtime_error", "{job:#}");
    assert_eq!(job["run"]["exit_code"], 7, "{job:#}");
    for step in ["compile", "run"] {
        for name in ["cpu_ms", "wall_ms", "memory_peak_bytes"] {
            assert!(figure(&job[step], name) > 0, "{step}.{name}: {job:#}");
        }
    }
    let timing = &job["timing"];
    let parts = ["queued_ms", "dispatch_ms", "sandbox_ms", "compile_ms", "run_ms"].map(|name| figure(timing, name));
    let rounding = parts.len() as u64;
    assert!(figure(timing, "total_ms") + rounding >= parts.iter().sum::<u64>(), "{timing}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_keeps_the_first_bytes_and_says_what_was_produced() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python"]]).await;
    let mut submission = source("python", "print('0123456789' * 10, end='')");
    submission["limits"] = json!({ "run": { "report_bytes": 15 } });
    let job = cluster.run(&submission).await;
    assert_eq!(job["outcome"], "ok", "{job:#}");
    assert_eq!(job["run"]["stdout"], "012345678901234", "{job:#}");
    assert_eq!(job["run"]["truncated"], true, "{job:#}");
    assert_eq!(job["run"]["stdout_bytes"], 100, "{job:#}");

    submission["limits"] = json!({ "run": { "output_bytes": 20 } });
    let killed = cluster.run(&submission).await;
    assert_eq!(killed["outcome"], "output_limit", "{killed:#}");
    assert_eq!(killed["run"]["stdout"], "01234567890123456789", "cut at exactly the limit: {killed:#}");

    submission["on_output_limit"] = json!("truncate");
    let cut = cluster.run(&submission).await;
    assert_eq!(cut["outcome"], "ok", "{cut:#}");
    assert_eq!(cut["run"]["stdout"], "01234567890123456789", "{cut:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_compiler_says_is_cut_whatever_becomes_of_a_programs_output() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "c"]]).await;
    let mut submission = source("c", &("#warning much\n".repeat(50) + "int main(void) { return 0; }"));
    submission["limits"] = json!({ "compile": { "output_bytes": 200 } });
    submission["on_output_limit"] = json!("kill");
    let job = cluster.run(&submission).await;
    assert_eq!(job["outcome"], "ok", "{job:#}");
    assert_eq!(job["compile"]["truncated"], true, "{job:#}");
    assert!(figure(&job["compile"], "stderr_bytes") > 200, "{job:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_exit_code_comes_back_as_it_was() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "c"]]).await;
    let code = "#include <stdlib.h>\nint main(int count, char **args) { (void)count; return atoi(args[1]); }";
    let mut submission = source("c", code);
    let cases = (0..=255).map(|code| json!({ "name": code.to_string(), "args": [code.to_string()] }));
    submission["cases"] = cases.collect();
    let job = cluster.run(&submission).await;
    let cases = job["cases"].as_array().unwrap_or_else(|| panic!("it has cases: {job:#}"));
    assert_eq!(cases.len(), 256);
    for (code, case) in cases.iter().enumerate() {
        let outcome = if code == 0 { "ok" } else { "runtime_error" };
        assert_eq!((&case["exit_code"], &case["outcome"]), (&json!(code), &json!(outcome)), "{case:#}");
        assert!(case.get("signal").is_none(), "{case:#}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn merged_streams_keep_the_order_of_writing() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python"]]).await;
    let code = "import os\nfor n in range(4):\n    os.write(1 + n % 2, f'{n} '.encode())\n";
    let mut submission = source("python", code);
    submission["merge_stderr"] = json!(true);
    let job = cluster.run(&submission).await;
    assert_eq!(job["run"]["stdout"], "0 1 2 3 ", "{job:#}");
    assert_eq!(job["run"]["stderr"], "", "{job:#}");
    cluster.shutdown().await;
}
