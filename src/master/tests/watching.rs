//! Events: live, resumed, replayed.

use enclos_protocol::outcome::Outcome;
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::fake_agent::report;
use super::{LONG, Running, python};

#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) data: Value,
}

pub(super) async fn events(
    master: &Running,
    job: &str,
    after: Option<&str>,
    enough: impl Fn(&[Event]) -> bool,
) -> Vec<Event> {
    let mut request = master.http.get(format!("{}/v1/jobs/{job}/events", master.url));
    if let Some(after) = after {
        request = request.header("Last-Event-ID", after);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let (mut stream, mut text, mut seen) = (response.bytes_stream(), String::new(), Vec::new());
    let reading = async {
        while let Some(piece) = stream.next().await {
            text.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
            while let Some(end) = text.find("\n\n") {
                let block: String = text.drain(..end + 2).collect();
                let field = |n: &str| block.lines().find_map(|l| l.strip_prefix(n)).unwrap_or("").trim().to_owned();
                let data = serde_json::from_str(&field("data:")).unwrap();
                seen.push(Event { id: field("id:"), kind: field("event:"), data });
                if enough(&seen) {
                    return;
                }
            }
        }
    };
    timeout(LONG, reading).await.expect("the events come");
    seen
}

pub(super) fn ended(seen: &[Event]) -> bool {
    seen.last().is_some_and(|event| event.kind == "finished")
}

fn stdout(events: &[Event]) -> String {
    events.iter().filter(|e| e.kind == "output").filter_map(|e| e.data["text"].as_str()).collect()
}

#[tokio::test]
async fn a_watcher_sees_states_output_and_end_and_resumes_where_it_was() {
    let (master, _dir) = Running::new().await;
    let id = master.submit(&python()).await;
    let queued = events(&master, &id, None, |seen| !seen.is_empty()).await;
    assert_eq!(queued[0].data, json!({ "state": "queued", "position": 1 }));

    let mut agent = master.agent("one").await;
    let (attempt, _, _) = agent.job().await;
    agent.started(attempt).await;
    agent.output(attempt, 0, "é".as_bytes().split_at(1).0).await;
    agent.output(attempt, 0, "één".as_bytes()).await;
    let first = events(&master, &id, Some(&queued[0].id), |seen| stdout(seen) == "één").await;
    let states: Vec<_> = first.iter().filter(|e| e.kind == "state").map(|e| e.data["step"].clone()).collect();
    assert_eq!(states.last(), Some(&json!("run")), "{first:?}");
    assert!(first.iter().all(|e| e.data.get("bytes_base64").is_none()), "characters are not cut: {first:?}");

    agent.output(attempt, 5, b" two").await;
    agent.finish(attempt, report(Outcome::Ok, 9)).await;
    assert!(agent.verdict(attempt).await);
    let rest = events(&master, &id, Some(&first.last().unwrap().id), ended).await;
    assert_eq!(stdout(&rest), " two");
    let last = rest.last().unwrap();
    assert_eq!(last.data["outcome"], "ok");
    assert!(last.data["run"].get("stdout").is_none(), "without outputs: {last:?}");

    let replay = events(&master, &id, None, ended).await;
    assert_eq!(stdout(&replay), "één two", "a late watcher sees it all");
    let url = format!("{}/v1/jobs/{id}/events", master.url);
    let seen_all = master.http.get(&url).header("Last-Event-ID", &last.id).send().await.unwrap();
    assert_eq!(seen_all.status(), 204);
    let nonsense = master.http.get(&url).header("Last-Event-ID", "x").send().await.unwrap();
    assert_eq!(nonsense.status(), 422);
    master.end().await;
}

#[tokio::test]
async fn bytes_that_are_no_text_are_kept() {
    let (master, _dir) = Running::new().await;
    let mut agent = master.agent("one").await;
    let id = master.submit(&python()).await;
    agent.answer_one(b"\xff\0").await;
    assert_eq!(master.finished(&id).await["run"]["stdout_base64"], "/wA=");
    let replay = events(&master, &id, None, ended).await;
    assert!(replay.iter().any(|e| e.data["bytes_base64"] == "/wA="), "{replay:?}");
    master.end().await;
}

#[tokio::test]
async fn the_end_of_the_master_ends_the_streams() {
    let (master, _dir) = Running::new().await;
    let id = master.submit(&python()).await;
    let stop = master.stop.clone();
    let watching = events(&master, &id, None, |seen| {
        stop.cancel();
        seen.len() > 1
    });
    assert_eq!(watching.await.len(), 1);
    master.end().await;
}
