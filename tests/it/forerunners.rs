//! A javac that has started before its job: what it says and leaves is what an ordinary one does, and it is used once.

use std::path::Path;

use serde_json::{Value, json};

use crate::cluster::{Cluster, source};
use crate::engine;

/// Each claim finds the sandbox in which one waits.
const AGENT: [&str; 8] = ["--languages", "java", "--slots", "1", "--warm", "1", "--reuse", "never"];
const TAKEN: &str = "a forerunner took the step";

/// Programs whose compile step comes to each kind of end; all say something.
fn programs() -> Vec<Value> {
    let main = |body: &str| format!("class Main {{ public static void main(String[] args) {{ {body} }} }}");
    let helper = |n: usize| json!({ "path": format!("a/H{n}.java"), "content": format!("package a; public class H{n} {{ public static int n() {{ return {n}; }} }}") });
    let sum: Vec<String> = (0..60).map(|n| format!("a.H{n}.n()")).collect();
    let mut many =
        vec![json!({ "path": "Main.java", "content": main(&format!("System.out.println({});", sum.join("+"))) })];
    many.extend((0..60).map(helper));
    vec![
        source("java", &main("System.out.println(\"Grüße \" + new java.io.File(\".\").list().length);")),
        source(
            "java",
            &main("java.util.List l = new java.util.ArrayList(); l.add(new Integer(1)); System.out.println(l);"),
        ),
        source("java", &main("int n = \"é\"; undefined(n); String s = 5")),
        source("java", &main("Missing m; org.missing.Thing t;")),
        json!({ "language": "java", "files": many }),
    ]
}

/// What is to be the same of a job.
fn told(job: &Value) -> Value {
    let step = |step: &str| json!(["outcome", "exit_code", "stdout", "stderr"].map(|key| job[step][key].clone()));
    json!([job["outcome"], step("compile"), step("run")])
}

async fn cluster(forerunners: &str) -> Cluster {
    let mut cluster = Cluster::new(false);
    cluster.environment.push(("ENCLOS_LOG", "enclos_agent=debug,info".to_owned()));
    cluster.start_master().await;
    cluster.start_agent(&[&AGENT[..], &["--forerunners", forerunners]].concat()).await;
    cluster
}

/// Processes of the agent that wait for a command line: they read from their standard input.
fn waiting(agent: &str) -> Vec<i32> {
    let is_reading = |tasks: &Path| {
        let tasks = std::fs::read_dir(tasks).into_iter().flatten().flatten();
        let mut calls = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("syscall")).ok());
        // read(2) on x86-64 and on aarch64.
        calls.any(|call| call.starts_with("0 0x0 ") || call.starts_with("63 0x0 "))
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let of_agent = processes.filter(|entry| {
        let text = |name: &str| std::fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        text("cgroup").contains(&format!("enclos-{agent}/")) && text("cmdline").ends_with("\0Forerunner\0")
    });
    let reading = of_agent.filter(|entry| is_reading(&entry.path().join("task")));
    reading.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

async fn one_waits(cluster: &Cluster) -> i32 {
    let agent = &cluster.agents[0].name;
    cluster.eventually("a javac waits", || async { !waiting(agent).is_empty() }).await;
    waiting(agent)[0]
}

fn taken(cluster: &Cluster) -> usize {
    cluster.whole_log().matches(TAKEN).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_javac_that_waited_says_and_leaves_what_an_ordinary_one_does_and_is_used_once() {
    let ordinary = cluster("0").await;
    let mut expected = Vec::new();
    for program in programs() {
        expected.push(told(&ordinary.run(&program).await));
    }
    assert_eq!(taken(&ordinary), 0);
    ordinary.shutdown().await;

    let cluster = cluster("1").await;
    for (n, (program, expected)) in programs().iter().zip(expected).enumerate() {
        let waits = one_waits(&cluster).await;
        let job = cluster.run(program).await;
        assert_eq!(told(&job), expected, "{job:#}");
        assert_eq!(taken(&cluster), n + 1, "it took the step: {job:#}");
        assert!(!Path::new(&format!("/proc/{waits}")).exists(), "and ended with it");
    }
    let waits = one_waits(&cluster).await;
    cluster.shutdown().await;
    assert!(!Path::new(&format!("/proc/{waits}")).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_job_notices_a_javac_that_was_killed_or_does_not_fit() {
    let cluster = cluster("1").await;
    let code = |text: &str| {
        source(
            "java",
            &format!("class Main {{ public static void main(String[] a) {{ System.out.println(\"{text}\"); }} }}"),
        )
    };
    let with = |text: &str, limits: Value, args: Value| {
        let mut program = code(text);
        program["limits"] = json!({ "compile": limits });
        program["compile"] = json!({ "args": args });
        program
    };
    let kill = |pid: i32| {
        let killed = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        assert!(killed.is_ok_and(|status| status.success()));
    };
    let programs = [
        (code("killed"), true),
        (with("less memory", json!({ "memory_bytes": 268_435_456 }), json!([])), false),
        (with("fewer processes", json!({ "pids": 32 }), json!([])), false),
        (with("an argument", json!({}), json!(["-Xlint:all"])), false),
    ];
    for (program, is_killed) in &programs {
        let waits = one_waits(&cluster).await;
        if *is_killed {
            kill(waits);
            let threads = format!("/proc/{waits}/task");
            cluster
                .eventually("all of it is dead", || async {
                    std::fs::read_dir(&threads).map_or(0, Iterator::count) <= 1
                })
                .await;
        }
        let job = cluster.run(program).await;
        assert_eq!((&job["outcome"], taken(&cluster)), (&json!("ok"), 0), "{job:#}");
        assert!(!Path::new(&format!("/proc/{waits}")).exists(), "nothing of it is left beside the job's own");
    }
    one_waits(&cluster).await;
    let job = cluster.run(&code("as usual")).await;
    assert_eq!((&job["outcome"], taken(&cluster)), (&json!("ok"), 1), "{job:#}");
    let name = cluster.agents[0].name.clone();
    cluster.shutdown().await;
    engine::assert_nothing_left(&name).await;
}
