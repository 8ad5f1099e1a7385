//! The official Python client (`client.py`, PyPI's `mcp`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::process::Command;
use tokio::time::timeout;

use super::{MODES, cluster, has, newest_ends, url};
use crate::tidy::root;

/// Longest that the client may take, its installation apart.
const CLIENT_WAIT: Duration = Duration::from_secs(240);
/// Longest that its installation may take.
const INSTALL_WAIT: Duration = Duration::from_secs(240);

async fn succeeds(command: &mut Command) -> bool {
    let status = timeout(INSTALL_WAIT, command.kill_on_drop(true).output()).await.expect("it ends in time");
    status.is_ok_and(|output| output.status.success())
}

/// A Python with the pinned client: in an environment of its own where one can be made, else in a folder.
async fn python() -> Command {
    let pins = root().join("tests/it/mcp/client.txt");
    let text = std::fs::read(&pins).expect("it can be read");
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mcp-{}", &hex::encode(Sha256::digest(text))[..16]));
    let (venv, folder, complete) = (home.join("venv"), home.join("lib"), home.join("complete"));
    if !complete.is_file() {
        let _nothing_was_there = std::fs::remove_dir_all(&home);
        std::fs::create_dir_all(&home).expect("it can be made");
        let made = succeeds(Command::new("python3").args(["-m", "venv"]).arg(&venv)).await;
        let mut install = if made { Command::new(venv.join("bin/python")) } else { Command::new("python3") };
        install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(&pins);
        if !made {
            install.arg("--target").arg(&folder);
        }
        assert!(succeeds(&mut install).await, "PyPI (or the index that pip is configured for) has the client");
        std::fs::write(&complete, "").expect("it can be written");
    }
    let own: PathBuf = venv.join("bin/python");
    if own.is_file() && !folder.is_dir() {
        return Command::new(own);
    }
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", folder);
    python
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_lists_calls_sees_progress_leaves_a_loop_and_is_refused_without_a_key() {
    let (keyed, key) = cluster().await;
    for mode in MODES {
        let mut client = python().await;
        client.arg(root().join("tests/it/mcp/client.py")).args([&url(&keyed), mode]).env("ENCLOS_API_KEY", &key);
        let ended =
            timeout(CLIENT_WAIT, client.kill_on_drop(true).output()).await.expect("it ends").expect("it starts");
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
