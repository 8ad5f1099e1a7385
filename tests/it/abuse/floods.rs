//! Requests that are well formed and mean ill: too many, too deep, too long, for others' jobs, twice.

use std::collections::BTreeMap;
use std::time::Instant;

use enclos_protocol::agent_link::FromMaster;
use enclos_protocol::outcome::Outcome;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::fake_agent::report;
use super::raw::{LONG, sent, status};
use super::{agent, memory_bytes, peak_memory_bytes, python};
use crate::cluster::Cluster;

/// Memory by which refused submissions may make the master grow.
const GROWTH_BYTES_MAX: u64 = 64 << 20;

/// Status and body of an answer.
async fn post(cluster: &Cluster, path: &str, body: &Value) -> (u16, Value) {
    let sent = cluster.http.post(format!("{}{path}", cluster.url)).json(body).send().await;
    let answer = sent.unwrap_or_else(|e| panic!("{path}: {e}\n{}", cluster.logs()));
    (answer.status().as_u16(), answer.json().await.expect("answers are JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_submissions_fills_the_queue_and_no_memory() {
    // Of fifty, the last ones are for what is urgent.
    const PLACES: usize = 48;
    let cluster = Cluster::master_with(&["--queue-jobs-max", "50"]).await;
    let flood = async |count: usize| {
        let (mut clients, mut statuses) = (JoinSet::new(), BTreeMap::<(u16, bool), usize>::new());
        for _ in 0..8 {
            let (http, url) = (cluster.http.clone(), format!("{}/v1/jobs", cluster.url));
            clients.spawn(async move {
                let submission = json!({ "language": "python", "source": "x".repeat(1 << 15) });
                let mut seen = Vec::new();
                for _ in 0..count / 8 {
                    let answer = http.post(&url).json(&submission).send().await.expect("it answers");
                    let (status, says_when) = (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
                    let body: Value = answer.json().await.expect("answers are JSON");
                    assert!(status == 201 || body["code"] == "overloaded", "{body:#}");
                    seen.push((status, says_when));
                }
                seen
            });
        }
        for seen in clients.join_all().await.into_iter().flatten() {
            *statuses.entry(seen).or_default() += 1;
        }
        statuses
    };
    let first = flood(400).await;
    assert_eq!(first, BTreeMap::from([((201, false), PLACES), ((503, true), 400 - PLACES)]));
    let before = memory_bytes(&cluster);
    assert_eq!(flood(800).await, BTreeMap::from([((503, true), 800)]));
    let grown = memory_bytes(&cluster).saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "{grown} bytes more");

    // Who leaves makes room, and what was acknowledged is still there.
    let listed = cluster.get("/v1/jobs?state=queued&limit=200").await;
    let jobs = listed["jobs"].as_array().expect("a list");
    assert_eq!(jobs.len(), PLACES);
    cluster.cancel(jobs[0]["id"].as_str().expect("a job has an id")).await;
    assert_eq!(post(&cluster, "/v1/jobs", &python()).await.0, 201);
    assert_eq!(post(&cluster, "/v1/jobs", &python()).await.0, 503);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_can_be_cancelled_in_every_state_and_ends_once() {
    let cluster = Cluster::master_only().await;
    let cancel = async |id: &str| post(&cluster, &format!("/v1/jobs/{id}/cancel"), &json!({})).await;

    let queued = cluster.submit(&python()).await;
    for _ in 0..3 {
        let (status, job) = cancel(&queued).await;
        assert_eq!((status, &job["outcome"]), (200, &json!("cancelled")), "{job:#}");
    }

    let mut agent = agent(&cluster, "one").await;
    for starts in [false, true] {
        let id = cluster.submit(&python()).await;
        let (attempt, _, _) = agent.job().await;
        if starts {
            agent.started(attempt).await;
            agent.output(attempt, 0, b"on\n").await;
        }
        let told = async {
            let is_cancel =
                |m: &FromMaster| matches!(m, FromMaster::Cancel { attempt: a } if *a == attempt).then_some(());
            agent.expect("a cancel", is_cancel).await;
            agent.finish(attempt, report(Outcome::Cancelled, if starts { 3 } else { 0 })).await;
            assert!(agent.verdict(attempt).await);
        };
        let ((status, job), ()) = tokio::join!(cancel(&id), told);
        assert_eq!((status, &job["outcome"]), (200, &json!("cancelled")), "{job:#}");
        // The agent's answer comes again, and somebody cancels again: nothing changes any more.
        agent.finish(attempt, report(Outcome::Ok, 0)).await;
        agent.verdict(attempt).await;
        assert_eq!(cancel(&id).await.1, cluster.get(&format!("/v1/jobs/{id}")).await);
        assert_eq!(cluster.finished(&id).await["outcome"], "cancelled");
    }

    let finished = cluster.submit(&python()).await;
    agent.answer_one(b"done\n").await;
    assert_eq!(cluster.finished(&finished).await["outcome"], "ok");
    let (status, job) = cancel(&finished).await;
    assert_eq!((status, &job["outcome"], &job["run"]["stdout"]), (200, &json!("ok"), &json!("done\n")), "{job:#}");

    // An agent that does not answer: the cancellation is a promise, and the client is told so.
    let stuck = cluster.submit(&python()).await;
    let (attempt, _, _) = agent.job().await;
    let (status, job) = cancel(&stuck).await;
    assert_eq!((status, &job["state"]), (202, &json!("running")), "{job:#}");
    agent.finish(attempt, report(Outcome::Cancelled, 0)).await;
    assert_eq!(cluster.finished(&stuck).await["outcome"], "cancelled");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_guessed_tell_nothing() {
    let cluster = Cluster::master_only().await;
    let real: Uuid = cluster.submit(&python()).await.parse().expect("ids are UUIDs");
    let near = |change: u128| Uuid::from_u128(real.as_u128() ^ change).to_string();
    let nowhere = cluster.get("/v1/jobs/01900000-0000-7000-8000-000000000000").await;
    assert_eq!(nowhere["code"], "not_found", "{nowhere:#}");
    let mut guesses: Vec<String> = (0..64).map(|bit| near(1 << bit)).collect();
    guesses.extend((0..16).map(|bit| near(1 << (127 - bit))));
    guesses.extend(["1", "0", "-1", "null", "undefined", "%00", "*", "..%2f..", "'%20OR%201=1--"].map(str::to_owned));
    guesses.push("a".repeat(4000));
    for guess in &guesses {
        for path in [format!("/v1/jobs/{guess}"), format!("/v1/jobs/{guess}/events")] {
            assert_eq!(cluster.get(&path).await, nowhere, "{path}");
        }
        let (status, body) = post(&cluster, &format!("/v1/jobs/{guess}/cancel"), &json!({})).await;
        assert_eq!((status, &body), (404, &nowhere), "{guess}");
    }
    assert_eq!(cluster.get(&format!("/v1/jobs/{real}")).await["state"], "queued");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_deep_or_have_masses_of_items_are_refused_soon() {
    let cluster = Cluster::master_only().await;
    let many = 100_000;
    let labels: serde_json::Map<String, Value> = (0..many).map(|n| (n.to_string(), json!("v"))).collect();
    let with = |member: &str, value: Value| {
        let mut body = python();
        body[member] = value;
        body.to_string()
    };
    let deep = |open: &str, close: &str| format!("{{\"source\":{}1{}}}", open.repeat(many), close.repeat(many));
    let bodies = [
        (with("labels", labels.clone().into()), "invalid_value", "labels"),
        (with("run", json!({ "args": vec!["x"; many] })), "invalid_value", "run.args"),
        (with("run", json!({ "env": labels })), "invalid_value", "run.env"),
        (with("compile", json!({ "args": vec![""; many] })), "invalid_value", "compile.args"),
        (with("cases", json!(vec![json!({ "stdin": "" }); many])), "invalid_value", "cases"),
        (with("groups", json!(vec![json!({ "name": "", "weight": 1, "cases": [] }); many])), "invalid_value", "groups"),
        (with("keep_files", json!(vec!["*"; many])), "invalid_value", "keep_files"),
        (
            json!({ "files": vec![json!({ "path": "a.py", "content": "" }); many] }).to_string(),
            "invalid_value",
            "files",
        ),
        (deep("[", "]"), "invalid_value", "source"),
        (deep("{\"a\":", "}"), "invalid_value", "source"),
        (format!("{{{}\"source\":\"\"}}", "\"source\":\"\",".repeat(many)), "invalid_value", "source"),
        (format!("{}{{}}", " ".repeat(8 << 20)), "no_source", "files"),
    ];
    for (body, code, field) in bodies {
        let (start, size) = (Instant::now(), body.len());
        let request = cluster.http.post(format!("{}/v1/jobs", cluster.url)).header("content-type", "application/json");
        let answer = request.body(body).send().await.expect("it answers");
        assert!(start.elapsed() < LONG, "{size} bytes took {:?}", start.elapsed());
        let problem: Value = answer.json().await.expect("answers are JSON");
        assert_eq!((&problem["code"], &problem["field"]), (&json!(code), &json!(field)), "{problem:#}");
        assert!(problem.to_string().len() < 2000, "an answer does not repeat what it was sent");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_millions_of_items_takes_little_more_memory_than_its_bytes() {
    const ITEMS: usize = 4_000_000;
    let cluster = Cluster::master_only().await;
    let before = memory_bytes(&cluster);
    for (path, start, item) in [
        ("/v1/jobs", "{\"language\":\"c\",\"source\":\"\",\"cases\":[", "{},"),
        ("/v1/jobs", "{\"language\":\"c\",\"source\":\"\",\"cases\":[{\"args\":[", "\"\","),
        ("/v1/jobs", "{\"language\":\"c\",\"source\":\"\",\"interactor\":{\"files\":[", "{\"path\":\"a\"},"),
        ("/v1/jobs/batch", "{\"jobs\":[", "0,"),
    ] {
        let body = [start, &item.repeat(ITEMS)].concat();
        let (url, size) = (format!("{}{path}", cluster.url), body.len() as u64);
        let request = cluster.http.post(url).header("content-type", "application/json").body(body);
        let problem: Value = request.send().await.expect("it answers").json().await.expect("answers are JSON");
        assert_eq!(problem["code"], "invalid_value", "{problem:#}");
        assert!(problem["maximum"].is_u64(), "{problem:#}");
        // What it held at most, not what it holds now: all would be given back by then.
        let grown = peak_memory_bytes(&cluster).saturating_sub(before);
        assert!(grown < 3 * size + GROWTH_BYTES_MAX, "{grown} bytes more for {size} of {item}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_idempotency_keys_are_refused_and_good_ones_hold() {
    let cluster = Cluster::master_only().await;
    let head = "POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 37\r\n";
    let body = "{\"language\":\"python\",\"source\":\"\"    }";
    assert_eq!(body.len(), 37);
    let keyed = async |lines: Vec<u8>| {
        let bytes = [head.as_bytes(), &lines, b"\r\n\r\n", body.as_bytes()].concat();
        status(&mut sent(&cluster.url, &bytes).await).await
    };
    let line = |key: &[u8]| [b"idempotency-key: ", key].concat();
    for (key, want) in [
        (&b"k"[..], 201),
        (b"k", 200),
        (b"K", 201),
        (b"with spaces, and \"quotes\"; or='none'", 201),
        ("k".repeat(255).as_bytes(), 201),
        ("k".repeat(256).as_bytes(), 422),
        (b"", 422),
        (b"   ", 422),
        (b"tab\there", 422),
        ("schl\u{fc}ssel".as_bytes(), 422),
        (b"\xff\xfe", 422),
    ] {
        assert_eq!(keyed(line(key)).await, Some(want), "{}", key.escape_ascii());
    }
    let twice = [line(b"one"), b"\r\n".to_vec(), line(b"two")].concat();
    assert_eq!(keyed(twice).await, Some(422), "of two keys none is the right one");
    assert!(matches!(keyed(line(b"nul\0")).await, None | Some(400)));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_used_by_many_at_once_is_one_job() {
    let cluster = Cluster::master_only().await;
    let mut clients = JoinSet::new();
    for n in 0..40 {
        let request = cluster.http.post(format!("{}/v1/jobs", cluster.url)).header("idempotency-key", "the-one");
        let request = request.json(&json!({ "language": "python", "source": if n % 2 == 0 { "a" } else { "b" } }));
        clients.spawn(async move {
            let answer = request.send().await.expect("it answers");
            (answer.status().as_u16(), answer.json::<Value>().await.expect("answers are JSON")["id"].clone())
        });
    }
    let answers = clients.join_all().await;
    let count = |status| answers.iter().filter(|(got, _)| *got == status).count();
    assert_eq!((count(201), count(200), count(409)), (1, 19, 20), "{answers:?}");
    let ids: std::collections::BTreeSet<&str> = answers.iter().filter_map(|(_, id)| id.as_str()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(cluster.get("/v1/stats").await["queued"], 1);
    cluster.shutdown().await;
}
