//! Piston's API: what its clients send and expect, on a real master and in real sandboxes.

mod clients;
mod connect;
mod ends;
mod refusals;

use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::tidy::read;

/// The programs of each language, for the tests here and for the clients of others.
const PROGRAMS: &str = "tests/it/piston/programs.json";
/// Where clients of the public instance look.
const PUBLIC: &str = "/api/v2/piston";

static LANGUAGES: LazyLock<Vec<Value>> =
    LazyLock::new(|| serde_json::from_str(&read(Path::new(PROGRAMS))).expect("it is a list of programs"));

/// A master with these arguments and an agent that has all languages of the list.
async fn cluster(args: &[&str]) -> Cluster {
    let mut cluster = Cluster::master_with(args).await;
    let catalogue = enclos_images::Catalogue::embedded().expect("it is sound");
    let id = |program: &Value| catalogue.find(program["language"].as_str().expect("a name")).map(|l| l.id.clone());
    let ids: Vec<String> = LANGUAGES.iter().filter_map(id).collect();
    assert_eq!(ids.len(), LANGUAGES.len(), "each is a language");
    cluster.start_agent(&["--slots", "2", "--languages", &ids.join(",")]).await;
    cluster
}

/// A request for one program.
fn program(language: &str, source: &str) -> Value {
    json!({ "language": language, "version": "*", "files": [{ "content": source }] })
}

/// Status and body of a POST.
async fn post(cluster: &Cluster, path: &str, body: &Value) -> (u16, Value) {
    let request = cluster.http.post(format!("{}{path}", cluster.url)).json(body);
    let response = request.send().await.unwrap_or_else(|e| panic!("the master answers: {e}\n{}", cluster.logs()));
    (response.status().as_u16(), response.json().await.expect("every answer is JSON"))
}

/// What a request comes to, which must be run.
async fn execute(cluster: &Cluster, body: &Value) -> Value {
    let (status, answer) = post(cluster, &format!("{PUBLIC}/execute"), body).await;
    assert_eq!(status, 200, "{body:#}\n{answer:#}\n{}", cluster.logs());
    answer
}
