//! `/docs`: the document of the API as a page to read.
//!
//! ```text
//! /openapi.json ─ page ─┬─ operation ─ curl     an operation: parameters, body, answers, examples
//!                       └─ schema               a type: members and their bounds
//! ```
//!
//! It is written once, at the start, and complete without JavaScript; a script only adds buttons
//! that copy. Nothing is fetched from anywhere else, and nothing that a client sent stands in it but
//! the host under which it was asked for, where that is a plain one.

mod curl;
mod operation;
mod page;
mod schema;
mod text;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};

pub(super) use page::page;

use super::query::{Nothing, Strict};
use super::{Api, room};
use crate::admission::Refusal;

/// Stands in the page for the host under which it is asked for.
const HOST: &str = "\u{1}host\u{1}";
/// Where the service is, for who asks under a host that is no plain one.
const HOST_DEFAULT: &str = "127.0.0.1:7300";
/// Longest host that the page repeats, in bytes.
const HOST_BYTES_MAX: usize = 255;

/// Only what this very service answers, nothing inline, no frame around it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("copy.js");
const ICON: &str = include_str!("icon.svg");

/// The page.
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Strict(Nothing {}): Strict<Nothing>,
    request: Request,
) -> Result<Response, Refusal> {
    let held = api.room.page()?;
    let page = api.page.replace(HOST, host(request.uri(), request.headers()));
    let mut response = sent("text/html; charset=utf-8", page.into());
    room::hold(&mut response, held);
    Ok(response)
}

pub(super) async fn style(Strict(Nothing {}): Strict<Nothing>) -> Response {
    sent("text/css; charset=utf-8", STYLE.into())
}

pub(super) async fn script(Strict(Nothing {}): Strict<Nothing>) -> Response {
    sent("text/javascript; charset=utf-8", SCRIPT.into())
}

pub(super) async fn icon(Strict(Nothing {}): Strict<Nothing>) -> Response {
    sent("image/svg+xml", ICON.into())
}

fn sent(kind: &'static str, body: axum::body::Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    ];
    (StatusCode::OK, headers, body).into_response()
}

/// The guard has checked the name of the host, not what stands behind its colon.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    let given = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let host = uri.authority().map(axum::http::uri::Authority::as_str).or(given).unwrap_or(HOST_DEFAULT);
    let is_plain = host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b));
    if is_plain && (1..=HOST_BYTES_MAX).contains(&host.len()) { host } else { HOST_DEFAULT }
}

#[cfg(test)]
mod tests {
    use enclos_images::Catalogue;
    use serde_json::Value;

    use super::*;
    use crate::http::openapi;

    fn document() -> Value {
        openapi::document(&Catalogue::embedded().unwrap())
    }

    #[test]
    fn a_host_that_is_not_plain_is_not_repeated() {
        let of = |host| {
            let headers: HeaderMap = [(header::HOST, HeaderValue::from_static(host))].into_iter().collect();
            self::host(&Uri::from_static("/docs"), &headers).to_owned()
        };
        assert_eq!(of("localhost:8000"), "localhost:8000");
        assert_eq!(of("[::1]:8000"), "[::1]:8000");
        assert_eq!(of("localhost:'><script>"), HOST_DEFAULT);
        assert_eq!(of(""), HOST_DEFAULT);
    }

    #[test]
    fn the_page_has_every_operation_type_code_and_example_and_every_link_leads_somewhere() {
        let document = document();
        let page = page(&document);
        let mut wrong = Vec::new();
        let mut needs = |what: String| {
            if !page.contains(&what) {
                wrong.push(what);
            }
        };
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (_, operation) in methods.as_object().unwrap() {
                needs(format!("id=\"{}\"", operation["operationId"].as_str().unwrap()));
                needs(format!("<code>{path}</code>"));
                for (_, name, _) in openapi::examples::of(operation) {
                    if !openapi::examples::is_general(name) {
                        needs(format!("id=\"example-{name}\""));
                    }
                }
            }
        }
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            needs(format!("id=\"type-{name}\""));
        }
        for (code, _) in crate::http::error::TITLES {
            needs(format!("id=\"code-{code}\""));
        }
        for link in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            needs(format!("id=\"{link}\""));
        }
        assert!(wrong.is_empty(), "not on the page: {wrong:#?}");
    }

    #[test]
    fn every_id_of_the_page_is_there_once() {
        let page = page(&document());
        let mut ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        ids.sort_unstable();
        let twice: Vec<_> = ids.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        assert!(ids.len() > 100 && twice.is_empty(), "{twice:?}");
    }

    #[test]
    fn nothing_on_the_page_is_inline_or_from_elsewhere() {
        let page = page(&document());
        for inline in ["<style", "style=", "onclick", "javascript:", "src=\"http", "href=\"http", "//cdn"] {
            assert!(!page.contains(inline), "{inline}");
        }
        assert_eq!(page.matches("<script").count(), 1, "one script, by its address");
        assert!(page.contains("<script src=\"/docs/copy.js\" defer></script>"));
    }

    #[test]
    fn every_element_of_the_page_is_closed_in_its_place() {
        let page = page(&document());
        let mut open: Vec<&str> = Vec::new();
        for tag in page.split('<').skip(1) {
            let tag = tag.split('>').next().unwrap();
            let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap();
            match tag {
                _ if tag.starts_with('!') || ["meta", "link", "br"].contains(&name) => {}
                _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name), "within {open:?}"),
                _ => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }
}
