//! Conversations over a WebSocket, held as the document shows them.

use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::Request;

use super::differences;
use super::replay::{Answer, Example, members};
use super::schema::Schemas;
use crate::attached::Attached;
use crate::cluster::JOB_WAIT;

/// Shakes hands as the example does, says what its client says, and hears until what its server says has come.
pub async fn converse(url: &str, example: &Example<'_>) -> Answer {
    let (url, host) = (url.replace("http://", "ws://"), url.split('/').nth(2).expect("it has a host"));
    let mut request = Request::builder().uri(url).header("host", host);
    for (name, value) in members(&example.request["headers"]) {
        request = request.header(name, value.as_str().expect("a header is text"));
    }
    let request = request.body(()).expect("it is a request");
    let (socket, response) = tokio_tungstenite::connect_async(request).await.expect("the handshake is taken");
    let mut client = Attached(socket);
    let mut frames = Vec::new();
    let talking = async {
        for shown in example.frames() {
            if shown["from"] == "client" {
                client.say(message(shown)).await;
                frames.push(shown.clone());
            } else if !hear(&mut client, shown, &mut frames).await {
                return;
            }
        }
    };
    let talked = timeout(JOB_WAIT, talking).await;
    assert!(talked.is_ok(), "{} does not go on: {frames:#?}", example.name);
    let headers = response.headers().keys().map(|name| name.as_str().to_owned()).collect();
    Answer { status: response.status().as_u16(), kind: String::new(), text: String::new(), headers, frames }
}

fn message(frame: &Value) -> Message {
    match (frame["binary"].as_str(), frame["close"].is_u64()) {
        (Some(bytes), _) => Message::binary(bytes.to_owned().into_bytes()),
        (None, true) => Message::Close(None),
        (None, false) => Message::text(frame["text"].to_string()),
    }
}

/// Whether the shown frame comes, with nothing before it but what may come or not.
async fn hear(client: &mut Attached, shown: &Value, frames: &mut Vec<Value>) -> bool {
    loop {
        let real = match client.0.next().await {
            Some(Ok(Message::Text(text))) => {
                json!({ "from": "server", "text": serde_json::from_str::<Value>(&text).expect("frames are JSON") })
            }
            Some(Ok(Message::Close(Some(close)))) => json!({ "from": "server", "close": u16::from(close.code) }),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            other => json!({ "from": "server", "text": format!("{other:?}") }),
        };
        let (is_shown, is_passing) = (is_like(shown, &real), is_passing(&real));
        frames.push(real);
        if is_shown || !is_passing {
            return is_shown;
        }
    }
}

fn is_like(shown: &Value, real: &Value) -> bool {
    let same = |path: &str| shown.pointer(path) == real.pointer(path);
    ["/from", "/binary", "/text/type", "/text/data/stage", "/text/data/state", "/close"].into_iter().all(same)
}

/// How far things are, which passes too fast to be told each time.
fn is_passing(frame: &Value) -> bool {
    frame["text"]["type"] == "state" || frame["text"]["type"] == "stdin"
}

/// What is wrong with what was said, and with what is shown of it.
pub fn judge(schemas: &Schemas<'_>, example: &Example<'_>, answer: &Answer) -> Vec<String> {
    let shown = example.frames();
    let mut wrong: Vec<String> = shown.iter().chain(&answer.frames).flat_map(|frame| errors(schemas, frame)).collect();
    let mut real = answer.frames.iter();
    for shown in shown {
        match real.find(|real| is_like(shown, real) || !is_passing(real)) {
            Some(real) => differences("frame", shown, real, &mut wrong),
            None => wrong.push(format!("{shown} does not come")),
        }
    }
    wrong
}

/// What of a frame is not of its type.
fn errors(schemas: &Schemas<'_>, frame: &Value) -> Vec<String> {
    let text = &frame["text"];
    if text.is_null() {
        return Vec::new();
    }
    let mut errors = match frame["from"].as_str() {
        Some("client") => schemas.named("AttachRequest").errors(text),
        _ => schemas.named("AttachFrame").errors(text),
    };
    let data = &text["data"];
    errors.extend(match text["type"].as_str() {
        _ if frame["from"] == "client" => Vec::new(),
        Some("stdin") => schemas.named("AttachStdin").errors(data),
        Some("error") => schemas.named("AttachError").errors(data),
        Some(event) => schemas.errors_of_event(&json!({ "event": event, "data": data.to_string() })),
        None => vec!["it has no type".to_owned()],
    });
    errors.into_iter().map(|error| format!("{frame}: {error}")).collect()
}

#[test]
fn a_frame_that_is_otherwise_or_does_not_come_is_seen() {
    let document = json!({ "components": { "schemas": {
        "AttachFrame": { "type": "object", "required": ["type", "data"], "properties": { "type": {}, "data": {} } },
        "AttachStdin": { "type": "object", "properties": { "stage": { "enum": ["open"] } } },
    } } });
    let schemas = Schemas::new(&document);
    let stage = |stage: &str| json!({ "from": "server", "text": { "type": "stdin", "data": { "stage": stage } } });
    assert!(errors(&schemas, &stage("open")).is_empty());
    assert_eq!(errors(&schemas, &stage("ajar")).len(), 1);
    assert_eq!(errors(&schemas, &json!({ "from": "server", "text": { "type": "stdin" } })).len(), 2);
    assert!(is_like(&stage("open"), &stage("open")) && !is_like(&stage("open"), &stage("ended")));
}
