//! What goes wrong in the middle of a conversation.

use serde_json::json;

use super::{AGENT, DEAF, ECHO_PYTHON, begin, live, wrote};
use crate::attached::{Attached, stdout};
use crate::cluster::{Cluster, source};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_spoken_with_is_not_run_again_when_its_agent_is_killed() {
    let mut cluster = Cluster::with_agents(&[AGENT]).await;
    let (id, mut client) = begin(&cluster, &live("python", ECHO_PYTHON)).await;
    client.stdin(b"one\n").await;
    wrote(&mut client, "py: one\n").await;
    let killed = cluster.kill_agent(0).await;
    // Under its name, so that it sweeps what was left.
    cluster.start_agent_named(&killed, AGENT).await;
    let rest = client.rest().await;
    assert_eq!((stdout(&rest).as_str(), &rest.last().unwrap()["type"]), ("", &json!(1000)), "{rest:?}");
    let job = cluster.finished(&id).await;
    assert_eq!((&job["outcome"], &job["attempts"]), (&json!("internal_error"), &json!(1)), "{job:#}");
    let message = job["message"].as_str().unwrap();
    assert!(message.contains(&killed) && message.contains("cannot be given again"), "{message}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_has_spoken_with_is_run_again() {
    let mut cluster = Cluster::with_agents(&[AGENT]).await;
    let (id, mut client) = begin(&cluster, &live("python", ECHO_PYTHON)).await;
    client.stage("open").await;
    let killed = cluster.kill_agent(0).await;
    // Under its name, so that it sweeps what was left.
    cluster.start_agent_named(&killed, AGENT).await;
    client.stdin(b"again\n").await;
    wrote(&mut client, "py: again\n").await;
    client.end().await;
    let job = cluster.finished(&id).await;
    assert_eq!((&job["outcome"], &job["attempts"]), (&json!("ok"), &json!(2)), "{job:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_goes_on_after_the_master_was_killed() {
    let mut cluster = Cluster::with_agents(&[AGENT]).await;
    let (id, mut client) = begin(&cluster, &live("python", ECHO_PYTHON)).await;
    client.stdin(b"one\n").await;
    wrote(&mut client, "py: one\n").await;
    cluster.kill_master().await;
    client.rest().await;
    cluster.start_master().await;
    let mut again = Attached::to(&cluster.url, &id, "").await;
    again.stdin(b"two\n").await;
    wrote(&mut again, "py: one\npy: two\n").await;
    again.end().await;
    let job = cluster.finished(&id).await;
    assert_eq!(job["run"]["stdout"], "py: one\npy: two\nend\n", "{job:#}");
    cluster.shutdown().await;
}

/// Tells of SIGHUP, reads nothing before SIGUSR1, then all; tells how much that was, and how it ended.
const LATE: &str = r#"
import signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGUSR1})
print("ready", flush=True)
while signal.sigwait({signal.SIGHUP, signal.SIGUSR1}) == signal.SIGHUP: print("heard", flush=True)
text = sys.stdin.read()
print(len(text), text[-3:])
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_after_the_master_was_killed_comes_behind_what_was_on_its_way() {
    let mut cluster = Cluster::with_agents(&[AGENT]).await;
    let (id, mut client) = begin(&cluster, &live("python", LATE)).await;
    wrote(&mut client, "ready\n").await;
    // More than the program's pipe takes: the rest is with the agent, which has heard what was said before.
    client.stdin(&[b'x'; 60_000]).await;
    client.stdin(&[b'x'; 60_000]).await;
    for _ in 0..2 {
        client.signal("HUP").await;
        wrote(&mut client, "heard\n").await;
    }
    cluster.kill_master().await;
    client.rest().await;
    cluster.start_master().await;
    let mut again = Attached::to(&cluster.url, &id, "").await;
    again.stdin(b"new").await;
    again.end().await;
    again.signal("USR1").await;
    let job = cluster.finished(&id).await;
    assert_eq!((&job["outcome"], &job["attempts"]), (&json!("ok"), &json!(1)), "{job:#}");
    assert_eq!(job["run"]["stdout"], "ready\nheard\nheard\n120003 new\n", "{job:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_a_conversation() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let (id, mut client) = begin(&cluster, &live("python", DEAF)).await;
    wrote(&mut client, "ready\n").await;
    client.stdin(&[b'x'; 60_000]).await;
    client.stdin(&[b'x'; 60_000]).await;
    cluster.cancel(&id).await;
    let rest = client.rest().await;
    let finished = rest.iter().find(|f| f["type"] == "finished").expect("its end is told");
    assert_eq!(finished["data"]["outcome"], "cancelled");
    assert_eq!(rest.last().unwrap()["type"], 1000, "{rest:?}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_that_nobody_reads_and_clients_that_break_off_harm_no_job() {
    let cluster = Cluster::with_agents(&[AGENT]).await;
    let mut flood =
        live("python", "import sys\nfor _ in range(3000): sys.stdout.write('x' * 1023 + '\\n')\nsys.stdin.read()\n");
    flood["limits"]["run"]["output_bytes"] = json!(4 << 20);
    flood["limits"]["run"]["report_bytes"] = json!(4 << 20);
    let (id, mut speaker) = begin(&cluster, &flood).await;
    let unread = Attached::to(&cluster.url, &id, "").await;
    for _ in 0..20 {
        let mut gone = Attached::to(&cluster.url, &id, "").await;
        gone.signal("STOP").await;
        drop(gone);
    }
    speaker.stage("open").await;
    speaker.end().await;
    let job = cluster.finished(&id).await;
    assert_eq!(
        (&job["outcome"], &job["run"]["stdout_bytes"]),
        (&json!("ok"), &json!(3000 * 1024)),
        "{}",
        job["message"]
    );
    assert_eq!(stdout(&speaker.rest().await).len(), 3000 * 1024);
    drop(unread);
    let after = cluster.run(&source("python", "print(1)")).await;
    assert_eq!(after["outcome"], "ok", "{after:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_reaches_no_other_job() {
    let cluster = Cluster::with_agents(&[&["--slots", "2", "--languages", "python", "--cells", "plain"]]).await;
    let (_, mut beside) = begin(&cluster, &live("python", ECHO_PYTHON)).await;
    beside.stage("open").await;
    let (id, mut client) = begin(&cluster, &live("python", DEAF)).await;
    wrote(&mut client, "ready\n").await;
    client.signal("KILL").await;
    assert_eq!(cluster.finished(&id).await["run"]["signal"], "SIGKILL");
    beside.stdin(b"here\n").await;
    wrote(&mut beside, "py: here\n").await;
    beside.end().await;
    assert!(stdout(&beside.rest().await).ends_with("end\n"));
    cluster.shutdown().await;
}
