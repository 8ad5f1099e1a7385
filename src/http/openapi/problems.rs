//! What every operation may be refused with, put into the document in one place.

use serde_json::{Value, json};

use super::{operations, parameters};
use crate::http::error::PROBLEM_JSON;

/// Refusals of any request: status, and when it is answered.
const ALL: [(&str, &str); 3] = [
    ("400", "a parameter is not known"),
    ("421", "the `Host` is not served here"),
    ("503", "busy or ending; `Retry-After` says when to come back"),
];
/// Refusals of what has an id or a name in its path.
const NAMED: [(&str, &str); 1] = [("404", "unknown, or not yours")];
/// Refusals of what has parameters.
const ASKED: [(&str, &str); 1] = [("422", "a value breaks a rule")];
/// Refusals of what has a body.
const WRITES: [(&str, &str); 5] = [
    ("403", "a page of another origin, or dependencies where the operator denies them"),
    ("408", "the body came too slowly"),
    ("413", "too large; `maximum` says how large it may be"),
    ("415", "the body is of another media type than this takes"),
    ("422", "a value breaks a rule"),
];

/// Adds them, and takes `null` from parameters: what is not given is simply not there.
pub(super) fn add(document: &mut Value) {
    for (method, path, operation) in operations(document) {
        let mut refusals = ALL.to_vec();
        if path.contains('{') {
            refusals.extend(NAMED);
        }
        if parameters(operation).any(|parameter| parameter["in"] != "path") {
            refusals.extend(ASKED);
        }
        if method == "post" {
            refusals.extend(WRITES);
        }
        for parameter in parameters(operation) {
            if let Some(only) = parameter["schema"]["type"].as_array().and_then(|types| types.first()).cloned() {
                parameter["schema"]["type"] = only;
            }
        }
        for (status, when) in refusals {
            operation["responses"][status] = refusal(status, when);
        }
    }
}

fn refusal(status: &str, when: &str) -> Value {
    let mut response = json!({
        "description": when,
        "content": { PROBLEM_JSON: { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    if status == "503" {
        let seconds = json!({ "description": "seconds", "schema": { "type": "integer", "minimum": 0 } });
        response["headers"] = json!({ "Retry-After": seconds });
    }
    response
}
