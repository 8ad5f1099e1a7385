//! The official Python client (`client.py`, PyPI's `mcp`).

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{MODES, cluster, has, newest_ends, url};
use crate::packages::Python;

/// Longest that the client may take, its installation apart.
const CLIENT_WAIT: Duration = Duration::from_secs(240);
#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_lists_calls_sees_progress_leaves_a_loop_and_is_refused_without_a_key() {
    let (keyed, key) = cluster().await;
    let python = Python::with(Path::new("tests/it/mcp/client.txt")).await;
    for mode in MODES {
        let (script, envs) = (Path::new("tests/it/mcp/client.py"), [("ENCLOS_API_KEY", key.as_str())]);
        let ended = python.run(script, &[&url(&keyed), mode], &envs, CLIENT_WAIT).await;
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success(), "{mode}: {said}\n{}", keyed.0.logs());
        let report: Value = serde_json::from_slice(&ended.stdout).expect("it prints JSON");

        has(&report["refused"], "401");
        let version = if mode == "legacy" { "2025-11-25" } else { mode };
        assert_eq!(report["version"], version);
        assert_eq!(report["tools"], json!(["run_code", "run_tests", "read_output", "list_languages"]));
        let hello = &report["hello"];
        assert_eq!(hello["is_error"], false, "{hello:#}");
        assert_eq!(hello["structured"]["outcome"], "ok", "{hello:#}");
        assert_eq!(hello["structured"]["run"]["stdout"]["text"], "hello there\n", "{hello:#}");
        has(&hello["text"], "stdout (12 bytes):\nhello there\n");
        let steps = report["progress"].as_array().expect("a list");
        assert!(!steps.is_empty() && steps[0][0] == 1.0, "{mode}: {steps:?}");
        let tests = &report["tests"]["structured"];
        assert_eq!((&tests["verdict"], &tests["passed"]), (&json!("wrong_answer"), &json!(1)), "{tests:#}");
        assert_eq!(
            (&tests["cases"][0]["name"], &tests["cases"][0]["run"]["stdout"]["text"]),
            (&json!("wrong"), &json!("4\n"))
        );
        assert_eq!(report["languages"]["structured"]["languages"][0]["limits"][0]["name"], "cpu_ms");
        assert_eq!(report["unknown"]["is_error"], true);
        has(&report["unknown"]["text"], "did you mean python");
        assert_eq!(report["output"]["structured"]["text"], "there\n", "{report:#}");
        let seen = report["loop"].as_array().expect("a list");
        assert_eq!(seen.last(), Some(&json!("running")), "{mode}");
        let after = &report["after"]["structured"];
        assert_eq!((&after["outcome"], &after["run"]["exit_code"]), (&json!("runtime_error"), &json!(3)), "{after:#}");

        let listed = keyed.parts(&key, reqwest::Method::GET, "/v1/jobs?limit=2", None).await.1;
        let cancelled = listed["jobs"][1]["id"].as_str().expect("the loop's job");
        let path = format!("/v1/jobs/{cancelled}?wait_ms=60000");
        let job = keyed.parts(&key, reqwest::Method::GET, &path, None).await.1;
        assert_eq!(job["outcome"], "cancelled", "{mode}: {job:#}");
        newest_ends(&keyed, &key, "runtime_error").await;
    }
    let log = keyed.0.whole_log();
    assert!(!log.contains("hello there") && !log.contains(&key), "neither outputs nor keys are logged");
    keyed.0.shutdown().await;
}
