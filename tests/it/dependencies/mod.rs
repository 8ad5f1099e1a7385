//! Dependencies of jobs: installed by a builder, from the public index and from one of the test's own.

mod hostile;
mod index;
mod public;
mod shared;
mod walls;
mod wheel;

use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::engine;

use index::Index;

/// A job that needs `requirements`.
fn job(source: &str, requirements: &[&str]) -> Value {
    json!({ "language": "python", "source": source, "dependencies": { "python": requirements } })
}

/// The same for someone else.
fn scoped(scope: &str, source: &str, requirements: &[&str]) -> Value {
    let mut job = job(source, requirements);
    job["scope"] = json!(scope);
    job
}

/// A cluster whose agent installs from `index`, with more arguments.
async fn with_index(index: &Index, more: &[&str]) -> Cluster {
    let flag = index.flag();
    // Half of them may wait for an installation.
    let args = [&["--slots", "6", "--languages", "python", "--warm", "0", flag.as_str()], more].concat();
    Cluster::with_agents(&[&args]).await
}

/// The answer's list of what was installed, as `name version`.
fn installed(job: &Value) -> Vec<String> {
    let packages = job["dependencies"]["python"].as_array().into_iter().flatten();
    packages
        .map(|p| format!("{} {}", p["name"].as_str().unwrap_or("?"), p["version"].as_str().unwrap_or("?")))
        .collect()
}

fn stdout(job: &Value) -> &str {
    job["run"]["stdout"].as_str().unwrap_or_default()
}

/// Ends the cluster; its images go too, which an agent would keep for its next start.
async fn end(cluster: Cluster) {
    let agents: Vec<String> = cluster.agents.iter().map(|agent| agent.name.clone()).collect();
    cluster.shutdown().await;
    for agent in agents {
        engine::remove_derived_of(&agent).await;
    }
}
