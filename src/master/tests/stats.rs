//! How it goes, and jobs as they change, told to who looks on.

use std::collections::BTreeSet;

use enclos_protocol::outcome::Outcome;
use futures::StreamExt as _;
use tokio::time::Instant;

use super::fake_agent::report;
use super::keys::Keyed;
use super::*;
use crate::pulse::STEPS;

/// Longest from a change until it is told; half a second is usual.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// An open event stream.
struct Stream {
    pieces: futures::stream::BoxStream<'static, reqwest::Result<axum::body::Bytes>>,
    text: String,
}

impl Stream {
    async fn open(master: &Running, path: &str, key: Option<&str>) -> Self {
        let request = master.http.get(format!("{}{path}", master.url));
        let request = key.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        let response = request.send().await.unwrap();
        assert_eq!(
            (response.status(), &response.headers()["content-type"]),
            (StatusCode::OK, &"text/event-stream".parse().unwrap())
        );
        assert_eq!(response.headers()["cache-control"], "no-store");
        Self { pieces: response.bytes_stream().boxed(), text: String::new() }
    }

    /// The next event: its id, kind and data. `None`: it has ended.
    async fn next(&mut self) -> Option<(Option<u64>, String, Value)> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
                let data = serde_json::from_str(field("data: ").unwrap()).unwrap();
                let id = field("id: ").map(|id| id.parse().unwrap());
                return Some((id, field("event: ").unwrap().to_owned(), data));
            }
            let piece = timeout(LONG, self.pieces.next()).await.expect("something is told")?.ok()?;
            self.text.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// The first event of this kind that is so.
    async fn until(&mut self, kind: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + LONG;
        while Instant::now() < deadline {
            let (_, of, data) = self.next().await.expect("it goes on");
            if of == kind && is_so(&data) {
                return data;
            }
        }
        panic!("no '{kind}' is so");
    }
}

use reqwest::StatusCode;

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_is_told_at_once_and_of_each_change_soon() {
    let (master, _dir) = Running::new().await;
    let mut stream = Stream::open(&master, "/v1/stats/events", None).await;
    let (first, kind, data) = stream.next().await.unwrap();
    assert_eq!((kind.as_str(), &data["queued"], &data["agents"]), ("stats", &json!(0), &json!(0)));
    let (submitted, _) = (Instant::now(), master.submit(&python()).await);
    let waits = stream.until("stats", |data| data["queued"] == 1).await;
    assert!(submitted.elapsed() < TOLD_WITHIN, "{:?}", submitted.elapsed());
    let row = &waits["queue"][0];
    assert_eq!(
        (&row["tenant"], &row["language"], &row["priority"], &row["count"]),
        (&json!("default"), &json!("python"), &json!("normal"), &json!(1))
    );
    let mut agent = master.agent("one").await;
    let (attempt, _, _) = agent.job().await;
    let runs = stream.until("stats", |data| data["running"] == 1 && data["queued"] == 0).await;
    assert_eq!((&runs["agents_detail"][0]["name"], &runs["agents_detail"][0]["running"]), (&json!("one"), &json!(1)));
    assert!(runs["waits"]["p99_ms"].is_number(), "{runs}");
    agent.started(attempt).await;
    agent.finish(attempt, report(Outcome::Ok, 0)).await;
    let ended = stream.until("stats", |data| data["finished"] == 1).await;
    assert_eq!((&ended["outcomes"], &ended["running"]), (&json!({ "ok": 1 }), &json!(0)));
    assert!(ended["runs"]["p50_ms"].is_number());
    let (last, ..) = Stream::open(&master, "/v1/stats/events", None).await.next().await.unwrap();
    assert!(last > first, "ids count up");
    drop(agent);
    let lost = stream.until("stats", |data| data["agents_suspect"] == 1).await;
    assert_eq!(lost["agents_detail"][0]["state"], "suspect");
    master.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_changes_a_sign_of_life_comes_and_no_stats() {
    let (master, _dir) = Running::new().await;
    let mut stream = Stream::open(&master, "/v1/stats/events", None).await;
    assert_eq!(stream.next().await.unwrap().1, "stats");
    for _ in 0..2 {
        let (id, kind, data) = stream.next().await.unwrap();
        assert_eq!((id, kind.as_str(), data["at"].is_string()), (None, "alive", true));
    }
    master.end().await;
    assert!(stream.next().await.is_none(), "it ends with the service, and holds up nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_sees_how_its_own_goes_and_operators_see_all() {
    let mut keyed = Keyed::new().await;
    let (_, one) = keyed.key("one", "submit,read").await;
    let (_, other) = keyed.key("other", "read").await;
    let (_, operator) = keyed.key("ops", "operate").await;
    let master = &keyed.running;
    let request = master.http.post(format!("{}/v1/jobs", master.url)).bearer_auth(one.expose());
    assert_eq!(request.json(&python()).send().await.unwrap().status(), 201);
    let refused = master.http.post(format!("{}/v1/jobs", master.url)).bearer_auth(one.expose());
    assert_eq!(refused.json(&json!({ "language": "nothing", "source": "" })).send().await.unwrap().status(), 422);
    for (key, queued, sees_agents) in [(&one, 1, false), (&other, 0, false), (&operator, 1, true)] {
        let mut stream = Stream::open(master, "/v1/stats/events", Some(key.expose())).await;
        let told = stream.next().await.unwrap().2;
        assert_eq!((&told["queued"], told["queue"].as_array().unwrap().len()), (&json!(queued), queued));
        for member in ["agents", "agents_suspect", "agents_detail", "finished"] {
            assert_eq!(told.get(member).is_some(), sees_agents, "{member}");
        }
        assert_eq!(told["refusals"], if queued == 1 { json!({ "unknown_language": 1 }) } else { json!({}) });
        let asked = master.http.get(format!("{}/v1/stats", master.url)).bearer_auth(key.expose());
        let asked: Value = asked.send().await.unwrap().json().await.unwrap();
        assert_eq!((&asked["queue"][0]["tenant"], &asked["queued"]), (&told["queue"][0]["tenant"], &told["queued"]));
    }
    keyed.running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_is_an_hour_long_from_the_first_moment_on() {
    let (master, _dir) = Running::new().await;
    let history = master.get("/v1/stats/history").await;
    assert_eq!((&history["step_ms"], &history["of"]), (&json!(10_000), &json!("hour")));
    for member in
        ["queued", "running", "capacity", "agents", "accepted", "ended", "refused", "wait_p50_ms", "wait_p99_ms"]
    {
        let points = history[member].as_array().unwrap();
        assert!(points.len() == STEPS && points.iter().all(Value::is_null), "{member}: there was no master");
    }
    assert_eq!(master.http.get(format!("{}/v1/stats/history?of=week", master.url)).send().await.unwrap().status(), 422);
    master.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_is_told_of_its_own_jobs_as_they_change() {
    let mut keyed = Keyed::new().await;
    let (_, one) = keyed.key("one", "submit,read").await;
    let (_, other) = keyed.key("other", "submit,read").await;
    let master = &keyed.running;
    let submit = async |key: &crate::access::Secret| {
        let request = master.http.post(format!("{}/v1/jobs", master.url)).bearer_auth(key.expose());
        id_of(&request.json(&python()).send().await.unwrap().json().await.unwrap())
    };
    let mut stream = Stream::open(master, "/v1/jobs/events", Some(one.expose())).await;
    submit(&other).await;
    let job = submit(&one).await;
    let queued = stream.until("job", |_| true).await;
    assert_eq!((&queued["id"], &queued["state"]), (&json!(job), &json!("queued")), "and none of another tenant");
    let mut agent = master.agent("one").await;
    let mut attempts = Vec::new();
    for _ in 0..2 {
        attempts.push(agent.job().await.0);
    }
    let running = stream.until("job", |job| job["state"] == "running").await;
    assert_eq!((&running["id"], &running["agent"]), (&json!(job), &json!("one")));
    for attempt in attempts {
        agent.started(attempt).await;
        agent.finish(attempt, report(Outcome::TimeLimit, 0)).await;
    }
    let finished = stream.until("job", |job| job["state"] == "finished").await;
    assert_eq!((&finished["id"], &finished["outcome"]), (&json!(job), &json!("time_limit")));
    assert!(finished.get("run").is_none_or(|run| run.get("stdout").is_none()), "as the list has it: {finished}");
    keyed.running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_more_change_than_can_be_told_the_list_is_to_be_read_again() {
    let (master, _dir) = Running::new().await;
    let mut stream = Stream::open(&master, "/v1/jobs/events", None).await;
    let batch = json!({ "jobs": vec![python(); 10] });
    let requests = (0..80).map(|_| master.post("/v1/jobs/batch", &batch));
    let made = futures::future::join_all(requests).await;
    assert!(made.iter().all(|response| response.status().is_success()));
    let (mut told, mut gaps) = (BTreeSet::new(), 0);
    // All that came was told, or it was said that not all was.
    while gaps == 0 && told.len() < 800 {
        match stream.next().await.unwrap() {
            (_, kind, _) if kind == "gap" => gaps += 1,
            (_, kind, job) if kind == "job" => drop(told.insert(id_of(&job))),
            _ => {}
        }
    }
    // The last of the many may fall into the same moment; when they are over, jobs are told one by one again.
    loop {
        let job = master.submit(&python()).await;
        let (_, kind, told) = stream.next().await.unwrap();
        if kind == "job" && told["id"] == job.as_str() {
            break;
        }
    }
    master.end().await;
}
