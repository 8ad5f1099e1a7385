//! What is not served, and in which words; by a master alone.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{PUBLIC, post, program};
use crate::cluster::{Cluster, source};
use crate::keys::Keyed;

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("the master answers");
    let kind = response.headers().get("content-type").cloned();
    assert_eq!(kind.as_ref().map(|kind| kind.as_bytes()), Some(&b"application/json"[..]));
    (response.status().as_u16(), response.json().await.expect("it is JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_stands_at_its_public_place_and_at_its_root_only_where_the_operator_says_so() {
    let not_found = json!({ "message": "Not Found" });
    for (args, is_root) in [(&[][..], false), (&["--piston-root"][..], true)] {
        let cluster = Cluster::master_with(args).await;
        let ask = async |method: Method, path: &str| {
            answer(cluster.http.request(method, format!("{}{path}", cluster.url)).json(&json!({}))).await
        };
        for slash in ["", "/"] {
            let (status, version) = ask(Method::GET, &format!("{PUBLIC}{slash}")).await;
            assert!(status == 200 && version["message"].as_str().unwrap().starts_with("Piston v3.1.1"), "{version}");
            assert_eq!(ask(Method::GET, &format!("{PUBLIC}/runtimes{slash}")).await, (200, json!([])), "no agent");
            let (status, packages) = ask(Method::GET, &format!("{PUBLIC}/packages{slash}")).await;
            assert!(
                status == 200 && packages.as_array().unwrap().iter().all(|p| p["installed"] == false),
                "{packages}"
            );
            for method in [Method::POST, Method::DELETE] {
                let (status, said) = ask(method, &format!("{PUBLIC}/packages{slash}")).await;
                assert!(status == 403 && said["message"].as_str().unwrap().contains("read-only"), "{said}");
            }
            let (status, said) = ask(Method::POST, &format!("{PUBLIC}/execute{slash}")).await;
            assert_eq!((status, said), (400, json!({ "message": "language is required as a string" })));
            let (status, said) = ask(Method::GET, &format!("{PUBLIC}/connect{slash}")).await;
            assert_eq!((status, said["message"].is_string()), (426, true));
            let (status, said) = ask(Method::POST, &format!("/api/v2/execute{slash}")).await;
            assert_eq!(status, if is_root { 400 } else { 404 }, "{said}");
        }
        for (method, path) in [
            (Method::GET, "/execute"),
            (Method::PUT, "/packages"),
            (Method::GET, "/nothing"),
            (Method::GET, "//runtimes"),
        ] {
            assert_eq!(ask(method, &format!("{PUBLIC}{path}")).await, (404, not_found.clone()), "{path}");
        }
        assert_eq!(ask(Method::GET, "/api/v2/nothing").await, (404, not_found.clone()));
        let other = cluster.get("/api/v3/runtimes").await;
        assert_eq!(other["code"], "not_found", "it is no other's words: {other}");
        cluster.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_kind_of_body_is_taken_but_from_a_browser_only_json() {
    let keyed = Keyed(Cluster::master_only().await);
    let url = format!("{}{PUBLIC}/execute", keyed.0.url);
    let send = async |headers: &[(&'static str, &str)]| {
        let request = keyed.0.http.post(&url).body("{}");
        answer(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
    };
    let taken = (400, json!({ "message": "language is required as a string" }));
    let own = keyed.0.url.clone();
    for headers in [
        &[][..],
        &[("content-type", "text/plain")],
        &[("content-type", "application/x-www-form-urlencoded")],
        &[("content-type", "application/json; charset=utf-8"), ("origin", own.as_str())],
    ] {
        assert_eq!(send(headers).await, taken, "{headers:?}");
    }
    let json_only = (415, json!({ "message": "requests must be of type application/json" }));
    for headers in [
        &[("content-type", "text/plain"), ("origin", own.as_str())][..],
        &[("origin", own.as_str())],
        &[("content-type", "text/plain"), ("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
    ] {
        assert_eq!(send(headers).await, json_only, "{headers:?}");
    }
    let (status, said) = send(&[("content-type", "application/json"), ("origin", "http://evil.example")]).await;
    assert!(status == 403 && said["message"].is_string(), "{said}");
    let (status, said) = send(&[("host", "evil.example")]).await;
    assert!(status == 421 && said["message"].is_string(), "{said}");

    // With keys it is the key that a foreign page does not have.
    let key = keyed.key("acme", "submit,read").await;
    let (status, said) = send(&[]).await;
    assert!(status == 401 && said["message"].as_str().unwrap().contains("key"), "{said}");
    for shown in [format!("Bearer {key}"), key.clone()] {
        assert_eq!(send(&[("authorization", &shown), ("content-type", "text/plain")]).await, taken);
        let (status, _) =
            answer(keyed.0.http.get(format!("{}{PUBLIC}/runtimes", keyed.0.url)).header("authorization", &shown)).await;
        assert_eq!(status, 200);
    }
    for shown in [format!("Basic {key}"), format!("{key}x"), "enclos".to_owned()] {
        assert_eq!(send(&[("authorization", &shown)]).await.0, 401, "{shown}");
    }
    let bare = keyed.0.http.get(format!("{}/v1/jobs", keyed.0.url)).header("authorization", &key).send().await.unwrap();
    assert_eq!(bare.status(), 401, "elsewhere a key is a bearer's");
    let reader = keyed.key("reader", "read").await;
    let (status, said) = send(&[("authorization", &reader)]).await;
    assert!(status == 403 && said["message"].as_str().unwrap().contains("submit"), "{said}");
    keyed.0.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_too_many_requests_and_says_when_to_come_back() {
    let cluster = Cluster::master_with(&["--queue-jobs-max", "1"]).await;
    cluster.submit(&source("c", "")).await;
    let request = cluster.http.post(format!("{}{PUBLIC}/execute", cluster.url)).json(&program("c", "x"));
    let response = request.send().await.expect("the master answers");
    assert_eq!(response.status(), 429);
    assert!(response.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    let said: Value = response.json().await.unwrap();
    assert!(said["message"].as_str().unwrap().contains("queue") && said.as_object().unwrap().len() == 1, "{said}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_takes_the_job_along() {
    let cluster = Cluster::master_only().await;
    let request = cluster.http.post(format!("{}{PUBLIC}/execute", cluster.url)).json(&program("c", "x"));
    let mut waiting = JoinSet::new();
    waiting.spawn(request.send());
    let jobs = async || cluster.get("/v1/jobs").await["jobs"].as_array().cloned().unwrap_or_default();
    cluster
        .eventually("the job waits", || async { jobs().await.first().is_some_and(|job| job["state"] == "queued") })
        .await;
    waiting.shutdown().await;
    cluster.eventually("it is cancelled", || async { jobs().await[0]["outcome"] == "cancelled" }).await;

    // Another's cancellation is told to who waits.
    let body = program("c", "x");
    let told = async { post(&cluster, &format!("{PUBLIC}/execute/"), &body).await };
    let cancel = async {
        cluster.eventually("the job waits", || async { jobs().await[0]["state"] == "queued" }).await;
        cluster.cancel(jobs().await[0]["id"].as_str().unwrap()).await;
    };
    let (told, ()) = tokio::join!(told, cancel);
    assert_eq!(told, (500, json!({ "message": "the job was cancelled" })));
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_ends_tells_who_waits_and_takes_the_job_along() {
    let mut cluster = Cluster::master_only().await;
    let request = cluster.http.post(format!("{}{PUBLIC}/execute", cluster.url)).json(&program("c", "x"));
    let mut waiting = JoinSet::new();
    waiting.spawn(answer(request));
    let job = async || cluster.get("/v1/jobs").await["jobs"][0].clone();
    cluster.eventually("the job waits", || async { job().await["state"] == "queued" }).await;
    cluster.end_master().await;
    let (status, said) = waiting.join_next().await.expect("it was begun").expect("it is answered");
    assert!(status == 503 && said["message"].as_str().unwrap().contains("ending"), "{status} {said}");
    cluster.start_master().await;
    cluster
        .eventually("it is cancelled", || async { cluster.get("/v1/jobs").await["jobs"][0]["outcome"] == "cancelled" })
        .await;
    cluster.shutdown().await;
}
