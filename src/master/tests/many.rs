//! Many jobs at once, and jobs that are erased.

use enclos_protocol::agent_link::FromMaster;
use enclos_protocol::outcome::Outcome;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::fake_agent::report;
use super::watching::events;
use super::{LONG, Running, config, id_of, python};

async fn batch(master: &Running, key: Option<&str>, body: &Value) -> (u16, Value) {
    let mut request = master.http.post(format!("{}/v1/jobs/batch", master.url)).json(body);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn each_of_a_batch_is_admitted_or_refused_on_its_own() {
    let (master, _dir) = Running::new().await;
    let jobs = json!([python(), { "language": "pyton", "source": "" }, { "sauce": 1 }, [], python()]);
    let (status, answer) = batch(&master, None, &json!({ "jobs": jobs })).await;
    assert_eq!(status, 200);
    let items = answer["jobs"].as_array().unwrap();
    let codes: Vec<&Value> = items.iter().map(|item| &item["problem"]["code"]).collect();
    let refused =
        [Value::Null, json!("unknown_language"), json!("unknown_field"), json!("malformed_json"), Value::Null];
    assert_eq!(codes, refused.iter().collect::<Vec<_>>(), "{answer:#}");
    for index in [0, 4] {
        assert_eq!(items[index]["job"]["state"], "queued", "{answer:#}");
        assert!(items[index].get("problem").is_none());
    }
    assert_eq!(master.get("/v1/stats").await["queued"], 2);
    master.end().await;
}

#[tokio::test]
async fn a_batch_sent_again_is_the_same_jobs() {
    let (master, _dir) = Running::new().await;
    let two = json!({ "jobs": [python(), python()] });
    let ids = |answer: &Value| [0, 1].map(|n| id_of(&answer["jobs"][n]["job"]));
    let (_, first) = batch(&master, Some("k"), &two).await;
    let (_, again) = batch(&master, Some("k"), &two).await;
    assert_eq!(ids(&first), ids(&again));
    assert_ne!(ids(&first)[0], ids(&first)[1], "two jobs, though they say the same");
    let (_, other) = batch(&master, Some("k"), &json!({ "jobs": [python(), { "language": "c", "source": "" }] })).await;
    assert_eq!(id_of(&other["jobs"][0]["job"]), ids(&first)[0]);
    assert_eq!(other["jobs"][1]["problem"]["code"], "idempotency_conflict");
    assert_eq!(master.get("/v1/stats").await["queued"], 2);
    master.end().await;
}

#[tokio::test]
async fn a_batch_has_a_size_and_a_shape() {
    let (master, _dir) = Running::new().await;
    for (body, status, code) in [
        (json!({ "jobs": [] }), 422, "invalid_value"),
        (json!({ "jobs": vec![python(); 11] }), 422, "invalid_value"),
        (json!({ "jobs": python() }), 422, "invalid_value"),
        (json!({}), 422, "invalid_value"),
        (json!({ "jobs": [python()], "key": "x" }), 400, "unknown_field"),
        (json!([python()]), 400, "malformed_json"),
    ] {
        let (got, problem) = batch(&master, None, &body).await;
        assert_eq!((got, problem["code"].as_str()), (status, Some(code)), "{body}");
    }
    assert_eq!(master.get("/v1/stats").await["queued"], 0);
    master.end().await;
}

/// The lines of a wait for many, empty ones left out, as they come.
fn lines(response: reqwest::Response) -> impl futures::Stream<Item = Value> + Unpin {
    let buffered = (response.bytes_stream(), Vec::new());
    Box::pin(futures::stream::unfold(buffered, |(mut pieces, mut text)| async move {
        loop {
            if let Some(end) = text.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                if line.len() > 1 {
                    return Some((serde_json::from_slice(&line).unwrap(), (pieces, text)));
                }
                continue;
            }
            text.extend_from_slice(&pieces.next().await?.unwrap());
        }
    }))
}

#[tokio::test]
async fn jobs_that_are_awaited_together_are_told_as_each_ends() {
    let (master, _dir) = Running::new().await;
    let (slow, quick) = (master.submit(&python()).await, master.submit(&python()).await);
    let mut agent = master.agent("one").await;
    let (first, _, _) = agent.job().await;
    let (second, _, _) = agent.job().await;
    let nobody = "0190163d-8694-739b-aea5-966c26f8ad91";
    let ids = json!({ "ids": [slow, quick, nobody, "x", quick] });
    let response = master.post("/v1/jobs/wait", &ids).await;
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let mut lines = lines(response);
    let mut next = async || timeout(LONG, lines.next()).await.expect("a line comes");
    for _ in 0..2 {
        let line = next().await.unwrap();
        assert_eq!(line["problem"]["code"], "not_found", "{line:#}");
    }
    for (attempt, id) in [(second, &quick), (first, &slow)] {
        agent.output(attempt, 0, id.as_bytes()).await;
        agent.finish(attempt, report(Outcome::Ok, id.len() as u64)).await;
        let line = next().await.unwrap();
        assert_eq!((&line["id"], &line["job"]["run"]["stdout"]), (&json!(id), &json!(id)), "{line:#}");
    }
    assert!(next().await.is_none(), "all were told, each once");
    master.end().await;
}

#[tokio::test]
async fn a_wait_for_none_or_too_many_is_refused_and_the_end_of_the_master_ends_it() {
    let (master, _dir) = Running::new().await;
    let many: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
    for ids in [json!([]), json!(many)] {
        assert_eq!(master.post("/v1/jobs/wait", &json!({ "ids": ids })).await.status(), 422);
    }
    let id = master.submit(&python()).await;
    let mut lines = lines(master.post("/v1/jobs/wait", &json!({ "ids": [id] })).await);
    master.stop.cancel();
    assert!(timeout(LONG, lines.next()).await.expect("it ends").is_none());
    master.end().await;
}

async fn erase(master: &Running, id: &str) -> u16 {
    let request = master.http.delete(format!("{}/v1/jobs/{id}", master.url));
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn who_waits_is_answered_whatever_is_erased_meanwhile() {
    let (master, _dir) = Running::new().await;
    let mut agent = master.agent("one").await;
    let other = master.submit(&python()).await;
    agent.answer_one(b"x").await;
    master.finished(&other).await;
    let submission = python();
    let run = async {
        let (attempt, _, _) = agent.job().await;
        assert_eq!(erase(&master, &other).await, 204);
        agent.answer(attempt, b"y", report(Outcome::Ok, 1)).await.expect("the connection is open");
        assert!(agent.verdict(attempt).await);
    };
    let (response, ()) = tokio::join!(master.post("/v1/jobs?wait_ms=30000", &submission), run);
    let job: serde_json::Value = response.json().await.unwrap();
    assert_eq!(job["run"]["stdout"], "y", "{job:#}");
    master.end().await;
}

#[tokio::test]
async fn an_erased_job_is_out_of_sight_in_any_state() {
    let (master, _dir) = Running::new().await;
    let waiting = master.submit(&python()).await;
    assert_eq!((erase(&master, &waiting).await, erase(&master, &waiting).await), (204, 204));
    let mut agent = master.agent("one").await;
    let finished = master.submit(&python()).await;
    agent.answer_one(b"x").await;
    master.finished(&finished).await;
    let running = master.submit(&python()).await;
    let (attempt, _, _) = agent.job().await;
    agent.started(attempt).await;
    events(&master, &running, None, |seen| seen.last().is_some_and(|e| e.data["step"] == "run")).await;
    for id in [&finished, &running] {
        assert_eq!((erase(&master, id).await, erase(&master, id).await), (204, 204));
    }
    for id in [&waiting, &finished, &running] {
        for path in ["", "/events", "/files/x"] {
            assert_eq!(master.get(&format!("/v1/jobs/{id}{path}")).await["status"], 404, "{path}");
        }
    }
    assert_eq!(master.get("/v1/jobs").await["jobs"], json!([]));
    let cancel = |m: &FromMaster| matches!(m, FromMaster::Cancel { attempt: a } if *a == attempt).then_some(());
    agent.expect("a cancel", cancel).await;
    agent.finish(attempt, report(Outcome::Cancelled, 0)).await;
    assert!(agent.verdict(attempt).await, "the agent may forget it");
    assert_eq!(erase(&master, &running).await, 204);
    for unknown in ["0190163d-8694-739b-aea5-966c26f8ad91", "x"] {
        assert_eq!(erase(&master, unknown).await, 404);
    }
    assert_eq!(master.get("/v1/stats").await["running"], 0);
    master.end().await;
}

#[tokio::test]
async fn an_erasure_that_was_promised_is_kept_by_the_next_master() {
    let dir = tempfile::tempdir().unwrap();
    let master = Running::start(config(dir.path())).await;
    let mut agent = master.agent("one").await;
    let id = master.submit(&python()).await;
    agent.job().await;
    assert_eq!(erase(&master, &id).await, 204);
    drop(agent);
    master.end().await;
    let master = Running::start(config(dir.path())).await;
    assert_eq!(master.get(&format!("/v1/jobs/{id}")).await["status"], 404);
    assert_eq!(erase(&master, &id).await, 204);
    master.end().await;
}
