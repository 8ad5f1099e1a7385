//! The examples of the document, sent as it says.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::converse;
use crate::cluster::{Cluster, JOB_WAIT, look_until};

/// The job that an example is about, by the word of the document.
const JOB: &str = "01a20f67-6088-7611-b208-58aefee977cd";
/// The agent that the examples name.
const AGENT: &str = "local";
/// The example whose events others name by their ids.
const WATCHED: &str = "watch";
const EVENT_HEADER: &str = "last-event-id";

/// One example, as the document has it.
pub struct Example<'a> {
    pub name: String,
    pub status: u16,
    pub request: &'a Value,
    /// The operation that it belongs to.
    pub document: &'a Value,
    method: &'a str,
    path: &'a str,
    value: &'a Value,
    frames: &'a Value,
}

impl Example<'_> {
    /// Method and path, as the document has them.
    pub fn operation(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub fn is_head(&self) -> bool {
        self.method == "head"
    }

    /// Options of the master that answers so.
    pub fn master(&self) -> Vec<&str> {
        self.request["master"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// What is sent; null where that is nothing.
    pub fn body(&self) -> &Value {
        self.request.get("body").unwrap_or(&self.request["text"])
    }

    /// What is said over the WebSocket that begins.
    pub fn frames(&self) -> &[Value] {
        self.frames.as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// The headers that its answer has by the document.
    pub fn headers(&self) -> impl Iterator<Item = String> {
        members(&self.response()["headers"]).map(|(name, _)| name.to_lowercase())
    }

    pub fn is_refused(&self) -> bool {
        self.status >= 400
    }

    /// The id of the event from which on it asks.
    fn event(&self) -> Option<&str> {
        let after = self.request["path"].as_str().and_then(|path| Some(path.split_once("?after=")?.1));
        self.request["headers"][EVENT_HEADER].as_str().or(after)
    }

    fn response(&self) -> &Value {
        &self.document["responses"][self.status.to_string()]
    }

    /// The media types of its answer.
    pub fn content_types(&self) -> BTreeSet<&str> {
        members(&self.response()["content"]).map(|(kind, _)| kind.as_str()).collect()
    }

    /// What it is said to be answered with.
    pub fn shown(&self) -> Vec<Value> {
        match self.value {
            Value::Null => Vec::new(),
            Value::String(text) => items(self.content_types().first().copied().unwrap_or_default(), text),
            value => vec![value.clone()],
        }
    }
}

/// What came back.
pub struct Answer {
    pub status: u16,
    /// The media type, without its parameters; empty where there is none.
    pub kind: String,
    pub text: String,
    /// The names of its headers.
    pub headers: BTreeSet<String>,
    /// What was said where a WebSocket began.
    pub frames: Vec<Value>,
}

impl Answer {
    /// Its parts: events, lines, or all of it.
    pub fn items(&self) -> Vec<Value> {
        items(&self.kind, &self.text)
    }
}

/// The parts of a text of this media type, each as its schema describes it.
fn items(kind: &str, text: &str) -> Vec<Value> {
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    match kind {
        "" => Vec::new(),
        "application/x-ndjson" => text.lines().filter(|line| !line.is_empty()).map(json).collect(),
        "text/event-stream" => text.split("\n\n").filter(|block| block.contains("event:")).map(event).collect(),
        kind if kind.ends_with("json") => vec![json(text)],
        _ => vec![json!(text)],
    }
}

fn event(block: &str) -> Value {
    let fields = block.lines().filter_map(|line| line.split_once(": "));
    fields.map(|(name, value)| (name.to_owned(), json!(value))).collect::<Map<_, _>>().into()
}

/// Members of an object; none where it is not there.
pub fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Path, method and description of every operation.
pub fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = members(&document["paths"]);
    paths.flat_map(|(path, all)| members(all).map(move |(method, one)| (path.as_str(), method.as_str(), one))).collect()
}

/// Sends examples to a cluster.
pub struct Replay<'a> {
    cluster: &'a Cluster,
    examples: Vec<Example<'a>>,
    /// Sent so far: keys of different examples must differ.
    sent: AtomicUsize,
    /// The first key that was made: from then on the cluster wants one.
    key: OnceLock<String>,
}

impl<'a> Replay<'a> {
    pub fn new(cluster: &'a Cluster, document: &'a Value) -> Self {
        let mut examples = Vec::new();
        for (path, method, operation) in operations(document) {
            for (status, response) in members(&operation["responses"]) {
                let contents = members(&response["content"]).map(|(_, content)| &content["examples"]);
                for (name, example) in contents.chain([&response["x-examples"]]).flat_map(members) {
                    examples.push(Example {
                        name: name.clone(),
                        status: status.parse().expect("a status is a number"),
                        request: &example["x-request"],
                        document: operation,
                        method,
                        path,
                        value: &example["value"],
                        frames: &example["x-frames"],
                    });
                }
            }
        }
        Self { cluster, examples, sent: AtomicUsize::new(0), key: OnceLock::new() }
    }

    /// All of them: the key first by which others are asked for, uploads, which are new once; then submissions, which lists show; last what
    /// takes the agent away.
    pub fn in_order(&self) -> Vec<&Example<'a>> {
        let mut all: Vec<_> = self.examples.iter().collect();
        let follows = |e: &Example<'_>| e.path == "/v1/blobs" && e.request["after"].is_string();
        all.sort_by_key(|e| {
            (
                e.name == "drain",
                e.name != "create_key",
                follows(e),
                e.operation() != "post /v1/blobs",
                e.operation() != "post /v1/jobs",
            )
        });
        all
    }

    /// The options of masters that are started with some, each once.
    pub fn masters(&self) -> BTreeSet<Vec<&str>> {
        self.examples.iter().map(Example::master).filter(|options| !options.is_empty()).collect()
    }

    fn named(&self, name: &str) -> &Example<'a> {
        self.examples.iter().find(|e| e.name == name).unwrap_or_else(|| panic!("there is no example '{name}'"))
    }

    /// Sends an example, and before it the one that it follows; nothing that it began goes on.
    pub async fn answer(&self, example: &Example<'a>) -> Answer {
        let key = format!("key-{}", self.sent.fetch_add(1, Ordering::Relaxed));
        let job = match example.request["after"].as_str() {
            Some(before) => {
                let before = self.send(self.named(before), JOB, &key, None).await;
                assert!((200..300).contains(&before.status), "it is kept: {}", before.text);
                let kept: Value = serde_json::from_str(&before.text).expect("a job or blob is JSON");
                kept["id"].as_str().map(str::to_owned)
            }
            None => None,
        };
        let id = job.as_deref().unwrap_or(JOB);
        let event = match example.event() {
            Some(shown) if !example.is_refused() => Some((shown, self.event_id(shown, id, &key).await)),
            _ => None,
        };
        let event = event.as_ref().map(|(shown, real)| (*shown, real.as_str()));
        let asking = || async {
            let answer = self.send(example, id, &key, event).await;
            // A cancellation may be on its way: it is asked for again and again.
            let is_late = example.path.ends_with("/cancel") && (answer.status, example.status) == (202, 200);
            (!is_late).then_some(answer)
        };
        let mut answer = look_until(JOB_WAIT, asking).await.expect("a cancellation comes to its end");
        if let Ok(Value::Object(job)) = serde_json::from_str(&answer.text) {
            let goes_on = job.get("state").is_some_and(|state| state == "queued" || state == "running");
            if let Some(id) = job.get("id").and_then(Value::as_str).filter(|_| goes_on) {
                self.cluster.cancel(id).await;
            }
        }
        if example.frames().last().is_some_and(|last| last["from"] == "client") {
            self.cluster.cancel(id).await;
        }
        answer.text =
            answer.text.replace(id, JOB).replace(self.cluster.agents.first().map_or(AGENT, |a| &a.name), AGENT);
        answer
    }

    /// The id of the event of this job that stands where the shown one stands in the shown events.
    async fn event_id(&self, shown: &str, job: &str, key: &str) -> String {
        let watched = self.named(WATCHED);
        let place = watched.shown().iter().position(|event| event["id"] == shown).expect("the id is one that is shown");
        let events = self.send(watched, job, key, None).await.items();
        events[place]["id"].as_str().expect("an event has an id").to_owned()
    }

    async fn send(&self, example: &Example<'a>, job: &str, key: &str, event: Option<(&str, &str)>) -> Answer {
        let agent = self.cluster.agents.first().map_or(AGENT, |agent| &agent.name);
        let real = |text: &str| text.replace(JOB, job).replace(&format!("/{AGENT}"), &format!("/{agent}"));
        let (shown, event) = event.unwrap_or(("-", "-"));
        let path = real(example.request["path"].as_str().expect("a request has a path")).replace(shown, event);
        if example.status == 101 {
            return converse::converse(&format!("{}{path}", self.cluster.url), example).await;
        }
        let method: Method = example.method.to_uppercase().parse().expect("it is a method");
        let mut request = self.cluster.http.request(method, format!("{}{path}", self.cluster.url));
        for (name, value) in members(&example.request["headers"]) {
            let value = value.as_str().expect("a header is text");
            request = match name.as_str() {
                "idempotency-key" => request.header(name, key),
                EVENT_HEADER => request.header(name, value.replace(shown, event)),
                _ => request.header(name, value),
            };
        }
        if let Some(key) = self.key.get().filter(|_| example.request["headers"]["authorization"].is_null()) {
            request = request.bearer_auth(key);
        }
        if let Some(text) = example.request["text"].as_str() {
            request = request.body(text.to_owned());
        } else if let Some(body) = example.request.get("body") {
            request = request.body(real(&body.to_string()));
        }
        let answer = timeout(JOB_WAIT, async {
            let response = request.send().await.expect("the master answers");
            let status = response.status().as_u16();
            let kind = response.headers().get("content-type").map(|v| v.to_str().expect("it is text").to_owned());
            let kind = kind.and_then(|kind| kind.split(';').next().map(str::to_owned)).unwrap_or_default();
            let headers = response.headers().keys().map(|name| name.as_str().to_owned()).collect();
            let text = response.text().await.expect("the answer is whole");
            Answer { status, kind, text, headers, frames: Vec::new() }
        });
        let answer =
            answer.await.unwrap_or_else(|_| panic!("{} is not answered\n{}", example.name, self.cluster.logs()));
        let secret = serde_json::from_str::<Value>(&answer.text)
            .ok()
            .and_then(|made| made["secret"].as_str().map(str::to_owned));
        secret.into_iter().for_each(|secret| drop(self.key.set(secret)));
        answer
    }
}
