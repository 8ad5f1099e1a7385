//! Every refusal of the API, as a client meets it. A master alone answers them all: no engine is needed.

use std::collections::BTreeSet;

use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::cluster::Cluster;

#[path = "../support/hostile_json.rs"]
mod hostile_json;
mod mutations;
mod table;
use table::Send::{Get, Headers, Octets, Other, PostTo, Raw, Submit};
use table::{Case, Send};

fn request(cluster: &Cluster, send: Send) -> RequestBuilder {
    let right = json!({ "language": "python", "source": "print(1)" });
    let jobs = format!("{}/v1/jobs", cluster.url);
    let json_body = |request: RequestBuilder| request.header("content-type", "application/json");
    match send {
        Submit(body) => cluster.http.post(jobs).json(&body),
        Raw(body) => json_body(cluster.http.post(jobs)).body(body),
        Headers(headers) => {
            let mut request = cluster.http.post(jobs).body(right.to_string());
            if !headers.iter().any(|(name, _)| *name == "content-type") {
                request = json_body(request);
            }
            // An empty content type stands for none: an empty header would be another case.
            for (name, value) in headers.iter().filter(|(name, value)| *name != "content-type" || !value.is_empty()) {
                request = request.header(*name, *value);
            }
            request
        }
        Get(path) => cluster.http.get(format!("{}{path}", cluster.url)),
        PostTo(path) => cluster.http.post(format!("{}{path}", cluster.url)).json(&right),
        Octets(path, bytes) => {
            let request = cluster.http.post(format!("{}{path}", cluster.url));
            request.header("content-type", "application/octet-stream").body(bytes)
        }
        Other(method, path) => cluster.http.request(method, format!("{}{path}", cluster.url)),
    }
}

/// What of the answer is not as it must be.
async fn differences(cluster: &Cluster, case: Case) -> Option<String> {
    let Case { name, send, status, code, field, says } = case;
    let answer = request(cluster, send).send().await.unwrap_or_else(|e| panic!("{name}: {e}\n{}", cluster.logs()));
    let got = answer.status();
    let kind = answer.headers().get("content-type").map(|v| v.to_str().unwrap_or_default().to_owned());
    let text = answer.text().await.expect("the answer is whole");
    let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    let right = got == status
        && kind.as_deref() == Some("application/problem+json")
        && body["status"] == status
        && body["code"] == code
        && body["field"].as_str() == field
        && body["detail"].as_str().is_some_and(|d| !d.is_empty())
        && body["title"].is_string()
        && body["type"].is_string()
        && says.as_ref().is_none_or(|(member, value)| body[member] == *value);
    let want = format!("{status} {code} {field:?} {says:?}");
    (!right).then(|| format!("{name}: wanted {want}; got {got} {kind:?} {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_input_is_answered_with_its_rule() {
    let cluster = Cluster::master_only().await;
    let cases = table::all();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "each case has a name of its own");
    let total = cases.len();
    let mut failures = Vec::new();
    for case in cases {
        failures.extend(differences(&cluster, case).await);
    }
    assert!(failures.is_empty(), "{} of {total}:\n{}", failures.len(), failures.join("\n"));
    let stats = cluster.get("/v1/stats").await;
    assert_eq!(stats["queued"], 0, "nothing refused was taken: {stats:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_above_its_maximum_is_refused_however_it_comes() {
    let cluster = Cluster::master_only().await;
    let jobs = format!("{}/v1/jobs", cluster.url);
    let big = "x".repeat(113 * 1024 * 1024);
    let told = cluster.http.post(&jobs).header("content-type", "application/json").body(big.clone());
    let pieces = futures::stream::iter(big.into_bytes().chunks(1 << 20).map(<[u8]>::to_vec).collect::<Vec<_>>());
    let untold = reqwest::Body::wrap_stream(futures::StreamExt::map(pieces, Ok::<_, std::io::Error>));
    let chunked = cluster.http.post(&jobs).header("content-type", "application/json").body(untold);
    let wide = json!({ "language": "python", "source": "y".repeat(17 * 1024 * 1024) });
    for request in [told, chunked, cluster.http.post(&jobs).json(&wide)] {
        // A server may close a connection whose body it will not read; what it said before counts.
        let Ok(answer) = request.send().await else { continue };
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["code"], "too_large", "{body:#}");
        assert!(body["maximum"].is_u64(), "{body:#}");
    }
    assert_eq!(cluster.get("/healthz").await["status"], "ok");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_belongs_to_one_submission() {
    let cluster = Cluster::master_only().await;
    let post = async |source: &str| {
        let body = json!({ "language": "python", "source": source });
        let request = cluster.http.post(format!("{}/v1/jobs", cluster.url)).header("Idempotency-Key", "k").json(&body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (_, first) = post("print(1)").await;
    let (status, again) = post("print(1)").await;
    assert!(status == 200 || status == 201, "{status}");
    assert_eq!(first["id"], again["id"], "{again:#}");
    let (status, other) = post("print(2)").await;
    assert_eq!((status, other["code"].as_str()), (409, Some("idempotency_conflict")), "{other:#}");
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_names_of_this_machine_are_served() {
    let cluster = Cluster::master_only().await;
    let port = cluster.url.rsplit(':').next().unwrap();
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        let with_port = format!("{host}:{port}");
        let origin = format!("http://{with_port}");
        let request = cluster.http.post(format!("{}/v1/jobs", cluster.url)).header("host", &with_port);
        let body = json!({ "language": "python", "source": "" });
        let answer = request.header("origin", &origin).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{host}");
    }
    cluster.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_without_the_token_are_turned_away() {
    let cluster = Cluster::master_only().await;
    for token in [None, Some("Bearer wrong"), Some("Basic aW50ZWdyYXRpb24tam9pbi10b2tlbg==")] {
        for path in ["/v1/link", "/v1/inputs/01900000-0000-7000-8000-000000000000?epoch=1&counter=1"] {
            let mut request = cluster.http.get(format!("{}{path}", cluster.link_url()));
            if let Some(token) = token {
                request = request.header("authorization", token);
            }
            assert_eq!(request.send().await.unwrap().status(), 401, "{path} with {token:?}");
        }
    }
    cluster.shutdown().await;
}
