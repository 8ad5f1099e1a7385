//! Keys and tenants over the network: what the commands do, by the same rules, at once.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Keyed;
use crate::cluster::{Cluster, JOB_WAIT, source};

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("it is text: {value:#}")).to_owned()
}

/// A key that an operator's key makes.
async fn made(keyed: &Keyed, by: &str, tenant: &str, scopes: &[&str]) -> (String, String) {
    let body = json!({ "tenant": tenant, "scopes": scopes });
    let (status, made) = keyed.parts(by, Method::POST, "/v1/keys", Some(&body)).await;
    assert_eq!(status, 201, "{made:#}");
    (text(&made["id"]), text(&made["secret"]))
}

async fn status(keyed: &Keyed, key: &str) -> u16 {
    keyed.ask(key, Method::GET, "/v1/jobs", None).await.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_key_closes_an_open_master_and_its_secret_is_answered_all_the_same() {
    let keyed = Keyed(Cluster::master_only().await);
    let url = format!("{}/v1/keys", keyed.0.url);
    let body = json!({ "tenant": "ops", "scopes": ["operate"], "name": "first" });
    let response = keyed.0.http.post(&url).json(&body).send().await.expect("an answer");
    assert_eq!((response.status().as_u16(), &response.headers()["cache-control"]), (201, &"no-store".parse().unwrap()));
    let location = response.headers()["location"].to_str().expect("it is text").to_owned();
    let made: Value = response.json().await.expect("it is JSON");
    assert_eq!(location, format!("/v1/keys/{}", text(&made["id"])));
    let again = keyed.0.http.post(&url).json(&body).send().await.expect("an answer");
    assert_eq!(again.status(), 401, "from then on a key is wanted");
    let operator = text(&made["secret"]);
    let (status, shown) = keyed.parts(&operator, Method::GET, &location, None).await;
    assert_eq!((status, &shown["id"], shown.get("secret")), (200, &made["id"], None), "{shown:#}");
    let (status, listed) = keyed.parts(&operator, Method::GET, "/v1/keys", None).await;
    assert_eq!((status, &listed["keys"][0]["name"]), (200, &json!("first")), "{listed:#}");
    assert!(!listed.to_string().contains("enclos_"), "no secret is shown again");
    let by_command: Value = serde_json::from_str(&keyed.printed(&["keys", "list", "--json"]).await).expect("JSON");
    assert_eq!(by_command["keys"][0]["id"], made["id"], "the command sees the same");
    keyed.0.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rotated_and_revoked_at_once_and_who_does_it_is_written_down() {
    let keyed = Keyed(Cluster::master_only().await);
    let operator = keyed.key("ops", "operate").await;
    let (id, first) = made(&keyed, &operator, "acme", &["submit", "read"]).await;
    assert_eq!(status(&keyed, &first).await, 200);
    let rotate = format!("/v1/keys/{id}/rotate");
    let (_, rotated) = keyed.parts(&operator, Method::POST, &rotate, Some(&json!({ "grace_ms": 0 }))).await;
    let second = text(&rotated["secret"]);
    assert_eq!((status(&keyed, &first).await, status(&keyed, &second).await), (401, 200), "without grace");
    let (_, rotated) = keyed.parts(&operator, Method::POST, &rotate, Some(&json!({}))).await;
    let third = text(&rotated["secret"]);
    assert_eq!((status(&keyed, &second).await, status(&keyed, &third).await), (200, 200), "with the usual one");

    let (_, job) = keyed.parts(&third, Method::POST, "/v1/jobs", Some(&source("python", "input()"))).await;
    let events = format!("/v1/jobs/{}/events", text(&job["id"]));
    let mut events = keyed.ask(&third, Method::GET, &events, None).await;
    events.chunk().await.expect("it goes on").expect("the first event");
    let revoke = format!("/v1/keys/{id}/revoke");
    let (code, revoked) = keyed.parts(&operator, Method::POST, &revoke, Some(&json!({}))).await;
    assert_eq!((code, &revoked["state"]), (200, &json!("revoked")), "{revoked:#}");
    assert_eq!((status(&keyed, &second).await, status(&keyed, &third).await), (401, 401));
    let ended = async { while let Ok(Some(_)) = events.chunk().await {} };
    timeout(JOB_WAIT, ended).await.expect("its streams end");
    let (code, problem) = keyed.parts(&operator, Method::POST, &rotate, Some(&json!({}))).await;
    assert_eq!((code, &problem["code"]), (409, &json!("key_ended")), "{problem:#}");

    // An operator that ends itself is told so, and is nobody from then on.
    let (own, spare) = made(&keyed, &operator, "ops", &["operate"]).await;
    let revoke_itself = format!("/v1/keys/{own}/revoke");
    assert_eq!(keyed.parts(&spare, Method::POST, &revoke_itself, Some(&json!({}))).await.0, 200);
    assert_eq!(keyed.parts(&spare, Method::GET, "/v1/keys", None).await.0, 401);
    for (key, code) in [(&operator, 404), (&third, 401)] {
        let path = "/v1/keys/key-000000000000/revoke";
        assert_eq!(keyed.parts(key, Method::POST, path, Some(&json!({}))).await.0, code);
    }

    let audit = || std::fs::read_to_string(keyed.0.store.join("audit.jsonl")).unwrap_or_default();
    keyed.0.eventually("it is written down", || async { audit().contains("key-000000000000") }).await;
    let (lines, log) = (audit(), keyed.0.whole_log());
    for target in [format!("/v1/keys/{id}"), rotate, revoke] {
        let line = lines.lines().find(|line| line.contains(&format!("\"target\":\"{target}\"")));
        assert!(line.is_some_and(|line| line.contains("\"tenant\":\"ops\"")), "{target}:\n{lines}");
    }
    for secret in [&operator, &first, &second, &third, &spare] {
        let digits = &secret["enclos_".len()..][..24];
        assert!(!lines.contains(digits) && !log.contains(digits), "a secret is written down");
    }
    keyed.0.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_quota_holds_for_the_next_request_and_has_the_bounds_of_the_command() {
    let keyed = Keyed(Cluster::master_only().await);
    let operator = keyed.key("ops", "operate").await;
    let key = keyed.key("acme", "submit,read").await;
    let set = async |body: Value| keyed.parts(&operator, Method::POST, "/v1/tenants/acme", Some(&body)).await;
    let submit = async || keyed.parts(&key, Method::POST, "/v1/jobs", Some(&source("python", "1"))).await;
    assert_eq!(submit().await.0, 201);
    let (code, acme) = set(json!({ "queued_jobs": 1, "languages": ["python"] })).await;
    assert_eq!((code, &acme["settings"]["queued_jobs"]), (200, &json!(1)), "{acme:#}");
    let (code, problem) = submit().await;
    assert_eq!((code, &problem["quota"]), (429, &json!("queued_jobs")), "{problem:#}");
    assert_eq!(set(json!({ "queued_jobs": "default" })).await.0, 200);
    let (code, _) = keyed.parts(&key, Method::POST, "/v1/jobs", Some(&source("c", ""))).await;
    assert_eq!(code, 403, "its languages");
    assert_eq!(submit().await.0, 201, "and it is lifted at once");
    let (_, all) = keyed.parts(&operator, Method::GET, "/v1/tenants", None).await;
    assert_eq!(all["tenants"][0]["settings"]["languages"], json!(["python"]), "what was not given stays: {all:#}");
    let by_command: Value = serde_json::from_str(&keyed.printed(&["tenants", "list"]).await).expect("JSON");
    assert_eq!(by_command["tenants"][0]["settings"]["languages"], json!({ "at": ["python"] }), "{by_command:#}");
    for (body, field) in [
        (json!({ "queued_jobs": 0 }), json!("queued_jobs")),
        (json!({ "requests_per_second": 1_000_001 }), json!("requests_per_second")),
        (json!({ "blob_bytes": -1 }), json!("blob_bytes")),
        (json!({ "running_jobs": "many" }), json!("running_jobs")),
        (json!({ "languages": ["C++"] }), json!("languages")),
        (json!({ "languages": [] }), json!("languages")),
        (json!({ "isolation": "kata" }), json!("isolation")),
        (json!({ "dependencies": "allow" }), json!("dependencies")),
        (json!({}), Value::Null),
    ] {
        let (code, problem) = set(body.clone()).await;
        assert_eq!(
            (code, &problem["code"], &problem["field"]),
            (422, &json!("invalid_value"), &field),
            "{body}: {problem:#}"
        );
    }
    let (code, problem) = set(json!({ "queue": 1 })).await;
    assert_eq!((code, &problem["code"]), (400, &json!("unknown_field")), "{problem:#}");
    let (code, _) = keyed.parts(&key, Method::POST, "/v1/tenants/acme", Some(&json!({ "queued_jobs": 9 }))).await;
    assert_eq!(code, 403, "a tenant does not set its own");
    let soon = async { while status(&keyed, &key).await != 200 {} };
    timeout(Duration::from_secs(60), soon).await.expect("nothing else has changed");
    keyed.0.shutdown().await;
}
