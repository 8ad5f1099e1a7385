//! The life of a job as a client sees it: live events, cancellation, repetition.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::cluster::{Cluster, TOKEN, source};
use crate::watch::{events, first_output, stdout_of};

const ONE: &[&str] = &["--slots", "1", "--languages", "python,c"];

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
    first_output(&cluster, &running).await;
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
async fn programs_and_secrets_are_in_no_log() {
    let cluster = Cluster::with_agents(&[ONE]).await;
    let mut submission = source("python", "import sys; print(sys.stdin.read() + '-out'); sys.exit('secret' + '-err')");
    submission["stdin"] = json!("secret-in");
    let job = cluster.run(&submission).await;
    assert_eq!(job["run"]["stdout"], "secret-in-out\n", "{job:#}");
    let log = cluster.whole_log();
    for word in ["secret-in", "secret-err", "sys.stdin", TOKEN] {
        assert!(!log.contains(word), "'{word}' is in a log:\n{log}");
    }
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
