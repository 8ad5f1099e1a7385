//! The document of the API is what the API does: every example in it is sent to a real cluster, and
//! what comes back is held against the schema of its status and against the answer that is shown.

mod converse;
mod readme;
mod replay;
mod schema;

use std::collections::BTreeSet;

use serde_json::Value;

use self::replay::{Answer, Example, Replay};
use self::schema::Schemas;
use crate::cluster::Cluster;

/// Fewer would mean that the document was not understood.
const EXAMPLES_MIN: usize = 100;

/// Members that are the same in every replay.
const STABLE: [&str; 25] = [
    "binary",
    "close",
    "code",
    "event",
    "exit_code",
    "feedback",
    "field",
    "language",
    "limit",
    "name",
    "outcome",
    "passed",
    "path",
    "score",
    "sha256",
    "signal",
    "size_bytes",
    "stage",
    "status",
    "stdout",
    "stdout_base64",
    "text",
    "total",
    "type",
    "verdict",
];

/// Members of the shown answer that the real one does not have, or has otherwise. More may be there:
/// a list is shown by its first items, and a step that is remembered says so.
fn differences(at: &str, shown: &Value, real: &Value, found: &mut Vec<String>) {
    match (shown, real) {
        // A job that has not ended is shown as it may be; the end of a job is always the same.
        (Value::Object(job), _) if job.get("state").is_some_and(|s| s == "queued" || s == "running") => {}
        (Value::Object(shown), Value::Object(real)) => {
            for (name, shown) in shown {
                let at = format!("{at}.{name}");
                match real.get(name) {
                    Some(real) if STABLE.contains(&name.as_str()) && !real.is_object() && shown != real => {
                        found.push(format!("{at} is {real}, not {shown}"));
                    }
                    Some(real) => differences(&at, shown, real, found),
                    None => found.push(format!("{at} is not there")),
                }
            }
        }
        (Value::Array(shown), Value::Array(real)) => {
            if shown.len() > real.len() {
                found.push(format!("{at} has {} items, not {}", real.len(), shown.len()));
            }
            for (place, (shown, real)) in shown.iter().zip(real).enumerate() {
                differences(&format!("{at}[{place}]"), shown, real, found);
            }
        }
        _ if std::mem::discriminant(shown) != std::mem::discriminant(real) => {
            found.push(format!("{at} is {real}, not like {shown}"));
        }
        _ => {}
    }
}

/// A problem without line and column: those of a body depend on how it is laid out.
fn without_place(problem: &Value) -> Value {
    let mut problem = problem.clone();
    let detail = problem["detail"].as_str().and_then(|detail| detail.split(" at line ").next()).map(str::to_owned);
    problem["detail"] = detail.into();
    problem
}

/// What is wrong with an answer.
fn judge(schemas: &Schemas<'_>, example: &Example<'_>, answer: &Answer) -> Vec<String> {
    if answer.status != example.status {
        return vec![format!("is answered {} instead of {}: {}", answer.status, example.status, answer.text)];
    }
    let described = example.content_types();
    let is_described = if described.is_empty() {
        // HEAD tells the media type that a body would have.
        (answer.kind.is_empty() || example.is_head()) && answer.text.is_empty()
    } else {
        described.contains(answer.kind.as_str())
    };
    if !is_described {
        return vec![format!("is answered as '{}', described as {described:?}", answer.kind)];
    }
    let headers = example.headers().filter(|name| !answer.headers.contains(name.as_str()));
    let mut wrong: Vec<String> = headers.map(|name| format!("its header {name} is not there")).collect();
    if example.is_head() {
        return wrong;
    }
    wrong.extend(converse::judge(schemas, example, answer));
    let schema = schemas.of(example, &answer.kind);
    let (shown, real) = (example.shown(), answer.items());
    for (who, items) in [("shown", &shown), ("real", &real)] {
        for item in items {
            wrong.extend(schema.errors(item).into_iter().map(|error| format!("the {who} answer: {error}")));
            wrong.extend(schemas.errors_of_event(item).into_iter().map(|error| format!("the {who} event: {error}")));
        }
    }
    if shown.len() != real.len() {
        wrong.push(format!("has {} parts, not {}: {}", real.len(), shown.len(), answer.text));
    }
    if answer.kind == "application/problem+json" && without_place(&shown[0]) != without_place(&real[0]) {
        wrong.push(format!("the problem is {}, not {}", real[0], shown[0]));
    }
    shown.iter().zip(&real).for_each(|(shown, real)| differences("answer", shown, real, &mut wrong));
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_the_document_is_answered_as_it_says() {
    let cluster = Cluster::with_agents(&[&["--slots", "4", "--languages", "c,java,python"]]).await;
    let document = cluster.get("/openapi.json").await;
    let sent = replay_all(&cluster, &document, &[]).await;
    assert!(sent >= EXAMPLES_MIN, "{sent} were sent");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_a_master_with_other_options_is_answered_as_it_says() {
    let cluster = Cluster::master_only().await;
    let document = cluster.get("/openapi.json").await;
    let replay = Replay::new(&cluster, &document);
    let masters = replay.masters();
    assert!(!masters.is_empty());
    for options in masters {
        let cluster = Cluster::master_with(&options).await;
        assert!(replay_all(&cluster, &document, &options).await > 0);
        cluster.shutdown().await;
    }
    cluster.shutdown().await;
}

/// Sends every example of a master with these options; how many there are.
async fn replay_all(cluster: &Cluster, document: &Value, options: &[&str]) -> usize {
    let (schemas, replay) = (Schemas::new(document), Replay::new(cluster, document));
    let mut wrong = Vec::new();
    let examples: Vec<_> = replay.in_order().into_iter().filter(|example| example.master() == options).collect();
    for example in &examples {
        let answer = replay.answer(example).await;
        let found = judge(&schemas, example, &answer);
        wrong.extend(found.into_iter().map(|what| format!("{} {}: {what}", example.operation(), example.name)));
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), cluster.logs());
    examples.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_of_a_body_or_parameter_is_of_its_schema_and_is_sent() {
    let cluster = Cluster::master_only().await;
    let document = cluster.get("/openapi.json").await;
    let (schemas, replay) = (Schemas::new(&document), Replay::new(&cluster, &document));
    let examples = replay.in_order();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (path, method, operation) in replay::operations(&document) {
        let kinds = replay::members(&operation["requestBody"]["content"]);
        let bodies = kinds.flat_map(|(kind, content)| replay::members(&content["examples"]).map(move |e| (kind, e)));
        for (kind, (name, example)) in bodies {
            let schema = schemas.body(operation, kind);
            wrong.extend(schema.errors(&example["value"]).into_iter().map(|e| format!("{method} {path} {name}: {e}")));
            let sent = examples.iter().any(|one| {
                one.operation() == format!("{method} {path}") && one.name == *name && one.body() == &example["value"]
            });
            if !sent {
                wrong.push(format!("{method} {path} {name}: is not sent"));
            }
            seen += 1;
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let errors = schemas.plain(&parameter["schema"]).errors(&parameter["example"]);
            wrong.extend(errors.into_iter().map(|e| format!("{method} {path} {}: {e}", parameter["name"])));
            seen += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 30, "{seen} were looked at");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_schema_of_a_body_rules_out_is_refused() {
    let cluster = Cluster::master_only().await;
    let document = cluster.get("/openapi.json").await;
    let (schemas, replay) = (Schemas::new(&document), Replay::new(&cluster, &document));
    let mut ruled_out = BTreeSet::new();
    for example in replay.in_order().into_iter().filter(|e| e.is_refused() && !e.request["body"].is_null()) {
        let body = schemas.body(example.document, "application/json").errors(&example.request["body"]);
        if !body.is_empty() {
            ruled_out.insert(example.name.clone());
        }
    }
    // All but what a schema cannot say: that a key was used, or which languages install what.
    let shapes = ["misspelt", "unknown_language", "no_source", "path_upwards", "no_archive", "live_with_input"];
    for name in shapes.into_iter().chain(["limit_too_high", "limit_too_low"]) {
        assert!(ruled_out.contains(name), "the schema allows {name}, of {ruled_out:?}");
    }
    cluster.shutdown().await;
}

#[test]
fn the_comparison_sees_what_is_missing_and_what_is_otherwise() {
    let shown = serde_json::json!({ "outcome": "ok", "cpu_ms": 1, "cases": [{ "name": "1" }], "message": "m" });
    let real = serde_json::json!({ "outcome": "time_limit", "cpu_ms": "1", "cases": [] });
    let mut found = Vec::new();
    differences("answer", &shown, &real, &mut found);
    assert_eq!(found.len(), 4, "{found:?}");
    found.clear();
    differences("answer", &shown, &shown, &mut found);
    assert!(found.is_empty(), "{found:?}");
}
