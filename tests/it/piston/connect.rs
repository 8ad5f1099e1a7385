//! Conversations over Piston's WebSocket.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{PUBLIC, cluster, program};
use crate::attach::INTERRUPTED;
use crate::cluster::Cluster;
use crate::keys::Keyed;

/// Longest that anything may take to come; only a failure ever waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client that is connected.
struct Connected(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Connected {
    async fn to(cluster: &Cluster) -> Self {
        Self::with(cluster, &[]).await.expect("it can be connected to")
    }

    /// Connects with these headers, or is refused with this status.
    async fn with(cluster: &Cluster, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let url = format!("{}{PUBLIC}/connect", cluster.url.replace("http://", "ws://"));
        let mut request = url.into_client_request().expect("it is an address");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("tests use good headers"));
        }
        match connect_async(request).await {
            Ok((stream, _)) => Ok(Self(stream)),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(other) => panic!("neither connected nor refused: {other}"),
        }
    }

    /// Connects and begins a program that has time.
    async fn begin(cluster: &Cluster, language: &str, source: &str) -> Self {
        let mut client = Self::to(cluster).await;
        let mut init = program(language, source);
        (init["type"], init["run_timeout"]) = (json!("init"), json!(60_000));
        client.say(&init).await;
        client
    }

    async fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).await.expect("the master reads");
    }

    async fn stdin(&mut self, data: &str) {
        self.say(&json!({ "type": "data", "stream": "stdin", "data": data })).await;
    }

    /// Frames up to the first that `enough` takes; a close is told by code and reason.
    async fn until(&mut self, mut enough: impl FnMut(&Value) -> bool) -> Vec<Value> {
        let mut seen: Vec<Value> = Vec::new();
        let reading = async {
            while !seen.last().is_some_and(&mut enough) {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => seen.push(serde_json::from_str(&text).expect("frames are JSON")),
                    Some(Ok(Message::Close(Some(close)))) => {
                        seen.push(json!({ "close": u16::from(close.code), "reason": close.reason.as_str() }));
                    }
                    Some(Ok(_)) => {}
                    None | Some(Err(_)) => return,
                }
            }
        };
        let came = timeout(PATIENCE, reading).await;
        assert!(came.is_ok(), "no frame that was waited for came: {seen:#?}");
        seen
    }

    /// Waits until both streams together end so.
    async fn wrote(&mut self, end: &str) {
        let mut all = String::new();
        let seen = self.until(|frame| {
            all += &data(std::slice::from_ref(frame), None);
            all.ends_with(end)
        });
        let seen = seen.await;
        assert!(data(&seen, None).ends_with(end), "{seen:#?}");
    }

    /// All until the connection ends, the close last.
    async fn rest(&mut self) -> Vec<Value> {
        self.until(|_| false).await
    }

    /// The code of the close, and the message of the error before it.
    async fn refused(&mut self) -> (u64, String) {
        let rest = self.rest().await;
        let close = rest.last().expect("it is closed");
        let error = rest.iter().find(|frame| frame["type"] == "error");
        let message = error.and_then(|error| error["message"].as_str()).unwrap_or_default();
        (close["close"].as_u64().expect("it has a code"), message.to_owned())
    }
}

/// What a program wrote, to one stream or to both.
fn data(frames: &[Value], stream: Option<&str>) -> String {
    let data = frames.iter().filter(|f| f["type"] == "data" && stream.is_none_or(|stream| f["stream"] == stream));
    data.filter_map(|f| f["data"].as_str()).collect()
}

/// Stages and their ends, in short.
fn stages(frames: &[Value]) -> Vec<String> {
    let brief = |frame: &Value| {
        let stage = frame["stage"].as_str()?;
        match frame["type"].as_str() {
            Some("stage") => Some(format!("stage {stage}")),
            Some("exit") => Some(format!("exit {stage} {}", frame["code"])),
            _ => None,
        }
    };
    frames.iter().filter_map(brief).collect()
}

/// Answers each line until the end of its input.
const ECHO: &str =
    "import sys\nfor line in sys.stdin: print('py:', line, end='', flush=True)\nprint('end')\nsys.exit(3)\n";
const ECHO_C: &str = "#include <stdio.h>\nint main(void) { char l[99]; while (fgets(l, 99, stdin)) { printf(\"c: %s\", l); fflush(stdout); } puts(\"end\"); return 3; }\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_spoken_with_until_its_input_ends_or_a_signal_ends_it() {
    let cluster = cluster(&[]).await;
    for (language, source, word, expected) in [
        ("python", ECHO, "py:", &["stage run", "exit run 3"][..]),
        ("c", ECHO_C, "c:", &["stage compile", "exit compile 0", "stage run", "exit run 3"]),
    ] {
        let mut client = Connected::begin(&cluster, language, source).await;
        // What is said before the program runs waits for it.
        client.stdin("one\n").await;
        let mut seen = client.until(|frame| data(std::slice::from_ref(frame), None).contains("one")).await;
        assert_eq!(seen[0]["type"], "runtime", "{seen:#?}");
        assert!(seen[0]["language"] == language && seen[0]["version"].as_str().unwrap().contains('.'), "{seen:#?}");
        client.stdin("zwölf\n").await;
        client.wrote(&format!("{word} zwölf\n")).await;
        client.say(&json!({ "type": "eof" })).await;
        seen.extend(client.rest().await);
        assert!(data(&seen, Some("stdout")).ends_with("end\n"), "{seen:#?}");
        assert_eq!(stages(&seen), expected, "{seen:#?}");
        let exit = seen.iter().rfind(|frame| frame["type"] == "exit").unwrap();
        assert_eq!((&exit["status"], &exit["message"]), (&json!("RE"), &json!("Exited with error status 3")));
        assert_eq!(seen.last(), Some(&json!({ "close": 4999, "reason": "Job Completed" })));
    }
    let mut client = Connected::begin(&cluster, "python", INTERRUPTED).await;
    client.wrote("ready\n").await;
    client.say(&json!({ "type": "signal", "signal": "SIGINT" })).await;
    client.wrote("caught\n").await;
    client.say(&json!({ "type": "signal", "signal": "SIGKILL" })).await;
    let rest = client.rest().await;
    let exit = rest.iter().find(|frame| frame["type"] == "exit").expect("it exits");
    assert_eq!((&exit["signal"], &exit["status"], &exit["code"]), (&json!("SIGKILL"), &json!("SG"), &Value::Null));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_compiler_and_bounded_output_end_it_and_no_character_is_parted() {
    let cluster = cluster(&[]).await;
    let rest = Connected::begin(&cluster, "c", "int main(void) { return undeclared; }\n").await.rest().await;
    assert_eq!(stages(&rest), ["stage compile", "exit compile 1"], "{rest:#?}");
    assert!(data(&rest, Some("stderr")).contains("undeclared"), "{rest:#?}");
    assert_eq!(rest.last().unwrap()["close"], 4999);

    let flood = "import sys\nwhile True: sys.stdout.write('x' * 1000)\n";
    let rest = Connected::begin(&cluster, "python", flood).await.rest().await;
    assert_eq!(data(&rest, Some("stdout")).len(), 64 << 10, "as much as an answer would hold");
    let exit = rest.iter().find(|frame| frame["type"] == "exit").expect("it exits");
    assert_eq!((&exit["status"], &exit["signal"]), (&json!("OL"), &json!("SIGKILL")), "{exit:#}");

    // Each byte of a character by itself.
    let parted = "import os, time\nfor byte in '€ü𝄞'.encode(): os.write(1, bytes([byte])); time.sleep(0.05)\n";
    let rest = Connected::begin(&cluster, "python", parted).await.rest().await;
    assert_eq!(data(&rest, Some("stdout")), "€ü𝄞", "{rest:#?}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_out_of_turn_closes_with_pistons_codes() {
    let cluster = cluster(&[]).await;
    for (message, code) in [
        (json!({ "type": "data", "stream": "stdin", "data": "x" }), 4003),
        (json!({ "type": "signal", "signal": "SIGINT" }), 4003),
        (json!({ "type": "eof" }), 4003),
        (json!(["init"]), 4002),
        (json!({ "type": 5 }), 4002),
    ] {
        let mut client = Connected::to(&cluster).await;
        client.say(&message).await;
        assert_eq!(client.refused().await.0, code, "{message}");
    }
    let mut client = Connected::to(&cluster).await;
    assert_eq!(client.refused().await.0, 4001, "who says nothing");
    for (init, message) in [
        (json!({ "type": "init" }), "language is required as a string"),
        (json!({ "type": "init", "language": "c", "version": "1.x", "files": [] }), "c-1.x runtime is unknown"),
    ] {
        let mut client = Connected::to(&cluster).await;
        client.say(&json!({ "type": "hello" })).await;
        client.say(&init).await;
        assert_eq!(client.refused().await, (4002, message.to_owned()), "another kind of message is passed over");
    }
    for (message, code) in [
        (json!({ "type": "init" }), 4000),
        (json!({ "type": "data", "stream": "stdout", "data": "x" }), 4004),
        (json!({ "type": "data", "stream": "stdin", "data": 5 }), 4002),
        (json!({ "type": "signal", "signal": "SIGSTOP" }), 4005),
        (json!({ "type": "signal", "signal": "INT" }), 4005),
    ] {
        let mut client = Connected::begin(&cluster, "python", ECHO).await;
        client.say(&message).await;
        assert_eq!(client.refused().await.0, code, "{message}");
    }
    let mut client = Connected::to(&cluster).await;
    client.0.send(Message::binary(vec![b' '; 300 * 1024])).await.unwrap();
    let (code, message) = client.refused().await;
    assert!(code == 4002 && message.contains("262144"), "{message}");
    // Each that began a job left it, so all of them are cancelled.
    cluster
        .eventually("no job goes on", || async {
            let jobs = cluster.get("/v1/jobs").await;
            let jobs = jobs["jobs"].as_array().cloned().unwrap_or_default();
            jobs.len() == 5 && jobs.iter().all(|job| job["state"] == "finished" && job["outcome"] == "cancelled")
        })
        .await;
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_key_any_more_is_cut_off_and_a_page_of_another_origin_never_let_in() {
    let keyed = Keyed(Cluster::master_only().await);
    let foreign = Connected::with(&keyed.0, &[("origin", "http://evil.example")]).await;
    assert_eq!(foreign.err(), Some(403));
    let key = keyed.key("acme", "submit,read").await;
    assert_eq!(Connected::with(&keyed.0, &[]).await.err(), Some(401));
    let mut client = Connected::with(&keyed.0, &[("authorization", &key)]).await.expect("the key works");
    let mut init = program("c", "int main(void) { return 0; }\n");
    init["type"] = json!("init");
    client.say(&init).await;
    // No agent is there: nobody knows its version, and its job waits.
    let seen = client.until(|frame| frame["type"] == "runtime").await;
    assert_eq!(seen.last().map(|frame| &frame["version"]), Some(&json!("0.0.0")), "{seen:#?}");
    keyed.printed(&["keys", "revoke", &keyed.id_of("acme").await]).await;
    assert_eq!(client.refused().await.0, 4401);
    let other = keyed.key("acme", "read").await;
    let listed = async || keyed.parts(&other, reqwest::Method::GET, "/v1/jobs", None).await.1;
    keyed.0.eventually("its job is cancelled", || async { listed().await["jobs"][0]["outcome"] == "cancelled" }).await;
    keyed.0.shutdown().await;
}
