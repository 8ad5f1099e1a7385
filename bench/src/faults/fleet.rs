//! The processes: one master, three agents, and the lines between them.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use super::engine::OwnEngine;
use super::line::Line;
use super::{FaultsArgs, Outcome};
use crate::processes::{
    LOOK_EVERY, READY_WAIT, TOKEN, TOKEN_VARIABLE, free_port, program, signal, terminate, wait_until,
};

/// Agents.
pub const AGENTS: usize = 3;
/// Jobs that one agent runs at once.
pub const SLOTS: usize = 2;
/// How an agent ends that cannot start.
const NOT_STARTED: i32 = 1;
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
    /// This process has been connected.
    joined: bool,
    /// The engine went away while this process was not connected yet.
    excused: bool,
    /// The other end of its line, where it has a namespace.
    _relay: Option<Child>,
}

pub struct Fleet {
    directory: PathBuf,
    ports: (u16, u16),
    master: Option<Child>,
    agents: Vec<Agent>,
    /// The agents' engine, where it is the run's own.
    engine: Option<OwnEngine>,
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
        let engine = match &args.engine {
            Some(place) => Some(OwnEngine::begin(place, &directory).await?),
            None => None,
        };
        let mut fleet = Self { directory, ports, master: None, agents: Vec::new(), engine, lines: Vec::new() };
        fleet.start_master().await?;
        for number in 1..=AGENTS {
            let namespace = args.namespaces.get(number - 1).cloned();
            let listen = namespace.as_ref().map_or("127.0.0.1:0".to_owned(), |_| format!("10.213.{number}.1:7301"));
            let (line, address) = Line::new(&listen, format!("127.0.0.1:{}", ports.1)).await?;
            fleet.lines.push(line);
            let relay = namespace.as_deref().map(|n| fleet.relay(n, &address)).transpose()?;
            let master = namespace.as_ref().map_or(address, |_| "127.0.0.1:7301".to_owned());
            let name = format!("faults-{}-{number}", std::process::id());
            let (process, joined, excused) = (None, false, false);
            fleet.agents.push(Agent { name, namespace, master, process, joined, excused, _relay: relay });
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
        open_log(&self.directory, name)
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
            .envs(self.engine.as_ref().map(|engine| ("DOCKER_HOST", engine.host())))
            .stdin(Stdio::null())
            .stdout(log.0)
            .stderr(log.1)
            .kill_on_drop(true)
            .spawn()?;
        (agent.process, agent.joined, agent.excused) = (Some(child), false, false);
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

    /// Takes the engine away: `kindly`, or as power does.
    pub async fn take_engine(&mut self, kindly: bool) -> Outcome<()> {
        self.look().await?;
        for agent in &mut self.agents {
            agent.excused = !agent.joined;
        }
        match &mut self.engine {
            Some(engine) if kindly => engine.stop().await,
            Some(engine) => engine.kill().await,
            None => Err("the engine is not the run's own".into()),
        }
    }

    pub async fn give_engine(&mut self) -> Outcome<()> {
        let Some(engine) = &mut self.engine else { return Err("the engine is not the run's own".into()) };
        engine.start().await
    }

    /// Starts agents again that did not find the engine at their start, as who started them would;
    /// no other may have ended by itself.
    pub fn revive(&mut self) -> Outcome<()> {
        for number in 0..self.agents.len() {
            let agent = &mut self.agents[number];
            let Some(status) = agent.process.as_mut().map(Child::try_wait).transpose()?.flatten() else { continue };
            if !agent.excused || status.code() != Some(NOT_STARTED) {
                return Err(format!("{} ended by itself: {status}", agent.name).into());
            }
            println!("agent {} found no engine, and is started again", number + 1);
            self.start_agent(number)?;
        }
        Ok(())
    }

    /// How many agents are connected; remembers which.
    async fn look(&mut self) -> Outcome<usize> {
        let url = format!("{}/v1/agents", self.url());
        let http = enclos_tls::client::http(None).build()?;
        let Ok(response) = http.get(&url).send().await else { return Ok(0) };
        let listed: Value = response.json().await.unwrap_or_default();
        let all = listed["agents"].as_array().map(Vec::as_slice).unwrap_or_default();
        let connected = |agent: &Agent| all.iter().any(|a| a["name"] == *agent.name && a["state"] == "connected");
        let mut count = 0;
        for agent in self.agents.iter_mut().filter(|agent| connected(agent)) {
            agent.joined = true;
            count += 1;
        }
        Ok(count)
    }

    /// Waits until all agents are there.
    pub async fn connected(&mut self) -> Outcome<()> {
        let deadline = Instant::now() + READY_WAIT;
        while self.look().await? < AGENTS {
            if Instant::now() >= deadline {
                return Err(format!("not within {READY_WAIT:?}: every agent is connected").into());
            }
            self.revive()?;
            sleep(LOOK_EVERY).await;
        }
        Ok(())
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
            let mut list = Command::new("docker");
            list.args(["ps", "--all", "--quiet", "--filter", &label]);
            list.envs(self.engine.as_ref().map(|engine| ("DOCKER_HOST", engine.host())));
            let listed = list.output().await?;
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
        match self.engine.take() {
            Some(engine) => engine.end().await,
            None => Ok(()),
        }
    }
}

/// The log of that name, beneath the run's directory.
pub fn open_log(directory: &Path, name: &str) -> Outcome<File> {
    let logs = directory.join("logs");
    fs::create_dir_all(&logs)?;
    Ok(OpenOptions::new().create(true).append(true).open(logs.join(format!("{name}.log")))?)
}
