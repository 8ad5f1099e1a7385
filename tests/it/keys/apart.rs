//! Tenants apart: each route of a real master, walked from its own description with the keys of two.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::Keyed;
use crate::cluster::{Cluster, source};

/// Routes that name something of a tenant's; more must be considered here.
const NAMING: usize = 10;

/// What stands for a tenant's own thing in a route.
struct Own {
    job: String,
    blob: String,
}

impl Own {
    async fn of(keyed: &Keyed, key: &str, input: &'static str) -> Self {
        let (status, job) = keyed.parts(key, Method::POST, "/v1/jobs", Some(&source("python", "input()"))).await;
        assert_eq!(status, 201, "{job:#}");
        let request = keyed.0.http.post(format!("{}/v1/blobs", keyed.0.url)).bearer_auth(key).body(input);
        let response = request.header("content-type", "application/octet-stream").send().await.expect("an answer");
        let blob: Value = response.json().await.expect("it is JSON");
        let text = |value: &Value| value.as_str().expect("it has a name").to_owned();
        Self { job: text(&job["id"]), blob: text(&blob["sha256"]) }
    }

    fn in_path(&self, path: &str) -> String {
        path.replace("{id}", &self.job).replace("{sha256}", &self.blob).replace("{path}", "out.txt")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_shows_a_tenant_what_another_has() {
    let keyed = Keyed(Cluster::master_only().await);
    let mine = keyed.key("one", "submit,read").await;
    let yours = keyed.key("other", "submit,read,operate").await;
    let own = Own::of(&keyed, &mine, "what only one tenant has").await;
    let none = Own { job: "0198c0de-1f6e-7c3a-9b1d-3f2a90c1d4e5".to_owned(), blob: "0".repeat(64) };
    let document = keyed.0.get("/openapi.json").await;
    let mut walked = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        if !path.contains("{id}") && !path.contains("{sha256}") {
            continue;
        }
        for method in methods.as_object().expect("methods").keys() {
            let method: Method = method.to_uppercase().parse().expect("a method");
            let empty = json!({});
            let body = (method == Method::POST).then_some(&empty);
            let theirs = keyed.parts(&yours, method.clone(), &own.in_path(path), body).await;
            let nothing = keyed.parts(&yours, method.clone(), &none.in_path(path), body).await;
            assert_eq!(theirs, nothing, "{method} {path}: what another has is as what there is not");
            // Deleting a blob that one does not have is done at once.
            let expected = if method == Method::DELETE && path.contains("{sha256}") { 204 } else { 404 };
            assert_eq!(theirs.0, expected, "{method} {path}");
            walked.insert(format!("{method} {path}"));
        }
    }
    assert_eq!(walked.len(), NAMING, "{walked:?}");
    let (status, job) = keyed.parts(&mine, Method::GET, &own.in_path("/v1/jobs/{id}"), None).await;
    assert_eq!((status, &job["state"]), (200, &json!("queued")), "it was neither cancelled nor erased");
    let blob = own.in_path("/v1/blobs/{sha256}");
    assert_eq!(keyed.ask(&mine, Method::GET, &blob, None).await.text().await.unwrap(), "what only one tenant has");
    assert_eq!(keyed.parts(&yours, Method::GET, "/v1/jobs", None).await.1["jobs"], json!([]));
    let usage = keyed.parts(&mine, Method::GET, "/v1/usage", None).await.1;
    let tenants: Vec<_> = usage["tenants"].as_array().expect("a list").iter().map(|t| &t["tenant"]).collect();
    assert_eq!(tenants, ["one"], "who does not operate sees its own use");
    keyed.0.shutdown().await;
}
