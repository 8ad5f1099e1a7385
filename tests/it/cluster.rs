//! A real cluster for one test: a master process, agent processes, and an HTTP client.
//!
//! Everything is a process of its own, as users run it, on free loopback
//! ports and in a temporary directory. Dropping the cluster kills what still
//! runs; [`Cluster::shutdown`] is the path that also checks what is left.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use crate::engine;

/// Longest that a process may take to be ready; agents may have to prove a sandbox first.
const READY_WAIT: Duration = Duration::from_secs(90);
/// Longest that a process may take to end after SIGTERM.
const END_WAIT: Duration = Duration::from_secs(60);
/// Longest that a single job may take in a test.
pub const JOB_WAIT: Duration = Duration::from_secs(120);
/// Pause between two looks at something that cannot be awaited (another process).
const LOOK_EVERY: Duration = Duration::from_millis(20);

const TOKEN: &str = "integration-join-token";

/// One agent process.
pub struct Agent {
    pub name: String,
    pub process: Child,
}

/// A master, its agents, and where they are.
pub struct Cluster {
    pub url: String,
    pub http: reqwest::Client,
    pub agents: Vec<Agent>,
    master: Option<Child>,
    ports: (u16, u16),
    data: TempDir,
}

fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_enclos")).with_file_name(name)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

impl Cluster {
    /// A master without agents.
    pub async fn master_only() -> Self {
        let ports = (free_port(), free_port());
        let mut cluster = Self {
            url: format!("http://127.0.0.1:{}", ports.0),
            http: reqwest::Client::new(),
            agents: Vec::new(),
            master: None,
            ports,
            data: TempDir::new().expect("a temporary directory can be made"),
        };
        cluster.start_master().await;
        cluster
    }

    /// A master and as many agents as there are argument lists.
    pub async fn with_agents(agents: &[&[&str]]) -> Self {
        let mut cluster = Self::master_only().await;
        for args in agents {
            cluster.start_agent(args).await;
        }
        cluster
    }

    /// Starts the master on the cluster's ports and data, and waits until it is ready.
    pub async fn start_master(&mut self) {
        let log = std::fs::File::create(self.data.path().join("master.log")).expect("the log can be made");
        let child = Command::new(program("enclos"))
            .arg("master")
            .args(["--bind", &format!("127.0.0.1:{}", self.ports.0)])
            .args(["--link-bind", &format!("127.0.0.1:{}", self.ports.1)])
            .arg("--data-dir")
            .arg(self.data.path().join("data"))
            .env("ENCLOS_JOIN_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("the master starts");
        self.master = Some(child);
        let ready = format!("{}/readyz", self.url);
        let client = self.http.clone();
        self.eventually("the master is ready", || async {
            client.get(&ready).send().await.is_ok_and(|r| r.status().is_success())
        })
        .await;
    }

    /// Starts an agent and waits until the master lists it as connected.
    pub async fn start_agent(&mut self, args: &[&str]) {
        let name = format!("it-{}-{}", std::process::id(), self.agents.len());
        self.start_agent_named(&name, args).await;
    }

    /// As [`Cluster::start_agent`], with a name.
    pub async fn start_agent_named(&mut self, name: &str, args: &[&str]) {
        let log = std::fs::File::create(self.data.path().join(format!("{name}.log"))).expect("the log can be made");
        let process = Command::new(program("enclos-agent"))
            .args(["--master", &format!("http://127.0.0.1:{}", self.ports.1), "--name", name])
            .args(args)
            .env("ENCLOS_JOIN_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("the agent starts");
        self.agents.push(Agent { name: name.to_owned(), process });
        self.eventually("the agent is connected", || async {
            let agents = self.get("/v1/agents").await;
            agents["agents"].as_array().is_some_and(|all| {
                all.iter().any(|a| a["name"] == name && a["state"] == "connected")
            })
        })
        .await;
    }

    /// Waits until `condition` holds; fails the test with the logs when it never does.
    pub async fn eventually<F: Future<Output = bool>>(&self, what: &str, condition: impl Fn() -> F) {
        let deadline = Instant::now() + READY_WAIT;
        while !condition().await {
            assert!(Instant::now() < deadline, "not within {READY_WAIT:?}: {what}\n{}", self.logs());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The last lines of every log.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(self.data.path()).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|e| e == "log") {
                let log = std::fs::read_to_string(entry.path()).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let tail = &lines[lines.len().saturating_sub(30)..];
                text.push_str(&format!("--- {}\n{}\n", entry.file_name().to_string_lossy(), tail.join("\n")));
            }
        }
        text
    }

    /// The JSON of a GET.
    pub async fn get(&self, path: &str) -> Value {
        let sent = self.http.get(format!("{}{path}", self.url)).send().await;
        match sent {
            Ok(response) => response.json().await.unwrap_or(Value::Null),
            Err(_) => Value::Null,
        }
    }

    /// Submits without waiting; the answer must be 201.
    pub async fn submit(&self, submission: &Value) -> String {
        let response = self.http.post(format!("{}/v1/jobs", self.url)).json(submission).send().await.unwrap();
        let status = response.status();
        let job: Value = response.json().await.unwrap();
        assert_eq!(status, 201, "{job:#}");
        job["id"].as_str().expect("a job has an id").to_owned()
    }

    /// The finished job.
    pub async fn finished(&self, id: &str) -> Value {
        let waited = timeout(JOB_WAIT, async {
            loop {
                let job = self.get(&format!("/v1/jobs/{id}?wait_ms=10000")).await;
                if job["state"] == "finished" {
                    return job;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        });
        match waited.await {
            Ok(job) => job,
            Err(_) => panic!("job {id} did not finish: {:#}\n{}", self.get(&format!("/v1/jobs/{id}")).await, self.logs()),
        }
    }

    /// Submits and waits for the end.
    pub async fn run(&self, submission: &Value) -> Value {
        let id = self.submit(submission).await;
        self.finished(&id).await
    }

    /// Kills the master with SIGKILL.
    pub async fn kill_master(&mut self) {
        if let Some(mut master) = self.master.take() {
            master.kill().await.expect("the master can be killed");
        }
    }

    /// Kills an agent with SIGKILL.
    pub async fn kill_agent(&mut self, index: usize) {
        self.agents[index].process.kill().await.expect("the agent can be killed");
    }

    /// Ends everything as an operator would, and checks that nothing is left.
    pub async fn shutdown(mut self) {
        for agent in &mut self.agents {
            terminate(&mut agent.process).await;
        }
        if let Some(master) = &mut self.master {
            terminate(master).await;
        }
        for agent in &self.agents {
            engine::assert_nothing_left(&agent.name).await;
        }
    }
}

async fn terminate(child: &mut Child) {
    let Some(pid) = child.id() else { return };
    let sent = Command::new("kill").args(["-TERM", &pid.to_string()]).status().await.expect("kill is there");
    assert!(sent.success());
    let status = timeout(END_WAIT, child.wait()).await.expect("the process ends after SIGTERM");
    assert!(status.expect("its status can be read").success(), "ends with exit code 0 after SIGTERM");
}

/// A submission of one source file.
pub fn source(language: &str, source: &str) -> Value {
    json!({ "language": language, "source": source })
}
