//! A client that is attached to a job: a WebSocket as a browser has it.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Longest that anything may take to come; only a failure ever waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// One.
pub struct Attached(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Attached {
    /// Attaches to a job of the master at `url`; `after`: a cursor, or empty.
    pub async fn to(url: &str, job: &str, after: &str) -> Self {
        let url = format!("{}/v1/jobs/{job}/attach?after={after}", url.replace("http://", "ws://"));
        Self(connect_async(url).await.expect("it can be attached to").0)
    }

    /// Sends a frame.
    pub async fn say(&mut self, message: Message) {
        self.0.send(message).await.expect("the master reads");
    }

    /// Sends bytes of standard input.
    pub async fn stdin(&mut self, bytes: &[u8]) {
        self.say(Message::binary(bytes.to_vec())).await;
    }

    /// Sends a request.
    pub async fn request(&mut self, request: &Value) {
        self.say(Message::text(request.to_string())).await;
    }

    /// Ends standard input.
    pub async fn end(&mut self) {
        self.request(&json!({ "type": "end" })).await;
    }

    /// Sends a signal.
    pub async fn signal(&mut self, name: &str) {
        self.request(&json!({ "type": "signal", "signal": name })).await;
    }

    /// Frames up to the first that `enough` takes; a close is told by its code.
    pub async fn until(&mut self, mut enough: impl FnMut(&Value) -> bool) -> Vec<Value> {
        let mut seen: Vec<Value> = Vec::new();
        let reading = async {
            while !seen.last().is_some_and(&mut enough) {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => seen.push(serde_json::from_str(&text).expect("frames are JSON")),
                    Some(Ok(Message::Close(Some(close)))) => seen.push(json!({ "type": u16::from(close.code) })),
                    Some(Ok(_)) => {}
                    None | Some(Err(_)) => return,
                }
            }
        };
        let came = timeout(PATIENCE, reading).await;
        assert!(came.is_ok(), "no frame that was waited for came: {seen:#?}");
        seen
    }

    /// Waits until live input is so far.
    pub async fn stage(&mut self, stage: &str) -> Vec<Value> {
        self.until(|frame| frame["type"] == "stdin" && frame["data"]["stage"] == stage).await
    }

    /// All until the connection ends.
    pub async fn rest(&mut self) -> Vec<Value> {
        self.until(|_| false).await
    }

    /// The code of the next refusal.
    pub async fn error(&mut self) -> String {
        let seen = self.until(|frame| frame["type"] == "error").await;
        let code = seen.last().and_then(|frame| frame["data"]["code"].as_str());
        code.expect("a refusal has a code").to_owned()
    }
}

/// What frames carry of the run's standard output, where it is text.
pub fn stdout(frames: &[Value]) -> String {
    let outputs = frames.iter().filter(|f| f["type"] == "output" && f["data"]["stream"] == "stdout");
    outputs.filter_map(|f| f["data"]["text"].as_str()).collect()
}
