//! The door for agents with the clients of those who made its protocol, on a real cluster with a
//! real engine: both ways to speak it, with a session and without.

mod python;
mod sdk;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::keys::Keyed;

const AGENT: &[&str] = &["--slots", "2", "--languages", "c,python", "--warm", "0"];
/// The versions with sessions, and the one without.
const MODES: [&str; 2] = ["legacy", "2026-07-28"];

/// A cluster with an agent and a key.
async fn cluster() -> (Keyed, String) {
    let keyed = Keyed(Cluster::with_agents(&[AGENT]).await);
    let key = keyed.key("acme", "submit,read").await;
    (keyed, key)
}

fn url(keyed: &Keyed) -> String {
    format!("{}/mcp", keyed.0.url)
}

/// The newest job of the key ends, and has ended so.
async fn newest_ends(keyed: &Keyed, key: &str, outcome: &str) {
    let listed = keyed.parts(key, reqwest::Method::GET, "/v1/jobs?limit=1", None).await.1;
    let id = listed["jobs"][0]["id"].as_str().expect("a job").to_owned();
    let (_, job) = keyed.parts(key, reqwest::Method::GET, &format!("/v1/jobs/{id}?wait_ms=60000"), None).await;
    assert_eq!((&job["state"], &job["outcome"]), (&json!("finished"), &json!(outcome)), "{job:#}");
}

fn has(text: &Value, part: &str) {
    assert!(text.as_str().is_some_and(|text| text.contains(part)), "'{part}' is not in {text:#}");
}
