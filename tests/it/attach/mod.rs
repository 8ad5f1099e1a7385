//! Conversations with programs that run, in real sandboxes over a real WebSocket.

mod command;
mod faults;

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::SinkExt as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_tungstenite::tungstenite::Message;

use crate::attached::{Attached, stdout};
use crate::cluster::{Cluster, JOB_WAIT, look_until, source};
use crate::host;

const AGENT: &[&str] = &["--slots", "2", "--languages", "c,python"];

/// Answers each line, and says so at the end.
const ECHO_C: &str = r#"
#include <stdio.h>
int main(void) {
    char line[256];
    while (fgets(line, sizeof line, stdin)) { printf("c: %s", line); fflush(stdout); }
    puts("end");
    return 3;
}
"#;
const ECHO_PYTHON: &str = "import sys\nfor line in sys.stdin: print('py:', line, end='', flush=True)\nprint('end')\n";
/// Tells of SIGINT and goes on; without input it waits for more. Python handles a signal that comes just before a read
/// begins when that read ends: so none waits.
pub const INTERRUPTED: &str = r#"
import os, select, signal
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"caught\n"))
os.write(1, b"ready\n")
while True:
    if select.select([0], [], [], 0.02)[0]:
        data = os.read(0, 1000)
        if not data: break
        os.write(1, data)
"#;
/// Runs and reads nothing.
const DEAF: &str = "import time\nprint('ready', flush=True)\ntime.sleep(100)\n";

/// A submission with live standard input.
fn live(language: &str, text: &str) -> Value {
    let mut submission = source(language, text);
    submission["run"] = json!({ "attach": true });
    submission["limits"] = json!({ "run": { "wall_ms": 60_000 } });
    submission
}

/// Submits and attaches.
async fn begin(cluster: &Cluster, submission: &Value) -> (String, Attached) {
    let id = cluster.submit(submission).await;
    let client = Attached::to(&cluster.url, &id, "").await;
    (id, client)
}

/// Waits until standard output ends so.
async fn wrote(client: &mut Attached, end: &str) {
    let mut all = String::new();
    client
        .until(|frame| {
            all += &stdout(std::slice::from_ref(frame));
            all.ends_with(end)
        })
        .await;
}

/// The conversation in C and Python with this agent, up to the end of input, and what signals do.
async fn converse(cluster: &Cluster) {
    for (language, text, word, code) in [("c", ECHO_C, "c:", 3), ("python", ECHO_PYTHON, "py:", 0)] {
        let (id, mut client) = begin(cluster, &live(language, text)).await;
        client.stage("open").await;
        for line in ["one\n", "zwölf\n"] {
            client.stdin(line.as_bytes()).await;
            wrote(&mut client, &format!("{word} {line}")).await;
        }
        client.stdin(b"last").await;
        client.end().await;
        let rest = client.rest().await;
        assert!(stdout(&rest).starts_with(&format!("{word} last")) && stdout(&rest).ends_with("end\n"), "{rest:?}");
        assert_eq!(rest.last().map(|close| &close["type"]), Some(&json!(1000)), "{rest:?}");
        let job = cluster.finished(&id).await;
        assert_eq!(job["run"]["exit_code"], code, "{job:#}");
    }
    let (id, mut client) = begin(cluster, &live("python", INTERRUPTED)).await;
    wrote(&mut client, "ready\n").await;
    client.signal("INT").await;
    wrote(&mut client, "caught\n").await;
    client.stdin(b"goes on\n").await;
    wrote(&mut client, "goes on\n").await;
    client.signal("KILL").await;
    let job = cluster.finished(&id).await;
    assert_eq!((&job["outcome"], &job["run"]["signal"]), (&json!("runtime_error"), &json!("SIGKILL")), "{job:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_spoken_with_interrupted_and_killed() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    converse(&cluster).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_in_a_plain_cell_is_spoken_with_too() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "c,python", "--cells", "plain"]]).await;
    converse(&cluster).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs gVisor ('make gvisor')"]
async fn a_program_under_gvisor_is_spoken_with_too() {
    let cluster = Cluster::with_agents(&[&["--slots", "1", "--languages", "c,python", "--isolation", "gvisor"]]).await;
    converse(&cluster).await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_bytes_go_in_and_come_out_as_they_are() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let code = "import sys, hashlib\nh = hashlib.sha256()\nwhile (b := sys.stdin.buffer.read(1000)): h.update(b)\n\
                sys.stdout.buffer.write(bytes(range(256)))\nsys.stderr.write(h.hexdigest())\n";
    let (id, mut client) = begin(&cluster, &live("python", code)).await;
    let said: Vec<u8> = (0..300_000u32).map(|n| u8::try_from(n * 31 % 256).unwrap()).collect();
    for piece in said.chunks(50_000) {
        client.stdin(piece).await;
    }
    client.end().await;
    let job = cluster.finished(&id).await;
    assert_eq!(job["run"]["stderr"], hex::encode(Sha256::digest(&said)), "{job:#}");
    assert_eq!(job["run"]["stdout_bytes"], 256, "{job:#}");
    let rest = client.rest().await;
    let binary = rest.iter().find(|f| f["data"]["bytes_base64"].is_string());
    assert!(binary.is_some_and(|f| f["data"]["bytes_base64"].as_str().unwrap().starts_with("AAECAwQF")), "{rest:?}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_late_and_again_sees_every_byte_once_and_may_speak_when_the_other_is_gone() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let (id, mut first) = begin(&cluster, &live("python", ECHO_PYTHON)).await;
    first.stdin(b"one\n").await;
    wrote(&mut first, "py: one\n").await;
    let mut second = Attached::to(&cluster.url, &id, "").await;
    let seen = second.until(|frame| frame["type"] == "output").await;
    assert_eq!(stdout(&seen), "py: one\n");
    second.stdin(b"two\n").await;
    assert_eq!(second.error().await, "stdin_in_use");
    let cursor = seen.last().unwrap()["cursor"].as_str().unwrap().to_owned();
    drop(first);
    // The master sees the end of a connection a moment later.
    let speaks = || async {
        let mut client = Attached::to(&cluster.url, &id, &cursor).await;
        client.stdin(b"three\n").await;
        let seen = client.until(|frame| matches!(frame["type"].as_str(), Some("output" | "error"))).await;
        (stdout(&seen) == "py: three\n").then_some(client)
    };
    let mut resumed = look_until(JOB_WAIT, speaks).await.expect("it may speak at last");
    resumed.end().await;
    assert_eq!(stdout(&resumed.rest().await), "end\n");
    assert_eq!(stdout(&second.rest().await), "py: three\nend\n");
    let replay = Attached::to(&cluster.url, &id, "").await.rest().await;
    assert_eq!(stdout(&replay), "py: one\npy: three\nend\n");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_does_not_read_fills_neither_master_nor_agent() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let (id, mut client) = begin(&cluster, &live("python", DEAF)).await;
    wrote(&mut client, "ready\n").await;
    let processes = [cluster.master_pid(), cluster.agents[0].pid()];
    let before = processes.map(host::resident_bytes);
    let taken = AtomicUsize::new(0);
    // 64 MiB, of which systems hold some for the connection.
    let flood = async {
        for _ in 0..1024 {
            client.0.send(Message::binary(vec![b'x'; 64 * 1024])).await.unwrap();
            taken.fetch_add(1, Ordering::Relaxed);
        }
    };
    let stands_still = async {
        // Beside it all goes on; at last without a piece more that was taken meanwhile.
        loop {
            let so_far = taken.load(Ordering::Relaxed);
            let beside = cluster.run(&source("python", "print('beside')")).await;
            assert_eq!(beside["run"]["stdout"], "beside\n", "{beside:#}");
            if so_far > 0 && so_far == taken.load(Ordering::Relaxed) {
                return;
            }
        }
    };
    tokio::select! {
        () = flood => panic!("all of it was taken"),
        () = stands_still => {}
    }
    for (pid, before) in processes.into_iter().zip(before) {
        let peak = host::peak_bytes(pid);
        assert!(peak < before + (16 << 20), "{before} -> {peak}");
    }
    // Another client's signal passes by.
    let mut other = Attached::to(&cluster.url, &id, "").await;
    other.signal("TERM").await;
    let job = cluster.finished(&id).await;
    assert_eq!(job["run"]["signal"], "SIGTERM", "{job:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_closes_its_input_is_told_of_and_one_at_which_nobody_is_gets_its_end() {
    let mut cluster = Cluster::master_with(&["--attach-idle-ms", "500"]).await;
    cluster.start_agent(AGENT).await;
    let closes = "import os, time\nos.close(0)\nprint('closed', flush=True)\ntime.sleep(100)\n";
    let (id, mut client) = begin(&cluster, &live("python", closes)).await;
    client.stage("closed").await;
    client.stdin(b"x").await;
    assert_eq!(client.error().await, "stdin_closed");
    client.signal("INT").await;
    assert_eq!(cluster.finished(&id).await["run"]["signal"], "SIGINT");

    // Nobody attaches, so its input ends, and it by itself.
    let id = cluster.submit(&live("python", ECHO_PYTHON)).await;
    let job = cluster.finished(&id).await;
    assert_eq!((&job["outcome"], &job["run"]["stdout"]), (&json!("ok"), &json!("end\n")), "{job:#}");
    assert!(job["run"]["wall_ms"].as_u64().unwrap() >= 500, "{job:#}");
    cluster.shutdown().await;
}
