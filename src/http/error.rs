//! Refusals on the wire: `application/problem+json` (RFC 9457), and the refusals that HTTP itself makes.
//!
//! Bodies hold what the client sent or may know, never a cause from inside:
//! causes are logged by whoever met them.

mod access;

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::render;
use crate::admission::Refusal;

pub use access::{
    callbacks_denied, isolation_denied, language_denied, logins_shut, missing_scope, no_key, no_place, no_such_key,
    priority_denied, quota_exceeded, rate_limited, session_over, unauthorized,
};

/// Media type of a refusal.
pub const PROBLEM_JSON: &str = "application/problem+json";

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after.map(whole_seconds);
        let said = self.clone();
        let mut response = (status, Json(Value::Object(problem(self)))).into_response();
        // For who has to say it in other words.
        response.extensions_mut().insert(said);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"enclos\""));
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The members of the problem's body.
#[must_use]
pub fn problem(refusal: Refusal) -> Map<String, Value> {
    let Refusal { status, code, detail, field, retry_after, extras } = refusal;
    // Extras first: none of them can stand in for a member that every problem has.
    let mut body = extras;
    body.insert("type".into(), json!(format!("urn:enclos:problem:{code}")));
    body.insert("title".into(), json!(title(code)));
    body.insert("status".into(), json!(status));
    body.insert("code".into(), json!(code));
    body.insert("detail".into(), json!(detail));
    if let Some(field) = field {
        body.insert("field".into(), json!(field));
    }
    if let Some(wait) = retry_after {
        body.insert("retry_after_ms".into(), json!(render::millis(wait)));
    }
    body
}

/// `Retry-After` knows whole seconds only; rounded up, so nobody comes back too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// Every code, and what it says.
pub const TITLES: [(&str, &str); 39] = [
    ("unauthorized", "No key that works"),
    ("missing_scope", "The key may not do this"),
    ("rate_limited", "Too often"),
    ("too_many", "There are as many as there may be"),
    ("key_ended", "The key does not work any more"),
    ("language_denied", "The language is not yours to use"),
    ("isolation_denied", "The isolation is too weak"),
    ("priority_denied", "The priority is not yours to use"),
    ("malformed_json", "The body is not JSON"),
    ("unknown_field", "There is no such field"),
    ("invalid_value", "A value breaks a rule"),
    ("unsupported_media_type", "The body is of another kind"),
    ("too_large", "Too large"),
    ("request_timeout", "Too slow"),
    ("incomplete_body", "The body broke off"),
    ("digest_mismatch", "The bytes are not those that were announced"),
    ("quota_exceeded", "A quota is used up"),
    ("unknown_blob", "There is no such blob"),
    ("invalid_archive", "The archive cannot be taken"),
    ("not_found", "Not found"),
    ("unknown_language", "There is no such language"),
    ("unknown_extension", "The extension tells no language"),
    ("limit_too_high", "A limit is above its maximum"),
    ("limit_too_low", "A limit is below its minimum"),
    ("invalid_dependency", "A dependency is not a name and versions"),
    ("unsupported_dependencies", "The language has no such dependencies"),
    ("dependencies_denied", "Jobs have no dependencies here"),
    ("callback_refused", "Nothing is sent to this URL"),
    ("callbacks_denied", "Jobs have no callbacks here"),
    ("no_source", "Nothing to run"),
    ("idempotency_conflict", "The key belongs to another submission"),
    ("overloaded", "The queue is full"),
    ("host_not_allowed", "This host is not served here"),
    ("origin_not_allowed", "This origin may not write"),
    ("upgrade_required", "This is a WebSocket"),
    ("method_not_allowed", "The method is not served here"),
    ("unavailable", "Not available now"),
    ("storage_full", "The disk is full"),
    ("internal_error", "Enclos failed"),
];

fn title(code: &str) -> &'static str {
    TITLES.iter().find(|(known, _)| *known == code).map_or("Enclos failed", |(_, title)| title)
}

/// 404: unknown, or another tenant's; the same answer for both.
#[must_use]
pub fn not_found() -> Refusal {
    Refusal::new(404, "not_found", "there is nothing here under this name")
}

/// 403: the operator has none installed.
#[must_use]
pub fn dependencies_denied() -> Refusal {
    let detail = "jobs may not have packages installed here: the operator denies it";
    Refusal::new(403, "dependencies_denied", detail).at("dependencies")
}

/// 405.
#[must_use]
pub fn method_not_allowed() -> Refusal {
    Refusal::new(405, "method_not_allowed", "the 'allow' header lists the methods that are served here")
}

/// 426: what was asked for is spoken over a WebSocket.
#[must_use]
pub fn upgrade_required() -> Refusal {
    Refusal::new(426, "upgrade_required", "begin a WebSocket here (RFC 6455, version 13, over HTTP/1.1)")
}

/// 408: the body came too slowly.
#[must_use]
pub fn too_slow() -> Refusal {
    Refusal::new(408, "request_timeout", "the body took too long to arrive")
}

/// 409: the idempotency key was used with another submission.
#[must_use]
pub fn idempotency_conflict() -> Refusal {
    Refusal::new(409, "idempotency_conflict", "this Idempotency-Key belongs to another submission; choose a new key")
}

/// 413: the body is above `limit_bytes`.
#[must_use]
pub fn too_large(limit_bytes: usize) -> Refusal {
    Refusal::new(413, "too_large", format!("the body may have {limit_bytes} bytes")).with("maximum", limit_bytes)
}

/// 415: a body that is not of this kind by its own header.
#[must_use]
pub fn unsupported_media_type(kind: &str) -> Refusal {
    Refusal::new(415, "unsupported_media_type", format!("send the body with 'content-type: {kind}'"))
}

/// 400 `malformed_json`, for bodies other than submissions.
#[must_use]
pub fn malformed_json(detail: impl Into<String>) -> Refusal {
    Refusal::new(400, "malformed_json", detail)
}

/// 422 `invalid_value` of a query parameter, header or path element.
#[must_use]
pub fn invalid_value(field: impl Into<String>, detail: impl Into<String>) -> Refusal {
    Refusal::invalid(field, detail)
}

/// 400 `unknown_field` of a query.
#[must_use]
pub fn unknown_field(field: impl Into<String>) -> Refusal {
    let field = field.into();
    Refusal::new(400, "unknown_field", format!("there is no '{}' here", field.escape_debug())).at(field)
}

/// 421: the `Host` header names a host that is not served; a page on the web that a browser was
/// tricked into sending here (DNS rebinding) is met by this.
#[must_use]
pub fn host_not_allowed() -> Refusal {
    Refusal::new(421, "host_not_allowed", "use localhost, 127.0.0.1 or [::1], or a host that the operator allows")
}

/// 403: a write from a page of another origin.
#[must_use]
pub fn origin_not_allowed() -> Refusal {
    Refusal::new(403, "origin_not_allowed", "pages of other origins may not write here")
}

/// 503: the store does not answer, or the master is ending.
#[must_use]
pub fn unavailable(detail: impl Into<String>, retry_after: Duration) -> Refusal {
    let mut refusal = Refusal::new(503, "unavailable", detail);
    refusal.retry_after = Some(retry_after);
    refusal
}

/// 500: ours; the cause is in the log and never in the answer.
#[must_use]
pub fn internal() -> Refusal {
    Refusal::new(500, "internal_error", "Enclos failed; the operator's log says why")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Overloaded, Shed};

    #[test]
    fn a_problem_has_the_members_of_rfc_9457_and_ours() {
        let refusal = Refusal::invalid("stdin", "too long").with("maximum", 5);
        insta::assert_snapshot!(serde_json::to_string_pretty(&problem(refusal)).unwrap(), @r#"
        {
          "code": "invalid_value",
          "detail": "too long",
          "field": "stdin",
          "maximum": 5,
          "status": 422,
          "title": "A value breaks a rule",
          "type": "urn:enclos:problem:invalid_value"
        }
        "#);
    }

    #[test]
    fn extras_never_replace_a_member_of_the_problem() {
        let body = problem(Refusal::new(422, "invalid_value", "d").with("status", 200).with("code", "x"));
        assert_eq!(body["status"], 422);
        assert_eq!(body["code"], "invalid_value");
    }

    #[test]
    fn the_answer_says_when_to_come_back_in_whole_seconds_rounded_up() {
        let (rule, retry_after) = (Shed::Full, Duration::from_millis(1200));
        let refused = no_place(&Overloaded { rule, length: 10, bound: 10, retry_after });
        assert_eq!(problem(refused.clone())["retry_after_ms"], 1200);
        let response = refused.into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "2");
        assert_eq!(response.headers()["content-type"], PROBLEM_JSON);
    }

    #[test]
    fn who_has_no_place_is_told_by_which_rule() {
        let retry_after = Duration::from_secs(3);
        let told = |rule| problem(no_place(&Overloaded { rule, length: 90, bound: 80, retry_after }));
        for rule in [Shed::Full, Shed::Normal, Shed::Low, Shed::Share, Shed::Tenant] {
            let body = told(rule);
            assert_eq!(body["reason"], rule.as_str());
            assert!(crate::metrics::QUEUE_RULES.contains(&rule.as_str()), "it is counted");
            assert_eq!((&body["queue_length"], &body["queue_bound"]), (&json!(90), &json!(80)), "{rule:?}");
            assert_eq!(body["status"], if rule == Shed::Tenant { 429 } else { 503 });
        }
        assert_eq!(
            (&told(Shed::Tenant)["quota"], &told(Shed::Low)["code"]),
            (&json!("queued_jobs"), &json!("overloaded"))
        );
    }

    #[test]
    fn problems_read_well() {
        let catalogue = enclos_images::Catalogue::embedded().unwrap();
        let text = |body: Value| {
            let refusal = crate::admission::admit(&catalogue, "t", body.to_string().as_bytes()).unwrap_err();
            serde_json::to_string_pretty(&problem(refusal)).unwrap()
        };
        insta::assert_snapshot!(text(json!({ "language": "pyton", "source": "" })), @r#"
        {
          "code": "unknown_language",
          "detail": "there is no language 'pyton'; did you mean python, python3, cpython?",
          "field": "language",
          "nearest": [
            "python",
            "python3",
            "cpython"
          ],
          "status": 422,
          "title": "There is no such language",
          "type": "urn:enclos:problem:unknown_language"
        }
        "#);
        insta::assert_snapshot!(text(json!({ "language": "c", "source": "", "limits": { "run": { "memory_bytes": 1 } } })), @r#"
        {
          "code": "limit_too_low",
          "detail": "1 is below the minimum of 4194304 for C",
          "field": "limits.run.memory_bytes",
          "minimum": 4194304,
          "status": 422,
          "title": "A limit is below its minimum",
          "type": "urn:enclos:problem:limit_too_low"
        }
        "#);
        insta::assert_snapshot!(text(json!({ "language": "c", "source": "", "run": { "environment": {} } })), @r#"
        {
          "code": "unknown_field",
          "detail": "unknown field `environment`, expected one of `args`, `env`, `attach` at line 1 column 36",
          "field": "run.environment",
          "status": 400,
          "title": "There is no such field",
          "type": "urn:enclos:problem:unknown_field"
        }
        "#);
        insta::assert_snapshot!(text(json!({ "language": "c", "source": "", "limits": { "run": { "wall_ms": 1.5 } } })), @r#"
        {
          "code": "invalid_value",
          "detail": "invalid type: floating point `1.5`, expected a whole number from 0 to 18446744073709551615 at line 1 column 46",
          "field": "limits.run.wall_ms",
          "status": 422,
          "title": "A value breaks a rule",
          "type": "urn:enclos:problem:invalid_value"
        }
        "#);
    }
}
