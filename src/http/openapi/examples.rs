//! The examples of the document: requests, and what they are answered with.
//!
//! They stand in `examples/` as data. Under the same name are the body of a request, among the
//! examples of its operation, and its answer, among those of the status that it gets, which has the
//! whole request as `x-request`. `tests/it/examples.rs` sends them all to a real cluster.
//!
//! [`JOB`] stands for the job that the example named by `after` has submitted. Where a WebSocket begins,
//! `x-frames` is what is said over it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{parameters, security};
use crate::admission::Refusal;
use crate::http::entry::Need;
use crate::http::error;

/// The id of the job that an example is about.
pub(in crate::http) const JOB: &str = "01a20f67-6088-7611-b208-58aefee977cd";
/// An id that no job has.
const NOBODY: &str = "01900000-0000-7000-8000-000000000000";
/// The blob that the example `upload` uploads.
const BLOB: &str = "1def07dbe06eeb097aafec8a40329937cd20c93a83634b8221ea2b41a894310c";
/// Of the form of a key, and no secret.
const WRONG_KEY: &str = "Bearer enclos_0000000000000000000000000000000000000000000000000000000000000000b0cb8f12";
/// The agent of `enclos up`.
const AGENT: &str = "local";
/// A tenant.
const TENANT: &str = "acme";

/// What an event of the job of the example `watch` has as its id.
const EVENT: &str = "1-28-9-0-0-0-3-0-0-0";

const FILES: [&str; 9] = [
    include_str!("examples/submit.json"),
    include_str!("examples/many.json"),
    include_str!("examples/jobs.json"),
    include_str!("examples/attach.json"),
    include_str!("examples/blobs.json"),
    include_str!("examples/callbacks.json"),
    include_str!("examples/fleet.json"),
    include_str!("examples/keys.json"),
    include_str!("examples/session.json"),
];

/// Their names in the order in which they are read.
static ORDER: LazyLock<Vec<String>> = LazyLock::new(|| read().into_iter().map(|example| example.name).collect());

/// A request, and what it is answered with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    /// Method and path, as the document has them.
    operation: String,
    name: String,
    summary: String,
    after: Option<String>,
    /// Options of the master that answers so.
    #[serde(default)]
    master: Vec<String>,
    request: Request,
    status: u16,
    /// JSON, or the text of an answer that is none; absent where an answer has no body.
    answer: Option<Value>,
    /// What is said over the WebSocket that begins.
    #[serde(default)]
    frames: Vec<Frame>,
}

/// One frame of a WebSocket.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Frame {
    from: Side,
    #[serde(flatten)]
    content: Content,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Side {
    Client,
    Server,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Content {
    /// JSON.
    Text(Value),
    /// Bytes, here of a text.
    Binary(String),
    /// The end, by its code.
    Close(u16),
}

/// What is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    path: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    /// A body that is not JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

fn read() -> Vec<Example> {
    let of = |file: &&str| serde_json::from_str::<Vec<Example>>(file).expect("a test reads them");
    FILES.iter().flat_map(of).collect()
}

/// Adds them.
pub(super) fn add(document: &mut Value) {
    let examples = read();
    let mut general = BTreeSet::new();
    for example in &examples {
        add_one(document, example);
        // The first example of each operation is the request that the guard refuses.
        if general.insert(&example.operation) {
            refused(example).iter().for_each(|refused| add_one(document, refused));
        }
    }
    for (_, path, operation) in super::operations(document) {
        for parameter in parameters(operation) {
            let value = parameter_example(path, parameter["name"].as_str().unwrap_or_default());
            parameter["example"] = value;
        }
    }
}

fn add_one(document: &mut Value, example: &Example) {
    let Example { operation, name, summary, after, master, request, status, answer, frames } = example;
    let (method, path) = operation.split_once(' ').expect("a test reads them");
    let operation = &mut document["paths"][path][method.to_lowercase()];
    let body = request.body.clone().or_else(|| request.text.clone().map(Value::String));
    if let (Some(body), 101..300, Some(kind)) = (body, status, request.headers.get("content-type")) {
        operation["requestBody"]["content"][kind]["examples"][name] = json!({ "summary": summary, "value": body });
    }
    let mut told = json!({ "summary": summary, "x-request": request });
    if let Some(after) = after {
        told["x-request"]["after"] = json!(after);
    }
    if !master.is_empty() {
        told["x-request"]["master"] = json!(master);
    }
    if !frames.is_empty() {
        told["x-frames"] = json!(frames);
    }
    let response = &mut operation["responses"][status.to_string()];
    // An answer to HEAD is told by its status alone.
    let Some(answer) = answer.as_ref().filter(|_| method != "HEAD") else {
        response["x-examples"][name] = told;
        return;
    };
    told["value"] = answer.clone();
    let contents = response["content"].as_object_mut().into_iter().flatten();
    contents.for_each(|(_, content)| content["examples"][name] = told.clone());
}

/// What the guard and the paths refuse of a request that is right otherwise.
fn refused(right: &Example) -> Vec<Example> {
    let (method, path) = right.operation.split_once(' ').unwrap_or_default();
    let example = |name: &str, summary: &str, refusal: Refusal, change: &dyn Fn(&mut Request)| {
        let mut request = right.request.clone();
        change(&mut request);
        let (status, answer) = (refusal.status, Some(Value::Object(error::problem(refusal))));
        let (name, summary) = (name.to_owned(), summary.to_owned());
        let operation = right.operation.clone();
        Example { operation, name, summary, after: None, master: vec![], request, status, answer, frames: vec![] }
    };
    let header = |name: &'static str, value: &'static str| {
        move |request: &mut Request| drop(request.headers.insert(name.to_owned(), value.to_owned()))
    };
    let foreign_host = header("host", "evil.example");
    let mut all = vec![example("foreign_host", "A host that is not served", error::host_not_allowed(), &foreign_host)];
    if path == crate::http::ALIVE_PATH {
        return all;
    }
    let wrong_key = header("authorization", WRONG_KEY);
    if matches!(security::needed(&method.to_lowercase(), path), Need::Scope(_) | Need::AnyKey) {
        all.push(example("unknown_key", "A key that is none", error::no_such_key(), &wrong_key));
    }
    all.push(example("unknown_parameter", "A parameter is not known", error::unknown_field("colour"), &|request| {
        let mark = if request.path.contains('?') { '&' } else { '?' };
        request.path = format!("{}{mark}colour=red", request.path);
    }));
    if path.contains('{') {
        all.push(example("nobodys", "A name that nobody has", error::not_found(), &|request| {
            let path = request.path.replace(JOB, NOBODY).replace(&format!("/{BLOB}"), "/nobody");
            request.path = path.replace(&format!("/{AGENT}"), "/nobody").replace(&format!("/{TENANT}"), "/-nobody");
        }));
    }
    if !matches!(method, "GET" | "HEAD") {
        let foreign_page = header("origin", "http://evil.example");
        all.push(example("foreign_page", "A page of another site", error::origin_not_allowed(), &foreign_page));
    }
    if method == "POST" {
        let text = header("content-type", "text/plain");
        let kind = if path == "/v1/blobs" { "application/octet-stream" } else { "application/json" };
        all.push(example("other_kind", "A body of another kind", error::unsupported_media_type(kind), &text));
    }
    all
}

fn parameter_example(path: &str, name: &str) -> Value {
    match name {
        "id" => json!(JOB),
        "path" => json!("out/hello.txt"),
        "name" => json!(AGENT),
        "key" => json!("key-0123456789ab"),
        "tenant" => json!(TENANT),
        "of" => json!("hour"),
        "wait_ms" => json!(10_000),
        "state" if path == "/v1/callbacks" => json!("waiting"),
        "state" => json!("finished"),
        "language" => json!("python"),
        "label" => json!("course=cs101"),
        "cursor" => json!(21),
        "limit" => json!(50),
        "Idempotency-Key" => json!("order-66"),
        "Last-Event-ID" | "after" => json!(EVENT),
        "sha256" => json!(BLOB),
        _ => Value::Null,
    }
}

/// Of every operation, under the same names.
const GENERAL: [&str; 6] =
    ["unknown_key", "foreign_host", "unknown_parameter", "nobodys", "foreign_page", "other_kind"];

/// Whether the guard or the paths refuse what this example sends, whatever the operation.
pub(in crate::http) fn is_general(name: &str) -> bool {
    GENERAL.contains(&name)
}

/// Every example of an operation: its status, its name, and what it is; as they stand in the files.
pub(in crate::http) fn of(operation: &Value) -> Vec<(&str, &str, &Value)> {
    let mut found = Vec::new();
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let contents = response["content"].as_object().into_iter().flatten().map(|(_, content)| &content["examples"]);
        for examples in contents.chain([&response["x-examples"]]) {
            let named = examples.as_object().into_iter().flatten();
            found.extend(named.map(|(name, example)| (status.as_str(), name.as_str(), example)));
        }
    }
    found.sort_by_key(|(_, name, _)| ORDER.iter().position(|one| one == name).unwrap_or(usize::MAX));
    found
}

#[cfg(test)]
mod tests {
    use enclos_images::Catalogue;

    use super::*;

    /// Statuses that no single request brings about; the tests of their causes see them.
    const NOT_SHOWN: [&str; 5] = ["408", "413", "429", "500", "503"];
    /// What goes on for as long as somebody listens; `master/tests/stats.rs` does.
    const ENDLESS: [&str; 2] = ["/v1/stats/events", "/v1/jobs/events"];

    #[test]
    fn every_answer_of_every_operation_and_every_parameter_has_an_example() {
        let mut document: Value = super::super::document(&Catalogue::embedded().unwrap());
        let mut missing = Vec::new();
        let all = super::super::operations(&mut document);
        for (method, path, operation) in all.filter(|(_, path, _)| !ENDLESS.contains(path)) {
            let shown: BTreeSet<&str> = of(operation).into_iter().map(|(status, ..)| status).collect();
            for status in operation["responses"].as_object().unwrap().keys() {
                // Cancelling takes long only where an agent does not answer.
                let is_late = status == "202" && path.ends_with("/cancel");
                // A scope can be missing only where there are keys; `tests/it/keys` has them.
                let by_scope = status == "403" && matches!(method, "get" | "head");
                // Nobody signs in where there are no keys; `master/tests/sessions.rs` does it.
                let is_entry =
                    path == "/v1/session" && matches!((method, status.as_str()), ("post", "200") | (_, "401"));
                let is_shown = shown.contains(status.as_str()) || NOT_SHOWN.contains(&status.as_str());
                if !is_shown && !is_late && !by_scope && !is_entry {
                    missing.push(format!("{method} {path}: {status}"));
                }
            }
            for (kind, content) in operation["requestBody"]["content"].as_object().into_iter().flatten() {
                if content["examples"].is_null() && path != "/v1/session" {
                    missing.push(format!("{method} {path}: its body as {kind}"));
                }
            }
            for parameter in parameters(operation).filter(|parameter| parameter["example"].is_null()) {
                missing.push(format!("{method} {path}: {}", parameter["name"]));
            }
        }
        assert!(missing.is_empty(), "without an example:\n{}", missing.join("\n"));
    }

    #[test]
    fn what_others_name_is_what_these_examples_have() {
        let examples = read();
        let upload = examples.iter().find(|example| example.name == "upload").unwrap();
        assert_eq!(upload.answer.as_ref().unwrap()["sha256"], BLOB);
        let watch = examples.iter().find(|example| example.name == "watch").unwrap();
        assert!(watch.answer.as_ref().unwrap().as_str().unwrap().contains(&format!("id: {EVENT}\n")));
    }

    #[test]
    fn every_example_belongs_to_an_operation_and_a_status_of_it_and_has_a_name_of_its_own() {
        let plain = serde_json::to_value(<super::super::Document as utoipa::OpenApi>::openapi()).unwrap();
        let document = super::super::document(&Catalogue::embedded().unwrap());
        let examples = read();
        let names: BTreeSet<&str> = examples.iter().map(|example| example.name.as_str()).collect();
        assert_eq!(names.len(), examples.len(), "each has a name of its own");
        for example in &examples {
            let (method, path) = example.operation.split_once(' ').unwrap();
            assert!(plain["paths"][path][method.to_lowercase()].is_object(), "{}", example.operation);
            let operation = &document["paths"][path][method.to_lowercase()];
            let described = &operation["responses"][example.status.to_string()]["description"];
            assert!(described.is_string(), "{}: {} is no status of it", example.name, example.status);
            assert!(example.after.as_deref().is_none_or(|after| names.contains(after)), "{}", example.name);
        }
    }
}
