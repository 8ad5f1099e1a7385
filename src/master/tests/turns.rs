//! When jobs get their turn, what they are expected to use, and what happens when too many come.

use enclos_protocol::outcome::Outcome;
use futures::StreamExt as _;
use futures::stream;
use tokio::time::Instant;

use super::fake_agent::report;
use super::*;
use crate::access::Setting;

fn with(more: &Value) -> Value {
    let mut body = python();
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

async fn refused(response: Response) -> (u16, Value) {
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_priority_is_the_clients_where_nobody_else_is() {
    let (master, _dir) = Running::new().await;
    let shown = async |id: &str| master.get(&format!("/v1/jobs/{id}")).await["priority"].clone();
    for class in ["low", "normal", "high"] {
        let id = master.submit(&with(&json!({ "priority": class }))).await;
        assert_eq!(shown(&id).await, class);
    }
    let id = master.submit(&python()).await;
    assert_eq!(shown(&id).await, "normal");
    let (status, problem) = refused(master.post("/v1/jobs", &with(&json!({ "priority": "urgent" }))).await).await;
    assert_eq!((status, &problem["field"]), (422, &json!("priority")));
    master.end().await;
}

#[tokio::test]
async fn a_time_to_wait_is_bounded_and_the_operators_where_none_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let minute = Duration::from_secs(60);
    let scheduling = Scheduling { queue_ttl: Some(minute / 2), queue_ttl_max: minute, ..Scheduling::default() };
    let master = Running::start(Config { scheduling, ..config(dir.path()) }).await;
    for (ttl, maximum) in [(0u64, 604_800_000), (u64::MAX, 604_800_000), (60_001, 60_000)] {
        let (status, problem) = refused(master.post("/v1/jobs", &with(&json!({ "queue_ttl_ms": ttl }))).await).await;
        assert_eq!((status, &problem["field"]), (422, &json!("queue_ttl_ms")), "{ttl}");
        assert_eq!(problem["maximum"], maximum, "{ttl}");
    }
    let waits = async |body: &Value| {
        let id = master.submit(body).await;
        let job = master.get(&format!("/v1/jobs/{id}")).await;
        let at = |name: &str| job[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond();
        at("expires_at") - at("created_at")
    };
    assert_eq!(waits(&with(&json!({ "queue_ttl_ms": 60_000 }))).await, 60_000);
    assert_eq!(waits(&python()).await, 30_000);
    master.end().await;
}

/// Ends the next job, having used so much CPU time.
async fn end_next(agent: &mut FakeAgent, cpu_us: u64) {
    let (attempt, _, _) = agent.job().await;
    agent.started(attempt).await;
    let mut report = report(Outcome::Ok, 0);
    report.run.as_mut().unwrap().facts.cpu_us = cpu_us;
    agent.finish(attempt, report).await;
    assert!(agent.verdict(attempt).await);
}

#[tokio::test]
async fn a_job_shows_what_was_expected_of_it_beside_what_it_used_and_a_restart_forgets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let master = Running::start(config(dir.path())).await;
    let mut agent = master.agent("one").await;
    let first = master.submit(&python()).await;
    end_next(&mut agent, 40_000).await;
    assert_eq!(master.finished(&first).await.get("prediction"), None, "nothing was known");
    drop(agent);
    master.end().await;

    let master = Running::start(config(dir.path())).await;
    let again = master.submit(&python()).await;
    let other = master.submit(&json!({ "language": "python", "source": "print(2)" })).await;
    let waiting = master.get(&format!("/v1/jobs/{again}")).await;
    assert_eq!(
        (&waiting["prediction"]["level"], &waiting["prediction"]["observations"]),
        (&json!("source"), &json!(1))
    );
    let mut agent = master.agent("two").await;
    end_next(&mut agent, 44_000).await;
    end_next(&mut agent, 44_000).await;
    let ended = master.finished(&again).await;
    let expected = ended["prediction"]["cpu_ms"].as_u64().unwrap();
    assert!((30..=53).contains(&expected), "{ended:#}");
    assert_eq!(ended["run"]["cpu_ms"], 44);
    assert_eq!(master.finished(&other).await["prediction"]["level"], "tenant");
    master.end().await;
}

#[tokio::test]
async fn without_prediction_nothing_is_expected_and_nothing_learnt() {
    let dir = tempfile::tempdir().unwrap();
    let scheduling = Scheduling { prediction: crate::config::Prediction::Off, ..Scheduling::default() };
    let master = Running::start(Config { scheduling, ..config(dir.path()) }).await;
    let mut agent = master.agent("one").await;
    for _ in 0..2 {
        let id = master.submit(&python()).await;
        end_next(&mut agent, 40_000).await;
        assert_eq!(master.finished(&id).await.get("prediction"), None);
    }
    drop(agent);
    master.end().await;
    let master = Running::start(config(dir.path())).await;
    let id = master.submit(&python()).await;
    assert_eq!(master.get(&format!("/v1/jobs/{id}")).await.get("prediction"), None);
    master.end().await;
}

#[tokio::test]
async fn a_full_queue_refuses_before_it_looks_at_what_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let queue = QueueBounds { jobs_max: 1, bytes_max: 1 << 30 };
    let master = Running::start(Config { queue, ..config(dir.path()) }).await;
    master.submit(&python()).await;
    let large = vec![b'['; 4 << 20];
    for body in [b"no json".to_vec(), large] {
        let request = master.http.post(format!("{}/v1/jobs", master.url)).header("content-type", "application/json");
        let (status, problem) = refused(request.body(body).send().await.unwrap()).await;
        assert_eq!((status, &problem["reason"]), (503, &json!("queue_full")));
    }
    let metrics = master.http.get(format!("{}/metrics", master.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("enclos_queue_refusals_total{reason=\"queue_full\"} 2\n"), "{metrics}");
    master.end().await;
}

#[tokio::test]
async fn the_refusal_of_a_tenants_own_bound_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let quota = crate::access::Quota { queued_jobs: Some(2), ..Default::default() };
    let master = Running::start(Config { quota, ..config(dir.path()) }).await;
    for _ in 0..2 {
        master.submit(&python()).await;
    }
    let (status, problem) = refused(master.post("/v1/jobs", &python()).await).await;
    assert_eq!((status, &problem["code"]), (429, &json!("quota_exceeded")));
    assert_eq!((&problem["quota"], &problem["reason"]), (&json!("queued_jobs"), &json!("tenant_queued_jobs")));
    assert_eq!((&problem["queue_length"], &problem["queue_bound"]), (&json!(2), &json!(2)));
    master.end().await;
}

#[tokio::test]
async fn a_job_that_waited_as_long_as_it_may_is_cancelled_and_says_why() {
    let (master, _dir) = Running::new().await;
    let id = master.submit(&with(&json!({ "queue_ttl_ms": 50 }))).await;
    let job = master.finished(&id).await;
    assert_eq!((&job["outcome"], &job["attempts"]), (&json!("cancelled"), &json!(0)), "{job:#}");
    assert!(job["message"].as_str().is_some_and(|message| message.contains("wait")), "{job:#}");
    assert_eq!(master.get("/v1/stats").await["queued"], 0, "its place is free");
    master.end().await;
}

#[tokio::test]
async fn after_a_restart_jobs_go_in_the_order_of_their_priority_and_keep_their_time_to_wait() {
    let dir = tempfile::tempdir().unwrap();
    let master = Running::start(config(dir.path())).await;
    let mut ids = Vec::new();
    for class in ["low", "normal", "normal", "high"] {
        ids.push(master.submit(&with(&json!({ "priority": class, "queue_ttl_ms": 3_600_000 }))).await);
    }
    let expires = master.get(&format!("/v1/jobs/{}", ids[0])).await["expires_at"].clone();
    assert!(expires.is_string());
    let short = master.submit(&with(&json!({ "queue_ttl_ms": 1000 }))).await;
    master.end().await;

    let master = Running::start(config(dir.path())).await;
    let again = master.get(&format!("/v1/jobs/{}", ids[0])).await;
    assert_eq!((&again["priority"], &again["expires_at"]), (&json!("low"), &expires));
    // The time that it may wait went on while no master ran.
    assert_eq!(master.finished(&short).await["outcome"], "cancelled");
    let mut alone = hello("one");
    alone.capacity.slots = 1;
    let mut agent = FakeAgent::connect(&master.link.to_string(), TOKEN, alone).await.unwrap();
    for id in [3, 1, 2, 0].map(|n| &ids[n]) {
        let attempt = agent.answer_one(b"").await;
        assert_eq!(&attempt.job.to_string(), id);
    }
    master.end().await;
}

/// Submissions of the burst, and how many of them are on their way at once.
const BURST: usize = 3000;
const AT_ONCE: usize = 64;
/// Places in its queue.
const PLACES: usize = 100;

#[tokio::test(flavor = "multi_thread")]
async fn of_a_burst_every_accepted_job_ends_every_refusal_says_why_and_refusals_end_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let queue = QueueBounds { jobs_max: PLACES, bytes_max: 1 << 30 };
    let master = Running::start(Config { queue, ..config(dir.path()) }).await;
    let mut agent = master.agent("one").await;
    let stop = CancellationToken::new();
    let mut agents = JoinSet::new();
    let ends = stop.clone();
    agents.spawn(async move {
        let mut ended = 0usize;
        let mut beat = tokio::time::interval(Duration::from_secs(1));
        loop {
            // Cancel-safe: what a dropped wait has taken is kept for the next.
            tokio::select! {
                () = ends.cancelled() => return ended,
                _ = beat.tick() => agent.heartbeat().await,
                (attempt, _, _) = agent.job() => {
                    agent.started(attempt).await;
                    agent.finish(attempt, report(Outcome::Ok, 0)).await;
                    ended += 1;
                }
            }
        }
    });
    let submit = async |_: usize| {
        let response = master.post("/v1/jobs", &python()).await;
        let retry_after = response.headers().get("retry-after").cloned();
        let (status, body) = refused(response).await;
        if status == 201 {
            return Ok(id_of(&body));
        }
        let seconds: u64 = retry_after.expect("it says when to come back").to_str().unwrap().parse().unwrap();
        assert_eq!((status, &body["code"]), (503, &json!("overloaded")), "{body:#}");
        assert!(["queue_full", "queue_nearly_full"].contains(&body["reason"].as_str().unwrap()), "{body:#}");
        let (length, bound) = (body["queue_length"].as_u64().unwrap(), body["queue_bound"].as_u64().unwrap());
        assert!(length <= PLACES as u64 && bound <= PLACES as u64 && length >= bound, "{body:#}");
        let ms = body["retry_after_ms"].as_u64().unwrap();
        assert!((1..=60).contains(&seconds) && ms <= seconds * 1000, "{body:#}");
        Err(())
    };
    let answers: Vec<Result<String, ()>> = stream::iter(0..BURST).map(submit).buffer_unordered(AT_ONCE).collect().await;
    let accepted: Vec<String> = answers.into_iter().flatten().collect();
    assert!(accepted.len() >= PLACES && accepted.len() < BURST, "{} of {BURST} were accepted", accepted.len());
    for id in &accepted {
        assert_eq!(master.finished(id).await["outcome"], "ok");
    }
    // Nothing waits any more: the next is taken, whatever was refused before.
    let began = Instant::now();
    let last = master.submit(&python()).await;
    assert_eq!(master.finished(&last).await["outcome"], "ok");
    assert!(began.elapsed() < LONG);
    let totals = master.get("/v1/stats").await;
    assert_eq!((&totals["queued"], &totals["running"]), (&json!(0), &json!(0)));
    stop.cancel();
    assert_eq!(agents.join_next().await.unwrap().unwrap(), accepted.len() + 1, "each ran once");
    master.end().await;
}

#[tokio::test]
async fn a_priority_above_the_tenants_is_denied() {
    let dir = tempfile::tempdir().unwrap();
    let quota = crate::access::Quota { priority_max: Some(crate::access::Priority::Normal), ..Default::default() };
    let master = Running::start(Config { quota, ..config(dir.path()) }).await;
    // Without a key everybody is the operator.
    master.submit(&with(&json!({ "priority": "high" }))).await;
    let mut desk = crate::store::Desk::open(dir.path()).unwrap();
    let new = crate::store::NewKey {
        tenant: "a".parse().unwrap(),
        name: String::new(),
        scopes: "submit,read".parse().unwrap(),
        lasts: None,
    };
    let (_, secret, change) = desk.create(new, crate::store::UnixTime::now()).unwrap();
    assert_eq!(desk.told(change).await.unwrap(), crate::store::Told::Seen);
    let high = with(&json!({ "priority": "high" }));
    let submit = || master.http.post(format!("{}/v1/jobs", master.url)).bearer_auth(secret.expose()).json(&high).send();
    let (status, problem) = refused(submit().await.unwrap()).await;
    assert_eq!((status, &problem["code"], &problem["field"]), (403, &json!("priority_denied"), &json!("priority")));
    assert_eq!(problem["maximum"], "normal");
    let set = desk.set(&"a".parse().unwrap(), |settings| settings.priority_max = Setting::Unlimited);
    assert_eq!(desk.told(set.unwrap().1).await.unwrap(), crate::store::Told::Seen);
    assert_eq!(submit().await.unwrap().status(), 201);
    master.end().await;
}
