//! Connections that say nothing, little, or too much.

use std::time::Duration;

use futures::FutureExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::raw::{LONG, asked, connect, connect_from, get, head, http2, sent, status, until_closed};
use super::{agent, counted, memory_bytes, python, strict};
use crate::cluster::Cluster;

/// Memory by which an attack may make the master grow.
const GROWTH_BYTES_MAX: u64 = 64 << 20;
const EVICTED: &str = "enclos_connections_ended_total{why=\"evicted\"}";
const STALLED: &str = "enclos_connections_ended_total{why=\"stalled\"}";

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_shut_out_neither_clients_nor_agents() {
    let cluster = Cluster::master_with(&["--connections-max", "64"]).await;
    let mut silent = Vec::new();
    for n in 0..500 {
        silent.push(connect(&cluster.url).await);
        if n % 100 == 0 {
            // Over a connection of its own: one that is kept open makes room like any other.
            assert_eq!(status(&mut asked(&cluster.url, "/healthz").await).await, Some(200), "after {n}");
        }
    }
    assert_eq!(status(&mut asked(&cluster.url, "/readyz").await).await, Some(200));
    assert!(counted(&cluster, EVICTED).await >= 400);
    // The oldest made room, the youngest are still there.
    until_closed(&mut silent[0]).await;
    let youngest = silent.last().expect("there are many").try_read(&mut [0]).unwrap_err();
    assert_eq!(youngest.kind(), std::io::ErrorKind::WouldBlock);

    let mut on_the_link = Vec::new();
    for _ in 0..500 {
        on_the_link.push(connect(&cluster.link_url()).await);
    }
    let mut agent = agent(&cluster, "among-silent-ones").await;
    let id = cluster.submit(&python()).await;
    agent.answer_one(b"served\n").await;
    assert_eq!(cluster.finished(&id).await["run"]["stdout"], "served\n");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_half_a_head_and_half_a_body_are_waited_for_only_so_long() {
    let cluster = strict().await;
    let half_body =
        "POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    let mut open = vec![
        connect(&cluster.url).await,
        sent(&cluster.url, b"GET").await,
        sent(&cluster.url, b"GET /v1/jobs HTTP/1.1\r\nhost: localhost\r\nx-slow: ").await,
        sent(&cluster.url, b"PRI * HTTP/2.0\r\n\r\nSM").await,
        sent(&cluster.url, half_body.as_bytes()).await,
    ];
    for stream in &mut open {
        assert_eq!(until_closed(stream).await, b"", "nothing was asked yet");
    }
    assert_eq!(counted(&cluster, STALLED).await, 5);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_drips_is_cut_off_and_a_body_that_drips_is_refused() {
    let cluster = Cluster::master_with(&["--client-wait-ms", "2000"]).await;
    let head = "GET /v1/jobs HTTP/1.1\r\nhost: localhost\r\nx: ";
    let body =
        "POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99999\r\n\r\n ";
    let (mut slow_head, mut slow_body) =
        (sent(&cluster.url, head.as_bytes()).await, sent(&cluster.url, body.as_bytes()).await);
    let drip = async |stream: &mut TcpStream| {
        let mut clock = tokio::time::interval(Duration::from_millis(500));
        loop {
            clock.tick().await;
            // Until it is closed, or an answer is there.
            if stream.write_all(b" ").await.is_err() || stream.peek(&mut [0]).now_or_never().is_some() {
                return;
            }
        }
    };
    timeout(LONG, async { tokio::join!(drip(&mut slow_head), drip(&mut slow_body)) }).await.expect("both are ended");
    assert_eq!(status(&mut slow_head).await, None);
    assert_eq!(status(&mut slow_body).await, Some(408));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_served_while_others_flood_from_elsewhere() {
    let cluster = strict().await;
    let url = cluster.url.clone();
    let before = memory_bytes(&cluster);
    let mut flood = JoinSet::new();
    for n in 0..8 {
        let url = url.clone();
        flood.spawn(async move {
            let mut held = std::collections::VecDeque::new();
            loop {
                let Ok(mut stream) = connect_from(2, &url).await else { continue };
                // Some say nothing, some half of something, some all of it.
                let said: [&[u8]; 3] =
                    [b"", b"POST /v1/jobs HTTP/1.1\r\nhost:", b"GET /version HTTP/1.1\r\nhost: localhost\r\n\r\n"];
                let _ = stream.write_all(said[n % 3]).await;
                held.push_back(stream);
                if held.len() > 40 {
                    held.pop_front();
                }
            }
        });
    }
    for n in 0..200 {
        let mut stream = connect(&url).await;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("it is open");
        assert_eq!(status(&mut stream).await, Some(200), "request {n}");
    }
    // Where clients are quick, the flood has only begun.
    cluster.eventually("the flood makes room", || async { counted(&cluster, EVICTED).await > 100 }).await;
    flood.shutdown().await;
    let grown = memory_bytes(&cluster).saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "{grown} bytes more");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_and_event_streams_leave_room_for_everyone_else() {
    let cluster = Cluster::master_with(&["--connections-max", "64"]).await;
    let id = cluster.submit(&python()).await;
    let (wait, watch) = (format!("/v1/jobs/{id}?wait_ms=60000"), format!("/v1/jobs/{id}/events"));
    let mut streams = Vec::new();
    for _ in 0..16 {
        let mut stream = asked(&cluster.url, &watch).await;
        assert_eq!(status(&mut stream).await, Some(200));
        streams.push(stream);
    }
    let too_many = head(&mut asked(&cluster.url, &watch).await).await;
    assert!(too_many.starts_with("http/1.1 503") && too_many.contains("retry-after:"), "{too_many}");

    // Whose turn comes is not known beforehand: as many as fit wait, all others are told at once.
    let mut waiting = JoinSet::new();
    for _ in 0..40 {
        let (url, wait) = (cluster.url.clone(), wait.clone());
        waiting.spawn(async move { head(&mut asked(&url, &wait).await).await });
    }
    for _ in 0..8 {
        let refused = timeout(LONG, waiting.join_next()).await.expect("those are told at once").unwrap().unwrap();
        assert!(refused.starts_with("http/1.1 503") && refused.contains("retry-after:"), "{refused}");
    }
    assert_eq!(cluster.get("/readyz").await["status"], "ok");
    let refused = cluster.http.post(format!("{}/v1/jobs?wait_ms=1", cluster.url)).json(&python()).send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(cluster.get("/v1/stats").await["queued"], 1, "it left no job");
    cluster.cancel(&id).await;
    while let Some(answer) = timeout(LONG, waiting.join_next()).await.expect("the end answers all") {
        assert!(answer.unwrap().starts_with("http/1.1 200"));
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_on_the_agents_port_get_nothing_and_keep_no_agent_out() {
    let cluster = strict().await;
    let mut tries = JoinSet::new();
    for n in 0..200 {
        let url = cluster.link_url();
        tries.spawn(async move {
            let head = format!(
                "GET /v1/link HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer integration-join-{n}\r\n\
                 connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                 sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            );
            status(&mut sent(&url, head.as_bytes()).await).await
        });
    }
    let statuses = tries.join_all().await;
    assert!(statuses.iter().all(|status| *status == Some(401)), "{statuses:?}");
    let mut agent = agent(&cluster, "the-real-one").await;
    agent.heartbeat().await;
    assert_eq!(cluster.agent("the-real-one").await["state"], "connected");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_above_their_bounds_are_refused_over_both_protocols() {
    let cluster = strict().await;
    let long = format!("GET /version HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(256 * 1024));
    let many = format!("GET /version HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "x: y\r\n".repeat(1000));
    let line = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "y".repeat(256 * 1024));
    for head in [long, many, line] {
        let got = status(&mut sent(&cluster.url, head.as_bytes()).await).await;
        assert!(matches!(got, None | Some(414 | 431)), "{got:?}");
    }
    let (client, _driver) = http2(&cluster.url).await;
    let mut request = get("/version");
    for n in 0..64 {
        let name = axum::http::HeaderName::try_from(format!("x-{n}")).unwrap();
        request.headers_mut().insert(name, "y".repeat(4096).parse().unwrap());
    }
    let mut client = client.ready().await.unwrap();
    let answer = client.send_request(request, true).unwrap().0.await;
    assert!(answer.as_ref().map_or(true, |answer| answer.status() == 431), "{answer:?}");
    assert_eq!(cluster.get("/healthz").await["status"], "ok");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_whose_end_is_unclear_are_refused() {
    let cluster = strict().await;
    let post = "POST /v1/jobs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    for unclear in [
        "content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "content-length: -2\r\n\r\n{}",
        "content-length: 99999999999999999999999\r\n\r\n{}",
        "transfer-encoding: gzip\r\n\r\n{}",
        "transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
        " content-length: 2\r\n\r\n{}",
    ] {
        let mut stream = sent(&cluster.url, format!("{post}{unclear}").as_bytes()).await;
        let got = status(&mut stream).await;
        assert!(matches!(got, None | Some(400 | 413)), "{unclear:?}: {got:?}");
        // Whatever stood behind it is never taken for another request.
        until_closed(&mut stream).await;
    }
    assert_eq!(cluster.get("/v1/stats").await["queued"], 0);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_sent_before_their_answers_are_answered_in_order() {
    let cluster = strict().await;
    let paths = ["/healthz", "/nothing", "/version"];
    let one = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let mut many: String = paths.iter().cycle().take(300).map(|path| one(path)).collect();
    many.push_str("GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let mut stream = sent(&cluster.url, many.as_bytes()).await;
    let text = String::from_utf8_lossy(&until_closed(&mut stream).await).into_owned();
    let statuses: Vec<&str> = text.match_indices("HTTP/1.1 ").map(|(at, _)| &text[at + 9..at + 12]).collect();
    let want: Vec<&str> = ["200", "404", "200"].into_iter().cycle().take(300).chain(["200"]).collect();
    assert_eq!(statuses, want);
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_opened_and_taken_back_in_masses_cost_their_connection_and_no_memory() {
    let cluster = strict().await;
    let id = cluster.submit(&python()).await;
    let path = format!("/v1/jobs/{id}?wait_ms=60000");
    let before = memory_bytes(&cluster);
    let mut taken_back = 0;
    for _ in 0..10 {
        let (mut client, mut driver) = http2(&cluster.url).await;
        // Dropping an answer that has not come takes its stream back.
        while let Ok(ready) = client.clone().ready().await {
            client = ready;
            if client.send_request(get(&path), true).is_err() {
                break;
            }
            taken_back += 1;
        }
        timeout(LONG, driver.join_next()).await.expect("the connection is ended");
    }
    assert!(taken_back > 100, "{taken_back}");
    let grown = memory_bytes(&cluster).saturating_sub(before);
    assert!(grown < GROWTH_BYTES_MAX, "{grown} bytes more");
    // All of those waits were given up, so there is room again for as many as may be.
    cluster
        .eventually("there is room for a wait", || async {
            cluster.get(&format!("/v1/jobs/{id}?wait_ms=1")).await["state"] == "queued"
        })
        .await;
    cluster.shutdown().await;
}
