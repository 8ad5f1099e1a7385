//! The page: one document and its assets, as `enclos-web` embeds them.
//!
//! They are served to anybody: what they show they ask the API for, with a session. The document's
//! policy lets nothing run or load but what this service sends; nothing in it is inline.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use enclos_web::{FILES, File};

use super::Api;

/// Only what this very service sends, no frame around it, and no text that becomes a script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'none'; \
                      base-uri 'none'; frame-ancestors 'none'; object-src 'none'; \
                      require-trusted-types-for 'script'";
/// What a page may ask a browser for, and this one never does.
const PERMISSIONS: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
                           hid=(), microphone=(), midi=(), payment=(), publickey-credentials-get=(), \
                           screen-wake-lock=(), serial=(), usb=(), web-share=(), xr-spatial-tracking=()";
/// For names that hold a hash: a year.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Its routes.
pub(super) fn routes() -> Router<Arc<Api>> {
    let serve = |file: &'static File| get(move |headers: HeaderMap| async move { answer(file, &headers) });
    FILES.iter().fold(Router::new(), |router, file| router.route(file.path, serve(file)))
}

/// Whether a path is the page's.
pub(super) fn has(path: &str) -> bool {
    FILES.iter().any(|file| file.path == path)
}

/// How the bytes of a file are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Coding {
    Brotli,
    Gzip,
    Plain,
}

impl Coding {
    const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Plain => "identity",
        }
    }
}

fn answer(file: &'static File, asked: &HeaderMap) -> Response {
    let (coding, bytes) = chosen(file, asked);
    // One form of the bytes is not another (RFC 9110, 8.8.3.3).
    let etag = format!("\"{}-{}\"", file.hash, coding.name());
    let is_known = names(asked, &header::IF_NONE_MATCH)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag);
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = (StatusCode::OK, Body::from(bytes)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(file.media_type));
        if coding != Coding::Plain {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        }
        response
    };
    let headers = response.headers_mut();
    let cached = if file.is_immutable { FOR_EVER } else { "no-cache" };
    for (name, value) in [
        (header::CACHE_CONTROL, cached),
        (header::VARY, "accept-encoding"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), PERMISSIONS),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(etag) = HeaderValue::try_from(etag) {
        headers.insert(header::ETAG, etag);
    }
    response
}

/// The shortest form that the client takes.
fn chosen(file: &'static File, asked: &HeaderMap) -> (Coding, &'static [u8]) {
    let forms = [(Coding::Brotli, file.brotli), (Coding::Gzip, file.gzip)];
    let taken = forms.into_iter().find_map(|(coding, bytes)| Some((coding, bytes.filter(|_| takes(asked, coding))?)));
    taken.unwrap_or((Coding::Plain, file.plain))
}

fn takes(asked: &HeaderMap, coding: Coding) -> bool {
    let mut any = false;
    for part in names(asked, &header::ACCEPT_ENCODING) {
        let (name, weight) = part.split_once(';').unwrap_or((part, ""));
        let weight = weight.trim().strip_prefix("q=").unwrap_or("1").trim().parse::<f32>().unwrap_or(0.0);
        match name.trim() {
            name if name.eq_ignore_ascii_case(coding.name()) => return weight > 0.0,
            "*" => any = weight > 0.0,
            _ => {}
        }
    }
    any
}

/// The members of a list in a header, however many times it stands there.
fn names<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    static ASSET: File = File {
        path: "/assets/a-123.js",
        media_type: "text/javascript; charset=utf-8",
        is_immutable: true,
        hash: "abc",
        plain: b"plain plain",
        brotli: Some(b"br"),
        gzip: Some(b"gzip"),
    };

    fn asked(name: HeaderName, value: &'static str) -> HeaderMap {
        [(name, HeaderValue::from_static(value))].into_iter().collect()
    }

    #[test]
    fn the_shortest_form_that_the_client_takes_is_sent() {
        for (accepted, coding) in [
            ("gzip, deflate, br, zstd", Coding::Brotli),
            ("GZIP", Coding::Gzip),
            ("br;q=0, gzip;q=0.5", Coding::Gzip),
            ("*", Coding::Brotli),
            ("br;q=0, *;q=0", Coding::Plain),
            ("identity", Coding::Plain),
            ("", Coding::Plain),
        ] {
            assert_eq!(chosen(&ASSET, &asked(header::ACCEPT_ENCODING, accepted)).0, coding, "{accepted}");
        }
        assert_eq!(chosen(&ASSET, &HeaderMap::new()).0, Coding::Plain);
    }

    #[test]
    fn what_a_browser_has_is_not_sent_again_and_another_form_of_it_is() {
        let mut headers = asked(header::IF_NONE_MATCH, "\"old\", W/\"abc-br\"");
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("br"));
        let known = answer(&ASSET, &headers);
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(known.headers()[header::ETAG], "\"abc-br\"");
        assert!(known.headers().contains_key(header::CACHE_CONTROL));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(answer(&ASSET, &headers).status(), StatusCode::OK);
    }

    #[test]
    fn every_file_comes_with_the_headers_that_keep_others_out_of_it() {
        for file in FILES {
            let response = answer(file, &HeaderMap::new());
            let headers = response.headers();
            let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"), "{policy}");
            assert!(
                !policy.contains("-inline")
                    && !policy.contains("-eval")
                    && !policy.contains("http")
                    && !policy.contains(" * "),
                "{policy}"
            );
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
                ("vary", "accept-encoding"),
                ("content-type", file.media_type),
                ("cache-control", if file.is_immutable { FOR_EVER } else { "no-cache" }),
            ] {
                assert_eq!(headers[name], value, "{}: {name}", file.path);
            }
            assert!(headers["permissions-policy"].to_str().unwrap().contains("camera=()"));
            assert!(!headers.contains_key(header::CONTENT_ENCODING) && headers.contains_key(header::ETAG));
        }
    }
}
