//! Sessions: how a browser shows a key once and a cookie from then on.
//!
//! The cookie holds an id that only this process knows, never the key. It counts for the API's own paths
//! alone, and never for what a page of another origin asks: writes and WebSockets must say that they come
//! from here, and a read that a browser marks as another site's is a read without it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::time::timeout;

use super::body::look_at_length;
use super::guard::reads;
use super::query::{Nothing, Strict};
use super::wire::session as wire;
use super::{Api, entry, error, render};
use crate::admission::{Refusal, strict_json};
use crate::gate::{Caller, Deed};
use crate::store::UnixTime;

/// Largest body of a sign-in, in bytes.
const BODY_BYTES_MAX: usize = 4096;
/// Longest key that is looked at, in characters.
pub(super) const KEY_CHARS_MAX: usize = 256;
/// Longest that the body may take to come.
const BODY_WAIT: Duration = Duration::from_secs(10);
/// The operations, as they are written down.
const PATH: &str = "/v1/session";
/// Name of the cookie where the browser's way here is not TLS.
pub(in crate::http) const COOKIE: &str = "enclos_session";
/// Its name where it is: browsers take it from this host alone, and send it over nothing else.
const COOKIE_TLS: &str = "__Host-enclos_session";

/// Who you are: by a session, by a key, or without either.
#[utoipa::path(get, path = "/v1/session", operation_id = "show_session", tag = "operate",
    responses((status = 200, body = wire::SessionView)))]
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    Strict(Nothing {}): Strict<Nothing>,
    request: Request,
) -> Result<Response, Refusal> {
    let shows_key = request.headers().contains_key(header::AUTHORIZATION);
    match entry::admitted(&api, &request, entry::peer(&request)) {
        Ok(caller) => {
            entry::take_turn(&api, &caller)?;
            Ok(Json(view(&api, Some(&caller)).await?).into_response())
        }
        Err((refusal, is_worth_noting)) if shows_key => {
            let deed = deed(&Method::GET, entry::peer(&request));
            entry::note_refused(&api, deed, &refusal, is_worth_noting).await;
            Err(refusal)
        }
        // A cookie that names no session of ours is left: it may be that of another master of this host name,
        // or a good one that came from another site.
        Err(_) => Ok(Json(view(&api, None).await?).into_response()),
    }
}

/// Sign in with a key; the cookie of the answer stands for it from then on.
#[utoipa::path(post, path = "/v1/session", operation_id = "sign_in", tag = "operate", request_body = wire::SignIn,
    responses((status = 200, body = wire::SessionView,
               headers(("Set-Cookie" = String, description = "the session, for a browser alone")))))]
pub(super) async fn sign_in(
    State(api): State<Arc<Api>>,
    Strict(Nothing {}): Strict<Nothing>,
    request: Request,
) -> Result<Response, Refusal> {
    let (from, is_tls) = (entry::peer(&request), api.is_tls || is_https(request.headers()));
    let key = key(request).await?;
    let deed = deed(&Method::POST, from);
    let signed_in = api.gate.sign_in(&key, from, Instant::now(), UnixTime::now());
    let (id, caller) = match signed_in {
        Ok(signed_in) => signed_in,
        Err(denied) => {
            let (refusal, is_worth_noting) = entry::of_denied(denied);
            entry::note_refused(&api, deed, &refusal, is_worth_noting).await;
            return Err(refusal);
        }
    };
    if let Err(refusal) = entry::take_turn(&api, &caller) {
        api.gate.sign_out(id.expose());
        return Err(refusal);
    }
    let deed = deed.by(&caller.tenant, caller.key.as_ref());
    api.audit.note(&Deed { outcome: "200".to_owned(), ..deed }).await;
    let mut response = Json(view(&api, Some(&caller)).await?).into_response();
    set_cookie(&mut response, is_tls, id.expose(), "");
    Ok(response)
}

/// Sign out; again and again if you like.
#[utoipa::path(delete, path = "/v1/session", operation_id = "sign_out", tag = "operate",
    responses((status = 204, description = "the session has ended, and what it had going on")))]
pub(super) async fn sign_out(
    State(api): State<Arc<Api>>,
    Strict(Nothing {}): Strict<Nothing>,
    request: Request,
) -> Result<Response, Refusal> {
    let (from, is_tls) = (entry::peer(&request), api.is_tls || is_https(request.headers()));
    if let Some(id) = shown(&request, api.is_tls)? {
        let caller = api.gate.admit_session(id, Instant::now(), UnixTime::now());
        api.gate.sign_out(id);
        if let Some(caller) = caller {
            let deed = deed(&Method::DELETE, from).by(&caller.tenant, caller.key.as_ref());
            api.audit.note(&Deed { outcome: "204".to_owned(), ..deed }).await;
        }
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(&mut response, is_tls, "", "; Max-Age=0");
    Ok(response)
}

/// The session that a request may use; `None` where it shows none, or comes from another site.
pub(super) fn shown(request: &Request, is_tls: bool) -> Result<Option<&str>, Refusal> {
    let headers = request.headers();
    let Some(id) = cookie(headers, is_tls).filter(|_| request.uri().path().starts_with("/v1/")) else {
        return Ok(None);
    };
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    if reads(request.method()) && !headers.contains_key(header::UPGRADE) {
        return Ok(Some(id).filter(|_| matches!(site, None | Some("same-origin" | "none"))));
    }
    // That an origin which is given is ours, the guard has seen; a browser that says more is believed.
    let is_ours = site.map_or_else(|| headers.contains_key(header::ORIGIN), |site| site == "same-origin");
    if is_ours { Ok(Some(id)) } else { Err(error::origin_not_allowed()) }
}

/// Behind a proxy either name may come; over our own TLS only the one that no other host can set.
fn cookie(headers: &HeaderMap, is_tls: bool) -> Option<&str> {
    let pairs = || {
        let values = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='))
    };
    let named = |wanted: &str| pairs().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    named(COOKIE_TLS).or_else(|| named(COOKIE).filter(|_| !is_tls))
}

/// The browser's way here is TLS up to a proxy.
fn is_https(headers: &HeaderMap) -> bool {
    headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

/// The key of a sign-in. Nobody is let in yet, so little is read, and not for long.
async fn key(request: Request) -> Result<String, Refusal> {
    look_at_length(&request, BODY_BYTES_MAX)?;
    let body = timeout(BODY_WAIT, to_bytes(request.into_body(), BODY_BYTES_MAX)).await;
    let body = body.map_err(|_| error::too_slow())?.map_err(|_| error::too_large(BODY_BYTES_MAX))?;
    let wire::SignIn { key } = strict_json(&body)?;
    if key.is_empty() || key.chars().count() > KEY_CHARS_MAX {
        return Err(error::invalid_value("key", format!("a key has 1 to {KEY_CHARS_MAX} characters")));
    }
    Ok(key)
}

async fn view(api: &Api, caller: Option<&Caller>) -> Result<wire::SessionView, Refusal> {
    let open = api.gate.is_open();
    let Some(caller) = caller else { return Ok(wire::SessionView { open, ..wire::SessionView::default() }) };
    let record = match &caller.key {
        Some(key) => api.store.key(key.to_string()).await?,
        None => None,
    };
    let key_ends = record.as_ref().and_then(|key| key.expires);
    let ends = [caller.session.as_ref().map(|by| by.ends), key_ends].into_iter().flatten().min();
    let key = record.map(|key| wire::SessionKey {
        id: key.id.to_string(),
        name: key.name,
        scopes: super::wire::keys::scope_names(caller.scopes),
        expires_at: key.expires.map(render::time),
    });
    Ok(wire::SessionView {
        open,
        signed_in: caller.key.is_some(),
        tenant: Some(caller.tenant.to_string()),
        key,
        expires_at: ends.map(render::time),
    })
}

fn set_cookie(response: &mut Response, is_tls: bool, id: &str, more: &str) {
    let (name, secure) = if is_tls { (COOKIE_TLS, "; Secure") } else { (COOKIE, "") };
    if let Ok(value) = HeaderValue::try_from(format!("{name}={id}; Path=/; HttpOnly; SameSite=Strict{secure}{more}")) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
}

fn deed(method: &Method, from: IpAddr) -> Deed {
    let deed = Deed { what: format!("{method} {PATH}"), from: Some(from.to_canonical()), ..Deed::default() };
    deed.about(PATH)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn request(method: Method, path: &str, headers: &[(&str, &str)]) -> Request {
        let builder = Request::builder().method(method).uri(path);
        let add = |builder: axum::http::request::Builder, (name, value): &(&str, &str)| builder.header(*name, *value);
        headers.iter().fold(builder, add).body(Body::empty()).unwrap()
    }

    const HELD: (&str, &str) = ("cookie", "a=b; enclos_session=x");

    #[test]
    fn a_write_by_a_session_says_that_it_comes_from_here() {
        for method in [Method::POST, Method::DELETE, Method::PUT] {
            let alone = request(method.clone(), "/v1/jobs", &[HELD]);
            assert_eq!(shown(&alone, false).unwrap_err().code, "origin_not_allowed", "{method}");
            for ours in [("origin", "http://localhost:7300"), ("sec-fetch-site", "same-origin")] {
                assert_eq!(shown(&request(method.clone(), "/v1/jobs", &[HELD, ours]), false).unwrap(), Some("x"));
            }
            let other = request(method.clone(), "/v1/jobs", &[HELD, ("sec-fetch-site", "same-site")]);
            assert!(shown(&other, false).is_err(), "{method}");
        }
        let upgrade = request(Method::GET, "/v1/jobs/1/attach", &[HELD, ("upgrade", "websocket")]);
        assert!(shown(&upgrade, false).is_err(), "a WebSocket is no read");
    }

    #[test]
    fn a_read_of_another_site_is_one_without_a_session() {
        let with = |site| request(Method::GET, "/v1/jobs", &[HELD, ("sec-fetch-site", site)]);
        for ours in ["same-origin", "none"] {
            assert_eq!(shown(&with(ours), false).unwrap(), Some("x"));
        }
        for foreign in ["cross-site", "same-site", "something"] {
            assert_eq!(shown(&with(foreign), false).unwrap(), None, "{foreign}");
        }
        assert_eq!(shown(&request(Method::GET, "/v1/jobs", &[HELD]), false).unwrap(), Some("x"));
    }

    #[test]
    fn a_session_is_for_the_api_alone_and_over_tls_only_by_the_name_that_no_other_host_sets() {
        assert_eq!(shown(&request(Method::GET, "/metrics", &[HELD]), false).unwrap(), None);
        assert_eq!(shown(&request(Method::GET, "/v1/jobs", &[HELD]), true).unwrap(), None);
        let both = ("cookie", "enclos_session=x; __Host-enclos_session=y");
        for is_tls in [true, false] {
            assert_eq!(shown(&request(Method::GET, "/v1/jobs", &[both]), is_tls).unwrap(), Some("y"));
        }
    }
}
