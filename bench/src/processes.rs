//! Masters and agents as processes: started beside this program, looked at, and ended as an operator would.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Longest until a process is ready.
pub const READY_WAIT: Duration = Duration::from_secs(120);
/// Longest from SIGTERM to the end of a process.
const END_WAIT: Duration = Duration::from_secs(60);
pub const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What agents show, and the variable that carries it.
pub const TOKEN: &str = "a-join-token-for-benches";
pub const TOKEN_VARIABLE: &str = "ENCLOS_JOIN_TOKEN";

/// Another program of the same build.
pub fn program(name: &str) -> Outcome<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.is_file() { Ok(path) } else { Err(format!("{} is not there: build the workspace", path.display()).into()) }
}

/// A port of loopback that was free just now.
pub fn free_port() -> Outcome<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Sends SIGTERM and waits; how long it took.
pub async fn terminate(child: Option<Child>, name: &str) -> Outcome<Duration> {
    let Some(mut child) = child else { return Err(format!("{name} does not run").into()) };
    let Some(pid) = child.id() else { return Err(format!("{name} has ended by itself").into()) };
    let begun = Instant::now();
    signal(pid, "-TERM").await?;
    let status = timeout(END_WAIT, child.wait()).await.map_err(|_| format!("{name} ignores SIGTERM"))??;
    if status.success() { Ok(begun.elapsed()) } else { Err(format!("{name} ends with {status}").into()) }
}

/// Sends a signal as a shell would.
pub async fn signal(pid: u32, name: &str) -> Outcome<()> {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status().await?;
    if sent.success() { Ok(()) } else { Err(format!("process {pid} does not take {name}").into()) }
}

/// Looks again and again: at other processes, which cannot be awaited.
pub async fn wait_until<F: Future<Output = bool>>(what: &str, look: impl Fn() -> F) -> Outcome<()> {
    let deadline = Instant::now() + READY_WAIT;
    while !look().await {
        if Instant::now() >= deadline {
            return Err(format!("not within {READY_WAIT:?}: {what}").into());
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// A master with a directory of its own.
pub struct Master {
    directory: PathBuf,
    ports: (u16, u16),
    process: Child,
    http: reqwest::Client,
}

impl Master {
    /// Starts one with these flags; it answers when this returns.
    pub async fn start(name: &str, flags: &[String]) -> Outcome<Self> {
        let directory = std::env::temp_dir().join(format!("enclos-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        let log = std::fs::File::create(directory.join("master.log"))?;
        let ports = (free_port()?, free_port()?);
        let process = Command::new(program("enclos")?)
            .args(["master", "--bind", &format!("127.0.0.1:{}", ports.0)])
            .args(["--link-bind", &format!("127.0.0.1:{}", ports.1)])
            .arg("--data-dir")
            .arg(directory.join("data"))
            .args(flags)
            .env(TOKEN_VARIABLE, TOKEN)
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let http = enclos_tls::client::http(None).build()?;
        let master = Self { directory, ports, process, http };
        let health = format!("{}/healthz", master.url());
        let answers = || async { master.http.get(&health).send().await.is_ok_and(|r| r.status() == 200) };
        wait_until("the master answers", answers).await?;
        Ok(master)
    }

    /// Where clients ask.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.0)
    }

    /// The same, as a host and a port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports.0)
    }

    /// Where it keeps what is its.
    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// Where agents dial.
    pub fn link(&self) -> String {
        format!("127.0.0.1:{}", self.ports.1)
    }

    /// Its process.
    pub fn pid(&self) -> Outcome<u32> {
        Ok(self.process.id().ok_or("the master has ended by itself")?)
    }

    /// What `path` answers, as it stands.
    pub async fn text(&self, path: &str) -> Outcome<String> {
        Ok(self.http.get(format!("{}{path}", self.url())).send().await?.error_for_status()?.text().await?)
    }

    /// What `path` answers.
    pub async fn ask(&self, path: &str) -> Outcome<serde_json::Value> {
        let response = self.http.get(format!("{}{path}", self.url())).send().await?.error_for_status()?;
        Ok(response.json().await?)
    }

    /// How many agents are connected.
    pub async fn connected(&self) -> Outcome<usize> {
        let listed = self.ask("/v1/agents").await?;
        let agents = listed["agents"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(agents.iter().filter(|agent| agent["state"] == "connected").count())
    }

    /// Memory that it has in use, in bytes.
    pub fn resident_bytes(&self) -> Outcome<u64> {
        let pid = self.pid()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches("kB").trim().parse::<u64>()? * 1024)
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("master.log")).unwrap_or_default()
    }

    /// Ends it, and takes its directory away.
    pub async fn end(self) -> Outcome<()> {
        terminate(Some(self.process), "the master").await?;
        std::fs::remove_dir_all(&self.directory)?;
        Ok(())
    }
}
