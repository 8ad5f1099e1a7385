//! The whole master in this process, over its real ports, with agents that have no engine.

#[path = "../../tests/support/attached.rs"]
mod attached;
#[path = "../../tests/support/fake_agent.rs"]
mod fake_agent;

mod api;
mod attach;
mod blobs;
mod dependencies;
mod images;
mod judging;
mod keys;
mod link;
mod many;
mod mcp;
mod sessions;
mod stats;
mod transfers;
mod turns;
mod watching;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::fake_agent::{FakeAgent, hello};
use super::{Master, MasterError};
use crate::config::{
    AuditBounds, BlobBounds, Callbacks, Config, Connections, Doors, HEARTBEAT, JoinToken, LEASE, QueueBounds,
    Retention, Scheduling, Security,
};

use crate::outbound::Policy;

const TOKEN: &str = "a-join-token-for-tests";
/// Longest that anything may take here; only a failure ever waits so long.
const LONG: Duration = Duration::from_secs(30);

/// A master that runs in this process.
struct Running {
    url: String,
    link: SocketAddr,
    http: Client,
    stop: CancellationToken,
    task: JoinSet<Result<(), MasterError>>,
}

fn config(dir: &Path) -> Config {
    let any = "127.0.0.1:0".parse().unwrap();
    Config {
        bind: any,
        link_bind: any,
        data_dir: dir.to_owned(),
        images_dir: None,
        join_token: JoinToken::parse(TOKEN).unwrap(),
        security: Security::loopback(),
        queue: QueueBounds { jobs_max: 1000, bytes_max: 1 << 30 },
        batch_jobs_max: 10,
        blobs: BlobBounds { blob_bytes_max: 1 << 20, all_bytes_max: 16 << 20, ttl: LONG, uploads_max: 4 },
        callbacks: Callbacks { is_on: true, policy: Policy::default(), ca: None },
        retention: Retention { age: LONG, bytes_max: 1 << 30 },
        scheduling: Scheduling::default(),
        clients: Connections::new(256, LONG),
        agents: Connections::new(64, LONG),
        hosts: vec!["code.example".to_owned()],
        installs: true,
        doors: Doors::default(),
        attach_idle: LONG,
        audit: AuditBounds { file_bytes_max: 1 << 20, files_max: 2 },
        quota: crate::access::Quota::default(),
        observe: crate::config::Observe::default(),
        lease: LEASE,
        heartbeat: HEARTBEAT,
    }
}

impl Running {
    async fn start(config: Config) -> Self {
        let master = Master::bind(config).await.unwrap();
        let (url, link) = (format!("http://{}", master.http_addr()), master.link_addr());
        let stop = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(master.run(stop.clone()));
        Self { url, link, http: enclos_tls::client::http(None).build().unwrap(), stop, task }
    }

    async fn new() -> (Self, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        (Self::start(config(dir.path())).await, dir)
    }

    /// Ends it as SIGTERM does.
    async fn end(mut self) {
        self.stop.cancel();
        let ended = timeout(LONG, self.task.join_next()).await.expect("it ends").unwrap();
        ended.unwrap().unwrap();
    }

    async fn agent(&self, name: &str) -> FakeAgent {
        FakeAgent::connect(&self.link.to_string(), TOKEN, hello(name)).await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let response = self.http.get(format!("{}{path}", self.url)).send().await.unwrap();
        response.json().await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Response {
        self.http.post(format!("{}{path}", self.url)).json(body).send().await.unwrap()
    }

    async fn submit(&self, body: &Value) -> String {
        let response = self.post("/v1/jobs", body).await;
        assert_eq!(response.status(), 201);
        id_of(&response.json().await.unwrap())
    }

    async fn finished(&self, id: &str) -> Value {
        let job = self.get(&format!("/v1/jobs/{id}?wait_ms=30000")).await;
        assert_eq!(job["state"], "finished", "{job:#}");
        job
    }
}

fn id_of(job: &Value) -> String {
    job["id"].as_str().unwrap_or_else(|| panic!("a job has an id: {job:#}")).to_owned()
}

fn python() -> Value {
    json!({ "language": "python", "source": "print(1)" })
}
