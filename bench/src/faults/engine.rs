//! An engine of the run's own, so that it may die: containerd and dockerd beneath one directory.
//!
//! Its images are copied from the engine that is there. It has no network and touches no firewall, and
//! nothing of it is shared: the machine's own engine knows nothing of the run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::Outcome;
use super::fleet::open_log;
use crate::processes::{program, terminate, wait_until};

/// The image that the jobs need.
pub const IMAGE: &str = "python";
/// Plugins of containerd that need what is not here, or that nobody asks for.
const PLUGINS_OFF: &str = r#"["io.containerd.grpc.v1.cri"]"#;

pub struct OwnEngine {
    directory: PathBuf,
    /// Where logs go, beneath it.
    run: PathBuf,
    containerd: Option<Child>,
    dockerd: Option<Child>,
}

impl OwnEngine {
    /// Starts it in `directory`, whose images are kept from an earlier run or copied; logs go beneath `run`.
    pub async fn begin(directory: &Path, run: &Path) -> Outcome<Self> {
        fs::create_dir_all(directory)?;
        let directory = directory.canonicalize()?;
        let shown = directory.display();
        let configuration = format!(
            "version = 2\nroot = \"{shown}/containerd\"\nstate = \"{shown}/run/containerd\"\n\
             disabled_plugins = {PLUGINS_OFF}\n[grpc]\naddress = \"{shown}/containerd.sock\"\n"
        );
        fs::write(directory.join("containerd.toml"), configuration)?;
        // Without a file of its own it would read the machine's.
        fs::write(directory.join("daemon.json"), "{}\n")?;
        let mut engine = Self { directory, run: run.to_owned(), containerd: None, dockerd: None };
        engine.start().await?;
        engine.stock().await?;
        Ok(engine)
    }

    /// What `DOCKER_HOST` is for it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket("docker").display())
    }

    /// Process ids of dockerd and containerd, while both run.
    pub fn daemons(&self) -> Option<(u32, u32)> {
        Some((self.dockerd.as_ref()?.id()?, self.containerd.as_ref()?.id()?))
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.sock"))
    }

    /// Starts what does not run of it, and waits until it answers.
    pub async fn start(&mut self) -> Outcome<()> {
        if self.containerd.is_none() {
            let mut command = self.daemon("containerd", &[])?;
            self.containerd = Some(command.arg("--config").arg(self.directory.join("containerd.toml")).spawn()?);
            let socket = self.socket("containerd");
            wait_until("containerd answers", async || UnixStream::connect(&socket).await.is_ok()).await?;
        }
        // In a network namespace of its own: an engine without a bridge takes away `docker0`, which is the host's engine's.
        let mut command = self.daemon("dockerd", &["unshare", "--net", "--"])?;
        command.arg("--config-file").arg(self.directory.join("daemon.json"));
        command.arg("--data-root").arg(self.directory.join("data"));
        command.arg("--exec-root").arg(self.directory.join("run/docker"));
        command.arg("--pidfile").arg(self.directory.join("docker.pid"));
        command.arg("--containerd").arg(self.socket("containerd"));
        command.args(["--host", &self.host(), "--exec-opt", "native.cgroupdriver=cgroupfs", "--bridge", "none"]);
        command.args(["--iptables=false", "--ip6tables=false", "--ip-masq=false"]);
        self.dockerd = Some(command.spawn()?);
        wait_until("the engine answers", async || {
            self.docker().arg("version").output().await.is_ok_and(|ended| ended.status.success())
        })
        .await
    }

    /// `name`, executed `through` other programs, one by the next.
    fn daemon(&self, name: &str, through: &[&str]) -> Outcome<Command> {
        let words: Vec<_> = through.iter().chain([&name]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        let log = open_log(&self.run, name)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        Ok(command)
    }

    fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", self.host());
        command
    }

    /// As an operator restarts it: it ends its containers by itself.
    pub async fn stop(&mut self) -> Outcome<()> {
        terminate(self.dockerd.take(), "dockerd").await.map(drop)
    }

    /// As power takes it: no process of it says a word. What runs in containers is nobody's then.
    pub async fn kill(&mut self) -> Outcome<()> {
        for mut process in self.dockerd.take().into_iter().chain(self.containerd.take()) {
            process.kill().await?;
        }
        Ok(())
    }

    /// Ends it for good.
    pub async fn end(mut self) -> Outcome<()> {
        self.stop().await?;
        terminate(self.containerd.take(), "containerd").await.map(drop)
    }

    /// Copies the image that the jobs need, unless it is there.
    async fn stock(&self) -> Outcome<()> {
        let there = self.host();
        if sandbox_image(Some(&there)).await?.is_some() {
            return Ok(());
        }
        let Some(reference) = sandbox_image(None).await? else {
            return Err(format!("image '{IMAGE}' is not there: 'enclos images build {IMAGE}' makes it").into());
        };
        let mut saving = Command::new("docker").args(["save", &reference]).stdout(Stdio::piped()).spawn()?;
        let archive: Stdio = saving.stdout.take().ok_or("docker has no output")?.try_into()?;
        let loaded = self.docker().arg("load").stdin(archive).output().await?;
        let saved = saving.wait().await?;
        if saved.success() && loaded.status.success() {
            return Ok(());
        }
        Err(format!("{reference} was not copied: {}", String::from_utf8_lossy(&loaded.stderr).trim()).into())
    }
}

/// The sandbox image as this build needs it, if the engine there has it; `None`: the machine's own.
pub async fn sandbox_image(host: Option<&str>) -> Outcome<Option<String>> {
    let mut command = Command::new(program("enclos-agent")?);
    let listed = command.args(["images", "list", "--json"]).envs(host.map(|host| ("DOCKER_HOST", host)));
    let listed: Value = serde_json::from_slice(&listed.output().await?.stdout)?;
    let images = listed["images"].as_array().ok_or("no list of images")?;
    let ready = images.iter().find(|image| image["name"] == IMAGE && image["state"] == "ready");
    Ok(ready.and_then(|image| image["reference"].as_str()).map(str::to_owned))
}
