//! `/openapi.json`: the API described by the types that serve it (OpenAPI 3.1), and by the bounds
//! that hold for their values. The doors (`http/doors`) are not in it: their bodies are for others to
//! describe, and looser than any schema of ours.
//!
//! `scripts/schemathesis.sh` holds a running master against it.

mod bounds;
pub(super) mod examples;
mod judging;
mod problems;
mod security;

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use enclos_images::Catalogue;
use serde_json::Value;
use utoipa::OpenApi;

use super::query::{Nothing, Strict};
use super::{Api, wire};

#[derive(OpenApi)]
#[openapi(
    info(title = "Enclos", description = "Compiles and runs programs in sandboxes."),
    paths(
        super::submit::submit,
        super::jobs::list,
        super::jobs::show,
        super::jobs::cancel,
        super::jobs::erase,
        super::many::batch,
        super::many::wait,
        super::files::file,
        super::blobs::upload,
        super::blobs::download,
        super::blobs::head,
        super::blobs::delete,
        super::events::events,
        super::attach::attach,
        super::callbacks::list,
        super::callbacks::retry,
        super::fleet::languages,
        super::fleet::agents,
        super::fleet::drain,
        super::stats::show,
        super::stats::watch,
        super::stats::history,
        super::stats::changes::watch,
        super::usage::show,
        super::session::show,
        super::session::sign_in,
        super::session::sign_out,
        super::keys::list,
        super::keys::create,
        super::keys::show,
        super::keys::rotate,
        super::keys::revoke,
        super::keys::tenants,
        super::keys::set_tenant,
        super::operate::alive,
        super::operate::ready,
        super::operate::version,
        super::operate::metrics,
    ),
    tags(
        (name = "jobs", description = "Programs: submitted, watched, cancelled, erased."),
        (name = "blobs", description = "Bytes that are uploaded once, for any number of jobs."),
        (name = "fleet", description = "What can be run, and by whom."),
        (name = "operate", description = "Whether the service is well."),
    ),
    components(schemas(
        wire::StateEvent,
        wire::OutputEvent,
        wire::CaseEvent,
        wire::WaitLine,
        wire::AttachRequest,
        wire::AttachFrame,
        wire::AttachStdin,
        wire::AttachError,
        wire::stats::AliveEvent,
        wire::Package,
        wire::Problem
    ))
)]
struct Document;

/// The document for these languages; it never changes while the process runs.
pub(super) fn document(catalogue: &Catalogue) -> Value {
    let mut document = serde_json::to_value(Document::openapi()).expect("a document of plain types is always JSON");
    bounds::add(&mut document, catalogue);
    security::add(&mut document);
    problems::add(&mut document);
    examples::add(&mut document);
    document
}

pub(super) async fn show(State(api): State<Arc<Api>>, Strict(Nothing {}): Strict<Nothing>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], api.document.clone())
}

/// Every operation of the document: its method, path and description.
fn operations(document: &mut Value) -> impl Iterator<Item = (&str, &str, &mut Value)> {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    paths.flat_map(|(path, methods)| {
        let methods = methods.as_object_mut().into_iter().flatten();
        methods.map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
    })
}

/// The parameters of an operation; none where it has no such member.
fn parameters(operation: &mut Value) -> impl Iterator<Item = &mut Value> {
    operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        super::document(&Catalogue::embedded().unwrap())
    }

    #[test]
    fn every_operation_says_how_it_refuses() {
        let mut document = document();
        let mut seen = 0;
        for (method, path, operation) in operations(&mut document) {
            let responses = operation["responses"].as_object().unwrap();
            for status in ["400", "421", "503"] {
                assert!(responses.contains_key(status) || path == "/healthz", "{method} {path}: {status}");
            }
            assert_eq!(responses.contains_key("415"), method == "post", "{method} {path}");
            assert_eq!(responses.contains_key("404"), path.contains('{'), "{method} {path}");
            seen += 1;
        }
        assert_eq!(seen, 38);
    }

    #[test]
    fn the_values_of_a_submission_are_bounded_as_admission_bounds_them() {
        let document = document();
        let schemas = &document["components"]["schemas"];
        let submission = &schemas["Submission"]["properties"];
        assert_eq!(submission["files"]["maxItems"], 256);
        assert_eq!(submission["labels"]["maxProperties"], 16);
        let blob = &submission["stdin_blob"];
        for schema in [blob, &schemas["Blob"]["properties"]["sha256"], &schemas["SubmittedFile"]["properties"]["blob"]]
        {
            assert_eq!(schema["pattern"], "^[0-9a-f]{64}$");
        }
        let body = &document["paths"]["/v1/blobs"]["post"]["requestBody"]["content"]["application/octet-stream"];
        let uploaded = body["examples"]["upload"]["value"].as_str().unwrap();
        let name = crate::store::Digest::of(uploaded.as_bytes()).to_string();
        assert_eq!(body["schema"]["format"], "binary");
        assert_eq!(
            blob["examples"].get(0).unwrap_or(&blob["example"]),
            &name,
            "the example is what its example uploads"
        );
        let run = &schemas["RunLimits"]["properties"];
        assert_eq!((&run["pids"]["minimum"], &run["pids"]["maximum"]), (&1.into(), &512.into()), "{run:#}");
        assert_eq!(run["cpus"]["maximum"], 1.0);
    }
}
