//! What every request passes: is it for us, is it from a page that may, is it of a kind we take, is
//! there room for it.
//!
//! Where the service has no keys it stands on loopback, where every page in a
//! browser of this machine can reach it. So: only known `Host` names (against
//! DNS rebinding), writes only as `application/json` (which a foreign page
//! cannot send without asking first), and writes and WebSockets never from a foreign `Origin`.

use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::room::hold;
use super::{ALIVE_PATH, Api, entry, error};
use crate::admission::Refusal;

/// Answers up to this leave with their request, in bytes.
const HANDED_OVER_BYTES_MAX: u64 = 16 * 1024;

/// Hosts that are always served.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Checks a request, and counts its answer.
pub(super) async fn check(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let refused = refusal(&api.hosts, api.is_tls, request.method(), request.uri(), request.headers());
    let mut response = match refused {
        Some(refusal) => refusal.into_response(),
        None => with_room(&api, request, next).await,
    };
    api.metrics.requests.increment();
    if let Some(refusal) = response.extensions().get::<Refusal>() {
        api.metrics.refusals.increment(refusal.code);
    }
    if response.status().is_client_error() || response.status().is_server_error() {
        api.metrics.requests_refused.increment();
    }
    let nosniff = HeaderName::from_static("x-content-type-options");
    response.headers_mut().insert(nosniff, HeaderValue::from_static("nosniff"));
    // What a cookie lets see has no `Authorization` by which a cache on its way would know to keep off.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn with_room(api: &Arc<Api>, request: Request, next: Next) -> Response {
    // Whoever asks whether the process is alive would end it for being busy.
    if request.uri().path() == ALIVE_PATH {
        return next.run(request).await;
    }
    let held = match api.room.request() {
        Ok(held) => held,
        Err(refusal) => return refusal.into_response(),
    };
    let mut response = entry::enter(api, request, next).await;
    // Small ones are handed over whole, and need nothing more from us.
    if response.body().size_hint().upper().is_none_or(|bytes| bytes > HANDED_OVER_BYTES_MAX) {
        hold(&mut response, held);
    }
    response
}

/// The host that a request is for, where it is served. HTTP/2 carries it in the URI.
fn served_host<'a>(hosts: &[String], uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let host = uri.authority().map(|a| a.as_str()).or_else(|| text(headers, &header::HOST));
    host.filter(|host| is_served(hosts, host))
}

/// Whether a request is for a host that is served.
pub(super) fn is_host_served(hosts: &[String], uri: &Uri, headers: &HeaderMap) -> bool {
    served_host(hosts, uri, headers).is_some()
}

/// Whether a method asks for no change.
pub(super) fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn refusal(hosts: &[String], is_tls: bool, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Refusal> {
    let Some(host) = served_host(hosts, uri, headers) else { return Some(error::host_not_allowed()) };
    // A foreign page may ask for another protocol as for any picture, and then write and read in it.
    if reads(method) && !headers.contains_key(header::UPGRADE) {
        return None;
    }
    let same = |origin| is_same(origin, host, is_tls);
    let foreign = headers.contains_key(header::ORIGIN) && !text(headers, &header::ORIGIN).is_some_and(same);
    foreign.then(error::origin_not_allowed)
}

/// Checks the media type of what is written. Behind the routes: what takes no body does not ask for
/// one of another kind.
pub(super) async fn json_only(request: Request, next: Next) -> Result<Response, Refusal> {
    only("application/json", request, next).await
}

/// The same for bytes of no kind, which a foreign page cannot send without asking first, either.
pub(super) async fn octets_only(request: Request, next: Next) -> Result<Response, Refusal> {
    only("application/octet-stream", request, next).await
}

async fn only(kind: &'static str, request: Request, next: Next) -> Result<Response, Refusal> {
    if is_of(kind, request.headers()) { Ok(next.run(request).await) } else { Err(error::unsupported_media_type(kind)) }
}

fn is_of(kind: &str, headers: &HeaderMap) -> bool {
    let media_type = text(headers, &header::CONTENT_TYPE).and_then(|v| v.split(';').next());
    media_type.is_some_and(|m| m.trim().eq_ignore_ascii_case(kind))
}

fn is_served(hosts: &[String], authority: &str) -> bool {
    // The last colon parts the port, unless it stands inside an IPv6 address's brackets.
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => name,
        _ => authority,
    };
    let known = LOOPBACK.into_iter().chain(hosts.iter().map(String::as_str));
    known.into_iter().any(|host| host.eq_ignore_ascii_case(name))
}

/// The page comes from this very service.
/// A page that came in clear is another's where we speak TLS: anybody on its way may have written it.
fn is_same(origin: &str, host: &str, is_tls: bool) -> bool {
    let in_clear = || origin.strip_prefix("http://").filter(|_| !is_tls);
    let authority = origin.strip_prefix("https://").or_else(in_clear);
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(method: &Method, headers: &[(HeaderName, &'static str)]) -> Option<&'static str> {
        let headers = headers.iter().map(|(n, v)| (n.clone(), HeaderValue::from_static(v))).collect();
        refusal(&["code.example".into()], false, method, &Uri::from_static("/v1/jobs"), &headers).map(|r| r.code)
    }

    #[test]
    fn over_tls_a_page_that_came_in_clear_is_another_page() {
        assert!(is_same("https://code.example", "code.example", true));
        assert!(!is_same("http://code.example", "code.example", true));
        assert!(is_same("http://code.example", "code.example", false));
    }

    #[test]
    fn only_known_hosts_are_served() {
        for good in ["localhost:7300", "127.0.0.1", "[::1]:7300", "[::1]", "LOCALHOST", "code.example:80"] {
            assert_eq!(code(&Method::GET, &[(header::HOST, good)]), None, "{good}");
        }
        for bad in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:7300", "", "::1"] {
            assert_eq!(code(&Method::GET, &[(header::HOST, bad)]), Some("host_not_allowed"), "{bad}");
        }
        assert_eq!(code(&Method::GET, &[]), Some("host_not_allowed"));
    }

    #[test]
    fn writes_come_from_no_other_page() {
        let with = |origin| code(&Method::POST, &[(header::HOST, "localhost:7300"), (header::ORIGIN, origin)]);
        assert_eq!(with("http://localhost:7300"), None);
        for foreign in ["http://localhost:3000", "null", "http://evil.example", "localhost:7300"] {
            assert_eq!(with(foreign), Some("origin_not_allowed"), "{foreign}");
        }
    }

    #[test]
    fn an_upgrade_comes_from_no_other_page_although_it_is_a_read() {
        let with = |origin| {
            let host = (header::HOST, "localhost:7300");
            code(&Method::GET, &[host, (header::UPGRADE, "websocket"), (header::ORIGIN, origin)])
        };
        assert_eq!(with("http://localhost:7300"), None);
        for foreign in ["http://localhost:3000", "null", "https://evil.example"] {
            assert_eq!(with(foreign), Some("origin_not_allowed"), "{foreign}");
        }
        let without = code(&Method::GET, &[(header::HOST, "localhost:7300"), (header::UPGRADE, "websocket")]);
        assert_eq!(without, None, "a program that is no browser has no origin");
    }

    #[test]
    fn writes_are_json_only() {
        let headers = |kind| [(header::CONTENT_TYPE, HeaderValue::from_static(kind))].into_iter().collect();
        let kind = |kind| is_of("application/json", &headers(kind));
        assert!(kind("application/json") && kind("Application/JSON ; charset=utf-8"));
        for other in ["text/plain", "application/x-www-form-urlencoded", "application/json5", "", "json"] {
            assert!(!kind(other), "{other}");
        }
        assert!(!is_of("application/json", &HeaderMap::new()));
        assert!(is_of("application/octet-stream", &headers("application/octet-stream")));
    }
}
