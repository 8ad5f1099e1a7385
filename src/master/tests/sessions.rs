//! Sessions of browsers, over the real port.

use futures::StreamExt as _;
use reqwest::Method;
use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};

use super::keys::Keyed;
use super::*;
use crate::access::{FAILURES_MAX, SESSIONS_OF_KEY_MAX, Secret, Setting};
use crate::store::UnixTime;

/// Longest that what a session has going on may go on after its end.
const ENDED_WITHIN: Duration = Duration::from_secs(5);

impl Running {
    /// As a browser on the page sends it: with its cookie, and where it writes with its origin.
    async fn by_cookie(&self, cookie: &str, method: Method, path: &str) -> Response {
        let request = self.http.request(method.clone(), format!("{}{path}", self.url)).header(COOKIE, cookie);
        let request = if method == Method::GET { request } else { request.header(ORIGIN, &self.url) };
        let request = if method == Method::POST { request.json(&python()) } else { request };
        timeout(LONG, request.send()).await.expect("it is answered").unwrap()
    }

    async fn sign_in(&self, key: &str) -> Response {
        self.post("/v1/session", &json!({ "key": key })).await
    }

    /// The cookie of a session that begins with this key.
    async fn session(&self, key: &Secret) -> String {
        let response = self.sign_in(key.expose()).await;
        assert_eq!(response.status(), 200);
        response.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_with_a_key_and_its_cookie_stands_for_it_until_it_signs_out() {
    let mut keyed = Keyed::new().await;
    let before = keyed.running.get("/v1/session").await;
    assert_eq!(
        (&before["open"], &before["signed_in"], &before["tenant"]),
        (&true.into(), &false.into(), &"default".into())
    );
    let (id, key) = keyed.key("a", "submit,read").await;
    let running = &keyed.running;
    let nobody = running.get("/v1/session").await;
    assert_eq!(
        (&nobody["open"], &nobody["signed_in"], &nobody["tenant"]),
        (&false.into(), &false.into(), &Value::Null)
    );

    let response = running.sign_in(key.expose()).await;
    let set = response.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(set.starts_with("enclos_session=") && set.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{set}");
    let view: Value = response.json().await.unwrap();
    assert_eq!(
        (&view["tenant"], &view["key"]["id"], &view["key"]["scopes"]),
        (&"a".into(), &id.into(), &json!(["submit", "read"]))
    );
    assert!(view["expires_at"].is_string() && !format!("{set}{view}").contains(key.expose()));

    let cookie = set.split(';').next().unwrap();
    let made = running.by_cookie(cookie, Method::POST, "/v1/jobs").await;
    assert_eq!(made.status(), 201);
    let job = id_of(&made.json().await.unwrap());
    let mine: Value = running.by_cookie(cookie, Method::GET, "/v1/jobs").await.json().await.unwrap();
    assert_eq!(mine["jobs"][0]["id"], job.as_str());
    let seen: Value = running.by_cookie(cookie, Method::GET, "/v1/session").await.json().await.unwrap();
    assert_eq!(seen, view);
    assert_eq!(running.by_cookie(cookie, Method::GET, "/v1/agents").await.status(), 403, "scopes as with the key");
    assert_eq!(running.by_cookie(cookie, Method::GET, "/metrics").await.status(), 401, "for the API alone");

    let out = running.by_cookie(cookie, Method::DELETE, "/v1/session").await;
    assert_eq!(out.status(), 204);
    assert!(out.headers()[SET_COOKIE].to_str().unwrap().ends_with("; Max-Age=0"));
    assert_eq!(running.by_cookie(cookie, Method::GET, "/v1/jobs").await.status(), 401);
    assert_eq!(running.by_cookie(cookie, Method::DELETE, "/v1/session").await.status(), 204, "again and again");

    let cookie = cookie.to_owned();
    keyed.running.end().await;
    let audit = std::fs::read_to_string(keyed.dir.path().join("audit.jsonl")).unwrap();
    for line in [
        "POST /v1/session\",\"target\":\"/v1/session\",\"outcome\":\"200",
        "DELETE /v1/session\",\"target\":\"/v1/session\",\"outcome\":\"204",
    ] {
        assert!(audit.contains(line), "{line} is not in {audit}");
    }
    let value = cookie.split_once('=').unwrap().1;
    assert!(!audit.contains(key.expose()) && !audit.contains(value));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tenants_session_shows_nothing_of_another() {
    let mut keyed = Keyed::new().await;
    let (_, one) = keyed.key("one", "submit,read").await;
    let (_, other) = keyed.key("other", "submit,read").await;
    let (one, other) = (keyed.running.session(&one).await, keyed.running.session(&other).await);
    let made = keyed.running.by_cookie(&one, Method::POST, "/v1/jobs").await;
    let job = id_of(&made.json().await.unwrap());
    for (cookie, status) in [(&one, 200), (&other, 404)] {
        let shown = keyed.running.by_cookie(cookie, Method::GET, &format!("/v1/jobs/{job}")).await;
        assert_eq!(shown.status(), status);
    }
    keyed.running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_cannot_be_used_by_a_page_of_another_origin() {
    let mut keyed = Keyed::new().await;
    let (_, key) = keyed.key("a", "submit,read,operate").await;
    let running = &keyed.running;
    let cookie = running.session(&key).await;
    let ask = async |method: Method, path: &str, more: &[(&str, &str)]| {
        let request = running.http.request(method.clone(), format!("{}{path}", running.url)).header(COOKIE, &cookie);
        let request = more.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = if method == Method::POST { request.json(&python()) } else { request };
        request.send().await.unwrap().status().as_u16()
    };
    let (evil, own) = (("origin", "http://evil.example"), ("origin", running.url.as_str()));
    for method in [Method::POST, Method::DELETE] {
        let path = if method == Method::POST { "/v1/jobs" } else { "/v1/session" };
        assert_eq!(ask(method.clone(), path, &[]).await, 403, "{method} that does not say where it comes from");
        assert_eq!(ask(method.clone(), path, &[evil]).await, 403, "{method}");
        assert_eq!(ask(method, path, &[("sec-fetch-site", "cross-site")]).await, 403);
    }
    assert_eq!(ask(Method::POST, "/v1/jobs", &[own]).await, 201);
    for site in ["cross-site", "same-site"] {
        assert_eq!(ask(Method::GET, "/v1/jobs", &[("sec-fetch-site", site)]).await, 401, "{site}");
    }
    assert_eq!(ask(Method::GET, "/v1/jobs", &[("sec-fetch-site", "same-origin")]).await, 200);
    let attach = format!("/v1/jobs/{}/attach", uuid::Uuid::now_v7());
    let upgrade = [("upgrade", "websocket"), ("connection", "upgrade")];
    assert_eq!(ask(Method::GET, &attach, &upgrade).await, 403, "a WebSocket says where it comes from");
    assert_eq!(ask(Method::GET, &attach, &[upgrade[0], upgrade[1], own]).await, 404, "and is let in then");
    keyed.running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_shown_goes_before_a_session() {
    let mut keyed = Keyed::new().await;
    let (_, one) = keyed.key("one", "submit,read").await;
    let (_, other) = keyed.key("other", "read").await;
    let running = &keyed.running;
    let cookie = running.session(&one).await;
    let asked = running.http.get(format!("{}/v1/session", running.url)).header(COOKIE, &cookie);
    let view: Value = asked.bearer_auth(other.expose()).send().await.unwrap().json().await.unwrap();
    assert_eq!((&view["tenant"], &view["signed_in"]), (&"other".into(), &true.into()));
    let wrong = running.http.get(format!("{}/v1/session", running.url)).header(COOKIE, &cookie).bearer_auth("x");
    assert_eq!(wrong.send().await.unwrap().status(), 401, "and is not replaced by it");
    keyed.running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_has_going_on_ends_with_its_key_and_with_its_sign_out() {
    let mut keyed = Keyed::new().await;
    let (id, key) = keyed.key("a", "submit,read").await;
    let (_, kept) = keyed.key("a", "submit,read").await;
    let job = {
        let made = keyed.running.http.post(format!("{}/v1/jobs", keyed.running.url)).bearer_auth(kept.expose());
        id_of(&made.json(&python()).send().await.unwrap().json().await.unwrap())
    };
    let (out, revoked) = (keyed.running.session(&kept).await, keyed.running.session(&key).await);
    let events = format!("/v1/jobs/{job}/events");
    let mut streams = Vec::new();
    for cookie in [&out, &revoked] {
        let response = keyed.running.by_cookie(cookie, Method::GET, &events).await;
        let mut stream = response.bytes_stream();
        stream.next().await.expect("the job waits").unwrap();
        streams.push(stream);
    }
    let ended = async |stream: &mut (dyn futures::Stream<Item = reqwest::Result<_>> + Unpin)| {
        let end = async { while let Some(Ok::<axum::body::Bytes, _>(_)) = stream.next().await {} };
        timeout(ENDED_WITHIN, end).await.is_ok()
    };
    keyed.running.by_cookie(&out, Method::DELETE, "/v1/session").await;
    assert!(ended(&mut streams[0]).await, "signed out");
    assert_eq!(keyed.running.by_cookie(&revoked, Method::GET, &events).await.status(), 200);
    let (_, change) = keyed.desk.revoke(&id, UnixTime::now()).unwrap();
    keyed.told(change).await;
    assert_eq!(keyed.running.by_cookie(&revoked, Method::GET, "/v1/jobs").await.status(), 401);
    assert!(ended(&mut streams[1]).await, "its key was revoked");
    keyed.running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_none_are_slowed_at_the_sign_in_as_elsewhere_and_others_come_in() {
    let mut keyed = Keyed::new().await;
    let (_, key) = keyed.key("a", "read").await;
    for n in 0..FAILURES_MAX {
        let refused = keyed.running.sign_in(Secret::generate().expose()).await;
        assert_eq!(refused.status(), 401, "{n}");
        assert!(!refused.headers().contains_key(SET_COOKIE));
    }
    let slowed = keyed.running.sign_in("not even of the form of a key").await;
    assert_eq!(slowed.status(), 429);
    assert!(slowed.headers().contains_key("retry-after"));
    assert_eq!(keyed.running.sign_in(key.expose()).await.status(), 200, "one that works comes in all the same");
    keyed.running.end().await;
    let audit = std::fs::read_to_string(keyed.dir.path().join("audit.jsonl")).unwrap();
    assert!(audit.lines().filter(|line| line.contains("POST /v1/session") && line.contains("\"401\"")).count() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_takes_its_tenants_turns_and_there_are_so_many_of_one_key() {
    let mut keyed = Keyed::new().await;
    let (_, key) = keyed.key("a", "read").await;
    let first = keyed.running.session(&key).await;
    for _ in 0..SESSIONS_OF_KEY_MAX {
        keyed.running.session(&key).await;
    }
    assert_eq!(keyed.running.by_cookie(&first, Method::GET, "/v1/jobs").await.status(), 401, "it gave way");
    let last = keyed.running.session(&key).await;
    keyed.set("a", |settings| settings.requests_per_second = Setting::At(1)).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(keyed.running.by_cookie(&last, Method::GET, "/v1/jobs").await.status().as_u16());
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    keyed.running.end().await;
}
