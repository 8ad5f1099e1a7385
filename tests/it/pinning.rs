//! Cores for contests: with `--pin-cores` each job has one for itself.

use std::collections::BTreeSet;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::cluster::{Cluster, TOKEN, program, source};
use crate::watch::{first_output, stdout_of};

/// Says which cores it may run on, then waits to be cancelled.
const SHOW_AND_HOLD: &str = "import os, time\nprint(*sorted(os.sched_getaffinity(0)), flush=True)\ntime.sleep(60)\n";
/// Says it after having tried to get the others back.
const SHOW_AFTER_ESCAPE: &str = "import os
try:
    os.sched_setaffinity(0, range(os.cpu_count()))
except OSError:
    pass
print(len(os.sched_getaffinity(0)))
";

fn holding() -> Value {
    let mut submission = source("python", SHOW_AND_HOLD);
    submission["limits"] = json!({ "run": { "wall_ms": 60_000 } });
    submission
}

#[tokio::test(flavor = "multi_thread")]
async fn pinned_jobs_have_one_core_each_and_no_other() {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if cores < 2 {
        eprintln!("skipped: this machine has one core");
        return;
    }
    let cluster = Cluster::with_agents(&[&["--languages", "python", "--pin-cores"]]).await;
    let listed = cluster.agent(&cluster.agents[0].name).await;
    assert_eq!(listed["capacity"]["slots"], cores, "{listed:#}");

    let alone = cluster.run(&source("python", SHOW_AFTER_ESCAPE)).await;
    assert_eq!(alone["run"]["stdout"], "1\n", "{alone:#}");

    let mut held = Vec::new();
    let mut seen = BTreeSet::new();
    for _ in 0..2 {
        let id = cluster.submit(&holding()).await;
        let said = stdout_of(&first_output(&cluster, &id).await);
        let core: u32 = said.trim().parse().unwrap_or_else(|_| panic!("one core, not {said}"));
        assert!(seen.insert(core), "two jobs at once share core {core}");
        held.push(id);
    }
    for id in &held {
        cluster.cancel(id).await;
        cluster.finished(id).await;
    }
    let after = cluster.run(&source("python", SHOW_AFTER_ESCAPE)).await;
    assert_eq!(after["run"]["stdout"], "1\n", "a core that was given back serves again: {after:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pinning_with_more_slots_than_cores_is_refused() {
    let output = Command::new(program("enclos-agent"))
        .args(["--name", "it-pin-refused", "--pin-cores", "--slots", "257"])
        .env("ENCLOS_JOIN_TOKEN", TOKEN)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("the agent can be started");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("--slots must be 1 to ") && text.contains("--pin-cores"), "{text}");
}
