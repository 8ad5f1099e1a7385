//! Jobs' bytes on their way to agents: how much memory of the master they take together.

use std::time::Duration;

use enclos_protocol::ids::AttemptId;
use futures::StreamExt as _;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Running, TOKEN, config};
use crate::config::{BlobBounds, Config};

/// Longest that all transfers may take.
const WAIT: Duration = Duration::from_secs(300);
/// What one case brings, and as much again is expected, in bytes.
const BLOB_BYTES: usize = 16 << 20;
/// Requests at once; without a bound each takes three times its answer.
const REQUESTS: usize = 16;
/// Most that this process, which is master and agents, may grow by, in bytes: the bound, and as much
/// for what the allocator keeps and what the agents read.
const GROWTH_BYTES_MAX: u64 = 512 << 20;

/// A line of this process's state that tells of its memory, in bytes.
fn memory_bytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells it");
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

/// Asks for the first page of cases until there is memory for it; how many bytes came.
async fn fetch(http: reqwest::Client, url: String) -> usize {
    loop {
        let response = http.get(&url).bearer_auth(TOKEN).send().await.unwrap();
        if response.status() == StatusCode::TOO_MANY_REQUESTS {
            continue;
        }
        assert_eq!(response.status(), 200);
        let mut pieces = response.bytes_stream();
        let mut bytes = 0;
        while let Some(piece) = pieces.next().await {
            bytes += piece.expect("it is not cut").len();
        }
        return bytes;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_agents_that_fetch_at_once_take_bounded_memory_and_all_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let bounds = BlobBounds { blob_bytes_max: 1 << 30, all_bytes_max: 1 << 30, ..config(dir.path()).blobs };
    let master = Running::start(Config { blobs: bounds, ..config(dir.path()) }).await;
    let pieces = futures::stream::iter((0..BLOB_BYTES >> 16).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 1 << 16])));
    let upload =
        master.http.post(format!("{}/v1/blobs", master.url)).header("content-type", "application/octet-stream");
    let answer = upload.body(reqwest::Body::wrap_stream(pieces)).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let blob = answer.json::<Value>().await.unwrap()["sha256"].clone();
    let case = json!({ "stdin_blob": blob, "expected_stdout_blob": blob });
    master.submit(&json!({ "language": "python", "source": "", "cases": [case] })).await;
    let mut agent = master.agent("one").await;
    let (attempt, _, _) = agent.job().await;
    let AttemptId { job, token } = attempt;
    let url = format!("http://{}/v1/cases/{job}?epoch={}&counter={}&from=0", master.link, token.epoch, token.counter);

    let before = memory_bytes("VmRSS:");
    let mut fetching = JoinSet::new();
    for _ in 0..REQUESTS {
        fetching.spawn(fetch(enclos_tls::client::http(None).build().expect("a client can be made"), url.clone()));
    }
    let came = timeout(WAIT, fetching.join_all()).await.expect("all are served");
    assert!(came.iter().all(|bytes| *bytes > 2 * BLOB_BYTES), "{came:?}");
    let grown = memory_bytes("VmHWM:").saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "it grew by {} MiB", grown >> 20);
    master.end().await;
}
