//! `/openapi.json`: the API described by the types that serve it (OpenAPI 3.1).

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::OpenApi;

use super::wire;

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
        super::events::events,
        super::fleet::languages,
        super::fleet::agents,
        super::fleet::drain,
        super::operate::stats,
        super::operate::alive,
        super::operate::ready,
        super::operate::version,
        super::operate::metrics,
    ),
    components(schemas(wire::StateEvent, wire::OutputEvent, wire::CaseEvent, wire::WaitLine))
)]
struct Document;

/// Written once: it never changes while the process runs.
static TEXT: LazyLock<String> =
    LazyLock::new(|| Document::openapi().to_json().expect("a document of plain types is always JSON"));

pub(super) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str())
}
