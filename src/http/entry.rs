//! Who comes in: each request's key, its scope, its turn; and what is written down of it.
//!
//! What an operation needs stands in one table. What is in no table needs the highest scope, so that
//! a new operation is never open by oversight; a test walks over all of them.

use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Frame, SizeHint};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::doors::{mcp, piston};
use super::guard::reads;
use super::{Api, error, page, session};
use crate::access::Scope;
use crate::admission::Refusal;
use crate::gate::{Caller, Deed, Denied, Kept, TooMany};
use crate::listen::Peer;
use crate::store::UnixTime;
use crate::traces::Asked;

/// What an operation asks of who comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Need {
    /// Nothing: signs of life, and the description of the API.
    Nothing,
    /// Any key.
    AnyKey,
    /// A key with this scope.
    Scope(Scope),
}

/// What an operation needs, by its method and its path as the document has it; `None`: there is none.
pub(super) fn need(method: &Method, path: Option<&str>) -> Need {
    let Some(path) = path else { return Need::AnyKey };
    match path {
        "/healthz" | "/readyz" | "/version" | "/openapi.json" => Need::Nothing,
        path if page::has(path) => Need::Nothing,
        // Who begins a session has none; who they are the handlers find out.
        "/v1/session" => Need::Nothing,
        "/docs" | "/docs/style.css" | "/docs/copy.js" | "/docs/icon.svg" => Need::Nothing,
        // Each sees its own, and operators all.
        "/v1/usage" | "/v1/stats" | "/v1/stats/events" | "/v1/stats/history" => Need::AnyKey,
        path if piston::has(path) => piston::need(path),
        // Each tool asks for its own.
        mcp::PATH => Need::AnyKey,
        "/v1/jobs/wait" => Need::Scope(Scope::Read),
        // Who attaches may speak with the program.
        "/v1/jobs/{id}/attach" | "/v1/jobs/batch" => Need::Scope(Scope::Submit),
        "/v1/languages" => Need::Scope(Scope::Read),
        path if ["/v1/jobs", "/v1/blobs", "/v1/callbacks"].iter().any(|of| path.starts_with(of)) => {
            Need::Scope(if reads(method) { Scope::Read } else { Scope::Submit })
        }
        _ => Need::Scope(Scope::Operate),
    }
}

/// Whether it is written down who did it.
fn is_noted(method: &Method, path: &str) -> bool {
    match path {
        "/v1/jobs/wait" => false,
        path if piston::has(path) && path.trim_end_matches('/').ends_with("/connect") => true,
        // Most of what is said there does nothing; a call that makes a job is noted by itself.
        mcp::PATH => false,
        path => path.ends_with("/attach") || !reads(method),
    }
}

/// Whether what it does may end the key that asks for it, and must be answered all the same: the secret of a
/// new key is told once. Such requests are short, and look themselves whether their key still works.
fn is_about_keys(path: &str) -> bool {
    path.starts_with("/v1/keys") || path.starts_with("/v1/tenants")
}

/// Lets a request in, or refuses it.
pub(super) async fn enter(api: &Arc<Api>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let need = need(request.method(), path.as_deref());
    if need == Need::Nothing {
        return next.run(request).await;
    }
    let from = peer(&request);
    let (deed, is_noted) = deed(&request, path.as_deref(), from);
    let asked = Asked::of(request.headers());
    let caller = match admitted(api, &request, from) {
        Ok(caller) => Caller { asked, ..caller },
        Err((refusal, is_worth_noting)) => {
            note_refused(api, deed, &refusal, is_worth_noting).await;
            return refusal.into_response();
        }
    };
    if let Err(refusal) = take_turn(api, &caller) {
        return refusal.into_response();
    }
    let deed = deed.by(&caller.tenant, caller.key.as_ref());
    if let Need::Scope(scope) = need
        && !caller.may(scope)
    {
        api.audit.note_refusal(&Deed { outcome: "403".to_owned(), ..deed }).await;
        return error::missing_scope(scope).into_response();
    }
    let line =
        Line { api: Arc::clone(api), deed: is_noted.then(|| Deed { kept: kept(path.as_deref()), ..deed.clone() }) };
    let response = if path.as_deref().is_some_and(is_about_keys) {
        let mut request = request;
        request.extensions_mut().insert(caller.clone());
        Ok(next.run(request).await)
    } else {
        serve(&caller, request, next).await
    };
    match response {
        Ok(response) => {
            let made = response.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
            let (status, made) = (response.status(), made.map(str::to_owned));
            line.write(status, made, deed).await;
            response
        }
        // What it asked for may have been done all the same.
        Err(KeyEnded) => {
            drop(line);
            error::no_such_key().into_response()
        }
    }
}

/// From which address a request comes.
pub(super) fn peer(request: &Request) -> IpAddr {
    request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0)
}

/// Counts a key that was none, and has a line written where that is worth one.
pub(super) async fn note_refused(api: &Api, deed: Deed, refusal: &Refusal, is_worth_noting: bool) {
    api.metrics.logins_refused.increment();
    if is_worth_noting {
        tracing::warn!(from = ?deed.from, status = refusal.status, "a key was refused");
        api.audit.note_refusal(&Deed { outcome: refusal.status.to_string(), ..deed }).await;
    }
}

/// Paths by which tenants have jobs run.
const WORK: [&str; 5] = ["/v1/jobs", "/v1/blobs", "/v1/callbacks", "/api/v2", "/mcp"];

/// In which book it is written down.
fn kept(path: Option<&str>) -> Kept {
    // What there is not is nobody's deed, and anybody with a key can ask for it without end.
    let is_work = path.is_none_or(|path| WORK.iter().any(|prefix| path.starts_with(prefix)));
    if is_work { Kept::Jobs } else { Kept::Access }
}

/// The line of a request; written when it is dropped too: who hangs up has done it all the same.
struct Line {
    api: Arc<Api>,
    deed: Option<Deed>,
}

impl Line {
    /// Of what came of it, and where what was made is.
    async fn write(mut self, status: StatusCode, made: Option<String>, deed: Deed) {
        let (audit, outcome) = (Arc::clone(&self.api.audit), status.as_u16().to_string());
        let noted = self.deed.take();
        let is_noted = noted.is_some();
        let deed = noted.unwrap_or(deed);
        let deed = match made {
            Some(place) => deed.about(&place),
            None => deed,
        };
        if status == StatusCode::FORBIDDEN {
            audit.note_refusal(&Deed { outcome, kept: Kept::Access, ..deed }).await;
        } else if is_noted && !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            // Who had no place or no room has done nothing, and can do so a million times: it is counted.
            audit.note(&Deed { outcome, ..deed }).await;
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(deed) = self.deed.take() {
            self.api.audit.note_now(&Deed { outcome: "left".to_owned(), ..deed });
        }
    }
}

/// What the request does, and whether it is noted however it ends.
fn deed(request: &Request, path: Option<&str>, from: IpAddr) -> (Deed, bool) {
    let (method, path) = (request.method(), path.unwrap_or("(nothing)"));
    let deed = Deed { what: format!("{method} {path}"), from: Some(from.to_canonical()), ..Deed::default() };
    (deed.about(request.uri().path()), is_noted(method, path))
}

/// Who it is; a refusal, and whether it is worth a line. A client without a key is none: no one has
/// tried anything, and anybody can send millions.
pub(super) fn admitted(api: &Api, request: &Request, from: IpAddr) -> Result<Caller, (Refusal, bool)> {
    let is_open = api.gate.is_open();
    let shown = shown(request, is_open).map_err(|refusal| (refusal, false))?;
    // A key goes before a session; where neither is needed a cookie of before says nothing.
    if shown.is_none()
        && !is_open
        && let Some(id) = session::shown(request, api.is_tls).map_err(|refusal| (refusal, false))?
    {
        let caller = api.gate.admit_session(id, Instant::now(), UnixTime::now());
        return caller.ok_or_else(|| (error::session_over(), false));
    }
    let caller = api.gate.admit(shown, from, Instant::now(), UnixTime::now());
    caller.map_err(of_denied)
}

/// Why somebody is not let in, and whether that is worth a line.
pub(super) fn of_denied(denied: Denied) -> (Refusal, bool) {
    match denied {
        Denied::NoKey => (error::no_key(), false),
        Denied::NoSuchKey => (error::no_such_key(), true),
        // What was shown before is noted; what comes meanwhile is bounded by nothing.
        Denied::Shut(retry_after) => (error::logins_shut(retry_after), false),
    }
}

/// The caller's turn, by the rate of its tenant.
pub(super) fn take_turn(api: &Api, caller: &Caller) -> Result<(), Refusal> {
    let turn = api.gate.take_turn(caller, Instant::now());
    turn.map_err(|TooMany { maximum, retry_after }| error::rate_limited(maximum, retry_after))
}

/// The key that a request shows. Where nobody needs one, what is of another kind is left alone: a
/// proxy in front may have asked for it.
fn shown(request: &Request, is_open: bool) -> Result<Option<&str>, Refusal> {
    let mut values = request.headers().get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let takes_bare = !is_open && piston::has(request.uri().path());
    let bearer = value.to_str().ok().and_then(|text| match text.split_once(' ') {
        Some((scheme, key)) => scheme.eq_ignore_ascii_case("bearer").then_some(key.trim()),
        // As clients of Piston send it.
        None => takes_bare.then_some(text),
    });
    match bearer {
        Some(key) if values.next().is_none() => Ok(Some(key)),
        _ if is_open => Ok(None),
        _ => Err(error::unauthorized("send one 'authorization: Bearer <key>'")),
    }
}

/// Serves it for as long as its key works, its answer included.
async fn serve(caller: &Caller, mut request: Request, next: Next) -> Result<Response, KeyEnded> {
    request.extensions_mut().insert(caller.clone());
    match caller.ended.run_until_cancelled(next.run(request)).await {
        Some(response) => Ok(response.map(|inner| {
            if inner.is_end_stream() || inner.size_hint().exact().is_some_and(|bytes| bytes <= WHOLE_BYTES_MAX) {
                return inner;
            }
            Body::new(Until { inner, ended: Box::pin(caller.ended.clone().cancelled_owned()) })
        })),
        None => Err(KeyEnded),
    }
}

/// Answers up to this are handed over at once, in bytes.
const WHOLE_BYTES_MAX: u64 = 16 * 1024;

/// An answer that breaks off when its reader's key ends.
struct Until {
    inner: Body,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// The key of who reads an answer has ended.
#[derive(Debug, thiserror::Error)]
#[error("the key has ended")]
struct KeyEnded;

impl HttpBody for Until {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.ended.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(axum::Error::new(KeyEnded))));
        }
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_no_table_needs_the_highest_scope() {
        assert_eq!(need(&Method::GET, Some("/v1/secrets")), Need::Scope(Scope::Operate));
        assert_eq!(need(&Method::GET, Some("/v1/agents")), Need::Scope(Scope::Operate));
        assert_eq!(need(&Method::GET, Some("/metrics")), Need::Scope(Scope::Operate));
        assert_eq!(need(&Method::GET, None), Need::AnyKey);
    }

    #[test]
    fn who_reads_may_not_write() {
        for (method, path, scope) in [
            (Method::GET, "/v1/jobs", Scope::Read),
            (Method::POST, "/v1/jobs", Scope::Submit),
            (Method::POST, "/v1/jobs/wait", Scope::Read),
            (Method::DELETE, "/v1/jobs/{id}", Scope::Submit),
            (Method::GET, "/v1/jobs/{id}/attach", Scope::Submit),
            (Method::HEAD, "/v1/blobs/{sha256}", Scope::Read),
            (Method::DELETE, "/v1/blobs/{sha256}", Scope::Submit),
            (Method::GET, "/v1/callbacks", Scope::Read),
            (Method::POST, "/v1/callbacks/{id}/retry", Scope::Submit),
            (Method::POST, "/api/v2/piston/execute", Scope::Submit),
            (Method::GET, "/api/v2/piston/connect/", Scope::Submit),
            (Method::GET, "/api/v2/runtimes", Scope::Read),
            (Method::POST, "/api/v2/packages/", Scope::Read),
            (Method::GET, "/api/v2/piston/secrets", Scope::Operate),
        ] {
            assert_eq!(need(&method, Some(path)), Need::Scope(scope), "{method} {path}");
        }
    }

    #[test]
    fn who_speaks_with_a_program_is_noted_and_who_reads_is_not() {
        for path in ["/v1/jobs/{id}/attach", "/api/v2/piston/connect", "/api/v2/connect/"] {
            assert!(is_noted(&Method::GET, path), "{path}");
        }
        for path in ["/v1/jobs/{id}", "/api/v2/piston/runtimes/", "/v1/connect"] {
            assert!(!is_noted(&Method::GET, path), "{path}");
        }
        assert!(is_noted(&Method::POST, "/api/v2/piston/execute"));
    }

    #[test]
    fn a_key_is_shown_once_and_as_a_bearers() {
        let request = |values: &[&str]| {
            let add = |request: axum::http::request::Builder, value: &&str| request.header("authorization", *value);
            values.iter().fold(Request::builder(), add).body(Body::empty()).unwrap()
        };
        assert_eq!(shown(&request(&["Bearer abc"]), false).unwrap(), Some("abc"));
        assert_eq!(shown(&request(&["bearer  abc "]), false).unwrap(), Some("abc"));
        assert_eq!(shown(&request(&[]), false).unwrap(), None);
        for bad in [&["Basic abc"][..], &["Bearer"], &["abc"], &["Bearer a", "Bearer a"]] {
            assert_eq!(shown(&request(bad), false).unwrap_err().status, 401, "{bad:?}");
            assert_eq!(shown(&request(bad), true).unwrap(), None, "{bad:?}");
        }
        let mut bare = request(&["abc"]);
        *bare.uri_mut() = "/api/v2/piston/execute".parse().unwrap();
        assert_eq!(shown(&bare, false).unwrap(), Some("abc"), "as clients of Piston send it");
        assert_eq!(shown(&bare, true).unwrap(), None);
    }
}
