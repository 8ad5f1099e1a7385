//! Keys, tenants and quotas, over the real port.

use enclos_protocol::outcome::Outcome;
use futures::StreamExt as _;
use reqwest::Method;
use tokio::time::Instant;

use super::*;
use crate::access::{Secret, SettingArgs, Settings};
use crate::store::{Desk, NewKey, UnixTime};

/// Longest that a stream may live after its key was revoked.
const REVOKED_WITHIN: Duration = Duration::from_secs(1);

/// A master with keys, and the desk beside it.
pub(super) struct Keyed {
    pub(super) running: Running,
    pub(super) desk: Desk,
    pub(super) dir: TempDir,
}

impl Keyed {
    pub(super) async fn new() -> Self {
        let (running, dir) = Running::new().await;
        let desk = Desk::open(dir.path()).unwrap();
        Self { running, desk, dir }
    }

    pub(super) async fn told(&self, change: u64) {
        assert_eq!(self.desk.told(change).await.unwrap(), crate::store::Told::Seen);
    }

    pub(super) async fn key(&mut self, tenant: &str, scopes: &str) -> (String, Secret) {
        let (tenant, scopes) = (tenant.parse().unwrap(), scopes.parse().unwrap());
        let new = NewKey { tenant, name: String::new(), scopes, lasts: None };
        let (key, secret, change) = self.desk.create(new, UnixTime::now()).unwrap();
        self.told(change).await;
        (key.id.to_string(), secret)
    }

    pub(super) async fn set(&mut self, tenant: &str, change: impl Fn(&mut Settings)) {
        let (_, number) = self.desk.set(&tenant.parse().unwrap(), change).unwrap();
        self.told(number).await;
    }

    async fn ask(&self, key: Option<&Secret>, method: Method, path: &str, body: Option<&Value>) -> Response {
        let mut request = self.running.http.request(method, format!("{}{path}", self.running.url));
        if let Some(key) = key {
            request = request.bearer_auth(key.expose());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        timeout(LONG, request.send()).await.expect("it is answered").unwrap()
    }

    async fn get(&self, key: &Secret, path: &str) -> (u16, Value) {
        parts(self.ask(Some(key), Method::GET, path, None).await).await
    }

    async fn submit(&self, key: &Secret) -> (u16, Value) {
        parts(self.ask(Some(key), Method::POST, "/v1/jobs", Some(&python())).await).await
    }
}

async fn parts(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_keys_every_call_needs_one_with_its_scope_and_signs_of_life_do_not() {
    let mut keyed = Keyed::new().await;
    assert_eq!(keyed.ask(None, Method::GET, "/v1/jobs", None).await.status(), 200, "no key was made yet");
    let (_, submits) = keyed.key("a", "submit").await;
    let (_, reads) = keyed.key("a", "read").await;
    let (_, operates) = keyed.key("a", "operate").await;
    let document: Value = keyed.ask(None, Method::GET, "/openapi.json", None).await.json().await.unwrap();
    let mut walked = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let real = path.replace("{id}", &uuid::Uuid::now_v7().to_string()).replace("{sha256}", &"0".repeat(64));
            let real = real.replace("{name}", "nobody").replace("{path}", "x");
            let method: Method = method.to_uppercase().parse().unwrap();
            let body = json!({});
            let body = (method == Method::POST).then_some(&body);
            let status = async |key: Option<&Secret>| keyed.ask(key, method.clone(), &real, body).await.status();
            let open = operation["security"].as_array().unwrap().is_empty();
            let is_entry = path == "/v1/session";
            assert_eq!(open, is_entry || (!path.starts_with("/v1/") && path != "/metrics"), "{path}");
            assert_eq!(status(None).await == 401, !open, "{method} {path}");
            for (scope, key) in [("submit", &submits), ("read", &reads), ("operate", &operates)] {
                let needed = operation["x-scope"].as_str();
                let forbidden = needed.is_some_and(|needed| needed != scope);
                assert_eq!(status(Some(key)).await == 403, forbidden, "{method} {path} with {scope}");
            }
            walked += 1;
        }
    }
    assert_eq!(walked, 38);
    let refused = keyed.ask(None, Method::GET, "/v1/jobs", None).await;
    assert_eq!(refused.headers()["www-authenticate"], "Bearer realm=\"enclos\"");
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "unauthorized");
    keyed.running.end().await;
}

/// Everything that one tenant has, asked for by another on every route that names it.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_tenant_has_is_unknown_to_another_on_every_route() {
    let mut keyed = Keyed::new().await;
    let (_, mine) = keyed.key("a", "submit,read").await;
    let (_, yours) = keyed.key("b", "submit,read,operate").await;
    let body = json!({ "language": "python", "source": "input()", "labels": { "k": "v" }, "run": { "attach": true } });
    let with_key = |key: &Secret, idempotency: &str| {
        let request = keyed.running.http.post(format!("{}/v1/jobs", keyed.running.url)).json(&body);
        request.bearer_auth(key.expose()).header("idempotency-key", idempotency).send()
    };
    let job = id_of(&with_key(&mine, "same").await.unwrap().json().await.unwrap());
    let upload = |key: &Secret| {
        let request = keyed.running.http.post(format!("{}/v1/blobs", keyed.running.url)).body("secret input");
        request.bearer_auth(key.expose()).header("content-type", "application/octet-stream").send()
    };
    let blob: Value = upload(&mine).await.unwrap().json().await.unwrap();
    let blob = blob["sha256"].as_str().unwrap().to_owned();

    let nobody = uuid::Uuid::now_v7().to_string();
    for (method, path) in [
        (Method::GET, "/v1/jobs/{id}"),
        (Method::GET, "/v1/jobs/{id}?wait_ms=60000"),
        (Method::GET, "/v1/jobs/{id}/events"),
        (Method::GET, "/v1/jobs/{id}/attach"),
        (Method::GET, "/v1/jobs/{id}/files/out.txt"),
        (Method::POST, "/v1/jobs/{id}/cancel"),
        (Method::DELETE, "/v1/jobs/{id}"),
    ] {
        let empty = json!({});
        let body = (method == Method::POST).then_some(&empty);
        let theirs = parts(keyed.ask(Some(&yours), method.clone(), &path.replace("{id}", &job), body).await).await;
        let none = parts(keyed.ask(Some(&yours), method.clone(), &path.replace("{id}", &nobody), body).await).await;
        assert_eq!(theirs.0, 404, "{method} {path}: {theirs:?}");
        assert_eq!(theirs, none, "the same answer as for what there is not: {method} {path}");
    }
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(keyed.ask(Some(&yours), method, &format!("/v1/blobs/{blob}"), None).await.status(), 404);
    }
    keyed.ask(Some(&yours), Method::DELETE, &format!("/v1/blobs/{blob}"), None).await;
    assert_eq!(keyed.ask(Some(&mine), Method::HEAD, &format!("/v1/blobs/{blob}"), None).await.status(), 200);
    let use_of = json!({ "language": "python", "source": "", "stdin_blob": blob });
    let refused = parts(keyed.ask(Some(&yours), Method::POST, "/v1/jobs", Some(&use_of)).await).await;
    assert_eq!((refused.0, &refused.1["code"]), (422, &json!("unknown_blob")));
    let in_batch = json!({ "jobs": [use_of] });
    let batch = parts(keyed.ask(Some(&yours), Method::POST, "/v1/jobs/batch", Some(&in_batch)).await).await;
    assert_eq!(batch.1["jobs"][0]["problem"]["code"], "unknown_blob", "{batch:?}");
    for list in ["", "?label=k=v", "?state=queued", "?language=python", "?state=queued&label=k=v"] {
        assert_eq!(keyed.get(&yours, &format!("/v1/jobs{list}")).await.1["jobs"], json!([]), "{list}");
        assert_eq!(keyed.get(&mine, &format!("/v1/jobs{list}")).await.1["jobs"][0]["id"], job, "{list}");
    }
    let waited = keyed.ask(Some(&yours), Method::POST, "/v1/jobs/wait", Some(&json!({ "ids": [job] }))).await;
    let line: Value = serde_json::from_str(waited.text().await.unwrap().trim()).unwrap();
    assert_eq!(line["problem"]["code"], "not_found", "at once, and not at its end");
    let other = id_of(&with_key(&yours, "same").await.unwrap().json().await.unwrap());
    assert_ne!(other, job, "an idempotency key is a tenant's own");
    assert_eq!(keyed.get(&mine, &format!("/v1/jobs/{job}")).await.1["state"], "queued", "nothing of it did anything");
    keyed.running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_and_its_streams_end_within_a_second() {
    let mut keyed = Keyed::new().await;
    let (id, key) = keyed.key("a", "submit,read").await;
    let (_, other) = keyed.key("a", "submit,read").await;
    let job = id_of(&keyed.submit(&key).await.1);
    let open = async |key: &Secret, path: &str| {
        let mut events = keyed.ask(Some(key), Method::GET, path, None).await;
        assert_eq!(events.status(), 200);
        events.chunk().await.unwrap().expect("the first event comes");
        events
    };
    let path = format!("/v1/jobs/{job}/events");
    let (mut events, mut others) = (open(&key, &path).await, open(&other, &path).await);
    let waits = keyed.ask(Some(&key), Method::POST, "/v1/jobs/wait", Some(&json!({ "ids": [job] }))).await;
    let mut request = tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(
        format!("{}/v1/jobs/{job}/attach", keyed.running.url.replacen("http", "ws", 1)).as_str(),
    )
    .unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {}", key.expose()).parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
    let poll = format!("/v1/jobs/{job}?wait_ms=60000");
    let polled = keyed.ask(Some(&key), Method::GET, &poll, None);

    let began = Instant::now();
    let revoking = async {
        let (_, change) = keyed.desk_beside().revoke(&id, UnixTime::now()).unwrap();
        keyed.told(change).await;
    };
    let ends = async {
        let (polled, ()) = tokio::join!(polled, revoking);
        assert_eq!(polled.status(), 401, "a long poll is answered");
        while let Ok(Some(_)) = events.chunk().await {}
        assert!(waits.text().await.is_err(), "it breaks off");
        let closed = loop {
            match socket.next().await {
                Some(Ok(tokio_tungstenite::tungstenite::Message::Close(Some(frame)))) => break u16::from(frame.code),
                Some(Ok(_)) => {}
                other => panic!("it is closed with a code: {other:?}"),
            }
        };
        assert_eq!(closed, 4401);
    };
    timeout(LONG, ends).await.expect("all of them end");
    let took = began.elapsed();
    println!("a poll, an event stream, a wait and a conversation ended {took:?} after the key was revoked");
    assert!(took < REVOKED_WITHIN * 5, "{took:?}");
    assert_eq!(keyed.get(&key, "/v1/jobs").await.0, 401);
    assert!(timeout(Duration::from_millis(300), others.chunk()).await.is_err(), "another key's stream goes on");
    keyed.running.end().await;
}

impl Keyed {
    fn desk_beside(&self) -> Desk {
        Desk::open(self.dir.path()).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_works_with_both_secrets_until_its_grace_is_over() {
    let mut keyed = Keyed::new().await;
    let (id, old) = keyed.key("a", "read").await;
    let (_, new, change) = keyed.desk.rotate(&id, LONG, UnixTime::now()).unwrap();
    keyed.told(change).await;
    assert_eq!((keyed.get(&old, "/v1/jobs").await.0, keyed.get(&new, "/v1/jobs").await.0), (200, 200));
    let (_, newest, change) = keyed.desk.rotate(&id, Duration::ZERO, UnixTime::now()).unwrap();
    keyed.told(change).await;
    for (secret, status) in [(&old, 401), (&new, 401), (&newest, 200)] {
        assert_eq!(keyed.get(secret, "/v1/jobs").await.0, status);
    }
    keyed.running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_expires_ends_by_itself() {
    let mut keyed = Keyed::new().await;
    let lasts = Some(Duration::from_millis(1500));
    let new =
        NewKey { tenant: "a".parse().unwrap(), name: String::new(), scopes: "submit,read".parse().unwrap(), lasts };
    let (_, secret, change) = keyed.desk.create(new, UnixTime::now()).unwrap();
    keyed.told(change).await;
    let job = id_of(&keyed.submit(&secret).await.1);
    let mut events = keyed.ask(Some(&secret), Method::GET, &format!("/v1/jobs/{job}/events"), None).await;
    let end = async { while let Ok(Some(_)) = events.chunk().await {} };
    timeout(LONG, end).await.expect("its stream ends");
    assert_eq!(keyed.get(&secret, "/v1/jobs").await.0, 401);
    keyed.running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_quota_says_which_it_is_how_much_and_when_to_come_back() {
    let mut keyed = Keyed::new().await;
    let (_, key) = keyed.key("a", "submit,read").await;
    let (_, other) = keyed.key("b", "submit,read").await;
    let refused = |answer: (u16, Value), code: &str, quota: &str, maximum: u64| {
        assert_eq!((answer.0, answer.1["code"].as_str()), (429, Some(code)), "{answer:?}");
        assert_eq!((answer.1["quota"].as_str(), answer.1["maximum"].as_u64()), (Some(quota), Some(maximum)));
        assert!(answer.1["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{answer:?}");
    };
    keyed.set("a", args("--queued-jobs 2 --languages python,c --dependencies deny").into_change()).await;
    let java = json!({ "language": "java", "source": "class Main {}" });
    let denied = parts(keyed.ask(Some(&key), Method::POST, "/v1/jobs", Some(&java)).await).await;
    assert_eq!((denied.0, &denied.1["code"], &denied.1["field"]), (403, &json!("language_denied"), &json!("language")));
    let needs = json!({ "language": "python", "source": "", "dependencies": { "python": ["numpy"] } });
    let denied = parts(keyed.ask(Some(&key), Method::POST, "/v1/jobs", Some(&needs)).await).await;
    assert_eq!((denied.0, &denied.1["code"]), (403, &json!("dependencies_denied")));

    let kept = keyed.submit(&key).await;
    assert_eq!(kept.0, 201);
    keyed.submit(&key).await;
    refused(keyed.submit(&key).await, "quota_exceeded", "queued_jobs", 2);
    assert_eq!(keyed.submit(&other).await.0, 201, "another tenant's jobs are taken");
    let cancel = format!("/v1/jobs/{}/cancel", id_of(&kept.1));
    assert_eq!(keyed.ask(Some(&key), Method::POST, &cancel, Some(&json!({}))).await.status(), 200);
    assert_eq!(keyed.submit(&key).await.0, 201, "there is a place again");

    keyed.set("a", args("--blob-bytes 10 --queued-jobs default").into_change()).await;
    let upload = async |key: &Secret, bytes: &'static str| {
        let request = keyed.running.http.post(format!("{}/v1/blobs", keyed.running.url)).body(bytes);
        let request = request.bearer_auth(key.expose()).header("content-type", "application/octet-stream");
        parts(request.send().await.unwrap()).await
    };
    assert_eq!(upload(&key, "12345678").await.0, 201);
    assert_eq!(upload(&key, "12345678").await.0, 200, "what is there takes no more");
    refused(upload(&key, "abc").await, "quota_exceeded", "blob_bytes", 10);
    assert_eq!(upload(&other, "abcdefghijklmnop").await.0, 201);

    keyed.set("a", args("--requests-per-second 1").into_change()).await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(keyed.get(&key, "/v1/jobs").await);
    }
    let limited = answers.into_iter().find(|(status, _)| *status == 429).expect("three at once are too many");
    refused(limited, "rate_limited", "requests_per_second", 1);
    assert_eq!(keyed.get(&other, "/v1/jobs").await.0, 200);
    keyed.running.end().await;
}

/// Flags of the command line, as a change of settings.
struct Change(SettingArgs);

fn args(line: &str) -> Change {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: SettingArgs,
    }
    let line: Line =
        clap::Parser::try_parse_from(["x"].into_iter().chain(line.split(' '))).unwrap_or_else(|e| panic!("{e}"));
    Change(line.args)
}

impl Change {
    fn into_change(self) -> impl Fn(&mut Settings) {
        move |settings| self.0.apply(settings)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cpu_time_of_a_day_is_counted_with_each_job_and_right_after_a_restart() {
    let mut keyed = Keyed::new().await;
    let (_, key) = keyed.key("a", "submit,read").await;
    let (_, operator) = keyed.key("ops", "operate").await;
    keyed.set("a", args("--cpu-seconds-per-day 3 --running-jobs 5").into_change()).await;
    let mut agent = keyed.running.agent("w").await;
    for _ in 0..2 {
        let job = id_of(&keyed.submit(&key).await.1);
        let (attempt, _, _) = agent.job().await;
        let mut report = fake_agent::report(Outcome::Ok, 0);
        report.run.as_mut().unwrap().facts.cpu_us = 1_600_000;
        agent.finish(attempt, report).await;
        let end = keyed.get(&key, &format!("/v1/jobs/{job}?wait_ms=30000")).await;
        assert_eq!(end.1["state"], "finished");
    }
    let check = async |keyed: &Keyed| {
        let (status, refused) = keyed.submit(&key).await;
        assert_eq!(
            (status, &refused["code"], &refused["quota"]),
            (429, &json!("quota_exceeded"), &json!("cpu_seconds_per_day"))
        );
        let day_ms = 24 * 3600 * 1000;
        assert!(refused["retry_after_ms"].as_u64().is_some_and(|ms| (1..=day_ms).contains(&ms)), "{refused:#}");
        let own = keyed.get(&key, "/v1/usage").await.1;
        let of = &own["tenants"][0];
        assert_eq!((own["tenants"].as_array().unwrap().len(), &of["tenant"]), (1, &json!("a")));
        assert_eq!(of["cpu_ms_today"], json!({ "used": 3200, "maximum": 3000 }), "{of:#}");
        assert_eq!((&of["jobs_today"], &of["running_jobs"]["maximum"]), (&json!({ "ok": 2 }), &json!(5)));
        let all = keyed.get(&operator, "/v1/usage").await.1;
        let names: Vec<_> = all["tenants"].as_array().unwrap().iter().map(|t| t["tenant"].as_str().unwrap()).collect();
        assert_eq!(names, ["a", "ops"]);
    };
    check(&keyed).await;
    let Keyed { running, desk, dir } = keyed;
    drop(agent);
    drop(desk);
    running.end().await;
    let running = Running::start(config(dir.path())).await;
    let keyed = Keyed { running, desk: Desk::open(dir.path()).unwrap(), dir };
    check(&keyed).await;
    keyed.running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_address_without_keys_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let public = || Config { bind: "0.0.0.0:0".parse().unwrap(), ..config(dir.path()) };
    let refused = Master::bind(public()).await.unwrap_err();
    assert!(
        matches!(refused, MasterError::NoKeys(_)) && refused.to_string().contains("enclos keys create"),
        "{refused}"
    );
    let new =
        NewKey { tenant: "a".parse().unwrap(), name: String::new(), scopes: "read".parse().unwrap(), lasts: None };
    Desk::open(dir.path()).unwrap().create(new, UnixTime::now()).unwrap();
    let running = Running::start(public()).await;
    let url = running.url.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(running.http.get(format!("{url}/v1/jobs")).send().await.unwrap().status(), 401);
    running.end().await;
}
