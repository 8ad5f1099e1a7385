//! A job's server-sent events, as a browser would read them.

use futures::StreamExt as _;
use serde_json::Value;
use tokio::time::timeout;

use crate::cluster::{Cluster, JOB_WAIT};

/// One server-sent event.
#[derive(Debug)]
pub struct Event {
    /// What `Last-Event-ID` takes to resume after it.
    pub id: String,
    /// `state`, `output` or `finished`.
    pub kind: String,
    /// Its JSON.
    pub data: Value,
}

/// Reads events of a job until `enough` says so or the stream ends.
pub async fn events(cluster: &Cluster, id: &str, after: Option<&str>, enough: impl Fn(&Event) -> bool) -> Vec<Event> {
    let mut request = cluster.http.get(format!("{}/v1/jobs/{id}/events", cluster.url));
    if let Some(after) = after {
        request = request.header("Last-Event-ID", after);
    }
    let mut stream = request.send().await.expect("the master answers").bytes_stream();
    let (mut bytes, mut seen) = (Vec::new(), Vec::new());
    let reading = async {
        while let Some(piece) = stream.next().await {
            bytes.extend_from_slice(&piece.expect("the stream is not cut"));
            while let Some(end) = bytes.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = bytes.drain(..end + 2).collect();
                let Some(event) = parse(std::str::from_utf8(&block).expect("events are UTF-8")) else { continue };
                let last = enough(&event);
                seen.push(event);
                if last {
                    return;
                }
            }
        }
    };
    let came = timeout(JOB_WAIT, reading).await;
    assert!(came.is_ok(), "the events of job {id} ended at {:?}\n{}", seen.last(), cluster.logs());
    seen
}

/// Waits until the job has written something to stdout.
pub async fn first_output(cluster: &Cluster, id: &str) -> Vec<Event> {
    let written = |e: &Event| e.kind == "output" && e.data["stream"] == "stdout";
    let seen = events(cluster, id, None, |e| written(e) || e.kind == "finished").await;
    assert!(seen.last().is_some_and(written), "job {id} wrote nothing: {seen:#?}");
    seen
}

fn parse(block: &str) -> Option<Event> {
    let field = |name: &str| block.lines().find_map(|l| l.strip_prefix(name)).map(|v| v.trim_start().to_owned());
    let data = serde_json::from_str(&field("data:")?).expect("data is JSON");
    Some(Event { id: field("id:").unwrap_or_default(), kind: field("event:")?, data })
}

/// All that the events carry of stdout.
pub fn stdout_of(events: &[Event]) -> String {
    let outputs = events.iter().filter(|e| e.kind == "output" && e.data["stream"] == "stdout");
    outputs.filter_map(|e| e.data["text"].as_str()).collect()
}
