//! What clients may ask, and what they are told.

use axum::http::StatusCode;
use enclos_protocol::outcome::Outcome;
use reqwest::Method;
use serde_json::{Value, json};

use super::fake_agent::{FakeAgent, hello, report};
use super::{Running, TOKEN, config, id_of, python};
use crate::config::{Config, QueueBounds};

#[tokio::test]
async fn a_job_goes_through_and_its_answer_shows_all() {
    let (master, _dir) = Running::new().await;
    let mut agent = master.agent("one").await;
    let submission = json!({ "language": "py", "source": "print(1)", "labels": { "k": "v" } });
    let (response, _) = tokio::join!(master.post("/v1/jobs?wait_ms=30000", &submission), agent.answer_one(b"1\n"));
    assert_eq!(response.status(), StatusCode::OK);
    let job: Value = response.json().await.unwrap();
    assert_eq!(job["outcome"], "ok", "{job:#}");
    assert_eq!(job["language"], "python");
    assert_eq!(job["agent"], "one");
    assert_eq!(job["attempts"], 1);
    assert_eq!(job["labels"], json!({ "k": "v" }));
    assert_eq!((&job["isolation"], &job["reuse"]), (&json!("runc"), &json!("tenant")));
    let run = json!({
        "outcome": "ok", "exit_code": 0, "stdout": "1\n", "stderr": "", "truncated": false, "stdout_bytes": 2,
        "stderr_bytes": 0, "cpu_ms": 2, "wall_ms": 3, "memory_peak_bytes": 4096, "accounting": "cgroup",
    });
    assert_eq!(job["run"], run);
    assert_eq!(job, master.get(&format!("/v1/jobs/{}", id_of(&job))).await, "the store has what was told");
    assert!(job["timing"]["total_ms"].is_u64() && job["compile"].is_null(), "{job:#}");
    assert_eq!(master.get("/v1/stats").await["finished"], 1);
    master.end().await;
}

/// Method, path, body, headers; status and code of the answer.
type Case<'a> = (Method, &'a str, Option<Value>, &'a [(&'a str, &'a str)], u16, &'a str);

#[tokio::test]
async fn what_is_not_right_is_refused_as_a_problem() {
    let (master, _dir) = Running::new().await;
    let unknown = "/v1/jobs/0190163d-8694-739b-aea5-966c26f8ad91";
    let cases: &[Case<'_>] = &[
        (Method::GET, "/nothing", None, &[], 404, "not_found"),
        (Method::GET, unknown, None, &[], 404, "not_found"),
        (Method::GET, "/v1/jobs/not-an-id", None, &[], 404, "not_found"),
        (Method::GET, &format!("{unknown}/events"), None, &[], 404, "not_found"),
        (Method::POST, &format!("{unknown}/cancel"), Some(json!({})), &[], 404, "not_found"),
        (Method::POST, &format!("{unknown}/cancel"), Some(json!({ "x": 1 })), &[], 400, "unknown_field"),
        (Method::POST, "/v1/agents/nobody/drain", Some(json!({})), &[], 404, "not_found"),
        (Method::DELETE, "/v1/jobs", None, &[], 405, "method_not_allowed"),
        (Method::GET, "/v1/jobs?page=2", None, &[], 400, "unknown_field"),
        (Method::GET, "/v1/stats?x=1", None, &[], 400, "unknown_field"),
        (Method::GET, "/v1/jobs?limit=0", None, &[], 422, "invalid_value"),
        (Method::GET, "/v1/jobs?state=done", None, &[], 422, "invalid_value"),
        (Method::GET, "/v1/jobs?cursor=-1", None, &[], 422, "invalid_value"),
        (Method::GET, "/v1/jobs?label=x", None, &[], 422, "invalid_value"),
        (Method::GET, "/v1/jobs?language=pyton", None, &[], 422, "unknown_language"),
        (Method::GET, &format!("{unknown}?wait_ms=60001"), None, &[], 422, "invalid_value"),
        (Method::POST, "/v1/jobs?wait_ms=-1", Some(python()), &[], 422, "invalid_value"),
        (Method::POST, "/v1/jobs", None, &[], 415, "unsupported_media_type"),
        (Method::POST, "/v1/jobs", Some(json!({ "sauce": "x" })), &[], 400, "unknown_field"),
        (Method::POST, "/v1/jobs", Some(json!({ "language": "pyton", "source": "x" })), &[], 422, "unknown_language"),
        (Method::POST, "/v1/jobs", Some(python()), &[("idempotency-key", "")], 422, "invalid_value"),
        (Method::POST, "/v1/jobs", Some(python()), &[("origin", "http://evil.example")], 403, "origin_not_allowed"),
        (Method::GET, "/v1/jobs", None, &[("host", "evil.example")], 421, "host_not_allowed"),
        (Method::GET, "/v1/jobs", None, &[("host", "code.example")], 200, ""),
    ];
    for (method, path, body, headers, status, code) in cases {
        let mut request = master.http.request(method.clone(), format!("{}{path}", master.url));
        if let Some(body) = body {
            request = request.json(body);
        }
        for (name, value) in *headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let what = format!("{method} {path} {headers:?}");
        assert_eq!(response.status().as_u16(), *status, "{what}");
        if *status >= 400 {
            assert_eq!(response.headers()["content-type"], "application/problem+json", "{what}");
            assert_eq!(response.json::<Value>().await.unwrap()["code"], *code, "{what}");
        }
    }
    assert_eq!(master.get("/v1/jobs").await["jobs"], json!([]), "nothing was kept");
    master.end().await;
}

#[tokio::test]
async fn a_refused_method_says_which_are_served() {
    let (master, _dir) = Running::new().await;
    let response = master.http.put(format!("{}/v1/jobs", master.url)).send().await.unwrap();
    let allowed = response.headers()["allow"].to_str().unwrap().to_owned();
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    master.end().await;
}

#[tokio::test]
async fn a_body_above_its_size_is_refused_whether_or_not_its_length_is_told() {
    let (master, _dir) = Running::new().await;
    let size = crate::admission::BODY_BYTES_MAX + 1;
    let send = |body: reqwest::Body| {
        let request = master.http.post(format!("{}/v1/jobs", master.url)).header("content-type", "application/json");
        request.body(body).send()
    };
    let pieces = (0..size.div_ceil(1 << 20)).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1 << 20]));
    let chunked = reqwest::Body::wrap_stream(futures::stream::iter(pieces.collect::<Vec<_>>()));
    for body in [reqwest::Body::from(vec![b' '; size]), chunked] {
        // The server may close before all is sent, which some clients report as an error.
        if let Ok(response) = send(body).await {
            assert_eq!(response.status(), 413);
            assert_eq!(response.json::<Value>().await.unwrap()["code"], "too_large");
        }
    }
    master.end().await;
}

#[tokio::test]
async fn a_waiting_job_shows_its_place_and_can_be_cancelled() {
    let (master, _dir) = Running::new().await;
    let first = master.submit(&python()).await;
    let second = master.submit(&python()).await;
    let job = master.get(&format!("/v1/jobs/{second}")).await;
    assert_eq!((&job["state"], &job["queue"]["position"]), (&json!("queued"), &json!(2)), "{job:#}");
    for _ in 0..2 {
        let response = master.post(&format!("/v1/jobs/{first}/cancel"), &json!({})).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.json::<Value>().await.unwrap()["outcome"], "cancelled");
    }
    assert_eq!(master.get(&format!("/v1/jobs/{second}")).await["queue"]["position"], 1);
    let listed = master.get("/v1/jobs?state=queued").await;
    assert_eq!(listed["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(listed["jobs"][0]["queue"]["position"], 1, "{listed:#}");
    master.end().await;
}

#[tokio::test]
async fn the_first_answer_is_what_a_look_at_the_job_shows() {
    let (master, _dir) = Running::new().await;
    let submission = json!({ "language": "python", "source": "print(1)", "labels": { "k": "v" }, "priority": "low",
                             "queue_ttl_ms": 60_000 });
    for position in 1..=2 {
        let told: Value = master.post("/v1/jobs", &submission).await.json().await.unwrap();
        assert_eq!((&told["state"], &told["queue"]["position"]), (&json!("queued"), &json!(position)), "{told:#}");
        assert_eq!(told, master.get(&format!("/v1/jobs/{}", id_of(&told))).await);
    }
    let _agent = master.agent("one").await;
    let told: Value = master.post("/v1/jobs", &python()).await.json().await.unwrap();
    assert_eq!((&told["state"], &told["agent"], &told["attempts"]), (&json!("running"), &json!("one"), &json!(1)));
    assert!(told["started_at"].is_string(), "though the store was not told yet: {told:#}");
    assert_eq!(told, master.get(&format!("/v1/jobs/{}", id_of(&told))).await);
    master.end().await;
}

#[tokio::test]
async fn cancelling_a_running_job_asks_its_agent() {
    let (master, _dir) = Running::new().await;
    let mut agent = master.agent("one").await;
    let id = master.submit(&python()).await;
    let (attempt, _, _) = agent.job().await;
    let cancel = format!("/v1/jobs/{id}/cancel");
    let ended = async {
        use enclos_protocol::agent_link::FromMaster;
        agent
            .expect("a cancel", |m| matches!(m, FromMaster::Cancel { attempt: a } if *a == attempt).then_some(()))
            .await;
        agent.finish(attempt, report(Outcome::Cancelled, 0)).await;
        assert!(agent.verdict(attempt).await);
    };
    assert_eq!(master.post(&cancel, &Value::Null).await.status(), 400, "`null` is no object");
    let empty = json!({});
    let (response, ()) = tokio::join!(master.post(&cancel, &empty), ended);
    assert_eq!(response.json::<Value>().await.unwrap()["outcome"], "cancelled");
    master.end().await;
}

#[tokio::test]
async fn a_key_answers_its_job_and_another_body_is_a_conflict() {
    let (master, _dir) = Running::new().await;
    let post = |body: Value| {
        let request = master.http.post(format!("{}/v1/jobs", master.url)).header("Idempotency-Key", "k");
        request.json(&body).send()
    };
    let first = post(python()).await.unwrap();
    assert_eq!(first.status(), 201);
    assert!(first.headers()["location"].to_str().unwrap().starts_with("/v1/jobs/"));
    let again = post(python()).await.unwrap();
    assert_eq!(again.status(), 200);
    assert_eq!(id_of(&first.json().await.unwrap()), id_of(&again.json().await.unwrap()));
    assert_eq!(post(json!({ "language": "python", "source": "other" })).await.unwrap().status(), 409);
    assert_eq!(master.get("/v1/stats").await["queued"], 1, "and only one place in the queue is taken");
    master.end().await;
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let queue = QueueBounds { jobs_max: 2, bytes_max: 1 << 30 };
    let master = Running::start(Config { queue, ..config(dir.path()) }).await;
    for _ in 0..2 {
        master.submit(&python()).await;
    }
    let response = master.post("/v1/jobs", &python()).await;
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    let problem: Value = response.json().await.unwrap();
    assert_eq!((&problem["code"], &problem["reason"]), (&json!("overloaded"), &json!("queue_full")));
    assert_eq!((&problem["queue_length"], &problem["queue_bound"]), (&json!(2), &json!(2)));
    assert!(problem["retry_after_ms"].as_u64().is_some_and(|ms| ms >= 1000), "{problem:#}");
    let mut agent = master.agent("one").await;
    agent.answer_one(b"").await;
    master.submit(&python()).await;
    master.end().await;
}

#[tokio::test]
async fn a_full_queue_still_answers_what_is_known_by_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let queue = QueueBounds { jobs_max: 1, bytes_max: 1 << 30 };
    let master = Running::start(Config { queue, ..config(dir.path()) }).await;
    let post = |key: &'static str, body: Value| {
        let request = master.http.post(format!("{}/v1/jobs", master.url)).header("Idempotency-Key", key);
        request.json(&body).send()
    };
    let first = post("k", python()).await.unwrap();
    assert_eq!(first.status(), 201);
    let again = post("k", python()).await.unwrap();
    assert_eq!(again.status(), 200);
    assert_eq!(id_of(&first.json().await.unwrap()), id_of(&again.json().await.unwrap()));
    assert_eq!(post("k", json!({ "language": "python", "source": "other" })).await.unwrap().status(), 409);
    assert_eq!(post("new", python()).await.unwrap().status(), 503);
    master.end().await;
}

#[tokio::test]
async fn languages_and_agents_show_what_is_there() {
    let (master, _dir) = Running::new().await;
    let before = master.get("/v1/languages").await;
    let c = before["languages"].as_array().unwrap().iter().find(|l| l["id"] == "c").unwrap().clone();
    assert_eq!(c["image"], json!({ "name": "gcc", "state": "absent", "ready": false, "agents": 0 }));
    assert_eq!(c["limits"]["run"]["cpus"], json!({ "default": 1.0, "min": 0.1, "max": 1.0 }));
    assert!(c["limits"]["compile"]["memory_bytes"]["default"].is_u64(), "{c:#}");
    let mut agent = master.agent("one").await;
    agent.heartbeat().await;
    let after = master.get("/v1/languages").await;
    let python = after["languages"].as_array().unwrap().iter().find(|l| l["id"] == "python").unwrap().clone();
    assert_eq!(python["version"], "python 1.0");
    assert_eq!(python["image"]["agents"], 1);
    assert!(python["limits"].get("compile").is_none());
    let agents = master.get("/v1/agents").await;
    assert_eq!(agents["agents"][0]["state"], "connected", "{agents:#}");
    assert_eq!(agents["agents"][0]["capacity"]["cpus"], 4.0);
    let drained: Value = master.post("/v1/agents/one/drain", &json!({})).await.json().await.unwrap();
    assert_eq!(drained["state"], "draining", "{drained:#}");
    master.end().await;
}

#[tokio::test]
async fn the_description_names_every_route_and_type() {
    let (master, _dir) = Running::new().await;
    let document = master.get("/openapi.json").await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let routes: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(routes.len(), 31, "{routes:?}");
    let text = document.to_string();
    for part in text.split("\"$ref\":\"").skip(1) {
        let pointer = part.split('"').next().unwrap().trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{pointer} is described");
    }
    master.end().await;
}

#[tokio::test]
async fn operators_see_health_version_and_metrics() {
    let (master, _dir) = Running::new().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(master.get(path).await, json!({ "status": "ok" }));
    }
    assert_eq!(master.get("/version").await["api"], "v1");
    master.submit(&python()).await;
    let page = master.http.get(format!("{}/metrics", master.url)).send().await.unwrap().text().await.unwrap();
    assert!(
        page.contains("enclos_queue_jobs 1\n") && page.contains("enclos_jobs_admitted_total{language=\"python\"} 1\n"),
        "{page}"
    );
    master.end().await;
}

#[tokio::test]
async fn every_job_of_many_ends_once_on_several_agents() {
    let (master, _dir) = Running::new().await;
    let (mut one, mut two) = (master.agent("one").await, master.agent("two").await);
    let submissions = futures::future::join_all((0..60).map(|_| async { master.submit(&python()).await }));
    // Each agent answers until it is told to stop; dropping the loop loses no answer that matters,
    // since all ends were seen by then.
    let serve = async |agent: &mut FakeAgent| {
        loop {
            agent.answer_one(b"x").await;
        }
    };
    let all_ended = async {
        for id in submissions.await {
            assert_eq!(master.finished(&id).await["run"]["stdout"], "x");
        }
    };
    tokio::select! {
        () = all_ended => {}
        () = serve(&mut one) => {}
        () = serve(&mut two) => {}
    }
    assert_eq!(master.get("/v1/stats").await["finished"], 60);
    let page = master.get("/v1/jobs?limit=200&state=finished").await;
    let agents: std::collections::BTreeSet<_> =
        page["jobs"].as_array().unwrap().iter().map(|j| j["agent"].as_str().unwrap().to_owned()).collect();
    assert_eq!(agents.len(), 2, "both had some");
    master.end().await;
}

#[tokio::test]
async fn a_strangers_numbers_do_no_harm() {
    let (master, _dir) = Running::new().await;
    let mut wild = hello("wild");
    wild.capacity = enclos_protocol::agent_link::Capacity {
        cpu_millis: u32::MAX,
        memory_bytes: u64::MAX,
        pids: u32::MAX,
        slots: u32::MAX,
    };
    let mut agent = FakeAgent::connect(&master.link.to_string(), TOKEN, wild).await.unwrap();
    let id = master.submit(&python()).await;
    let (attempt, _, _) = agent.job().await;
    let mut lie = report(Outcome::Ok, u64::MAX);
    lie.sandbox_us = u64::MAX;
    lie.message = Some("x".repeat(10_000));
    let facts = &mut lie.run.as_mut().unwrap().facts;
    (facts.cpu_us, facts.wall_us, facts.memory_peak_bytes) = (u64::MAX, u64::MAX, u64::MAX);
    agent.finish(attempt, lie).await;
    assert!(agent.verdict(attempt).await);
    let job = master.finished(&id).await;
    assert_eq!(job["run"]["truncated"], true);
    assert!(job["message"].as_str().unwrap().len() < 1000);
    master.end().await;
}
