//! The same commands as ordinary processes of the host, and in what others put around a process.
//!
//! All of them use the files of one idle container, so compiler and libraries are the very same. A bare process takes its
//! root by chroot(2), through `unshare` of util-linux, which without a namespace to make changes root and directory
//! and executes: one exec more than nothing. The container shares the host's process ids, as Java finds itself through
//! /proc. `nsenter` is what earlier tables called bare: it enters two namespaces, forks, and `env` changes the
//! directory. What either costs is measured with the null program, which needs no root and is run without any, too.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Outcome;
use super::programs::{PREPARED, Program};
use super::stage::{Stage, in_path};
use super::ways::Way;

/// Where the stage's directory is seen in containers and sandboxes.
pub const WORK: &str = "/bench";
/// What every command finds its programs by.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// An idle container of a language image; the stage removes it.
#[derive(Clone, Debug)]
pub struct Room {
    pub image: String,
    pub id: String,
    pid: String,
    /// The container's root as a directory of the host's own mount namespace.
    merged: PathBuf,
    work: PathBuf,
}

impl Room {
    /// Starts one of the image that this build names so.
    ///
    /// # Errors
    /// The image is not there, or the engine does not start it.
    pub fn start(stage: &Stage, image: &str) -> Outcome<Self> {
        let image = image_of(image)?;
        let work = stage.work.clone();
        let bind = format!("{}:{WORK}", work.display());
        let mut run = docker(&["run", "-d", "--rm", "--pid", "host", "--network", "none", "--label", &stage.label]);
        run.args(["-v", &bind, "--entrypoint", "sleep", &image, "infinity"]);
        let id = said(&mut run)?;
        let about = said(&mut docker(&["inspect", "-f", "{{.State.Pid}} {{.GraphDriver.Data.MergedDir}}", &id]))?;
        let (pid, merged) = about.split_once(' ').ok_or("the engine does not say where the container is")?;
        Ok(Self { image, id, pid: pid.to_owned(), merged: merged.into(), work })
    }

    /// Compiles the null program, once, to where every way finds it.
    ///
    /// # Errors
    /// The compiler fails.
    pub fn prepare(&self, null: &Program) -> Outcome<()> {
        std::fs::write(self.work.join("0").join(null.file), null.source)?;
        let compile = ["gcc", "-O2", "-static", "-o", "../null", null.file];
        said(&mut self.command(Way::Bare, 0, &compile).ok_or("a bare process is always to be had")?)?;
        if self.work.join(PREPARED).is_file() { Ok(()) } else { Err("the null program was not made".into()) }
    }

    /// Directories of the image's files, which all its containers share.
    ///
    /// # Errors
    /// The engine does not keep them as directories.
    pub fn layers(&self) -> Outcome<Vec<PathBuf>> {
        let data = "{{index .GraphDriver.Data \"LowerDir\"}}:{{index .GraphDriver.Data \"UpperDir\"}}";
        let listed = said(&mut docker(&["image", "inspect", "--format", data, &self.image]))?;
        let layers: Vec<PathBuf> = listed.split(':').map(PathBuf::from).filter(|path| path.is_dir()).collect();
        if layers.is_empty() { Err("the engine does not say where the image's files are".into()) } else { Ok(layers) }
    }

    /// Runs all steps of a program, one after the other; how long they took.
    ///
    /// # Errors
    /// This host has no such way, a step fails, or the answer is wrong.
    pub fn run(&self, way: Way, program: &Program, slot: usize) -> Outcome<Duration> {
        std::fs::write(self.work_of(slot).join(program.file), program.source)?;
        let mut output = Vec::new();
        let begun = Instant::now();
        for step in program.steps() {
            let mut command = self.command(way, slot, step).ok_or_else(|| format!("{} is not here", way.name()))?;
            let ended = command.stdin(Stdio::null()).output()?;
            if !ended.status.success() {
                return Err(failed(way, program, &ended).into());
            }
            output = ended.stdout;
        }
        let time = begun.elapsed();
        program.check(way.name(), &output)?;
        Ok(time)
    }

    /// Where a slot's files are, as the host sees them.
    pub fn work_of(&self, slot: usize) -> PathBuf {
        self.work.join(slot.to_string())
    }

    /// One step as a command of the host; `None` where the host has no such way.
    pub fn command(&self, way: Way, slot: usize, step: &[&str]) -> Option<Command> {
        let inside = format!("{WORK}/{slot}");
        let outside = self.work_of(slot);
        let (first, rest) = step.split_first()?;
        let mut command = match way {
            Way::Outside => {
                let mut command = Command::new(outside.join(first));
                command.args(rest).current_dir(outside);
                command
            }
            Way::Bare => {
                let mut command = Command::new("unshare");
                command.args([&format!("--root=/proc/{}/root", self.pid), &format!("--wd={inside}")]).args(step);
                command
            }
            Way::Nsenter => {
                let mut command = Command::new("nsenter");
                command
                    .args(["--target", &self.pid, "--mount", "--pid", "--root", "--", "env", "-C", &inside])
                    .args(step);
                command
            }
            Way::Bwrap => {
                let mut command = Command::new(in_path("bwrap")?);
                command.args(["--unshare-all", "--die-with-parent", "--new-session", "--ro-bind"]).arg(&self.merged);
                command.args(["/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind"]).arg(&self.work);
                command.args([WORK, "--chdir", &inside]).args(step);
                command
            }
            Way::Nsjail => {
                let nsjail =
                    std::env::var_os("ENCLOS_BENCH_NSJAIL").map(PathBuf::from).or_else(|| in_path("nsjail"))?;
                let mut command = Command::new(nsjail);
                command.args(["-Mo", "-Q", "--disable_rlimits", "--tmpfsmount", "/tmp", "--chroot"]).arg(&self.merged);
                command.args(["--bindmount", &format!("{}:{WORK}", self.work.display()), "--cwd", &inside]);
                command.args(["--env", &format!("PATH={PATH}"), "--"]).arg(absolute(&inside, first)).args(rest);
                command
            }
            // Its package has switched off other roots, so it has nothing but the static program.
            Way::Firejail => {
                let mut command = Command::new(in_path("firejail")?);
                command.args(["--quiet", "--noprofile", "--net=none"]);
                command.args(["--"]).arg(outside.join(first)).args(rest);
                command
            }
            Way::DockerRun | Way::Container | Way::Exec | Way::Tenant | Way::Cached | Way::Never => return None,
        };
        command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| PATH.into()));
        Some(command)
    }

    /// Runs a program in a container that the engine's client makes and removes.
    ///
    /// # Errors
    /// The client fails, or the answer is wrong.
    pub fn docker_run(&self, stage_label: &str, program: &Program) -> Outcome<Duration> {
        let bind = format!("{}:{WORK}:ro", self.work.display());
        let mut run = docker(&["run", "--rm", "--network", "none", "--label", stage_label, "-v", &bind]);
        if program.is_prepared() {
            run.args(["--entrypoint", &format!("{WORK}/{PREPARED}"), &self.image]);
        } else {
            run.args(["--workdir", "/tmp", "--env", &format!("SOURCE={}", program.source), "--entrypoint", "sh"]);
            run.args([&self.image, "-c", &program.script()]);
        }
        let begun = Instant::now();
        let ended = run.stdin(Stdio::null()).output()?;
        let time = begun.elapsed();
        if !ended.status.success() {
            return Err(failed(Way::DockerRun, program, &ended).into());
        }
        program.check(Way::DockerRun.name(), &ended.stdout)?;
        Ok(time)
    }
}

fn docker(args: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(args);
    command
}

/// What a command says; it must end well.
fn said(command: &mut Command) -> Outcome<String> {
    let ended = command.stdin(Stdio::null()).output()?;
    if ended.status.success() {
        return Ok(String::from_utf8_lossy(&ended.stdout).trim().to_owned());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&ended.stderr).trim()).into())
}

fn failed(way: Way, program: &Program, ended: &std::process::Output) -> String {
    let line = String::from_utf8_lossy(&ended.stderr).lines().next().unwrap_or_default().to_owned();
    format!("{} by {}: {}: {line}", program.name, way.name(), ended.status)
}

/// nsjail looks for no program.
fn absolute(directory: &str, program: &str) -> PathBuf {
    if program.contains('/') { Path::new(directory).join(program) } else { Path::new("/usr/bin").join(program) }
}

/// The image of this name that this build's agent uses: other builds may have made others.
fn image_of(name: &str) -> Outcome<String> {
    let listed = said(Command::new(crate::processes::program("enclos-agent")?).args(["images", "list"]))?;
    let digest = digest_of(&listed, name).ok_or_else(|| format!("no image {name}: run 'enclos-agent images build'"))?;
    let all = said(&mut docker(&["images", "--format", "{{.Repository}}:{{.Tag}}"]))?;
    let found = all.lines().find(|line| line.starts_with(&format!("enclos/{name}:{digest}")));
    found.map(str::to_owned).ok_or_else(|| format!("the engine has no image {name} {digest}").into())
}

/// The digest in the row of an image.
fn digest_of<'a>(listed: &'a str, name: &str) -> Option<&'a str> {
    let row = listed.lines().find(|line| line.split_whitespace().next() == Some(name))?;
    row.split_whitespace().find(|word| word.len() == 12 && word.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_an_image_is_read_from_its_own_row() {
        let listed =
            "IMAGE  STATE   SIZE    DIGEST\nada  no layer  298 MB  7e03c8eda285\ngcc  ready  10 MB  0f4ccfe77071\n";
        assert_eq!(digest_of(listed, "gcc"), Some("0f4ccfe77071"));
        assert_eq!(digest_of(listed, "python"), None);
    }

    #[test]
    fn who_looks_for_no_program_is_told_where_it_is() {
        assert_eq!(absolute("/bench/3", "gcc"), Path::new("/usr/bin/gcc"));
        assert_eq!(absolute("/bench/3", "./main"), Path::new("/bench/3/./main"));
    }
}
