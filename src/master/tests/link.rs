//! What agents may do, and what becomes of jobs when they or the master go.

use std::time::Duration;

use enclos_protocol::agent_link::{FromAgent, FromMaster, InputSource, ReturnReason};
use enclos_protocol::ids::AttemptId;
use enclos_protocol::job::{JobInput, Step};
use enclos_protocol::outcome::Outcome;
use serde_json::{Value, json};

use super::fake_agent::{FakeAgent, hello, report};
use super::{Running, TOKEN, config, python};
use crate::config::Config;

#[tokio::test]
async fn an_agent_without_the_token_is_not_heard() {
    let (master, _dir) = Running::new().await;
    for token in ["", "wrong", "a-join-token-for-tests-and-more"] {
        let refused = FakeAgent::connect(&master.link.to_string(), token, hello("x")).await;
        let Err(tokio_tungstenite::tungstenite::Error::Http(response)) = refused else { panic!("it was let in") };
        assert_eq!(response.status(), 401);
    }
    let inputs = format!("http://{}/v1/inputs/x?epoch=1&counter=1", master.link);
    assert_eq!(master.http.get(inputs).send().await.unwrap().status(), 401);
    master.end().await;
}

#[tokio::test]
async fn a_name_belongs_to_one_process() {
    let (master, _dir) = Running::new().await;
    let mine = hello("one");
    let mut first = FakeAgent::connect(&master.link.to_string(), TOKEN, mine.clone()).await.unwrap();
    assert!(FakeAgent::connect(&master.link.to_string(), TOKEN, hello("one")).await.is_err(), "another process");
    first.heartbeat().await;
    let mut again = FakeAgent::connect(&master.link.to_string(), TOKEN, mine).await.unwrap();
    again.heartbeat().await;
    assert!(first.next().await.is_none(), "the older connection of the same process is closed");
    master.end().await;
}

#[tokio::test]
async fn who_breaks_the_links_rules_is_closed() {
    let (master, _dir) = Running::new().await;
    let mut twice = master.agent("twice").await;
    twice.send(FromAgent::Hello(Box::new(hello("twice")))).await.unwrap();
    assert!(twice.next().await.is_none());
    let mut gap = master.agent("gap").await;
    master.submit(&python()).await;
    let (attempt, _, _) = gap.job().await;
    gap.output(attempt, 5, b"x").await;
    assert!(gap.next().await.is_none());
    master.end().await;
}

#[tokio::test]
async fn small_inputs_come_along_and_large_ones_are_fetched() {
    let (master, _dir) = Running::new().await;
    let mut agent = master.agent("one").await;
    let stdin = "x".repeat(300_000);
    for (stdin, inline) in [("small", true), (stdin.as_str(), false)] {
        master.submit(&json!({ "language": "python", "source": "s", "stdin": stdin })).await;
        let (attempt, spec, input) = agent.job().await;
        assert_eq!(spec.language, "python");
        let input = match input {
            InputSource::Inline(input) if inline => input,
            InputSource::Fetch { size_bytes } if !inline => {
                let bytes = fetch(&master, attempt).await.bytes().await.unwrap();
                assert!(bytes.len() as u64 <= size_bytes);
                ciborium::from_reader::<JobInput, _>(bytes.as_ref()).unwrap()
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(&input.stdin[..], stdin.as_bytes());
        agent.finish(attempt, report(Outcome::Ok, 0)).await;
        assert!(agent.verdict(attempt).await);
        assert_eq!(fetch(&master, attempt).await.status(), 410, "the attempt is over");
    }
    master.end().await;
}

async fn fetch(master: &Running, attempt: AttemptId) -> reqwest::Response {
    let AttemptId { job, token } = attempt;
    let url = format!("http://{}/v1/inputs/{job}?epoch={}&counter={}", master.link, token.epoch, token.counter);
    master.http.get(url).bearer_auth(TOKEN).send().await.unwrap()
}

#[tokio::test]
async fn a_reconnected_agent_goes_on_and_its_repeated_output_counts_once() {
    let (master, _dir) = Running::new().await;
    let mut me = hello("one");
    let mut agent = FakeAgent::connect(&master.link.to_string(), TOKEN, me.clone()).await.unwrap();
    let id = master.submit(&python()).await;
    let (attempt, _, _) = agent.job().await;
    agent.output(attempt, 0, b"ab").await;
    drop(agent);
    me.holding = vec![attempt];
    let mut agent = FakeAgent::connect(&master.link.to_string(), TOKEN, me).await.unwrap();
    assert_eq!(agent.welcome.keep, [attempt]);
    agent.output(attempt, 0, b"abc").await;
    agent.finish(attempt, report(Outcome::Ok, 3)).await;
    assert!(agent.verdict(attempt).await);
    let job = master.finished(&id).await;
    assert_eq!((&job["run"]["stdout"], &job["attempts"]), (&json!("abc"), &json!(1)));
    master.end().await;
}

#[tokio::test]
async fn a_cancel_that_was_promised_is_kept_by_the_next_master() {
    let dir = tempfile::tempdir().unwrap();
    let master = Running::start(config(dir.path())).await;
    let mut me = hello("one");
    let mut agent = FakeAgent::connect(&master.link.to_string(), TOKEN, me.clone()).await.unwrap();
    let id = master.submit(&python()).await;
    let (attempt, _, _) = agent.job().await;
    assert_eq!(master.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await.status(), 202);
    drop(agent);
    master.end().await;
    let master = Running::start(config(dir.path())).await;
    me.holding = vec![attempt];
    let mut agent = FakeAgent::connect(&master.link.to_string(), TOKEN, me).await.unwrap();
    agent.expect("a cancel", |m| matches!(m, FromMaster::Cancel { attempt: a } if *a == attempt).then_some(())).await;
    agent.finish(attempt, report(Outcome::Cancelled, 0)).await;
    assert!(agent.verdict(attempt).await);
    assert_eq!(master.finished(&id).await["outcome"], "cancelled");
    master.end().await;
}

#[tokio::test]
async fn a_lost_agents_job_goes_to_another_and_the_late_answer_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let lease = Duration::from_millis(400);
    let master = Running::start(Config { lease, ..config(dir.path()) }).await;
    let mut lost = master.agent("lost").await;
    let id = master.submit(&python()).await;
    let (old, _, _) = lost.job().await;
    drop(lost);
    // The other keeps its connection alive while it waits for the lease of the first to end.
    let mut other = master.agent("other").await;
    let attempt = loop {
        tokio::select! {
            (attempt, _, _) = other.job() => break attempt,
            () = tokio::time::sleep(lease / 4) => {}
        }
        other.heartbeat().await;
    };
    let mut late = hello("lost");
    late.holding = vec![old];
    let mut late = FakeAgent::connect(&master.link.to_string(), TOKEN, late).await.unwrap();
    assert!(late.welcome.keep.is_empty(), "it may not go on");
    late.finish(old, report(Outcome::RuntimeError, 0)).await;
    assert!(!late.verdict(old).await, "its answer is refused");
    other.output(attempt, 0, b"right").await;
    other.finish(attempt, report(Outcome::Ok, 5)).await;
    assert!(other.verdict(attempt).await);
    let job = master.finished(&id).await;
    assert_eq!((&job["outcome"], &job["attempts"], &job["agent"]), (&json!("ok"), &json!(2), &json!("other")));
    master.end().await;
}

#[tokio::test]
async fn a_job_handed_back_goes_elsewhere_without_counting() {
    let (master, _dir) = Running::new().await;
    let mut first = master.agent("a").await;
    let id = master.submit(&python()).await;
    let (attempt, _, _) = first.job().await;
    let mut second = master.agent("b").await;
    first.send(FromAgent::Returned { attempt, reason: ReturnReason::Draining }).await.unwrap();
    assert!(first.verdict(attempt).await);
    second.answer_one(b"x").await;
    let job = master.finished(&id).await;
    assert_eq!((&job["attempts"], &job["agent"]), (&json!(1), &json!("b")), "{job:#}");
    master.end().await;
}

#[tokio::test]
async fn after_a_restart_queued_jobs_wait_and_running_ones_go_on() {
    let (master, dir) = Running::new().await;
    let mut me = hello("one");
    me.capacity.slots = 1;
    let mut agent = FakeAgent::connect(&master.link.to_string(), TOKEN, me.clone()).await.unwrap();
    let running = master.submit(&python()).await;
    let queued = master.submit(&python()).await;
    let (attempt, _, _) = agent.job().await;
    agent.send(FromAgent::Started { attempt, step: Step::Run }).await.unwrap();
    // What nobody has begun would be handed back.
    while master.get(&format!("/v1/jobs/{running}")).await["step"] != "run" {
        tokio::task::yield_now().await;
    }
    drop(agent);
    master.end().await;

    let master = Running::start(config(dir.path())).await;
    assert_eq!(master.get(&format!("/v1/jobs/{running}")).await["state"], "running");
    assert_eq!(master.get(&format!("/v1/jobs/{queued}")).await["queue"]["position"], 1);
    me.holding = vec![attempt];
    let mut agent = FakeAgent::connect(&master.link.to_string(), TOKEN, me).await.unwrap();
    assert_eq!(agent.welcome.keep, [attempt]);
    agent.output(attempt, 0, b"old").await;
    agent.finish(attempt, report(Outcome::Ok, 3)).await;
    assert!(agent.verdict(attempt).await);
    let next = agent.answer_one(b"new").await;
    assert!(next.token > attempt.token, "tokens grow over restarts");
    assert_eq!(master.finished(&running).await["run"]["stdout"], "old");
    assert_eq!(master.finished(&queued).await["run"]["stdout"], "new");
    assert_eq!(master.get("/v1/stats").await["finished"], 2);
    master.end().await;
}

#[tokio::test]
async fn the_end_of_the_master_answers_who_waits() {
    let (master, _dir) = Running::new().await;
    let mut agent = master.agent("one").await;
    let stop = master.stop.clone();
    let job = python();
    let wait = master.post("/v1/jobs?wait_ms=60000", &job);
    let (response, ()) = tokio::join!(wait, async {
        agent.job().await;
        stop.cancel();
    });
    assert_eq!(response.status(), 202);
    assert_eq!(response.json::<Value>().await.unwrap()["state"], "running");
    master.end().await;
    assert!(agent.next().await.is_none(), "its connection is closed, and its job is not ended");
}

/// Messages of an agent of version 3, in order.
fn recorded() -> Vec<Vec<u8>> {
    let lines = include_str!("../../../tests/recorded/link-3.txt").lines().filter_map(|l| l.strip_prefix("agent "));
    lines.map(|line| hex::decode(line).unwrap()).collect()
}

#[tokio::test]
async fn an_agent_of_version_3_is_understood() {
    let (master, _dir) = Running::new().await;
    let hello = recorded().swap_remove(0);
    let mut agent = FakeAgent::connect_with(&master.link.to_string(), TOKEN, hello).await.unwrap();
    assert_eq!(agent.welcome.version, 3, "the older of both versions is spoken");
    let id = master.submit(&python()).await;
    let (attempt, spec, _) = agent.job().await;
    assert_eq!(spec.language, "python");
    agent.finish(attempt, report(Outcome::Ok, 0)).await;
    assert!(agent.verdict(attempt).await);
    assert_eq!(master.finished(&id).await["outcome"], "ok");
    // All else that it may say is of attempts that are not its own: answered, and the connection goes on.
    for body in recorded().into_iter().skip(1) {
        let message: FromAgent = enclos_protocol::frame::decode_body(&body).expect("it is understood");
        // Output of nobody's attempt breaks a rule of the link; it is enough that it is understood.
        if !matches!(message, FromAgent::Output { .. } | FromAgent::Heartbeat { .. }) {
            agent.send(message).await.unwrap();
        }
    }
    agent.heartbeat().await;
    master.end().await;
}

#[tokio::test]
async fn an_agent_of_a_later_version_is_spoken_to_in_ours() {
    let (master, _dir) = Running::new().await;
    let mut later = hello("later");
    later.version += 1;
    let agent = FakeAgent::connect(&master.link.to_string(), TOKEN, later).await.unwrap();
    assert_eq!(agent.welcome.version, enclos_protocol::agent_link::LINK_VERSION);
    drop(agent);
    master.end().await;
}
