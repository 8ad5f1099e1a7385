//! What hostile programs must not get: anything of another job, or of the sandbox itself.
//!
//! `tests/programs/isolation/pairs/*.py` each plant one thing and look for it
//! (their `probe.py` has the ways to be called). A probe first has to find what
//! it planted in its own cell, else its finding nothing elsewhere would prove
//! nothing. That two jobs met in one sandbox is read from the user id that a
//! cell is mapped to, which is unique among live sandboxes.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cluster::{Cluster, source};
use crate::watch::{first_output, stdout_of};
use crate::{engine, programs};

/// What a probe prints that finds nothing.
pub const CLEAN: &str = "clean\n";
/// What a probe prints whose thing cannot be made at all.
pub const REFUSED: &str = "refused\n";

/// One probe, and the code that all share.
pub struct Pair {
    name: String,
    code: String,
    common: String,
}

/// Every probe, by name.
pub fn pairs() -> Vec<Pair> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/isolation");
    let common = std::fs::read_to_string(root.join("probe.py")).expect("the probes' common code is there");
    let entries = std::fs::read_dir(root.join("pairs")).expect("the pairs are there");
    let mut paths: Vec<PathBuf> = entries.map(|e| e.expect("it can be read").path()).collect();
    paths.sort();
    let read = |path: &PathBuf| std::fs::read_to_string(path).expect("it can be read");
    let name = |path: &PathBuf| path.file_stem().expect("it has a name").to_string_lossy().into_owned();
    paths.iter().map(|p| Pair { name: name(p), code: read(p), common: common.clone() }).collect()
}

impl Pair {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A job that calls it in one of its ways.
    pub fn job(&self, way: &str, scope: &str) -> Value {
        json!({
            "language": "python",
            "entry": "main.py",
            "files": [{ "path": "main.py", "content": self.code }, { "path": "probe.py", "content": self.common }],
            "run": { "args": [way] },
            "limits": { "run": { "pids": 128 } },
            "scope": scope,
        })
    }
}

/// Which sandbox a probe ran in, as it wrote to stderr.
fn sandbox_of(job: &Value) -> String {
    let stderr = job["run"]["stderr"].as_str().unwrap_or_default();
    let line = stderr.lines().find_map(|l| l.strip_prefix("sandbox "));
    line.unwrap_or_else(|| panic!("the probe says where it ran: {job:#}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_passes_to_the_next_job_of_the_same_sandbox() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python", "--reuse", "tenant"]]).await;
    let mut failures = Vec::new();
    let pairs = pairs();
    for pair in &pairs {
        let planted = cluster.run(&pair.job("both", "one")).await;
        let found = cluster.run(&pair.job("look", "one")).await;
        let own = planted["run"]["stdout"].as_str().unwrap_or_default();
        let name = &pair.name;
        if own == CLEAN || !(own.starts_with("found ") || own == REFUSED) {
            failures.push(format!("{name}: the probe does not find its own: {planted:#}"));
        }
        if found["run"]["stdout"] != CLEAN {
            failures.push(format!("{name}: passed on: {found:#}"));
        }
        if sandbox_of(&planted) != sandbox_of(&found) {
            failures.push(format!("{name}: cost a sandbox, although nothing of it can be left"));
        }
    }
    programs::fail_with(&failures, pairs.len(), &cluster);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_passes_to_another_sandbox_at_the_same_time() {
    let agent = ["--slots", "2", "--languages", "python", "--reuse", "tenant"];
    let cluster = Cluster::with_agents(&[&agent]).await;
    let mut failures = Vec::new();
    let pairs = pairs();
    for pair in &pairs {
        let holder = cluster.submit(&pair.job("hold", "holds")).await;
        let said = stdout_of(&first_output(&cluster, &holder).await);
        let found = cluster.run(&pair.job("look", "looks")).await;
        cluster.cancel(&holder).await;
        let held = cluster.finished(&holder).await;
        let name = &pair.name;
        if said != "planted\n" && said != REFUSED {
            failures.push(format!("{name}: does not plant: {said}"));
        }
        if found["run"]["stdout"] != CLEAN {
            failures.push(format!("{name}: passed on: {found:#}"));
        }
        if sandbox_of(&held) == sandbox_of(&found) {
            failures.push(format!("{name}: two scopes met in one sandbox"));
        }
    }
    programs::fail_with(&failures, pairs.len(), &cluster);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_has_no_privilege_and_sees_no_more_than_its_own() {
    let cluster = Cluster::with_agents(&[&["--slots", "2", "--languages", "c,python"]]).await;
    programs::check_all(&cluster, &programs::load("isolation/privileges"), &json!({})).await;
    cluster.shutdown().await;
}

/// One after the other on one slot: who harms the supervisor or the agent is known by name.
#[tokio::test(flavor = "multi_thread")]
async fn the_supervisor_survives_what_programs_do_to_it() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "c,python"]]).await;
    let agent = cluster.agents[0].name.clone();
    let programs = programs::load("isolation/survive");
    let mut failures = Vec::new();
    for program in &programs {
        failures.extend(program.check(&cluster, &json!({})).await);
        for canary in [source("python", "print('clean')"), source("c", CANARY)] {
            let job = cluster.run(&canary).await;
            if job["outcome"] != "ok" || job["run"]["stdout"] != CLEAN || job["attempts"] != 1 {
                failures.push(format!("{}: the next job is not right: {job:#}", program.name()));
            }
        }
    }
    assert_eq!(cluster.agent(&agent).await["state"], "connected", "{}", cluster.logs());
    programs::fail_with(&failures, programs.len(), &cluster);
    cluster.shutdown().await;
}

const CANARY: &str = "#include <stdio.h>\nint main(void) { puts(\"clean\"); return 0; }";

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_program_costs_no_sandbox() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python", "--reuse", "tenant"]]).await;
    let agent = cluster.agents[0].name.clone();
    let mark = "print(open('/proc/self/uid_map').read().split()[1], flush=True)\n";
    let run = |code: &str| {
        let mut submission = source("python", &format!("{mark}{code}"));
        submission["limits"] = json!({ "run": { "cpu_ms": 200, "memory_bytes": 64 << 20, "output_bytes": 100_000 } });
        submission
    };
    let first = cluster.run(&run("")).await;
    assert_eq!(first["outcome"], "ok", "{first:#}");
    let place = first["run"]["stdout"].as_str().expect("it prints").trim().to_owned();
    let before = engine::containers_of(&agent).await;
    let ends = [
        ("while True: pass", "time_limit"),
        ("b = bytearray(1 << 30)\nfor n in range(0, len(b), 4096): b[n] = 1", "memory_limit"),
        ("while True: print('x' * 1000)", "output_limit"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "runtime_error"),
    ];
    for (code, outcome) in ends {
        let job = cluster.run(&run(code)).await;
        assert_eq!(job["outcome"], outcome, "{job:#}");
        let stdout = job["run"]["stdout"].as_str().expect("it prints");
        assert_eq!(stdout.lines().next(), Some(place.as_str()), "the sandbox is the same after {outcome}");
    }
    let gone: Vec<_> = before.difference(&engine::containers_of(&agent).await).cloned().collect();
    assert!(gone.is_empty(), "no container was given up: {gone:?}");
    cluster.shutdown().await;
}
