//! What every operation may be refused with, put into the document in one place.

use serde_json::{Value, json};

use super::{operations, parameters, security};
use crate::http::ALIVE_PATH;
use crate::http::entry::Need;
use crate::http::error::PROBLEM_JSON;

/// A status, the codes that come with it, and when it is answered.
type Rule = (&'static str, &'static [&'static str], &'static str);

/// Of any request.
const HOST: Rule = ("421", &["host_not_allowed"], "the `Host` is not served here");
/// Of any request that is more than a sign of life.
const ALL: [Rule; 3] = [
    ("400", &["unknown_field"], "a parameter is not known"),
    ("500", &["internal_error"], "Enclos failed; the operator's log says why"),
    ("503", &["unavailable", "storage_full"], "busy or ending; `Retry-After` says when to come back"),
];
/// Of what has an id or a name in its path.
const NAMED: Rule = ("404", &["not_found"], "unknown, or not yours");
/// Of what has parameters.
const ASKED: Rule = ("422", &["invalid_value"], "a value breaks a rule");
/// Of what needs a key.
const KEYED: [Rule; 2] = [
    ("401", &["unauthorized"], "no key that works, where keys are wanted"),
    ("429", &["rate_limited"], "too many requests, or too many keys that were none"),
];
/// Of what needs a key with a scope.
const SCOPED: Rule = ("403", &["missing_scope"], "the key may not do this");
/// Of what writes.
const WRITES: [Rule; 4] = [
    ("400", &["unknown_field", "malformed_json"], "a parameter or member is not known, or the body is not JSON"),
    ("403", &["missing_scope", "origin_not_allowed"], "the key may not do this, or a page of another origin"),
    ("408", &["request_timeout"], "the body came too slowly"),
    ("413", &["too_large"], "too large; `maximum` says how large it may be"),
];
/// Of what has a body of its own.
const BODY: Rule = ("415", &["unsupported_media_type"], "the body is of another media type than this takes");
/// Of what there may be so many of.
const COUNTED: Rule = ("429", &["rate_limited", "too_many"], "too many requests, or there are as many as there may be");
/// Of what a key has to work for.
const ENDED: Rule = ("409", &["key_ended"], "the key does not work any more");
/// Of a list by language.
const LISTED: Rule = ("422", &["invalid_value", "unknown_language"], ASKED.2);
/// Of a submission.
const SUBMITTED: [Rule; 5] = [
    (
        "403",
        &[
            "missing_scope",
            "origin_not_allowed",
            "dependencies_denied",
            "callbacks_denied",
            "language_denied",
            "isolation_denied",
            "priority_denied",
        ],
        "the key may not do this, a page of another origin, or the tenant may not run it so",
    ),
    ("429", &["rate_limited", "quota_exceeded"], "too many requests, or a quota is used up; `quota` says which"),
    ("409", &["idempotency_conflict"], "the key belongs to another submission"),
    (
        "422",
        &[
            "invalid_value",
            "unknown_language",
            "unknown_extension",
            "no_source",
            "limit_too_high",
            "limit_too_low",
            "invalid_dependency",
            "unsupported_dependencies",
            "unknown_blob",
            "invalid_archive",
            "callback_refused",
        ],
        ASKED.2,
    ),
    ("503", &["overloaded", "unavailable", "storage_full"], ALL[2].2),
];

/// Of a blob.
const UPLOADED: [Rule; 3] = [
    ("400", &["unknown_field", "incomplete_body"], "a parameter is not known, or the body broke off"),
    ("422", &["invalid_value", "digest_mismatch"], "the digest is none, or not that of the body"),
    (
        "429",
        &["rate_limited", "quota_exceeded"],
        "too many requests, or blobs have no space for it; `Retry-After` says when to come back",
    ),
];

/// Of what begins a WebSocket.
const ATTACHED: [Rule; 2] = [
    ("403", &["missing_scope", "origin_not_allowed"], "the key may not do this, or a page of another origin"),
    ("426", &["upgrade_required"], "not a WebSocket handshake"),
];

/// Adds them (to HEAD without the body that it never has), and takes `null` from parameters: what is not given is simply not there.
pub(super) fn add(document: &mut Value) {
    for (method, path, operation) in operations(document) {
        for parameter in parameters(operation) {
            if let Some(only) = parameter["schema"]["type"].as_array().and_then(|types| types.first()).cloned() {
                parameter["schema"]["type"] = only;
            }
        }
        let is_asked = parameters(operation).any(|parameter| parameter["in"] != "path");
        for (status, codes, when) in rules(method, path, is_asked) {
            let mut response = refusal(status, codes, when);
            if method == "head" {
                response.as_object_mut().map(|members| members.remove("content"));
            }
            operation["responses"][status] = response;
        }
    }
}

/// A later one of the same status replaces an earlier one.
fn rules(method: &str, path: &str, is_asked: bool) -> Vec<Rule> {
    let mut rules = vec![HOST];
    if path == ALIVE_PATH {
        return rules;
    }
    rules.extend(ALL);
    match security::needed(method, path) {
        Need::Nothing => {}
        Need::AnyKey => rules.extend(KEYED),
        Need::Scope(_) => rules.extend(KEYED.into_iter().chain([SCOPED])),
    }
    if path.contains('{') {
        rules.push(NAMED);
    }
    let takes_values = method == "post" && !path.contains('{');
    if is_asked || takes_values {
        rules.push(ASKED);
    }
    if !matches!(method, "get" | "head") {
        rules.extend(WRITES);
    }
    if method == "post" {
        rules.push(BODY);
    }
    match (method, path) {
        ("get", "/v1/jobs") => rules.push(LISTED),
        ("post", "/v1/jobs") => rules.extend(SUBMITTED),
        ("get", "/v1/jobs/{id}/attach") => rules.extend(ATTACHED),
        ("post", "/v1/blobs") => rules.extend(UPLOADED),
        (_, "/v1/session") => rules.extend(KEYED),
        ("post", "/v1/keys") => rules.push(COUNTED),
        ("post", "/v1/keys/{key}/rotate") => rules.extend([ASKED, ENDED]),
        ("post", "/v1/tenants/{tenant}") => rules.extend([ASKED, COUNTED]),
        _ => {}
    }
    rules
}

fn refusal(status: &str, codes: &[&str], when: &str) -> Value {
    let coded = json!({ "properties": { "code": { "enum": codes } } });
    let schema = json!({ "allOf": [{ "$ref": "#/components/schemas/Problem" }, coded] });
    let mut response = json!({ "description": when, "content": { PROBLEM_JSON: { "schema": schema } } });
    if status == "401" {
        let scheme = json!({ "description": "how a key is shown", "schema": { "type": "string" } });
        response["headers"] = json!({ "WWW-Authenticate": scheme });
    }
    if matches!(status, "429" | "503") {
        let seconds = json!({ "description": "seconds", "schema": { "type": "integer", "minimum": 0 } });
        response["headers"] = json!({ "Retry-After": seconds });
    }
    response
}
