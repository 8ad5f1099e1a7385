//! Jobs by the engine's API, as a service that has no sandboxes of its own would run them.

use std::time::{Duration, Instant};

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::{ContainerCreateBody, ExecConfig, HostConfig};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptions, RemoveContainerOptionsBuilder, StartContainerOptions,
    WaitContainerOptions,
};
use futures::{Stream, StreamExt as _};

use super::Outcome;
use super::programs::{PREPARED, Program};
use super::room::{Room, WORK};
use super::ways::Way;

/// A connection to the engine.
pub struct Engine {
    docker: Docker,
    label: (String, String),
    bind: String,
}

impl Engine {
    /// Connects; containers get `label` (`key=value`) and see `work`.
    ///
    /// # Errors
    /// No engine answers.
    pub async fn connect(label: &str, work: &std::path::Path) -> Outcome<Self> {
        let docker = Docker::connect_with_local_defaults()?.negotiate_version().await?;
        let (key, value) = label.split_once('=').ok_or("a label is key=value")?;
        Ok(Self { docker, label: (key.to_owned(), value.to_owned()), bind: format!("{}:{WORK}:ro", work.display()) })
    }

    /// Creates a container, attaches, starts it, waits for its end and removes it.
    ///
    /// # Errors
    /// The engine fails, or the answer is wrong.
    pub async fn container(&self, room: &Room, program: &Program) -> Outcome<Duration> {
        let begun = Instant::now();
        let created = self.docker.create_container(None::<CreateContainerOptions>, self.body(room, program)).await?;
        let ran = self.attended(&created.id).await;
        let force = RemoveContainerOptionsBuilder::default().force(true).build();
        self.docker.remove_container(&created.id, Some(force)).await?;
        let (code, said) = ran?;
        let time = begun.elapsed();
        if code != 0 {
            return Err(format!("{} in a container ends with {code}", program.name).into());
        }
        program.check(Way::Container.name(), &said)?;
        Ok(time)
    }

    fn body(&self, room: &Room, program: &Program) -> ContainerCreateBody {
        let (entrypoint, cmd) = if program.is_prepared() {
            (vec![format!("{WORK}/{PREPARED}")], Vec::new())
        } else {
            (vec!["sh".to_owned()], vec!["-c".to_owned(), program.script()])
        };
        ContainerCreateBody {
            image: Some(room.image.clone()),
            entrypoint: Some(entrypoint),
            cmd: Some(cmd),
            env: Some(vec![format!("SOURCE={}", program.source)]),
            working_dir: Some("/tmp".to_owned()),
            labels: Some(std::collections::HashMap::from([self.label.clone()])),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                binds: Some(vec![self.bind.clone()]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }

    async fn attended(&self, id: &str) -> Outcome<(i64, Vec<u8>)> {
        let options = AttachContainerOptionsBuilder::default().stdout(true).stderr(true).stream(true).build();
        let attached = self.docker.attach_container(id, Some(options)).await?;
        let mut waits = Box::pin(self.docker.wait_container(id, None::<WaitContainerOptions>));
        self.docker.start_container(id, None::<StartContainerOptions>).await?;
        let said = collected(attached.output).await?;
        let code = match waits.next().await {
            Some(Ok(answer)) => answer.status_code,
            Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => code,
            Some(Err(error)) => return Err(error.into()),
            None => return Err("the engine does not say how the container ended".into()),
        };
        Ok((code, said))
    }

    /// One exec for each step in the room's container.
    ///
    /// # Errors
    /// The engine fails, or the answer is wrong.
    pub async fn exec(&self, room: &Room, program: &Program, slot: usize) -> Outcome<Duration> {
        // Its files are there: an exec has no way for them but a step more.
        std::fs::write(room.work_of(slot).join(program.file), program.source)?;
        let begun = Instant::now();
        let mut said = Vec::new();
        for step in program.steps() {
            let config = ExecConfig {
                cmd: Some(step.iter().map(|&word| word.to_owned()).collect()),
                working_dir: Some(format!("{WORK}/{slot}")),
                attach_stdout: Some(true),
                attach_stderr: Some(true),
                ..ExecConfig::default()
            };
            let exec = self.docker.create_exec(&room.id, config).await?;
            let started = self.docker.start_exec(&exec.id, None::<StartExecOptions>).await?;
            let StartExecResults::Attached { output, .. } = started else { return Err("the exec is detached".into()) };
            said = collected(output).await?;
            let code = self.docker.inspect_exec(&exec.id).await?.exit_code;
            if code != Some(0) {
                return Err(format!("{} by an exec ends with {code:?}", program.name).into());
            }
        }
        let time = begun.elapsed();
        program.check(Way::Exec.name(), &said)?;
        Ok(time)
    }
}

/// All of its standard output.
async fn collected(
    mut output: impl Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
) -> Outcome<Vec<u8>> {
    let mut said = Vec::new();
    while let Some(piece) = output.next().await {
        if let LogOutput::StdOut { message } = piece? {
            said.extend_from_slice(&message);
        }
    }
    Ok(said)
}
