//! Keys in the document: the scheme, which operations want one, and with which scope.

use axum::http::Method;
use serde_json::{Value, json};

use super::operations;
use crate::http::entry::{Need, need};
use crate::http::session;

/// Name of the scheme.
const SCHEME: &str = "key";
/// Name of the scheme for browsers.
const SESSION: &str = "session";

/// What an operation needs, by its method as the document has it.
pub(super) fn needed(method: &str, path: &str) -> Need {
    let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap_or(Method::GET);
    // The router writes the rest of a path otherwise.
    let path = if path.starts_with("/v1/jobs/{id}/files/") { "/v1/jobs/{id}/files/{*path}" } else { path };
    need(&method, Some(path))
}

/// Adds them.
pub(super) fn add(document: &mut Value) {
    let said = "A key of `enclos keys create`, as `Authorization: Bearer <key>`. A service that only its own \
                machine can reach wants none until the first was made.";
    document["components"]["securitySchemes"][SCHEME] =
        json!({ "type": "http", "scheme": "bearer", "bearerFormat": "enclos_…", "description": said });
    let said = "The session of a browser, begun by `POST /v1/session`. What it asks for with another method than \
                GET or HEAD must come with an `Origin` of this service.";
    document["components"]["securitySchemes"][SESSION] =
        json!({ "type": "apiKey", "in": "cookie", "name": session::COOKIE, "description": said });
    for (method, path, operation) in operations(document) {
        match needed(method, path) {
            Need::Nothing => operation["security"] = json!([]),
            Need::AnyKey => operation["security"] = json!([{ SCHEME: [] }, { SESSION: [] }, {}]),
            Need::Scope(scope) => {
                operation["security"] = json!([{ SCHEME: [scope.as_str()] }, { SESSION: [scope.as_str()] }, {}]);
                operation["x-scope"] = json!(scope.as_str());
                let said = operation["description"].as_str().map(|said| format!("{said}\n\n")).unwrap_or_default();
                let needs = format!("Where keys are wanted, it needs one with the scope `{}`.", scope.as_str());
                operation["description"] = json!(said + &needs);
            }
        }
    }
}
