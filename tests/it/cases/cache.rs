//! Compile results that are remembered: whose, when, and never wrong.

use serde_json::{Value, json};

use super::judged;
use crate::cluster::Cluster;

const AGENT: &[&str] = &["--slots", "1", "--languages", "c,python"];

fn cached(job: &Value) -> bool {
    assert_eq!(job["compile"]["outcome"], "ok", "{job:#}");
    let cached = job["compile"]["cached"] == true;
    assert_eq!(job["timing"]["compile_ms"] == 0, cached, "{job:#}");
    cached
}

const HELLO: &str = "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }";

#[tokio::test(flavor = "multi_thread")]
async fn the_same_is_compiled_once_for_each_scope() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let run = async |extra: Value| {
        let mut submission = json!({ "language": "c", "source": HELLO });
        for (name, value) in extra.as_object().unwrap() {
            submission[name] = value.clone();
        }
        let job = cluster.run(&submission).await;
        assert_eq!(job["run"]["stdout"], "hello\n", "{job:#}");
        cached(&job)
    };
    assert!(!run(json!({})).await, "the first time");
    assert!(run(json!({})).await, "the second time");
    assert!(run(json!({ "run": { "args": ["x"] }, "stdin": "y" })).await, "what is run makes no difference");
    assert!(run(json!({ "reuse": "never" })).await, "nor does the sandbox");
    assert!(!run(json!({ "no_cache": true })).await, "where it must be compiled");
    assert!(!run(json!({ "scope": "other" })).await, "another scope");
    assert!(run(json!({ "scope": "other" })).await);
    assert!(!run(json!({ "compile": { "args": ["-g"] } })).await, "other arguments");
    assert!(!run(json!({ "limits": { "compile": { "pids": 32 } } })).await, "other limits");
    let cases = judged(&cluster, "c", HELLO, json!([{ "expected_stdout": "hello" }]), json!({})).await;
    assert!(cached(&cases) && cases["verdict"] == "accepted", "also for a job with cases: {cases:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_compiled_is_remembered_and_its_warnings_too() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    for _ in 0..2 {
        let job = cluster.run(&json!({ "language": "c", "source": "int main(void) { return x; }" })).await;
        assert_eq!(job["outcome"], "compile_error", "{job:#}");
        assert!(job["compile"].get("cached").is_none(), "{job:#}");
    }
    let warns = json!({ "language": "c", "source": "#warning mind this\nint main(void) { return 0; }" });
    let (first, second) = (cluster.run(&warns).await, cluster.run(&warns).await);
    assert!(!cached(&first) && cached(&second));
    assert_eq!(first["compile"]["stderr"], second["compile"]["stderr"]);
    assert!(first["compile"]["stderr"].as_str().is_some_and(|text| text.contains("mind this")), "{first:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_program_can_change_what_is_remembered_of_it() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    // Overwrites, replaces and truncates all that it finds of itself.
    let spoils = r##"
#include <stdio.h>
#include <unistd.h>
#include <sys/stat.h>
int main(void) {
    puts("as it was compiled");
    fflush(stdout);
    FILE *file = fopen("main.c", "w");
    if (file) fputs("#error spoilt\n", file), fclose(file);
    unlink("main");
    file = fopen("main", "w");
    if (file) fputs("#!/bin/sh\necho spoilt\n", file), fclose(file);
    chmod("main", 0755);
    symlink("/bin/echo", "main.o");
    return 0;
}
"##;
    for round in 0..3 {
        let job = judged(&cluster, "c", spoils, json!([{}, {}]), json!({})).await;
        assert_eq!(cached(&job), round > 0, "{job:#}");
        for case in job["cases"].as_array().unwrap() {
            assert_eq!(case["stdout"], "as it was compiled\n", "{job:#}");
        }
    }
    cluster.shutdown().await;
}
