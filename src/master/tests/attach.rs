//! A WebSocket to a job: its events, and what a client says on its way to an agent.

use std::time::Duration;

use enclos_protocol::agent_link::{FromAgent, FromMaster};
use enclos_protocol::ids::AttemptId;
use enclos_protocol::live::Signal;
use enclos_protocol::outcome::Outcome;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, client_async, connect_async};

use super::attached::{Attached, stdout};
use super::fake_agent::{FakeAgent, report};
use super::{Running, config, python};
use crate::config::Connections;

fn live() -> Value {
    json!({ "language": "python", "source": "print(input())", "run": { "attach": true } })
}

/// Takes the job and says that its program runs.
async fn open(agent: &mut FakeAgent) -> AttemptId {
    let (attempt, spec, _) = agent.job().await;
    assert!(spec.live_stdin);
    agent.started(attempt).await;
    taken(agent, attempt, 0).await;
    attempt
}

async fn taken(agent: &mut FakeAgent, attempt: AttemptId, taken: u64) {
    agent.send(FromAgent::StdinTaken { attempt, taken, received: taken, ended: false, closed: false }).await.unwrap();
}

async fn heard(agent: &mut FakeAgent) -> (u64, String, bool) {
    agent
        .expect("live input", |message| match message {
            FromMaster::Stdin { offset, bytes, last, .. } => {
                Some((*offset, String::from_utf8_lossy(bytes).into_owned(), *last))
            }
            _ => None,
        })
        .await
}

#[tokio::test]
async fn a_client_speaks_with_a_program_from_the_queue_to_its_end() {
    let (master, _dir) = Running::new().await;
    let id = master.submit(&live()).await;
    let mut client = Attached::to(&master.url, &id, "").await;
    client.stage("waiting").await;
    client.signal("INT").await;
    assert_eq!(client.error().await, "not_running");
    client.stdin(b"one").await;

    let mut agent = master.agent("one").await;
    let attempt = open(&mut agent).await;
    assert_eq!(heard(&mut agent).await, (0, "one".into(), false));
    client.request(&json!({ "type": "stdin", "text": " é" })).await;
    assert_eq!(heard(&mut agent).await, (3, " é".into(), false));
    taken(&mut agent, attempt, 6).await;
    client.signal("SIGINT").await;
    let int = |m: &FromMaster| matches!(m, FromMaster::Signal { signal: Signal::Int, .. }).then_some(());
    agent.expect("a signal", int).await;
    client.signal("STOP").await;
    assert_eq!(client.error().await, "unknown_signal");

    let mut other = Attached::to(&master.url, &id, "").await;
    other.stdin(b"me too").await;
    assert_eq!(other.error().await, "stdin_in_use");
    client.end().await;
    assert_eq!(heard(&mut agent).await, (6, String::new(), true));
    client.stage("ended").await;
    client.stdin(b"more").await;
    assert_eq!(client.error().await, "stdin_ended");

    agent.output(attempt, 0, b"bye").await;
    agent.finish(attempt, report(Outcome::Ok, 3)).await;
    assert!(agent.verdict(attempt).await);
    for client in [&mut client, &mut other] {
        let rest = client.rest().await;
        assert_eq!(rest.last().unwrap()["type"], 1000, "{rest:?}");
        let finished = rest.iter().find(|f| f["type"] == "finished").unwrap();
        assert_eq!((stdout(&rest).as_str(), &finished["data"]["outcome"]), ("bye", &json!("ok")), "{rest:?}");
    }
    master.end().await;
}

#[tokio::test]
async fn who_comes_late_or_again_sees_every_byte_once() {
    let (master, _dir) = Running::new().await;
    let mut agent = master.agent("one").await;
    let id = master.submit(&live()).await;
    let attempt = open(&mut agent).await;
    agent.output(attempt, 0, b"first \xff ").await;
    let mut late = Attached::to(&master.url, &id, "").await;
    let seen = late.until(|frame| frame["type"] == "output").await;
    let last = seen.last().unwrap();
    assert_eq!(last["data"]["bytes_base64"], "Zmlyc3Qg/yA=", "{seen:?}");
    drop(late);
    agent.output(attempt, 8, b"second").await;
    let mut resumed = Attached::to(&master.url, &id, last["cursor"].as_str().unwrap()).await;
    assert_eq!(stdout(&resumed.until(|frame| frame["type"] == "output").await), "second");
    agent.finish(attempt, report(Outcome::Ok, 14)).await;
    assert!(agent.verdict(attempt).await);
    let rest = resumed.rest().await;
    assert_eq!((stdout(&rest).as_str(), &rest.last().unwrap()["type"]), ("", &json!(1000)));

    // It has ended: replayed, and closed.
    let replay = Attached::to(&master.url, &id, "").await.rest().await;
    assert_eq!(replay.iter().filter(|f| f["type"] == "output").count(), 1, "{replay:?}");
    let finished = replay.iter().find(|f| f["type"] == "finished").unwrap()["cursor"].as_str().unwrap().to_owned();
    let nothing = Attached::to(&master.url, &id, &finished).await.rest().await;
    assert_eq!(nothing, [json!({ "type": 1000 })]);
    master.end().await;
}

#[tokio::test]
async fn a_job_without_live_input_is_only_watched() {
    let (master, _dir) = Running::new().await;
    let mut agent = master.agent("one").await;
    let id = master.submit(&python()).await;
    let (attempt, _, _) = agent.job().await;
    let mut client = Attached::to(&master.url, &id, "").await;
    client.stdin(b"x").await;
    assert_eq!(client.error().await, "not_live");
    agent.started(attempt).await;
    agent.output(attempt, 0, b"x").await;
    agent.finish(attempt, report(Outcome::Ok, 1)).await;
    assert!(agent.verdict(attempt).await);
    assert_eq!(stdout(&client.rest().await), "x");
    master.end().await;
}

#[tokio::test]
async fn frames_that_are_none_end_the_connection_and_not_the_job() {
    let (master, _dir) = Running::new().await;
    let mut agent = master.agent("one").await;
    let id = master.submit(&live()).await;
    let attempt = open(&mut agent).await;
    let large = vec![0u8; 65_537];
    for (message, code) in [
        (Message::text("{"), 1007),
        (Message::text(r#"{"type":"eof"}"#), 1007),
        (Message::text(r#"{"type":"stdin","text":"x","more":1}"#), 1007),
        (Message::binary(large), 1009),
        (Message::text("x".repeat(70_000)), 1009),
    ] {
        let mut client = Attached::to(&master.url, &id, "").await;
        client.say(message).await;
        assert_eq!(client.rest().await.last().unwrap()["type"], code);
    }
    let mut client = Attached::to(&master.url, &id, "").await;
    client.say(Message::binary(vec![0u8; 1 << 20])).await;
    client.rest().await;
    let mut client = Attached::to(&master.url, &id, "").await;
    for n in 0..1000 {
        client.say(Message::binary(format!("{}", n % 10).into_bytes())).await;
    }
    let mut whole = String::new();
    while whole.len() < 1000 {
        let (offset, bytes, _) = heard(&mut agent).await;
        assert_eq!(offset, whole.len() as u64);
        whole += &bytes;
    }
    assert!(whole.bytes().enumerate().all(|(n, byte)| usize::from(byte - b'0') == n % 10), "{whole}");
    agent.finish(attempt, report(Outcome::Ok, 0)).await;
    assert!(agent.verdict(attempt).await);
    assert_eq!(master.finished(&id).await["outcome"], "ok");
    master.end().await;
}

async fn refused(master: &Running, path: &str, header: Option<(&'static str, &str)>) -> (u16, Value) {
    let mut request = format!("{}{path}", master.url.replace("http://", "ws://")).into_client_request().unwrap();
    if let Some((name, value)) = header {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    match connect_async(request).await {
        Err(tungstenite::Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            (response.status().as_u16(), serde_json::from_slice(&body).unwrap_or_default())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn pages_of_other_origins_unknown_jobs_and_other_requests_are_refused() {
    let (master, _dir) = Running::new().await;
    let id = master.submit(&live()).await;
    let path = format!("/v1/jobs/{id}/attach");
    for foreign in ["http://evil.example", "null", "http://localhost:1"] {
        let (status, problem) = refused(&master, &path, Some(("origin", foreign))).await;
        assert_eq!((status, &problem["code"]), (403, &json!("origin_not_allowed")), "{foreign}");
    }
    let (status, _) = refused(&master, &path, Some(("host", "evil.example"))).await;
    assert_eq!(status, 421);
    let unknown = "/v1/jobs/0198c0de-1f6e-7c3a-9b1d-3f2a90c1d4e5/attach";
    assert_eq!(refused(&master, unknown, None).await.0, 404);
    assert_eq!(refused(&master, &format!("{path}?after=x"), None).await.0, 422);
    assert_eq!(refused(&master, &format!("{path}?from=x"), None).await.0, 400);
    let plain = master.http.get(format!("{}{path}", master.url)).send().await.unwrap();
    assert_eq!(plain.status(), 426);
    assert_eq!(plain.json::<Value>().await.unwrap()["code"], "upgrade_required");
    for also in [json!({ "stdin": "x" }), json!({ "stdin_base64": "" }), json!({ "cases": [{}] })] {
        let mut body = live();
        body.as_object_mut().unwrap().extend(also.as_object().unwrap().clone());
        let response = master.post("/v1/jobs", &body).await;
        assert_eq!(response.status(), 422, "{also}");
        let field = response.json::<Value>().await.unwrap()["field"].clone();
        assert!(also.get(field.as_str().unwrap()).is_some(), "{field}");
    }
    master.end().await;
}

#[tokio::test]
async fn a_job_that_was_given_input_ends_with_its_agent_and_one_that_was_not_is_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.lease = Duration::from_secs(3);
    let master = Running::start(config).await;
    let mut first = master.agent("one").await;
    let id = master.submit(&live()).await;
    open(&mut first).await;
    let mut client = Attached::to(&master.url, &id, "").await;
    client.stage("open").await;
    drop(first);
    client.until(|frame| frame["data"]["state"] == "queued").await;
    let mut second = master.agent("two").await;
    let attempt = open(&mut second).await;
    client.stdin(b"x").await;
    assert_eq!(heard(&mut second).await, (0, "x".into(), false));
    taken(&mut second, attempt, 1).await;
    second.heartbeat().await;
    drop(second);
    let rest = client.rest().await;
    assert_eq!(rest.last().unwrap()["type"], 1000, "{rest:?}");
    let job = master.finished(&id).await;
    assert_eq!((&job["outcome"], &job["attempts"]), (&json!("internal_error"), &json!(2)), "{job:#}");
    let message = job["message"].as_str().unwrap();
    assert!(message.contains("agent two was lost") && message.contains("cannot be given again"), "{message}");
    master.end().await;
}

#[tokio::test]
async fn an_agent_that_comes_back_in_time_is_given_again_what_it_has_not() {
    let (master, _dir) = Running::new().await;
    let hello = super::hello("one");
    let mut agent = FakeAgent::connect(&master.link.to_string(), super::TOKEN, hello.clone()).await.unwrap();
    let id = master.submit(&live()).await;
    let attempt = open(&mut agent).await;
    let mut client = Attached::to(&master.url, &id, "").await;
    client.stdin(b"abc").await;
    assert_eq!(heard(&mut agent).await, (0, "abc".into(), false));
    drop(agent);
    let hello = enclos_protocol::agent_link::Hello { holding: vec![attempt], ..hello };
    let mut again = FakeAgent::connect(&master.link.to_string(), super::TOKEN, hello).await.unwrap();
    taken(&mut again, attempt, 2).await;
    assert_eq!(heard(&mut again).await, (2, "c".into(), false));

    // What cannot be so ends the attempt, and not the session: nothing of this agent's others is lost.
    taken(&mut again, attempt, 1 << 40).await;
    let abandoned = |m: &FromMaster| matches!(m, FromMaster::Abandon { attempt: a } if *a == attempt).then_some(());
    again.expect("it is to drop it", abandoned).await;
    let job = master.finished(&id).await;
    assert_eq!((&job["outcome"], &job["attempts"]), (&json!("internal_error"), &json!(1)), "{job:#}");
    assert!(job["message"].as_str().unwrap().contains("more live input was taken"), "{job:#}");
    master.submit(&live()).await;
    open(&mut again).await;
    master.end().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_and_the_job_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.clients = Connections::new(256, Duration::from_millis(200));
    let master = Running::start(config).await;
    let mut agent = master.agent("one").await;
    let mut body = live();
    body["limits"] = json!({ "run": { "report_bytes": 4 << 20, "output_bytes": 4 << 20 } });
    let id = master.submit(&body).await;
    let attempt = open(&mut agent).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address = master.url.trim_start_matches("http://").parse().unwrap();
    let stream = socket.connect(address).await.unwrap();
    let url = format!("ws://{address}/v1/jobs/{id}/attach");
    let (mut slow, _) = client_async(url, MaybeTlsStream::Plain(stream)).await.unwrap();
    // Not text, so that it is longer as JSON: more than what systems hold for a connection.
    let piece = vec![0xff; 64 * 1024];
    for n in 0..64u64 {
        agent.output(attempt, n * 65_536, &piece).await;
    }
    agent.finish(attempt, report(Outcome::Ok, 4 << 20)).await;
    assert!(agent.verdict(attempt).await, "nobody waits for a client");
    let job = master.finished(&id).await;
    assert!(job["run"]["stdout_base64"].as_str().unwrap().len() > 5 << 20);
    // Nothing was read so long that it was cut: not all of it comes.
    master.end().await;
    let mut seen = 0;
    while let Some(Ok(message)) = slow.next().await {
        seen += message.len();
    }
    assert!(seen < 5 << 20, "{seen}");
}

#[tokio::test]
async fn the_end_of_the_master_tells_who_is_attached() {
    let (master, _dir) = Running::new().await;
    let id = master.submit(&live()).await;
    let mut client = Attached::to(&master.url, &id, "").await;
    client.stage("waiting").await;
    let (rest, ()) = tokio::join!(client.rest(), master.end());
    assert_eq!(rest.last().unwrap()["type"], 1001, "{rest:?}");
}
