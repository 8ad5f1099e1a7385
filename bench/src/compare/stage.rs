//! What a run has started: programs, containers, a directory. Whatever happens, all of it is ended here.
//!
//! What is measured may be dropped in the middle (Ctrl-C); so nothing that it starts is its own. A child that was
//! taken out of here and then forgotten would leave its sandboxes, so each is ended where it stands.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::Outcome;
use crate::processes::{program, signal};

/// Longest from SIGTERM to the end of a program, before it is killed.
const END_WAIT: Duration = Duration::from_secs(60);
/// Clients that may be at work at once, each in a directory of its own.
pub const SLOTS_MAX: usize = 64;

/// The resources of a run.
pub struct Stage {
    /// Where bare processes and containers work; a directory for each slot.
    pub work: PathBuf,
    /// The label of its containers.
    pub label: String,
    children: Mutex<Vec<Kept>>,
}

struct Kept {
    name: String,
    child: Child,
    is_told: bool,
}

impl Stage {
    /// Makes the directories.
    ///
    /// # Errors
    /// They cannot be made.
    pub fn open() -> Outcome<Self> {
        let work = std::env::temp_dir().join(format!("enclos-compare-{}", std::process::id()));
        for slot in 0..SLOTS_MAX {
            std::fs::create_dir_all(work.join(slot.to_string()))?;
        }
        let label = format!("enclos-bench={}", std::process::id());
        Ok(Self { work, label, children: Mutex::new(Vec::new()) })
    }

    /// Starts a program of this build, pinned to `cores` where they are given; its process id.
    ///
    /// # Errors
    /// It is not there or cannot be started.
    pub async fn spawn(&self, name: &str, built: &str, cores: Option<&str>, flags: &[String]) -> Outcome<u32> {
        let path = program(built)?;
        let mut command = match cores {
            None => Command::new(path),
            Some(cores) => {
                let mut pinned = Command::new("taskset");
                pinned.args(["-c", cores]).arg(path);
                pinned
            }
        };
        let log = std::fs::File::create(self.log_of(name))?;
        command.args(flags).env(crate::processes::TOKEN_VARIABLE, crate::processes::TOKEN);
        command.stdin(std::process::Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // The terminal's Ctrl-C is for this program, which ends the others in their order.
        let child = command.process_group(0).spawn()?;
        let pid = child.id().ok_or("it has ended already")?;
        self.children.lock().await.push(Kept { name: name.to_owned(), child, is_told: false });
        Ok(pid)
    }

    /// What a program wrote.
    pub fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.log_of(name)).unwrap_or_default()
    }

    fn log_of(&self, name: &str) -> PathBuf {
        self.work.join(format!("{name}.log"))
    }

    /// Ends one program as an operator would, and forgets it.
    ///
    /// # Errors
    /// It does not end well.
    pub async fn end_child(&self, name: &str) -> Outcome<()> {
        let mut children = self.children.lock().await;
        let Some(at) = children.iter().position(|kept| kept.name == name) else { return Ok(()) };
        let ended = end(&mut children[at]).await;
        children.remove(at);
        ended
    }

    /// Ends all there is, the last that was started first, and removes containers and directories.
    ///
    /// # Errors
    /// Something may have been left.
    pub async fn end(self) -> Outcome<()> {
        let mut wrong = Vec::new();
        for kept in self.children.lock().await.iter_mut().rev() {
            if let Err(error) = end(kept).await {
                wrong.push(error.to_string());
            }
        }
        if let Err(error) = remove_containers(&self.label).await {
            wrong.push(error.to_string());
        }
        if wrong.is_empty() {
            std::fs::remove_dir_all(&self.work)?;
            return Ok(());
        }
        Err(format!("{} (logs are in {})", wrong.join("; "), self.work.display()).into())
    }
}

async fn end(kept: &mut Kept) -> Outcome<()> {
    if !kept.is_told {
        if let Some(pid) = kept.child.id() {
            signal(pid, "-TERM").await?;
        }
        kept.is_told = true;
    }
    match timeout(END_WAIT, kept.child.wait()).await {
        Ok(status) => {
            let status = status?;
            if status.success() { Ok(()) } else { Err(format!("{} ends with {status}", kept.name).into()) }
        }
        Err(_) => {
            kept.child.kill().await?;
            Err(format!("{} ignores SIGTERM", kept.name).into())
        }
    }
}

async fn remove_containers(label: &str) -> Outcome<()> {
    let filter = format!("label={label}");
    let listed = Command::new("docker").args(["ps", "--all", "--quiet", "--filter", &filter]).output().await?;
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    let ids: Vec<&str> = text.split_whitespace().collect();
    if ids.is_empty() {
        return Ok(());
    }
    let removed = Command::new("docker").args(["rm", "--force"]).args(ids).output().await?;
    if removed.status.success() { Ok(()) } else { Err("containers of the comparison were left".into()) }
}

/// The first file of this name that the shell would find.
pub fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| Path::is_file(file))
}
