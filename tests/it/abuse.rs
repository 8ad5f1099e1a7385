//! Clients that mean ill, against a real master process: what each of them gets, and that others are served meanwhile.
//!
//! A master alone is enough: where a job has to run, an agent without an engine plays its part.

mod connections;
#[expect(dead_code, reason = "no agent of these tests runs cases")]
#[path = "../support/fake_agent.rs"]
mod fake_agent;
mod floods;
mod raw;
mod unread;

use serde_json::{Value, json};

use self::fake_agent::{FakeAgent, hello};
use crate::cluster::{Cluster, TOKEN};

/// A master on which only a few connections are open at once, with little patience.
async fn strict() -> Cluster {
    Cluster::master_with(&["--connections-max", "64", "--client-wait-ms", "2000"]).await
}

/// An agent whose jobs end when a test says so.
async fn agent(cluster: &Cluster, name: &str) -> FakeAgent {
    let address = cluster.link_url().replace("http://", "");
    FakeAgent::connect(&address, TOKEN, hello(name)).await.expect("the master takes the agent")
}

fn python() -> Value {
    json!({ "language": "python", "source": "print(1)" })
}

/// A counter of the master's, the series of all labels summed.
async fn counted(cluster: &Cluster, name: &str) -> u64 {
    let sent = cluster.http.get(format!("{}/metrics", cluster.url)).send().await;
    let page = match sent {
        Ok(response) => response.text().await.unwrap_or_default(),
        Err(_) => String::new(),
    };
    let series = page.lines().filter(|line| line.starts_with(name) && !line.starts_with('#'));
    series.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

/// Memory that the master's process uses.
fn memory_bytes(cluster: &Cluster) -> u64 {
    status_bytes(cluster, "VmRSS:")
}

/// Most memory that it has used.
fn peak_memory_bytes(cluster: &Cluster) -> u64 {
    status_bytes(cluster, "VmHWM:")
}

fn status_bytes(cluster: &Cluster, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", cluster.master_pid())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a process has memory");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("it is a number") * 1024
}
