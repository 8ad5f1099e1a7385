//! The same commands without Enclos: bare processes with the image's toolchain.
//!
//! Bare processes enter the mount and pid namespaces (Java wants /proc) of an idle container of the
//! language image (`nsenter`), so that compiler and libraries are the very same
//! files, and are otherwise ordinary processes of the host.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// An idle container of a language image; removed when dropped.
pub struct Rootfs {
    id: String,
    pid: String,
}

/// The newest of our images with this name, as the engine's client lists it.
pub fn image_named(name: &str) -> Result<String, BareError> {
    let format = "{{.Repository}}:{{.Tag}}";
    let listed = output(Command::new("docker").args(["images", "--format", format]), b"")?;
    let prefix = format!("enclos/{name}:");
    let found = String::from_utf8_lossy(&listed).lines().find(|line| line.starts_with(&prefix)).map(str::to_owned);
    found.ok_or_else(|| BareError(format!("no image {prefix}…: run 'enclos-agent images build'")))
}

/// A command of the engine's client or a bare process that failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BareError(String);

fn output(command: &mut Command, stdin: &[u8]) -> Result<Vec<u8>, BareError> {
    let name = format!("{command:?}");
    let says = |e: std::io::Error| BareError(format!("{name}: {e}"));
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(says)?;
    if let Some(mut pipe) = child.stdin.take() {
        pipe.write_all(stdin).map_err(says)?;
    }
    let output = child.wait_with_output().map_err(says)?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(BareError(format!("{name}: {}", String::from_utf8_lossy(&output.stderr))))
    }
}

impl Rootfs {
    /// Starts the idle container.
    pub fn start(image: &str) -> Result<Self, BareError> {
        let run = ["run", "-d", "--rm", "--network", "none", "--entrypoint", "sleep", image, "infinity"];
        let id = trimmed(output(Command::new("docker").args(run), b"")?);
        let inspect = ["inspect", "-f", "{{.State.Pid}}", &id];
        let pid = trimmed(output(Command::new("docker").args(inspect), b"")?);
        Ok(Self { id, pid })
    }

    /// Makes a program of `source`, which `file` then holds, by one command.
    pub fn compile(&self, file: &str, source: &str, command: &[String]) -> Result<(), BareError> {
        self.enter(&["tee".into(), file.to_owned()], source.as_bytes())?;
        self.enter(command, b"").map(drop)
    }

    /// Runs one command where programs are made; its output and its time.
    pub fn timed(&self, command: &[String], stdin: &[u8]) -> Result<(Vec<u8>, Duration), BareError> {
        let begun = Instant::now();
        Ok((self.enter(command, stdin)?, begun.elapsed()))
    }

    /// Runs a program that was made as a process of the host, with the image's own loader and
    /// libraries: nothing is entered, so nothing but fork, exec and the program is in the time.
    pub fn timed_outside(&self, program: &str, stdin: &[u8]) -> Result<(Vec<u8>, Duration), BareError> {
        let root = format!("/proc/{}/root", self.pid);
        let (loader, libraries) = match std::env::consts::ARCH {
            "x86_64" => ("lib64/ld-linux-x86-64.so.2", "x86_64-linux-gnu"),
            "aarch64" => ("lib/ld-linux-aarch64.so.1", "aarch64-linux-gnu"),
            other => return Err(BareError(format!("the loader of {other} is not known here"))),
        };
        let paths = format!("{root}/lib/{libraries}:{root}/usr/lib/{libraries}");
        let mut command = Command::new(format!("{root}/{loader}"));
        command.args(["--library-path", &paths]).arg(format!("{root}/tmp/{program}"));
        let begun = Instant::now();
        Ok((output(&mut command, stdin)?, begun.elapsed()))
    }

    fn enter(&self, command: &[String], stdin: &[u8]) -> Result<Vec<u8>, BareError> {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--target", &self.pid, "--mount", "--pid", "--root", "--", "env", "-C", "/tmp"]).args(command);
        output(&mut nsenter, stdin)
    }
}

impl Drop for Rootfs {
    fn drop(&mut self) {
        let _ = output(Command::new("docker").args(["rm", "-f", &self.id]), b"");
    }
}

fn trimmed(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).trim().to_owned()
}
