//! The processes: one master, three agents, and the lines between them.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::{Child, Command};

use super::line::Line;
use super::{FaultsArgs, Outcome};
use crate::processes::{TOKEN, TOKEN_VARIABLE, free_port, program, signal, terminate, wait_until};

/// Agents.
pub const AGENTS: usize = 3;
/// Jobs that one agent runs at once.
pub const SLOTS: usize = 2;
/// Lines of each log that a failed run shows.
const LOG_LINES_MAX: usize = 40;
/// What the master's directory may hold in the end.
const MASTERS_FILES: [&str; 11] = [
    "audit.jsonl",
    "audit.1.jsonl",
    "audit-jobs.jsonl",
    "audit-jobs.1.jsonl",
    "blobs",
    "callback-key",
    "enclos.db",
    "enclos.db-shm",
    "enclos.db-wal",
    "join-token",
    "lock",
];

struct Agent {
    name: String,
    namespace: Option<String>,
    /// Where it dials.
    master: String,
    process: Option<Child>,
    /// The other end of its line, where it has a namespace.
    _relay: Option<Child>,
}

pub struct Fleet {
    directory: PathBuf,
    ports: (u16, u16),
    master: Option<Child>,
    agents: Vec<Agent>,
    pub lines: Vec<Line>,
}

/// A command in a network namespace; `nsenter` becomes it, so its process is the command's.
fn inside(namespace: Option<&str>, program: &Path) -> Command {
    let Some(namespace) = namespace else { return Command::new(program) };
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{namespace}")).arg(program);
    command
}

impl Fleet {
    pub async fn start(args: &FaultsArgs) -> Outcome<Self> {
        let ports = (free_port()?, free_port()?);
        let directory = args.directory.clone();
        let mut fleet = Self { directory, ports, master: None, agents: Vec::new(), lines: Vec::new() };
        fleet.start_master().await?;
        for number in 1..=AGENTS {
            let namespace = args.namespaces.get(number - 1).cloned();
            let listen = namespace.as_ref().map_or("127.0.0.1:0".to_owned(), |_| format!("10.213.{number}.1:7301"));
            let (line, address) = Line::new(&listen, format!("127.0.0.1:{}", ports.1)).await?;
            fleet.lines.push(line);
            let relay = namespace.as_deref().map(|n| fleet.relay(n, &address)).transpose()?;
            let master = namespace.as_ref().map_or(address, |_| "127.0.0.1:7301".to_owned());
            let name = format!("faults-{}-{number}", std::process::id());
            fleet.agents.push(Agent { name, namespace, master, process: None, _relay: relay });
            fleet.start_agent(number - 1)?;
        }
        fleet.connected().await?;
        Ok(fleet)
    }

    fn relay(&self, namespace: &str, to: &str) -> Outcome<Child> {
        let mut command = inside(Some(namespace), &std::env::current_exe()?);
        command.args(["relay", "--listen", "127.0.0.1:7301", "--to", to]);
        Ok(command.stdin(Stdio::piped()).stderr(self.log("relays")?).kill_on_drop(true).spawn()?)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.0)
    }

    /// On the small disk, if there is one, as the master's data is.
    pub fn filler(&self) -> PathBuf {
        self.directory.join("data/filler")
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data/enclos")
    }

    fn log(&self, name: &str) -> Outcome<File> {
        fs::create_dir_all(self.directory.join("logs"))?;
        let path = self.directory.join("logs").join(format!("{name}.log"));
        Ok(OpenOptions::new().create(true).append(true).open(path)?)
    }

    /// The last lines of every log.
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(self.directory.join("logs")).into_iter().flatten().flatten() {
            let log = fs::read_to_string(entry.path()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(LOG_LINES_MAX)..].join("\n");
            // Writing to a String cannot fail.
            let _ = writeln!(text, "--- {}\n{tail}", entry.file_name().to_string_lossy());
        }
        text
    }

    pub async fn start_master(&mut self) -> Outcome<()> {
        let child = Command::new(program("enclos")?)
            .args(["master", "--bind", &format!("127.0.0.1:{}", self.ports.0)])
            .args(["--link-bind", &format!("127.0.0.1:{}", self.ports.1)])
            .arg("--data-dir")
            .arg(self.data())
            .env(TOKEN_VARIABLE, TOKEN)
            .stdin(Stdio::null())
            .stdout(self.log("master")?)
            .stderr(self.log("master")?)
            .kill_on_drop(true)
            .spawn()?;
        self.master = Some(child);
        let url = format!("{}/healthz", self.url());
        let http = enclos_tls::client::http(None).build()?;
        let answers = || async { http.get(&url).send().await.is_ok_and(|r| r.status() == 200) };
        wait_until("the master answers", answers).await
    }

    pub async fn kill_master(&mut self) -> Outcome<()> {
        if let Some(mut master) = self.master.take() {
            master.kill().await?;
        }
        Ok(())
    }

    pub fn start_agent(&mut self, number: usize) -> Outcome<()> {
        let log = (self.log(&format!("agent-{}", number + 1))?, self.log(&format!("agent-{}", number + 1))?);
        let agent = &mut self.agents[number];
        let child = inside(agent.namespace.as_deref(), &program("enclos-agent")?)
            .args(["--master", &format!("http://{}", agent.master), "--name", &agent.name])
            .args(["--slots", &SLOTS.to_string(), "--languages", "python", "--warm", "1"])
            .env(TOKEN_VARIABLE, TOKEN)
            .stdin(Stdio::null())
            .stdout(log.0)
            .stderr(log.1)
            .kill_on_drop(true)
            .spawn()?;
        agent.process = Some(child);
        Ok(())
    }

    pub async fn kill_agent(&mut self, number: usize) -> Outcome<()> {
        if let Some(mut agent) = self.agents[number].process.take() {
            agent.kill().await?;
        }
        Ok(())
    }

    /// Sends a signal as a shell would.
    pub async fn signal_agent(&self, number: usize, name: &str) -> Outcome<()> {
        match self.agents[number].process.as_ref().and_then(Child::id) {
            Some(pid) => signal(pid, name).await,
            None => Err("the agent does not run".into()),
        }
    }

    /// Waits until all agents are there.
    pub async fn connected(&self) -> Outcome<()> {
        let url = format!("{}/v1/agents", self.url());
        let http = enclos_tls::client::http(None).build()?;
        wait_until("every agent is connected", || async {
            let Ok(response) = http.get(&url).send().await else { return false };
            let listed: Value = response.json().await.unwrap_or_default();
            let all = listed["agents"].as_array().map(Vec::as_slice).unwrap_or_default();
            all.iter().filter(|agent| agent["state"] == "connected").count() == AGENTS
        })
        .await
    }

    /// Ends all of it as an operator would, and looks whether something is left.
    pub async fn end(mut self) -> Outcome<()> {
        let mut slowest = Duration::ZERO;
        for agent in &mut self.agents {
            slowest = slowest.max(terminate(agent.process.take(), &agent.name).await?);
        }
        let masters = terminate(self.master.take(), "the master").await?;
        println!("Ended within {slowest:.1?} (agents) and {masters:.1?} (master) of SIGTERM; nothing is left.");
        for Agent { name, .. } in &self.agents {
            let label = format!("label=enclos.agent={name}");
            let listed = Command::new("docker").args(["ps", "--all", "--quiet", "--filter", &label]).output().await?;
            if !listed.status.success() || !listed.stdout.is_empty() {
                return Err(format!("containers of {name} are left: {listed:?}").into());
            }
            let groups = fs::read_dir("/sys/fs/cgroup")?.flatten().map(|e| e.path().join(format!("enclos-{name}")));
            if let Some(left) = groups.into_iter().find(|path| path.exists()) {
                return Err(format!("a cgroup is left: {}", left.display()).into());
            }
        }
        for entry in fs::read_dir(self.data())? {
            let name = entry?.file_name();
            if !MASTERS_FILES.iter().any(|known| name == *known) {
                return Err(format!("a file of the master is left: {}", name.display()).into());
            }
        }
        Ok(())
    }
}
