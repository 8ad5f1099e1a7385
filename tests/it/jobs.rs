//! The life of a job as a client sees it: live events, cancellation, repetition.

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::cluster::{Cluster, JOB_WAIT, source};

const ONE: &[&str] = &["--slots", "1", "--languages", "python,c"];

/// One server-sent event.
#[derive(Debug)]
struct Event {
    id: String,
    kind: String,
    data: Value,
}

/// Reads events of a job until `enough` says so or the stream ends.
async fn events(cluster: &Cluster, id: &str, after: Option<&str>, enough: impl Fn(&Event) -> bool) -> Vec<Event> {
    let mut request = cluster.http.get(format!("{}/v1/jobs/{id}/events", cluster.url));
    if let Some(after) = after {
        request = request.header("Last-Event-ID", after);
    }
    let mut stream = request.send().await.unwrap().bytes_stream();
    let (mut text, mut seen) = (String::new(), Vec::new());
    let reading = async {
        while let Some(piece) = stream.next().await {
            text.push_str(&String::from_utf8_lossy(&piece.unwrap()));
            while let Some(end) = text.find("\n\n") {
                let block: String = text.drain(..end + 2).collect();
                let Some(event) = parse(&block) else { continue };
                let last = enough(&event);
                seen.push(event);
                if last {
                    return;
                }
            }
        }
    };
    timeout(JOB_WAIT, reading).await.expect("the events come");
    seen
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| block.lines().find_map(|l| l.strip_prefix(name)).map(|v| v.trim_start().to_owned());
    let data = serde_json::from_str(&field("data:")?).expect("data is JSON");
    Some(Event { id: field("id:").unwrap_or_default(), kind: field("event:")?, data })
}

fn stdout_of(events: &[Event]) -> String {
    let outputs = events.iter().filter(|e| e.kind == "output" && e.data["stream"] == "stdout");
    outputs.filter_map(|e| e.data["text"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_resumes_sees_every_byte_once() {
    let cluster = Cluster::with_agents(&[ONE]).await;
    let code = "import sys, time\nfor n in range(5):\n    print(n, flush=True)\n    time.sleep(0.2)\n";
    let id = cluster.submit(&source("python", code)).await;
    let first = events(&cluster, &id, None, |e| e.kind == "output").await;
    let rest = events(&cluster, &id, Some(&first.last().unwrap().id), |e| e.kind == "finished").await;
    assert_eq!(stdout_of(&first) + &stdout_of(&rest), "0\n1\n2\n3\n4\n");
    assert_eq!(rest.last().unwrap().data["outcome"], "ok");
    let replay = events(&cluster, &id, None, |e| e.kind == "finished").await;
    assert_eq!(stdout_of(&replay), "0\n1\n2\n3\n4\n", "a late watcher sees it all");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_ends_running_and_queued_jobs() {
    let cluster = Cluster::with_agents(&[ONE]).await;
    let endless = source("python", "print('on', flush=True)\nwhile True: pass\n");
    let running = cluster.submit(&endless).await;
    events(&cluster, &running, None, |e| e.kind == "output").await;
    let queued = cluster.submit(&endless).await;
    for id in [&queued, &running] {
        let cancel = format!("{}/v1/jobs/{id}/cancel", cluster.url);
        for _ in 0..2 {
            let answer = cluster.http.post(&cancel).json(&json!({})).send().await.unwrap();
            assert!(answer.status().is_success(), "cancel is idempotent: {}", answer.status());
        }
        let job = cluster.finished(id).await;
        assert_eq!(job["outcome"], "cancelled", "{job:#}");
    }
    let next = cluster.run(&source("python", "print('free')")).await;
    assert_eq!(next["run"]["stdout"], "free\n", "the slot is free again: {next:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_answers_the_same_job() {
    let cluster = Cluster::with_agents(&[ONE]).await;
    let post = |body: Value| {
        let url = format!("{}/v1/jobs?wait_ms=60000", cluster.url);
        let request = cluster.http.post(url).header("Idempotency-Key", "k-1").json(&body);
        async move { request.send().await.unwrap() }
    };
    let first: Value = post(source("python", "print(1)")).await.json().await.unwrap();
    let again: Value = post(source("python", "print(1)")).await.json().await.unwrap();
    assert_eq!(first["id"], again["id"]);
    assert_eq!(again["run"]["stdout"], "1\n");
    assert_eq!(post(source("python", "print(2)")).await.status(), 409);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_job_finds_nothing_of_the_last() {
    let cluster = Cluster::with_agents(&[ONE]).await;
    let leave = "open('/tmp/left','w').write('x'); open('left','w').write('x'); import os\nif os.fork() == 0:\n    import time; time.sleep(60)\n";
    let look = "import os\nprint(os.path.exists('/tmp/left'), sorted(os.listdir('.')), len([p for p in os.listdir('/proc') if p.isdigit()]))";
    assert_eq!(cluster.run(&source("python", leave)).await["outcome"], "ok");
    let job = cluster.run(&source("python", look)).await;
    assert_eq!(job["run"]["stdout"], "False ['main.py'] 2\n", "{job:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_with_the_time_asked_for() {
    let cluster = Cluster::master_only().await;
    let url = format!("{}/v1/jobs?wait_ms=50", cluster.url);
    let sent = cluster.http.post(url).json(&source("python", "print(1)")).send();
    let answer = timeout(Duration::from_secs(20), sent).await.expect("it answers").unwrap();
    assert_eq!(answer.status(), 202);
    cluster.shutdown().await;
}
