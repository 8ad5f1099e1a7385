//! A real cluster for one test: a master process, agent processes, and an HTTP client.
//!
//! Everything is a process of its own, as users run it, on free loopback
//! ports and in a temporary directory. Dropping the cluster ends what still
//! runs; [`Cluster::shutdown`] is the path that also checks what is left.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout};

use crate::{engine, host};

/// Longest that a process may take to be ready; agents may have to prove a sandbox first.
const READY_WAIT: Duration = Duration::from_secs(90);
/// Longest that a process may take to end after SIGTERM.
const END_WAIT: Duration = Duration::from_secs(60);
/// Longest that a single job may take in a test.
pub const JOB_WAIT: Duration = Duration::from_secs(120);
/// Pause between two looks at something that cannot be awaited (another process).
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Lines of each log that a failed test shows.
const LOG_LINES_MAX: usize = 30;
/// Below the range from which Linux takes the ports of outgoing connections.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// What agents present to the master.
pub const TOKEN: &str = "integration-join-token";

/// One agent process.
pub struct Agent {
    /// Its name.
    pub name: String,
    process: Child,
}

impl Agent {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.id().expect("it was not waited for")
    }

    /// Ends it as an operator would; it leaves nothing.
    pub async fn end(mut self, logs: &str) {
        terminate(&mut self.process, &self.name, logs).await;
        engine::assert_nothing_left(&self.name).await;
    }
}

/// The way of a test that failed: an agent that is killed cannot remove its containers.
impl Drop for Agent {
    fn drop(&mut self) {
        let Some(pid) = self.process.id() else { return };
        let asked = std::process::Command::new("kill").args(["-TERM", &pid.to_string()]).status();
        let deadline = std::time::Instant::now() + END_WAIT;
        // Nothing can be awaited here: an empty channel is the pause between two looks.
        let (_held, never) = std::sync::mpsc::channel::<()>();
        while asked.is_ok() && std::time::Instant::now() < deadline && matches!(self.process.try_wait(), Ok(None)) {
            if never.recv_timeout(LOOK_EVERY).is_ok() {
                return;
            }
        }
    }
}

/// A master, its agents, and where they are.
pub struct Cluster {
    /// Where the API is.
    pub url: String,
    /// A client for it.
    pub http: reqwest::Client,
    /// The agents, in the order of their start.
    pub agents: Vec<Agent>,
    /// The master's data directory.
    pub store: PathBuf,
    /// Variables that all its processes have beside the test's own.
    pub environment: Vec<(&'static str, String)>,
    master: Option<Child>,
    /// Both ports have certificates of an authority of the cluster's own.
    secured: bool,
    ports: (u16, u16),
    data: TempDir,
}

/// The path of a program of this workspace; `cargo test -p enclos` alone does not build the agent.
pub fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_enclos")).with_file_name(name);
    assert!(path.is_file(), "{} is not there: run `cargo build --workspace` first", path.display());
    path
}

fn scheme(secured: bool) -> &'static str {
    if secured { "https" } else { "http" }
}

pub fn free_port() -> u16 {
    let candidates = std::iter::repeat_with(|| rand::random_range(PORTS)).take(1000);
    let free = candidates.map(|port| TcpListener::bind(("127.0.0.1", port))).find_map(Result::ok);
    free.expect("loopback has a free port").local_addr().expect("a bound socket has an address").port()
}

/// The one place that looks again and again: at other processes, which cannot be awaited.
pub async fn look_until<T, F: Future<Output = Option<T>>>(wait: Duration, look: impl Fn() -> F) -> Option<T> {
    let deadline = Instant::now() + wait;
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if Instant::now() >= deadline {
            return None;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl Cluster {
    /// A master without agents.
    pub async fn master_only() -> Self {
        Self::master_with(&[]).await
    }

    /// A master with more arguments, without agents.
    pub async fn master_with(args: &[&str]) -> Self {
        let mut cluster = Self::new(false);
        cluster.start_master_with(args).await;
        cluster
    }

    /// A master on this data directory, without agents.
    pub async fn master_at(store: &Path) -> Self {
        let mut cluster = Self { store: store.to_owned(), ..Self::new(false) };
        cluster.start_master().await;
        cluster
    }

    /// A master with a certificate on each port and more arguments, without agents.
    pub async fn secured(args: &[&str]) -> Self {
        let mut cluster = Self::new(true);
        cluster.operate(&["pki", "init"], &[]).await;
        let roots = enclos_tls::pem::authorities(&cluster.pki().join("ca.crt")).expect("it was made");
        let tls = enclos_tls::client::config(roots, None).expect("it can be trusted");
        cluster.http = enclos_tls::client::http(Some(&tls)).build().expect("a client can be made");
        cluster.start_master_with(args).await;
        cluster
    }

    /// All of it but a process.
    pub fn new(secured: bool) -> Self {
        let ports = (free_port(), free_port());
        let data = TempDir::new().expect("a temporary directory can be made");
        Self {
            url: format!("{}://127.0.0.1:{}", scheme(secured), ports.0),
            http: enclos_tls::client::http(None).build().expect("a client can be made"),
            agents: Vec::new(),
            environment: Vec::new(),
            master: None,
            secured,
            ports,
            store: data.path().join("data"),
            data,
        }
    }

    /// Directory of the authority.
    pub fn pki(&self) -> PathBuf {
        self.data.path().join("pki")
    }

    /// What a command of the operator prints that works on the authority's directory.
    pub async fn operate(&self, command: &[&str], more: &[&str]) -> String {
        let mut operator = Command::new(program("enclos"));
        let output = operator.args(command).arg("--dir").arg(self.pki()).args(more).output().await;
        let output = output.expect("the command starts");
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("it is text").trim().to_owned()
    }

    /// A master and as many agents as there are argument lists.
    pub async fn with_agents(agents: &[&[&str]]) -> Self {
        let mut cluster = Self::master_only().await;
        for args in agents {
            cluster.start_agent(args).await;
        }
        cluster
    }

    /// The master's process.
    pub fn master_pid(&self) -> u32 {
        self.master.as_ref().and_then(Child::id).expect("the master runs")
    }

    /// Where master and agents keep what they keep: the master's data and all logs.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Where agents dial.
    pub fn link_url(&self) -> String {
        format!("{}://127.0.0.1:{}", scheme(self.secured), self.ports.1)
    }

    /// Starts the master on the cluster's ports and data, and waits until it is ready.
    pub async fn start_master(&mut self) {
        self.start_master_with(&[]).await;
    }

    /// The same with more arguments.
    pub async fn start_master_with(&mut self, args: &[&str]) {
        let pki = self.pki();
        let files =
            [("--pki", pki.clone()), ("--tls-cert", pki.join("server.crt")), ("--tls-key", pki.join("server.key"))];
        let tls =
            files.into_iter().filter(|_| self.secured).flat_map(|(flag, path)| [flag.into(), path.into_os_string()]);
        let child = Command::new(program("enclos"))
            .arg("master")
            .args(tls)
            .args(["--bind", &format!("127.0.0.1:{}", self.ports.0)])
            .args(["--link-bind", &format!("127.0.0.1:{}", self.ports.1)])
            .arg("--data-dir")
            .arg(&self.store)
            .args(args)
            .env("ENCLOS_JOIN_TOKEN", TOKEN)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(self.log("master"))
            .stderr(self.log("master"))
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

    /// The log of a process, which a restart continues.
    fn log(&self, name: &str) -> std::fs::File {
        let path = self.data.path().join(format!("{name}.log"));
        std::fs::OpenOptions::new().create(true).append(true).open(path).expect("the log can be made")
    }

    /// Starts an agent and waits until the master lists it as connected.
    pub async fn start_agent(&mut self, args: &[&str]) {
        // Unique in the whole test: containers and cgroups are named by it.
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let name = format!("it-{}-{}", std::process::id(), STARTED.fetch_add(1, Ordering::Relaxed));
        self.start_agent_named(&name, args).await;
    }

    /// As [`Cluster::start_agent`], with a name.
    pub async fn start_agent_named(&mut self, name: &str, args: &[&str]) {
        let token = if self.secured { self.operate(&["agents", "token"], &[]).await } else { TOKEN.to_owned() };
        self.start_agent_at(&self.link_url(), name, &token, args).await;
    }

    /// A process of an agent that dials `link`, and may be refused.
    pub fn agent_process(&self, link: &str, name: &str, token: &str, args: &[&str]) -> Child {
        let mut command = Command::new(program("enclos-agent"));
        if !token.is_empty() {
            command.env("ENCLOS_JOIN_TOKEN", token);
        }
        command
            .envs(self.environment.iter().cloned())
            .args(["--master", link, "--name", name])
            .arg("--data-dir")
            .arg(self.data.path().join(name))
            .args(args)
            .stdin(Stdio::null())
            .stdout(self.log(name))
            .stderr(self.log(name))
            .kill_on_drop(true)
            .spawn()
            .expect("the agent starts")
    }

    /// Starts an agent that dials `link` and brings `token`, and waits until the master lists it as connected.
    pub async fn start_agent_at(&mut self, link: &str, name: &str, token: &str, args: &[&str]) {
        let process = self.agent_process(link, name, token, args);
        self.agents.push(Agent { name: name.to_owned(), process });
        let agent = self.agents.len() - 1;
        let connected = look_until(READY_WAIT, || async {
            let listed = self.agent(name).await["state"] == "connected";
            (listed || !host::runs(self.agents[agent].pid())).then_some(listed)
        });
        let connected = connected.await;
        assert_eq!(connected, Some(true), "the agent connects within {READY_WAIT:?}\n{}", self.logs());
    }

    /// The agent of that name as the master lists it; null when it does not.
    pub async fn agent(&self, name: &str) -> Value {
        let listed = self.get("/v1/agents").await;
        let found = listed["agents"].as_array().and_then(|all| all.iter().find(|a| a["name"] == name));
        found.cloned().unwrap_or(Value::Null)
    }

    /// Waits until `condition` holds; fails the test with the logs when it never does.
    pub async fn eventually<F: Future<Output = bool>>(&self, what: &str, condition: impl Fn() -> F) {
        let held = look_until(READY_WAIT, || async { condition().await.then_some(()) }).await;
        assert!(held.is_some(), "not within {READY_WAIT:?}: {what}\n{}", self.logs());
    }

    /// The last lines of every log.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(self.data.path()).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|e| e == "log") {
                let log = std::fs::read_to_string(entry.path()).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                let tail = &lines[lines.len().saturating_sub(LOG_LINES_MAX)..];
                let _infallible = writeln!(text, "--- {}\n{}", entry.file_name().to_string_lossy(), tail.join("\n"));
            }
        }
        text
    }

    /// Everything that master and agents have logged.
    pub fn whole_log(&self) -> String {
        let entries = std::fs::read_dir(self.data.path()).into_iter().flatten().flatten();
        let logs = entries.map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "log"));
        logs.map(|p| std::fs::read_to_string(p).unwrap_or_default()).collect()
    }

    /// The JSON of a GET; null where there is no answer, or none in JSON.
    pub async fn get(&self, path: &str) -> Value {
        let sent = self.http.get(format!("{}{path}", self.url)).send().await;
        match sent {
            Ok(response) => response.json().await.unwrap_or(Value::Null),
            Err(_) => Value::Null,
        }
    }

    /// Submits without waiting; status and body of the answer.
    pub async fn post(&self, submission: &Value) -> (u16, Value) {
        let request = self.http.post(format!("{}/v1/jobs", self.url)).json(submission);
        let response = request.send().await.unwrap_or_else(|e| panic!("the master answers: {e}\n{}", self.logs()));
        (response.status().as_u16(), response.json().await.expect("the answer is JSON"))
    }

    /// Submits without waiting; the answer must be 201.
    pub async fn submit(&self, submission: &Value) -> String {
        let (status, job) = self.post(submission).await;
        assert_eq!(status, 201, "{job:#}");
        job["id"].as_str().expect("a job has an id").to_owned()
    }

    /// The finished job; survives a restart of the master meanwhile.
    pub async fn finished(&self, id: &str) -> Value {
        let path = format!("/v1/jobs/{id}?wait_ms=10000");
        let look = || async {
            let job = self.get(&path).await;
            (job["state"] == "finished").then_some(job)
        };
        if let Some(job) = look_until(JOB_WAIT, look).await {
            return job;
        }
        panic!("job {id} did not finish: {:#}\n{}", self.get(&format!("/v1/jobs/{id}")).await, self.logs())
    }

    /// Submits and waits for the end.
    pub async fn run(&self, submission: &Value) -> Value {
        let id = self.submit(submission).await;
        self.finished(&id).await
    }

    /// Asks for the end of a job.
    pub async fn cancel(&self, id: &str) {
        let request = self.http.post(format!("{}/v1/jobs/{id}/cancel", self.url)).json(&json!({}));
        let status = request.send().await.expect("the master answers").status();
        assert!(status.is_success(), "cancelling {id} is answered {status}");
    }

    /// Kills the master with SIGKILL.
    pub async fn kill_master(&mut self) {
        if let Some(mut master) = self.master.take() {
            master.kill().await.expect("the master can be killed");
        }
    }

    /// Ends the master as an operator would; how long it took.
    pub async fn end_master(&mut self) -> Duration {
        let (begun, logs) = (Instant::now(), self.logs());
        if let Some(mut master) = self.master.take() {
            terminate(&mut master, "the master", &logs).await;
        }
        begun.elapsed()
    }

    /// Kills an agent with SIGKILL; it is no more among `agents`.
    pub async fn kill_agent(&mut self, index: usize) -> String {
        let mut agent = self.agents.remove(index);
        agent.process.kill().await.expect("the agent can be killed");
        agent.name.clone()
    }

    /// Ends everything as an operator would, and checks that nothing is left.
    pub async fn shutdown(mut self) {
        for agent in std::mem::take(&mut self.agents) {
            agent.end(&self.logs()).await;
        }
        let logs = self.logs();
        if let Some(master) = &mut self.master {
            terminate(master, "the master", &logs).await;
        }
    }
}

async fn terminate(child: &mut Child, name: &str, logs: &str) {
    let Some(pid) = child.id() else { return };
    signal(pid, "-TERM").await;
    let status = timeout(END_WAIT, child.wait()).await.unwrap_or_else(|_| panic!("{name} ignores SIGTERM\n{logs}"));
    let status = status.expect("its status can be read");
    assert!(status.success(), "{name} ends with exit code 0 after SIGTERM, not {status}\n{logs}");
}

/// Sends a signal as a shell would.
pub async fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status().await.expect("kill is there");
    assert!(sent.success(), "process {pid} takes {name}");
}

/// A submission of one source file.
pub fn source(language: &str, source: &str) -> Value {
    json!({ "language": language, "source": source })
}
