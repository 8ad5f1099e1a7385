//! Where user namespaces cannot be had: plain cells, one job for each sandbox, the same answers.

use enclos_protocol::supervisor_link::SANDBOX_HEADROOM_BYTES;
use serde_json::json;

use crate::cluster::{Cluster, source};
use crate::watch::{first_output, stdout_of};
use crate::{engine, programs};

/// Programs of each language: enough to see that another way of running them changes no answer.
const SAMPLE: usize = 4;
const PLAIN: [&str; 6] = ["--slots", "2", "--languages", "c,python", "--cells", "plain"];

#[tokio::test(flavor = "multi_thread")]
async fn plain_cells_give_the_same_answers() {
    let cluster = Cluster::with_agents(&[&PLAIN]).await;
    assert_eq!(cluster.agent(&cluster.agents[0].name).await["reuse"], "never");
    for language in ["c", "python"] {
        let programs = programs::load(&format!("ordinary/{language}"));
        programs::check_all(&cluster, &programs[..SAMPLE], &json!({})).await;
    }
    let job = cluster.run(&source("python", "print('plain')")).await;
    assert_eq!((&job["reuse"], &job["isolation"]), (&json!("never"), &json!("runc")), "{job:#}");
    assert_eq!(job["run"]["accounting"], "cgroup", "{job:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_five_protections_hold_in_plain_cells() {
    let cluster = Cluster::with_agents(&[&["--slots", "2", "--cells", "plain"]]).await;
    programs::check_all(&cluster, &programs::load("limits"), &json!({})).await;
    let canary = cluster.run(&source("python", "print('clean')")).await;
    assert_eq!(canary["run"]["stdout"], "clean\n", "{canary:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_supervisor_survives_programs_in_plain_cells() {
    let cluster = Cluster::with_agents(&[&PLAIN]).await;
    programs::check_all(&cluster, &programs::load("isolation/survive"), &json!({})).await;
    let canary = cluster.run(&source("python", "print('clean')")).await;
    assert_eq!(canary["run"]["stdout"], "clean\n", "{canary:#}");
    cluster.shutdown().await;
}

/// What the walls of a plain cell are, seen from inside; and none of it is there for the next job.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_cell_is_another_user_who_reaches_neither_supervisor_nor_next_job() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python", "--cells", "plain"]]).await;
    let agent = cluster.agents[0].name.clone();
    let mut users = Vec::new();
    for _ in 0..2 {
        let job = cluster.run(&source("python", LOOK_AROUND)).await;
        assert_eq!(job["outcome"], "ok", "{job:#}");
        let stdout = job["run"]["stdout"].as_str().expect("it prints");
        let (user, rest) = stdout.split_once('\n').expect("several lines");
        assert_eq!(rest, NOTHING_REACHED, "{job:#}");
        users.push(user.to_owned());
    }
    assert_ne!(users[0], users[1], "each sandbox's programs have a user of their own");

    // The daemon closed its streams and left its session: it dies with its step all the same, and
    // what it burned before is counted.
    let job = cluster.run(&source("python", DAEMON)).await;
    assert_eq!(job["outcome"], "ok", "{job:#}");
    assert!(job["run"]["cpu_ms"].as_u64().is_some_and(|cpu| cpu >= 200), "{job:#}");
    let listed = cluster.agent(&agent).await;
    assert_eq!(listed["unclean_jobs"], 0, "{listed:#}");
    cluster
        .eventually("used sandboxes are destroyed", || async {
            cluster.agent(&agent).await["sandboxes_closed"]["single_use"] == 3
        })
        .await;
    assert!(engine::containers_of(&agent).await.len() <= 3, "stock, and at most one that is being made");
    cluster.shutdown().await;
}

/// Files that a compiler left stay in the sandbox, outside of every later cell's limit: the sandbox
/// as a whole is held to what the job was promised.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_sandbox_never_uses_more_than_its_job_was_promised() {
    const PROMISED_BYTES: u64 = 64 << 20;
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "python", "--cells", "plain"]]).await;
    let mut submission = source("python", "import time\nprint('runs', flush=True)\ntime.sleep(60)");
    submission["limits"] = json!({ "run": { "memory_bytes": PROMISED_BYTES, "wall_ms": 60_000 } });
    let id = cluster.submit(&submission).await;
    assert_eq!(stdout_of(&first_output(&cluster, &id).await), "runs\n");
    let limits = engine::sandbox_memory_limits_of(&cluster.agents[0].name);
    cluster.cancel(&id).await;
    cluster.finished(&id).await;
    let held: Vec<_> = limits.iter().filter(|limit| **limit == PROMISED_BYTES + SANDBOX_HEADROOM_BYTES).collect();
    assert_eq!(held.len(), 1, "the job's sandbox is held, and stock is not: {limits:?}");
    cluster.shutdown().await;
}

const LOOK_AROUND: &str = r#"
import os, signal

print(os.getuid(), flush=True)

def tried(name, action):
    try:
        action()
        print(name, "done")
    except OSError as error:
        print(name, error.strerror)

tried("kill supervisor", lambda: os.kill(1, signal.SIGKILL))
tried("kill first process", lambda: os.kill(os.getppid(), signal.SIGKILL))
tried("read memory", lambda: open("/proc/1/mem", "rb"))
tried("read environment", lambda: open("/proc/1/environ", "rb").read())
tried("list descriptors", lambda: os.listdir("/proc/%d/fd" % os.getppid()))
tried("write root", lambda: open("/written", "w"))
for controller in sorted(os.listdir("/enclos/cgroup")):
    root = "/enclos/cgroup/" + controller
    reached = [n for n in os.listdir(root) if len(n) == 64 and os.access(root + "/" + n, os.X_OK)]
    writable = [n for n in os.listdir(root) if n.startswith(("cgroup.procs", "tasks", "memory.limit")) and os.access(root + "/" + n, os.W_OK)]
    if reached or writable:
        print(controller, reached, writable)
print(sorted(os.listdir("/job")), sorted(os.listdir("/tmp")))
open("/job/left", "w").write("x")
open("/tmp/left", "w").write("x")
"#;

const NOTHING_REACHED: &str = "\
kill supervisor Operation not permitted
kill first process Operation not permitted
read memory Permission denied
read environment Permission denied
list descriptors Permission denied
write root Read-only file system
['main.py'] []
";

const DAEMON: &str = r#"
import os, time

reading, writing = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for descriptor in (0, 1, 2):
            os.close(descriptor)
        while time.process_time() < 0.2:
            pass
        os.write(writing, b"x")
        time.sleep(60)
    os._exit(0)
os.read(reading, 1)
"#;
